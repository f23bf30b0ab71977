//! The `history` room: what earlier runs left is told, of the tasks that are granted and of no other, while others write,
//! and nothing is ever written.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use std::path::PathBuf;

use taskhost::bundle::Kind;
use taskhost::gate::Mode;
use taskhost::report::{Bounds, Metric, Outcome, Severity, Unit};
use taskhost_tests::history::{Past, ended, finding, metric, next_action, removed};
use taskhost_tests::{Database, Host, Output, fixture, host, postgres};

/// 2026-03-01, midnight.
const MARCH: u64 = 1_772_323_200;
const DAY: u64 = 86_400;

/// A history in a file, and the same on a server.
struct World {
    directory: tempfile::TempDir,
    database: Database,
}

impl World {
    async fn new() -> Self {
        let world = Self { directory: tempfile::tempdir().unwrap(), database: postgres().await };
        for place in world.all() {
            month(&place).await;
        }
        world
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("history.db")
    }

    fn all(&self) -> [String; 2] {
        [self.file().display().to_string(), self.database.url().to_string()]
    }
}

/// Four days of two tasks, one of which breaks once, and a rehearsal; and a task of another bundle.
async fn month(place: &str) {
    let past = Past::new(place, Some("shop"));
    for day in 1..=4 {
        let mut size = ended("size", &format!("2026-03-0{day}T03:00:00Z"), Outcome::Ok);
        let bytes = metric("bytes", Some("orders"), f64::from(day) * 100.0, Unit::Bytes);
        size.metrics.push(Metric { crit: Some(Bounds { low: None, high: Some(1000.0) }), ..bytes });
        size.metrics.push(metric("tables", None, 7.0, Unit::None));
        if (2..=3).contains(&day) {
            size.run.outcome = Outcome::Warning;
            let severity = if day == 3 { Severity::Critical } else { Severity::Warning };
            size.findings.push(finding(severity, "orders", "it grew"));
            size.next_actions.push(next_action(&format!("look at day {day}")));
        }
        past.add(Some(Kind::Daily), size).await;
        let mut clean = ended("clean", &format!("2026-03-0{day}T04:00:00Z"), Outcome::Ok);
        if day == 2 {
            clean = ended("clean", "2026-03-02T04:00:00Z", Outcome::TimedOut);
        }
        clean.effects.push(removed("logs", "a.log", 1000));
        clean.effects.push(removed("logs", "b.log", 500));
        clean.next_actions.push(next_action("empty the bin"));
        past.add(Some(Kind::Daily), clean).await;
    }
    let mut rehearsal = ended("clean", "2026-03-05T04:00:00Z", Outcome::Ok);
    rehearsal.run.mode = Mode::Rehearse;
    rehearsal.metrics.push(metric("rehearsed", None, 1.0, Unit::None));
    past.add(Some(Kind::Daily), rehearsal).await;
    past.close().await;
    let other = Past::new(place, Some("secret"));
    let mut hidden = ended("hidden", "2026-03-01T05:00:00Z", Outcome::Ok);
    hidden.metrics.push(metric("salary", None, 1.0, Unit::None));
    hidden.findings.push(finding(Severity::Warning, "boss", "he knows"));
    other.add(None, hidden).await;
    other.close().await;
}

fn asked(place: &str, words: &str, script: &str) -> Host {
    let slot = format!("past={}{words}", place.replace(',', "%2C"));
    host().arg("run").arg(fixture("history")).arg(format!("script={script}")).args([
        "--history",
        &slot,
        "--format",
        "json",
    ])
}

