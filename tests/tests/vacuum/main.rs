//! `vacuum` on real databases: what it removes, what it leaves and says why, and that nobody has to wait for it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

mod mariadb;
mod postgres;
mod sqlite;

use serde_json::Value;
use taskhost_tests::{Host, host};

/// A run, or a rehearsal, on that database.
fn vacuum(command: &str, database: &str) -> Host {
    host().args([command, "vacuum", "--sql", &format!("database={database}")])
}

/// The findings that are no praise: severity, subject and title.
fn complaints(report: &Value) -> Vec<(String, String, String)> {
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let bad = findings.filter(|finding| finding["severity"] != "ok");
    bad.map(|finding| (text(finding, "severity"), text(finding, "subject"), text(finding, "title"))).collect()
}

/// A count that a metric holds as a float.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of some thousands")]
fn whole(value: f64) -> u64 {
    assert!(value >= 0.0 && value.fract() == 0.0, "{value} is no count");
    value as u64
}

/// The finding with that title.
fn finding<'a>(report: &'a Value, title: &str) -> &'a Value {
    let found = report["findings"].as_array().unwrap().iter().find(|finding| finding["title"] == title);
    found.unwrap_or_else(|| panic!("no finding `{title}`: {report:#}"))
}

/// Asserts that the finding with that title says all of `words`, in its subject, detail or remedy.
fn assert_says(report: &Value, title: &str, words: &[&str]) {
    let finding = finding(report, title);
    for word in words {
        let said = ["subject", "detail", "remedy"].iter().any(|part| finding[part].to_string().contains(word));
        assert!(said, "`{word}` is not in {finding:#}");
    }
}

/// What the journal says was maintained, in order.
fn maintained(report: &Value) -> Vec<&str> {
    let effects = report["effects"].as_array().unwrap().iter();
    let upkeep = effects.filter(|effect| effect["operation"] == "maintain" && effect["outcome"] == "done");
    upkeep.map(|effect| effect["target"].as_str().unwrap()).collect()
}

/// The value of a metric, which is a whole number.
fn metric(report: &Value, name: &str, subject: Option<&str>) -> u64 {
    let metrics = report["metrics"].as_array().unwrap();
    let metric = metrics.iter().find(|metric| metric["name"] == name && metric["subject"].as_str() == subject);
    metric.unwrap_or_else(|| panic!("no metric `{name}` of {subject:?}: {report:#}"))["value"]
        .as_f64()
        .map(whole)
        .unwrap()
}
