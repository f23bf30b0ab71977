//! Walks over many keys.

use taskhost_tests::redis;

use super::script::bound;

/// Strings, and every tenth a hash.
fn fill(database: &taskhost_tests::RedisDatabase, count: u32) {
    database.client().run_all((0..count).map(|number| match number % 10 {
        0 => vec!["HSET".into(), format!("hash:{number}"), "f".into(), "v".into()],
        _ => vec!["SET".into(), format!("key:{number}"), "value".into()],
    }));
}

#[test]
fn a_hundred_thousand_keys_come_with_their_facts() {
    let database = redis();
    fill(&database, 100_000);
    let bound = bound(database.url(), "");
    let run = bound.run(&[
        "scan",
        "scan facts=kmel",
        "scan kind=hash facts=l",
        "scan pattern=key:1*",
        "scan every=10 facts=m",
    ]);
    assert_eq!(run.done(0), "visited=100000 matched=100000 vanished=0 distinct=100000");
    assert_eq!(run.done(1), "visited=100000 matched=100000 vanished=0 distinct=100000");
    assert_eq!(run.done(2), "visited=100000 matched=10000 vanished=0 distinct=10000");
    // 1, 11 to 19, 111 to 199 ... without the tens.
    assert_eq!(run.done(3), "visited=100000 matched=10000 vanished=0 distinct=10000");
    assert_eq!(run.done(4), "visited=100000 matched=10000 vanished=0 distinct=10000");
    for effect in run.effects() {
        assert_eq!((&effect["operation"], &effect["outcome"]), (&"scan".into(), &"done".into()), "{effect}");
    }
    assert_eq!(run.effects()[2]["rows"], 10_000);
}

#[test]
fn keys_that_the_grant_does_not_let_be_seen_are_left_out() {
    let database = redis();
    fill(&database, 1_000);
    for (settings, line, matched) in [
        (",key=hash:*", "scan facts=k", 100),
        (",key=hash:*", "scan pattern=key:*", 0),
        (",key=hash:*", "scan pattern=*0", 100),
        (",key=hash:*,key=key:1", "scan facts=e", 101),
        (",key=none", "scan", 0),
        (",key=*", "scan", 1_000),
    ] {
        let said = bound(database.url(), settings).done(line);
        assert_eq!(said, format!("visited=1000 matched={matched} vanished=0 distinct={matched}"), "{settings} {line}");
    }
}

#[test]
fn each_fact_is_given_where_it_was_asked_for() {
    let database = redis();
    let mut client = database.client();
    client.run(&["SET", "a", "12345", "PX", "3600000"]);
    client.run(&["RPUSH", "b", "1", "2"]);
    let run = bound(database.url(), "").run(&[
        "scan facts=kl show",
        "scan show",
        "scan facts=l show",
        "scan count=1 facts=k show",
    ]);
    assert!(run.done(0).ends_with("\na string length=5\nb list length=2"), "{}", run.done(0));
    assert!(run.done(1).ends_with("\na\nb"), "{}", run.done(1));
    assert!(run.done(2).ends_with("\na string length=5\nb list length=2"), "{}", run.done(2));
    assert!(run.done(3).ends_with("\na string\nb list"), "{}", run.done(3));
}

#[test]
fn options_that_make_no_sense_are_told() {
    let database = redis();
    let run = bound(database.url(), "").run(&["scan every=0", "scan kind=frobnicate", "scan count=4000000000"]);
    assert_eq!(run.kind(0), "invalid");
    assert!(run.lines[1].0 == "ERR" || run.done(1).contains("matched=0"), "{:?}", run.lines[1]);
    assert!(run.done(2).contains("matched=0"));
}

#[test]
fn scans_that_nobody_reads_end_with_the_run_and_are_bounded() {
    let database = redis();
    fill(&database, 50_000);
    let script: Vec<&str> = std::iter::repeat_n("scan hold", 9).chain(["size"]).collect();
    let run = bound(database.url(), ",timeout=1s").run(&script);
    // All connections of the run are held by scans.
    assert!((0..8).all(|line| run.kind(line) == "done"), "{:?}", run.lines);
    for line in 8..10 {
        assert_eq!(run.kind(line), "timed-out", "{:?}", run.lines[line]);
        assert!(run.lines[line].1.contains("end a scan before the next begins"));
    }
    let abandoned = run.effects().iter().filter(|effect| effect["outcome"] == "abandoned").count();
    assert_eq!(abandoned, 8, "{}", run.report);
    let clients = database.client().text(&["CLIENT", "LIST"]);
    let own = format!("db={} ", database.number());
    let left = clients.lines().filter(|line| line.contains("name=taskhost") && line.contains(&own)).count();
    assert_eq!(left, 0, "{clients}");
}
