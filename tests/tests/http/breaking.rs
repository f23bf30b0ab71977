//! Servers that break off, dawdle, or speak something else: each is an error of its kind, and the next request is
//! unharmed.

use taskhost_tests::http::{Reply, Server};

use super::script::bound;

#[test]
fn an_answer_that_is_none_is_told_apart() {
    let server = Server::start(|request| match request.path() {
        "/nothing" => Reply::raw(""),
        "/half-a-head" => Reply::raw("HTTP/1.1 200 OK\r\ncontent-le"),
        "/half-a-body" => Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"),
        "/half-a-chunk" => Reply::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nhalf"),
        "/no-chunk" => Reply::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhalf\r\n"),
        "/greeting" => Reply::raw("220 mail.test ESMTP\r\n"),
        "/bytes" => Reply::raw(vec![0, 1, 2, 255, 254, 13, 10, 13, 10]),
        "/status" => Reply::raw("HTTP/1.1 9999 Odd\r\n\r\n"),
        "/two-lengths" => Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
        "/no-length" => Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"),
        "/long-head" => Reply::raw(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(200_000))),
        "/many-headers" => Reply::raw(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(1_000))),
        "/endless-head" => Reply::raw("HTTP/1.1 200 OK\r\nx: ").then_flood(),
        "/h2" => Reply::raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        _ => Reply::ok("well"),
    });
    let api = bound(&server.url(""));
    for (path, kind, message) in [
        ("nothing", "unavailable", "closed before the answer was whole"),
        ("half-a-head", "unavailable", "closed before the answer was whole"),
        ("half-a-body", "unavailable", "closed before the answer was whole"),
        ("half-a-chunk", "unavailable", "closed before the answer was whole"),
        ("no-chunk", "protocol", "no HTTP/1.1"),
        ("greeting", "protocol", "no HTTP/1.1"),
        ("bytes", "protocol", "no HTTP/1.1"),
        ("status", "protocol", "no HTTP/1.1"),
        ("two-lengths", "protocol", "no HTTP/1.1"),
        ("no-length", "protocol", "no HTTP/1.1"),
        ("long-head", "protocol", "more than 64 KiB or 128 headers"),
        ("many-headers", "protocol", "more than 64 KiB or 128 headers"),
        ("endless-head", "protocol", "more than 64 KiB or 128 headers"),
        ("h2", "protocol", "no HTTP/1.1"),
    ] {
        let ran = api.run(&[&format!("get {path}"), "get well"]);
        let (found, detail) = &ran.lines[0];
        assert!(found == kind && detail.contains(message), "{path}: {found}: {detail}");
        assert!(detail.starts_with(&server.url(path)), "{detail}");
        assert_eq!(ran.done(1), "200 well");
        assert!(ran.effects()[0].contains(" perform failed "), "{path}: {:?}", ran.effects());
    }
}

#[test]
fn a_server_that_dawdles_ends_with_the_time_out() {
    let server = Server::start(|request| match request.path() {
        "/silent" => Reply::raw("").then_hang(),
        "/half-a-head" => Reply::raw("HTTP/1.1 200 OK\r\nx: ").then_hang(),
        "/dripping-head" => Reply::raw("HTTP/1.1 200 OK\r\nx: ").then_drip(),
        "/informing" => Reply::raw("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(3)).then_hang(),
        "/half-a-body" => Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").then_hang(),
        _ => Reply::raw("HTTP/1.1 200 OK\r\n\r\n").then_drip(),
    });
    let granted = bound(&format!("{},timeout=1s", server.url("")));
    let own = bound(&server.url(""));
    for (path, stage) in [
        ("silent", "waiting for the answer"),
        ("half-a-head", "waiting for the answer"),
        ("dripping-head", "waiting for the answer"),
        ("informing", "waiting for the answer"),
        ("half-a-body", "the answer"),
        ("dripping-body", "the answer"),
    ] {
        let place = server.url(path);
        let message = format!("{place}: {stage} did not end within 1s; `timeout` allows more");
        granted.fails(&format!("get {path}"), "timed out", &message);
        // The guest's own limit is not the operator's to raise.
        let message = format!("{place}: {stage} did not end within 300 ms");
        let ran = own.run(&[&format!("get {path} timeout=300")]);
        assert_eq!(ran.lines[0], ("timed out".into(), message));
    }
    // A longer one than the grant's is the grant's.
    granted.fails("get silent timeout=60000", "timed out", "within 1s; `timeout`");
}

#[test]
fn a_server_that_is_not_there_is_unavailable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ran = bound(&format!("http://127.0.0.1:{free}")).run(&["get x"]);
    let (kind, detail) = &ran.lines[0];
    assert_eq!(kind, "unavailable");
    assert!(detail.contains("no connection to 127.0.0.1: Connection refused"), "{detail}");
    let ran = bound("http://host.invalid").run(&["get x"]);
    let (kind, detail) = &ran.lines[0];
    assert!(kind == "unavailable" && detail.contains("host.invalid does not resolve"), "{kind}: {detail}");
}

#[test]
fn what_a_server_says_does_not_reach_a_terminal_raw() {
    let server = Server::start(|request| match request.path() {
        "/redirect" => Reply::redirect("302 Found", "http://127.0.0.1:1/\u{202e}evil"),
        _ => Reply::new("200 OK", &[("x-title", "\u{1b}]0;owned\u{7}")], "\u{1b}[2Jgone"),
    });
    let output = bound(&server.url(""))
        .host("run", &["get x show=x-title", "get redirect follow", "get redirect show=location"])
        .args(["--format=text", "--verbose"])
        .env("TASKHOST_LOG", "trace")
        .run();
    let text = format!("{}{}", output.stdout, output.stderr);
    assert!(!text.contains("\u{1b}]0;") && !text.contains("\u{1b}[2J") && !text.contains('\u{202e}'), "{text}");
}
