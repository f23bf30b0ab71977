//! Whom rooms that speak TLS trust: the system's roots and those of a grant's `ca=`, and why a chain is not trusted.
//! Nothing here decides what becomes of a connection.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, RootCertStore};
use tokio::sync::OnceCell;

/// The cryptography in use.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The system's trust roots, read when they are first needed.
#[derive(Default)]
pub struct Roots(OnceCell<RootCertStore>);

/// Why there are no roots to trust.
#[derive(Debug, thiserror::Error)]
pub enum NoRoots {
    /// The file that the grant names; for people.
    #[error("{0}")]
    File(String),
    /// A fault of the host's own.
    #[error("{0}")]
    Fault(#[from] tokio::task::JoinError),
}

impl Roots {
    /// The system's roots and those in the file `ca`.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn with(&self, ca: Option<&impl AsRef<Path>>) -> Result<RootCertStore, NoRoots> {
        let system = self.0.get_or_try_init(|| tokio::task::spawn_blocking(system_roots)).await;
        let mut roots = system?.clone();
        if let Some(path) = ca {
            add_file(&mut roots, path.as_ref()).await.map_err(NoRoots::File)?;
        }
        Ok(roots)
    }
}

fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!("some of the system's trust roots could not be read: {error}");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
}

async fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let invalid = |reason: &dyn Display| format!("the trust roots of `ca={}` cannot be read: {reason}", path.display());
    let pem = tokio::fs::read(path).await.map_err(|error| invalid(&error))?;
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| invalid(&error))?;
        roots.add(certificate).map_err(|error| invalid(&error))?;
        added += 1;
    }
    if added == 0 { Err(invalid(&"there is no PEM certificate in it")) } else { Ok(()) }
}

/// Why a chain is not trusted, in words for the person who must mend it.
pub fn reason(error: &rustls::Error) -> String {
    use CertificateError as E;
    let rustls::Error::InvalidCertificate(error) = error else { return error.to_string() };
    match error {
        E::Expired | E::ExpiredContext { .. } => "a certificate of the chain has expired".into(),
        E::NotValidYet | E::NotValidYetContext { .. } => "a certificate of the chain is not valid yet".into(),
        E::UnknownIssuer => "no root that the host trusts has issued it, or an intermediate is missing".into(),
        E::NotValidForName => "it is not valid for the server's name".into(),
        E::NotValidForNameContext { expected, presented } => {
            // Each is written `DnsName("example.org")`.
            let name = |name: &String| name.split('"').nth(1).unwrap_or(name).to_owned();
            let shown = presented.iter().take(5).map(name).collect::<Vec<_>>().join(", ");
            let more = if presented.len() > 5 { ", ..." } else { "" };
            format!("it is not valid for {}, only for {shown}{more}", expected.to_str())
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => "it is not meant for a server".into(),
        E::BadEncoding => "a certificate of the chain is malformed".into(),
        E::Other(other) if matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) => {
            "it is an authority's certificate (CA:TRUE), which must not be a server's own".into()
        }
        E::BadSignature => "a signature in the chain does not fit".into(),
        error => error.to_string(),
    }
}
