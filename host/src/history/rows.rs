//! What a run leaves, as rows: the same values are written, digested, and read again to be digested anew.

use jiff::Timestamp;

use super::digest::Digest;
use super::issues::Closed;
use super::sql::{Row, Value, values};
use super::words::{column, nanos, word};
use crate::bundle::Kind;
use crate::gate::{Decision, EffectOutcome, Entry, Impact, Mode};
use crate::report::{Bounds, Outcome, PluginId, Report};

/// A table of what belongs to runs: its columns after `run` and `position`.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Type)],
}

/// What a column holds.
#[derive(Clone, Copy)]
pub(super) enum Type {
    Integer,
    Real,
    Text,
}

use Type::{Integer, Real, Text};

pub(super) const FINDINGS: Table = Table {
    name: "findings",
    columns: &[("severity", Text), ("subject", Text), ("title", Text), ("detail", Text), ("remedy", Text)],
};
pub(super) const METRICS: Table = Table {
    name: "metrics",
    columns: &[
        ("name", Text),
        ("subject", Text),
        ("value", Real),
        ("unit", Text),
        ("warn_low", Real),
        ("warn_high", Real),
        ("crit_low", Real),
        ("crit_high", Real),
    ],
};
pub(super) const NEXT_ACTIONS: Table = Table { name: "next_actions", columns: &[("action", Text), ("subject", Text)] };
pub(super) const NOTICES: Table = Table { name: "notices", columns: &[("notice", Text)] };
pub(super) const LOG: Table = Table { name: "log", columns: &[("level", Text), ("message", Text)] };
pub(super) const EFFECTS: Table = Table {
    name: "effects",
    columns: &[
        ("sequence", Integer),
        ("capability", Text),
        ("slot", Text),
        ("operation", Text),
        ("impact", Text),
        ("target", Text),
        ("decision", Text),
        ("outcome", Text),
        ("reason", Text),
        ("affected_rows", Integer),
        ("affected_bytes", Integer),
        ("duration_us", Integer),
    ],
};
/// All of them, in the order in which they are digested.
pub(super) const TABLES: [Table; 6] = [FINDINGS, METRICS, NEXT_ACTIONS, NOTICES, LOG, EFFECTS];

impl Table {
    /// The columns' names, with commas.
    pub(super) fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// The values of a row that was read, of which the first is in column `from`.
    pub(super) fn values(&self, row: &Row, from: usize) -> Result<Vec<Value<'static>>, sqlx::Error> {
        let columns = self.columns.iter().enumerate();
        columns.map(|(index, (_, kind))| kind.read(row, from + index)).collect()
    }
}

impl Type {
    fn read(self, row: &Row, column: usize) -> Result<Value<'static>, sqlx::Error> {
        Ok(match self {
            Self::Integer => Value::Integer(row.get(column)?),
            Self::Real => Value::Real(row.get(column)?),
            Self::Text => Value::Text(row.get::<Option<String>>(column)?.map(Into::into)),
        })
    }
}

/// What is known of a run before its first instruction.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) id: String,
    /// Empty where there is none.
    pub(super) bundle: String,
    pub(super) task: String,
    pub(super) kind: Option<Kind>,
    pub(super) mode: Mode,
    /// Who runs it.
    pub(super) operator: String,
    pub(super) plugin: Option<PluginId>,
    /// The process that runs it.
    pub(super) process: String,
    pub(super) started: Timestamp,
}

/// The columns of a run's start, and of its end, as they are digested.
pub(super) const START: Table = Table {
    name: "start",
    columns: &[
        ("id", Text),
        ("bundle", Text),
        ("task", Text),
        ("kind", Text),
        ("mode", Text),
        ("operator", Text),
        ("plugin", Text),
        ("plugin_version", Text),
        ("plugin_digest", Text),
        ("process", Text),
        ("started", Integer),
    ],
};
pub(super) const END: Table = Table {
    name: "end",
    columns: &[
        ("finished", Integer),
        ("duration_us", Integer),
        ("outcome", Text),
        ("summary", Text),
        ("error", Text),
        ("changes", Integer),
        ("changed_rows", Integer),
        ("changed_bytes", Integer),
    ],
};
/// The outcome of a run that has none yet.
pub(super) const RUNNING: &str = "running";

