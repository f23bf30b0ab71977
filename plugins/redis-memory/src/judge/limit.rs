//! How far it is to the limit: `maxmemory`, or else the machine's memory.

use taskhost_sdk::prelude::*;
use taskhost_sdk::report::Severity;
use taskhost_sdk::words::{count, size};

use super::{Limits, percent};
use crate::figures::Figures;

pub(super) fn judge(figures: &Figures, limits: &Limits) -> Vec<Finding> {
    if figures.maxmemory == 0 {
        return vec![unlimited(figures, limits)];
    }
    [nothing_to_evict(figures), headroom(figures, limits), machine(figures, limits)].into_iter().flatten().collect()
}

fn level(percent: f64, limits: &Limits) -> Option<Severity> {
    if percent >= limits.critical_percent {
        Some(Severity::Critical)
    } else {
        (percent >= limits.warn_percent).then_some(Severity::Warning)
    }
}

/// Without a limit the machine's own is what ends it: the system kills the process.
fn unlimited(figures: &Figures, limits: &Limits) -> Finding {
    let (severity, share) = match figures.system {
        None => (limits.no_maxmemory, "the machine's memory is not known".into()),
        Some(system) => {
            let share = percent(figures.rss.max(figures.used), system);
            let severity = level(share, limits).map_or(limits.no_maxmemory, |level| level.max(limits.no_maxmemory));
            (severity, format!("{} resident, {share:.1}% of the machine's {}", size(figures.rss), size(system)))
        }
    };
    Finding::new(severity, "maxmemory", "no maxmemory").detail(format!("{} used; {share}", size(figures.used))).remedy(
        "set maxmemory below what the machine or the container has, with room for forks and buffers, and a policy",
    )
}

fn nothing_to_evict(figures: &Figures) -> Option<Finding> {
    let volatile = figures.policy.starts_with("volatile-");
    (volatile && !figures.is_replica && figures.keys > 0 && figures.expiring == 0).then(|| {
        Finding::warning("eviction", "nothing can be evicted")
            .detail(format!(
                "policy {} evicts keys with a TTL, and none of {} has one",
                figures.policy,
                count(figures.keys)
            ))
            .remedy("give keys TTLs, or choose an allkeys policy; until then it is as noeviction")
    })
}

/// A server that evicts is at its limit by design: there it is the evictions that count. A replica leaves it to its master.
fn headroom(figures: &Figures, limits: &Limits) -> Option<Finding> {
    let share = percent(figures.counted(), figures.maxmemory);
    let severity = level(share, limits).filter(|_| figures.fails_when_full())?;
    Some(
        Finding::new(severity, "maxmemory", "near maxmemory")
            .detail(format!(
                "{} of {} ({share:.1}%), peak {}; policy {}: at the limit writes fail with OOM",
                size(figures.counted()),
                size(figures.maxmemory),
                size(figures.peak),
                figures.policy
            ))
            .remedy("raise maxmemory, remove keys, or choose a policy that evicts"),
    )
}

fn machine(figures: &Figures, limits: &Limits) -> Option<Finding> {
    let system = figures.system?;
    let share = percent(figures.rss, system);
    if let Some(severity) = level(share, limits) {
        let detail = format!("{} resident, {share:.1}% of {}", size(figures.rss), size(system));
        let remedy = "lower maxmemory or give the machine more: saving forks, and the copy needs room";
        return Some(Finding::new(severity, "machine", "near the machine's memory").detail(detail).remedy(remedy));
    }
    (figures.maxmemory > system).then(|| {
        Finding::warning("maxmemory", "maxmemory is more than the machine has")
            .detail(format!("{} of {}", size(figures.maxmemory), size(system)))
            .remedy("lower maxmemory: the system would end the server before it evicts")
    })
}
