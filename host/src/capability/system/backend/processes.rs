//! What runs: the name that a process gave itself, never its arguments or its environment, which may hold secrets.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt as _;
use std::time::Instant;

use procfs_core::prelude::*;
use procfs_core::process::Stat;
use procfs_core::{SystemInfoInterface as _, Uptime};

use super::{Error, Roots, info, read as read_file};
use crate::capability::system::bindings::Process;
use crate::policy::text::clean_line;

/// Bytes of a name; the kernel keeps 15, and more for its own threads.
const NAME_LIMIT: usize = 64;

/// Ticks that each process had used at one time, by its number and the tick of its start, as numbers are used again.
pub(super) struct Used {
    at: Instant,
    ticks: HashMap<(i32, u64), u64>,
}

pub(super) fn read(roots: &Roots) -> Result<Used, Error> {
    let at = Instant::now();
    let ticks = all(roots)?.map(|stat| ((stat.pid, stat.starttime), ticks(&stat))).collect();
    Ok(Used { at, ticks })
}

/// The processes that took most time since, and as many that hold most memory, the busiest first.
pub(super) fn most(roots: &Roots, before: &Used, limit: usize) -> Result<Vec<Process>, Error> {
    let seconds = before.at.elapsed().as_secs_f64();
    let found: Vec<(u64, Stat)> = all(roots)?
        .map(|stat| {
            // One that has started since has used all of its time since.
            let earlier = before.ticks.get(&(stat.pid, stat.starttime)).copied().unwrap_or(0);
            (ticks(&stat).saturating_sub(earlier), stat)
        })
        .collect();
    let mut chosen: Vec<&(u64, Stat)> = Vec::new();
    for key in [|(used, _): &&(u64, Stat)| Reverse(*used), |(_, stat): &&(u64, Stat)| Reverse(stat.rss)] {
        let mut order: Vec<_> = found.iter().collect();
        order.sort_by_key(key);
        chosen.extend(order.into_iter().take(limit));
    }
    chosen.sort_by_key(|(used, stat)| (Reverse(*used), Reverse(stat.rss), stat.pid));
    chosen.dedup_by_key(|(_, stat)| stat.pid);
    let uptime = roots.parsed::<Uptime>("uptime")?.uptime_duration().as_secs();
    let (users, info) = (users(roots), info());
    let process = |(used, stat): &(u64, Stat)| {
        let share = seconds_of(*used) / seconds * 100.0;
        Process {
            id: stat.pid.unsigned_abs(),
            name: clean_line(&stat.comm, NAME_LIMIT),
            user: user(roots, &users, stat.pid),
            busy_percent: if share.is_finite() { share } else { 0.0 },
            memory: stat.rss.saturating_mul(info.page_size()),
            age: uptime.saturating_sub(stat.starttime / info.ticks_per_second().max(1)),
        }
    };
    Ok(chosen.into_iter().map(process).collect())
}

/// Every process that there is, but those that end meanwhile or that this user may not see.
fn all(roots: &Roots) -> Result<impl Iterator<Item = Stat> + use<>, Error> {
    let unreadable =
        |error| Error::Unavailable(format!("failed to list the processes in {}: {error}", roots.proc.display()));
    let entries = std::fs::read_dir(&roots.proc).map_err(unreadable)?;
    let numbered = entries.filter_map(Result::ok).filter(|entry| {
        entry.file_name().to_str().is_some_and(|name| name.bytes().all(|digit| digit.is_ascii_digit()))
    });
    Ok(numbered.filter_map(|entry| Stat::from_read(read_file(&entry.path().join("stat")).ok()?.as_bytes()).ok()))
}

fn ticks(stat: &Stat) -> u64 {
    stat.utime.saturating_add(stat.stime)
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a minute")]
fn seconds_of(ticks: u64) -> f64 {
    ticks as f64 / info().ticks_per_second().max(1) as f64
}

/// The users' names by their numbers, as far as they are this machine's own.
fn users(roots: &Roots) -> BTreeMap<u32, String> {
    let file = read_file(&roots.etc.join("passwd")).unwrap_or_default();
    let user = |line: &str| {
        let mut fields = line.split(':');
        let name = clean_line(fields.next()?, NAME_LIMIT);
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    file.lines().filter_map(user).collect()
}

fn user(roots: &Roots, users: &BTreeMap<u32, String>, process: i32) -> String {
    // One that ended meanwhile has no directory any more.
    let Ok(directory) = roots.proc.join(process.to_string()).metadata() else { return "?".into() };
    users.get(&directory.uid()).cloned().unwrap_or_else(|| directory.uid().to_string())
}
