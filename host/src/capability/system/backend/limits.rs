//! What the control group of this process allows. Of both versions of control groups, along the whole path: a group has no
//! more than the one above it.

use std::path::{Component, Path, PathBuf};

use procfs_core::ProcessCGroups;
use procfs_core::process::MountInfo;

use super::{Roots, read};
use crate::capability::system::bindings::{Limits, Memory, Processor};

/// The limits, where they are lower than what the machine has.
pub(super) fn of(roots: &Roots, mounts: &[MountInfo], processor: &Processor, memory: &Memory) -> Limits {
    let groups = roots.parsed::<ProcessCGroups>("self/cgroup").map(|groups| groups.0).unwrap_or_default();
    let mut least = Limits { processors: None, memory: None, memory_used: None };
    for group in &groups {
        let Some((mount, version)) = mounts.iter().find_map(|mount| Some((mount, version(mount, &group.controllers)?)))
        else {
            continue;
        };
        for directory in path(mount, &group.pathname) {
            if let Some(processors) = version.processors(&directory) {
                least.processors = Some(least.processors.map_or(processors, |lower: f64| lower.min(processors)));
            }
            if let Some(bytes) =
                version.memory(&directory).filter(|bytes| least.memory.is_none_or(|least| *bytes < least))
            {
                least.memory = Some(bytes);
                least.memory_used = version.memory_used(&directory);
            }
        }
    }
    least.processors = least.processors.filter(|processors| *processors < f64::from(processor.count));
    if least.memory.is_none_or(|bytes| bytes >= memory.total) {
        (least.memory, least.memory_used) = (None, None);
    }
    least
}

/// The two forms that the files of a group have.
#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

/// The form of a mount, if it is the one of a hierarchy with these controllers.
fn version(mount: &MountInfo, controllers: &[String]) -> Option<Version> {
    match mount.fs_type.as_str() {
        "cgroup2" if controllers.is_empty() => Some(Version::Two),
        "cgroup" => {
            let of_use = |controller: &String| matches!(controller.as_str(), "cpu" | "memory");
            let here = |controller: &String| mount.super_options.contains_key(controller);
            controllers.iter().any(|controller| of_use(controller) && here(controller)).then_some(Version::One)
        }
        _ => None,
    }
}

/// The group's directory and those above it, as far as they are mounted.
fn path(mount: &MountInfo, group: &str) -> Vec<PathBuf> {
    let below = Path::new(group).strip_prefix(&mount.root).unwrap_or(Path::new(""));
    let mut directory = mount.mount_point.clone();
    let mut directories = vec![directory.clone()];
    for part in below.components() {
        // A group outside of the namespace is written with `..`.
        let Component::Normal(name) = part else { break };
        directory.push(name);
        directories.push(directory.clone());
    }
    directories
}

