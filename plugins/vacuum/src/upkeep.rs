//! One table's turn: the call, what becomes of its failure, and the tally that the report's totals come from.

use taskhost_sdk::prelude::*;

use crate::judge::Level;

/// How one table's vacuum went.
pub(crate) enum Turn {
    /// Done; in a rehearsal, listed.
    Done,
    /// Somebody holds a lock on it, or it took longer than a statement may.
    TimedOut(String),
    /// The grant leaves it out.
    Refused(String),
    /// The database would not.
    Failed(String),
}

/// Vacuums one table, or the whole database.
///
/// # Errors
/// What would fail for every other table too: the connection is gone, the budget is spent.
pub(crate) async fn vacuum(database: &sql::Database, table: Option<sql::Table>, analyze: bool) -> Result<Turn> {
    match database.vacuum(table, analyze).await {
        Ok(()) => Ok(Turn::Done),
        Err(sql::Error::TimedOut(message)) => Ok(Turn::TimedOut(message)),
        Err(sql::Error::Refused(message)) => Ok(Turn::Refused(message)),
        Err(sql::Error::Unsupported(message)) => Ok(Turn::Failed(message)),
        Err(sql::Error::Database(error)) => Ok(Turn::Failed(format!("{} (code {})", error.message, error.code))),
        Err(error) => Err(error.into()),
    }
}

/// A finding of that level.
pub(crate) fn finding(level: Level, subject: &str, title: &str) -> Finding {
    match level {
        Level::Warning => Finding::warning(subject, title),
        Level::Critical => Finding::critical(subject, title),
    }
}

/// Reports that `subject` was left as it is because the grant or the database would not.
pub(crate) fn skipped(subject: &str, turn: &Turn, remedy: &str) {
    let (title, detail, remedy) = match turn {
        Turn::Done => return,
        Turn::TimedOut(message) => ("skipped: timed out", message, remedy),
        Turn::Refused(message) => ("skipped: not granted", message, "widen the grant, or leave it out with `tables`"),
        Turn::Failed(message) => ("skipped: the database refused", message, remedy),
    };
    Finding::warning(subject, title).detail(detail).remedy(remedy).report();
}

/// What was done, for the totals.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) vacuumed: usize,
    pub(crate) skipped: usize,
    pub(crate) freed: u64,
}

impl Tally {
    /// Counts something that went from `before` to `after` bytes.
    pub(crate) fn vacuumed(&mut self, before: u64, after: u64) {
        self.vacuumed += 1;
        self.freed += before.saturating_sub(after);
    }

    /// The metrics that every database has. In a rehearsal nothing was freed, and nothing is claimed.
    pub(crate) fn report(&self, database_bytes: u64) {
        bytes("database_bytes", database_bytes).report();
        number("tables_skipped", self.skipped as u64).report();
        if !rehearsing() {
            number("tables_vacuumed", self.vacuumed as u64).report();
            bytes("bytes_freed", self.freed).report();
        }
    }
}

/// A metric of a plain number.
pub(crate) fn number(name: &str, value: u64) -> Metric {
    Metric::new(name, float(value))
}

/// A metric in bytes.
pub(crate) fn bytes(name: &str, value: u64) -> Metric {
    Metric::new(name, float(value)).unit(Unit::Bytes)
}

/// For a metric: exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "a metric's value is a float")]
pub(crate) fn float(value: u64) -> f64 {
    value as f64
}

/// A figure that the database gives signed and that is never below zero.
pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
