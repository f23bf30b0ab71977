//! TLS: whom the host trusts, what it presents, and what is said when it does not come about. Nothing is sent over a
//! connection that is not trusted.

use std::path::Path;

use taskhost_tests::certificates::{Authority, Leaf};
use taskhost_tests::http::{Reply, Server};

use super::script::bound;

struct World {
    authority: Authority,
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let authority = Authority::root("Root").unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), authority.pem()).unwrap();
        Self { authority, directory }
    }

    fn server(&self, leaf: &Leaf, clients: Option<&Authority>) -> Server {
        let _ = self;
        Server::secured(leaf, clients, |request| Reply::ok(format!("{} {}", request.method, request.header("host"))))
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, leaf: &Leaf) {
        std::fs::write(self.path(&format!("{name}.pem")), &leaf.certificate).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), &leaf.key).unwrap();
    }
}

#[test]
fn a_certificate_that_is_trusted_is_shown() {
    let world = World::new();
    let leaf = world.authority.leaf(&["127.0.0.1", "localhost"], -1, 10).unwrap();
    let server = world.server(&leaf, None);
    let api = bound(&format!("{},ca={}", server.url(""), world.path("ca.pem")));
    let answer = api.done("get x show=certificate,version,timing");
    let port = server.port();
    assert!(answer.ends_with(&format!("version=HTTP/1.1 timing=true true GET 127.0.0.1:{port}")), "{answer}");
    assert!(!answer.contains("certificate=none"), "{answer}");
    let by_name = bound(&format!("https://localhost:{port},ca={}", world.path("ca.pem")));
    assert_eq!(by_name.done("get x"), format!("200 GET localhost:{port}"));
}

#[test]
fn one_that_is_not_is_named_with_why_and_nothing_is_sent() {
    let (world, stranger) = (World::new(), Authority::root("Stranger").unwrap());
    let trusted = format!(",ca={}", world.path("ca.pem"));
    let address = "127.0.0.1";
    for (leaf, words, message) in [
        (world.authority.leaf(&[address], -9, -1), trusted.as_str(), "has expired"),
        (world.authority.leaf(&[address], 1, 9), &trusted, "is not valid yet"),
        (world.authority.leaf(&["example.org"], -1, 9), &trusted, "not valid for 127.0.0.1, only for example.org"),
        (stranger.leaf(&[address], -1, 9), &trusted, "no root that the host trusts"),
        (world.authority.leaf(&[address], -1, 9), "", "no root that the host trusts"),
    ] {
        let server = world.server(&leaf.unwrap(), None);
        let api = bound(&format!("{}{words},post,bearer=t", server.url("")));
        for line in ["get x", "post x body=y"] {
            api.fails(line, "tls", message);
        }
        assert!(server.seen().is_empty());
    }
}

#[test]
fn a_client_certificate_is_presented_where_the_grant_has_one() {
    let (world, clients) = (World::new(), Authority::root("Clients").unwrap());
    let server = world.server(&world.authority.leaf(&["127.0.0.1"], -1, 9).unwrap(), Some(&clients));
    world.write("client", &clients.client("client").unwrap());
    world.write("stranger", &Authority::root("Strangers").unwrap().client("stranger").unwrap());
    std::fs::write(world.path("empty.pem"), "nothing").unwrap();
    let with = |name: &str, key: &str| {
        let (cert, key) = (world.path(&format!("{name}.pem")), world.path(key));
        bound(&format!("{},ca={},cert={cert},key={key}", server.url(""), world.path("ca.pem")))
    };
    assert!(with("client", "client.key").done("get x").starts_with("200 GET"));
    let seen = server.seen().len();
    let without = bound(&format!("{},ca={}", server.url(""), world.path("ca.pem")));
    without.fails("get x", "tls", "asks for a client certificate, and ");
    // Whether its reason is read before it closes the connection is a matter of time.
    let ran = with("stranger", "stranger.key").run(&["get x"]);
    let (kind, detail) = &ran.lines[0];
    let named = ["ended TLS with the alert", "after the client certificate was presented"];
    assert!(kind == "tls" && named.iter().any(|reason| detail.contains(reason)), "{kind}: {detail}");
    with("client", "stranger.key").fails("get x", "invalid", "the client certificate of `key=");
    with("none", "client.key").fails("get x", "invalid", "No such file");
    with("empty", "client.key").fails("get x", "invalid", "there is no PEM certificate in it");
    with("client", "empty.pem").fails("get x", "invalid", "there is no PEM private key in it");
    assert_eq!(server.seen().len(), seen);
}

#[test]
fn tls_that_does_not_come_about_is_named() {
    let world = World::new();
    let plain = Server::start(|_| Reply::ok("in the clear"));
    let hasty = Server::start(|_| Reply::raw("220 hello\r\n"));
    for server in [&plain, &hasty] {
        let api = bound(&format!("{},timeout=2s", server.url("").replace("http:", "https:")));
        let ran = api.run(&["get x"]);
        let (kind, detail) = &ran.lines[0];
        // A server may as well wait for the end of what it takes for a request.
        assert!(kind == "tls" || kind == "timed out", "{kind}: {detail}");
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = std::io::Write::write_all(&mut stream, b"220 hello\r\n220 hello\r\n");
            let _ = std::io::Read::read(&mut stream, &mut [0; 64]);
        }
    });
    bound(&format!("https://127.0.0.1:{port}")).fails("get x", "tls", "does not speak TLS");
    // And without TLS to one that has it.
    let secured = world.server(&world.authority.leaf(&["127.0.0.1"], -1, 9).unwrap(), None);
    let ran = bound(&format!("http://127.0.0.1:{}", secured.port())).run(&["get x"]);
    assert!(matches!(ran.lines[0].0.as_str(), "protocol" | "unavailable"), "{:?}", ran.lines);
    let missing = bound(&format!("{},ca={}", secured.url(""), Path::new("/none.pem").display()));
    missing.fails("get x", "invalid", "the trust roots of `ca=/none.pem` cannot be read");
}
