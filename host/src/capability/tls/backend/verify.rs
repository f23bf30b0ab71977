//! Keeps what a server presents, and what the trust roots say to it. It accepts every chain, since the chain is the
//! answer that is wanted: no data must ever be sent over a connection that was made with it.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};

use super::Error;
use crate::capability::trust::{Roots, provider, reason};

/// A recorder for one handshake, which trusts the system's roots and those in the file `ca`.
pub(super) async fn recorder(roots: &Roots, ca: Option<&impl AsRef<Path>>) -> Result<Arc<Recorder>, Error> {
    let roots = roots.with(ca).await?;
    // Without any root there is nobody to ask, and nothing is trusted.
    let trust = (!roots.is_empty())
        .then(|| WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build())
        .transpose()
        .map_err(wasmtime::Error::from)?;
    Ok(Arc::new(Recorder { trust, provider: provider(), seen: Mutex::default() }))
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
