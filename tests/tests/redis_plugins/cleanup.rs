//! `redis-cleanup`: that a run removes what its rehearsal listed, and nothing else.

use serde_json::Value;
use taskhost_tests::Output;

use super::server::Server;
use super::{FIGURES, assert_says, complaints, counted, task};

/// What the slot grants: every key, so that the parameters alone choose.
const ALL: &str = ",write,key=*";

fn cleanup(command: &str, server: &Server, words: &str, arguments: &[&str]) -> Output {
    task(command, "redis-cleanup", server, words, arguments).args(["--format=json"]).run()
}

fn run(server: &Server, code: i32, arguments: &[&str]) -> Value {
    cleanup("run", server, ALL, arguments).expect_code(code).report()
}

/// Old and new sessions, with and without TTL, beside carts.
fn shop() -> Server {
    let server = Server::start(&[]);
    server.lines((0..40).map(|number| format!("SET session:{number} {} EX 3600", "x".repeat(100))));
    server.lines((0..20).map(|number| format!("SET session:lasting:{number} {}", "x".repeat(5_000))));
    server.lines((0..10).map(|number| format!("HSET cart:{number} apples 1")));
    server.lines((0..5).map(|number| format!("SET session:old:{number} x")));
    // The time of last use can be given with a copy only.
    let age = "for _, key in ipairs(ARGV) do redis.call('RESTORE', key, 0, redis.call('DUMP', key), 'REPLACE', \
               'IDLETIME', '100000') end";
    let old: Vec<_> = (0..5).map(|number| format!("session:old:{number}")).collect();
    server.ask(&[&["EVAL", age, "0"][..], &old.iter().map(String::as_str).collect::<Vec<_>>()].concat());
    server
}

const KEYS: u64 = 40 + 20 + 10 + 5;

#[test]
fn a_run_removes_what_its_rehearsal_counted_and_nothing_else() {
    for (arguments, expected) in [
        (&["pattern=session:*"][..], 65),
        (&["pattern=session:*", "batch=1"], 65),
        (&["pattern=session:*", "batch=7", "pause-ms=1"], 65),
        (&["pattern=session:*", "without-ttl=true"], 25),
        (&["pattern=session:*", "idle-longer-than=1d"], 5),
        (&["pattern=session:*", "idle-longer-than=2d"], 0),
        (&["pattern=session:*", "larger-than=4KiB"], 20),
        (&["pattern=session:*", "larger-than=4KiB", "idle-longer-than=1d"], 0),
        (&["pattern=*", "everything=true", "kind=hash"], 10),
        (&["pattern=*", "everything=true"], KEYS),
        (&["pattern=session:[0-9]"], 10),
        (&["pattern=session:*", "limit=12"], 12),
        (&["pattern=nothing:*"], 0),
    ] {
        let server = shop();
        let plan = cleanup("plan", &server, ALL, arguments).expect_code(0).report();
        assert_eq!(server.keys(), KEYS, "the rehearsal of {arguments:?} removed something");
        let report = run(&server, 0, arguments);
        for report in [&plan, &report] {
            assert_eq!(counted(report, "keys_removed", None), expected, "{arguments:?}");
        }
        assert_eq!(counted(&plan, "bytes_freed", None), counted(&report, "bytes_freed", None), "{arguments:?}");
        assert_eq!(server.keys(), KEYS - expected, "{arguments:?}");
        let again = run(&server, 0, arguments);
        if !arguments.contains(&"limit=12") {
            assert_eq!(counted(&again, "keys_removed", None), 0, "{arguments:?}");
        }
    }
}

#[test]
fn the_reports_are_written_for_people() {
    let server = shop();
    let mut reports = String::new();
    for (command, arguments) in [
        ("plan", &["pattern=cart:*"][..]),
        ("run", &["pattern=cart:*"]),
        ("run", &["pattern=session:*", "kind=string", "larger-than=4KiB", "expire-in=10m"]),
        ("run", &["pattern=*"]),
    ] {
        let run = task(command, "redis-cleanup", &server, ALL, arguments).run();
        assert_eq!(run.stderr, "", "{run}");
        let text: String = run.stdout.lines().map(|line| sorted(line) + "\n").collect();
        reports += &format!("$ host {command} redis-cleanup {}\n{text}\n", arguments.join(" "));
    }
    insta::with_settings!({ filters => FIGURES }, { insta::assert_snapshot!(reports) });
}

/// A list of keys in the order of their names: a walk is in none. What was cut off one is not the same each time.
fn sorted(line: &str) -> String {
    let Some((keys, rest)) = line.strip_prefix("    ").and_then(|list| list.rsplit_once("  ")) else {
        return line.into();
    };
    if !keys.contains(", ") {
        return line.into();
    }
    let mut keys: Vec<_> = keys.split(", ").collect();
    keys.sort_unstable();
    if keys.iter().any(|key| !key.starts_with("cart:")) {
        return format!("    KEYS  {rest}");
    }
    format!("    {}  {rest}", keys.join(", "))
}

#[test]
fn a_pattern_that_says_nothing_is_refused() {
    let server = shop();
    for pattern in ["*", "**", "?*", "[a-z]*", "[^x]*"] {
        for command in ["plan", "run"] {
            let output = cleanup(command, &server, ALL, &[&format!("pattern={pattern}")]).expect_code(3);
            let said = format!("pattern=`{pattern}` names no character of the keys");
            assert!(output.stdout.contains(&said) && output.stdout.contains("everything=true"), "{output}");
        }
    }
    assert_eq!(server.keys(), KEYS);
}

