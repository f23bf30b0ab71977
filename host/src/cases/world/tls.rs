//! An endpoint that speaks TLS, on the loopback, with a certificate of a case's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::Trouble;
use crate::cases::file::Tls;

/// How long a client may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// It listens while this is.
pub(super) struct Endpoint {
    port: u16,
    /// The authority's certificate, if it is to be trusted.
    authority: Option<PathBuf>,
    task: JoinHandle<()>,
}

impl Endpoint {
    /// Starts one. The authority's certificate is written to `file`.
    pub(super) async fn start(tls: &Tls, file: &Path) -> Result<Self, Trouble> {
        let (config, authority) = certified(tls)?;
        std::fs::write(file, authority)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(tokio::time::timeout(PATIENCE, async move {
                    // Until the other end hangs up.
                    if let Ok(mut stream) = acceptor.accept(stream).await {
                        let _ = stream.read_u8().await;
                    }
                }));
            }
        });
        Ok(Self { port, authority: tls.trusted.then(|| file.to_owned()), task })
    }

    pub(super) fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub(super) fn authority(&self) -> Option<&Path> {
        self.authority.as_deref()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A server with a fresh certificate, and its authority's, PEM.
fn certified(tls: &Tls) -> Result<(ServerConfig, String), Trouble> {
    // As servers have it: they present their own and an intermediate authority's, and clients know the root.
    let (root, root_key) = (authority("root of a case"), KeyPair::generate()?);
    let root_pem = root.self_signed(&root_key)?.pem();
    let root = Issuer::new(root, root_key);
    let (intermediate, intermediate_key) = (authority("intermediate of a case"), KeyPair::generate()?);
    let presented = intermediate.signed_by(&intermediate_key, &root)?;
    let issuer = Issuer::new(intermediate, intermediate_key);

    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(tls.names.clone())?;
    leaf.distinguished_name.push(DnType::CommonName, tls.names.first().map_or("localhost", String::as_str));
    let day = time::Duration::DAY;
    // Half an hour more, so that who counts whole days counts these.
    leaf.not_after = OffsetDateTime::now_utc() + day * tls.days + time::Duration::minutes(30);
    leaf.not_before = leaf.not_after.min(OffsetDateTime::now_utc()) - day;
    let certificate = leaf.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone(), presented.der().clone()], key)?;
    Ok((config, root_pem))
}

fn authority(name: &str) -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, name);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority.use_authority_key_identifier_extension = true;
    authority
}
