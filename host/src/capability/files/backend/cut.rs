//! `cut`: takes the front off a file that a process may be writing, and loses nothing that is written meanwhile where the
//! file system can do that.
//!
//! A file that nobody writes is truncated. One that may be written is cut in whole blocks by the file system itself, which
//! holds appending processes back for that moment; the bytes left of the last block become a line of blanks. Where the
//! file system cannot, what was written since is moved to the front and the rest truncated: in the microseconds before
//! that, a byte may be lost, which is then said. Whatever happens, and wherever a host is killed, bytes may be there
//! twice and are never gone before `sha256` has shown that they are those that the caller has elsewhere.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{Access, AtFlags, FallocateFlags, Mode, OFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::super::bindings::{Cut, Kind};
use super::super::error::Error;
use super::open_files::{Held, identity};
use super::read::hex;
use super::root::{LastDirectory, Place, Root};
use super::{CHUNK, Wanted, count, fill, kind, not_a_file};
use crate::policy::path::RelativePath;

/// How much may have been written since the copy, where that must be moved by hand.
const TAIL_LIMIT: u64 = 16 << 20;
/// How often it is tried again when the file grows meanwhile.
const TRIES: usize = 100;

/// Takes off the first `bytes` of the file at `path` if their checksum is `sha256`. `charge` is told how many, before
/// that.
pub(in super::super) fn cut(
    root: &Root,
    path: &RelativePath,
    bytes: u64,
    sha256: &str,
    rehearse: bool,
    wanted: &impl Wanted,
    charge: impl FnOnce(u64) -> Result<(), Error>,
) -> Result<Cut, Error> {
    let place = root.place(path, &mut LastDirectory::default())?;
    let open = Front { file: open(&place, rehearse)?, path };
    let stat = open.stat()?;
    check(&place, &stat)?;
    open.is_front(bytes, sha256, wanted)?;
    charge(bytes)?;
    let left = count(stat.st_size).saturating_sub(bytes);
    if bytes == 0 {
        return Ok(Cut { size: left, blank: 0, whole: true, lost: 0 });
    }
    let files = HashSet::from([identity(&stat)]);
    let held = Held::now(&files).without_own(open.file.as_raw_fd());
    let written = held.may_be_written(identity(&stat));
    if rehearse {
        let blank = if written || left > 0 { bytes - blocks(bytes, &stat) } else { 0 };
        return Ok(Cut { size: left + blank, blank, whole: true, lost: 0 });
    }
    let cut = match (written, left) {
        (false, 0) => open.truncate_unwritten()?,
        _ => match open.collapse(bytes, &stat)? {
            Some(cut) => cut,
            None => open.shift(bytes, written)?,
        },
    };
    rustix::fs::fsync(&open.file).map_err(|errno| open.failed(&errno.into()))?;
    Ok(cut)
}

/// How many of the first `bytes` the file system can take off: whole blocks, and not up to the very end of the file.
fn blocks(bytes: u64, stat: &Stat) -> u64 {
    let block = count(stat.st_blksize).max(1);
    bytes.saturating_sub(1) / block * block
}

/// Opens a plain file to be changed in place; never through a link. A rehearsal only reads it.
fn open(place: &Place, rehearse: bool) -> Result<File, Error> {
    let failed = |errno: Errno| Error::system("cut", &place.path, &errno.into());
    let stat = place.stat("cut")?;
    check(place, &stat)?;
    let (parent, name) = place.on_disk();
    let access = if rehearse { OFlags::RDONLY } else { OFlags::RDWR };
    if rehearse {
        rustix::fs::accessat(&**parent, name, Access::WRITE_OK, AtFlags::EACCESS).map_err(failed)?;
    }
    let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(&**parent, name, flags, Mode::empty()).map_err(failed)?.into())
}

fn check(place: &Place, stat: &Stat) -> Result<(), Error> {
    if kind(stat) != Kind::File {
        return Err(not_a_file(&place.path, kind(stat)));
    }
    if stat.st_nlink > 1 {
        return Err(Error::Refused(format!(
            "`{}` has {} names (hard links), of which others may be elsewhere; it is not cut",
            place.path, stat.st_nlink
        )));
    }
    Ok(())
}

/// A file whose front goes.
struct Front<'a> {
    file: File,
    path: &'a RelativePath,
}

