//! Resolves, connects and shakes hands: the only part of the room that imports the TLS library. Decides nothing about
//! what is allowed, and connects to the addresses it is given, never to a name.

mod starttls;
mod verify;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::bindings::Handshake;
use super::error::Error;
use super::grant::Endpoint;
use crate::capability::network::{self, Resolver, Unreached};
use crate::capability::trust::{Roots, provider};
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

/// How long the other end has to take note that we hang up.
const FAREWELL: Duration = Duration::from_millis(200);

impl Shared {
    /// With names that resolve as the test says.
    #[cfg(test)]
    pub(super) fn resolving(names: std::collections::BTreeMap<String, Vec<IpAddr>>) -> Self {
        Self { roots: Roots::default(), resolver: Resolver::of(names) }
    }

    /// The addresses of the endpoint's host, each once.
    pub(super) async fn resolve(&self, request: &Request<'_>) -> Result<Vec<IpAddr>, Error> {
        let found = request.within("resolving the name", self.resolver.resolve(&request.endpoint.host)).await?;
        found.map_err(Error::Unavailable)
    }

    /// Shakes hands with the first of `addresses` that answers, and hangs up.
    pub(super) async fn handshake(&self, request: &Request<'_>, addresses: &[IpAddr]) -> Result<Handshake, Error> {
        let recorder = verify::recorder(&self.roots, request.ca).await?;
        let config = ClientConfig::builder_with_provider(provider())
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
        let endpoint = &self.endpoint;
        network::connect(addresses, endpoint.port, self.deadline).await.map_err(|unreached| match unreached {
            Unreached::Failed(address, error) => {
                Error::Unavailable(format!("{endpoint}: no connection to {address}: {error}"))
            }
            Unreached::Silent(address) => {
                let seconds = self.timeout.as_secs();
                let message = "did not answer within";
                Error::TimedOut(format!("{endpoint}: {address} {message} {seconds}s; `,timeout=` allows more"))
            }
            Unreached::Nothing => Error::Unavailable(format!("{endpoint} has no address")),
        })
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
