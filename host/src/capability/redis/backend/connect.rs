//! One connection: how it is made, and a pipeline of commands with a bound on what comes back.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, ProtocolVersion, RedisConnectionInfo, RedisError, Value};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::super::error::Error;
use super::super::target::{Address, Target};

/// A connection that nobody else uses. Dropping it closes it.
pub(super) struct Connection {
    client: MultiplexedConnection,
    meter: Meter,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The most bytes of the replies while a connection is set up.
const SET_UP_LIMIT: u64 = 1 << 20;

impl Connection {
    /// Connects, logs in and takes the database, all within `limit`.
    pub(super) async fn open(target: &Target, limit: Duration) -> Result<Self, Error> {
        let opened = tokio::time::timeout(limit, Self::open_unbounded(target)).await;
        opened.unwrap_or_else(|_| {
            let within = limit.as_secs();
            Err(Error::Unavailable(format!("cannot connect to {target}: nothing answered within {within} s")))
        })
    }

    async fn open_unbounded(target: &Target) -> Result<Self, Error> {
        let unreachable =
            |reason: &dyn std::fmt::Display| Error::Unavailable(format!("cannot connect to {target}: {reason}"));
        let meter = Meter::default();
        meter.allow(SET_UP_LIMIT);
        let stream: Box<dyn Stream> = match &target.address {
            Address::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(|error| unreachable(&error))?),
            Address::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| unreachable(&error))?;
                stream.set_nodelay(true).map_err(|error| unreachable(&error))?;
                if target.tls { Box::new(shake_hands(target, host, stream).await?) } else { Box::new(stream) }
            }
        };
        let stream = Metered { stream, meter: meter.clone() };
        let mut info = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(i64::from(target.database))
            .set_skip_set_lib_name();
        if let Some(user) = &target.user {
            info = info.set_username(user);
        }
        if let Some(password) = &target.password {
            info = info.set_password(password.expose());
        }
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let (client, driver) = MultiplexedConnection::new_with_config(&info, stream, config)
            .await
            .map_err(|error| refused(target, &error))?;
        let mut connection = Self { client, meter, driver: tokio::spawn(driver) };
        // That the host looks at a key must not make the key seem in use; servers before 7.2 do not know how.
        let mut name = Cmd::new();
        name.arg("CLIENT").arg("SETNAME").arg("taskhost");
        let mut quiet = Cmd::new();
        quiet.arg("CLIENT").arg("NO-TOUCH").arg("ON");
        connection.send(target, &[name, quiet], SET_UP_LIMIT).await?;
        Ok(connection)
    }

    /// Sends `commands` together and gives the replies in their order, of which each can be an error of the server's.
    pub(super) async fn send(&mut self, target: &Target, commands: &[Cmd], limit: u64) -> Result<Vec<Value>, Error> {
        let mut pipeline = redis::Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command.clone());
        }
        self.meter.allow(limit);
        let replies = self.client.send_packed_commands(&pipeline, 0, commands.len()).await;
        let replies = replies.map_err(|error| {
            if self.meter.is_spent() {
                return Error::Invalid(format!(
                    "the reply is larger than {} MiB; ask for less of it at once",
                    limit >> 20
                ));
            }
            lost(target, &error)
        })?;
        if replies.len() != commands.len() {
            return Err(Error::Unavailable(format!("{target} answered something that is no reply")));
        }
        Ok(replies)
    }
}

fn lost(target: &Target, error: &RedisError) -> Error {
    Error::Unavailable(format!("the connection to {target} was lost: {error}"))
}

/// Why a server that was reached did not let the slot's user in.
fn refused(target: &Target, error: &RedisError) -> Error {
    if let (ErrorKind::Server(_) | ErrorKind::Extension, Some(code)) = (error.kind(), error.code()) {
        return Error::server(code, error.detail().unwrap_or_default());
    }
    let said = error.detail().map_or_else(|| error.to_string(), str::to_owned);
    match error.kind() {
        ErrorKind::AuthenticationFailed => {
            let code = if said.contains("NOAUTH") { "NOAUTH" } else { "WRONGPASS" };
            Error::server(code, &said)
        }
        ErrorKind::RESP3NotSupported => Error::Unsupported(format!("{target} is older than Redis 6")),
        ErrorKind::Io => Error::Unavailable(format!("cannot connect to {target}: {said}")),
        _ => Error::Unavailable(format!("{target} did not let the slot's user in: {said}")),
    }
}

/// TLS with the system's roots and those of `ca=`.
async fn shake_hands(
    target: &Target,
    host: &str,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Error> {
    let roots = match &target.ca {
        None => tokio::task::spawn_blocking(system_roots).await.map_err(|error| Error::Trap(error.to_string()))?,
        Some(path) => {
            let invalid = |reason: &dyn std::fmt::Display| {
                Error::Invalid(format!("the trust roots of `ca={}` cannot be read: {reason}", path.display()))
            };
            let pem = tokio::fs::read(path).await.map_err(|error| invalid(&error))?;
            let mut roots =
                tokio::task::spawn_blocking(system_roots).await.map_err(|error| Error::Trap(error.to_string()))?;
            let mut added = 0;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| invalid(&error))?;
                roots.add(certificate).map_err(|error| invalid(&error))?;
                added += 1;
            }
            if added == 0 {
                return Err(invalid(&"there is no PEM certificate in it"));
            }
            roots
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Trap(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Error::Invalid(format!("`{host}` is no name that a certificate can be for")))?;
    let connected = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    connected.map_err(|error| {
        Error::Unavailable(format!(
            "cannot connect to {target}: {error}; a private authority's certificate is trusted with `,ca=FILE`"
        ))
    })
}

fn system_roots() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// What a connection is made over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// How many bytes may still come.
#[derive(Clone, Default)]
struct Meter(Arc<AtomicU64>);

impl Meter {
    fn allow(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    fn spend(&self, bytes: u64) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(bytes)));
    }

    fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// A stream that ends when more comes than was allowed: a reply is held in memory until it is whole.
struct Metered {
    stream: Box<dyn Stream>,
    meter: Meter,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.meter.is_spent() {
            return Poll::Ready(Err(std::io::Error::other("the reply is too large")));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.meter.spend((buffer.filled().len() - before) as u64);
        polled
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
