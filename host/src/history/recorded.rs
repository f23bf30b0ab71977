//! A run as it was recorded, made into a report again.

use std::time::Duration;

use super::error::{Error, Fault};
use super::reader::{Reader, Run};
use super::rows::{EFFECTS, FINDINGS, LOG, METRICS, NEXT_ACTIONS, NOTICES, Table};
use super::sql::{Row, values};
use super::words::of_word;
use crate::gate::{Decision, Effect, EffectOutcome, Entry, Impact};
use crate::report::{Bounds, Finding, LogLine, Metric, NextAction, Outcome, Report, RunFacts, Severity, Unit};

impl Reader {
    /// What the run left. One that runs has left nothing yet, and ends where it began.
    pub async fn report(&self, run: &Run) -> Result<Report, Error> {
        Ok(Report {
            run: RunFacts {
                id: run.id.clone(),
                task: run.task.clone(),
                plugin: run.plugin.clone(),
                mode: run.mode,
                outcome: run.outcome.unwrap_or(Outcome::Interrupted),
                started: run.started,
                finished: run.finished.unwrap_or(run.started),
                duration_us: run.duration_us,
            },
            summary: run.summary.clone(),
            findings: self.of_run(&FINDINGS, &run.id, finding).await?,
            metrics: self.of_run(&METRICS, &run.id, metric).await?,
            next_actions: self.of_run(&NEXT_ACTIONS, &run.id, next_action).await?,
            effects: self.of_run(&EFFECTS, &run.id, effect).await?,
            notices: self.of_run(&NOTICES, &run.id, |row| row.get(0)).await?,
            log: self.of_run(&LOG, &run.id, log_line).await?,
            error: run.error.clone(),
        })
    }

    async fn of_run<T>(
        &self,
        table: &Table,
        run: &str,
        read: impl Fn(&Row) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, Error> {
        let statement = format!("SELECT {} FROM {} WHERE run = $1 ORDER BY position", table.names(), table.name);
        let rows = self.rows(statement, &values![run]).await?;
        let all: Result<Vec<T>, sqlx::Error> = rows.iter().map(read).collect();
        all.map_err(|error| Fault::from(error).at(self.target()))
    }
}

/// The variant of the word in that column.
fn of<T: for<'de> serde::Deserialize<'de>>(row: &Row, column: usize) -> Result<Option<T>, sqlx::Error> {
    Ok(row.text(column)?.and_then(of_word))
}

pub(super) fn finding(row: &Row) -> Result<Finding, sqlx::Error> {
    Ok(Finding {
        severity: of(row, 0)?.unwrap_or(Severity::Ok),
        subject: row.get(1)?,
        title: row.get(2)?,
        detail: row.get(3)?,
        remedy: row.get(4)?,
    })
}

pub(super) fn metric(row: &Row) -> Result<Metric, sqlx::Error> {
    Ok(Metric {
        name: row.get(0)?,
        subject: row.get(1)?,
        value: row.get(2)?,
        unit: of(row, 3)?.unwrap_or(Unit::None),
        warn: bounds(row, 4)?,
        crit: bounds(row, 6)?,
    })
}

/// Bounds whose ends are in two columns.
pub(super) fn bounds(row: &Row, from: usize) -> Result<Option<Bounds>, sqlx::Error> {
    let (low, high): (Option<f64>, Option<f64>) = (row.get(from)?, row.get(from + 1)?);
    Ok((low.is_some() || high.is_some()).then_some(Bounds { low, high }))
}

pub(super) fn next_action(row: &Row) -> Result<NextAction, sqlx::Error> {
    Ok(NextAction { action: row.get(0)?, subject: row.get(1)? })
}

fn log_line(row: &Row) -> Result<LogLine, sqlx::Error> {
    Ok(LogLine { level: row.get::<String>(0)?.into(), message: row.get(1)? })
}

fn effect(row: &Row) -> Result<Entry, sqlx::Error> {
    let reason: Option<String> = row.get(8)?;
    let outcome = match row.text(7)?.unwrap_or_default() {
        "done" => EffectOutcome::Done,
        "failed" => EffectOutcome::Failed(reason.unwrap_or_default()),
        "refused" => EffectOutcome::Refused(reason.unwrap_or_default()),
        _ => EffectOutcome::Abandoned,
    };
    let optional = |column| Ok::<_, sqlx::Error>(row.get::<Option<i64>>(column)?.map(i64::unsigned_abs));
    Ok(Entry {
        sequence: row.count(0)?,
        effect: Effect {
            capability: row.get::<String>(1)?.into(),
            slot: row.get::<String>(2)?.into(),
            operation: row.get::<String>(3)?.into(),
            impact: of(row, 4)?.unwrap_or(Impact::Observe),
            target: row.get(5)?,
        },
        decision: of(row, 6)?.unwrap_or(Decision::Perform),
        outcome,
        rows: optional(9)?,
        bytes: optional(10)?,
        // It is not recorded: traces are made of what has just run.
        offset: Duration::ZERO,
        duration: Duration::from_micros(row.count(11)?),
    })
}
