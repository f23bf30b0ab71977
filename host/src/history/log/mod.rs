//! The maintenance log: what was done in a span of days, in the template that the team's runbook uses: one entry for each
//! day and part of the calendar, with the tasks, what people ticked, the issues and how they were resolved, figures, next
//! actions and notes. It is read from the history and from nothing else; every text in it is somebody else's.

mod build;
mod html;
mod load;
mod markdown;
mod vital;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{Error, Reader};
use crate::bundle::{ChecklistEntry, Kind};
use crate::report::{Metric, Outcome, Severity};

/// What the log is to be of.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Its first and its last day, there.
    pub since: Date,
    /// See [`since`](Self::since).
    pub until: Date,
    /// Where days begin.
    pub zone: TimeZone,
    /// Only that part of the calendar.
    pub part: Option<Part>,
    /// Only of that bundle, and of what ran without one.
    pub bundle: Option<&'a str>,
    /// Who answers for the system; who ran something, where nobody is named.
    pub maintainer: Option<&'a str>,
    /// What people do now.
    pub checklist: &'a [ChecklistEntry],
    /// What is due is due by then.
    pub now: Timestamp,
}

/// A part of the calendar, or what is in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Part {
    Daily,
    Weekly,
    Monthly,
    Quarterly,
    OnDemand,
}

impl Part {
    pub(super) fn of(kind: Option<Kind>) -> Self {
        match kind {
            Some(Kind::Daily) => Self::Daily,
            Some(Kind::Weekly) => Self::Weekly,
            Some(Kind::Monthly) => Self::Monthly,
            Some(Kind::Quarterly) => Self::Quarterly,
            None => Self::OnDemand,
        }
    }

    /// As it stands behind `Type:`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Daily => "Daily",
            Self::Weekly => "Weekly",
            Self::Monthly => "Monthly",
            Self::Quarterly => "Quarterly",
            Self::OnDemand => "On demand",
        }
    }
}

impl Serialize for Part {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name().to_lowercase().replace(' ', "-"))
    }
}

/// The log, the newest entry first.
#[derive(Clone, Debug, Serialize)]
pub struct Log {
    /// Of which bundle.
    pub bundle: Option<String>,
    /// Its first day, and its last.
    pub since: Date,
    /// See [`since`](Self::since).
    pub until: Date,
    /// Where days begin, as an IANA name.
    pub time_zone: String,
    /// When it was written.
    pub written: Timestamp,
    /// Added up.
    pub totals: Totals,
    /// What stood at the end, the worst first.
    pub open: Vec<Issue>,
    /// One for each day and part of the calendar.
    pub entries: Vec<Entry>,
    #[serde(skip)]
    zone: TimeZone,
}

/// What the log has, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Runs, rehearsals left out.
    pub runs: u64,
    /// Those that ended in ok, warning, critical, or in none of these.
    pub ok: u64,
    /// See [`ok`](Self::ok).
    pub warning: u64,
    /// See [`ok`](Self::ok).
    pub critical: u64,
    /// See [`ok`](Self::ok).
    pub unknown: u64,
    /// Issues that stood at the end.
    pub open: u64,
    /// Issues that were resolved in it.
    pub resolved: u64,
    /// Effects that changed or destroyed something.
    pub changes: u64,
}

/// One day of one part of the calendar.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The day.
    pub date: Date,
    /// The part of the calendar.
    #[serde(rename = "type")]
    pub part: Part,
    /// Who answers for it.
    pub maintainer: String,
    /// Who ran something.
    pub operators: Vec<String>,
    /// One for each task, in the order in which they began.
    pub tasks: Vec<Task>,
    /// What people do.
    pub checklist: Vec<ForPeople>,
    /// What was found, the worst first, and what was resolved.
    pub issues: Vec<Issue>,
    /// What was measured.
    pub metrics: Metrics,
    /// What is to be done.
    pub next_actions: Vec<Next>,
    /// What was changed.
    pub changes: Vec<Changes>,
    /// What else there is to say.
    pub notes: Vec<String>,
}

