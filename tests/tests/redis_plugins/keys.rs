//! `redis-keys`: that it counts what is there, names what is big, and leaves all as it was.

use serde_json::Value;

use super::server::Server;
use super::{FIGURES, assert_says, complaints, counted, finding, metric, report, task};

fn keys(server: &Server, code: i32, arguments: &[&str]) -> Value {
    report("redis-keys", server, code, arguments)
}

/// Names of the same length, so that what is the biggest hangs on no allocator: 3,000 sessions that end, 1,000 carts of which half do, a list, a stream, keys without prefix.
fn shop() -> Server {
    let server = Server::start(&[]);
    server.lines((0..3_000).map(|number| format!("SET session:{number:04} {} EX 3600", "x".repeat(100))));
    server.lines((0..1_000).map(|number| format!("HSET cart:{}:{number:04} apples 1 pears 2", number % 2)));
    server.lines((0..500).map(|number| format!("EXPIRE cart:0:{:04} 3600", number * 2)));
    server.lines((0..2_000).map(|number| format!("RPUSH queue:mail {number}")));
    server.lines((0..20).map(|number| format!("XADD events * number {number}")));
    server.lines([
        format!("SET page:front {}", "y".repeat(3 << 20)),
        "SADD tags red green".into(),
        "ZADD scores 1 anna".into(),
    ]);
    server
}

const ALL: u64 = 3_000 + 1_000 + 5;

#[test]
fn the_reports_are_written_for_people() {
    let server = shop();
    let mut reports = String::new();
    for arguments in [
        &["top=2", "big-bytes=1MiB", "big-elements=1000", "without-ttl-percent=60"][..],
        &["pattern=cart:*", "depth=2", "top=1"],
        &["pattern=none:*"],
    ] {
        let run = task("run", "redis-keys", &server, "", arguments).run();
        assert_eq!(run.stderr, "", "{run}");
        reports += &format!("$ host run redis-keys {}\n{}\n", arguments.join(" "), run.stdout);
    }
    insta::with_settings!({ filters => FIGURES }, { insta::assert_snapshot!(reports) });
}

#[test]
fn every_key_is_counted_with_its_kind_its_prefix_and_its_ttl() {
    let report = keys(&shop(), 0, &[]);
    assert_eq!((counted(&report, "keys", None), counted(&report, "keys_visited", None)), (ALL, ALL));
    assert_eq!(counted(&report, "keys_without_ttl", None), 505);
    for (kind, expected) in [("string", 3_001), ("hash", 1_000), ("list", 1), ("stream", 1), ("set", 1), ("zset", 1)] {
        assert_eq!(counted(&report, "kind_keys", Some(kind)), expected, "{kind}");
    }
    for (prefix, expected, lasting) in [
        ("session:*", 3_000, 0.0),
        ("cart:*", 1_000, 50.0),
        ("queue:*", 1, 100.0),
        ("page:*", 1, 100.0),
        ("no prefix", 3, 100.0),
    ] {
        assert_eq!(counted(&report, "prefix_keys", Some(prefix)), expected, "{prefix}");
        assert!((metric(&report, "prefix_without_ttl", Some(prefix)) - lasting).abs() < 1e-9, "{prefix}");
    }
    let parts: u64 = ["session:*", "cart:*", "queue:*", "page:*", "no prefix"]
        .iter()
        .map(|prefix| counted(&report, "prefix_bytes", Some(prefix)))
        .sum();
    assert_eq!(counted(&report, "keys_bytes", None), parts);
    assert!(counted(&report, "largest_key", None) >= 3 << 20);
}

#[test]
fn pattern_kind_depth_and_separator_choose() {
    let server = shop();
    for (arguments, expected) in [
        (&["pattern=cart:*"][..], 1_000),
        (&["kind=hash"], 1_000),
        (&["kind=string", "pattern=*e*"], 3_001),
        (&["kind=list", "pattern=cart:*"], 0),
    ] {
        assert_eq!(counted(&keys(&server, 0, arguments), "keys", None), expected, "{arguments:?}");
    }
    let report = keys(&server, 0, &["depth=2", "pattern=cart:*"]);
    assert_eq!(counted(&report, "prefix_keys", Some("cart:0:*")), 500);
    let report = keys(&server, 0, &["separator=t:", "pattern=cart:*"]);
    assert_eq!(counted(&report, "prefix_keys", Some("cart:*")), 1_000);
}

