//! `redis-memory`: what it makes of servers that are full, that evict, that have no limit, and of clients that do not read.

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use super::server::{Server, wait_until};
use super::{FIGURES, assert_says, complaints, counted, finding, metric, report, task};

fn memory(server: &Server, code: i32, arguments: &[&str]) -> Value {
    report("redis-memory", server, code, arguments)
}

/// A server with so many keys of that many bytes.
fn filled(settings: &[&str], keys: u32, bytes: u32) -> Server {
    let server = Server::start(settings);
    server.fill("key", keys, bytes);
    server
}

#[test]
fn the_reports_are_written_for_people() {
    let server = filled(&["maxmemory 64mb"], 1_000, 100);
    let mut reports = String::new();
    for arguments in [&[][..], &["warn-percent=1", "critical-percent=2"]] {
        let run = task("run", "redis-memory", &server, "", arguments).run();
        assert_eq!(run.stderr, "", "{run}");
        reports += &format!("$ host run redis-memory {}\n{}\n", arguments.join(" "), run.stdout);
    }
    insta::with_settings!({ filters => FIGURES }, { insta::assert_snapshot!(reports) });
}

#[test]
fn a_server_that_cannot_evict_is_told_before_it_is_full() {
    for policy in ["noeviction", "volatile-lru", "allkeys-lru"] {
        let server = filled(&["maxmemory 16mb", &format!("maxmemory-policy {policy}")], 14_000, 1_000);
        let used: u64 = server.info("used_memory").parse().unwrap();
        assert!(used > 14 << 20, "{used}");
        match policy {
            "noeviction" => {
                let report = memory(&server, 2, &["critical-percent=85"]);
                assert_eq!(complaints(&report), [("critical", "near maxmemory")]);
                assert_says(&report, "near maxmemory", &["of 16 MiB", "policy noeviction", "OOM", "raise maxmemory"]);
            }
            "volatile-lru" => {
                let report = memory(&server, 2, &["critical-percent=85"]);
                assert_eq!(
                    complaints(&report),
                    [("warning", "nothing can be evicted"), ("critical", "near maxmemory")]
                );
                assert_says(&report, "nothing can be evicted", &["volatile-lru", "none of 14,000 has one"]);
                server.call(&["EXPIRE", "key:1", "1000"]);
                assert_eq!(complaints(&memory(&server, 0, &["critical-percent=85"])), []);
            }
            _ => assert_eq!(complaints(&memory(&server, 0, &["critical-percent=85"])), []),
        }
    }
}

#[test]
fn evictions_are_counted() {
    let server = Server::start(&["maxmemory 4mb", "maxmemory-policy allkeys-lru"]);
    server.lines((0..8_000).map(|number| format!("SET key:{number} {}", "x".repeat(1_000))));
    let evicted: u64 = server.info("evicted_keys").parse().unwrap();
    assert!(evicted > 2_000, "{evicted}");
    let report = memory(&server, 1, &[]);
    assert_eq!(complaints(&report), [("warning", "many keys are evicted")]);
    assert_says(&report, "many keys are evicted", &["since the server started", "policy allkeys-lru"]);
    // It goes on with every command, this report's with them.
    assert!(counted(&report, "keys_evicted", None) >= evicted);
    assert_eq!(complaints(&memory(&server, 0, &["evictions-per-hour=1000000"])), []);
}

#[test]
fn having_no_limit_is_as_bad_as_the_operator_says() {
    let server = Server::start(&[]);
    for (word, code) in [("ok", 0), ("warning", 1), ("critical", 2)] {
        let report = memory(&server, code, &[&format!("no-maxmemory={word}")]);
        let found = finding(&report, "no maxmemory", None);
        assert_eq!(found["severity"], word);
        assert_says(&report, "no maxmemory", &["of the machine's", "set maxmemory"]);
    }
}

#[test]
fn a_client_that_does_not_read_is_named() {
    let server = Server::start(&["maxmemory 512mb"]);
    server.lines([format!("SET big {}", "x".repeat(1_000_000))]);
    let mut deaf = UnixStream::connect(server.socket()).unwrap();
    deaf.write_all(b"CLIENT SETNAME reporter\r\n").unwrap();
    for _ in 0..8 {
        deaf.write_all(b"GET big\r\n").unwrap();
    }
    let held = |line: &str| {
        let omem = line.split_whitespace().find_map(|part| part.strip_prefix("omem="));
        line.contains("name=reporter") && omem.is_some_and(|omem| omem.parse::<u64>().unwrap() > 4 << 20)
    };
    wait_until("replies wait for the client", || server.call(&["CLIENT", "LIST"]).lines().any(held));
    // What all clients hold together the server adds up now and then.
    wait_until("the server knows", || server.info("mem_clients_normal").parse::<u64>().unwrap() > 4 << 20);

    let report = memory(&server, 1, &["client-memory=4MiB"]);
    assert_eq!(complaints(&report), [("warning", "client holds much memory")]);
    let words = ["client reporter", "of replies not read", "last command `get`", "CLIENT KILL ID"];
    assert_says(&report, "client holds much memory", &words);
    assert!(metric(&report, "memory_largest_client", None) > 4_000_000.0);
    let report = memory(&server, 1, &["floor=1MiB", "buffers-percent=20", "fragmentation=100"]);
    assert_eq!(complaints(&report), [("warning", "clients hold much memory")]);
    assert_eq!(complaints(&memory(&server, 0, &[])), []);
    drop(deaf);
}

#[test]
fn scripts_that_pile_up_are_said() {
    let server = Server::start(&["maxmemory 512mb"]);
    server.lines((0..1_000).map(|number| format!("SCRIPT LOAD return({number})")));
    let report = memory(&server, 1, &[]);
    assert_says(&report, "many cached scripts", &["1,000 scripts", "KEYS and ARGV", "SCRIPT FLUSH"]);
}

#[test]
fn jumps_are_told_from_run_to_run_and_a_rehearsal_keeps_nothing() {
    let server = filled(&["maxmemory 512mb"], 2_000, 1_000);
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state.db");
    let binding = format!("memory={},write", state.display());
    let arguments = ["--state", &binding, "floor=1MiB", "fragmentation=100"];

    let plan = task("plan", "redis-memory", &server, "", &arguments).run().expect_code(0);
    assert!(!state.exists(), "the rehearsal wrote: {plan}");
    assert_eq!(complaints(&memory(&server, 0, &arguments)), []);
    assert_eq!(complaints(&memory(&server, 0, &arguments)), []);

    server.fill("more", 8_000, 1_000);
    let report = memory(&server, 1, &arguments);
    assert_eq!(complaints(&report), [("warning", "memory jumped")]);
    assert_says(&report, "memory jumped", &["now", "before", "(+", "redis-keys"]);
    server.call(&["FLUSHALL"]);
    assert_eq!(complaints(&memory(&server, 1, &arguments)), [("warning", "memory fell")]);
    assert_eq!(complaints(&memory(&server, 0, &arguments)), []);

    // Without it nothing is compared.
    assert_eq!(complaints(&memory(&server, 0, &arguments[2..])), []);
}
