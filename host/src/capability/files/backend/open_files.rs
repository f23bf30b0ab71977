//! Which files are open now, and by whom, in any process that the host's user may look into.
//!
//! Taken once a walk, or once a call, from `/proc`: a file that is opened later is not among them, nor one that is only
//! mapped into memory.

use std::collections::{HashMap, HashSet};
use std::fs::DirEntry;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{OFlags, Stat};

use super::super::bindings::Holder;

/// Processes that are told of one file.
const HOLDERS: usize = 64;

/// Device and inode.
pub(super) type Identity = (u64, u64);

pub(super) fn identity(stat: &Stat) -> Identity {
    (stat.st_dev, stat.st_ino)
}

/// Files by device and inode.
#[derive(Debug, Default)]
pub(super) struct OpenFiles(HashSet<Identity>);

impl OpenFiles {
    /// Looks through all processes.
    pub(super) fn now() -> Self {
        let mut open = HashSet::new();
        each_descriptor(|_, _, file| {
            open.insert(file);
        });
        Self(open)
    }

    pub(super) fn contains(&self, device: u64, inode: u64) -> bool {
        self.0.contains(&(device, inode))
    }
}

/// Who has some files open.
#[derive(Debug, Default)]
pub(super) struct Held {
    by_file: HashMap<Identity, Vec<Descriptor>>,
    /// Processes that could not be looked into.
    pub(super) unseen: u64,
}

/// One descriptor of a process on a file.
#[derive(Clone, Debug)]
struct Descriptor {
    process: u32,
    number: u32,
    writes: bool,
    appends: bool,
    /// Where its next byte goes; after an append, the end of what was appended.
    position: u64,
}

impl Held {
    /// Looks through all processes for descriptors on `files`.
    pub(super) fn now(files: &HashSet<Identity>) -> Self {
        let mut held = Self::default();
        held.unseen = each_descriptor(|process, descriptor, file| {
            if files.contains(&file)
                && let Some(found) = look(process, descriptor)
            {
                held.by_file.entry(file).or_default().push(found);
            }
        });
        held
    }

    /// Leaves out a descriptor of this very process: the one by which it works on the file itself.
    pub(super) fn without_own(mut self, number: i32) -> Self {
        let own = std::process::id();
        let is_own = |it: &Descriptor| it.process == own && i64::from(it.number) == i64::from(number);
        for descriptors in self.by_file.values_mut() {
            descriptors.retain(|it| !is_own(it));
        }
        self
    }

    /// The processes that hold a file, each once.
    pub(super) fn holders(&self, file: Identity) -> Vec<Holder> {
        let mut holders: Vec<Holder> = Vec::new();
        for descriptor in self.by_file.get(&file).into_iter().flatten() {
            let known = holders.iter_mut().find(|holder| holder.process == descriptor.process);
            if let Some(holder) = known {
                holder.appends = (holder.appends || !holder.writes) && (descriptor.appends || !descriptor.writes);
                holder.writes |= descriptor.writes;
            } else if holders.len() < HOLDERS {
                holders.push(Holder {
                    process: descriptor.process,
                    program: program(descriptor.process),
                    writes: descriptor.writes,
                    appends: descriptor.appends,
                });
            }
        }
        for holder in &mut holders {
            holder.appends &= holder.writes;
        }
        holders
    }

    /// Whether anyone may be writing to a file: someone is, or not everyone could be looked into.
    pub(super) fn may_be_written(&self, file: Identity) -> bool {
        self.unseen > 0 || self.by_file.get(&file).into_iter().flatten().any(|descriptor| descriptor.writes)
    }

    /// The furthest place to which a process has written by appending, or will write next.
    pub(super) fn furthest(&self, file: Identity) -> u64 {
        let writing = self.by_file.get(&file).into_iter().flatten().filter(|descriptor| descriptor.writes);
        writing.map(|descriptor| descriptor.position).max().unwrap_or_default()
    }
}

