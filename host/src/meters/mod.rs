//! How it stands with tasks, for what watches the host: the last run of each and what it measured, as OpenMetrics, and as
//! a file for the node exporter's textfile collector.

mod render;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

pub use render::{Form, render};

use crate::gate::EffectOutcome;
use crate::report::{Metric, Outcome, Report, Severity};

/// What is known of all tasks. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Meters(Arc<Mutex<BTreeMap<(String, String), Meter>>>);

/// What is known of one task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meter {
    /// Its last run, when it ended, how, and how long it took.
    pub last: Option<Last>,
    /// When one last ended without a critical finding, and did its work.
    pub succeeded: Option<Timestamp>,
    /// Runs by outcome, since the host began.
    pub runs: BTreeMap<String, u64>,
    /// Effects that were done, by capability and impact, since the host began.
    pub effects: BTreeMap<(String, &'static str), u64>,
}

/// A run that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Last {
    /// When.
    pub finished: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// Seconds.
    pub duration: f64,
    /// Findings by severity: ok, warning, critical.
    pub findings: [usize; 3],
    /// What it measured.
    pub metrics: Vec<Metric>,
}

/// How it stands with the host itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// The bundle.
    pub bundle: String,
    /// Runs that go on.
    pub running: usize,
    /// Runs that wait.
    pub waiting: usize,
    /// Tasks that are paused.
    pub paused: usize,
    /// Pages of the history that were lost.
    pub lost: u64,
    /// Whether the history took what was written last.
    pub recording: bool,
}

/// Metrics that are kept of one run: more are for the history, not for a series each.
const METRICS: usize = 200;

impl Meters {
    /// A run has ended.
    pub fn ended(&self, bundle: &str, report: &Report) {
        let mut all = self.lock();
        let meter = all.entry((bundle.to_owned(), report.run.task.clone())).or_default();
        *meter.runs.entry(label(report.run.outcome)).or_default() += 1;
        for entry in report.effects.iter().filter(|entry| entry.outcome == EffectOutcome::Done) {
            let key = (entry.effect.capability.to_string(), entry.effect.impact.name());
            *meter.effects.entry(key).or_default() += 1;
        }
        meter.take(report);
    }

    /// A run that ended before the host began.
    pub fn recall(&self, bundle: &str, report: &Report) {
        let mut all = self.lock();
        let meter = all.entry((bundle.to_owned(), report.run.task.clone())).or_default();
        if meter.last.is_none() {
            meter.take(report);
        }
    }

    /// Forgets the tasks of a bundle that it has no more.
    pub fn keep(&self, bundle: &str, has: impl Fn(&str) -> bool) {
        self.lock().retain(|(of, task), _| of != bundle || has(task));
    }

    /// As it stands, by bundle and task.
    pub fn all(&self) -> BTreeMap<(String, String), Meter> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), Meter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The word of an outcome, as in the JSON report.
fn label(outcome: Outcome) -> String {
    match serde_json::to_value(outcome) {
        Ok(serde_json::Value::String(word)) => word,
        _ => outcome.name().into(),
    }
}

impl Meter {
    fn take(&mut self, report: &Report) {
        let outcome = report.run.outcome;
        // What a person stopped did not happen.
        if outcome == Outcome::Cancelled {
            return;
        }
        if outcome.exit_code() < 2 {
            self.succeeded = self.succeeded.max(Some(report.run.finished));
        }
        self.last = Some(Last {
            finished: report.run.finished,
            outcome,
            duration: std::time::Duration::from_micros(report.run.duration_us).as_secs_f64(),
            findings: [Severity::Ok, Severity::Warning, Severity::Critical].map(|severity| report.count(severity)),
            metrics: report.metrics.iter().take(METRICS).cloned().collect(),
        });
    }
}
