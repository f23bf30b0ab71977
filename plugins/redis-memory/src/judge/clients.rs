//! Buffers: what clients do not read in time, and what replicas have yet to get.

use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{counted, size};

use super::{Limits, is_sizeable, percent};
use crate::figures::{Figures, Holder};

/// Clients that get a finding of their own.
const NAMED: usize = 5;

pub(super) fn judge(figures: &Figures, holders: &[Holder], limits: &Limits) -> Vec<Finding> {
    let large = holders.iter().filter(|holder| holder.total >= limits.client_memory);
    let mut findings: Vec<_> = large.take(NAMED).map(one).collect();
    findings.extend(together(figures, holders.len(), limits));
    findings.extend(replication(figures, limits));
    findings
}

fn one(holder: &Holder) -> Finding {
    let name = if holder.name.is_empty() { &holder.address } else { &holder.name };
    let (who, remedy) = match () {
        () if holder.flags.contains('S') => (
            "a replica",
            "see whether it keeps up and its network holds; client-output-buffer-limit replica bounds it".to_owned(),
        ),
        () if holder.flags.contains('O') => {
            ("a client in MONITOR", format!("end it with CLIENT KILL ID {}", holder.id))
        }
        () if holder.flags.contains('P') => (
            "a subscriber",
            format!("it reads too slowly: CLIENT KILL ID {}; client-output-buffer-limit pubsub bounds it", holder.id),
        ),
        () => (
            "a client",
            format!(
                "see what it asks for at once, or end it with CLIENT KILL ID {}; client-output-buffer-limit normal bounds it",
                holder.id
            ),
        ),
    };
    Finding::warning(format!("client {name}"), "client holds much memory")
        .detail(format!(
            "{who} at {}: {}, of it {} of replies not read; last command `{}`",
            holder.address,
            size(holder.total),
            size(holder.output),
            holder.command
        ))
        .remedy(remedy)
}

fn together(figures: &Figures, clients: usize, limits: &Limits) -> Option<Finding> {
    let share = percent(figures.clients, figures.used);
    let much = is_sizeable(figures, limits) && share >= limits.buffers_percent;
    much.then(|| {
        Finding::warning("clients", "clients hold much memory")
            .detail(format!(
                "{} in {}, {share:.1}% of all that is used",
                size(figures.clients),
                counted(clients as u64, "client")
            ))
            .remedy("close connections that idle (`timeout`), and bound all together with maxmemory-clients (Redis 7)")
    })
}

fn replication(figures: &Figures, limits: &Limits) -> Option<Finding> {
    let share = percent(figures.replication, figures.used);
    let much = is_sizeable(figures, limits) && share >= limits.buffers_percent;
    much.then(|| {
        Finding::warning("replication", "replication holds much memory")
            .detail(format!("{} of backlog and buffers, {share:.1}% of all that is used", size(figures.replication)))
            .remedy("see whether a replica is behind (redis-persistence), and whether repl-backlog-size fits")
    })
}
