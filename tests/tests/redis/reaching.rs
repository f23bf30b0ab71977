//! Ways to a server: passwords, ACL users, TLS, sockets; and servers that cannot be reached.

use taskhost_tests::certificates::Authority;
use taskhost_tests::{RedisServer, redis};
use url::Url;

use super::script::bound;

fn with_user(server: &RedisServer, user: &str, password: &str) -> Url {
    let mut url = server.url();
    url.set_username(user).unwrap();
    url.set_password(Some(password)).unwrap();
    url
}

#[test]
fn a_password_is_asked_for_told_apart_and_never_shown() {
    let server = RedisServer::start(&["requirepass right"]);
    let mut none = server.url();
    none.set_password(None).unwrap();
    for (url, kind, message) in [
        (none, "NOAUTH", "the server asks for a password; put it into the slot's URL"),
        (with_user(&server, "", "swordfish"), "WRONGPASS", "the user or the password in the slot's URL is wrong"),
        (with_user(&server, "nobody", "swordfish"), "WRONGPASS", "the user or the password in the slot's URL is wrong"),
    ] {
        let run = bound(&url, "").run(&["size", "command GET a"]);
        for line in 0..2 {
            assert_eq!(run.kind(line), kind, "{:?}", run.lines[line]);
            assert!(run.lines[line].1.starts_with(message), "{:?}", run.lines[line]);
        }
        assert!(!run.output.to_string().contains("swordfish"), "{}", run.output);
    }
    let run = bound(server.url(), "").run(&["size"]);
    assert_eq!(run.done(0), "0");
    let notices = format!("{}{}", run.output, run.report);
    assert!(notices.contains("lets its user `default` run every command"), "{notices}");
    assert!(!notices.contains(":right@"), "{notices}");
}

#[test]
fn an_acl_user_does_what_both_it_and_the_grant_may() {
    let server =
        RedisServer::start(&["user task on >p%40ss ~s:* +@read +info +scan +ping +command +unlink +select -memory"]);
    let mut client = server.client();
    client.run(&["SET", "s:1", "x"]);
    client.run(&["SET", "t:1", "x"]);
    let run = bound(with_user(&server, "task", "p%2540ss"), ",write,key=*").run(&[
        "get s:1",
        "scan facts=kmel show",
        "get t:1",
        "command GET s:1",
        "command SET s:1 y",
        "unlink s:1",
        "configuration maxmemory",
        "background-save",
    ]);
    assert_eq!((run.done(0), run.done(3)), ("x", "\"x\""));
    // What the user may not ask of a key is not told, and the walk goes on.
    assert!(run.done(1).contains("\ns:1 string length=1 never"), "{}", run.done(1));
    for (line, kind) in [(2, "NOPERM"), (4, "NOPERM"), (6, "NOPERM"), (7, "refused")] {
        assert_eq!(run.kind(line), kind, "{:?}", run.lines[line]);
    }
    assert!(run.lines[2].1.starts_with("the server's ACL does not let the slot's user do this"));
    assert_eq!(run.done(5), "1");
    assert!(!run.output.to_string().contains("run every command"), "{}", run.output);
}

#[test]
fn a_unix_socket_is_as_good_as_a_port() {
    let server = RedisServer::start(&["requirepass right"]);
    let mut client = server.client();
    client.run(&["SET", "a", "zero"]);
    client.run(&["SELECT", "3"]);
    client.run(&["SET", "a", "three"]);
    let socket = server.directory().join("socket");
    for (url, value) in [
        (format!("unix:{}?pass=right", socket.display()), "zero"),
        (format!("redis+unix://{}?user=default&pass=right&db=3", socket.display()), "three"),
    ] {
        assert_eq!(bound(url, "").done("get a"), value);
    }
    let (kind, message) = bound(format!("unix:{}/none", server.directory().display()), "").one("size");
    assert_eq!(kind, "unavailable");
    assert!(message.starts_with("cannot connect to unix:/"), "{message}");
}

