//! What the kernel counts since it started, read twice: what lies between makes shares and rates. Pure, apart from reading.

use std::collections::BTreeMap;
use std::time::Instant;

use procfs_core::net::{DeviceStatus, InterfaceDeviceStatus};
use procfs_core::{CpuTime, DiskStat, DiskStats, KernelStats};

use super::mounts::Mount;
use super::{Error, Roots, read as read_file};
use crate::capability::system::bindings::{Network, Processor};

/// Bytes of a sector, whatever the device's own is.
const SECTOR: u64 = 512;
/// Bytes a second of one megabit a second.
const MEGABIT: u64 = 125_000;

/// The kernel's counters at one time.
pub(super) struct Counters {
    at: Instant,
    stat: KernelStats,
    disks: Vec<DiskStat>,
    networks: BTreeMap<String, DeviceStatus>,
}

/// What a device did.
pub(super) struct Work {
    pub(super) busy_percent: f64,
    pub(super) read_rate: f64,
    pub(super) write_rate: f64,
}

impl Counters {
    pub(super) fn read(roots: &Roots) -> Result<Self, Error> {
        Ok(Self {
            at: Instant::now(),
            stat: roots.parsed_here("stat")?,
            // A container may have neither disks nor networks.
            disks: roots.parsed("diskstats").map(|DiskStats(disks)| disks).unwrap_or_default(),
            networks: roots
                .parsed("net/dev")
                .map(|InterfaceDeviceStatus(networks)| networks.into_iter().collect())
                .unwrap_or_default(),
        })
    }
}

/// Seconds between two readings.
pub(super) fn seconds(before: &Counters, after: &Counters) -> f64 {
    after.at.saturating_duration_since(before.at).as_secs_f64()
}

pub(super) fn processor(before: &Counters, after: &Counters) -> Processor {
    let (total, earlier) = (&after.stat.total, &before.stat.total);
    let each = after.stat.cpu_time.iter().zip(&before.stat.cpu_time);
    Processor {
        count: u32::try_from(after.stat.cpu_time.len()).unwrap_or(u32::MAX),
        busy_percent: share(earlier, total, busy),
        each_percent: each.map(|(after, before)| share(before, after, busy)).collect(),
        io_wait_percent: total.iowait.map(|_| share(earlier, total, |time| time.iowait.unwrap_or(0))),
        steal_percent: total.steal.map(|_| share(earlier, total, |time| time.steal.unwrap_or(0))),
    }
}

/// Ticks of a processor that were not idle. Guests' time is part of `user` and `nice`.
fn busy(time: &CpuTime) -> u64 {
    let counted = [Some(time.user), Some(time.nice), Some(time.system), time.irq, time.softirq, time.steal];
    counted.into_iter().flatten().fold(0, u64::saturating_add)
}

/// The part of the time between that was of a kind; 0 where no time passed. A counter may go back: the kernel's of waiting
/// does.
fn share(before: &CpuTime, after: &CpuTime, kind: impl Fn(&CpuTime) -> u64) -> f64 {
    let since = |of: &dyn Fn(&CpuTime) -> u64| of(after).saturating_sub(of(before));
    let kinds: [&dyn Fn(&CpuTime) -> u64; 3] = [&busy, &|time| time.idle, &|time| time.iowait.unwrap_or(0)];
    let all = kinds.into_iter().map(|of| since(of)).fold(0, u64::saturating_add);
    percent(since(&kind), all)
}

/// What the device of a mount did; none where no device is counted for it.
pub(super) fn work(before: &Counters, after: &Counters, mount: &Mount) -> Option<Work> {
    let find = |counters: &Counters| {
        let by_number = |disk: &&DiskStat| mount.number == Some((disk.major, disk.minor));
        let by_name = |disk: &&DiskStat| mount.device_name.as_ref() == Some(&disk.name);
        counters.disks.iter().find(by_number).or_else(|| counters.disks.iter().find(by_name)).cloned()
    };
    let (earlier, later) = (find(before)?, find(after)?);
    let seconds = seconds(before, after);
    let since = |of: fn(&DiskStat) -> u64| of(&later).saturating_sub(of(&earlier));
    Some(Work {
        busy_percent: (rate(since(|disk| disk.time_in_progress), seconds) / 10.0).min(100.0),
        read_rate: rate(since(|disk| disk.sectors_read).saturating_mul(SECTOR), seconds),
        write_rate: rate(since(|disk| disk.sectors_written).saturating_mul(SECTOR), seconds),
    })
}

/// The networks that were there both times, by name.
pub(super) fn networks(roots: &Roots, before: &Counters, after: &Counters) -> Vec<Network> {
    let seconds = seconds(before, after);
    let both = after.networks.iter().filter_map(|(name, later)| Some((name, before.networks.get(name)?, later)));
    both.map(|(name, earlier, later)| Network {
        name: name.clone(),
        speed: speed(roots, name),
        receive_rate: rate(later.recv_bytes.saturating_sub(earlier.recv_bytes), seconds),
        transmit_rate: rate(later.sent_bytes.saturating_sub(earlier.sent_bytes), seconds),
        received: later.recv_bytes,
        transmitted: later.sent_bytes,
        received_packets: later.recv_packets,
        transmitted_packets: later.sent_packets,
        receive_errors: later.recv_errs,
        transmit_errors: later.sent_errs,
        receive_dropped: later.recv_drop,
        transmit_dropped: later.sent_drop,
    })
    .collect()
}

/// Virtual links have none, or say -1.
fn speed(roots: &Roots, name: &str) -> Option<u64> {
    let megabits: u64 = read_file(&roots.sys.join("class/net").join(name).join("speed")).ok()?.trim().parse().ok()?;
    (megabits > 0 && megabits < u64::from(u32::MAX)).then(|| megabits * MEGABIT)
}

#[expect(clippy::cast_precision_loss, reason = "counts between two readings are far below 2^52")]
fn rate(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "counts between two readings are far below 2^52")]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 100.0).min(100.0) }
}
