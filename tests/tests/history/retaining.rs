//! What is too old or too many goes, and what stays still holds.

use super::{Places, World, assert_whole, listed, number, text};
use taskhost::bundle::Kind;
use taskhost::report::{Outcome, Severity};
use taskhost_tests::history::{Past, at, finding};
use taskhost_tests::host;

/// A run every day for so many days, the last of them today; a finding on every third.
async fn days(place: &str, count: i64) {
    let past = Past::new(place, Some("shop"));
    let now = jiff::Timestamp::now();
    for day in (0..count).rev() {
        let time = now.checked_sub(jiff::SignedDuration::from_hours(24 * day)).unwrap();
        let mut report = at("check", time, Outcome::Ok);
        if day % 3 == 0 {
            report.run.outcome = Outcome::Warning;
            report.findings.push(finding(Severity::Warning, &format!("disk-{day}"), "nearly full"));
        }
        past.add(Some(Kind::Daily), report).await;
    }
    past.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_or_too_many_goes_and_the_chain_still_holds() {
    let places = Places::new().await;
    for place in places.all() {
        days(&place, 40).await;
        let prune = |words: &[&str]| {
            let pruned = host().args(["history", "prune", &place]).args(words.iter().copied()).run().expect_code(0);
            assert_whole(&place);
            (pruned.stdout.split(": ").last().unwrap().trim().to_owned(), listed(&place).len())
        };
        assert_eq!(prune(&["--keep", "100d"]), ("removed 0 runs and 0 ticks".into(), 40));
        assert_eq!(prune(&["--keep", "30d"]), ("removed 10 runs and 0 ticks".into(), 30));
        assert_eq!(prune(&["--keep-runs", "10"]), ("removed 20 runs and 0 ticks".into(), 10));
        // What was resolved by a run that went is gone with it; what is open stays.
        assert_eq!(number(&place, "SELECT count(*) FROM findings WHERE severity = 'warning'").await, 4);
        assert_eq!(number(&place, "SELECT count(*) FROM issues WHERE resolved IS NULL").await, 1);
        assert!(number(&place, "SELECT min(seq) FROM journal").await > 1);
        assert_eq!(prune(&["--keep-runs", "10"]), ("removed 0 runs and 0 ticks".into(), 10));
        // All but the newest, and then on.
        assert_eq!(prune(&["--keep", "0s", "--keep-runs", "1"]), ("removed 10 runs and 0 ticks".into(), 0));
        days(&place, 3).await;
        assert_whole(&place);
        assert_eq!(listed(&place).len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_says_how_long_and_how_many() {
    let world =
        World::of(&super::BUNDLE.replace(
            "history = \"history.db\"",
            "history = { target = \"history.db\", keep = \"30d\", keep-runs = 5 }",
        ));
    let place = world.history().display().to_string();
    days(&place, 12).await;
    world.host("tick").args(["vendor", "--by", "Ann"]).run().expect_code(0);
    world.daily().expect_code(0);
    let runs = listed(&place);
    assert_eq!(runs.len(), 5, "{runs:#?}");
    assert_eq!(text(&runs[4], "task"), "check");
    assert_eq!(number(&place, "SELECT count(*) FROM ticks").await, 1, "a tick goes by its age");
    assert_whole(&place);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_goes_at_once_goes_in_several() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("history.db").display().to_string();
    days(&place, 1_300).await;
    let pruned = host().args(["history", "prune", &place, "--keep-runs", "7"]).run().expect_code(0);
    assert!(pruned.stdout.contains("removed 1293 runs"), "{pruned}");
    assert_eq!(listed(&place).len(), 7);
    assert_whole(&place);
}