#[test]
fn keys_and_del_are_never_used() {
    let server = shop();
    cleanup("plan", &server, ALL, &["pattern=session:*"]).expect_code(0);
    assert!(!server.has_called("unlink"), "the rehearsal removed");
    run(&server, 0, &["pattern=session:*", "idle-longer-than=1s", "larger-than=1"]);
    run(&server, 0, &["pattern=session:*"]);
    for command in ["keys", "del", "flushdb", "get"] {
        assert!(!server.has_called(command), "{command}");
    }
    assert!(server.has_called("scan") && server.has_called("unlink"));
}

#[test]
fn keys_can_be_let_end_instead() {
    let server = shop();
    let arguments = ["pattern=session:*", "expire-in=2h"];
    let plan = cleanup("plan", &server, ALL, &arguments).expect_code(0).report();
    assert_eq!(server.call(&["TTL", "session:lasting:0"]), "-1", "the rehearsal set a TTL");
    let report = run(&server, 0, &arguments);
    assert_eq!((counted(&plan, "keys_expired", None), counted(&report, "keys_expired", None)), (25, 25));
    assert_eq!(server.keys(), KEYS);
    let ttl = |key: &str| server.call(&["TTL", key]).parse::<i64>().unwrap();
    assert!((7_000..=7_200).contains(&ttl("session:lasting:0")) && (7_000..=7_200).contains(&ttl("session:old:3")));
    assert!(ttl("session:1") <= 3_600, "one that ends sooner was put off");
    assert_eq!(ttl("cart:1"), -1);
    let again = run(&server, 0, &arguments);
    assert_eq!(counted(&again, "keys_expired", None), 0);
}

#[test]
fn where_idle_times_are_not_known_nothing_goes_and_it_is_said() {
    let server = shop();
    server.call(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"]);
    let report = run(&server, 1, &["pattern=session:*", "idle-longer-than=1s"]);
    assert_eq!(complaints(&report), [("warning", "could not be judged")]);
    assert_says(&report, "could not be judged", &["65 keys left alone", "LFU"]);
    assert_eq!((counted(&report, "keys_removed", None), server.keys()), (0, KEYS));
}

#[test]
fn a_limit_that_was_reached_asks_for_another_run() {
    let server = shop();
    let report = run(&server, 0, &["pattern=session:*", "limit=30"]);
    let next = report["next_actions"].as_array().unwrap();
    assert!(next[0]["action"].as_str().unwrap().contains("limit=30 was reached"), "{next:?}");
    run(&server, 0, &["pattern=session:*", "limit=30"]);
    let report = run(&server, 0, &["pattern=session:*", "limit=30"]);
    assert_eq!(counted(&report, "keys_removed", None), 5);
    assert_eq!(report["next_actions"].as_array().unwrap().len(), 0);
    // Exactly as many as there are: no more are waiting.
    let report = run(&server, 0, &["pattern=cart:*", "limit=10"]);
    assert_eq!((counted(&report, "keys_removed", None), server.keys()), (10, 0));
    assert_eq!(report["next_actions"].as_array().unwrap().len(), 0);
}

#[test]
fn a_spent_budget_stops_it_and_says_how_far_it_came() {
    let server = shop();
    let budget = ["--budget", "cache.keys=20", "pattern=session:*", "batch=8"];
    let output = cleanup("run", &server, ALL, &budget).expect_code(3);
    let report = output.report();
    assert_eq!(report["run"]["outcome"], "over-budget", "{report:#}");
    let removed = counted(&report, "keys_removed", None);
    assert_eq!(server.keys(), KEYS - removed, "{report:#}");
    assert!((16..=20).contains(&removed), "{removed}");
    assert!(report["error"].to_string().contains(&format!("stopped after {removed} keys")), "{report:#}");
}

#[test]
fn only_keys_that_the_grant_names_can_go() {
    let server = shop();
    let output = cleanup("run", &server, "", &["pattern=session:*"]).expect_code(3);
    assert!(output.stdout.contains("asks for write"), "{output}");
    let output = cleanup("run", &server, ",write,key=cart:*", &["pattern=session:*"]);
    assert_eq!(server.keys(), KEYS, "{output}");
    cleanup("run", &server, ",write,key=cart:*", &["pattern=*", "everything=true"]);
    assert_eq!(server.keys(), KEYS - 10);
    assert_eq!(server.call(&["EXISTS", "cart:1"]), "0");
}

#[test]
fn names_of_any_bytes_can_be_removed() {
    let server = Server::start(&[]);
    server.set(&[b"tmp:\xff\n\x1b[31m", b"tmp:\x00", b"tmp:*", b"tmp:{slot}", b"kept"]);
    let report = run(&server, 0, &["pattern=tmp:*"]);
    assert_eq!((counted(&report, "keys_removed", None), server.keys()), (4, 1));
    assert_eq!(server.call(&["RANDOMKEY"]), "kept");
}

#[test]
fn fifty_thousand_keys_go_though_the_table_shrinks_meanwhile() {
    let server = Server::start(&[]);
    server.fill("tmp", 50_000, 10);
    server.fill("kept", 100, 10);
    let plan = cleanup("plan", &server, ALL, &["pattern=tmp:*"]).expect_code(0).report();
    let report = run(&server, 0, &["pattern=tmp:*"]);
    assert_eq!((counted(&plan, "keys_removed", None), counted(&report, "keys_removed", None)), (50_000, 50_000));
    assert_eq!(server.keys(), 100);
}