#[test]
fn tls_takes_a_certificate_that_is_trusted_and_for_the_host() {
    let authority = Authority::root("a test").unwrap();
    let leaf = authority.leaf(&["localhost"], -1, 30).unwrap();
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(files.path().join(name), text).unwrap();
    write("ca.pem", authority.pem());
    write("other.pem", Authority::root("another").unwrap().pem());
    write("server.pem", &leaf.certificate);
    write("server.key", &leaf.key);
    let place = files.path().display();
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let server = RedisServer::start(&[
        &format!("tls-port {port}"),
        &format!("tls-cert-file {place}/server.pem"),
        &format!("tls-key-file {place}/server.key"),
        &format!("tls-ca-cert-file {place}/ca.pem"),
        "tls-auth-clients no",
        "requirepass right",
    ]);
    server.client().run(&["SET", "a", "secured"]);
    let url = |host: &str| format!("rediss://:right@{host}:{port}");
    assert_eq!(bound(url("localhost"), &format!(",ca={place}/ca.pem")).done("get a"), "secured");
    for (case, host, settings, kind, said) in [
        ("not trusted", "localhost", String::new(), "unavailable", "`,ca=FILE`"),
        ("another authority", "localhost", format!(",ca={place}/other.pem"), "unavailable", "`,ca=FILE`"),
        ("for another host", "127.0.0.1", format!(",ca={place}/ca.pem"), "unavailable", "not valid for name"),
        ("no certificate in it", "localhost", format!(",ca={place}/server.key"), "invalid", "no PEM certificate"),
        ("no such file", "localhost", format!(",ca={place}/none.pem"), "invalid", "cannot be read"),
    ] {
        let (given, message) = bound(url(host), &settings).one("get a");
        assert_eq!(given, kind, "{case}: {message}");
        assert!(message.contains(said) && !message.contains(":right@"), "{case}: {message}");
    }
    let plain = format!("rediss://:right@localhost:{}", server.port());
    assert_eq!(bound(plain, &format!(",ca={place}/ca.pem,timeout=5s")).one("get a").0, "unavailable");
}

#[test]
fn a_server_that_is_not_there_or_does_not_answer_is_named() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = bound(format!("redis://u:swordfish@127.0.0.1:{port}"), ",timeout=1s").run(&["size"]);
    assert_eq!(silent.kind(0), "unavailable");
    assert_eq!(
        silent.lines[0].1,
        format!("cannot connect to redis://u@127.0.0.1:{port}/0: nothing answered within 1 s")
    );
    drop(listener);
    let gone = bound(format!("redis://u:swordfish@127.0.0.1:{port}"), "").run(&["size", "scan", "command GET a"]);
    assert_eq!((gone.kind(0), gone.kind(1), gone.kind(2)), ("unavailable", "unavailable", "unavailable"));
    assert!(gone.lines[0].1.contains("Connection refused"), "{:?}", gone.lines[0]);
    assert!(!format!("{}{}", silent.output, gone.output).contains("swordfish"));
}

#[test]
fn a_command_that_takes_too_long_is_given_up() {
    let server = RedisServer::start(&["lua-time-limit 100"]);
    let mut client = server.client();
    let endless = client.text(&["SCRIPT", "LOAD", "while true do end"]);
    let settings = format!(",write,key=*,script={endless},timeout=1s");
    let run = bound(server.url(), &settings).run(&[&format!("command EVALSHA {endless} 0"), "size"]);
    assert_eq!(run.kind(0), "timed-out");
    assert!(
        run.lines[0].1.ends_with("did not answer within 1 s; allow more with `,timeout=TIME`"),
        "{:?}",
        run.lines[0]
    );
    assert_eq!(run.kind(1), "unavailable");
    assert!(run.lines[1].1.starts_with("the server is busy with a script"), "{:?}", run.lines[1]);
    client.run(&["SCRIPT", "KILL"]);
    assert_eq!(bound(server.url(), "").done("size"), "0");
}

#[test]
fn a_database_that_is_not_there_is_an_error_of_the_servers() {
    let mut url = redis().url();
    url.set_path("/999999");
    let (kind, message) = bound(url, "").one("size");
    assert_eq!((&*kind, &*message), ("ERR", "DB index is out of range"));
}
