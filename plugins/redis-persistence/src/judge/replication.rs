//! Whether the replicas have what the master has, seen from either side.

use taskhost_sdk::prelude::*;
use taskhost_sdk::report::Severity;
use taskhost_sdk::words::{counted, size, span};

use super::{Limits, level};
use crate::figures::{Figures, Link, Replica, Role};

pub(super) fn judge(figures: &Figures, limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Role::Replica(link) = &figures.role {
        findings.extend(own_link(link, limits));
    }
    findings.extend(missing(figures, limits));
    for replica in &figures.replicas {
        findings.extend(one(replica, figures, limits));
    }
    findings
}

fn own_link(link: &Link, limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    let subject = format!("master {}", link.master);
    if link.copying {
        let left =
            link.to_come.filter(|bytes| *bytes > 0).map_or(String::new(), |bytes| format!(", {} to come", size(bytes)));
        findings.push(
            Finding::warning(&subject, "full copy under way")
                .detail(format!("the replica copies everything anew{left}"))
                .remedy(
                    "wait for it; if it begins again and again, raise repl-backlog-size and the master's \
                         client-output-buffer-limit replica",
                ),
        );
    } else if !link.up {
        let down = link.down.map_or(String::new(), |seconds| format!(" for {}", span(seconds)));
        findings.push(
            Finding::critical(&subject, "link to the master is down")
                .detail(format!("down{down}: what is read here is as old"))
                .remedy("see whether the master is up and reachable, and masteruser and masterauth; both logs say why"),
        );
    }
    if let Some(severity) = link.silent.filter(|_| link.up).and_then(|seconds| level(seconds, limits.max_silence)) {
        findings.push(
            Finding::new(severity, &subject, "master is silent")
                .detail(format!("nothing heard for {}", span(link.silent.unwrap_or_default())))
                .remedy("see the network between them: a master pings every ten seconds (repl-ping-replica-period)"),
        );
    }
    if let Some(severity) = level(link.unapplied, limits.max_lag) {
        findings.push(
            Finding::new(severity, &subject, "replica applies too slowly")
                .detail(format!("{} have come and are not applied", size(link.unapplied)))
                .remedy("see what blocks it: slow reads of clients, or a script (SLOWLOG GET)"),
        );
    }
    if !link.read_only {
        findings.push(
            Finding::warning("server", "replica takes writes")
                .detail(
                    "replica-read-only is no: what is written here is on no other server, and is lost at the next copy",
                )
                .remedy("set replica-read-only yes"),
        );
    }
    findings
}

fn missing(figures: &Figures, limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    let online = figures.replicas.iter().filter(|replica| replica.state == "online").count() as u64;
    if online < limits.min_replicas {
        findings.push(
            Finding::critical("replicas", "replicas are missing")
                .detail(format!("{online} of {} are connected", limits.min_replicas))
                .remedy("see whether they are up, and what their own logs say of this master"),
        );
    }
    if let (Some(needed), Some(good)) =
        (figures.settings.min_replicas.filter(|needed| *needed > 0), figures.good_replicas)
        && good < needed
    {
        findings.push(
            Finding::critical("replicas", "writes are refused")
                .detail(format!("{good} of {needed} replicas are near enough (min-replicas-to-write)"))
                .remedy("bring the replicas back, or lower min-replicas-to-write until they are"),
        );
    }
    findings
}

fn one(replica: &Replica, figures: &Figures, limits: &Limits) -> Vec<Finding> {
    let subject = format!("replica {}", replica.address);
    if replica.state != "online" {
        return vec![
            Finding::warning(subject, "replica is not online")
                .detail(format!(
                    "state {}; {} since the start",
                    replica.state,
                    counted(figures.full_syncs, "full sync")
                ))
                .remedy(
                    "wait for its copy to end; if it begins again and again, raise repl-backlog-size and \
                         client-output-buffer-limit replica",
                ),
        ];
    }
    let mut findings = Vec::new();
    let behind = figures.offset.saturating_sub(replica.offset);
    if let Some(severity) = level(behind, limits.max_lag) {
        let lost = figures.backlog > 0 && behind > figures.backlog;
        let beyond = if lost {
            format!(
                "; more than the backlog ({}): if it loses its link it copies everything anew",
                size(figures.backlog)
            )
        } else {
            String::new()
        };
        findings.push(
            Finding::new(if lost { Severity::Critical } else { severity }, &subject, "replica is behind")
                .detail(format!("{} behind{beyond}", size(behind)))
                .remedy("see its load and its network; raise repl-backlog-size if the writes come in bursts"),
        );
    }
    if let Some(severity) = replica.lag.and_then(|seconds| level(seconds, limits.max_silence)) {
        findings.push(
            Finding::new(severity, &subject, "replica is silent")
                .detail(format!("nothing heard for {}; it should every second", span(replica.lag.unwrap_or_default())))
                .remedy("see whether it is blocked (a slow command, a slow disk) and the network between them"),
        );
    }
    findings
}
