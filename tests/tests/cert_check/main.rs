//! `cert-check` on real files and real handshakes: what each case is found to be, and how it is told in every format.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

mod endpoints;
mod files;

use serde_json::Value;
use taskhost_tests::{Host, host};

/// Severities and titles of what one thing is found to be.
type Found = &'static [(&'static str, &'static str)];

fn cert_check() -> Host {
    host().args(["run", "cert-check"])
}

/// Severity, subject and title of each finding, in order of the subjects.
fn findings(report: &Value) -> Vec<(String, String, String)> {
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let mut findings: Vec<_> =
        findings.map(|each| (text(each, "severity"), text(each, "subject"), text(each, "title"))).collect();
    findings.sort_by(|one, other| (&one.1, &one.2).cmp(&(&other.1, &other.2)));
    findings
}

/// The same, as it is written down in a test.
fn expected(findings: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    findings.iter().map(|(severity, subject, title)| ((*severity).into(), (*subject).into(), (*title).into())).collect()
}

#[test]
fn nothing_bound_is_answered_with_the_flags() {
    let output = cert_check().run().expect_code(3);
    insta::assert_snapshot!(output.stdout);
}
