//! TLS as a slot's grant would have it: its trust roots, its client certificate. A certificate that is not trusted ends
//! the connection before a byte of the request is sent.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::Grant;
use super::super::error::Error;
use super::super::location::Location;
use crate::capability::trust::{Roots, provider};
use crate::policy::endpoint::HostName;

/// A slot's way to speak TLS, made when it is first needed.
#[derive(Default)]
pub(in crate::capability::http) struct Tls(OnceCell<Arc<ClientConfig>>);

/// A way to speak TLS once.
pub(super) struct Connector {
    config: ClientConfig,
    identity: Arc<Identity>,
}

/// What a server heard of who the client is. One that is not content may close the connection before it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identified {
    NotAsked,
    /// It asked, and there is no certificate.
    Asked,
    /// It asked, and was given one.
    Presented,
}

/// The client certificate of one connection, and whether it was asked for.
#[derive(Debug)]
struct Identity {
    resolver: Arc<dyn ResolvesClientCert>,
    asked: AtomicBool,
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, roots: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.resolver.resolve(roots, schemes)
    }

    fn has_certs(&self) -> bool {
        self.resolver.has_certs()
    }
}

impl Tls {
    pub(super) async fn connector(&self, grant: &Grant, roots: &Roots) -> Result<Connector, Error> {
        let config = self.0.get_or_try_init(|| config(grant, roots)).await?;
        let mut config = ClientConfig::clone(config);
        let resolver = Arc::clone(&config.client_auth_cert_resolver);
        let identity = Arc::new(Identity { resolver, asked: AtomicBool::new(false) });
        config.client_auth_cert_resolver = Arc::clone(&identity) as _;
        Ok(Connector { config, identity })
    }
}

impl Connector {
    /// What was asked so far, and answered.
    pub(super) fn identified(&self) -> Identified {
        match (self.identity.asked.load(Ordering::Relaxed), self.identity.has_certs()) {
            (false, _) => Identified::NotAsked,
            (true, false) => Identified::Asked,
            (true, true) => Identified::Presented,
        }
    }

    pub(super) async fn shake_hands(
        &self,
        location: &Location,
        tcp: TcpStream,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let name = match location.host() {
            HostName::Address(address) => ServerName::from(*address),
            HostName::Name(name) => ServerName::try_from(name.clone()).map_err(std::io::Error::other)?,
        };
        TlsConnector::from(Arc::new(self.config.clone())).connect(name, tcp).await
    }
}

async fn config(grant: &Grant, roots: &Roots) -> Result<Arc<ClientConfig>, Error> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(wasmtime::Error::from)?
        .with_root_certificates(roots.with(grant.ca()).await?);
    let mut config = match grant.identity() {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = chain(certificate).await?;
            let private = private_key(key).await?;
            builder.with_client_auth_cert(chain, private).map_err(|error| unreadable("key", key, &error))?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Each handshake is a whole one, so that what it took says something, and shows the certificate of now.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

async fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = tokio::fs::read(path).await.map_err(|error| unreadable("cert", path, &error))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(unreadable("cert", path, &"there is no PEM certificate in it")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(unreadable("cert", path, &error)),
    }
}

async fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let pem = tokio::fs::read(path).await.map_err(|error| unreadable("key", path, &error))?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| unreadable("key", path, &"there is no PEM private key in it"))
}

fn unreadable(setting: &str, path: &Path, reason: &dyn Display) -> Error {
    Error::Invalid(format!("the client certificate of `{setting}={}` cannot be used: {reason}", path.display()))
}
