//! HTTP servers on loopback that do what a test tells them, with TLS or without, and remember what they were asked. Made
//! with nothing of the host's, and byte by byte, so that they can misbehave.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::certificates::{Authority, Leaf};

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// `GET`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// What came after them.
    pub body: Vec<u8>,
}

impl Received {
    /// The header's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(named, _)| named == name).map_or("", |(_, value)| value)
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// What a server says, and what it does then.
#[derive(Clone, Debug)]
pub struct Reply {
    bytes: Vec<u8>,
    then: Then,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Close,
    Hang,
    Drip,
    Flood,
}

impl Reply {
    /// A whole answer.
    pub fn new(status: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n", body.len());
        Self { bytes: [head.as_bytes(), body].concat(), then: Then::Close }
    }

    /// 200 with a text.
    pub fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::new("200 OK", &[("content-type", "text/plain")], body)
    }

    /// 200 with JSON.
    pub fn json(value: &serde_json::Value) -> Self {
        Self::new("200 OK", &[("content-type", "application/json")], value.to_string())
    }

    /// A redirect.
    pub fn redirect(status: &str, to: &str) -> Self {
        Self::new(status, &[("location", to)], "moved")
    }

    /// These bytes, whatever they are.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), then: Then::Close }
    }

    /// And then nothing, with the connection open.
    #[must_use]
    pub fn then_hang(self) -> Self {
        Self { then: Then::Hang, ..self }
    }

    /// And then a byte every few milliseconds.
    #[must_use]
    pub fn then_drip(self) -> Self {
        Self { then: Then::Drip, ..self }
    }

    /// And then bytes for as long as they are taken.
    #[must_use]
    pub fn then_flood(self) -> Self {
        Self { then: Then::Flood, ..self }
    }
}

/// A server, which ends when this is dropped.
pub struct Server {
    port: u16,
    scheme: &'static str,
    seen: Arc<Mutex<Vec<Received>>>,
    over: Arc<AtomicBool>,
}

type Answer = dyn Fn(&Received) -> Reply + Send + Sync;

impl Server {
    /// One without TLS.
    pub fn start(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(None, Arc::new(answer))
    }

    /// One with TLS, which asks for a certificate of `clients` where there are any.
    pub fn secured(
        leaf: &Leaf,
        clients: Option<&Authority>,
        answer: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let chain = CertificateDer::pem_slice_iter(leaf.certificate.as_bytes()).collect::<Result<_, _>>();
        let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate");
                roots.add(root).expect("a root");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.expect("a verifier"))
            }
        };
        let config = builder.with_single_cert(chain.expect("certificates"), key).expect("a certificate and its key");
        Self::serve(Some(Arc::new(config)), Arc::new(answer))
    }

    fn serve(tls: Option<Arc<ServerConfig>>, answer: Arc<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let server = Self { port, scheme, seen: Arc::clone(&seen), over: Arc::clone(&over) };
        std::thread::spawn(move || {
            while let Ok((tcp, _)) = listener.accept() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (tls, answer) = (tls.clone(), Arc::clone(&answer));
                let (seen, over) = (Arc::clone(&seen), Arc::clone(&over));
                std::thread::spawn(move || {
                    let converse = |stream: &mut dyn Stream| converse(stream, &*answer, &seen, &over);
                    // A client may go away at any time.
                    let _ = match tls {
                        None => converse(&mut &tcp),
                        Some(config) => ServerConnection::new(config)
                            .map_err(std::io::Error::other)
                            .and_then(|connection| converse(&mut StreamOwned::new(connection, &tcp))),
                    };
                });
            }
        });
        server
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address by number, with `path` (without a `/` at its beginning).
    pub fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}/{path}", self.scheme, self.port)
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Received> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the one who accepts.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn converse(
    stream: &mut dyn Stream,
    answer: &Answer,
    seen: &Mutex<Vec<Received>>,
    over: &AtomicBool,
) -> std::io::Result<()> {
    let Some(request) = receive(stream)? else { return Ok(()) };
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    let reply = answer(&request);
    stream.write_all(&reply.bytes)?;
    stream.flush()?;
    while !over.load(Ordering::Relaxed) {
        match reply.then {
            Then::Close => break,
            // Until the client goes.
            Then::Hang => {
                if stream.read(&mut [0; 64])? == 0 {
                    break;
                }
            }
            Then::Drip => {
                stream.write_all(b"x")?;
                stream.flush()?;
                std::thread::sleep(Duration::from_millis(20));
            }
            Then::Flood => stream.write_all(&[b'x'; 8 * 1024])?,
        }
    }
    Ok(())
}

fn receive(stream: &mut dyn Stream) -> std::io::Result<Option<Received>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let mut word = || first.next().unwrap_or_default().to_owned();
    let (method, target) = (word(), word());
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers: Vec<_> = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let mut request = Received { method, target, headers, body: vec![] };
    request.body = vec![0; request.header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut request.body)?;
    Ok(Some(request))
}
