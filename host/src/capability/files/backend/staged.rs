//! A file that is being written beside its target, under a name of the host's own, and takes the target's place only
//! when it is whole.
//!
//! The name's mark and a lock on the file tell one that is being written from one that a killed host left behind; those
//! are removed when something is written to the same directory again, or the directory is removed.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, FlockOperation, Gid, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::super::bindings::Written;
use super::super::error::Error;
use super::super::grant::{MARK, is_marked};
use super::read::hex;
use super::rehearsed::Fate;
use super::root::Place;
use super::{kind, not_a_file};
use crate::policy::path::RelativePath;

/// Directories that this process has swept of what killed hosts left.
#[derive(Debug, Default)]
pub struct Swept(Mutex<HashSet<(u64, u64)>>);

/// Whether the target may be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Target {
    Absent,
    Any,
}

/// A file beside its target. Dropped without [`commit`](Self::commit), it goes.
pub(in super::super) struct Staged {
    parent: Arc<Dir>,
    name: Vec<u8>,
    path: RelativePath,
    temporary: Option<CString>,
    file: File,
    target: Target,
    like: Option<Like>,
}

/// What a file takes over from another.
#[derive(Clone, Copy, Debug)]
struct Like {
    mode: u32,
    owner: (u32, u32),
    times: Option<(i64, i64)>,
}

/// Looks whether `place` can be written in this way.
pub(super) fn check(place: &Place, target: Target) -> Result<Option<Stat>, Error> {
    if target == Target::Absent && matches!(place.fate, Some(Fate::Made)) {
        return Err(Error::system("create", &place.path, &Errno::EXIST.into()));
    }
    let Some(stat) = place.stat_if_any("write")? else { return Ok(None) };
    if target == Target::Absent {
        return Err(Error::system("create", &place.path, &Errno::EXIST.into()));
    }
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(not_a_file(&place.path, kind(&stat)));
    }
    Ok(Some(stat))
}

impl Staged {
    /// Begins a file that is to be at `place`, with that mode where it is new.
    pub(super) fn begin(place: &Place, target: Target, mode: u32, swept: &Swept) -> Result<Self, Error> {
        let failed = |errno: Errno| Error::system("write", &place.path, &errno.into());
        let there = check(place, target)?;
        swept.sweep(&place.parent).map_err(failed)?;
        let like =
            there.map(|stat| Like { mode: stat.st_mode & 0o777, owner: (stat.st_uid, stat.st_gid), times: None });
        // What replaces a private file is private from its first byte.
        let mode = Mode::from_raw_mode(like.map_or(mode, |like| like.mode & 0o600));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let name = format!("{}{}{}", MARK.0, uuid::Uuid::now_v7(), MARK.1);
            let temporary = CString::new(name).map_err(|_| failed(Errno::INVAL))?;
            let file = File::from(rustix::fs::openat(&*place.parent, &temporary, flags, mode).map_err(failed)?);
            // Between its creation and its lock, another host may take it for left behind.
            let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
            if locked == Err(Errno::WOULDBLOCK) || rustix::fs::fstat(&file).map_err(failed)?.st_nlink == 0 {
                continue;
            }
            return Ok(Self {
                parent: Arc::clone(&place.parent),
                name: place.name.clone(),
                path: place.path.clone(),
                temporary: Some(temporary),
                file,
                target,
                like,
            });
        }
    }

    /// Takes over mode and time of last change from what it is made of.
    pub(super) fn like(&mut self, stat: &Stat) {
        let times = Some((stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or_default()));
        self.like = Some(Like { mode: stat.st_mode & 0o777, owner: (stat.st_uid, stat.st_gid), times });
    }

    /// Takes over mode and owner, and is of now.
    pub(super) fn owned_like(&mut self, stat: &Stat) {
        self.like = Some(Like { mode: stat.st_mode & 0o777, owner: (stat.st_uid, stat.st_gid), times: None });
    }

    /// Makes it the target, lastingly.
    pub(in super::super) fn commit(mut self) -> Result<(), Error> {
        let failed = |errno: Errno| Error::system("write", &self.path, &errno.into());
        let Some(temporary) = self.temporary.clone() else { return Ok(()) };
        if let Some(like) = self.like {
            // Only root may give a file away; its mode is narrow enough without.
            let _ =
                rustix::fs::fchown(&self.file, Some(Uid::from_raw(like.owner.0)), Some(Gid::from_raw(like.owner.1)));
            rustix::fs::fchmod(&self.file, Mode::from_raw_mode(like.mode)).map_err(failed)?;
            if let Some((seconds, nanoseconds)) = like.times {
                let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
                rustix::fs::futimens(&self.file, &Timestamps { last_access: time, last_modification: time })
                    .map_err(failed)?;
            }
        }
        rustix::fs::fsync(&self.file).map_err(failed)?;
        let name = self.name.as_slice();
        match self.target {
            Target::Any => rustix::fs::renameat(&*self.parent, &temporary, &*self.parent, name).map_err(failed)?,
            Target::Absent => {
                rename_to_absent(&self.parent, &temporary, &self.parent, name).map_err(failed)?;
            }
        }
        self.temporary = None;
        sync_directory(&self.parent).map_err(failed)
    }
}