/// What came of each line, as `TITLE: DETAIL`.
fn said(output: &Output) -> Vec<String> {
    let report = output.report();
    let finding = |finding: &serde_json::Value| {
        let text = |key: &str| finding.get(key).and_then(serde_json::Value::as_str).unwrap().to_owned();
        format!("{}: {}", text("title"), text("detail"))
    };
    report.get("findings").and_then(serde_json::Value::as_array).unwrap().iter().map(finding).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_left_is_told_from_a_file_and_from_a_server_alike() {
    let world = World::new().await;
    let (second, third) = (MARCH + DAY, MARCH + 2 * DAY);
    let script = format!(
        "series 0 size\nsamples size bytes orders 0 9\nsamples size bytes orders {second}..{third} 9\n\
         samples size bytes orders 0 2\nsamples size tables - 0 1\nruns {second} clean\nfindings 0 size\n\
         findings {} size\nfindings 0..{} size\nnext-actions 0\nnext-actions 0..{} size\nchanges 0 clean\n\
         changes {third} clean\nruns 0..1\nseries 0 none",
        MARCH + 4 * DAY,
        MARCH + DAY,
        MARCH + 3 * DAY,
    );
    let at = |day: u64, hour: u64| MARCH + (day - 1) * DAY + hour * 3600 + 2;
    let size = |day: u64| format!("{}={}", at(day, 3), day * 100);
    let expected = [
        format!(
            "size bytes(orders) bytes x4 {}..{} 400 Some(1000.0); size tables none x4 {}..{} 7 None",
            at(1, 3),
            at(4, 3),
            at(1, 3),
            at(4, 3)
        ),
        [size(1), size(2), size(3), size(4)].join(" "),
        size(2),
        [size(3), size(4)].join(" "),
        format!("{}=7", at(4, 3)),
        "clean timed-out it broke; clean ok all looked at; clean ok all looked at; clean ok rehearsed all looked at"
            .into(),
        format!(
            "size orders Severity::Critical seen at orders {}..{} x2 resolved {} by a run",
            at(2, 3),
            at(3, 3),
            at(4, 3)
        ),
        String::new(),
        String::new(),
        format!("clean empty the bin {}", at(4, 4)),
        format!("size look at day 3 {}", at(3, 3)),
        "clean files remove logs x8 0 rows 6000 bytes in 4 runs".into(),
        "clean files remove logs x4 0 rows 3000 bytes in 2 runs".into(),
        String::new(),
        String::new(),
    ]
    .map(|line| format!("done: {line}"));
    for place in world.all() {
        assert_eq!(said(&asked(&place, "", &script).run().expect_code(0)), expected, "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_not_granted_is_in_no_answer() {
    let world = World::new().await;
    let script = "series 0\nruns 0\nfindings 0\nnext-actions 0\nchanges 0\nticks 0\nruns 0 hidden\nseries 0 *\n\
                  samples hidden salary - 0 9\nsamples hidden nothing - 0 9";
    for place in world.all() {
        for (words, seen, refused) in [
            ("", vec!["size", "clean", "hidden"], false),
            (",task=size", vec!["size"], true),
            (",task=s*,task=c*", vec!["size", "clean"], true),
            (",bundle=shop", vec!["size", "clean"], false),
            (",bundle=secret", vec!["hidden"], false),
            (",bundle=none", vec![], false),
            (",task=nothing", vec![], true),
        ] {
            let answers = said(&asked(&place, words, script).run().expect_code(0));
            let (sample, rest) = answers[8..].split_first().unwrap();
            for task in ["size", "clean", "hidden"] {
                let shown = answers[..8].iter().any(|answer| answer.contains(&format!("{task} ")));
                assert_eq!(shown, seen.contains(&task), "{words} {task}: {answers:#?}");
            }
            assert_eq!(sample.starts_with("refused: "), refused, "{words}: {sample}");
            // Whether there is such a metric, a refusal does not tell.
            assert_eq!(rest[0].starts_with("refused: "), refused, "{words}: {answers:#?}");
            assert!(answers.iter().all(|answer| !answer.starts_with("unavailable")), "{answers:#?}");
        }
    }
    let refused = asked(&world.all()[0], ",task=size", "samples hidden salary - 0 9").run();
    assert!(refused.stdout.contains("add `,task=hidden` to --history past=..."), "{refused}");
    let report = refused.report();
    assert_eq!(report["effects"][0]["outcome"], "refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_bound_is_refused_and_what_cannot_be_read_is_said() {
    let world = World::new().await;
    let [file, server] = world.all();
    let unbound = host().arg("run").arg(fixture("history")).arg("script=runs 0").run().expect_code(3);
    assert!(unbound.stdout.contains("--history past=FILE|URL"), "{unbound}");
    let other = said(&asked(&file, "", "other runs 0\nother findings 0\nother series 0").run());
    assert!(other.iter().all(|line| line.starts_with("refused: slot `other` is not bound; add --history")));

    let precious = world.directory.path().join("precious.db");
    std::fs::write(&precious, "no database at all, and a text long enough to be read as the header of one").unwrap();
    let password = server.split_once("://").unwrap().1.split_once(':').unwrap().1.split('@').next().unwrap();
    let missing = format!("{server}_gone");
    for (place, why) in [
        ("/no/such/history.db", "there is none yet"),
        (precious.to_str().unwrap(), "file is not a database"),
        ("postgres://task:hunter2@127.0.0.1:1/x", "Connection refused"),
        (&missing, "does not exist"),
    ] {
        let output = asked(place, "", "runs 0\nseries 0\nsamples a b - 0 1").run();
        let answers = said(&output);
        assert!(answers.iter().all(|line| line.starts_with("unavailable: ") && line.contains(why)), "{answers:#?}");
        assert!(!format!("{output}").contains("hunter2") && !format!("{output}").contains(password), "{output}");
    }
    for (slot, why) in [
        ("past=mysql://u:hunter2@h/d", "slot `past`: a history is a file or `postgres://...`, and no other URL"),
        ("past=history.db,write", "`write` is no access of history; there are `read`"),
        ("past=history.db,task=[", "slot `past`: task: `[` is not a glob"),
        ("past=history.db,tasks=a", "unknown field `tasks`"),
    ] {
        let output = host().arg("run").arg(fixture("history")).args(["script=runs 0", "--history", slot]).run();
        let output = output.expect_code(3);
        assert!(output.stdout.contains(why) && !output.stdout.contains("hunter2"), "{slot}: {output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_none_is_invalid_and_its_answer_bounded() {
    let world = World::new().await;
    let script = format!(
        "runs {}\nruns 0..{}\nruns 0 [\nseries 0 {}\nsamples size bytes orders 0 4294967295\nsamples size bytes orders 0 0\n\
         runs 9..1",
        u64::MAX,
        u64::MAX,
        "a ".repeat(300)
    );
    for place in world.all() {
        let answers = said(&asked(&place, "", &script).run().expect_code(0));
        let kinds: Vec<_> = answers.iter().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(kinds, ["invalid", "invalid", "invalid", "invalid", "done", "done", "done"], "{answers:#?}");
        assert_eq!((answers[4].split(' ').count(), answers[5].as_str(), answers[6].as_str()), (5, "done: ", "done: "));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_and_others_write_meanwhile() {
    let world = World::new().await;
    let file = world.file();
    let place = file.display().to_string();
    let before = std::fs::read(&file).unwrap();
    // In a directory of its own that nobody may write to, as a reader that is another user would see it.
    let script = "runs 0\nseries 0\nfindings 0\nnext-actions 0\nchanges 0\nticks 0";
    asked(&place, "", script).run().expect_code(0);
    assert_eq!(std::fs::read(&file).unwrap(), before);
    // A plan sees the same.
    let slot = format!("past={place}");
    let plan = host().arg("plan").arg(fixture("history")).args(["script=runs 0 size", "--history", &slot]);
    let planned = said(&plan.args(["--format", "json"]).run().expect_code(0));
    assert_eq!(planned[0].matches("size ").count(), 4, "{planned:?}");
    // A run that is recorded where it reads is not in what it sees, and the next one sees it.
    let recorded = || said(&asked(&place, "", "count-runs 0").args(["--record", &place]).run().expect_code(0));
    assert_eq!(recorded(), ["done: 10"]);
    assert_eq!(recorded(), ["done: 11"]);
    // While another holds the file's lock to write.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut other = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let writing = sqlx::Connection::begin_with(&mut other, "BEGIN IMMEDIATE").await.unwrap();
    let reading = asked(&place, "", "count-runs 0").spawn();
    let read = tokio::task::spawn_blocking(|| reading.wait()).await.unwrap().expect_code(0);
    assert_eq!(said(&read), ["done: 12"]);
    writing.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_past_comes_in_a_stream_and_one_that_nobody_reads_ends_with_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("history.db").display().to_string();
    let past = Past::new(&place, None);
    let start: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    for minute in 0..3_000 {
        let time = start.saturating_add(std::time::Duration::from_mins(minute)).unwrap();
        past.add(None, taskhost_tests::history::at("often", time, Outcome::Ok)).await;
    }
    past.close().await;
    assert_eq!(said(&asked(&place, "", "count-runs 0").run().expect_code(0)), ["done: 3000"]);
    let left = asked(&place, "", "leave-runs 4\ncount-runs 0").run();
    assert_eq!(said(&left.expect_code(0)), ["done: 4 streams", "done: 3000"], "what is let go of gives its place back");
    // More than there are places for: it waits until its time is over, and holds little meanwhile.
    let flood = asked(&place, "", "leave-runs 100000").args(["--timeout", "3s"]).run();
    assert_eq!(flood.report()["run"]["outcome"], "timed-out");
    assert!(flood.peak_memory < 500 << 20, "{} MiB", flood.peak_memory >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_bundle_its_path_is_counted_from_the_bundle() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("bundle.toml");
    let text = format!(
        "name = \"shop\"\nhistory = \"history.db\"\n[connections.past]\nhistory = \"history.db\"\nbundle = \"shop\"\n\
         [tasks.first]\nplugin = \"{0}\"\nparameters = {{ script = \"runs 0\\nticks 0\\nticks 0 *\" }}\ngrants.past = {{ connection = \"past\" }}\n\
         [tasks.second]\nplugin = \"{0}\"\nparameters = {{ script = \"runs 0\\nticks 0\" }}\nafter = [\"first\"]\n\
         grants.past = {{ history = \"history.db\", task = [\"fir*\"] }}\n\
         [[checklist]]\ntitle = \"Vendor review\"\nkind = \"quarterly\"\n",
        fixture("history").display()
    );
    std::fs::write(&bundle, text).unwrap();
    host().arg("tick").arg(&bundle).args(["vendor", "--by", "Ann"]).run().expect_code(0);
    let run = || host().arg("run").arg(&bundle).args(["--all", "--format", "json"]).run().expect_code(0).json();
    run();
    let whole = run();
    let answer = |run: usize, line: usize| {
        whole.pointer(&format!("/runs/{run}/findings/{line}/detail")).unwrap().as_str().unwrap().to_owned()
    };
    assert_eq!(answer(0, 0), "first ok ; second ok ");
    assert!(answer(0, 1).contains("Vendor review"), "{}", answer(0, 1));
    assert_eq!(answer(0, 2), answer(0, 1), "`*` is all, also what belongs to no task");
    assert_eq!((answer(1, 0), answer(1, 1)), ("first ok ; first ok ".into(), String::new()));
    let check = host().arg("check").arg(&bundle).run().expect_code(0);
    assert!(check.stdout.contains("all is well"), "{check}");
    let grants = host().arg("grants").arg(&bundle).run().expect_code(0).stdout;
    assert!(grants.contains("fir*"), "{grants}");
}
