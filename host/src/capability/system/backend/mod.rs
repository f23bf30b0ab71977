//! Where the figures come from: Linux' `/proc` and `/sys`, and the file systems themselves. `procfs-core` knows the forms;
//! what is read is read here, so that a test can bring the files of another machine.

mod counters;
mod limits;
mod mounts;
mod processes;
mod space;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use procfs_core::prelude::*;
use procfs_core::process::MountInfo;
use procfs_core::{ExplicitSystemInfo, LoadAverage, Meminfo, Uptime};
use tokio::task::spawn_blocking;

use super::Grant;
use super::bindings::{Disk, Load, Memory, Pressure, Process, Snapshot};
use super::error::Error;
use crate::capability::Notices;
use counters::Counters;
use mounts::Mount;
use space::{Answer, Asker};

/// Bytes that are read of one file; no file of the kernel's is nearly as long.
const FILE_LIMIT: u64 = 16 << 20;
/// File systems that one measurement looks at.
const DISK_LIMIT: usize = 1_000;
/// How many of them are asked at a time.
const ASKED_AT_ONCE: usize = 64;

/// The machine, as all runs of this process see it.
#[derive(Default)]
pub struct Machine {
    roots: Arc<Roots>,
    space: Arc<Asker>,
}

/// Where the system's files are.
struct Roots {
    proc: PathBuf,
    sys: PathBuf,
    etc: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into(), etc: "/etc".into() }
    }
}

impl Roots {
    /// A file of `/proc` that every Linux has. What is no text in it is replaced.
    fn text(&self, name: &str) -> Result<String, Error> {
        let path = self.proc.join(name);
        read(&path).map_err(|error| Error::Unavailable(format!("failed to read {}: {error}", path.display())))
    }

    /// A file of `/proc`, understood.
    fn parsed<T: FromRead>(&self, name: &str) -> Result<T, Error> {
        T::from_read(self.text(name)?.as_bytes()).map_err(|error| self.misunderstood(name, &error))
    }

    /// The same, of a form that depends on the machine.
    fn parsed_here<T: FromReadSI>(&self, name: &str) -> Result<T, Error> {
        T::from_read(self.text(name)?.as_bytes(), &info()).map_err(|error| self.misunderstood(name, &error))
    }

    fn misunderstood(&self, name: &str, error: &procfs_core::ProcError) -> Error {
        Error::Unavailable(format!("failed to understand {}: {error}", self.proc.join(name).display()))
    }
}

/// A file that may not be there.
fn read(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_LIMIT).read_to_end(&mut bytes)?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

fn info() -> ExplicitSystemInfo {
    ExplicitSystemInfo {
        // Nothing that is asked for here counts from then.
        boot_time_secs: 0,
        ticks_per_second: rustix::param::clock_ticks_per_second(),
        page_size: u64::try_from(rustix::param::page_size()).unwrap_or(4_096),
        is_little_endian: cfg!(target_endian = "little"),
    }
}

impl Machine {
    /// How the machine did over some time, and how it is after it.
    pub(super) async fn measure(&self, grant: &Grant, over: Duration, notices: &Notices) -> Result<Snapshot, Error> {
        let (before, all) = self.blocking(|roots| Ok((Counters::read(roots)?, mounts::read(roots)?))).await?;
        let mut mounts = mounts::real(&all, |point| grant.shows_mount(point));
        if mounts.len() > DISK_LIMIT {
            notices.add(format!("{} file systems are mounted; {DISK_LIMIT} of them are looked at", mounts.len()));
            mounts.truncate(DISK_LIMIT);
        }
        let asked = futures::stream::iter(mounts)
            .map(async |mount| (self.space.ask(&mount.point).await, mount))
            .buffered(ASKED_AT_ONCE)
            .collect::<Vec<_>>();
        let later = async {
            tokio::time::sleep(over).await;
            self.blocking(Counters::read).await
        };
        let (after, asked) = tokio::join!(later, asked);
        let mut snapshot = self.blocking(move |roots| snapshot(roots, &before, &after?, asked, &all)).await?;
        for silent in &snapshot.silent_mounts {
            notices.add(format!("{silent} did not answer within {} s and is left out", space::PATIENCE.as_secs()));
        }
        snapshot.networks.retain(|network| grant.shows_interface(&network.name));
        Ok(snapshot)
    }

