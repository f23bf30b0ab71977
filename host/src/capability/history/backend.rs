//! The histories that runs of this process have open, for reading; and what is read, in the words of the contract.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::bindings as wit;
use super::error::Error;
use super::grant::Grant;
use crate::bundle::Kind;
use crate::gate::Mode;
use crate::history::{self, Filter, MOST, Reader};
use crate::policy::glob::Globs;
use crate::policy::text::clean_line;
use crate::report::{Bounds, Outcome, Severity};

/// Runs read at once.
const BATCH: u32 = 200;
/// Bytes of what a run says of itself.
const SAID: usize = 4096;
/// Bytes of one answer.
const ANSWER: usize = 16 << 20;

/// The histories that runs of this process have open, by where they are.
#[derive(Default)]
pub struct Readers(std::sync::Mutex<BTreeMap<String, Arc<Reader>>>);

impl Readers {
    /// The one of a grant.
    pub(super) fn reader(&self, grant: &Grant) -> Result<Arc<Reader>, Error> {
        let target = grant.target().map_err(Error::Unavailable)?;
        let key = match &target {
            history::Target::File(path) => path.to_string_lossy().into_owned(),
            history::Target::Server(url) => url.expose().to_owned(),
        };
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(readers.entry(key).or_insert_with(|| Arc::new(Reader::new(target)))))
    }
}

/// Whether a span is of all tasks, and of what belongs to none.
pub(super) fn is_of_all(span: &wit::Span) -> bool {
    span.tasks.is_empty() || span.tasks.iter().any(|glob| glob == "*")
}

/// What is asked for, as far as the grant goes.
pub(super) async fn filter(reader: &Reader, grant: &Grant, span: &wit::Span, performed: bool) -> Result<Filter, Error> {
    let wanted = Globs::new(span.tasks.clone()).map_err(Error::Invalid)?;
    let tasks = if grant.sees_all() && is_of_all(span) {
        None
    } else {
        let (seen, mut tasks) = (grant.tasks(), reader.tasks().await?);
        let of = |globs: &Globs, task: &str| globs.is_empty() || globs.matches(task.as_bytes(), task.len());
        tasks.retain(|task| of(&seen, task) && of(&wanted, task));
        Some(tasks)
    };
    Ok(Filter { tasks, performed, ..between(grant, span)? })
}

/// Of one task.
pub(super) fn of_task(grant: &Grant, span: &wit::Span, task: String) -> Result<Filter, Error> {
    if !span.tasks.is_empty() {
        return Err(Error::Invalid("the samples are of one task; name it there alone".into()));
    }
    Ok(Filter { tasks: Some(vec![task]), performed: true, ..between(grant, span)? })
}

/// The time, and whose tasks.
pub(super) fn between(grant: &Grant, span: &wit::Span) -> Result<Filter, Error> {
    let time = |seconds: u64| {
        let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        time.ok_or_else(|| Error::Invalid(format!("{seconds} is no time in seconds since 1970")))
    };
    Ok(Filter {
        since: Some(time(span.since)?),
        until: span.until.map(time).transpose()?,
        bundles: grant.bundle().map(|bundle| vec![bundle.to_owned()]),
        ..Filter::default()
    })
}

/// An answer that is not too long.
pub(super) fn bounded<T>(all: Vec<T>, what: &str, size: impl Fn(&T) -> usize) -> Result<Vec<T>, Error> {
    let bytes: usize = all.iter().map(|one| size(one) + size_of::<T>()).sum();
    if all.len() > MOST as usize || bytes > ANSWER {
        return Err(Error::Invalid(format!(
            "there are more {what} than one answer holds ({MOST}, or {} MiB); ask for a shorter time or fewer tasks",
            ANSWER >> 20
        )));
    }
    Ok(all)
}

/// Sends the runs, the oldest first, and returns their number.
pub(super) async fn send_runs(
    reader: Arc<Reader>,
    filter: Filter,
    sender: mpsc::Sender<Vec<wit::Run>>,
) -> Result<u64, Error> {
    let mut after = -1;
    let mut count = 0;
    loop {
        let runs = reader.after(&filter, after, BATCH).await?;
        let Some(last) = runs.last() else { return Ok(count) };
        after = last.number;
        let batch: Vec<wit::Run> = runs.into_iter().filter_map(run).collect();
        count += batch.len() as u64;
        if !batch.is_empty() {
            sender.send(batch).await.map_err(|_| Error::Abandoned)?;
        }
    }
}