impl Front<'_> {
    fn failed(&self, error: &io::Error) -> Error {
        Error::system("cut", self.path, error)
    }

    fn stat(&self) -> Result<Stat, Error> {
        rustix::fs::fstat(&self.file).map_err(|errno| self.failed(&errno.into()))
    }

    fn size(&self) -> Result<u64, Error> {
        Ok(count(self.stat()?.st_size))
    }

    /// That the file begins with `bytes` of that checksum.
    fn is_front(&self, bytes: u64, sha256: &str, wanted: &impl Wanted) -> Result<(), Error> {
        let (mut hash, mut rest, mut chunk) = (Sha256::new(), bytes, vec![0; CHUNK]);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0)).map_err(|error| self.failed(&error))?;
        while rest > 0 {
            wanted.wanted()?;
            let room = usize::try_from(rest).unwrap_or(CHUNK).min(CHUNK);
            let read = fill(&mut file.take(rest), chunk.split_at_mut(room).0).map_err(|error| self.failed(&error))?;
            if read == 0 {
                return Err(Error::Invalid(format!("`{}` is shorter than {bytes} bytes; it is not cut", self.path)));
            }
            hash.update(chunk.split_at(read).0);
            rest -= read as u64;
        }
        if hex(hash) == sha256 {
            return Ok(());
        }
        Err(Error::Invalid(format!("`{}` no longer begins with what was copied from it; it is not cut", self.path)))
    }

    /// Nobody writes: all of it goes.
    fn truncate_unwritten(&self) -> Result<Cut, Error> {
        self.truncate(0)?;
        Ok(Cut { size: self.size()?, blank: 0, whole: true, lost: 0 })
    }

    fn truncate(&self, size: u64) -> Result<(), Error> {
        rustix::fs::ftruncate(&self.file, size).map_err(|errno| self.failed(&errno.into()))
    }

    /// Has the file system take off whole blocks, and blanks what is left of the last. None when it cannot.
    fn collapse(&self, bytes: u64, stat: &Stat) -> Result<Option<Cut>, Error> {
        let blocks = blocks(bytes, stat);
        if blocks > 0 {
            match rustix::fs::fallocate(&self.file, FallocateFlags::COLLAPSE_RANGE, 0, blocks) {
                Ok(()) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::PERM | Errno::TXTBSY) => return Ok(None),
                Err(errno) => return Err(self.failed(&errno.into())),
            }
        }
        let blank = bytes - blocks;
        let mut line = vec![b' '; usize::try_from(blank).unwrap_or_default()];
        if let Some(end) = line.last_mut() {
            *end = b'\n';
        }
        self.file.write_all_at(&line, 0).map_err(|error| self.failed(&error))?;
        Ok(Some(Cut { size: self.size()?, blank, whole: true, lost: 0 }))
    }

    /// Moves what was written since the copy to the front, and truncates what is behind it.
    fn shift(&self, bytes: u64, written: bool) -> Result<Cut, Error> {
        let mut front = Vec::new();
        let moved = self.move_tail(bytes, &mut front).and_then(|moved| self.truncate(moved).map(|()| moved));
        let moved = moved.inspect_err(|_| {
            // The caller keeps what is in the file: it must be whole again.
            let _ = self.file.write_all_at(&front, 0);
        })?;
        // A process that has appended stands where its last byte was, until it writes again.
        let lost = if written { self.stands_at()?.saturating_sub(bytes + moved) } else { 0 };
        Ok(Cut { size: self.size()?, blank: 0, whole: !written, lost })
    }

    /// Moves what follows the first `bytes` to the front, until nothing more comes; how many bytes that is. What was there
    /// is put by in `front`.
    fn move_tail(&self, bytes: u64, front: &mut Vec<u8>) -> Result<u64, Error> {
        let failed = |error: io::Error| self.failed(&error);
        let mut moved = 0;
        for _ in 0..TRIES {
            let more = self.size()?.saturating_sub(bytes + moved);
            if more == 0 {
                return Ok(moved);
            }
            if moved + more > TAIL_LIMIT.min(bytes) {
                break;
            }
            let mut tail = vec![0; usize::try_from(more).unwrap_or_default()];
            self.file.read_exact_at(&mut tail, moved).map_err(failed)?;
            front.extend_from_slice(&tail);
            self.file.read_exact_at(&mut tail, bytes + moved).map_err(failed)?;
            self.file.write_all_at(&tail, moved).map_err(failed)?;
            moved += more;
        }
        Err(Error::Io(format!("`{}` grows faster than it can be cut; it is whole", self.path)))
    }

    fn stands_at(&self) -> Result<u64, Error> {
        let file = identity(&self.stat()?);
        Ok(Held::now(&HashSet::from([file])).without_own(self.file.as_raw_fd()).furthest(file))
    }
}
