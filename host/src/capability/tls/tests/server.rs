//! Servers of all manners on loopback, each for the connections of one test.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A certificate with its chain and key.
pub(super) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

/// An authority that no system trusts.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for `name`, as `adjust` would have it.
    pub(super) fn issue(&self, name: &str, adjust: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        adjust(&mut params);
        let key = KeyPair::generate().unwrap();
        Identity { chain: vec![params.signed_by(&key, &self.issuer).unwrap().der().clone()], key }
    }
}

pub(super) fn authorized(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

pub(super) fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2019, 1, 1);
    params.not_after = date_time_ymd(2020, 1, 1);
}

pub(super) fn not_yet_valid(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2090, 1, 1);
    params.not_after = date_time_ymd(2091, 1, 1);
}

pub(super) fn self_signed(name: &str) -> Identity {
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    Identity { chain: vec![params.self_signed(&key).unwrap().der().clone()], key }
}

impl Identity {
    pub(super) fn leaf(&self) -> Vec<u8> {
        self.chain[0].to_vec()
    }

    fn acceptor(&self, versions: &[&'static rustls::SupportedProtocolVersion]) -> TlsAcceptor {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der()).into();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A server, which ends with the test.
pub(super) struct Server {
    pub(super) port: u16,
    task: JoinHandle<Vec<u8>>,
}

impl Server {
    /// Serves one connection with `serve`, which returns what the client sent.
    pub(super) async fn start<F: Future<Output = Vec<u8>> + Send>(
        serve: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
        Self { port, task }
    }

    /// Says each of `script`'s answers when it has read a line, then speaks TLS; the first is said unasked, if any.
    pub(super) async fn tls(identity: &Identity, script: &'static [&'static str]) -> Self {
        Self::with_versions(identity, script, rustls::ALL_VERSIONS).await
    }

    pub(super) async fn with_versions(
        identity: &Identity,
        script: &'static [&'static str],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Self {
        let acceptor = identity.acceptor(versions);
        Self::start(move |mut tcp| async move {
            talk(&mut tcp, script).await;
            serve_tls(acceptor, tcp).await
        })
        .await
    }

    /// Answers a PostgreSQL request for TLS with `answer`, and then speaks TLS.
    pub(super) async fn postgres(identity: &Identity, answer: u8) -> Self {
        let acceptor = identity.acceptor(rustls::ALL_VERSIONS);
        Self::start(move |mut tcp| async move {
            let mut request = [0; 8];
            tcp.read_exact(&mut request).await.unwrap();
            assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
            tcp.write_all(&[answer]).await.unwrap();
            serve_tls(acceptor, tcp).await
        })
        .await
    }

    /// Says `text` over and over, and never anything else.
    pub(super) async fn saying(text: &'static [u8]) -> Self {
        Self::start(move |mut tcp| async move {
            while tcp.write_all(text).await.is_ok() {}
            Vec::new()
        })
        .await
    }

    /// Says `first`, and then one byte every few milliseconds.
    pub(super) async fn dripping(first: &'static [u8], byte: u8) -> Self {
        Self::start(move |mut tcp| async move {
            tcp.write_all(first).await.unwrap();
            while tcp.write_all(&[byte]).await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            Vec::new()
        })
        .await
    }

    /// Reads, and says nothing.
    pub(super) async fn silent() -> Self {
        Self::start(|mut tcp| async move {
            let mut read = Vec::new();
            drop(tcp.read_to_end(&mut read).await);
            read
        })
        .await
    }

    /// What the client sent in the TLS connection.
    pub(super) async fn received(self) -> Vec<u8> {
        self.task.await.unwrap()
    }
}

async fn talk(tcp: &mut TcpStream, script: &[&str]) {
    for (step, answer) in script.iter().enumerate() {
        if step > 0 {
            while tcp.read_u8().await.unwrap() != b'\n' {}
        }
        tcp.write_all(answer.as_bytes()).await.unwrap();
    }
}

async fn serve_tls(acceptor: TlsAcceptor, tcp: TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    if let Ok(mut tls) = acceptor.accept(tcp).await {
        // Ends without an error only when the client takes its leave with close_notify.
        tls.read_to_end(&mut received).await.unwrap();
    }
    received
}