/// Shows every descriptor on a plain file, with its process and its number; how many processes could not be looked into.
fn each_descriptor(mut show: impl FnMut(&Path, &DirEntry, Identity)) -> u64 {
    let mut unseen = 0;
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        if !process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        let path = process.path();
        let descriptors = match std::fs::read_dir(path.join("fd")) {
            Ok(descriptors) => descriptors,
            Err(error) => {
                // One that has ended meanwhile has nothing to show.
                unseen += u64::from(error.kind() == io::ErrorKind::PermissionDenied);
                continue;
            }
        };
        for descriptor in descriptors.flatten() {
            if let Ok(file) = std::fs::metadata(descriptor.path())
                && file.is_file()
            {
                show(&path, &descriptor, (file.dev(), file.ino()));
            }
        }
    }
    unseen
}

/// What the kernel says of a descriptor; none when it is closed by now.
fn look(process: &Path, descriptor: &DirEntry) -> Option<Descriptor> {
    let number = descriptor.file_name();
    let told = std::fs::read_to_string(process.join("fdinfo").join(&number)).ok()?;
    let (flags, position) = flags_and_position(&told)?;
    let writes = flags & OFlags::ACCMODE.bits() != OFlags::RDONLY.bits();
    Some(Descriptor {
        process: process.file_name()?.to_str()?.parse().ok()?,
        number: number.to_str()?.parse().ok()?,
        writes,
        appends: writes && flags & OFlags::APPEND.bits() != 0,
        position,
    })
}

/// From `/proc/PROCESS/fdinfo/NUMBER`: the flags it was opened with, and where it is.
fn flags_and_position(told: &str) -> Option<(u32, u64)> {
    let value = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    Some((u32::from_str_radix(value("flags:")?, 8).ok()?, value("pos:")?.parse().ok()?))
}

/// What a process runs, as the kernel keeps it.
fn program(process: u32) -> String {
    let name = std::fs::read(format!("/proc/{process}/comm")).unwrap_or_default();
    crate::policy::text::clean_line(&String::from_utf8_lossy(&name), 64).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(process: u32, writes: bool, appends: bool) -> Descriptor {
        Descriptor { process, number: 3, writes, appends, position: 0 }
    }

    #[test]
    fn the_kernels_words_are_read() {
        let appending = "pos:\t19798\nflags:\t02102001\nmnt_id:\t27\nino:\t10044993\n";
        let (flags, position) = flags_and_position(appending).unwrap();
        assert_eq!((flags & OFlags::ACCMODE.bits(), position), (OFlags::WRONLY.bits(), 19_798));
        for none in ["", "pos:\t1\n", "pos:\tx\nflags:\t0\n", "pos:\t1\nflags:\t9\n"] {
            assert_eq!(flags_and_position(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_process_is_told_once_and_appends_only_if_all_that_writes_does() {
        let file = (1, 2);
        for (descriptors, expected) in [
            (vec![(false, false)], (false, false)),
            (vec![(true, true)], (true, true)),
            (vec![(true, false)], (true, false)),
            (vec![(false, false), (true, true)], (true, true)),
            (vec![(true, true), (false, false)], (true, true)),
            (vec![(true, true), (true, false)], (true, false)),
            (vec![(true, false), (true, true)], (true, false)),
        ] {
            let of = |(writes, appends): &(bool, bool)| descriptor(1, *writes, *appends);
            let by_file = HashMap::from([(file, descriptors.iter().map(of).collect())]);
            let holders = Held { by_file, unseen: 0 }.holders(file);
            let told: Vec<_> = holders.iter().map(|holder| (holder.writes, holder.appends)).collect();
            assert_eq!(told, [expected], "{descriptors:?}");
        }
    }

    #[test]
    fn a_file_with_many_holders_names_some() {
        let file = (1, 2);
        let by_file = HashMap::from([(file, (0..500).map(|process| descriptor(process, true, true)).collect())]);
        let held = Held { by_file, unseen: 0 };
        assert_eq!(held.holders(file).len(), HOLDERS);
        assert!(held.may_be_written(file) && !held.may_be_written((1, 3)));
    }
}
