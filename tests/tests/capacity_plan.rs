//! `capacity-plan` on histories that the host's own recorder wrote: what grows is foretold to the day, and nothing else is.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use taskhost::bundle::Kind;
use taskhost::report::{Bounds, Metric, Outcome, Unit};
use taskhost_tests::history::{Past, at, metric};
use taskhost_tests::{Host, found, host};

const GIB: f64 = 1_073_741_824.0;

/// A minute of the day that was so many days ago, in UTC: days are what trends are made of.
fn ago(days: u32) -> Timestamp {
    let now = Timestamp::now();
    now - SignedDuration::from_secs(now.as_second() % 86_400) - SignedDuration::from_hours(i64::from(days) * 24)
}

/// No test lasts over the border of a day.
fn off_midnight() {
    let second = Timestamp::now().as_second() % 86_400;
    if !(5..86_400 - 60).contains(&second) {
        std::thread::sleep(Duration::from_secs(70));
    }
}

fn upper(high: f64) -> Bounds {
    Bounds { low: None, high: Some(high) }
}

fn percent(name: &str, subject: &str, value: f64) -> Metric {
    Metric { warn: Some(upper(80.0)), crit: Some(upper(90.0)), ..metric(name, Some(subject), value, Unit::Percent) }
}

/// Eighty days of a system of which the database will be full in 25 days, and one disk in 81.
async fn past(directory: &Path) -> PathBuf {
    off_midnight();
    let file = directory.join("history.db");
    let past = Past::new(&file.display().to_string(), Some("shop"));
    for day in (0..80_u32).rev() {
        let since = f64::from(79 - day);
        let mut size = at("database-size", ago(day), Outcome::Ok);
        let database = metric("database_bytes", Some("shop"), (20.0 + since * 0.125) * GIB, Unit::Bytes);
        size.metrics.push(Metric { crit: Some(upper(33.0 * GIB)), ..database });
        size.metrics.push(metric("table_bytes", Some("orders"), (1.0 + since * 0.01) * GIB, Unit::Bytes));
        past.add(Some(Kind::Daily), size).await;
        let mut figures = at("key-figures", ago(day), Outcome::Ok);
        figures.metrics.extend([
            // As an import leaves it, forty days ago.
            percent("disk", "/imported", if day < 40 { 70.0 } else { 20.0 }),
            percent("disk", "/cleaned", 10.0 + 9.0 * f64::from((79 - day) % 8)),
            percent("disk", "/srv|`<script>alert(1)</script>`", 20.0 + since * 0.5 - if day < 3 { 10.0 } else { 0.0 }),
            percent("memory", "noise", 70.0 + f64::from(day * 7_919 % 101) / 7.0 - 10.0),
            percent("error_rate", "app", since),
        ]);
        if day < 5 {
            figures.metrics.push(percent("disk", "/new", 60.0 - f64::from(day)));
        }
        if day > 40 {
            figures.metrics.push(percent("disk", "/gone", 50.0 + since / 10.0));
        }
        past.add(Some(Kind::Daily), figures).await;
    }
    past.close().await;
    file
}

fn check(mode: &str, file: &Path, words: &str) -> Host {
    host().args([mode, "capacity-plan", "--format=json", "--history"]).arg(format!("past={}{words}", file.display()))
}

