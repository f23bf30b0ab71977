//! Bodies: bounded both ways, read as fast as the guest reads, and ended when it lets go or the run is over.

use std::time::Duration;

use taskhost_tests::http::{Reply, Server};

use super::script::{Ran, bound};

const MIB: usize = 1 << 20;

fn chunked(pieces: &[&str], end: bool) -> Reply {
    let mut bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for piece in pieces {
        bytes.extend(format!("{:x}\r\n{piece}\r\n", piece.len()).bytes());
    }
    if end {
        bytes.extend(b"0\r\n\r\n");
    }
    Reply::raw(bytes)
}

#[test]
fn a_body_comes_whole_however_it_is_sent() {
    let server = Server::start(|request| match request.path() {
        "/chunked" => chunked(&["ab", "c", "defg"], true),
        "/closed" => Reply::raw("HTTP/1.0 200 OK\r\n\r\nuntil the end"),
        "/empty" => Reply::raw("HTTP/1.1 204 No Content\r\n\r\n"),
        "/informed" => {
            Reply::raw("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        }
        "/zipped" => Reply::new("200 OK", &[("content-encoding", "gzip")], "not decoded"),
        _ => Reply::ok(vec![b'x'; 8 * MIB]),
    });
    let api = bound(&server.url(""));
    for (line, answer) in [
        ("get chunked", "200 abcdefg"),
        ("get closed show=version", "200 version=HTTP/1.0 until the end"),
        ("get empty", "204 "),
        ("get informed", "200 ok"),
        ("get zipped show=content-encoding", "200 content-encoding=gzip not decoded"),
        ("get large count", "200 8388608 bytes"),
        ("head large count", "200 0 bytes"),
    ] {
        assert_eq!(api.done(line), answer, "{line}");
    }
}

#[test]
fn a_body_is_bounded_by_the_grant() {
    let server = Server::start(|request| match request.path() {
        "/chunked" => chunked(&["x".repeat(900).as_str(), "x".repeat(900).as_str()], true),
        "/endless" => Reply::raw("HTTP/1.1 200 OK\r\n\r\n").then_flood(),
        _ => Reply::ok(vec![b'x'; 1025]),
    });
    let api = bound(&format!("{},max-body=1KiB", server.url("")));
    api.fails("get known", "too large", "has 1025 bytes, more than 1 KiB; `max-body` allows more");
    for path in ["chunked", "endless"] {
        api.fails(&format!("get {path}"), "too large", "has more than 1 KiB; `max-body` allows more");
        api.fails(&format!("get {path} count"), "too large", "has more than 1 KiB");
    }
    let whole = bound(&format!("{},max-body=2KiB", server.url("")));
    assert_eq!(whole.done("get known count"), "200 1025 bytes");
}

#[test]
fn what_is_sent_is_bounded() {
    let server = Server::start(|request| Reply::ok(request.body.len().to_string()));
    let api = bound(&format!("{},post,delete", server.url("")));
    assert_eq!(api.done(&format!("post x size={}", 16 * MIB)), format!("200 {}", 16 * MIB));
    api.fails(&format!("post x size={}", 16 * MIB + 1), "invalid", "more than 16 MiB");
    api.fails("get x body=a", "invalid", "a GET has no body");
    assert_eq!(api.done("delete x body=ab"), "200 2");
    let long = "y".repeat(9_000);
    api.fails(&format!("get {long}"), "invalid", "more than 8192");
}

#[test]
fn a_body_that_is_not_read_holds_the_server_back_and_not_the_host_up() {
    let server = Server::start(|_| Reply::raw("HTTP/1.1 200 OK\r\n\r\n").then_flood());
    let api = bound(&format!("{},max-body=16GiB,timeout=1h", server.url("")));
    // Let go of at once, kept to the end of the run, and more of them than there are places.
    let ran = api.run(&["get a drop", "get b hold", "get c drop", "get d hold"]);
    for index in 0..4 {
        assert_eq!(ran.done(index), "200");
    }
    let outcome =
        |path: &str| ran.effects().iter().any(|effect| effect.contains(" perform done ") && effect.contains(path));
    assert!(outcome("/a") && outcome("/c"), "{:?}", ran.effects());
    assert!(ran.output.peak_memory < 512 << 20, "{} MiB", ran.output.peak_memory >> 20);
    let many = vec!["get x hold"; 40];
    let host = api.host("run", &many).args(["--format=json", "--timeout=3s"]);
    let ran = Ran::of(host.run().expect_code(3));
    assert_eq!(ran.report["run"]["outcome"], "timed-out");
    assert_eq!(server.seen().len(), 4 + 32);
    assert!(ran.output.peak_memory < 512 << 20, "{} MiB", ran.output.peak_memory >> 20);
}

#[test]
fn a_run_that_is_stopped_lets_go_of_its_connections() {
    let server = Server::start(|request| match request.path() {
        "/head" => Reply::raw("").then_hang(),
        _ => Reply::raw("HTTP/1.1 200 OK\r\n\r\n").then_drip(),
    });
    // What was answered is done, though not all of it was read.
    for (line, outcome) in [("get head", "abandoned"), ("get body", "done")] {
        let before = server.seen().len();
        let process =
            bound(&format!("{},timeout=1h", server.url(""))).host("run", &[line]).args(["--format=json"]).spawn();
        while server.seen().len() == before {
            std::thread::sleep(Duration::from_millis(10));
        }
        process.interrupt();
        let ran = Ran::of(process.wait().expect_code(3));
        assert_eq!(ran.report["run"]["outcome"], "cancelled");
        assert_eq!(ran.report["effects"][0]["outcome"], outcome);
    }
}
