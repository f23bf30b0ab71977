//! Whether what the server holds would survive, and whether its replicas have it. Pure: it must never ask a server or
//! report anything itself.

mod disk;
mod replication;

use taskhost_sdk::prelude::*;
use taskhost_sdk::report::Severity;
use taskhost_sdk::words::span;

use crate::figures::Figures;

/// From when something is out of order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Seconds since the last save, while there are changes.
    pub(crate) max_age: u64,
    /// Seconds that a save or a rewrite may take.
    pub(crate) slow_save: u64,
    /// Microseconds.
    pub(crate) slow_fork: u64,
    /// Waits for the disk an hour.
    pub(crate) delays_per_hour: u64,
    pub(crate) unpersisted: Severity,
    /// Seconds since a replica or a master was last heard of.
    pub(crate) max_silence: u64,
    /// Bytes that a replica may be behind.
    pub(crate) max_lag: u64,
    pub(crate) min_replicas: u64,
}

/// How many times over a limit it is critical.
pub(crate) const CRITICAL: u64 = 10;

/// All that is wrong, the worst for the data first.
pub(crate) fn judge(figures: &Figures, now: u64, limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(loading) = &figures.loading {
        let percent = loading.percent.map_or(String::new(), |percent| format!(", {percent:.1}% done"));
        let rest = loading.remaining.map_or(String::new(), |seconds| format!(", about {} to go", span(seconds)));
        findings.push(
            Finding::critical("server", "loading")
                .detail(format!("up for {}{percent}{rest}", span(figures.uptime)))
                .remedy("wait until it is loaded; clients get LOADING until then"),
        );
    }
    findings.extend(disk::judge(figures, now, limits));
    findings.extend(replication::judge(figures, limits));
    findings
}

/// A warning from `limit` on, critical from ten times as much.
fn level(value: u64, limit: u64) -> Option<Severity> {
    if value >= limit.saturating_mul(CRITICAL) {
        Some(Severity::Critical)
    } else {
        (value >= limit).then_some(Severity::Warning)
    }
}

#[cfg(test)]
mod tests;