/// A run, if it has ended.
fn run(run: history::Run) -> Option<wit::Run> {
    let outcome = run.outcome?;
    let summary = clean_line(run.said(), SAID);
    Some(wit::Run {
        bundle: run.bundle,
        task: run.task,
        plugin: run.plugin.map(|plugin| plugin.name),
        kind: run.kind.map(|kind| kind.name().into()),
        operator: run.operator,
        outcome: word(outcome),
        rehearsal: run.mode == Mode::Rehearse,
        started: seconds(run.started),
        duration_us: run.duration_us,
        summary,
        warnings: run.warnings,
        criticals: run.criticals,
        changes: run.changes,
        rows: run.rows,
        bytes: run.bytes,
        id: run.id,
    })
}

/// As in the JSON report.
fn word(outcome: Outcome) -> String {
    outcome.name().replace(' ', "-").replace("not-run", "invalid")
}

/// Seconds since 1970.
pub(super) fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or(0)
}

impl From<Bounds> for wit::Bounds {
    fn from(bounds: Bounds) -> Self {
        Self { low: bounds.low, high: bounds.high }
    }
}

impl From<history::Series> for wit::Series {
    fn from(series: history::Series) -> Self {
        Self {
            task: series.task,
            metric: series.metric,
            subject: series.subject,
            unit: series.unit.name().into(),
            samples: series.samples,
            first: seconds(series.first),
            last: seconds(series.last),
            value: series.value,
            warn: series.warn.map(Into::into),
            crit: series.crit.map(Into::into),
        }
    }
}

impl From<history::Issue> for wit::Finding {
    fn from(issue: history::Issue) -> Self {
        Self {
            task: issue.task,
            severity: match issue.severity {
                Severity::Ok => wit::Severity::Ok,
                Severity::Warning => wit::Severity::Warning,
                Severity::Critical => wit::Severity::Critical,
            },
            subject: issue.subject,
            title: issue.title,
            detail: issue.detail,
            remedy: issue.remedy,
            first_seen: seconds(issue.first_seen),
            last_seen: seconds(issue.last_seen),
            runs: issue.runs,
            resolved: issue.resolved.map(seconds),
            resolved_run: issue.resolved_run,
        }
    }
}

impl From<history::Next> for wit::NextAction {
    fn from(next: history::Next) -> Self {
        Self { task: next.task, action: next.action, subject: next.subject, at: seconds(next.at) }
    }
}

impl From<history::Changes> for wit::Change {
    fn from(changes: history::Changes) -> Self {
        Self {
            task: changes.task,
            capability: changes.capability,
            slot: changes.slot,
            operation: changes.operation,
            effects: changes.effects,
            rows: changes.rows,
            bytes: changes.bytes,
            runs: changes.runs,
        }
    }
}

impl From<history::Tick> for wit::Tick {
    fn from(tick: history::Tick) -> Self {
        Self {
            title: tick.title,
            kind: Kind::name(tick.kind).into(),
            period: tick.period,
            at: seconds(tick.at),
            by: tick.by,
            note: tick.note,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_have_the_words_of_the_json_report() {
        for (outcome, expected) in [
            (Outcome::Ok, "ok"),
            (Outcome::OverBudget, "over-budget"),
            (Outcome::TimedOut, "timed-out"),
            (Outcome::Invalid, "invalid"),
            (Outcome::HostFault, "host-fault"),
            (Outcome::Interrupted, "interrupted"),
        ] {
            assert_eq!(word(outcome), expected);
            assert_eq!(serde_json::to_value(outcome).unwrap(), expected);
        }
    }

    #[test]
    fn an_answer_that_is_too_long_is_none() {
        let most = MOST as usize;
        assert!(bounded(vec![0_u8; most], "things", |_| 0).is_ok());
        let error = bounded(vec![0_u8; most + 1], "things", |_| 0).unwrap_err().to_string();
        assert!(error.starts_with("there are more things than one answer holds (10000, or 16 MiB)"), "{error}");
        assert!(bounded(vec![0_u8; 2], "things", |_| ANSWER).is_err());
    }
}
