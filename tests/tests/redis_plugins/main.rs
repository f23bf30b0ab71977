//! `redis-memory`, `redis-keys`, `redis-cleanup` and `redis-persistence` on real servers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

mod cleanup;
mod interrupted;
mod keys;
mod memory;
mod persistence;
mod server;

use serde_json::Value;
use taskhost_tests::{Host, host};

use server::Server;

/// A run, or a rehearsal, on that server; `words` are what the slot grants beyond reading.
fn task(command: &str, plugin: &str, server: &Server, words: &str, arguments: &[&str]) -> Host {
    let binding = format!("cache={}{words}", server.url());
    host().args([command, plugin, "--redis", &binding]).args(arguments.iter().copied())
}

/// The report of a run that reads.
fn report(plugin: &str, server: &Server, code: i32, arguments: &[&str]) -> Value {
    task("run", plugin, server, "", &[arguments, &["--format=json"]].concat()).run().expect_code(code).report()
}

/// The findings that are no praise: severity and title.
fn complaints(report: &Value) -> Vec<(&str, &str)> {
    let findings = report["findings"].as_array().unwrap().iter();
    let bad = findings.filter(|finding| finding["severity"] != "ok");
    bad.map(|finding| (finding["severity"].as_str().unwrap(), finding["title"].as_str().unwrap())).collect()
}

/// The finding with that title, about that subject if one is named.
fn finding<'a>(report: &'a Value, title: &str, subject: Option<&str>) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    let wanted =
        |finding: &&Value| finding["title"] == title && subject.is_none_or(|subject| finding["subject"] == subject);
    findings.iter().find(wanted).unwrap_or_else(|| panic!("no finding `{title}` on {subject:?}: {report:#}"))
}

/// Asserts that the finding with that title says all of `words`, in its subject, detail or remedy.
#[track_caller]
fn assert_says(report: &Value, title: &str, words: &[&str]) {
    let finding = finding(report, title, None);
    for word in words {
        let said = ["subject", "detail", "remedy"].iter().any(|part| finding[part].to_string().contains(word));
        assert!(said, "`{word}` is not in {finding:#}");
    }
}

fn metric(report: &Value, name: &str, subject: Option<&str>) -> f64 {
    let metrics = report["metrics"].as_array().unwrap();
    let metric = metrics.iter().find(|metric| metric["name"] == name && metric["subject"].as_str() == subject);
    metric.unwrap_or_else(|| panic!("no metric `{name}` of {subject:?}: {report:#}"))["value"].as_f64().unwrap()
}

/// A metric that is a count.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of some thousands")]
fn counted(report: &Value, name: &str, subject: Option<&str>) -> u64 {
    let value = metric(report, name, subject);
    assert!(value >= 0.0 && value.fract() == 0.0, "{name}: {value} is no count");
    value as u64
}

/// What differs from server to server, and from run to run.
const FIGURES: [(&str, &str); 6] = [
    (r"[\d.,]+ (B|bytes|KiB|MiB|GiB|TiB)\b", "SIZE"),
    (r"\([\d.]+%\)", "(SHARE)"),
    (r"[\d.]+% of", "SHARE of"),
    (r"_fragmentation: [\d.]+", "_fragmentation: RATIO"),
    (r"_percent: [\d.]+", "_percent: SHARE"),
    (r"/\S*/socket", "SOCKET"),
];
