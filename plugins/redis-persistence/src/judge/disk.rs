//! What is on the disk: snapshots, the append-only file, and what saving costs.

use taskhost_sdk::prelude::*;
use taskhost_sdk::report::Severity;
use taskhost_sdk::words::{count, counted, size, span};

use super::{CRITICAL, Limits, level};
use crate::figures::{Aof, Figures, Rdb, Role};

/// Times its size after the last rewrite at which an append-only file should have been rewritten, whatever it is set to.
const GROWN: u64 = 10;
/// A file below this is rewritten in no time, and grows manyfold in no time too.
const SMALL: u64 = 256 << 20;
/// Failed rewrites one after the other that are no accident.
const FAILURES: u64 = 3;

pub(super) fn judge(figures: &Figures, now: u64, limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    if saves_nothing(figures) {
        findings.push(unpersisted(figures, limits));
    }
    findings.extend(failed_save(figures));
    if saves_snapshots(figures) {
        findings.extend(overdue(figures, now, limits));
    }
    findings.extend(slow("snapshot", "save takes long", figures.rdb.running, limits));
    if let Some(aof) = &figures.aof {
        findings.extend(append_only(aof, figures, limits));
    }
    findings.extend(fork(figures, limits));
    findings
}

/// Whether the server saves snapshots by itself. Where CONFIG cannot be asked, one that has saved does.
fn saves_snapshots(figures: &Figures) -> bool {
    match &figures.settings.save {
        Some(rules) => !rules.trim().is_empty(),
        None => figures.rdb.saves.is_none_or(|saves| saves > 0),
    }
}

fn saves_nothing(figures: &Figures) -> bool {
    figures.aof.is_none() && !saves_snapshots(figures)
}

fn unpersisted(figures: &Figures, limits: &Limits) -> Finding {
    let replicas = figures.replicas.len() as u64;
    let danger = if figures.role == Role::Master && replicas > 0 {
        format!("; when it restarts empty, its {} will empty themselves too", counted(replicas, "replica"))
    } else {
        String::new()
    };
    let by_hand = match figures.rdb.saves {
        Some(saves) if saves > 0 => format!("; {} by hand or for replicas since it started", counted(saves, "save")),
        _ => String::new(),
    };
    Finding::new(limits.unpersisted, "server", "no persistence")
        .detail(format!("no save rules, and the append-only file is off{by_hand}{danger}"))
        .remedy(
            "set `save` or `appendonly yes` if the data is to survive a restart; for a mere cache say unpersisted=ok",
        )
}

fn failed_save(figures: &Figures) -> Option<Finding> {
    let Rdb { good, changes, last_save, .. } = figures.rdb;
    if good {
        return None;
    }
    let refused = match figures.settings.stops_writes {
        Some(true) => "; writes are refused until one succeeds (stop-writes-on-bgsave-error)",
        Some(false) => "; writes go on, and nobody else says so (stop-writes-on-bgsave-error is no)",
        None => "",
    };
    let since = figures.now.filter(|_| last_save > 0).map(|now| span(now.saturating_sub(last_save)));
    let since = since.map_or(String::new(), |age| format!(", the last good one {age} ago"));
    Some(
        Finding::critical("snapshot", "last save failed")
            .detail(format!("{} not saved{since}{refused}", counted(changes, "change")))
            .remedy(
                "see the server's log: a full disk, a directory it may not write to, or no memory to fork \
                     (vm.overcommit_memory=1)",
            ),
    )
}