fn detail(report: &Value, title: &str) -> String {
    let findings = report["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["title"] == title).unwrap();
    finding["detail"].as_str().unwrap().to_owned()
}

fn metrics(report: &Value, name: &str) -> Vec<(String, f64)> {
    let all = report["metrics"].as_array().unwrap().iter().filter(|metric| metric["name"] == name);
    all.map(|it| (it["subject"].as_str().unwrap().to_owned(), it["value"].as_f64().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_grows_is_foretold_and_steps_cycles_and_noise_are_not_taken_for_growth() {
    let directory = tempfile::tempdir().unwrap();
    let file = past(directory.path()).await;
    let report = check("run", &file, "").run().expect_code(2).report();
    let hostile = "key-figures: disk (/srv|`<script>alert(1)</script>`)";
    assert_eq!(
        found(&report),
        [
            "critical database-size: database_bytes (shop): will reach its limit".to_owned(),
            format!("warning {hostile}: will reach its limit"),
            "ok capacity: time enough".into(),
            "ok capacity: history is too short for a trend".into(),
            "ok capacity: is no longer measured".into(),
        ]
    );
    // 29.875 GiB and an eighth of one a day: 33 GiB in 25 days.
    let date = (Timestamp::now() + SignedDuration::from_hours(25 * 24)).to_string();
    let said = detail(&report, "will reach its limit");
    assert!(said.starts_with("29.9 GiB, 128 MiB more a day (128 MiB to 128 MiB), over 79 days"), "{said}");
    assert!(said.contains(&format!("critical at 33 GiB on {}, in 25 d", &date[..10])), "{said}");
    let days: Vec<(String, f64)> = metrics(&report, "days_left");
    assert_eq!(days[0].0, "database-size: database_bytes (shop)");
    assert!((days[0].1 - 25.0).abs() < 0.01 && (days[1].1 - 81.0).abs() < 0.1, "{days:?}");
    let growth = metrics(&report, "growth_per_day");
    assert!((growth[0].1 - 0.125 * GIB).abs() < 1.0 && (growth[1].1 - 0.5).abs() < 1e-9, "{growth:?}");
    assert_eq!(report["next_actions"][0]["action"], format!("make room before {}", &date[..10]));
    let plan = detail(&report, "time enough");
    for line in [
        "(/imported): 70 %, and does not surely grow, over 79 days; warning at 80 %: not in sight; critical at 90 %: \
         not in sight; without 1 step",
        "(/cleaned): 73 %, and does not surely grow",
        "cleaned up again and again, and its peaks count",
        "without 1 step, the last on",
    ] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    assert!(!plan.contains("error_rate") && !plan.contains("table_bytes"), "{plan}");
    assert!(detail(&report, "history is too short for a trend").contains("(/new): 5 days"), "{report:#}");
    assert!(detail(&report, "is no longer measured").contains("(/gone): last 41 days ago"), "{report:#}");
    let summary = report["summary"].as_str().unwrap();
    assert!(summary.starts_with("next is database-size: database_bytes (shop) on "), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_terms_and_what_is_looked_at_are_the_operator_s() {
    let directory = tempfile::tempdir().unwrap();
    let file = past(directory.path()).await;
    let own = [
        "limits=table_bytes=2GiB,database-size/database_*=1TiB",
        "tasks=database-size",
        "warn-days=30",
        "critical-days=10",
    ];
    let report = check("run", &file, "").args(own).run().expect_code(1).report();
    let orders = "warning database-size: table_bytes (orders): will reach its limit";
    assert_eq!(found(&report), [orders, "ok capacity: time enough"], "{report:#}");
    assert!((metrics(&report, "days_left")[0].1 - 21.0).abs() < 0.1, "{report:#}");
    // Far ahead, nothing is to be done; and with less of the past nothing can be told.
    let near = check("run", &file, "").args(["warn-days=20", "critical-days=10"]).run().expect_code(0).report();
    assert!(near["next_actions"].as_array().unwrap().is_empty(), "{near:#}");
    let short = check("run", &file, "").args(["look-back=10d"]).run().expect_code(0).report();
    assert!(short["summary"].as_str().unwrap().starts_with("no trend can be told yet, 0 foretold"), "{short:#}");
    let none = check("run", &file, "").args(["tasks=nothing"]).run().expect_code(0).report();
    assert_eq!(none["summary"], "none of 0 measurements has an upper limit; set one with limits=METRIC=40GiB");
    for (parameters, why) in [
        (["warn-days=5", "critical-days=6"], "critical-days is more than warn-days"),
        (["limits=disk", "warn-days=90"], "`disk` is no limit; write it as METRIC=40GiB"),
    ] {
        let report = check("run", &file, "").args(parameters).run().expect_code(3).report();
        assert_eq!(report["run"]["outcome"], "invalid");
        assert!(report["error"].as_str().unwrap().contains(why), "{report:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_granted_is_seen_and_nothing_is_changed() {
    let directory = tempfile::tempdir().unwrap();
    let file = past(directory.path()).await;
    let before = std::fs::read(&file).unwrap();
    let part = check("run", &file, ",task=key-figures").run().expect_code(1).report();
    assert!(!part.to_string().contains("database_bytes"), "{part:#}");
    let plan = check("plan", &file, "").run().expect_code(2).report();
    assert_eq!(found(&plan).len(), 5, "a rehearsal sees what a run does");
    assert!(plan["effects"].as_array().unwrap().iter().all(|effect| effect["impact"] == "observe"), "{plan:#}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let unbound = host().args(["run", "capacity-plan", "--format=json"]).run().expect_code(3);
    assert!(unbound.report()["error"].as_str().unwrap().contains("--history past=FILE|URL"), "{unbound}");
    let broken = directory.path().join("broken.db");
    std::fs::write(&broken, &before[..before.len() / 2]).unwrap();
    let output = check("run", &broken, "").run().expect_code(3);
    let report = output.report();
    assert_eq!(report["run"]["outcome"], "unavailable", "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_samples_of_a_series_are_looked_at_in_no_time() {
    off_midnight();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("history.db");
    let past = Past::new(&file.display().to_string(), None);
    for day in (0..100_u32).rev() {
        let mut run = at("often", ago(day), Outcome::Ok);
        run.metrics.extend((0..110).map(|_| percent("disk", "/", 85.0 - f64::from(day) * 0.1)));
        past.add(None, run).await;
    }
    past.close().await;
    let begun = Instant::now();
    let report = check("run", &file, "").args(["look-back=365d"]).run().expect_code(1).report();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!((metrics(&report, "days_left")[0].1 - 50.0).abs() < 0.1, "{report:#}");
}
