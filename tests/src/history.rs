//! Histories of a past that the test makes up: written by the host's own recorder, at times of the test's choosing.

use std::time::Duration;

use jiff::Timestamp;
use taskhost::bundle::Kind;
use taskhost::capability::Secret;
use taskhost::gate::{Decision, Effect, EffectOutcome, Entry, Impact, Mode};
use taskhost::history::{Keep, Recorder, Target};
use taskhost::report::{Finding, Metric, NextAction, Outcome, PluginId, Report, RunFacts, Severity, Unit};

/// A history under way.
#[derive(Debug)]
pub struct Past(Recorder);

impl Past {
    /// In a file or on a server, by the name of a bundle or of none; nothing in it is too old.
    pub fn new(place: &str, bundle: Option<&str>) -> Self {
        let target =
            if place.starts_with("postgres") { Target::Server(Secret::new(place)) } else { Target::File(place.into()) };
        Self(Recorder::new(target, bundle, "alice", Keep { age: Duration::MAX, runs: u64::MAX }))
    }

    /// Adds a run.
    pub async fn add(&self, kind: Option<Kind>, mut report: Report) -> String {
        self.0.keep(&mut report, kind).await;
        assert_eq!(report.notices.iter().find(|notice| notice.contains("not recorded")), None);
        report.run.id
    }

    /// Ends it.
    pub async fn close(self) {
        assert_eq!(self.0.close().await, Vec::<String>::new());
    }
}

/// A run of `task` that began at `started` and ended two seconds later.
pub fn ended(task: &str, started: &str, outcome: Outcome) -> Report {
    at(task, started.parse().expect("a test's times are times"), outcome)
}

/// [`ended`], for who has a time.
pub fn at(task: &str, started: Timestamp, outcome: Outcome) -> Report {
    let good = outcome.exit_code() < 3;
    Report {
        run: RunFacts {
            id: uuid::Uuid::now_v7().to_string(),
            task: task.into(),
            plugin: Some(PluginId {
                name: format!("{task}-plugin"),
                version: "1.2.3".into(),
                digest: format!("sha256:{}", "0".repeat(64)),
            }),
            mode: Mode::Perform,
            outcome,
            started,
            finished: started.saturating_add(Duration::from_secs(2)).expect("a test's times are in range"),
            duration_us: 2_000_000,
        },
        summary: good.then(|| "all looked at".into()),
        findings: vec![],
        metrics: vec![],
        next_actions: vec![],
        effects: vec![],
        notices: vec![],
        log: vec![],
        error: (!good).then(|| "it broke".into()),
    }
}

/// A finding.
pub fn finding(severity: Severity, subject: &str, title: &str) -> Finding {
    Finding {
        severity,
        subject: subject.into(),
        title: title.into(),
        detail: format!("seen at {subject}"),
        remedy: Some(format!("look at {subject}")),
    }
}

/// A measurement.
pub fn metric(name: &str, subject: Option<&str>, value: f64, unit: Unit) -> Metric {
    Metric { name: name.into(), subject: subject.map(Into::into), value, unit, warn: None, crit: None }
}

/// What is to be done.
pub fn next_action(action: &str) -> NextAction {
    NextAction { action: action.into(), subject: None }
}

/// Files that were removed.
pub fn removed(slot: &str, target: &str, bytes: u64) -> Entry {
    Entry {
        sequence: 0,
        effect: Effect::new("files", slot, "remove", Impact::Destroy, target),
        decision: Decision::Perform,
        outcome: EffectOutcome::Done,
        rows: None,
        bytes: Some(bytes),
        offset: Duration::ZERO,
        duration: Duration::from_millis(1),
    }
}
