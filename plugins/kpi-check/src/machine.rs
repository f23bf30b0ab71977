//! How the machine is doing, against the limits of the runbook. Pure.

use taskhost_sdk::prelude::*;
use taskhost_sdk::system::{Disk, Network, Process, Snapshot, inodes_percent, used_percent};
use taskhost_sdk::words::size;

use crate::measure::{Limit, Measure};

/// From where on the machine's figures are out of bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) processor: Limit,
    pub(crate) memory: Limit,
    pub(crate) disk: Limit,
    pub(crate) busy: Limit,
}

/// The share of the time that a hypervisor may take.
const STEAL: (f64, f64) = (10.0, 30.0);
/// The share of a link's speed that may be in use.
const LINK: (f64, f64) = (80.0, 95.0);
/// The share of packets that may be broken or dropped.
const BROKEN: (f64, f64) = (0.1, 1.0);

/// Every figure of the machine, the headline first: processors, memory.
pub(crate) fn measures(machine: &Snapshot, limits: &Limits) -> Vec<Measure> {
    let mut measures = vec![
        Measure::new("CPU", machine.processor.busy_percent, "%")
            .limit(Some(limits.processor))
            .remedy("see what takes it, and move or limit that; more processors, if it is the work itself"),
        Measure::new("memory", memory_percent(machine), "%")
            .limit(Some(limits.memory))
            .remedy("see what holds it; the kernel ends processes when there is none left"),
    ];
    let processor = &machine.processor;
    measures.extend(processor.io_wait_percent.map(|share| Measure::new("I/O wait", share, "%")));
    let steal = |share| {
        Measure::new("steal", share, "%")
            .limit(Some(Limit::above(STEAL.0, STEAL.1)))
            .remedy("the hypervisor gives the time to others; ask its operator, or move the machine")
    };
    measures.extend(processor.steal_percent.map(steal));
    measures.push(Measure::new("load per processor", machine.load.five / f64::from(processor.count.max(1)), ""));
    if let Some(pressure) = &machine.pressure {
        measures.push(Measure::new("CPU pressure", pressure.processor, "%"));
        measures.push(Measure::new("memory pressure", pressure.memory, "%"));
        measures.push(Measure::new("I/O pressure", pressure.disks, "%"));
    }
    if machine.memory.swap_total > 0 {
        let used = machine.memory.swap_total.saturating_sub(machine.memory.swap_free);
        measures.push(Measure::new("swap", share(used, machine.memory.swap_total), "%"));
    }
    if let (Some(limit), Some(used)) = (machine.limits.memory, machine.limits.memory_used) {
        measures.push(
            Measure::new("memory of the control group", share(used, limit), "%").limit(Some(limits.memory)).remedy(
                "what is in the group is ended when it reaches its limit: raise it, or see what holds the memory",
            ),
        );
    }
    measures.extend(machine.disks.iter().flat_map(|disk| disk_measures(disk, limits)));
    measures.extend(machine.networks.iter().flat_map(network_measures));
    measures.push(Measure::new("uptime", number(machine.uptime), "s"));
    measures
}

fn memory_percent(machine: &Snapshot) -> f64 {
    share(machine.memory.total.saturating_sub(machine.memory.available), machine.memory.total)
}

fn disk_measures(disk: &Disk, limits: &Limits) -> Vec<Measure> {
    // What cannot be written to becomes no fuller.
    let full = (!disk.read_only).then_some(limits.disk);
    let mut measures = vec![
        Measure::new("disk", used_percent(disk), "%")
            .on(&disk.mount)
            .limit(full)
            .remedy("remove what is old (file-cleanup, log-rotate, docker-prune), or make it larger"),
    ];
    measures.extend(inodes_percent(disk).map(|used| {
        Measure::new("inodes", used, "%")
            .on(&disk.mount)
            .limit(full)
            .remedy("no file can be made when there are none left, whatever the space: look for many small files")
    }));
    measures.extend(disk.busy_percent.map(|busy| {
        Measure::new("disk I/O", busy, "%")
            .on(&disk.mount)
            .limit(Some(limits.busy))
            .remedy("see what reads and writes; what waits for the disk makes everything slow")
    }));
    measures
}

