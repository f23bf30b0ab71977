//! `reindex` on real databases: what it rebuilds, what it leaves and says why, what it never drops, and that nobody has to
//! wait for it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

mod mariadb;
mod postgres;
mod sqlite;

use std::time::{Duration, Instant};

use serde_json::Value;
use taskhost_tests::{Database, Host, host};

/// A run, or a rehearsal, on that database.
fn reindex(command: &str, target: &str, arguments: &[&str]) -> Host {
    let host = host().args([command, "reindex", "--format=json", "--sql", &format!("database={target}")]);
    host.args(arguments.iter().copied())
}

async fn report(host: Host) -> Value {
    tokio::task::spawn_blocking(|| host.run().report()).await.unwrap()
}

/// Subjects and titles of what is no praise.
fn complaints(report: &Value) -> Vec<String> {
    let all = report["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] != "ok");
    let text = |found: &Value, part: &str| found[part].as_str().unwrap().to_owned();
    all.map(|found| format!("{}: {}", text(found, "subject"), text(found, "title"))).collect()
}

/// What the journal says was rebuilt, in order.
fn rebuilt(report: &Value) -> Vec<&str> {
    let effects = report["effects"].as_array().unwrap().iter();
    let upkeep = effects.filter(|effect| effect["operation"] == "maintain" && effect["outcome"] == "done");
    upkeep.map(|effect| effect["target"].as_str().unwrap()).collect()
}

#[track_caller]
fn assert_says(report: &Value, title: &str, words: &[&str]) {
    let said = |finding: &Value, word: &str| {
        ["subject", "detail", "remedy"].iter().any(|part| finding[part].as_str().unwrap_or_default().contains(word))
    };
    let mut all = report["findings"].as_array().unwrap().iter().filter(|finding| finding["title"] == title);
    assert!(all.any(|finding| words.iter().all(|word| said(finding, word))), "no `{title}` says {words:?}: {report:#}");
}

fn metric(report: &Value, name: &str, subject: Option<&str>) -> Option<f64> {
    let metrics = report["metrics"].as_array().unwrap();
    let metric = metrics.iter().find(|metric| metric["name"] == name && metric["subject"].as_str() == subject);
    metric.and_then(|metric| metric["value"].as_f64())
}

async fn wait_until(what: &str, database: &Database, query: &str) {
    let begun = Instant::now();
    while database.number(query).await == 0 {
        assert!(begun.elapsed() < Duration::from_mins(1), "not within 60 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
