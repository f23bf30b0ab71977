//! An engine behind TCP and TLS: who may connect, and what is said to who may not.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use taskhost_tests::certificates::{Authority, Leaf};
use taskhost_tests::docker::{Engine, engine};
use taskhost_tests::{fixture, host};
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::TlsAcceptor;

/// A port that leads to the test's engine, as a proxy before it would: with TLS, only for clients whom `clients` vouches
/// for. It closes with the test.
async fn port(engine: &Engine, tls: Option<(&Leaf, &Authority)>) -> u16 {
    let acceptor = tls.map(|(server, clients)| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate(clients.pem())).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).unwrap();
        let settings = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![certificate(&server.certificate)], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(settings))
    });
    let socket = PathBuf::from(engine.url().strip_prefix("unix://").unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (acceptor, socket) = (acceptor.clone(), socket.clone());
            tokio::spawn(async move {
                let mut engine = UnixStream::connect(socket).await.unwrap();
                let _ = match acceptor {
                    None => tokio::io::copy_bidirectional(&mut client, &mut engine).await,
                    Some(acceptor) => {
                        let Ok(mut client) = acceptor.accept(client).await else { return };
                        tokio::io::copy_bidirectional(&mut client, &mut engine).await
                    }
                };
            });
        }
    });
    port
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// What a run says that asks the engine at `target` for itself.
async fn asked(target: String) -> String {
    let slot = format!("engine={target},timeout=20s");
    let host = host().arg("run").arg(fixture("docker")).args(["call=info", "--format=json", "--docker", &slot]);
    // The port is served by this test's own threads.
    let output = tokio::task::spawn_blocking(|| host.run()).await.unwrap();
    let report = output.report();
    let text = |key: &str| report[key].as_str().map(str::to_owned);
    text("summary").or_else(|| text("error")).unwrap_or_else(|| panic!("{output}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_behind_tls_is_as_good_as_a_socket_and_takes_the_right_certificates() {
    let engine = engine();
    let here = asked(engine.url().to_owned()).await;
    let (authority, stranger) = (Authority::root("engines").unwrap(), Authority::root("stranger").unwrap());
    let server = authority.leaf(&["127.0.0.1"], -1, 1).unwrap();
    let elsewhere = authority.leaf(&["engine.example.org"], -1, 1).unwrap();
    let (client, other) = (authority.client("host").unwrap(), stranger.client("host").unwrap());

    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let authority_file = file("ca.pem", authority.pem());
    let stranger_file = file("stranger.pem", stranger.pem());
    let client_files = (file("cert.pem", &client.certificate), file("key.pem", &client.key));
    let other_files = (file("other.pem", &other.certificate), file("other-key.pem", &other.key));
    let target = |port: u16, ca: &str, (cert, key): &(String, String)| {
        format!("tcp://127.0.0.1:{port},ca={ca},cert={cert},key={key}")
    };

    let secured = port(&engine, Some((&server, &authority))).await;
    assert_eq!(asked(target(secured, &authority_file, &client_files)).await, here);
    let misnamed = port(&engine, Some((&elsewhere, &authority))).await;
    let plain = port(&engine, None).await;
    assert_eq!(asked(format!("tcp://127.0.0.1:{plain}")).await, here, "on the loopback, without");

    for (case, target, named) in [
        ("an authority that did not sign it", target(secured, &stranger_file, &client_files), "UnknownIssuer; `,ca=`"),
        ("a certificate of another name", target(misnamed, &authority_file, &client_files), "by a name that its"),
        ("a client whom nobody knows", target(secured, &authority_file, &other_files), "UnknownCA; `,cert=`"),
        ("no TLS where there is some", format!("tcp://127.0.0.1:{secured}"), "it seems to speak TLS"),
        ("TLS where there is none", target(plain, &authority_file, &client_files), "it seems to speak no TLS"),
        ("a file that is not there", target(secured, "/no/such.pem", &client_files), "with path: /no/such.pem"),
        ("a port that nobody listens on", "tcp://127.0.0.1:1".into(), "Connection refused"),
    ] {
        let said = asked(target).await;
        assert!(said.contains(named), "{case}: {said}");
        assert!(said.starts_with("unavailable: the Docker engine at tcp://127.0.0.1:"), "{case}: {said}");
    }
}
