//! What the figures mean. Pure: it must never ask a server or report anything itself.

mod clients;
mod fragmentation;
mod limit;

use taskhost_sdk::prelude::*;
use taskhost_sdk::report::Severity;
use taskhost_sdk::words::{count, size, span};

use crate::figures::{Figures, Holder};
use crate::snapshot::Snapshot;

pub(crate) use fragmentation::ratio;

/// Share of what is used, beside the empty server's and buffers, that may be overhead, in per cent.
const OVERHEAD: f64 = 75.0;
/// Scripts in the cache from which they are made, not written.
const SCRIPTS: u64 = 1_000;
/// Runs closer to each other say nothing about where the memory is going.
const SHORTEST: u64 = 600;

/// From when something is out of order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) warn_percent: f64,
    pub(crate) critical_percent: f64,
    /// Used memory below which shares and ratios are not judged.
    pub(crate) floor: u64,
    pub(crate) fragmentation: f64,
    pub(crate) no_maxmemory: Severity,
    pub(crate) client_memory: u64,
    pub(crate) buffers_percent: f64,
    pub(crate) evictions_per_hour: u64,
    pub(crate) jump_percent: f64,
    /// Seconds.
    pub(crate) full_within: u64,
}

/// All that is wrong, the limit first.
pub(crate) fn judge(
    figures: &Figures,
    holders: &[Holder],
    previous: Option<&Snapshot>,
    now: u64,
    limits: &Limits,
) -> Vec<Finding> {
    let mut findings = limit::judge(figures, limits);
    findings.extend(evictions(figures, previous, now, limits));
    findings.extend(fragmentation::judge(figures, limits));
    findings.extend(clients::judge(figures, holders, limits));
    findings.extend(overhead(figures, limits));
    findings.extend(scripts(figures));
    if let Some(previous) = previous {
        findings.extend(jump(figures, previous, now, limits));
        findings.extend(filling(figures, previous, now, limits));
    }
    findings
}

/// `part` of `whole` in per cent; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "a share is shown with one decimal")]
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// Whether shares of what is used mean something.
fn is_sizeable(figures: &Figures, limits: &Limits) -> bool {
    figures.used >= limits.floor
}

/// Keys that had to go since the last run of the same server, or without one since it started: at most so many an hour,
/// and a shorter time counts as an hour.
fn evictions(figures: &Figures, previous: Option<&Snapshot>, now: u64, limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    if figures.exceeded_ms > 0 {
        findings.push(
            Finding::critical("eviction", "eviction does not keep up")
                .detail(format!("over maxmemory for {} ms by now", count(figures.exceeded_ms)))
                .remedy("raise maxmemory or slow the writers; `maxmemory-eviction-tenacity` lets it evict harder"),
        );
    }
    let same = previous.filter(|previous| previous.run_id == figures.run_id && previous.evicted <= figures.evicted);
    let (evicted, seconds, since) = match same {
        Some(previous) => (figures.evicted - previous.evicted, now.saturating_sub(previous.at), "since the last run"),
        None => (figures.evicted, figures.uptime, "since the server started"),
    };
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
    let hourly = (evicted as f64 / (seconds as f64 / 3_600.0).max(1.0)) as u64;
    if evicted > 0 && hourly >= limits.evictions_per_hour {
        findings.push(
            Finding::warning("eviction", "many keys are evicted")
                .detail(format!(
                    "{} evicted {since} ({}), some {} an hour; policy {}",
                    count(evicted),
                    span(seconds),
                    count(hourly),
                    figures.policy
                ))
                .remedy(
                    "raise maxmemory, or give keys shorter TTLs; if this is how the cache is meant to work, raise \
                         evictions-per-hour",
                ),
        );
    }
    findings
}

/// What is neither keys and values nor buffers, which are judged by themselves.
fn overhead(figures: &Figures, limits: &Limits) -> Option<Finding> {
    let buffers = figures.clients.saturating_add(figures.replication);
    let beyond = figures.used.saturating_sub(figures.startup).saturating_sub(buffers);
    let overhead = figures.overhead.saturating_sub(figures.startup).saturating_sub(buffers);
    let share = percent(overhead, beyond);
    (is_sizeable(figures, limits) && share > OVERHEAD).then(|| {
        Finding::warning("memory", "more overhead than data")
            .detail(format!(
                "{share:.1}% of {} are no keys or values: {} for scripts, the rest for the tables of {} keys",
                size(beyond),
                size(figures.scripts),
                count(figures.keys)
            ))
            .remedy("keep many small values together as fields of hashes")
    })
}

fn scripts(figures: &Figures) -> Option<Finding> {
    (figures.cached_scripts >= SCRIPTS).then(|| {
        Finding::warning("scripts", "many cached scripts")
            .detail(format!(
                "{} scripts, {} with the interpreters",
                count(figures.cached_scripts),
                size(figures.scripts)
            ))
            .remedy(
                "pass what differs in KEYS and ARGV rather than in the script's text, then run SCRIPT FLUSH ASYNC once",
            )
    })
}

/// More or less by a good part since the last run.
fn jump(figures: &Figures, previous: &Snapshot, now: u64, limits: &Limits) -> Option<Finding> {
    let (before, after) = (previous.used, figures.used);
    let change = percent(after.abs_diff(before), before);
    if before.max(after) < limits.floor || change < limits.jump_percent {
        return None;
    }
    let restarted = if previous.run_id == figures.run_id { "" } else { "; the server was started again since" };
    let ago = span(now.saturating_sub(previous.at));
    let (title, sign, remedy) = if after > before {
        ("memory jumped", '+', "see what grew with redis-keys, and which client writes it")
    } else {
        ("memory fell", '-', "see whether keys were removed on purpose, and what INFO says of the last load")
    };
    let detail = format!("{} now, {} before, {ago} ago ({sign}{change:.1}%){restarted}", size(after), size(before));
    Some(Finding::warning("memory", title).detail(detail).remedy(remedy))
}

/// When it will be full, if it goes on like this.
fn filling(figures: &Figures, previous: &Snapshot, now: u64, limits: &Limits) -> Option<Finding> {
    let (limit, of) = match (figures.maxmemory, figures.system) {
        (0, system) => (system?, "the machine's memory"),
        (maxmemory, _) if figures.fails_when_full() => (maxmemory, "maxmemory"),
        _ => return None,
    };
    let elapsed = now.checked_sub(previous.at).filter(|seconds| *seconds >= SHORTEST)?;
    let grown = figures.used.checked_sub(previous.used).filter(|bytes| *bytes > 0)?;
    if previous.run_id != figures.run_id || !is_sizeable(figures, limits) {
        return None;
    }
    let left = u128::from(limit.saturating_sub(figures.counted()));
    let seconds = u64::try_from(left * u128::from(elapsed) / u128::from(grown)).unwrap_or(u64::MAX);
    (seconds < limits.full_within).then(|| {
        Finding::warning("memory", "full soon")
            .detail(format!(
                "{} more in {}: at this rate {of} ({}) is reached in {}",
                size(grown),
                span(elapsed),
                size(limit),
                span(seconds)
            ))
            .remedy("see what grows with redis-keys; raise the limit, or let keys expire, before it is reached")
    })
}

#[cfg(test)]
mod tests;
