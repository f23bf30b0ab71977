//! Guests that want more than there is: handles, calls at once, streams, texts.

use taskhost::capability::Grants;
use taskhost::report::Outcome;

use crate::scene::{PATIENCE, SHORT, World, conduct, expect, expect_unharmed, request, run_then_behave};

/// The most memory that a host may have taken for one run that may use 64 MiB: those, as much again for one call's
/// arguments, and the host's own.
const MEMORY: u64 = 512 << 20;

/// Runs the case in the built host, whose memory is watched.
#[track_caller]
fn watched(world: &World, case: &str, timeout: &str) -> serde_json::Value {
    let output = world.host(case).args(["--timeout", timeout, "--format", "json"]).run();
    assert!(output.peak_memory > 0, "nothing was seen of the host");
    assert!(output.peak_memory < MEMORY, "{case}: {} MiB", output.peak_memory >> 20);
    output.report()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_handle_leaked_100_000_times_ends_the_run_and_nothing_else() {
    let world = World::new();
    let report = run_then_behave("leak-databases", PATIENCE, world.grants()).await;
    expect(&report, Outcome::Trapped, "handle");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_handle_leaked_100_000_times_ends_the_run_and_nothing_else() {
    let world = World::new();
    let report = run_then_behave("leak-directories", PATIENCE, world.grants()).await;
    expect(&report, Outcome::Trapped, "handle");
}

#[test]
fn leaked_handles_do_not_fill_the_hosts_memory() {
    let report = watched(&World::new(), "leak-directories", "1m");
    assert_eq!(report["run"]["outcome"], "trapped");
}

#[test]
fn ten_thousand_calls_at_once_are_all_answered() {
    let report = watched(&World::new(), "many-stats", "1m");
    assert_eq!(report["summary"], "10000 of 10000 answered well", "{}", report["error"]);
}

#[test]
fn ten_thousand_calls_that_each_return_a_large_file_do_not_fill_the_hosts_memory() {
    let report = watched(&World::new(), "many-read-alls", "10s");
    assert_eq!(report["run"]["outcome"], "trapped", "{report}");
}

#[test]
fn ten_thousand_queries_at_once_are_answered_or_ended() {
    let report = watched(&World::new(), "many-queries", "20s");
    assert_eq!(report["run"]["outcome"], "ok", "{}", report["error"]);
}

#[test]
fn calls_at_once_that_each_bring_a_large_argument_do_not_fill_the_hosts_memory() {
    let report = watched(&World::new(), "many-large-queries", "1m");
    assert_eq!(report["summary"], "160 answered", "{}", report["error"]);
}

#[test]
fn names_of_1_mib_are_not_kept_by_the_journal() {
    let report = watched(&World::new(), "long-slot-names", "1m");
    assert_eq!(report["run"]["outcome"], "ok", "{}", report["error"]);
    let longest = report["effects"].as_array().unwrap().iter().map(|effect| effect.to_string().len()).max();
    assert!(longest.unwrap() < 4096, "{longest:?} bytes of one effect");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_streams_opened_and_abandoned_leave_nothing() {
    let world = World::new();
    let report = run_then_behave("abandon-reads", PATIENCE, world.grants()).await;
    expect(&report, Outcome::Ok, "all abandoned");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_never_read_are_bounded_in_number() {
    let world = World::new();
    let report = run_then_behave("hold-reads", PATIENCE, world.grants()).await;
    expect(&report, Outcome::Ok, "64 held, then Error::Io(\"EMFILE: this run has 64 streams open");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_opened_and_abandoned_give_their_connections_back() {
    let world = World::new();
    let report = run_then_behave("abandon-queries", PATIENCE, world.grants()).await;
    expect(&report, Outcome::Ok, "all abandoned");
}

#[test]
fn rows_that_are_never_read_do_not_fill_the_hosts_memory() {
    let report = watched(&World::new(), "hold-query", "1m");
    assert_eq!(report["summary"], "never read");
    assert_eq!(report["effects"].as_array().unwrap().last().unwrap()["outcome"], "abandoned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_2_gib_that_does_not_exist_ends_the_run() {
    let report = run_then_behave("huge-string", PATIENCE, Grants::default()).await;
    expect(&report, Outcome::Trapped, "string pointer/length out of bounds");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_no_utf8_ends_the_run() {
    let report = run_then_behave("wrong-utf8", PATIENCE, Grants::default()).await;
    expect(&report, Outcome::Trapped, "utf-8");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_with_a_zero_byte_are_refused_or_passed_whole() {
    let world = World::new();
    let report = run_then_behave("texts", PATIENCE, world.grants()).await;
    let summary = report.summary.unwrap_or_default();
    insta::assert_snapshot!(summary.replace(" // ", "\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_remembers_nothing_of_the_one_before() {
    let (host, plugin) = conduct().await;
    for _ in 0..3 {
        expect(&host.run(&plugin, request("remember", SHORT * 20)).await, Outcome::Ok, "0 runs before");
    }
    expect_unharmed(&host, &plugin).await;
}

#[test]
fn a_million_streams_made_and_leaked_end_the_run_with_little_memory() {
    let report = watched(&World::new(), "leak-streams", "1m");
    assert_eq!(report["run"]["outcome"], "trapped", "{report}");
    assert!(report["error"].as_str().unwrap().contains("handle"), "{report}");
}
