//! `redis-persistence`: servers that save nothing, that fail to, and that follow each other or no longer do.

use serde_json::Value;

use super::server::{Server, wait_until};
use super::{FIGURES, assert_says, complaints, counted, metric, report, task};

fn persistence(server: &Server, code: i32, arguments: &[&str]) -> Value {
    report("redis-persistence", server, code, arguments)
}

const SAVES: &str = "save 3600 1";

#[test]
fn the_reports_are_written_for_people() {
    let saves = Server::start(&[SAVES, "appendonly yes"]);
    let nothing = Server::start(&[]);
    let mut reports = String::new();
    for (server, arguments) in [(&saves, &[][..]), (&nothing, &["min-replicas=1", "unpersisted=critical"])] {
        let run = task("run", "redis-persistence", server, "", arguments).run();
        assert_eq!(run.stderr, "", "{run}");
        reports += &format!("$ host run redis-persistence {}\n{}\n", arguments.join(" "), run.stdout);
    }
    let filters = [
        FIGURES.as_slice(),
        &[(r"(\d+ (d|h|min|s) ?)+ ago", "AGE ago"), (r"_age: .*", "_age: AGE"), (r"_fork_ms: .*", "_fork_ms: N")],
    ]
    .concat();
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(reports) });
}

#[test]
fn saving_nothing_is_as_bad_as_the_operator_says() {
    let server = Server::start(&[]);
    for (word, code) in [("ok", 0), ("warning", 1), ("critical", 2)] {
        let report = persistence(&server, code, &[&format!("unpersisted={word}")]);
        assert_says(&report, "no persistence", &["no save rules", "append-only file is off", "unpersisted=ok"]);
    }
    server.call(&["CONFIG", "SET", "appendonly", "yes"]);
    assert_eq!(complaints(&persistence(&server, 0, &[])), []);
    server.call(&["CONFIG", "SET", "appendonly", "no"]);
    server.call(&["CONFIG", "SET", "save", "60 1000"]);
    assert_eq!(complaints(&persistence(&server, 0, &[])), []);
}

#[test]
fn a_save_that_fails_is_critical_and_says_that_writes_are_refused() {
    let server = Server::start(&[SAVES]);
    server.call(&["SET", "a", "1"]);
    server.call(&["CONFIG", "SET", "rdbcompression", "no"]);
    assert_eq!(complaints(&persistence(&server, 0, &[])), []);
    // The file cannot be put where there is a directory of its name.
    let file = server.directory().join("dump.rdb");
    std::fs::create_dir_all(file.join("in the way")).unwrap();
    server.call(&["BGSAVE"]);
    wait_until("the save failed", || server.info("rdb_last_bgsave_status") == "err");

    let report = persistence(&server, 2, &[]);
    assert_eq!(complaints(&report), [("critical", "last save failed")]);
    assert_says(&report, "last save failed", &["1 change not saved", "writes are refused", "a full disk"]);
    server.call(&["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"]);
    assert_says(&persistence(&server, 2, &[]), "last save failed", &["writes go on"]);

    std::fs::remove_dir_all(&file).unwrap();
    server.call(&["BGSAVE"]);
    wait_until("the save succeeded", || server.info("rdb_last_bgsave_status") == "ok");
    let report = persistence(&server, 0, &[]);
    assert_eq!((complaints(&report), counted(&report, "changes_not_saved", None)), (vec![], 0));
}

#[test]
fn a_rewrite_that_fails_is_said() {
    let server = Server::start(&["appendonly yes"]);
    server.call(&["SET", "a", "1"]);
    // The next file cannot be put where there is a directory of its name.
    let next = server.directory().join("appendonlydir/appendonly.aof.2.incr.aof");
    std::fs::create_dir_all(next).unwrap();
    server.ask(&["BGREWRITEAOF"]);
    wait_until("the rewrite failed", || server.info("aof_last_bgrewrite_status") == "err");
    let report = persistence(&server, 1, &[]);
    assert_eq!(complaints(&report), [("warning", "last rewrite failed")]);
    assert_says(&report, "last rewrite failed", &["the file grows", "BGREWRITEAOF"]);
}

/// A master and its replica, which has all of it.
fn pair() -> (Server, Server) {
    let master = Server::start(&[SAVES, "repl-diskless-sync-delay 0"]);
    let replica = Server::start(&[SAVES, &format!("replicaof 127.0.0.1 {}", master.port())]);
    wait_until("the replica follows", || replica.info("master_link_status") == "up");
    wait_until("the master knows", || master.call(&["INFO", "replication"]).contains("state=online"));
    (master, replica)
}

#[test]
fn a_master_and_its_replica_are_in_order_until_one_goes() {
    let (master, replica) = pair();
    let report = persistence(&master, 0, &["min-replicas=1"]);
    assert_eq!((complaints(&report), counted(&report, "replicas", None)), (vec![], 1));
    assert!(report["summary"].as_str().unwrap().starts_with("master of 1 replica;"), "{report:#}");
    let report = persistence(&replica, 0, &[]);
    assert_eq!((complaints(&report), counted(&report, "master_link_up", None)), (vec![], 1));
    assert!(metric(&report, "master_silence", None) < 30.0);

    replica.call(&["CONFIG", "SET", "replica-read-only", "no"]);
    let report = persistence(&replica, 1, &[]);
    assert_eq!(complaints(&report), [("warning", "replica takes writes")]);
    replica.call(&["CONFIG", "SET", "replica-read-only", "yes"]);

    master.call(&["CONFIG", "SET", "min-replicas-to-write", "2"]);
    let report = persistence(&master, 2, &[]);
    assert_eq!(complaints(&report), [("critical", "writes are refused")]);
    assert_says(&report, "writes are refused", &["1 of 2 replicas"]);
    master.call(&["CONFIG", "SET", "min-replicas-to-write", "0"]);

    drop(master);
    wait_until("the link is down", || replica.info("master_link_status") == "down");
    let report = persistence(&replica, 2, &[]);
    assert_eq!(complaints(&report), [("critical", "link to the master is down")]);
    assert_says(&report, "link to the master is down", &["master 127.0.0.1:", "masterauth"]);
    assert_eq!(counted(&report, "master_link_up", None), 0);
}

#[test]
fn a_master_whose_replica_went_misses_it() {
    let (master, replica) = pair();
    drop(replica);
    wait_until("the master knows", || master.info("connected_slaves") == "0");
    let report = persistence(&master, 2, &["min-replicas=1"]);
    assert_eq!(complaints(&report), [("critical", "replicas are missing")]);
    assert_says(&report, "replicas are missing", &["0 of 1 are connected"]);
    assert_eq!(complaints(&persistence(&master, 0, &[])), []);
}

#[test]
fn nothing_is_saved_by_looking() {
    let server = Server::start(&[SAVES]);
    server.call(&["SET", "a", "1"]);
    persistence(&server, 0, &[]);
    for command in ["save", "bgsave", "bgrewriteaof", "config|set"] {
        assert!(!server.has_called(command), "{command}");
    }
    assert_eq!(server.info("rdb_changes_since_last_save"), "1");
}