/// Only while there is something to save: the age of a snapshot of data that has not changed since says nothing.
fn overdue(figures: &Figures, now: u64, limits: &Limits) -> Option<Finding> {
    let Rdb { last_save, changes, saves, running, .. } = figures.rdb;
    let age = now.saturating_sub(last_save);
    if last_save == 0 || changes == 0 || running.is_some() || age < limits.max_age {
        return None;
    }
    let severity = if age >= limits.max_age.saturating_mul(CRITICAL) { Severity::Critical } else { Severity::Warning };
    // With an append-only file the changes are there as well.
    let severity = if figures.aof.is_some() { Severity::Warning } else { severity };
    let never = if saves == Some(0) { "; none since the server started" } else { "" };
    Some(
        Finding::new(severity, "snapshot", "snapshot is old")
            .detail(format!("{} old, {} since{never}", span(age), counted(changes, "change")))
            .remedy("run BGSAVE and see that it ends well; see whether `save` has a rule for few changes, as `3600 1`"),
    )
}

fn slow(subject: &str, title: &str, running: Option<u64>, limits: &Limits) -> Option<Finding> {
    let seconds = running.filter(|seconds| *seconds >= limits.slow_save)?;
    Some(
        Finding::warning(subject, title)
            .detail(format!("running for {}", span(seconds)))
            .remedy("see how busy the disk is; until it ends, every page that changes is copied in memory"),
    )
}

fn append_only(aof: &Aof, figures: &Figures, limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !aof.write_good {
        findings.push(
            Finding::critical("append-only file", "last write failed")
                .detail("the server could not write to the file, and refuses writes until it can")
                .remedy("see whether the disk is full or broken, and the server's log"),
        );
    }
    let failures = aof.failures.unwrap_or_default();
    if !aof.rewrite_good {
        let severity = if failures >= FAILURES { Severity::Critical } else { Severity::Warning };
        let times = if failures > 0 {
            format!("{} one after the other; ", counted(failures, "failure"))
        } else {
            String::new()
        };
        findings.push(
            Finding::new(severity, "append-only file", "last rewrite failed")
                .detail(format!("{times}the file grows, {} by now", size(aof.size)))
                .remedy("see the server's log: room for a second file, and memory to fork, then run BGREWRITEAOF"),
        );
    }
    findings.extend(slow("append-only file", "rewrite takes long", aof.running, limits));
    if aof.size >= SMALL && aof.base > 0 && aof.size >= aof.base.saturating_mul(GROWN) && aof.running.is_none() {
        let never = if figures.settings.rewrite_percent == Some(0) { "; auto-aof-rewrite-percentage is 0" } else { "" };
        findings.push(
            Finding::warning("append-only file", "file has grown")
                .detail(format!("{}, {} after the last rewrite{never}", size(aof.size), size(aof.base)))
                .remedy("run BGREWRITEAOF, and set auto-aof-rewrite-percentage; a restart has to read all of it"),
        );
    }
    findings.extend(delays(aof, figures, limits));
    findings
}

/// At most so many an hour since the server started; a shorter time counts as an hour.
fn delays(aof: &Aof, figures: &Figures, limits: &Limits) -> Option<Finding> {
    let hourly = aof.delayed.saturating_mul(3_600) / figures.uptime.max(3_600);
    let severity = level(hourly, limits.delays_per_hour).filter(|_| aof.delayed > 0)?;
    let fsync = figures.settings.fsync.as_deref().map_or(String::new(), |fsync| format!("; appendfsync {fsync}"));
    Some(
        Finding::new(severity, "append-only file", "writes wait for the disk")
            .detail(format!(
                "{} in {} (aof_delayed_fsync), some {} an hour{fsync}",
                counted(aof.delayed, "time"),
                span(figures.uptime),
                count(hourly)
            ))
            .remedy(
                "give it a faster disk of its own, or set no-appendfsync-on-rewrite yes and accept what that can lose",
            ),
    )
}

/// The server stands still while it forks.
fn fork(figures: &Figures, limits: &Limits) -> Option<Finding> {
    let severity = level(figures.fork_us, limits.slow_fork)?;
    Some(
        Finding::new(severity, "server", "forks slowly")
            .detail(format!(
                "the last fork stopped it for {} ms, with {} used",
                count(figures.fork_us / 1_000),
                size(figures.used)
            ))
            .remedy(
                "switch transparent huge pages off, split the data over several servers, or save on a replica only",
            ),
    )
}
