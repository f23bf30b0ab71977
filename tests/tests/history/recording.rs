//! Runs are recorded as they go: before the first instruction, whole at the end, by several at once, and never in the
//! place of the run.

use std::time::Duration;

use super::{Places, World, alone, assert_whole, listed, number, text};
use taskhost_tests::{fixture, host};

#[test]
fn without_a_place_nothing_is_kept_and_nothing_changes() {
    let world = World::of(&super::BUNDLE.replace("history = \"history.db\"", ""));
    let before = world.daily().expect_code(0).json();
    let files: Vec<_> =
        std::fs::read_dir(world.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    assert_eq!(before["checklist"][0]["done"], serde_json::Value::Null);
    for command in ["log", "history"] {
        let output = world.host(command).run().expect_code(3);
        assert!(output.stderr.contains("keeps no history; add `history = \"history.db\"` to it"), "{output}");
    }
    // The same report, but for what differs between any two runs.
    let plain = |mut report: serde_json::Value| {
        for key in ["id", "started", "finished", "duration_us"] {
            report["run"][key].take();
        }
        report
    };
    let run = |record: &[&str]| {
        let host = host().arg("run").arg(fixture("errand")).args(["--files", "directory=.,write", "--format", "json"]);
        plain(host.args(record.iter().copied()).run().expect_code(0).report())
    };
    assert_eq!(run(&[]), run(&["--record", "history.db"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_kept_whole_and_shown_as_it_was() {
    let places = Places::new().await;
    for place in places.all() {
        let output = alone(&place, "errand=write", places.directory.path()).args(["--maintainer", "alice"]).run();
        let report = output.expect_code(0).report();
        let shown = host().args(["show", &place, "fixture-errand", "--format", "json"]).run().expect_code(0).json();
        assert_eq!(shown["report"], report, "{place}");
        assert_eq!((text(&shown["history"], "operator"), text(&shown["history"], "task")), ("alice", "fixture-errand"));
        // By an end of its id.
        let id = text(&report["run"], "id");
        let part = &id[id.len() - 10..];
        let part = host().args(["show", &place, part, "--format", "json"]).run().expect_code(0).json();
        assert_eq!(part["report"], report);
        assert_whole(&place);
    }
}

#[test]
fn every_task_of_a_bundle_is_recorded_with_its_kind_and_what_is_rehearsed_as_such() {
    let world = World::new();
    world.old_log("a.log");
    world.host("plan").args(["--kind", "daily"]).run().expect_code(0);
    assert!(world.path("logs").join("a.log").exists());
    world.daily().expect_code(0);
    let runs = listed(world.path("bundle.toml").to_str().unwrap());
    let facts: Vec<_> =
        runs.iter().map(|run| (text(run, "task"), text(run, "mode"), text(run, "kind"), text(run, "bundle"))).collect();
    assert_eq!(facts.len(), 4, "{facts:?}");
    for (task, mode) in [("clean", "rehearse"), ("clean", "perform"), ("certificates", "perform")] {
        assert!(facts.contains(&(task, mode, "daily", "shop")), "{task} {mode}: {facts:?}");
    }
    let clean = runs.iter().find(|run| text(run, "task") == "clean" && text(run, "mode") == "perform").unwrap();
    assert_eq!((&clean["changes"], &clean["bytes"]), (&1.into(), &7.into()));
    let log = world.host("log").run().expect_code(0).stdout;
    assert!(!log.contains("would"), "a rehearsal did nothing that the log could tell: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_not_begun_refused_or_broke_is_in_it() {
    let places = Places::new().await;
    for place in places.all() {
        let run = |words: &[&str]| {
            host().arg("run").args(words.iter().copied()).args(["--record", &place, "--format", "json"]).run()
        };
        let errand = fixture("errand").display().to_string();
        run(&["no-such-plugin"]).expect_code(3);
        run(&[&errand]).expect_code(3);
        run(&[&errand, "times=99", "--files", "directory=.,write"]).expect_code(3);
        let directory = places.directory.path().display().to_string();
        run(&[&errand, "errand=ask", "--files", &format!("directory={directory},write")]).expect_code(3);
        let runs = listed(&place);
        let outcomes: Vec<_> = runs.iter().rev().map(|run| (text(run, "task"), text(run, "outcome"))).collect();
        assert_eq!(
            outcomes,
            [
                ("no-such-plugin", "invalid"),
                ("fixture-errand", "refused"),
                ("fixture-errand", "invalid"),
                ("fixture-errand", "refused"),
            ]
        );
        assert!(text(&runs[0], "error").contains("slot `database` is not bound"), "{:#}", runs[0]);
        assert_whole(&place);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_is_in_it_and_one_of_a_living_process_is_left_alone() {
    let places = Places::new().await;
    for place in places.all() {
        let begin = || alone(&place, "errand=collect", places.directory.path()).arg("pause=1m").spawn();
        let running = "SELECT count(*) FROM runs WHERE outcome = 'running'";
        let (killed, living) = (begin(), begin());
        // Both are in it before they have done anything.
        wait_for(async || std::path::Path::new(&place).exists() || place.starts_with("postgres")).await;
        wait_for(async || known(&place).await && number(&place, running).await == 2).await;
        let outcomes = |place: &str| {
            let runs = listed(place);
            let outcome = |run: &serde_json::Value| run["outcome"].as_str().unwrap_or("running").to_owned();
            runs.iter().map(outcome).collect::<Vec<_>>()
        };
        assert_eq!(outcomes(&place), ["running", "running"]);
        killed.kill_hard();
        // Told from what runs before anyone marked it: reading marks nothing.
        wait_for(async || outcomes(&place).iter().any(|outcome| outcome == "interrupted")).await;
        assert_eq!(outcomes(&place).iter().filter(|outcome| *outcome == "running").count(), 1);
        assert_eq!(number(&place, running).await, 2);
        // The next that writes marks it, and leaves the other.
        alone(&place, "errand=nothing", places.directory.path()).run().expect_code(0);
        assert_eq!(number(&place, running).await, 1);
        let log = host().args(["log", &place]).run().expect_code(0).stdout;
        assert!(log.contains("fixture-errand was interrupted: no end of it was recorded"), "{log}");
        assert!(log.contains("fixture-errand still runs."), "{log}");
        living.interrupt();
        living.wait();
        let mut all = outcomes(&place);
        all.sort();
        assert_eq!(all, ["cancelled", "interrupted", "ok"]);
        assert_whole(&place);
        if !place.starts_with("postgres") {
            assert!(!std::path::Path::new(&format!("{place}-running")).exists(), "no sign of life is left");
        }
    }
}

/// Whether the history's tables are there yet.
async fn known(place: &str) -> bool {
    let place = place.to_owned();
    let output = tokio::task::spawn_blocking(move || host().args(["history", &place]).run()).await.unwrap();
    output.code == Some(0)
}

async fn wait_for(condition: impl AsyncFn() -> bool) {
    for _ in 0..600 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it never came to that");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_hosts_write_at_once_and_nothing_is_lost() {
    let places = Places::new().await;
    for place in places.all() {
        // All of them find no history, and make it.
        let runs: Vec<_> = (0..12).map(|_| alone(&place, "errand=nothing", places.directory.path()).spawn()).collect();
        for run in runs {
            let report = run.wait().expect_code(0).report();
            assert_eq!(report["notices"], serde_json::json!([]));
        }
        assert_eq!(listed(&place).len(), 12);
        assert_eq!(number(&place, "SELECT count(*) FROM journal").await, 24);
        assert_whole(&place);
    }
}

#[test]
fn retries_are_runs_of_their_own() {
    let world = World::of(
        "history = \"history.db\"\n[defaults]\nretries = 2\nretry-delay = \"0s\"\n\
         [tasks.away]\nplugin = \"redis-memory\"\ngrants.cache = { redis = \"redis://127.0.0.1:1\" }\n\
         [tasks.later]\nplugin = \"cert-check\"\ngrants.certs = { files = \"certs\" }\nafter = [\"away\"]\n",
    );
    world.host("run").arg("--all").run().expect_code(3);
    let place = world.history().display().to_string();
    let runs = listed(&place);
    let outcomes: Vec<_> = runs.iter().rev().map(|run| (text(run, "task"), text(run, "outcome"))).collect();
    let away = ("away", "unavailable");
    assert_eq!(outcomes, [away, away, away, ("later", "invalid")]);
    let log = world.host("log").run().expect_code(0).stdout;
    assert!(log.contains("away ran 3 times, of which 3 did not come to an end."), "{log}");
    assert_whole(&place);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_connection_breaks_is_recorded_all_the_same() {
    let places = Places::new().await;
    let [_, place] = places.all();
    let run = alone(&place, "errand=collect", places.directory.path()).arg("pause=3s").spawn();
    wait_for(async || known(&place).await && number(&place, "SELECT count(*) FROM runs").await == 1).await;
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'taskhost' AND \
               datname = current_database()";
    assert_eq!(number(&place, end).await, 1);
    let report = run.wait().expect_code(0).report();
    assert_eq!(report["notices"], serde_json::json!([]));
    assert_eq!(text(&listed(&place)[0], "outcome"), "ok");
    assert_whole(&place);
}
