//! The room where names are the test's own: where one may lead, directly and by a redirect. What needs none is tested as
//! a plugin meets it, in `tests/tests/http`.

mod server;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use self::server::Server;
use super::backend::Shared;
use super::bindings::{Method, Request};
use super::error::Error;
use super::host::Call;
use super::{Grant, Http, Room as _, State};
use crate::capability::{Load, Notices, RunContext};
use crate::gate::{Budgets, Gate, Mode};

/// A run in which the slot `s` is granted so, and names resolve as in `names`.
struct Run {
    gate: Arc<Gate>,
    state: State,
}

impl Run {
    fn new(grant: &str, names: &[(&str, &[&str])]) -> Self {
        Self::in_mode(Mode::Perform, grant, names)
    }

    fn in_mode(mode: Mode, grant: &str, names: &[(&str, &[&str])]) -> Self {
        let grant: Grant = toml::from_str(grant).unwrap();
        grant.check().unwrap();
        let names = names.iter().map(|(name, addresses)| {
            let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
            ((*name).to_owned(), addresses)
        });
        let gate = Gate::new(mode, Budgets::default(), Instant::now);
        let run = RunContext {
            gate: Arc::clone(&gate),
            notices: Notices::default(),
            load: Load::default(),
            task: "test".into(),
        };
        let grants = BTreeMap::from([("s".to_owned(), grant)]);
        Self { gate, state: Http::state(Arc::new(Shared::resolving(names.collect())), grants, &run) }
    }

    /// The status, the address that answered, and the body; none in a rehearsal.
    async fn send(&self, method: Method, url: &str) -> Result<Option<(u16, String, String)>, Error> {
        let follow = true;
        let request = Request { method, url: url.into(), headers: vec![], body: vec![], follow, timeout_ms: None };
        let Some(answered) = Call::new(&self.state, "s".into(), &request)?.send(request).await? else {
            return Ok(None);
        };
        let (sender, mut receiver) = mpsc::channel::<bytes::Bytes>(1);
        let reading = async {
            let mut body = Vec::new();
            while let Some(bytes) = receiver.recv().await {
                body.extend_from_slice(&bytes);
            }
            String::from_utf8(body).unwrap()
        };
        let (delivered, body) = tokio::join!(answered.delivery.deliver(sender), reading);
        assert_eq!(delivered?, body.len() as u64);
        Ok(Some((answered.response.status, answered.response.address, body)))
    }

    /// What the journal says of each effect.
    fn journal(&self) -> Vec<String> {
        let entry = |entry: &crate::gate::Entry| {
            format!("{} {} {}", entry.effect.operation, entry.effect.target, entry.outcome.name())
        };
        self.gate.journal().entries().map(entry).collect()
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
        ("fd00::1", "private"),
    ] {
        for mode in [Mode::Perform, Mode::Rehearse] {
            let grant = "target = \"http://evil.test\"\naccess = [\"get\", \"post\"]";
            let run = Run::in_mode(mode, grant, &[("evil.test", &[address])]);
            for method in [Method::Get, Method::Post] {
                match run.send(method, "latest/meta-data").await {
                    Err(Error::Refused(reason)) => {
                        assert!(reason.contains(kind) && reason.contains("`,address="), "{address}: {reason}");
                    }
                    other => panic!("{address}: {other:?}"),
                }
            }
            assert!(run.journal().iter().all(|entry| entry.ends_with("refused")), "{:?}", run.journal());
        }
    }
}

#[tokio::test]
async fn only_the_addresses_that_are_allowed_are_connected_to() {
    let server = Server::answering("200 OK", "", "here").await;
    // 127.0.0.2 is this machine too: were it tried, it would answer first.
    let grant = format!("target = \"http://app.test:{}\"\naddress = \"127.0.0.1\"\naccess = [\"get\"]", server.port);
    let run = Run::new(&grant, &[("app.test", &["127.0.0.2", "127.0.0.1"])]);
    let answer = run.send(Method::Get, "x").await.unwrap().unwrap();
    assert_eq!(answer, (200, "127.0.0.1".into(), "here".into()));
    let seen = server.seen().await;
    assert!(seen[0].contains(&format!("host: app.test:{}\r\n", server.port)), "{seen:?}");
    assert_eq!(run.journal(), [format!("get http://app.test:{}/x done", server.port)]);
}

#[tokio::test]
async fn a_redirect_may_not_lead_into_the_own_network() {
    let inside = Server::answering("200 OK", "", "secret").await;
    let to = format!("location: http://inside.test:{}/\r\n", inside.port);
    let outside = Server::answering("302 Found", &to, "").await;
    // Both names are granted, and one of them has become an address of the own network.
    let names: &[(&str, &[&str])] = &[("outside.test", &["127.0.0.3"]), ("inside.test", &["127.0.0.1"])];
    let targets = format!("[\"http://outside.test:{}\", \"http://inside.test:{}\"]", outside.port, inside.port);
    let run = Run::new(&format!("target = {targets}\naddress = \"127.0.0.3\"\naccess = [\"get\"]"), names);
    match run.send(Method::Get, "").await {
        Err(Error::Refused(reason)) => assert!(reason.contains("inside.test resolves to 127.0.0.1"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert!(inside.seen().await.is_empty());
    assert_eq!(run.journal(), [format!("get http://outside.test:{}/ refused", outside.port)]);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_unavailable() {
    let grant = "target = [\"http://gone.test\", \"http://empty.test\"]\naccess = [\"get\", \"delete\"]";
    for mode in [Mode::Perform, Mode::Rehearse] {
        let run = Run::in_mode(mode, grant, &[("empty.test", &[])]);
        for (url, message) in
            [("http://gone.test/", "gone.test does not resolve"), ("http://empty.test/", "it has no address")]
        {
            match run.send(Method::Delete, url).await {
                Err(Error::Unavailable(reason)) => assert!(reason.contains(message), "{reason}"),
                other => panic!("{url}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_slot_that_is_not_bound_reaches_nothing() {
    let run = Run::new("target = \"http://127.0.0.1:1\"\naccess = [\"get\"]", &[]);
    for url in ["http://127.0.0.1:1/", "", "relative"] {
        let request = Request {
            method: Method::Get,
            url: url.into(),
            headers: vec![],
            body: vec![],
            follow: false,
            timeout_ms: None,
        };
        match Call::new(&run.state, "other".into(), &request).unwrap().send(request).await {
            Err(Error::Refused(reason)) => assert!(reason.contains("add --http other=URL"), "{reason}"),
            _ => panic!("{url} was not refused"),
        }
    }
}
