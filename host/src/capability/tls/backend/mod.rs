//! Resolves, connects and shakes hands: the only part of the room that imports the TLS library. Decides nothing about
//! what is allowed, and connects to the addresses it is given, never to a name.

mod starttls;
mod verify;

use std::fmt::Display;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use self::verify::Roots;
use super::bindings::Handshake;
use super::error::Error;
use super::grant::Endpoint;
use crate::gate::micros;
use crate::policy::endpoint::HostName;

/// What all runs share: the system's trust roots, read once, and the way to resolve names.
#[derive(Default)]
pub struct Shared {
    roots: Roots,
    resolver: Resolver,
}

/// One connection to be made.
pub(super) struct Request<'a> {
    pub(super) endpoint: Endpoint,
    /// Sent as SNI when it is a name; the certificate must be valid for it.
    pub(super) server_name: HostName,
    /// A file of further trust roots.
    pub(super) ca: Option<&'a PathBuf>,
    pub(super) timeout: Duration,
    /// When the time-out is over.
    pub(super) deadline: Instant,
}

type Lookup = dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> + Send + Sync;

/// How names become addresses.
struct Resolver(Box<Lookup>);

impl Default for Resolver {
    /// As the system does it.
    fn default() -> Self {
        Self(Box::new(|name| {
            Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
        }))
    }
}

/// The most addresses of one name that are tried.
const ADDRESSES: usize = 8;
/// How long the other end has to take note that we hang up.
const FAREWELL: Duration = Duration::from_millis(200);

impl Shared {
    /// With names that resolve as the test says.
    #[cfg(test)]
    pub(super) fn resolving(names: std::collections::BTreeMap<String, Vec<IpAddr>>) -> Self {
        let lookup = move |name: String| -> BoxFuture<'static, _> {
            let found = names.get(&name).cloned().ok_or_else(|| std::io::ErrorKind::NotFound.into());
            Box::pin(std::future::ready(found))
        };
        Self { roots: Roots::default(), resolver: Resolver(Box::new(lookup)) }
    }

    /// The addresses of the endpoint's host, each once.
    pub(super) async fn resolve(&self, request: &Request<'_>) -> Result<Vec<IpAddr>, Error> {
        let name = match &request.endpoint.host {
            HostName::Address(address) => return Ok(vec![*address]),
            HostName::Name(name) => name.clone(),
        };
        let unavailable = |error: &dyn Display| Error::Unavailable(format!("{name} does not resolve: {error}"));
        let found = request.within("resolving the name", (self.resolver.0)(name.clone())).await?;
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in found.map_err(|error| unavailable(&error))?.into_iter().map(|address| address.to_canonical()) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses.truncate(ADDRESSES);
        if addresses.is_empty() { Err(unavailable(&"it has no address")) } else { Ok(addresses) }
    }

    /// Shakes hands with the first of `addresses` that answers, and hangs up.
    pub(super) async fn handshake(&self, request: &Request<'_>, addresses: &[IpAddr]) -> Result<Handshake, Error> {
        let recorder = self.roots.recorder(request.ca).await?;
        let config = ClientConfig::builder_with_provider(verify::provider())
            .with_safe_default_protocol_versions()
            .map_err(wasmtime::Error::from)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&recorder) as _)
            .with_no_client_auth();
        let server_name = match &request.server_name {
            HostName::Address(address) => ServerName::from(*address),
            HostName::Name(name) => ServerName::try_from(name.clone())
                .map_err(|_| Error::Invalid(format!("`{name}` cannot be sent as a server name")))?,
        };
        let started = Instant::now();
        let mut tcp = request.connect(addresses).await?;
        let address = tcp.peer_addr().map_err(|error| request.lost(&error))?.ip();
        let shaking = async {
            starttls::begin(&mut tcp, request.endpoint.starttls).await?;
            Ok(TlsConnector::from(Arc::new(config)).connect(server_name, tcp).await?)
        };
        let shaken = request.within("the handshake", shaking).await?;
        let mut tls = shaken.map_err(|failure| request.failed(failure))?;
        let duration_us = micros(started.elapsed());
        let (_, connection) = tls.get_ref();
        let protocol = connection.protocol_version().and_then(|version| version.as_str()).map(protocol_name);
        let cipher = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).map(cipher_name);
        // An orderly end is a courtesy: whether it arrives changes nothing about the answer.
        drop(tokio::time::timeout(FAREWELL, tls.shutdown()).await);
        let (chain, trusted) = recorder.seen();
        Ok(Handshake {
            chain,
            protocol: protocol.unwrap_or_default(),
            cipher: cipher.unwrap_or_default(),
            address: address.to_string(),
            trusted,
            duration_us,
        })
    }
}

impl Request<'_> {
    /// The result of `work`, or a time-out of `stage`.
    async fn within<T>(&self, stage: &str, work: impl Future<Output = T>) -> Result<T, Error> {
        tokio::time::timeout_at(self.deadline, work).await.map_err(|_| {
            let (endpoint, seconds) = (&self.endpoint, self.timeout.as_secs());
            Error::TimedOut(format!("{endpoint}: {stage} did not end within {seconds}s; `,timeout=` allows more"))
        })
    }

    /// A connection to the first address that answers; each has its share of the time that is left.
    async fn connect(&self, addresses: &[IpAddr]) -> Result<TcpStream, Error> {
        let mut last = None;
        for (index, address) in addresses.iter().enumerate() {
            let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
            let share = self.deadline.saturating_duration_since(Instant::now()) / left;
            match tokio::time::timeout(share, TcpStream::connect((*address, self.endpoint.port))).await {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(error)) => {
                    last = Some(Error::Unavailable(format!("{}: no connection to {address}: {error}", self.endpoint)));
                }
                Err(_) => {
                    let seconds = self.timeout.as_secs();
                    last = Some(Error::TimedOut(format!(
                        "{}: {address} did not answer within {seconds}s; `,timeout=` allows more",
                        self.endpoint
                    )));
                }
            }
        }
        Err(last.unwrap_or_else(|| Error::Unavailable(format!("{} has no address", self.endpoint))))
    }

    fn lost(&self, error: &std::io::Error) -> Error {
        Error::Unavailable(format!("{}: the connection was lost: {error}", self.endpoint))
    }

    fn failed(&self, failure: starttls::Failure) -> Error {
        let endpoint = &self.endpoint;
        let error = match failure {
            starttls::Failure::Io(error) => error,
            starttls::Failure::Dialogue(reason) => return Error::Handshake(format!("{endpoint}: {reason}")),
        };
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidMessage(reason)) => {
                Error::Handshake(format!("{endpoint} does not speak TLS (its answer was no TLS message: {reason:?})"))
            }
            Some(reason) => Error::Handshake(format!("{endpoint}: the TLS handshake failed: {reason}")),
            None if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Error::Handshake(format!("{endpoint} closed the connection during the TLS handshake"))
            }
            None => self.lost(&error),
        }
    }
}

/// `TLSv1_3` as the field writes it.
fn protocol_name(name: &str) -> String {
    name.replace('_', ".")
}

/// The library tells the cipher suites of TLS 1.3 apart by a prefix that IANA's names do not have.
fn cipher_name(name: &str) -> String {
    name.strip_prefix("TLS13_").map_or_else(|| name.to_owned(), |rest| format!("TLS_{rest}"))
}
