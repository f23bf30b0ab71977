//! One index's turn: the call, what becomes of its failure, and the tally that the report's totals come from.

use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{count, counted, size};

use crate::choice::Limits;

/// How one rebuild went.
pub(crate) enum Turn {
    /// Done; in a rehearsal, listed.
    Done,
    /// Somebody holds a lock, or it took longer than a statement may.
    TimedOut(String),
    /// The grant leaves it out.
    Refused(String),
    /// The database would not.
    Failed(String),
}

/// Rebuilds an index, or all of a table.
///
/// # Errors
/// What would fail for every other one too: the connection is gone, the budget is spent.
pub(crate) async fn reindex(database: &sql::Database, target: sql::IndexTarget, concurrently: bool) -> Result<Turn> {
    match database.reindex(target, concurrently).await {
        Ok(()) => Ok(Turn::Done),
        Err(sql::Error::TimedOut(message)) => Ok(Turn::TimedOut(message)),
        Err(sql::Error::Refused(message)) => Ok(Turn::Refused(message)),
        Err(sql::Error::Unsupported(message)) => Ok(Turn::Failed(message)),
        Err(sql::Error::Database(error)) => Ok(Turn::Failed(format!("{} (code {})", error.message, error.code))),
        Err(error) => Err(error.into()),
    }
}

/// Reports that `subject` was left as it is.
pub(crate) fn left(subject: &str, turn: &Turn, remedy: &str) {
    let (title, detail, remedy) = match turn {
        Turn::Done => return,
        Turn::TimedOut(message) => ("left: timed out", message, remedy),
        Turn::Refused(message) => ("left: not granted", message, "widen the grant, or leave it out"),
        Turn::Failed(message) => ("left: the database refused", message, remedy),
    };
    Finding::warning(subject, title).detail(detail).remedy(remedy).report();
}

/// What was done, for the totals.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) rebuilt: usize,
    pub(crate) left: usize,
    pub(crate) before: u64,
    pub(crate) after: u64,
}

impl Tally {
    /// Counts one that went from `before` to `after` bytes.
    pub(crate) fn rebuilt(&mut self, before: u64, after: u64) {
        self.rebuilt += 1;
        self.before += before;
        self.after += after;
    }

    /// The metrics that every database has. In a rehearsal nothing was rebuilt, and nothing is claimed.
    pub(crate) fn report(&self) {
        number("indexes_left", self.left as u64).report();
        if !rehearsing() {
            number("indexes_rebuilt", self.rebuilt as u64).report();
            bytes("bytes_freed", self.before.saturating_sub(self.after)).report();
        }
    }

    /// The whole in one line; `all` is how many there are: `3 indexes`.
    pub(crate) fn summary(&self, all: &str, chosen: usize, gain: u64, limits: &Limits) -> String {
        let left = if self.left > 0 { format!("; {} left", count(self.left as u64)) } else { String::new() };
        let of = format!("{} of {}", count(self.rebuilt as u64), all);
        if chosen == 0 && self.left == 0 {
            return format!(
                "nothing to rebuild: none of {} would give back {} that are {:.0} % of it",
                all,
                size(limits.bytes),
                limits.percent
            );
        }
        if self.rebuilt == 0 {
            return format!("nothing rebuilt{left}");
        }
        if rehearsing() {
            return format!("would rebuild {of}, to win {}{left}", size(gain));
        }
        format!("rebuilt {of}: {} before, {} after{left}", size(self.before), size(self.after))
    }
}

/// `1 index`, `3 indexes`.
pub(crate) fn indexes(number: impl TryInto<u64>) -> String {
    counted(number, "index").replace("indexs", "indexes")
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
fn float(value: u64) -> f64 {
    value as f64
}
