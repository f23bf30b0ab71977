//! What listens for TLS in nginx's place, and presents what lies in its directory at that moment, as a server does that was
//! restarted.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

/// The server. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Site {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Site {
    /// With `fullchain.pem` and `privkey.pem` of the directory.
    pub(super) fn start(directory: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let ends = Arc::new(AtomicBool::new(false));
        let (stop, directory) = (Arc::clone(&ends), directory.to_owned());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(mut stream) = stream else { continue };
                let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                // One that only looks may go away before the end.
                if let Some(mut connection) = configuration(&directory).and_then(|set| ServerConnection::new(set).ok())
                {
                    let _ = connection.complete_io(&mut stream);
                }
            }
        });
        Self { address, ends, thread: Some(thread) }
    }

    /// Host and port.
    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // It waits for a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// None where the key is not that of the certificate, with which a server would not start.
fn configuration(directory: &Path) -> Option<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(directory.join("fullchain.pem")).ok()?.collect::<Result<_, _>>().ok()?;
    let key = PrivateKeyDer::from_pem_file(directory.join("privkey.pem")).ok()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let set = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    set.with_no_client_auth().with_single_cert(chain, key).ok().map(Arc::new)
}
