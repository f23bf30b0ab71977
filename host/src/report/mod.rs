//! What a run leaves: findings, metrics, next actions, log and effects, and how they are shown. The shape of the JSON is
//! held by `report.schema.json` in `docs/`.

mod collect;
pub mod markdown;
pub mod nagios;
mod outcome;
pub mod text;
mod whole;

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use collect::{Collector, Event, Observer};
pub use outcome::Outcome;
pub use whole::{ForPeople, Whole};

use crate::gate::{Entry, Mode};
use crate::policy::text::{clean_line, clean_paragraph};

/// Bytes of the name of a task that was not begun.
const NAME_LIMIT: usize = 512;
/// Bytes of why.
const ERROR_LIMIT: usize = 64 * 1024;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "wit/report.wit says it")]
pub enum Severity {
    Ok,
    Warning,
    Critical,
}

impl Severity {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Something a run found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "wit/report.wit says it")]
pub struct Finding {
    pub severity: Severity,
    pub subject: String,
    pub title: String,
    pub detail: String,
    pub remedy: Option<String>,
}

/// What a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "wit/report.wit says it")]
pub enum Unit {
    None,
    Seconds,
    Bytes,
    Percent,
    Days,
    Total,
}

impl Unit {
    /// Its word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Percent => "percent",
            Self::Days => "days",
            Self::Total => "total",
        }
    }
}

/// The values that are in order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/report.wit says it")]
pub struct Bounds {
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// Something a run measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/report.wit says it")]
pub struct Metric {
    pub name: String,
    pub subject: Option<String>,
    pub value: f64,
    pub unit: Unit,
    pub warn: Option<Bounds>,
    pub crit: Option<Bounds>,
}

/// What a person should do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "wit/report.wit says it")]
pub struct NextAction {
    pub action: String,
    pub subject: Option<String>,
}

/// One line of a run's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// `debug`, `info`, `warn` or `error`.
    pub level: Cow<'static, str>,
    /// Cleaned of control characters.
    pub message: String,
}

/// Which plugin ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginId {
    /// Its own name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// SHA-256 of the file, as `sha256:` and lower-case hex.
    pub digest: String,
}

/// The facts of a run.
#[derive(Clone, Debug, Serialize)]
pub struct RunFacts {
    /// UUID version 7.
    pub id: String,
    /// The task's name: the plugin's where no bundle names it.
    pub task: String,
    /// None when it could not be loaded.
    pub plugin: Option<PluginId>,
    /// Run or rehearsal.
    pub mode: Mode,
    /// How it ended.
    pub outcome: Outcome,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// Microseconds between them, by a clock that does not jump.
    pub duration_us: u64,
}

/// A run's report: an entry in the maintenance log.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The run itself.
    pub run: RunFacts,
    /// One line by the plugin; absent when it did not end well.
    pub summary: Option<String>,
    /// In the order found.
    pub findings: Vec<Finding>,
    /// In the order measured.
    pub metrics: Vec<Metric>,
    /// In the order given.
    pub next_actions: Vec<NextAction>,
    /// The journal.
    pub effects: Vec<Entry>,
    /// Warnings of the host about the run.
    pub notices: Vec<String>,
    /// The log, bounded.
    pub log: Vec<LogLine>,
    /// Why it did not end well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Report {
    /// The report of a run that never began. The task's name and the error may quote a file's name or a plugin.
    pub fn not_begun(task: &str, mode: Mode, outcome: Outcome, error: &str) -> Self {
        let now = Timestamp::now();
        Self {
            run: RunFacts {
                id: uuid::Uuid::now_v7().to_string(),
                task: clean_line(task, NAME_LIMIT),
                plugin: None,
                mode,
                outcome,
                started: now,
                finished: now,
                duration_us: 0,
            },
            summary: None,
            findings: vec![],
            metrics: vec![],
            next_actions: vec![],
            effects: vec![],
            notices: vec![],
            log: vec![],
            error: Some(clean_paragraph(error, ERROR_LIMIT)),
        }
    }

    /// The findings, the worst first, and of the same severity in the order found.
    pub(crate) fn worst_first(&self) -> Vec<&Finding> {
        let mut findings: Vec<_> = self.findings.iter().collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings
    }

    /// Findings of that severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}
