//! Keeps what a server presents, and what the trust roots say to it. It accepts every chain, since the chain is the
//! answer that is wanted: no data must ever be sent over a connection that was made with it.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::sync::OnceCell;

use super::Error;

/// The cryptography in use.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The system's trust roots, read when they are first needed.
#[derive(Default)]
pub(super) struct Roots(OnceCell<RootCertStore>);

impl Roots {
    /// A recorder for one handshake, which trusts the system's roots and those in the file `ca`.
    pub(super) async fn recorder(&self, ca: Option<&impl AsRef<Path>>) -> Result<Arc<Recorder>, Error> {
        let system = self.0.get_or_try_init(|| tokio::task::spawn_blocking(system_roots)).await;
        let mut roots = system.map_err(wasmtime::Error::from)?.clone();
        if let Some(path) = ca {
            add_file(&mut roots, path.as_ref()).await?;
        }
        // Without any root there is nobody to ask, and nothing is trusted.
        let trust = (!roots.is_empty())
            .then(|| WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build())
            .transpose()
            .map_err(wasmtime::Error::from)?;
        Ok(Arc::new(Recorder { trust, provider: provider(), seen: Mutex::default() }))
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

async fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), Error> {
    let invalid = |reason: &dyn std::fmt::Display| {
        Error::Invalid(format!("the trust roots of `ca={}` cannot be read: {reason}", path.display()))
    };
    let pem = tokio::fs::read(path).await.map_err(|error| invalid(&error))?;
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| invalid(&error))?;
        roots.add(certificate).map_err(|error| invalid(&error))?;
        added += 1;
    }
    if added == 0 { Err(invalid(&"there is no PEM certificate in it")) } else { Ok(()) }
}

/// One handshake's certificates and the verdict on them.
#[derive(Debug)]
pub(super) struct Recorder {
    trust: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    chain: Vec<Vec<u8>>,
    /// Why the chain is not trusted.
    distrust: Option<String>,
    /// Whether the server showed that it holds the private key.
    proven: bool,
}

impl Recorder {
    /// The chain as presented, and whether it is trusted.
    pub(super) fn seen(&self) -> (Vec<Vec<u8>>, Result<(), String>) {
        let mut seen = self.lock();
        let trusted = match seen.distrust.take() {
            Some(reason) => Err(reason),
            None if seen.proven => Ok(()),
            None => Err("the server did not show that it holds the certificate's private key".into()),
        };
        (std::mem::take(&mut seen.chain), trusted)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the outcome of the server's signature, which fails also for keys that are too weak to be checked.
    fn note_proof(&self, checked: Result<HandshakeSignatureValid, rustls::Error>) -> HandshakeSignatureValid {
        match checked {
            Ok(_) => self.lock().proven = true,
            Err(error) => {
                let mut seen = self.lock();
                seen.distrust.get_or_insert_with(|| reason(&error));
            }
        }
        HandshakeSignatureValid::assertion()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = match &self.trust {
            Some(trust) => trust
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map_err(|error| reason(&error)),
            None => Err("the host has no trust roots; name some with `,ca=PATH`".into()),
        };
        let mut seen = self.lock();
        seen.chain = std::iter::once(end_entity).chain(intermediates).map(|certificate| certificate.to_vec()).collect();
        seen.distrust = verdict.err();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        Ok(self.note_proof(rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        Ok(self.note_proof(rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Why a chain is not trusted, in words for the person who must mend it.
fn reason(error: &rustls::Error) -> String {
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