    /// The processes that took most of some time, and those that hold most memory after it.
    pub(super) async fn processes(&self, over: Duration, limit: usize) -> Result<Vec<Process>, Error> {
        let before = self.blocking(processes::read).await?;
        tokio::time::sleep(over).await;
        self.blocking(move |roots| processes::most(roots, &before, limit)).await
    }

    /// Reads where it holds nobody up.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Roots) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let roots = Arc::clone(&self.roots);
        spawn_blocking(move || work(&roots)).await.map_err(wasmtime::Error::from)?
    }
}

fn snapshot(
    roots: &Roots,
    before: &Counters,
    after: &Counters,
    asked: Vec<(Answer, Mount)>,
    mounts: &[MountInfo],
) -> Result<Snapshot, Error> {
    let processor = counters::processor(before, after);
    let memory = memory(&roots.parsed(MEMORY)?);
    let limits = limits::of(roots, mounts, &processor, &memory);
    let (mut disks, mut silent_mounts) = (Vec::new(), Vec::new());
    for (answer, mount) in asked {
        match answer {
            Answer::Space(space) => disks.push(disk(&mount, &space, counters::work(before, after, &mount).as_ref())),
            Answer::Silent => silent_mounts.push(mount.shown()),
            // A file that is mounted over another is no disk, and what another mount hides is not there.
            Answer::None => {}
        }
    }
    Ok(Snapshot {
        load: load(&roots.parsed("loadavg")?),
        processor,
        memory,
        pressure: pressure(roots),
        disks,
        silent_mounts,
        networks: counters::networks(roots, before, after),
        limits,
        uptime: roots.parsed::<Uptime>("uptime")?.uptime_duration().as_secs(),
        system: system(roots),
        measured: counters::seconds(before, after),
    })
}

/// As the kernel prints them, with two decimals.
fn load(load: &LoadAverage) -> Load {
    let rounded = |figure: f32| (f64::from(figure) * 100.0).round() / 100.0;
    Load { one: rounded(load.one), five: rounded(load.five), fifteen: rounded(load.fifteen) }
}

const MEMORY: &str = "meminfo";

fn memory(memory: &Meminfo) -> Memory {
    Memory {
        total: memory.mem_total,
        // Before Linux 3.14 it is estimated from what can be given back.
        available: memory.mem_available.unwrap_or_else(|| memory.mem_free + memory.buffers + memory.cached),
        swap_total: memory.swap_total,
        swap_free: memory.swap_free,
    }
}

/// Not every kernel is built with it, and some have it switched off.
fn pressure(roots: &Roots) -> Option<Pressure> {
    let some = |name: &str| {
        let text = read(&roots.proc.join("pressure").join(name)).ok()?;
        let record = procfs_core::parse_pressure_record(text.lines().find(|line| line.starts_with("some "))?).ok()?;
        Some((f64::from(record.avg10) * 100.0).round() / 100.0)
    };
    Some(Pressure { processor: some("cpu")?, memory: some("memory")?, disks: some("io")? })
}

fn disk(mount: &Mount, space: &space::Space, work: Option<&counters::Work>) -> Disk {
    let counted = space.inodes > 0;
    Disk {
        mount: mount.shown(),
        device: mount.device.clone(),
        file_system: mount.file_system.clone(),
        remote: mount.remote,
        total: space.total,
        used: space.used,
        available: space.available,
        inodes_total: counted.then_some(space.inodes),
        inodes_free: counted.then_some(space.inodes_free),
        read_only: mount.read_only,
        busy_percent: work.map(|work| work.busy_percent),
        read_rate: work.map(|work| work.read_rate),
        write_rate: work.map(|work| work.write_rate),
    }
}

/// The distribution, the kernel and the architecture.
fn system(roots: &Roots) -> String {
    let release = read(&roots.etc.join("os-release")).unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let name = name.map(|name| name.trim_matches(['"', '\'']).to_owned());
    let kernel = read(&roots.proc.join("sys/kernel/osrelease")).ok().map(|kernel| format!("Linux {}", kernel.trim()));
    let parts = name.into_iter().chain(kernel).chain([std::env::consts::ARCH.to_owned()]);
    parts.collect::<Vec<_>>().join(", ")
}