impl Start {
    pub(super) fn values(&self) -> Vec<Value<'_>> {
        let plugin = self.plugin.as_ref();
        values![
            &self.id,
            &self.bundle,
            &self.task,
            self.kind.map_or("", Kind::name),
            word(self.mode),
            &self.operator,
            plugin.map(|plugin| plugin.name.as_str()),
            plugin.map(|plugin| plugin.version.as_str()),
            plugin.map(|plugin| plugin.digest.as_str()),
            &self.process,
            nanos(self.started),
        ]
        .into()
    }

    pub(super) fn digest(&self) -> String {
        let mut digest = Digest::new();
        digest.row(START.name, &self.values());
        digest.finish()
    }
}

/// The columns of a run's end.
pub(super) fn end(report: &Report) -> Vec<Value<'_>> {
    let changed = || report.effects.iter().filter(|entry| changed(entry));
    let sum = |of: fn(&Entry) -> Option<u64>| column(changed().filter_map(of).fold(0, u64::saturating_add));
    values![
        nanos(report.run.finished),
        column(report.run.duration_us),
        word(report.run.outcome),
        &report.summary,
        &report.error,
        column(changed().count() as u64),
        sum(|entry| entry.rows),
        sum(|entry| entry.bytes),
    ]
    .into()
}

/// The columns of the end of a run that never came to it.
pub(super) fn no_end(error: &str) -> Vec<Value<'_>> {
    let none: Option<i64> = None;
    let nothing: Option<&str> = None;
    values![none, none, word(Outcome::Interrupted), nothing, error, 0, 0, 0].into()
}

/// Whether it changed something, or in a rehearsal would have.
pub(super) fn changed(entry: &Entry) -> bool {
    entry.effect.impact != Impact::Observe && entry.decision != Decision::Refuse && entry.outcome == EffectOutcome::Done
}

/// Observing effects of a run that are kept: what changes the world is kept whole.
const OBSERVED: usize = 1_000;

/// The rows of each table, in the order of [`TABLES`].
pub(super) fn children(report: &Report) -> [Vec<Vec<Value<'_>>>; TABLES.len()] {
    let low = |bounds: Option<Bounds>| bounds.and_then(|bounds| bounds.low);
    let high = |bounds: Option<Bounds>| bounds.and_then(|bounds| bounds.high);
    let findings = report.findings.iter().map(|finding| {
        values![word(finding.severity), &finding.subject, &finding.title, &finding.detail, &finding.remedy].into()
    });
    let metrics = report.metrics.iter().map(|metric| {
        values![
            &metric.name,
            &metric.subject,
            Some(metric.value),
            word(metric.unit),
            low(metric.warn),
            high(metric.warn),
            low(metric.crit),
            high(metric.crit),
        ]
        .into()
    });
    let actions = report.next_actions.iter().map(|next| values![&next.action, &next.subject].into());
    let notices = report.notices.iter().map(|notice| values![notice].into());
    let log = report.log.iter().map(|line| values![&*line.level, &line.message].into());
    let mut observed = 0;
    let effects = report.effects.iter().filter(|entry| {
        let plain = entry.effect.impact == Impact::Observe && entry.outcome == EffectOutcome::Done;
        observed += usize::from(plain);
        !plain || observed <= OBSERVED
    });
    [
        findings.collect(),
        metrics.collect(),
        actions.collect(),
        notices.collect(),
        log.collect(),
        effects.map(effect).collect(),
    ]
}

fn effect(entry: &Entry) -> Vec<Value<'_>> {
    values![
        column(entry.sequence),
        &*entry.effect.capability,
        &*entry.effect.slot,
        &*entry.effect.operation,
        word(entry.effect.impact),
        &entry.effect.target,
        word(entry.decision),
        entry.outcome.name(),
        entry.outcome.reason(),
        entry.rows.map(column),
        entry.bytes.map(column),
        column(crate::gate::micros(entry.duration)),
    ]
    .into()
}

/// The digest of a whole run.
pub(super) fn digest_of_run<'a>(
    start: &[Value<'_>],
    end: &[Value<'_>],
    children: impl IntoIterator<Item = (&'a str, &'a [Vec<Value<'a>>])>,
    closed: &[Closed],
) -> String {
    let mut digest = Digest::new();
    digest.row(START.name, start);
    digest.row(END.name, end);
    for (table, rows) in children {
        for row in rows {
            digest.row(table, row);
        }
    }
    for issue in closed {
        digest.row("resolved", &issue.values());
    }
    digest.finish()
}
