//! What the engine says of runs, to people and in the history. Pure.

use jiff::Timestamp;

use crate::report::{Finding, Report, Severity};
use crate::schedule::Why;
use crate::tell::{Ended, Level};

/// Findings in one message.
const TOLD: usize = 10;

/// A run, for whoever is told of it.
pub(super) fn told(bundle: &str, task: &str, level: Level, again: bool, report: &Report) -> Ended {
    let mut findings: Vec<&Finding> =
        report.findings.iter().filter(|finding| finding.severity != Severity::Ok).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let line = |finding: &&Finding| {
        let Finding { severity, subject, title, .. } = finding;
        format!("{}: {subject}: {title}", severity.name())
    };
    let said = report.summary.as_deref().or(report.error.as_deref()).unwrap_or_default();
    Ended {
        bundle: bundle.into(),
        task: task.into(),
        run: report.run.id.clone(),
        level,
        again,
        outcome: report.run.outcome.name(),
        said: said.into(),
        findings: findings.iter().take(TOLD).map(line).collect(),
        at: report.run.finished,
    }
}

pub(super) fn left_out(due: Timestamp, count: usize, why: &Why) -> String {
    let due = due.strftime("%F %H:%M UTC");
    let times = if count == 1 { format!("the run of {due}") } else { format!("{count} runs, the last of {due}") };
    let why = match why {
        Why::Missed => "the host was away".into(),
        Why::StillRuns => "the one before still runs".into(),
        Why::StillWaits => "the one before still waits".into(),
        Why::Replaced => "a later one took its place".into(),
        Why::After(task, outcome) => format!("`{task}`, which it comes after, ended with {}", outcome.name()),
        Why::Cancelled => "it is not wanted".into(),
    };
    format!("{times}: {why}")
}