/// Renames, unless the target is there.
pub(super) fn rename_to_absent(
    from: &Dir,
    name: impl rustix::path::Arg + Copy,
    to: &Dir,
    target: impl rustix::path::Arg + Copy,
) -> rustix::io::Result<()> {
    match rustix::fs::renameat_with(from, name, to, target, RenameFlags::NOREPLACE) {
        // A file system that cannot: a second name is refused as well when there is one already.
        Err(Errno::INVAL | Errno::NOSYS) => {
            rustix::fs::linkat(from, name, to, target, AtFlags::empty())?;
            rustix::fs::unlinkat(from, name, AtFlags::empty())
        }
        done => done,
    }
}

/// Makes what happened to a directory's names lasting.
pub(super) fn sync_directory(directory: &Dir) -> rustix::io::Result<()> {
    rustix::fs::fsync(rustix::fs::openat(directory, ".", super::root::LIST, Mode::empty())?)
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            // What cannot be removed now is swept later.
            let _ = rustix::fs::unlinkat(&*self.parent, temporary, AtFlags::empty());
        }
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Swept {
    /// Removes what killed hosts left in `directory`, once.
    fn sweep(&self, directory: &Dir) -> rustix::io::Result<()> {
        let stat = rustix::fs::fstat(directory)?;
        if !self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((stat.st_dev, stat.st_ino)) {
            return Ok(());
        }
        let Ok(listed) = rustix::fs::openat(directory, ".", super::root::LIST, Mode::empty()) else { return Ok(()) };
        for entry in rustix::fs::Dir::read_from(&listed)? {
            let entry = entry?;
            remove_if_left(&listed, entry.file_name());
        }
        Ok(())
    }
}

/// Removes a temporary file that no living host holds; whether it is gone.
fn remove_if_left(directory: impl AsFd, name: &CStr) -> bool {
    left_behind(&directory, name)
        .is_some_and(|_locked| rustix::fs::unlinkat(&directory, name, AtFlags::empty()).is_ok())
}

/// A temporary file that no living host holds, and that none will hold while this is open.
fn left_behind(directory: impl AsFd, name: &CStr) -> Option<OwnedFd> {
    if !is_marked(name.to_bytes()) {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, name, flags, Mode::empty()).ok()?;
    let stat = rustix::fs::fstat(&file).ok()?;
    let left = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    left.then_some(file)
}

/// Whether `name` is only what a killed host left in a directory that is to be removed; if so it goes, unless this is a
/// rehearsal. A guest sees no such file, and could not remove it.
pub(super) fn is_left_behind(directory: impl AsFd, name: &CStr, rehearse: bool) -> bool {
    if rehearse { left_behind(directory, name).is_some() } else { remove_if_left(directory, name) }
}

/// Counts and hashes what is stored.
pub(super) struct Stored<W> {
    writer: W,
    pub(super) bytes: u64,
    hash: Sha256,
}

impl<W> Stored<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, bytes: 0, hash: Sha256::new() }
    }

    /// What was written, and where to.
    pub(super) fn finish(self) -> (W, Written) {
        (self.writer, Written { bytes: self.bytes, sha256: hex(self.hash) })
    }
}

impl<W: Write> Write for Stored<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(bytes)?;
        self.hash.update(bytes.split_at(written).0);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
