//! A server on loopback, at all of its addresses, for one test.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

/// It ends with the test's runtime.
pub(super) struct Server {
    pub(super) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers each request with that.
    pub(super) async fn answering(status: &str, headers: &str, body: &str) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}");
        let requests = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (mut tcp, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    match tcp.read_u8().await {
                        Ok(byte) => request.push(byte),
                        Err(_) => break,
                    }
                }
                requests.lock().await.push(String::from_utf8(request).unwrap());
                tcp.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { port, seen }
    }

    /// The heads of the requests so far.
    pub(super) async fn seen(&self) -> Vec<String> {
        self.seen.lock().await.clone()
    }
}
