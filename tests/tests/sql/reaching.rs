//! What cannot be reached is named, with the way there and never with the password; the way is secured as the operator
//! said; a role that can do more than the grant is told of.

use serde_json::json;
use taskhost_tests::{Host, mariadb, postgres, server_authority};
use url::Url;

use crate::script::{bound, sqlite};

const SECRET: &str = "Sup3r-s3cret-%40-w0rd";

/// What a run against `target` says, in each form of output, and loudly; nowhere the password.
fn said(target: &Url) -> Vec<String> {
    let steps = json!([{"do": "query", "text": "SELECT 1"}]);
    let bound = bound(target, "");
    let forms: [&dyn Fn(Host) -> Host; 4] = [
        &|host| host,
        &|host| host.args(["--verbose"]),
        &|host| host.env("RUST_LOG", "trace").env("TASKHOST_LOG", "trace"),
        &|host| host.env("RUST_BACKTRACE", "1"),
    ];
    let mut said = Vec::new();
    for form in forms {
        let output = form(bound.host("run", &steps)).run();
        let text = output.to_string();
        for secret in [SECRET, "Sup3r-s3cret-@-w0rd"] {
            assert!(!text.contains(secret), "the password is shown: {text}");
        }
        said.push(text);
    }
    said
}

fn with_secret(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_password(Some(SECRET)).unwrap();
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_is_named_without_its_password() {
    // Bound, so that nobody else gets the port, and never listened on.
    let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    drop(socket);
    let (postgres, mariadb) = (postgres().await, mariadb().await);
    for server in [&postgres, &mariadb] {
        let url = server.url();
        let role = url.username().to_owned();
        let mut nobody = with_secret(&url);
        nobody.set_port(Some(port)).unwrap();
        let mut elsewhere = url.clone();
        elsewhere.set_path("no_such_database");
        let mut nowhere = with_secret(&url);
        nowhere.set_host(Some("host.invalid")).unwrap();
        for (name, target, says) in [
            ("nobody listens", nobody, vec![format!("127.0.0.1:{port}"), role.clone(), server.name().to_owned()]),
            ("a wrong password", with_secret(&url), vec!["127.0.0.1".into(), role.clone(), server.name().to_owned()]),
            ("no such database", elsewhere, vec!["127.0.0.1".into(), role.clone(), "no_such_database".into()]),
            ("no such host", nowhere, vec!["host.invalid".into(), role.clone()]),
        ] {
            for text in said(&target) {
                assert!(text.contains("unavailable"), "{name}: {text}");
                for part in &says {
                    assert!(text.contains(part), "{name}: {part} is not named: {text}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_works_is_shown_nowhere() {
    for server in [postgres().await, mariadb().await] {
        let url = server.role(&[]).await;
        let password = url.password().unwrap().to_owned();
        let steps = json!([
            {"do": "server"},
            {"do": "query", "text": "SELECT 1"},
            {"do": "query", "text": "SELECT nonsense"},
            {"do": "execute", "text": "DELETE FROM t"},
        ]);
        for format in ["text", "json", "markdown", "nagios"] {
            let host = bound(&url, "").host("run", &steps).args(["--verbose"]).env("RUST_LOG", "trace");
            let output = host.args(["--format", format]).run();
            let text = output.to_string();
            assert!(!text.contains(&password), "{format}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_says_who_it_is() {
    let file = sqlite("CREATE TABLE t (a)").await;
    let (postgres, mariadb) = (postgres().await, mariadb().await);
    for (target, begins, ends) in [
        (postgres.url().to_string(), "Dialect::Postgres ", postgres.name()),
        (mariadb.url().to_string(), "Dialect::Mariadb ", mariadb.name()),
        (file.url(), "Dialect::Sqlite 3.", "shop.db"),
    ] {
        let server = bound(target, "").one(json!({"do": "server"}));
        assert!(server.text.starts_with(begins) && server.text.ends_with(ends), "{}", server.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_is_secured_as_the_operator_said() {
    let authority = server_authority();
    let unknown = taskhost_tests::certificates::Authority::root("unknown").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("other.pem");
    std::fs::write(&other, unknown.pem()).unwrap();
    let (postgres, mariadb) = (postgres().await, mariadb().await);
    let ask = [
        "SELECT count(*) FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl",
        "SELECT variable_value <> '' FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'",
    ];
    for (server, ask) in [&postgres, &mariadb].into_iter().zip(ask) {
        let target = |mode: &str| {
            let mut url = server.url();
            let key = if url.scheme() == "mysql" { "ssl-mode" } else { "sslmode" };
            url.query_pairs_mut().append_pair(key, mode);
            url
        };
        let modes = ["disable", "require", "verify-ca", "verify-full"];
        for (mode, ca, secured) in [
            (modes[0], None, Some("0")),
            (modes[1], None, Some("1")),
            (modes[2], Some(&authority), Some("1")),
            (modes[3], Some(&authority), Some("1")),
            (modes[2], Some(&other), None),
            (modes[3], Some(&other), None),
            (modes[3], None, None),
        ] {
            let settings = ca.map(|ca| format!(",ca={}", ca.display())).unwrap_or_default();
            let answer = bound(target(mode), &settings).one(json!({"do": "query", "text": ask}));
            match secured {
                Some(secured) => assert!(answer.kind == "ok" && answer.text.ends_with(secured), "{mode}: {answer:?}"),
                None => {
                    answer.expect("unavailable", "certificate");
                }
            }
        }
        // A certificate that is not for the name that the URL has.
        let mut elsewhere = target(modes[3]);
        elsewhere.set_host(Some("127.0.0.2")).unwrap();
        let answer = bound(elsewhere, &format!(",ca={}", authority.display())).one(json!({"do": "query", "text": ask}));
        assert_eq!(answer.kind, "unavailable", "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_can_do_more_than_the_grant_is_told_of() {
    let steps = json!([{"do": "query", "text": "SELECT 1"}]);
    for server in [postgres().await, mariadb().await] {
        let run = bound(server.url(), "").run(&steps);
        let text = run.output.to_string();
        assert!(text.contains("which is more than the grant (read) needs"), "{text}");
        let role = server.role(&[]).await;
        let text = bound(role, "").run(&steps).output.to_string();
        assert!(!text.contains("more than the grant"), "{text}");
    }
}
