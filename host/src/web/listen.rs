//! Connections: taken one by one, so many at a time, by TLS or without, and ended in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::call::Peer;
use super::{Site, router};

/// Connections at a time; more wait.
const CONNECTIONS: u32 = 1_000;
/// How long the head of a request, or a TLS handshake, may take to arrive.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long what is being answered may go on when the host ends.
const GRACE: Duration = Duration::from_secs(3);

/// Where connections come in.
pub struct Door {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Door {
    /// Listens there.
    ///
    /// # Errors
    /// The address is taken, or not this machine's.
    pub async fn open(address: SocketAddr) -> Result<Self, String> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| format!("failed to listen on {address}: {error}"))?;
        Ok(Self { listener, tls: None })
    }

    /// With a certificate, and what signs in its name.
    ///
    /// # Errors
    /// What is in the files is none.
    pub fn with_tls(mut self, certificate: &std::path::Path, key: &std::path::Path) -> Result<Self, String> {
        let failed = |path: &std::path::Path, error: &dyn std::fmt::Display| {
            format!("failed to use {}: {error}", path.display())
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
        let chain = chain.map_err(|error| failed(certificate, &error))?;
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = versions.map_err(|error| error.to_string())?.with_no_client_auth().with_single_cert(chain, secret);
        let mut config = config.map_err(|error| failed(certificate, &error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        self.tls = Some(TlsAcceptor::from(Arc::new(config)));
        Ok(self)
    }

    /// As a browser writes it.
    ///
    /// # Errors
    /// The system does not say.
    pub fn url(&self) -> Result<String, String> {
        let address = self.listener.local_addr().map_err(|error| error.to_string())?;
        Ok(format!("{}://{address}", if self.tls.is_some() { "https" } else { "http" }))
    }
}

/// Answers until it is told to stop.
pub async fn serve(site: Arc<Site>, door: Door, stop: CancellationToken) {
    let router = router(&site);
    let room = Arc::new(Semaphore::new(CONNECTIONS as usize));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { break };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = door.listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Of files there may be too many for a moment.
                tracing::warn!("failed to take a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (router, tls, stop) = (router.clone(), door.tls.clone(), stop.clone());
        tokio::spawn(async move {
            talk(stream, peer, tls, router, stop).await;
            drop(permit);
        });
    }
    // All room is there again when the last has gone.
    let _ = tokio::time::timeout(GRACE, room.acquire_many(CONNECTIONS)).await;
}

async fn talk(stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>, router: Router, stop: CancellationToken) {
    // Pages are small, and events are to arrive at once.
    let _ = stream.set_nodelay(true);
    match tls {
        None => answer(stream, peer, router, stop).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
                answer(stream, peer, router, stop).await;
            }
        }
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
) {
    let service = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer.ip()));
        hyper::service::Service::call(&service, request)
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // What a browser breaks off is its own affair.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