/// A task on a day.
#[derive(Clone, Debug, Serialize)]
pub struct Task {
    /// Its name.
    pub task: String,
    /// The plugin's name and version; none when it could not be loaded.
    pub plugin: Option<String>,
    /// It came to its end.
    pub done: bool,
    /// How its last run ended; none when it runs.
    pub outcome: Option<Outcome>,
    /// What it said of itself, or why it did not end well.
    pub summary: String,
    /// Runs on that day, and how many of them did not come to their end.
    pub runs: u64,
    /// See [`runs`](Self::runs).
    pub broken: u64,
    /// The last run's id.
    pub run: String,
    /// When the last run began, and how long it took.
    pub started: Timestamp,
    /// Microseconds.
    pub duration_us: u64,
}

/// What a person does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForPeople {
    /// In one line.
    pub title: String,
    /// For which period.
    pub period: String,
    /// Ticked.
    pub done: bool,
    /// By whom, and when.
    pub by: Option<String>,
    /// See [`by`](Self::by).
    pub at: Option<Timestamp>,
    /// What they had to say.
    pub note: Option<String>,
    /// The last day on which it can be done.
    pub due: Date,
}

/// A finding, as it stood on that day, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Issue {
    /// Whose it is.
    pub task: String,
    /// How bad.
    pub severity: Severity,
    /// What it is about.
    pub subject: String,
    /// What it is.
    pub title: String,
    /// With figures.
    pub detail: String,
    /// What should be done.
    pub remedy: Option<String>,
    /// It was found on that day; else it was resolved on it.
    pub found: bool,
    /// When it was found first.
    pub first_seen: Timestamp,
    /// When it was gone.
    pub resolved: Option<Timestamp>,
    /// By which run.
    pub resolved_run: Option<String>,
    /// Seconds between the two.
    pub open_seconds: Option<i64>,
}

/// What was measured on a day.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Metrics {
    /// In per cent.
    pub cpu: Option<Vital>,
    /// In per cent.
    pub memory: Option<Vital>,
    /// In per cent.
    pub disk: Option<Vital>,
    /// In seconds.
    pub response_time: Option<Vital>,
    /// What each task's last run measured.
    pub tasks: Vec<TaskMetrics>,
}

/// One of the figures that the template asks for, from whatever task measured it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Vital {
    /// The newest.
    pub value: f64,
    /// Over the day.
    pub lowest: f64,
    /// Over the day.
    pub highest: f64,
    /// How many.
    pub samples: u64,
    /// Who measured it.
    pub task: String,
    /// The metric's name.
    pub metric: String,
    /// What it was measured on; of several, the one with the highest value.
    pub subject: Option<String>,
}

/// What a task measured.
#[derive(Clone, Debug, Serialize)]
pub struct TaskMetrics {
    /// Which.
    pub task: String,
    /// In the order measured.
    pub metrics: Vec<Metric>,
}

/// What a task left for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Next {
    /// Which.
    pub task: String,
    /// In the imperative.
    pub action: String,
    /// What it is about.
    pub subject: Option<String>,
}

/// What a task changed, by operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "their names say it")]
pub struct Changes {
    pub task: String,
    pub capability: String,
    pub slot: String,
    pub operation: String,
    pub effects: u64,
    pub rows: u64,
    pub bytes: u64,
}

impl Log {
    /// Reads it.
    ///
    /// # Errors
    /// A history that cannot be read.
    pub async fn read(reader: &Reader, question: &Question<'_>) -> Result<Self, Error> {
        Ok(build::build(question, &load::load(reader, question).await?))
    }

    /// As entries in the runbook's template.
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }

    /// As one page that needs nothing beside it.
    pub fn html(&self) -> String {
        html::render(self)
    }

    /// What is within that page, every text escaped, for a page that has a style of its own for it.
    pub fn fragment(&self) -> String {
        html::fragment(self)
    }

    /// A moment as people there write it.
    fn moment(&self, time: Timestamp) -> String {
        time.to_zoned_datetime(self.zone.clone()).strftime("%F %H:%M").to_string()
    }

    /// Its time of day.
    fn time_of_day(&self, time: Timestamp) -> String {
        time.to_zoned_datetime(self.zone.clone()).strftime("%H:%M").to_string()
    }
}

/// A span of time in its largest unit that is not too coarse: `12 min`, `5 h`, `3 days`.
fn span(seconds: i64) -> String {
    let units = [("days", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let fits = |(_, length): &&(&str, i64)| seconds >= 2 * length || *length == 1;
    let (name, length) = units.iter().find(fits).copied().unwrap_or(("s", 1));
    format!("{} {name}", seconds.max(0) / length)
}
