//! What `write` does, what a rehearsal says of it, and budgets.

use taskhost_tests::{RedisClient, redis};

use super::script::bound;

fn fill(client: &mut RedisClient) {
    client.run_all((0..2_500).map(|number| vec!["SET".into(), format!("session:{number}"), "x".repeat(100)]));
    client.run(&["SET", "session:ends", "x", "PX", "3600000"]);
    client.run(&["SET", "other", "x"]);
}

const SCRIPT: &[&str] = &[
    "unlink session:1 session:2 session:2 session:gone",
    "unlink session:1",
    "unlink 10..2009*session:",
    "expire 60000 always session:3 session:gone session:3",
    "expire 60000 no-expiry session:ends session:4",
    "expire 60000 has-expiry session:ends session:5",
    "expire 7200000 later session:ends session:6",
    "expire 1000000 earlier session:ends session:7",
    "expire 1000 always session:1",
    "command SET session:new value",
    "command LPUSH session:list a b",
    "command UNLINK session:8",
    "unlink other",
    "expire 0 always session:9",
];

#[test]
fn a_plan_changes_nothing_and_lists_what_the_run_does() {
    let database = redis();
    let mut client = database.client();
    fill(&mut client);
    let before = client.everything();
    let bound = bound(database.url(), ",write,key=session:*");
    let plan = bound.plan(SCRIPT);
    assert_eq!(client.everything(), before);
    for effect in plan.effects() {
        let decision = if effect["outcome"] == "refused" { "refuse" } else { "rehearse" };
        assert_eq!(effect["decision"], decision, "{effect}");
    }

    let run = bound.run(SCRIPT);
    assert_eq!(plan.facts(), run.facts());
    // The replies of commands are not known before they are sent.
    for index in (0..9).chain(12..14) {
        assert_eq!(plan.lines[index], run.lines[index], "{}", SCRIPT[index]);
    }
    let counts: Vec<_> = (0..9).map(|index| run.done(index)).collect();
    assert_eq!(counts, ["2", "0", "2000", "1", "1", "1", "1", "2", "0"]);
    assert_eq!((plan.done(9), run.done(9), run.done(10), run.done(11)), ("nil", "+OK", "2", "1"));
    assert_eq!((run.kind(12), run.kind(13)), ("refused", "invalid"));
    let left = client.everything();
    let has = |key: &str| left.iter().any(|(name, _)| name == key);
    assert!(!has("session:1") && !has("session:10") && !has("session:8") && has("session:9") && has("other"));
    assert_eq!(left.len(), before.len() - 2_003 + 2);
    let effects = run.effects();
    assert_eq!((&effects[0]["impact"], &effects[3]["impact"]), (&"destroy".into(), &"change".into()));
    assert_eq!(effects[0]["target"], "session:1, session:2, session:2, session:gone");
    let many = effects[2]["target"].as_str().unwrap();
    assert!(many.starts_with("session:10, session:11, ") && many.ends_with(" more") && many.len() < 512, "{many}");
    assert!(effects[2]["bytes"].as_u64().unwrap() > 200_000, "{}", effects[2]);
    assert_eq!((&effects[9]["target"], &effects[9]["impact"]), (&"SET session:new".into(), &"destroy".into()));
}

#[test]
fn a_spent_budget_ends_it_before_the_first_key_goes() {
    let database = redis();
    let mut client = database.client();
    fill(&mut client);
    let before = client.everything();
    for mode in ["plan", "run"] {
        let bound = bound(database.url(), ",write,key=session:*").args(&["--budget", "cache.keys=10"]);
        let host = bound.host(
            mode,
            &["unlink 0..10*session:", "expire 1000 always 0..10*session:", "command MSET session:x 1 session:y 1"],
        );
        let ran = super::script::Ran::of(host.run().expect_code(0));
        assert_eq!((ran.kind(0), ran.kind(1)), ("over-budget", "over-budget"), "{mode}");
        assert!(
            ran.lines[0].1.contains("a budget of 10 keys, 0 are used and this needs 11 more"),
            "{:?}",
            ran.lines[0]
        );
        assert_eq!(ran.kind(2), "done");
        if mode == "plan" {
            assert_eq!(client.everything(), before);
        }
    }
    let bound = bound(database.url(), ",write,key=session:*").args(&["--budget", "cache.bytes=1KiB"]);
    assert_eq!(bound.one("unlink 20..40*session:").0, "over-budget");
    assert_eq!(bound.done("unlink session:20 session:21"), "2");
}

#[test]
fn keys_are_bytes_for_writes_as_well() {
    let database = redis();
    let mut client = database.client();
    client.run(&[&b"SET"[..], b"s:\xff\0\n", b"1"]);
    let run = bound(database.url(), ",write,key=s:*").run(&[
        "unlink s:%FF%00%0A",
        "command SET s:%00 %FF%0D%0A",
        "get s:%00",
    ]);
    assert_eq!((run.done(0), run.done(1), run.done(2)), ("1", "+OK", "%FF%0D%0A"));
    assert_eq!(run.effects()[0]["target"], "s:\\xff\\u{0}\\n");
}
