//! The room against real servers on loopback: what each kind of certificate and of server answers, and where a name may
//! lead.

mod server;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::server::{Authority, Identity, Server, authorized, expired, not_yet_valid, self_signed};
use super::backend::Shared;
use super::bindings::{self, Handshake, Starttls};
use super::error::Error;
use super::host::Call;
use super::{Grant, Room as _, State, Tls};
use crate::capability::{Load, Notices, RunContext};
use crate::gate::{Budgets, Gate, Mode};

/// A run in which the slot `s` is granted as `flag` has it after `--tls s=`, and names resolve as in `names`.
struct Run {
    gate: Arc<Gate>,
    state: State,
}

impl Run {
    fn new(grant: &str, names: &[(&str, &[&str])]) -> Self {
        Self::with_budgets(grant, names, Budgets::default())
    }

    fn with_budgets(grant: &str, names: &[(&str, &[&str])], budgets: Budgets) -> Self {
        let grant: Grant = toml::from_str(&format!("access = [\"connect\"]\n{grant}")).unwrap();
        let names = names.iter().map(|(name, addresses)| {
            let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
            ((*name).to_owned(), addresses)
        });
        let gate = Gate::new(Mode::Rehearse, budgets, Instant::now);
        let run = RunContext {
            gate: Arc::clone(&gate),
            notices: Notices::default(),
            load: Load::default(),
            task: "test".into(),
        };
        let grants = BTreeMap::from([("s".to_owned(), grant)]);
        Self { gate, state: Tls::state(Arc::new(Shared::resolving(names.collect())), grants, &run) }
    }

    async fn connect(
        &self,
        host: &str,
        port: u16,
        starttls: Starttls,
        server_name: Option<&str>,
    ) -> Result<Handshake, Error> {
        let endpoint = bindings::Endpoint { host: host.into(), port, starttls };
        Call::new(&self.state, "s".into()).connect(endpoint, server_name.map(Into::into)).await
    }

