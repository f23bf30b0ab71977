//! Certificates of live endpoints, on servers of the test's own.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use taskhost_tests::certificates::{Authority, Leaf};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Found, cert_check, expected, findings};

/// What a server does with a connection.
enum Manner {
    /// Presents these certificates.
    Presents(Arc<ServerConfig>),
    /// Says something that is no TLS.
    Chats,
    /// Says nothing.
    Hangs,
}

/// Serves on a free port of the loopback until the test ends.
async fn serve(manner: Manner) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut held: Vec<TcpStream> = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            match &manner {
                Manner::Presents(config) => {
                    // A client that only looks may go away before the end.
                    let _ = TlsAcceptor::from(Arc::clone(config)).accept(stream).await;
                }
                Manner::Chats => {
                    let _ = stream.write_all(b"220 hello\r\n").await;
                }
                Manner::Hangs => held.push(stream),
            }
        }
    });
    port
}

fn presents(leaf: &Leaf, others: &[&Authority]) -> Manner {
    let pem = others.iter().fold(leaf.certificate.clone(), |pem, authority| pem + authority.pem());
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Manner::Presents(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

struct World {
    root: Authority,
    signing: Authority,
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let root = Authority::root("Example Root").unwrap();
        let signing = root.intermediate("Example Signing").unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("root.pem"), root.pem()).unwrap();
        Self { root, signing, directory }
    }

    fn leaf(&self, name: &str, to_day: i64) -> Leaf {
        self.signing.leaf(&[name], -90, to_day).unwrap()
    }

    fn ca(&self) -> PathBuf {
        self.directory.path().join("root.pem")
    }
}

async fn report(code: i32, slots: &[String], arguments: &[&str]) -> Value {
    let mut host = cert_check().args(["--format=json"]).args(arguments.iter().copied());
    for slot in slots {
        host = host.args(["--tls", &format!("endpoints={slot}")]);
    }
    tokio::task::spawn_blocking(|| host.run()).await.unwrap().expect_code(code).report()
}

#[tokio::test]
async fn each_handshake_is_found_to_be_what_it_is() {
    let world = World::new();
    let (root, signing) = (&world.root, &world.signing);
    let trusted = format!(",ca={}", world.ca().display());
    let address = "127.0.0.1";
    let good = || presents(&world.leaf(address, 80), &[signing]);
    let cases: [(&str, Manner, &str, i32, Found); 12] = [
        ("good", good(), &trusted, 0, &[]),
        ("with its root", presents(&world.leaf(address, 80), &[signing, root]), &trusted, 0, &[]),
        ("12 days", presents(&world.leaf(address, 12), &[signing]), &trusted, 1, &[("warning", "expires soon")]),
        ("5 days", presents(&world.leaf(address, 5), &[signing]), &trusted, 2, &[("critical", "expires soon")]),
        ("expired", presents(&world.leaf(address, -1), &[signing]), &trusted, 2, &[("critical", "expired")]),
        (
            "another's",
            presents(&world.leaf("x.example.org", 80), &[signing]),
            &trusted,
            2,
            &[("critical", "wrong host name")],
        ),
        ("no issuer", presents(&world.leaf(address, 80), &[]), &trusted, 2, &[("critical", "missing intermediate")]),
        (
            "out of order",
            presents(&world.leaf(address, 80), &[root, signing]),
            &trusted,
            1,
            &[("warning", "chain out of order")],
        ),
        ("unknown root", good(), "", 2, &[("critical", "not trusted")]),
        ("self-signed", presents(&own(address), &[]), &trusted, 2, &[("critical", "self-signed")]),
        ("no TLS", Manner::Chats, &trusted, 2, &[("critical", "no TLS connection")]),
        ("silent", Manner::Hangs, ",timeout=1s", 2, &[("critical", "no TLS connection")]),
    ];
    for (case, manner, words, code, found) in cases {
        let endpoint = format!("{address}:{}", serve(manner).await);
        let found: Vec<_> = found.iter().map(|(severity, title)| (*severity, &*endpoint, *title)).collect();
        let report = report(code, &[format!("{endpoint}{words}")], &[]).await;
        assert_eq!(findings(&report), expected(&found), "{case}");
    }
}

/// One that signed itself.
fn own(name: &str) -> Leaf {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
    Leaf { certificate: certificate.pem(), key: key.serialize_pem() }
}

#[tokio::test]
async fn endpoints_and_files_are_checked_in_one_run() {
    let world = World::new();
    let good = serve(presents(&world.leaf("localhost", 80), &[&world.signing])).await;
    let soon = serve(presents(&world.leaf("127.0.0.1", 12), &[&world.signing])).await;
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let slots = [
        format!("localhost:{good},ca={}", world.ca().display()),
        format!("127.0.0.1:{soon}"),
        format!("127.0.0.1:{nobody}"),
    ];
    let files = format!("certs={}", world.directory.path().display());
    let report = report(2, &slots, &["--files", &files]).await;
    let all = [
        ("warning", format!("127.0.0.1:{soon}"), "expires soon"),
        ("critical", format!("127.0.0.1:{nobody}"), "no TLS connection"),
    ];
    let mut all = all.each_ref().map(|(severity, subject, title)| (*severity, &**subject, *title));
    all.sort_by_key(|(_, subject, _)| *subject);
    assert_eq!(findings(&report), expected(&all));
    assert!(report["summary"].as_str().unwrap().starts_with("certificates of 1 file and 3 endpoints checked"));
}

#[tokio::test]
async fn an_address_may_stand_for_a_host() {
    let world = World::new();
    let port = serve(presents(&world.leaf("www.example.org", 80), &[&world.signing])).await;
    let slot = [format!("127.0.0.1:{port},ca={}", world.ca().display())];
    report(0, &slot, &["host-name=www.example.org"]).await;
    let report = report(2, &slot, &["host-name=shop.example.org"]).await;
    assert_eq!(findings(&report)[0].2, "wrong host name");
}

#[tokio::test]
async fn a_pattern_alone_names_nothing_to_check() {
    let output = tokio::task::spawn_blocking(|| cert_check().args(["--tls", "endpoints=*.example.org:443"]).run());
    let output = output.await.unwrap().expect_code(3);
    assert!(output.stdout.contains("there is nothing to check"), "{output}");
}