#[test]
fn big_keys_are_named_with_what_to_do() {
    let server = shop();
    let report = keys(&server, 1, &["big-bytes=1MiB", "big-elements=1000"]);
    assert_eq!(complaints(&report), [("warning", "big key"), ("warning", "big key")]);
    let page = finding(&report, "big key", Some("page:front"));
    assert!(
        page["detail"].as_str().unwrap().starts_with("string: 3.") && page["detail"].to_string().contains("no TTL")
    );
    let queue = finding(&report, "big key", Some("queue:mail"));
    assert!(queue["detail"].to_string().contains("2,000 elements"), "{queue}");
    assert!(queue["remedy"].to_string().contains("LTRIM"), "{queue}");
    assert_eq!(counted(&report, "big_keys", None), 2);

    let report = keys(&server, 1, &["big-bytes=150", "pattern=session:*"]);
    assert_eq!(complaints(&report).len(), 21, "twenty by name, and the rest together");
    assert_says(&report, "more keys are big", &["2,980 of those looked at"]);
}

#[test]
fn keys_without_ttl_are_a_warning_where_the_operator_says_so() {
    let server = shop();
    let report = keys(&server, 1, &["without-ttl-percent=50", "pattern=*:*"]);
    let lasting =
        report["findings"].as_array().unwrap().iter().filter(|finding| finding["title"] == "keys without TTL");
    let mut subjects: Vec<_> = lasting.map(|finding| finding["subject"].as_str().unwrap()).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["cart:*", "page:*", "queue:*"]);
    assert_says(&report, "keys without TTL", &["redis-cleanup", "expire-in="]);
}

#[test]
fn a_sample_estimates_all() {
    let server = shop();
    let report = keys(&server, 0, &["sample=10"]);
    let (estimate, visited) = (counted(&report, "keys", None), counted(&report, "keys_visited", None));
    assert_eq!(visited, ALL);
    assert!(estimate.is_multiple_of(10) && estimate.abs_diff(ALL) <= 10, "{estimate}");
    assert!(report["summary"].as_str().unwrap().starts_with("about "), "{report:#}");
}

#[test]
fn names_of_any_bytes_are_told_apart() {
    let server = Server::start(&[]);
    server.set(&[b"a:\xff\n\x1b[31mred", b"a:\xfe", b"\x00:1", "größe:1".as_bytes(), b""]);
    let report = keys(&server, 1, &["big-bytes=1"]);
    for subject in [r"a:\xff\x0a\x1b[31mred", r"a:\xfe", r"\x00:1", "größe:1", ""] {
        finding(&report, "big key", Some(subject));
    }
    assert_eq!(counted(&report, "prefix_keys", Some("a:*")), 2);
    assert_eq!(counted(&report, "prefix_keys", Some(r"\x00:*")), 1);
}

#[test]
fn no_value_is_read_and_nothing_is_blocked() {
    let server = shop();
    keys(&server, 0, &[]);
    for command in ["keys", "get", "hgetall", "lrange", "smembers", "del", "unlink", "debug"] {
        assert!(!server.has_called(command), "{command}");
    }
    assert!(server.has_called("scan") && server.has_called("memory|usage"));
    assert_eq!(server.keys(), ALL);
}

#[test]
fn any_number_of_keys_and_prefixes_fits_in_a_little_memory() {
    let server = Server::start(&[]);
    server.ask(&["EVAL", "for i = 1, 100000 do redis.call('SET', 'prefix-' .. i .. ':x', 'y') end", "0"]);
    server.fill("many", 1_000, 1);
    let report = keys(&server, 0, &["--memory", "8MiB"]);
    assert_eq!(counted(&report, "keys", None), 101_000);
    assert_eq!(counted(&report, "prefix_keys", Some("many:*")), 1_000);
    assert_eq!(counted(&report, "prefix_keys", Some("other prefixes")), 100_000 - 9);
}
