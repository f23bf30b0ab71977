//! What is worth a vacuum, in which order, and how bad what stands in its way is. Pure: figures in, judgement out; it
//! must never ask a database or report anything itself.

/// Transactions after which PostgreSQL's counter would begin to overtake the oldest row.
pub(crate) const XID_LIMIT: i64 = 1 << 31;
/// From here PostgreSQL 14 and later drop every courtesy to get rows frozen (`vacuum_failsafe_age`'s default).
const XID_CRITICAL: i64 = 1_600_000_000;
/// Sixty per cent of the way, whatever `autovacuum_freeze_max_age` was set to.
const XID_WARNING: i64 = 1_288_000_000;
/// Transactions that began since a holder's snapshot, from which it is critical: autovacuum's own alarm by default.
const HELD_CRITICAL: i64 = 200_000_000;
/// The same for a slot in use, which is always a little behind.
const HELD_WARNING: i64 = 1_000_000;
/// Changes that `InnoDB` keeps for old snapshots, from which reads get slow.
const HISTORY_WARNING: u64 = 1_000_000;
/// Ten times as many.
const HISTORY_CRITICAL: u64 = 10_000_000;
/// A transaction this many times as old as the threshold is critical.
const LONG_CRITICAL: u64 = 24;

/// How bad something is; what is in order has no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// To be looked at.
    Warning,
    /// To be ended now.
    Critical,
}

/// `part` of `whole` in per cent; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "a share is shown with one decimal")]
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// From when waste is worth the work: both must be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Thresholds {
    /// Share of the whole that is waste, in per cent.
    pub(crate) percent: u32,
    /// Rows or bytes.
    pub(crate) least: u64,
}

impl Thresholds {
    /// Whether `waste` of `whole` is worth the work.
    pub(crate) fn reached(self, waste: u64, whole: u64) -> bool {
        waste > 0 && waste >= self.least && percent(waste, whole) >= f64::from(self.percent)
    }
}

/// Why a PostgreSQL table is vacuumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Its oldest rows must be frozen.
    Age,
    /// Dead rows.
    Dead,
}

/// A PostgreSQL table's figures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rows {
    pub(crate) live: u64,
    pub(crate) dead: u64,
    /// With indexes and TOAST.
    pub(crate) bytes: u64,
    /// Transactions since its oldest unfrozen row.
    pub(crate) age: i64,
}

impl Rows {
    /// Dead rows among all, in per cent.
    pub(crate) fn percent(self) -> f64 {
        percent(self.dead, self.live.saturating_add(self.dead))
    }

    /// Whether it is to be vacuumed, and why. Age goes before dead rows: it ends in a database that stands still.
    pub(crate) fn reason(self, thresholds: Thresholds, freeze_max_age: i64) -> Option<Reason> {
        if self.age >= freeze_max_age {
            return Some(Reason::Age);
        }
        thresholds.reached(self.dead, self.live.saturating_add(self.dead)).then_some(Reason::Dead)
    }

    /// The smaller, the sooner: aged tables by age, then the others by the space that their dead rows take.
    pub(crate) fn order(self, reason: Reason) -> (bool, std::cmp::Reverse<u64>) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, never negative")]
        let wasted = (f64::from(u32::try_from(self.bytes >> 10).unwrap_or(u32::MAX)) * self.percent()) as u64;
        match reason {
            Reason::Age => (false, std::cmp::Reverse(self.age.unsigned_abs())),
            Reason::Dead => (true, std::cmp::Reverse(wasted)),
        }
    }
}

/// Transactions from which a wraparound age is out of order, and from which it is critical. A quarter above
/// `autovacuum_freeze_max_age`, where autovacuum should have dealt with it.
pub(crate) fn age_bounds(freeze_max_age: i64) -> (i64, i64) {
    ((freeze_max_age + freeze_max_age / 4).min(XID_WARNING), XID_CRITICAL)
}

/// How bad a wraparound age is.
pub(crate) fn age_level(age: i64, freeze_max_age: i64) -> Option<Level> {
    let (warning, critical) = age_bounds(freeze_max_age);
    level(age >= warning, age >= critical)
}

/// How bad a session or a prepared transaction is that holds dead rows back. `seconds` is how long it has been open,
/// where it can be seen; `held` is how many transactions began since its snapshot.
pub(crate) fn transaction_level(seconds: Option<u64>, held: i64, long: u64) -> Option<Level> {
    let far = seconds.is_some_and(|seconds| seconds >= long.saturating_mul(LONG_CRITICAL));
    let old = seconds.map_or(held >= HELD_WARNING, |seconds| seconds >= long);
    level(old, far || held >= HELD_CRITICAL)
}

/// How bad a replication slot is: one that nobody reads holds for ever, one in use only when it is far behind.
pub(crate) fn slot_level(active: bool, held: i64) -> Option<Level> {
    level(!active || held >= HELD_WARNING, held >= HELD_CRITICAL)
}

/// How bad `InnoDB`'s list of changes not yet purged is.
pub(crate) fn history_level(length: u64) -> Option<Level> {
    level(length >= HISTORY_WARNING, length >= HISTORY_CRITICAL)
}

/// The bounds of [`history_level`], for the metric.
pub(crate) const HISTORY_BOUNDS: (u64, u64) = (HISTORY_WARNING, HISTORY_CRITICAL);

fn level(warning: bool, critical: bool) -> Option<Level> {
    if critical { Some(Level::Critical) } else { warning.then_some(Level::Warning) }
}

/// Whether to write a table or a file anew to win its free space back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rewrite {
    /// It has too little free space to be worth it.
    Leave,
    /// Worth it.
    Do,
    /// Worth it, but bigger than the operator allows.
    TooBig,
}

/// Whether to rewrite something of `size` bytes, of which `free` are free; `limit` is absent where it was named.
pub(crate) fn rewrite(free: u64, size: u64, thresholds: Thresholds, limit: Option<u64>) -> Rewrite {
    if !thresholds.reached(free, size) {
        Rewrite::Leave
    } else if limit.is_some_and(|limit| size - free.min(size) > limit) {
        Rewrite::TooBig
    } else {
        Rewrite::Do
    }
}

/// Whether one of `names` (`table` or `schema.table`) means this table.
pub(crate) fn is_named(names: &[String], schema: &str, table: &str) -> bool {
    names.iter().any(|name| matches(name, schema, table))
}

fn matches(name: &str, schema: &str, table: &str) -> bool {
    name == table || name.strip_prefix(schema).and_then(|rest| rest.strip_prefix('.')).is_some_and(|rest| rest == table)
}

/// Those of `names` that mean no table in `present`.
pub(crate) fn missing<'a>(names: &'a [String], present: &[(String, String)]) -> Vec<&'a str> {
    let known = |name: &str| present.iter().any(|(schema, table)| matches(name, schema, table));
    names.iter().map(String::as_str).filter(|name| !known(name)).collect()
}

#[cfg(test)]
mod tests;