fn network_measures(network: &Network) -> Vec<Measure> {
    let mut measures = vec![
        Measure::new("network received", network.receive_rate, "B").on(&network.name),
        Measure::new("network sent", network.transmit_rate, "B").on(&network.name),
    ];
    if let Some(speed) = network.speed.filter(|speed| *speed > 0) {
        let used = network.receive_rate.max(network.transmit_rate) / number(speed) * 100.0;
        measures.push(
            Measure::new("network use", used, "%")
                .on(&network.name)
                .limit(Some(Limit::above(LINK.0, LINK.1)))
                .remedy("the link carries little more: see what sends, or get a faster one"),
        );
    }
    let packets = network.received_packets.saturating_add(network.transmitted_packets);
    let broken = network.receive_errors.saturating_add(network.transmit_errors);
    if packets > 0 {
        measures.push(
            Measure::new("network errors", share(broken, packets.saturating_add(broken)), "%")
                .on(&network.name)
                .limit(Some(Limit::above(BROKEN.0, BROKEN.1)))
                .remedy("packets are broken on the way: cable, port, driver, or a duplex that does not fit"),
        );
        let dropped = network.receive_dropped.saturating_add(network.transmit_dropped);
        measures.push(
            Measure::new("network dropped", share(dropped, packets.saturating_add(dropped)), "%").on(&network.name),
        );
    }
    measures
}

/// Mounts that do not answer.
pub(crate) fn silent(machine: &Snapshot) -> Vec<Finding> {
    let silent = |mount: &String| {
        Finding::critical(mount, "mount does not answer")
            .detail("whoever looks at it waits without end")
            .remedy("bring its server back, or take it away with `umount -l`")
    };
    machine.silent_mounts.iter().map(silent).collect()
}

