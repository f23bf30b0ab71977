//! `maintenance-report` on a history that the host's own recorder wrote: the page says what happened, hostile texts stay texts,
//! and a rehearsal writes nothing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use taskhost::bundle::Kind;
use taskhost::gate::Mode;
use taskhost::report::{Bounds, Metric, NextAction, Outcome, Severity, Unit};
use taskhost_tests::history::{Past, at, finding, metric, next_action, removed};
use taskhost_tests::{Host, host};

/// What a stranger may have a plugin say.
const HOSTILE: &str =
    "</li><script>alert(1)</script> `code` | **bold** [click](x) <img onerror=alert(1)> \"a' \n# heading";

fn ago(hours: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(hours)
}

struct World {
    directory: tempfile::TempDir,
}

impl World {
    /// Two weeks: a disk that fills, a task that broke once, an issue that was resolved and one that was not.
    async fn new() -> Self {
        let world = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(world.path("reports")).unwrap();
        std::fs::write(
            world.path("shop.toml"),
            "name = \"shop\"\nhistory = \"history.db\"\n[[checklist]]\ntitle = \"Vendor review\"\nkind = \"quarterly\"\n\
             [tasks.none]\nplugin = \"file-cleanup\"\nparameters = { older-than = \"1d\" }\n\
             grants.directory = { files = \"reports\", access = [\"delete\"] }\n",
        )
        .unwrap();
        let past = Past::new(&world.path("history.db").display().to_string(), Some("shop"));
        for day in (0..14_u32).rev() {
            let hours = i64::from(day) * 24 + 2;
            let mut figures = at("key-figures", ago(hours), Outcome::Ok);
            let disk = metric("disk", Some("/srv"), 40.0 + f64::from(13 - day) * 3.0, Unit::Percent);
            let upper = |high| Some(Bounds { low: None, high: Some(high) });
            figures.metrics.push(Metric { warn: upper(78.0), crit: upper(90.0), ..disk });
            figures.metrics.push(metric("response_time_p95", None, 0.2, Unit::Seconds));
            figures.metrics.push(metric("cpu", None, 20.0 + f64::from(day * 7 % 13), Unit::Percent));
            figures.metrics.push(metric("widgets", Some(HOSTILE), f64::from(day), Unit::None));
            past.add(Some(Kind::Daily), figures).await;
            let mut clean = at("old-logs", ago(hours - 1), if day == 3 { Outcome::TimedOut } else { Outcome::Warning });
            clean.effects.push(removed("logs", "a.log", 1 << 20));
            if day == 5 {
                clean.findings.push(finding(Severity::Warning, "a.log", "is odd"));
            }
            clean.findings.push(finding(Severity::Critical, HOSTILE, HOSTILE));
            clean.next_actions.push(next_action("empty the bin"));
            clean.next_actions.push(NextAction { action: HOSTILE.into(), subject: Some(HOSTILE.into()) });
            clean.summary = clean.summary.map(|_| HOSTILE.into());
            past.add(Some(Kind::Daily), clean).await;
        }
        let mut rehearsal = at("old-logs", ago(1), Outcome::Critical);
        rehearsal.run.mode = Mode::Rehearse;
        past.add(Some(Kind::Daily), rehearsal).await;
        past.close().await;
        let tick = host().arg("tick").arg(world.path("shop.toml"));
        tick.args(["vendor", "--by", "Ann <b>", "--note", HOSTILE]).run().expect_code(0);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `run` or `plan`, with the past and a place for the page.
    fn report(&self, mode: &str, words: &str) -> Host {
        let host = self.without_reports(mode, words);
        host.arg("--files").arg(format!("reports={},write", self.path("reports").display()))
    }

    fn without_reports(&self, mode: &str, words: &str) -> Host {
        let past = format!("past={}{words}", self.path("history.db").display());
        host().args([mode, "maintenance-report", "--format=json", "--history", &past])
    }

    fn pages(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("reports")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn page(&self, ending: &str) -> String {
        let name = self.pages().into_iter().find(|name| Path::new(name).extension().is_some_and(|it| it == ending));
        std::fs::read_to_string(self.path("reports").join(name.unwrap())).unwrap()
    }
}

/// The day of the run.
fn today(report: &Value) -> String {
    report["run"]["started"].as_str().unwrap()[..10].to_owned()
}

fn value(report: &Value, name: &str) -> f64 {
    let metrics = report["metrics"].as_array().unwrap();
    metrics.iter().find(|metric| metric["name"] == name).and_then(|metric| metric["value"].as_f64()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_is_one_page_in_the_sections_of_the_template() {
    let world = World::new().await;
    let report = world.report("run", "").args(["maintainer=ops"]).run().expect_code(0).report();
    let names = ["html", "md"].map(|ending| format!("maintenance-weekly-{}.{ending}", today(&report)));
    assert_eq!(world.pages(), names);
    assert_eq!(
        report["summary"],
        format!(
            "14 runs of 2 tasks: 7 ok, 6 with warnings, 1 did not end well; 1 issue open, 1 resolved; 7 changes; written to {}",
            names.join(" and ")
        )
    );
    for (name, expected) in
        [("runs", 14.0), ("runs_broken", 1.0), ("issues_open", 1.0), ("issues_resolved", 1.0), ("changes", 7.0)]
    {
        assert!((value(&report, name) - expected).abs() < f64::EPSILON, "{name}: {report:#}");
    }
    let text = world.page("md");
    for line in [
        "# shop: maintenance report, weekly\n",
        "Maintainer: ops\nType: Weekly\n",
        "- [x] key-figures: all looked at (ok, the last of 7 runs)\n",
        "- [x] Vendor review (for 20",
        "- **critical** old-logs: &lt;/li&gt;&lt;script&gt;",
        "- **warning** old-logs: a.log: is odd. Resolved ",
        ", after 24 h: run ",
        "- Disk: 79% **warning** ▁▂▃▅▆▇█ (key-figures: disk (/srv), 61% to 79% in 7 runs, up 21 points on the period before)",
        "- Response Time: 200ms ▁▁▁▁▁▁▁ (key-figures: response\\_time\\_p95, as in the period before)",
        "- old-logs: empty the bin\n",
        "- old-logs: files remove on logs, 7 x, 7 MiB.\n",
        "- old-logs ran 7 times, of which 1 did not come to an end.\n",
        "- 1 rehearsal left out of all this, as nothing was changed.\n",
    ] {
        assert!(text.contains(&line.replace("\\_", "_")), "{line}\n{text}");
    }
    let html = world.page("html");
    for part in [
        "<h1>shop</h1>",
        "<b>14</b> runs",
        "<svg class=\"bars\"",
        "<svg class=\"plot\"",
        "<svg class=\"strip\"",
        ">79%</b> Disk",
    ] {
        assert!(html.contains(part), "{part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_texts_stay_texts() {
    let world = World::new().await;
    world
        .report("run", "")
        .args(["metrics=widgets", &format!("title={}", HOSTILE.replace('\n', " "))])
        .run()
        .expect_code(0);
    let (text, html) = (world.page("md"), world.page("html"));
    for mark in ["<script", "<img", "[click](", " **bold**", " `code`", "\n# heading", " | "] {
        assert!(!text.contains(mark), "{mark}: {text}");
    }
    assert!(text.contains("widgets (&lt;/li&gt;"), "{text}");
    let body = html.split_once("</head>").unwrap().1;
    for tag in ["<script", "<img", "<b>\"", "Ann <b>", "onerror=alert(1)>"] {
        assert!(!body.contains(tag), "{tag}");
    }
    // Quotes are those of the page's own attributes alone, two by two, and no attribute is another's.
    for tag in body.split('<').skip(1).map(|part| part.split('>').next().unwrap()) {
        let own: String = tag.split('"').step_by(2).collect();
        assert!(tag.matches('"').count() % 2 == 0 && !own.contains('\'') && !own.contains(" on"), "<{tag}>");
    }
    for word in ["http://", "https://", "src=", "@import", "url(", "javascript"] {
        assert!(!html.contains(word), "{word}");
    }
    let policy = html.split_once("Content-Security-Policy\" content=\"").unwrap().1.split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_period_the_form_and_the_tasks_are_the_operator_s() {
    let world = World::new().await;
    let all = world.report("run", "").args(["since=30d", "form=markdown"]).run().expect_code(0).report();
    assert!(all["summary"].as_str().unwrap().starts_with("28 runs of 2 tasks"), "{all:#}");
    assert_eq!(world.pages(), [format!("maintenance-on-demand-{}.md", today(&all))]);
    assert!(!world.page("md").contains("period before"), "there is none");
    let day = world.report("run", "").args(["period=daily", "tasks=key-*"]).run().expect_code(0).report();
    assert!(day["summary"].as_str().unwrap().starts_with("1 run of 1 task: 1 ok; 0 issues open"), "{day:#}");
    // A page is replaced as a whole, and told in short where it may be written nowhere.
    world.report("run", "").args(["period=daily", "tasks=nothing"]).run().expect_code(0);
    assert!(world.page("html").contains("<b>0</b> runs"));
    let short = world.without_reports("run", "").run().expect_code(0).report();
    assert!(short["findings"][0]["detail"].as_str().unwrap().contains("Tasks Completed"), "{short:#}");
    let granted = world.without_reports("run", ",task=key-figures").run().expect_code(0).report();
    assert!(!granted.to_string().contains("old-logs"), "{granted:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_writes_nothing_and_what_is_not_granted_is_said() {
    let world = World::new().await;
    let before = std::fs::read(world.path("history.db")).unwrap();
    let plan = world.report("plan", "").run().expect_code(0).report();
    let writes: Vec<&Value> =
        plan["effects"].as_array().unwrap().iter().filter(|effect| effect["impact"] != "observe").collect();
    assert!(writes.len() == 2 && writes.iter().all(|effect| effect["decision"] == "rehearse"), "{plan:#}");
    assert!(world.pages().is_empty());
    assert_eq!(std::fs::read(world.path("history.db")).unwrap(), before);
    let unbound = host().args(["run", "maintenance-report", "--format=json"]).run().expect_code(3).report();
    assert_eq!(unbound["run"]["outcome"], "refused");
    assert!(unbound["error"].as_str().unwrap().contains("--history past=FILE|URL"), "{unbound:#}");
    let files = format!("reports={}", world.path("reports").display());
    let read_only = world.without_reports("run", "").args(["--files", &files]).run().expect_code(3).report();
    assert!(read_only["error"].as_str().unwrap().contains("write"), "{read_only:#}");
    std::fs::write(world.path("history.db"), &before[..before.len() / 3]).unwrap();
    let broken = world.report("run", "").run().expect_code(3).report();
    assert_eq!(broken["run"]["outcome"], "unavailable", "{broken:#}");
    assert!(world.pages().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_that_is_huge_is_still_one_page() {
    let directory = tempfile::tempdir().unwrap();
    let (history, reports) = (directory.path().join("history.db"), directory.path().join("reports"));
    std::fs::create_dir(&reports).unwrap();
    let past = Past::new(&history.display().to_string(), None);
    let mut run = at("often", ago(3), Outcome::Critical);
    for number in 0..1_000 {
        let mut found = finding(Severity::Critical, &format!("subject {number}"), "is long");
        found.detail = "<é".repeat(2_000);
        run.findings.push(found);
        run.next_actions.push(next_action(&"do it ".repeat(100)));
    }
    run.metrics.extend((0..10_000).map(|number| metric("bytes", None, f64::from(number % 997), Unit::Bytes)));
    past.add(None, run).await;
    past.close().await;
    let slots = [format!("past={}", history.display()), format!("reports={},write", reports.display())];
    let host = host().args(["run", "maintenance-report", "--format=json", "metrics=bytes"]);
    let output = host.args(["--history", &slots[0], "--files", &slots[1]]).run().expect_code(0);
    let report = output.report();
    assert!((value(&report, "issues_open") - 1_000.0).abs() < f64::EPSILON, "{report:#}");
    for entry in std::fs::read_dir(reports).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.contains("and 800 more") && text.len() < 4 << 20, "{} bytes", text.len());
        assert_eq!(text.matches("is long").count(), 200);
    }
}
