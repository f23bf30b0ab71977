//! Servers that are restarted, fail over, run out of memory or of disk, or still load.

use std::time::{Duration, Instant};

use taskhost_tests::{RedisClient, RedisServer};

use super::script::{Ran, bound};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

fn wait_until(what: &str, mut there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn fill(client: &mut RedisClient, count: u32) {
    client.run_all((0..count).map(|number| vec!["SET".into(), format!("key:{number}"), "value".into()]));
}

/// Whether somebody has called that command.
fn is_called(client: &mut RedisClient, command: &str) -> bool {
    client.text(&["INFO", "commandstats"]).contains(&format!("cmdstat_{command}:"))
}

/// Whether the guest has read the first batch of a scan and waits for its mark, or for the server's end.
fn has_begun(client: &mut RedisClient) -> bool {
    is_called(client, "mget") || is_called(client, "dbsize")
}

#[test]
fn a_scan_through_a_restart_says_that_it_is_incomplete() {
    let mut server = RedisServer::start(&[]);
    fill(&mut server.client(), 50_000);
    let process = bound(server.url(), ",timeout=5s").host("run", &["scan facts=k wait=go", "size"]).spawn();
    wait_until("the scan", || has_begun(&mut server.client()));
    server.restart();
    server.client().run(&["SET", "go", "1"]);
    let run = Ran::of(process.wait().expect_code(0));
    assert_eq!(run.kind(0), "incomplete", "{:?}", run.lines[0]);
    let message = &run.lines[0].1;
    // By when the host asks again, the server is there or not.
    let found = ["the server was restarted", "cannot connect"].iter().any(|words| message.contains(words));
    assert!(message.starts_with("the scan gave ") && found, "{message}");
    let effects = run.effects();
    let scan = effects.iter().find(|effect| effect["operation"] == "scan").unwrap();
    assert_eq!(scan["outcome"], "failed");
    let given = scan["rows"].as_u64().unwrap();
    assert!(given > 0 && given < 50_000, "{scan}");
    assert_eq!(run.done(1), "1", "the next call has a new connection");
}

#[test]
fn a_scan_whose_connection_is_cut_goes_on_where_it_was() {
    let server = RedisServer::start(&[]);
    let mut client = server.client();
    fill(&mut client, 50_000);
    let process = bound(server.url(), "").host("run", &["scan facts=k wait=go"]).spawn();
    wait_until("the scan", || has_begun(&mut client));
    client.run(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    client.run(&["SET", "go", "1"]);
    let run = Ran::of(process.wait().expect_code(0));
    let said = run.done(0);
    let distinct: u32 = said.rsplit_once("distinct=").unwrap().1.parse().unwrap();
    assert!((50_000..=50_001).contains(&distinct), "{said}");
}

#[test]
fn a_scan_through_a_failover_says_that_it_is_incomplete() {
    let (server, other) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let mut client = server.client();
    fill(&mut client, 50_000);
    let process = bound(server.url(), ",timeout=5s").host("run", &["scan wait=go"]).spawn();
    wait_until("the scan", || has_begun(&mut client));
    // Demoted, it takes the other's data, to which the guest's mark is written.
    other.client().run(&["SET", "go", "1"]);
    client.run(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
    let run = Ran::of(process.wait().expect_code(0));
    assert_eq!(run.kind(0), "incomplete", "{:?}", run.lines[0]);
    assert!(run.lines[0].1.contains("became a replica"), "{:?}", run.lines[0]);
}

#[test]
fn a_server_that_goes_away_mid_scan_is_told() {
    let mut server = RedisServer::start(&[]);
    fill(&mut server.client(), 50_000);
    let process = bound(server.url(), ",timeout=5s").host("run", &["scan gone", "scan", "size"]).spawn();
    wait_until("the scan", || has_begun(&mut server.client()));
    server.kill();
    let run = Ran::of(process.wait().expect_code(0));
    assert_eq!(
        (run.kind(0), run.kind(1), run.kind(2)),
        ("incomplete", "unavailable", "unavailable"),
        "{:?}",
        run.lines
    );
    assert!(run.lines[0].1.contains("was lost") && run.lines[0].1.contains("Connection refused"), "{:?}", run.lines[0]);
}

#[test]
fn a_server_that_is_full_says_so() {
    let server = RedisServer::start(&["maxmemory 2mb", "maxmemory-policy noeviction"]);
    let mut client = server.client();
    client.run(&["SET", "a", "x"]);
    client.run(&["CONFIG", "SET", "maxmemory", "1"]);
    let run = bound(server.url(), ",write,key=*").run(&["command SET b x", "get a", "unlink a"]);
    assert_eq!(run.kind(0), "OOM");
    assert!(run.lines[0].1.starts_with("the server is at its maxmemory"), "{:?}", run.lines[0]);
    assert_eq!((run.done(1), run.done(2)), ("x", "1"));
}

#[test]
fn a_replica_takes_no_writes_and_says_what_it_is() {
    let master = RedisServer::start(&[]);
    master.client().run(&["SET", "a", "x"]);
    let replica = RedisServer::start(&[&format!("replicaof 127.0.0.1 {}", master.port())]);
    wait_until("the replica", || replica.client().text(&["INFO", "replication"]).contains("master_link_status:up"));
    let run = bound(replica.url(), ",write,key=*").run(&[
        "server",
        "get a",
        "unlink a",
        "expire 1000 always a",
        "command SET a y",
    ]);
    assert!(run.done(0).contains("Replica"), "{}", run.done(0));
    assert_eq!(run.done(1), "x");
    for line in 2..5 {
        assert_eq!(run.kind(line), "READONLY", "{:?}", run.lines[line]);
        assert!(run.lines[line].1.starts_with("this is a read-only replica; bind the slot to the master"));
    }
}

#[test]
fn a_server_that_cannot_save_takes_no_writes() {
    let server = RedisServer::start(&["save 3600 1000000"]);
    let mut client = server.client();
    client.run(&["SET", "a", "x"]);
    // A directory in the place of the file that a save is renamed to.
    std::fs::create_dir(server.directory().join("dump.rdb")).unwrap();
    client.run(&["BGSAVE"]);
    wait_until("the failed save", || client.text(&["INFO", "persistence"]).contains("rdb_last_bgsave_status:err"));
    let run = bound(server.url(), ",write,key=*").run(&["command SET a y", "get a", "info persistence"]);
    assert_eq!(run.kind(0), "MISCONF", "{:?}", run.lines[0]);
    assert!(run.lines[0].1.starts_with("the server cannot save to disk"), "{:?}", run.lines[0]);
    assert_eq!(run.done(1), "x");
    assert!(run.done(2).contains("rdb_last_bgsave_status=err"));
}

#[test]
fn a_server_that_is_loading_is_not_available_yet() {
    // Each key takes the server ten milliseconds to load, and it answers others meanwhile.
    let mut server = RedisServer::start(&["enable-debug-command yes"]);
    let mut client = server.client();
    fill(&mut client, 2_000);
    client.run(&["SAVE"]);
    server.kill();
    server.set("key-load-delay 10000");
    server.set("loading-process-events-interval-bytes 1024");
    server.restart();
    let run = bound(server.url(), "").run(&["size", "scan", "command GET a", "info persistence"]);
    for line in 0..3 {
        assert_eq!(run.kind(line), "unavailable", "{:?}", run.lines[line]);
        assert!(run.lines[line].1.starts_with("the server is loading its data"), "{:?}", run.lines[line]);
    }
    assert!(run.done(3).contains("persistence.loading=1"));
}

#[test]
fn a_run_that_is_stopped_leaves_no_connection() {
    let server = RedisServer::start(&[]);
    let mut client = server.client();
    fill(&mut client, 50_000);
    let process = bound(server.url(), "").host("run", &["scan hold", "scan wait=never"]).spawn();
    wait_until("the scan", || has_begun(&mut client));
    process.interrupt();
    let output = process.wait();
    assert_eq!(output.report()["run"]["outcome"], "cancelled", "{output}");
    wait_until("the end of the connections", || !client.text(&["CLIENT", "LIST"]).contains("name=taskhost"));
}