/// Who takes most, a line each.
pub(crate) fn culprits(processes: &[Process], most: usize) -> Finding {
    let line = |process: &Process| {
        format!(
            "{} ({}, {}): {} % of a processor, {}",
            process.name,
            process.id,
            process.user,
            process.busy_percent.round(),
            size(process.memory)
        )
    };
    let mut by_time: Vec<&Process> = processes.iter().collect();
    by_time.sort_by(|one, other| other.busy_percent.total_cmp(&one.busy_percent));
    let mut by_memory: Vec<&Process> = processes.iter().collect();
    by_memory.sort_by_key(|process| std::cmp::Reverse(process.memory));
    let mut lines: Vec<String> = by_time.into_iter().take(most).map(line).collect();
    for process in by_memory.into_iter().take(most) {
        let line = line(process);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    Finding::ok("processes", "what takes most").detail(lines.join("\n"))
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { number(part) / number(whole) * 100.0 }
}

#[expect(clippy::cast_precision_loss, reason = "a share of bytes or packets")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use taskhost_sdk::report::Severity;
    use taskhost_sdk::system::{Limits as GroupLimits, Load, Memory, Pressure, Processor};

    use super::*;

    const LIMITS: Limits = Limits {
        processor: Limit { side: crate::measure::Side::Above, warn: 80.0, critical: Some(95.0) },
        memory: Limit { side: crate::measure::Side::Above, warn: 85.0, critical: Some(95.0) },
        disk: Limit { side: crate::measure::Side::Above, warn: 80.0, critical: Some(90.0) },
        busy: Limit { side: crate::measure::Side::Above, warn: 80.0, critical: Some(95.0) },
    };

    /// One in good order.
    fn machine() -> Snapshot {
        Snapshot {
            load: Load { one: 1.0, five: 2.0, fifteen: 1.0 },
            processor: Processor {
                count: 4,
                busy_percent: 20.0,
                each_percent: vec![20.0; 4],
                io_wait_percent: Some(1.0),
                steal_percent: Some(0.0),
            },
            memory: Memory { total: 1000, available: 500, swap_total: 100, swap_free: 100 },
            pressure: Some(Pressure { processor: 1.0, memory: 0.0, disks: 0.0 }),
            disks: vec![disk("/")],
            silent_mounts: vec![],
            networks: vec![network("eth0")],
            limits: GroupLimits { processors: None, memory: None, memory_used: None },
            uptime: 100,
            system: "x".into(),
            measured: 5.0,
        }
    }

    fn disk(mount: &str) -> Disk {
        Disk {
            mount: mount.into(),
            device: "/dev/sda1".into(),
            file_system: "ext4".into(),
            remote: false,
            total: 1000,
            used: 500,
            available: 450,
            inodes_total: Some(100),
            inodes_free: Some(90),
            read_only: false,
            busy_percent: Some(10.0),
            read_rate: Some(0.0),
            write_rate: Some(0.0),
        }
    }

    fn network(name: &str) -> Network {
        Network {
            name: name.into(),
            speed: Some(1_000),
            receive_rate: 10.0,
            transmit_rate: 20.0,
            received: 1,
            transmitted: 1,
            received_packets: 10_000,
            transmitted_packets: 10_000,
            receive_errors: 0,
            transmit_errors: 0,
            receive_dropped: 0,
            transmit_dropped: 0,
        }
    }

    /// What is out of bounds: severity, subject, name.
    fn wrong(machine: &Snapshot) -> Vec<(Severity, Option<String>, String)> {
        let wrong = |measure: &Measure| Some((measure.severity()?, measure.subject.clone(), measure.name.clone()));
        measures(machine, &LIMITS).iter().filter_map(wrong).collect()
    }

    #[test]
    fn each_figure_is_held_against_its_own_limit() {
        type Change = fn(&mut Snapshot);
        assert_eq!(wrong(&machine()), []);
        let cases: [(Change, Severity, Option<&str>, &str); 11] = [
            (|it| it.processor.busy_percent = 85.0, Severity::Warning, None, "CPU"),
            (|it| it.processor.busy_percent = 99.0, Severity::Critical, None, "CPU"),
            (|it| it.processor.steal_percent = Some(12.0), Severity::Warning, None, "steal"),
            (|it| it.memory.available = 100, Severity::Warning, None, "memory"),
            (|it| it.disks[0].available = 100, Severity::Warning, Some("/"), "disk"),
            (|it| it.disks[0].available = 0, Severity::Critical, Some("/"), "disk"),
            (|it| it.disks[0].inodes_free = Some(5), Severity::Critical, Some("/"), "inodes"),
            (|it| it.disks[0].busy_percent = Some(90.0), Severity::Warning, Some("/"), "disk I/O"),
            (|it| it.networks[0].transmit_rate = 900.0, Severity::Warning, Some("eth0"), "network use"),
            (|it| it.networks[0].receive_errors = 100, Severity::Warning, Some("eth0"), "network errors"),
            (
                |it| (it.limits.memory, it.limits.memory_used) = (Some(100), Some(97)),
                Severity::Critical,
                None,
                "memory of the control group",
            ),
        ];
        for (change, severity, subject, name) in cases {
            let mut changed = machine();
            change(&mut changed);
            assert_eq!(wrong(&changed), [(severity, subject.map(str::to_owned), name.to_owned())], "{name}");
        }
    }

    #[test]
    fn a_disk_that_cannot_be_written_to_is_never_too_full() {
        let mut machine = machine();
        machine.disks[0].read_only = true;
        machine.disks[0].available = 0;
        machine.disks[0].inodes_free = Some(0);
        assert_eq!(wrong(&machine), []);
    }

    #[test]
    fn what_a_machine_does_not_tell_is_left_out() {
        let mut bare = machine();
        bare.pressure = None;
        (bare.processor.io_wait_percent, bare.processor.steal_percent) = (None, None);
        bare.memory.swap_total = 0;
        bare.disks[0].inodes_total = None;
        bare.disks[0].busy_percent = None;
        bare.networks[0].speed = None;
        (bare.networks[0].received_packets, bare.networks[0].transmitted_packets) = (0, 0);
        let names: Vec<String> = measures(&bare, &LIMITS).into_iter().map(|measure| measure.name).collect();
        assert_eq!(
            names,
            ["CPU", "memory", "load per processor", "disk", "network received", "network sent", "uptime"]
        );
    }

    #[test]
    fn a_mount_that_does_not_answer_is_critical() {
        let machine = Snapshot { silent_mounts: vec!["/mnt/share".into()], ..machine() };
        let findings = silent(&machine);
        assert_eq!((findings[0].severity(), findings[0].subject()), (Severity::Critical, "/mnt/share"));
    }

    #[test]
    fn who_takes_most_is_named_once() {
        let process = |id, busy_percent, memory| Process {
            id,
            name: format!("p{id}"),
            user: "root".into(),
            busy_percent,
            memory,
            age: 1,
        };
        let processes = [process(1, 90.0, 5), process(2, 1.0, 900), process(3, 50.0, 800), process(4, 0.0, 1)];
        let finding = culprits(&processes, 2);
        let text = finding.text();
        let names: Vec<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(names, ["p1", "p3", "p2"]);
        assert!(text.starts_with("p1 (1, root): 90 % of a processor, 5 B"), "{text}");
    }
}
