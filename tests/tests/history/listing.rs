//! The runs of a history, for people and for programs.

use super::{World, listed, text};
use serde_json::Value;
use taskhost::bundle::Kind;
use taskhost::report::{Outcome, Severity};
use taskhost_tests::history::{Past, ended, finding};
use taskhost_tests::host;

fn schema() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(include_str!("../../../docs/history.schema.json")).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn assert_kept(value: &Value) {
    let problems: Vec<_> = schema().iter_errors(value).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "against docs/history.schema.json: {problems:?}\n{value:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_listed_by_task_and_time_and_shown_in_every_form() {
    let world = World::new();
    let place = world.history().display().to_string();
    let past = Past::new(&place, Some("shop"));
    for (task, started, outcome) in [
        ("old-logs", "2026-03-01T02:00:00Z", Outcome::Ok),
        ("old-backups", "2026-03-02T02:00:00Z", Outcome::Warning),
        ("vacuum", "2026-03-02T03:00:00Z", Outcome::TimedOut),
        ("old-logs", "2026-03-03T02:00:00Z", Outcome::Critical),
    ] {
        let mut report = ended(task, started, outcome);
        if outcome == Outcome::Critical {
            report.findings.push(finding(Severity::Critical, "a.log", "too large"));
        }
        past.add(Some(Kind::Daily), report).await;
    }
    past.close().await;
    let list = |words: &[&str]| {
        let list =
            world.host("history").args(words.iter().copied()).args(["--format", "json"]).run().expect_code(0).json();
        assert_kept(&list);
        let name = |run: &Value| format!("{} {}", &text(run, "started")[8..10], text(run, "task"));
        list.as_array().unwrap().iter().map(name).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(list(&[]), "03 old-logs, 02 vacuum, 02 old-backups, 01 old-logs");
    assert_eq!(list(&["--task", "old-*"]), "03 old-logs, 02 old-backups, 01 old-logs");
    assert_eq!(list(&["--since", "2026-03-02", "--until", "2026-03-02"]), "02 vacuum, 02 old-backups");
    assert_eq!(list(&["--task", "none"]), "");
    assert_eq!(list(&["--limit", "1"]), "03 old-logs");
    // Berlin is an hour ahead.
    assert_eq!(list(&["--until", "2026-03-01T02:00:01Z"]), "01 old-logs");
    let table = world.host("history").run().expect_code(0).stdout;
    let line = table.lines().next().unwrap();
    assert!(
        line.starts_with("2026-03-03 03:00:00  critical     old-logs ") && line.ends_with("all looked at"),
        "{table}"
    );
    assert!(table.contains("timed out    vacuum ") && table.contains("it broke"), "{table}");

    let show = |words: &[&str]| host().args(["show", &place]).args(words.iter().copied()).run();
    let json = show(&["old-logs", "--format", "json"]).expect_code(0).json();
    assert_kept(&json);
    assert_eq!((&json["history"]["criticals"], text(&json["report"]["run"], "outcome")), (&1.into(), "critical"));
    let shown = show(&["old-logs"]).expect_code(0).stdout;
    assert!(shown.contains(", shop, daily, by alice, old-logs-plugin 1.2.3, "), "{shown}");
    assert!(shown.contains("critical  a.log: too large"), "{shown}");
    assert!(show(&["old-logs", "--format", "nagios"]).stdout.starts_with("OLD-LOGS CRITICAL - all looked at"));
    assert!(show(&["vacuum", "--format", "markdown"]).stdout.contains("- [ ] vacuum: it broke (timed out)"));
    let unknown = show(&["vacum"]).expect_code(3);
    assert!(unknown.stderr.contains("there is no run and no task `vacum` (did you mean `vacuum`?)"), "{unknown}");
    // All ids of one moment begin alike.
    let id = text(&listed(&place)[0], "id").to_owned();
    let several = show(&[&id[..6]]).expect_code(3);
    assert!(several.stderr.contains("several runs have `"), "{several}");
    assert!(show(&["zzzz%"]).expect_code(3).stderr.contains("there is no run"));
}

#[test]
fn a_run_under_way_is_shown_as_one() {
    let world = World::new();
    let place = world.history().display().to_string();
    let run = super::alone(&place, "errand=collect", &world.path("files")).arg("pause=1m").spawn();
    let begun = std::time::Instant::now();
    while host().args(["show", &place, "fixture-errand"]).run().code != Some(0) {
        assert!(begun.elapsed() < std::time::Duration::from_mins(1), "it never began");
    }
    let json = host().args(["show", &place, "fixture-errand", "--format", "json"]).run().expect_code(0).json();
    assert_kept(&json);
    assert_eq!((&json["history"]["outcome"], &json["report"]), (&Value::Null, &Value::Null));
    assert!(host().args(["show", &place, "fixture-errand"]).run().stdout.contains("running since"));
    assert!(host().args(["log", &place]).run().stdout.contains("fixture-errand still runs."));
    assert!(host().args(["history", &place]).run().stdout.contains("  running      fixture-errand"));
    run.interrupt();
    run.wait();
}