impl Version {
    fn processors(self, group: &Path) -> Option<f64> {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| *number > 0.0);
        let (quota, period) = match self {
            Self::Two => {
                let text = read(&group.join("cpu.max")).ok()?;
                let (quota, period) = text.split_once(' ')?;
                (number(quota)?, number(period)?)
            }
            Self::One => (
                number(&read(&group.join("cpu.cfs_quota_us")).ok()?)?,
                number(&read(&group.join("cpu.cfs_period_us")).ok()?)?,
            ),
        };
        Some(quota / period)
    }

    fn memory(self, group: &Path) -> Option<u64> {
        let file = match self {
            Self::Two => "memory.max",
            Self::One => "memory.limit_in_bytes",
        };
        read(&group.join(file)).ok()?.trim().parse().ok()
    }

    fn memory_used(self, group: &Path) -> Option<u64> {
        let (file, cached) = match self {
            Self::Two => ("memory.current", "inactive_file "),
            Self::One => ("memory.usage_in_bytes", "total_inactive_file "),
        };
        let used: u64 = read(&group.join(file)).ok()?.trim().parse().ok()?;
        let stat = read(&group.join("memory.stat")).unwrap_or_default();
        let cached = stat.lines().find_map(|line| line.strip_prefix(cached)?.trim().parse::<u64>().ok());
        Some(used.saturating_sub(cached.unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with two processors and 8 GiB, and these files.
    fn limits(mounts: &str, group: &str, files: &[(&str, &str)]) -> Limits {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("self/cgroup", group);
        for (path, text) in files {
            write(path, text);
        }
        let mounts = mounts.replace("ROOT", root.to_str().unwrap());
        let mounts: Vec<_> = mounts.lines().map(|line| MountInfo::from_line(line).unwrap()).collect();
        let processor =
            Processor { count: 2, busy_percent: 0.0, each_percent: vec![], io_wait_percent: None, steal_percent: None };
        let memory = Memory { total: 8 << 30, available: 0, swap_total: 0, swap_free: 0 };
        of(&Roots { proc: root.into(), ..Roots::default() }, &mounts, &processor, &memory)
    }

    const TWO: &str = "1 0 0:30 / ROOT/cgroup rw - cgroup2 cgroup2 rw";

    #[test]
    fn the_lowest_limit_on_the_way_up_holds() {
        let found = limits(
            TWO,
            "0::/shop/app\n",
            &[
                ("cgroup/shop/memory.max", "1073741824\n"),
                ("cgroup/shop/memory.current", "900\n"),
                ("cgroup/shop/memory.stat", "anon 1\ninactive_file 400\n"),
                ("cgroup/shop/app/memory.max", "2147483648\n"),
                ("cgroup/shop/app/memory.current", "7\n"),
                ("cgroup/shop/cpu.max", "max 100000\n"),
                ("cgroup/shop/app/cpu.max", "50000 100000\n"),
            ],
        );
        assert_eq!((found.processors, found.memory, found.memory_used), (Some(0.5), Some(1 << 30), Some(500)));
    }

    #[test]
    fn the_first_version_says_the_same_in_other_words() {
        let mounts = "1 0 0:30 / ROOT/memory rw - cgroup cgroup rw,memory\n\
                      2 0 0:31 / ROOT/cpu rw - cgroup cgroup rw,cpu,cpuacct";
        let found = limits(
            mounts,
            "4:memory:/app\n3:cpu,cpuacct:/app\n1:name=systemd:/\n0::/\n",
            &[
                ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("memory/app/memory.limit_in_bytes", "1000\n"),
                ("memory/app/memory.usage_in_bytes", "900\n"),
                ("memory/app/memory.stat", "inactive_file 1\ntotal_inactive_file 300\n"),
                ("cpu/cpu.cfs_quota_us", "-1\n"),
                ("cpu/cpu.cfs_period_us", "100000\n"),
                ("cpu/app/cpu.cfs_quota_us", "150000\n"),
                ("cpu/app/cpu.cfs_period_us", "100000\n"),
            ],
        );
        assert_eq!((found.processors, found.memory, found.memory_used), (Some(1.5), Some(1000), Some(600)));
    }

    #[test]
    fn in_a_container_its_own_group_is_the_root() {
        let mounts = "1 0 0:30 /docker/abc ROOT/cgroup rw - cgroup2 cgroup2 rw";
        let files = [("cgroup/memory.max", "1000\n"), ("etc/memory.max", "1\n")];
        for group in ["0::/docker/abc\n", "0::/\n", "0::/../../etc\n"] {
            assert_eq!(limits(mounts, group, &files).memory, Some(1000), "{group}");
        }
    }

    #[test]
    fn what_is_no_lower_than_the_machine_has_is_no_limit() {
        for (memory, processors) in [("max\n", "max 100000\n"), ("8589934592\n", "200000 100000\n"), ("", "")] {
            let found = limits(TWO, "0::/\n", &[("cgroup/memory.max", memory), ("cgroup/cpu.max", processors)]);
            assert_eq!((found.processors, found.memory, found.memory_used), (None, None, None), "{memory}");
        }
        let none = limits(TWO, "0::/\n", &[]);
        assert_eq!((none.processors, none.memory), (None, None));
    }
}