    /// What the journal says of each effect.
    fn journal(&self) -> Vec<(String, &'static str)> {
        let entry = |entry: &crate::gate::Entry| (entry.effect.target.clone(), entry.outcome.name());
        self.gate.journal().entries().map(entry).collect()
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// Connects to a server with this identity as `localhost`.
async fn look(identity: &Identity, settings: &str) -> Handshake {
    let server = Server::tls(identity, &[]).await;
    let target = format!("localhost:{}", server.port);
    let run = Run::new(&format!("target = {target:?}\n{settings}"), &[("localhost", &["127.0.0.1"])]);
    let seen = run.connect("localhost", server.port, Starttls::None, None).await.unwrap();
    assert_eq!(server.received().await, b"", "nothing is sent beyond the handshake");
    assert_eq!(run.journal(), [(target, "done")]);
    seen
}

#[tokio::test]
async fn every_chain_is_an_answer_with_the_verdict_of_the_trust_roots() {
    let (authority, stranger) = (Authority::new("Authority"), Authority::new("Stranger"));
    let roots = file(&authority.pem);
    let ca = format!("ca = {:?}", roots.path());
    for (identity, settings, verdict) in [
        (authority.issue("localhost", |_| ()), ca.as_str(), Ok(())),
        (stranger.issue("localhost", |_| ()), ca.as_str(), Err("no root that the host trusts")),
        (authority.issue("localhost", expired), ca.as_str(), Err("has expired")),
        (authority.issue("localhost", not_yet_valid), ca.as_str(), Err("not valid yet")),
        (authority.issue("other.test", |_| ()), ca.as_str(), Err("it is not valid for localhost, only for other.test")),
        (self_signed("localhost"), ca.as_str(), Err("no root that the host trusts")),
        (authority.issue("localhost", authorized), ca.as_str(), Err("an authority's certificate (CA:TRUE)")),
    ] {
        let seen = look(&identity, settings).await;
        assert_eq!(seen.chain, [identity.leaf()]);
        assert_eq!((seen.protocol.as_str(), seen.address.as_str()), ("TLSv1.3", "127.0.0.1"));
        match (verdict, &seen.trusted) {
            (Ok(()), trusted) => assert_eq!(*trusted, Ok(())),
            (Err(reason), Err(said)) => assert!(said.contains(reason), "{said}"),
            (Err(reason), Ok(())) => panic!("trusted in spite of: {reason}"),
        }
    }
}

#[tokio::test]
async fn the_older_protocol_is_named_with_its_cipher() {
    let identity = self_signed("localhost");
    let server = Server::with_versions(&identity, &[], &[&rustls::version::TLS12]).await;
    let run = Run::new(&format!("target = \"127.0.0.1:{}\"", server.port), &[]);
    let seen = run.connect("127.0.0.1", server.port, Starttls::None, Some("localhost")).await.unwrap();
    assert_eq!(seen.protocol, "TLSv1.2");
    assert!(seen.cipher.starts_with("TLS_ECDHE_ECDSA_WITH_"), "{}", seen.cipher);
    assert_eq!(run.journal(), [(format!("127.0.0.1:{} as localhost", server.port), "done")]);
}

#[tokio::test]
async fn the_server_name_decides_what_the_certificate_must_be_valid_for() {
    let authority = Authority::new("Authority");
    let roots = file(&authority.pem);
    for (name, trusted) in [("www.example.org", true), ("example.net", false)] {
        let server = Server::tls(&authority.issue("www.example.org", |_| ()), &[]).await;
        let run = Run::new(&format!("target = \"127.0.0.1:{}\"\nca = {:?}", server.port, roots.path()), &[]);
        let seen = run.connect("127.0.0.1", server.port, Starttls::None, Some(name)).await.unwrap();
        assert_eq!(seen.trusted.is_ok(), trusted, "{name}: {:?}", seen.trusted);
    }
}

#[tokio::test]
async fn tls_begins_after_the_words_of_each_protocol() {
    let identity = self_signed("localhost");
    for (starttls, script) in [
        (
            Starttls::Smtp,
            &["220-mail.test\r\n220 ready\r\n", "250-mail.test\r\n250-starttls\r\n250 HELP\r\n", "220 go\r\n"][..],
        ),
        (Starttls::Imap, &["* OK [CAPABILITY IMAP4rev1] ready\r\n", "* CAPABILITY X\r\na1 OK begin\r\n"][..]),
    ] {
        let server = Server::tls(&identity, script).await;
        let (scheme, port) = (format!("{starttls:?}"), server.port);
        let scheme = scheme.rsplit("::").next().unwrap().to_lowercase();
        let run = Run::new(&format!("target = \"{scheme}://127.0.0.1:{port}\""), &[]);
        let seen = run.connect("127.0.0.1", port, starttls, None).await.unwrap();
        assert_eq!(seen.chain, [identity.leaf()], "{scheme}");
        assert_eq!(server.received().await, b"");
    }
    let server = Server::postgres(&identity, b'S').await;
    let run = Run::new(&format!("target = \"postgres://127.0.0.1:{}\"", server.port), &[]);
    let seen = run.connect("127.0.0.1", server.port, Starttls::Postgres, None).await.unwrap();
    assert_eq!(seen.chain, [identity.leaf()]);
}

#[tokio::test]
async fn a_server_that_breaks_its_protocol_is_a_failed_handshake() {
    let identity = self_signed("localhost");
    for (starttls, server, message) in [
        (Starttls::None, Server::saying(b"SSH-2.0-OpenSSH_9.2\r\n").await, "does not speak TLS"),
        (Starttls::Smtp, Server::saying(b"220-more and more\r\n").await, "more before TLS than the protocol allows"),
        (Starttls::Smtp, Server::saying(b"xxxxxxxx").await, "more before TLS than the protocol allows"),
        (Starttls::Smtp, Server::saying(b"554 \x1b[2Jgo away\r\n").await, "said `554 \\u{1b}[2Jgo away`"),
        (Starttls::Imap, Server::saying(b"* BYE\r\n").await, "said `* BYE`"),
        (Starttls::Imap, Server::saying(b"* OK and on\r\n").await, "more before TLS than the protocol allows"),
        (Starttls::Postgres, Server::postgres(&identity, b'N').await, "does not offer TLS"),
        (Starttls::Postgres, Server::saying(b"HTTP/1.1 400\r\n").await, "not one of a PostgreSQL server"),
        (Starttls::Smtp, Server::tls(&identity, &["220 a\r\n", "250 HELP\r\n"]).await, "does not offer STARTTLS"),
        (
            Starttls::Smtp,
            Server::tls(&identity, &["220 a\r\n", "250 STARTTLS\r\n", "220 go\r\n250 injected\r\n"]).await,
            "went on in plain text",
        ),
        (Starttls::Imap, Server::tls(&identity, &["* OK\r\n", "a1 BAD no\r\n"]).await, "said `a1 BAD no`"),
        (Starttls::Smtp, Server::start(|_| std::future::ready(vec![])).await, "closed the connection before TLS"),
        (
            Starttls::None,
            Server::start(|mut tcp| async move {
                drop(tokio::io::AsyncReadExt::read(&mut tcp, &mut [0; 4096]).await);
                vec![]
            })
            .await,
            "closed the connection during the TLS handshake",
        ),
    ] {
        let scheme = match starttls {
            Starttls::None => "tls",
            Starttls::Smtp => "smtp",
            Starttls::Imap => "imap",
            Starttls::Postgres => "postgres",
        };
        let run = Run::new(&format!("target = \"{scheme}://127.0.0.1:{}\"", server.port), &[]);
        match run.connect("127.0.0.1", server.port, starttls, None).await {
            Err(Error::Handshake(reason)) => assert!(reason.contains(message), "{message}: {reason}"),
            other => panic!("{message}: {other:?}"),
        }
        assert_eq!(run.journal()[0].1, "failed");
    }
}

#[tokio::test]
async fn a_server_that_never_comes_to_the_point_ends_with_the_time_out() {
    for (scheme, starttls, server) in [
        ("tls", Starttls::None, Server::silent().await),
        ("smtp", Starttls::Smtp, Server::silent().await),
        ("postgres", Starttls::Postgres, Server::silent().await),
        ("smtp", Starttls::Smtp, Server::dripping(&[], b'2').await),
        // The head of a handshake record of 16 KiB, and then its bytes.
        ("tls", Starttls::None, Server::dripping(&[22, 3, 3, 0x3f, 0xff], 0).await),
    ] {
        let run = Run::new(&format!("target = \"{scheme}://127.0.0.1:{}\"\ntimeout = \"1s\"", server.port), &[]);
        let started = Instant::now();
        let error = run.connect("127.0.0.1", server.port, starttls, None).await.unwrap_err();
        assert!(started.elapsed() < Duration::from_millis(1_800), "{:?}", started.elapsed());
        match error {
            Error::TimedOut(reason) => assert!(reason.contains("did not end within 1s"), "{reason}"),
            other => panic!("{scheme}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_name_may_not_lead_into_the_own_network() {
    for (address, kind) in [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("10.0.0.1", "private"),
        ("169.254.169.254", "link-local"),
        ("100.64.0.1", "carrier"),
        ("224.0.0.1", "multicast"),
    ] {
        let run = Run::new("target = [\"*.evil.test:443\"]", &[("a.evil.test", &[address])]);
        match run.connect("a.evil.test", 443, Starttls::None, None).await {
            Err(Error::Refused(reason)) => {
                assert!(reason.contains(kind) && reason.contains("`,address="), "{address}: {reason}");
            }
            other => panic!("{address}: {other:?}"),
        }
        assert_eq!(run.journal(), [("a.evil.test:443".to_owned(), "refused")]);
    }
}

#[tokio::test]
async fn only_the_addresses_that_are_allowed_are_connected_to() {
    let identity = self_signed("app.test");
    let server = Server::tls(&identity, &[]).await;
    // 127.0.0.2 is this machine too: were it tried, it would answer first.
    let names: &[(&str, &[&str])] = &[("app.test", &["127.0.0.2", "127.0.0.1"])];
    let run = Run::new(&format!("target = \"app.test:{}\"\naddress = \"127.0.0.1\"", server.port), names);
    let seen = run.connect("app.test", server.port, Starttls::None, None).await.unwrap();
    assert_eq!(seen.address, "127.0.0.1");
}

#[tokio::test]
async fn what_is_not_granted_is_refused_and_journaled() {
    let run = Run::new("target = \"example.org:443\"", &[]);
    for (host, port) in [("example.net", 443), ("example.org", 22), ("127.0.0.1", 443)] {
        let refused = run.connect(host, port, Starttls::None, None).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{host}:{port}: {refused:?}");
    }
    assert!(run.journal().iter().all(|(_, outcome)| *outcome == "refused"));
    let other = Call::new(&run.state, "other".into());
    let endpoint = bindings::Endpoint { host: "example.org".into(), port: 443, starttls: Starttls::None };
    let refused = other.connect(endpoint, None).await;
    assert!(matches!(&refused, Err(Error::Refused(reason)) if reason.contains("--tls other=")), "{refused:?}");
}

#[tokio::test]
async fn what_cannot_be_had_is_told_apart() {
    let run = Run::new("target = [\"gone.test:443\", \"empty.test:443\", \"127.0.0.1:1\"]", &[("empty.test", &[])]);
    for (host, port, message) in [
        ("gone.test", 443, "gone.test does not resolve"),
        ("empty.test", 443, "it has no address"),
        ("127.0.0.1", 1, "127.0.0.1:1: no connection to 127.0.0.1"),
    ] {
        match run.connect(host, port, Starttls::None, None).await {
            Err(Error::Unavailable(reason)) => assert!(reason.contains(message), "{reason}"),
            other => panic!("{host}: {other:?}"),
        }
    }
    for (host, server_name) in [("a b", None), ("127.0.0.1", Some("a b"))] {
        let invalid = run.connect(host, 1, Starttls::None, server_name).await;
        assert!(matches!(invalid, Err(Error::Invalid(_))), "{host}: {invalid:?}");
    }
}

#[tokio::test]
async fn trust_roots_that_cannot_be_read_are_named() {
    let server = Server::silent().await;
    let empty = file("no PEM");
    for (path, message) in [(Path::new("/nonexistent.pem"), "No such file"), (empty.path(), "no PEM certificate")] {
        let run = Run::new(&format!("target = \"127.0.0.1:{}\"\nca = {path:?}", server.port), &[]);
        match run.connect("127.0.0.1", server.port, Starttls::None, None).await {
            Err(Error::Invalid(reason)) => assert!(reason.contains(message), "{reason}"),
            other => panic!("{path:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_budget_bounds_the_connections() {
    let identity = self_signed("localhost");
    let server = Server::tls(&identity, &[]).await;
    let mut budgets = Budgets::default();
    budgets.set("s", "connections", 1);
    let run = Run::with_budgets(&format!("target = \"127.0.0.1:{}\"", server.port), &[], budgets);
    run.connect("127.0.0.1", server.port, Starttls::None, None).await.unwrap();
    let over = run.connect("127.0.0.1", server.port, Starttls::None, None).await;
    assert!(matches!(&over, Err(Error::OverBudget(reason)) if reason.contains("--budget s.connections=2")), "{over:?}");
    assert_eq!(run.journal()[1].1, "refused");
}
