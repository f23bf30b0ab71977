//! `write`, `compress`, `create-directory` and `rename`. What becomes a new file is prepared first and made lasting in a
//! step of its own, so that a run that ends in between leaves nothing.

use std::fs::File;
use std::io::{self, Write};

use bytes::Bytes;
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::super::bindings::{Codec, Kind, WriteMode, Written};
use super::super::error::Error;
use super::codec::{Encoder, Format};
use super::rehearsed::Fate;
use super::root::{LastDirectory, Opened, Place, Root};
use super::staged::{self, Staged, Stored, Swept, Target, rename_to_absent, sync_directory};
use super::{CHUNK, Wanted, fill, kind, not_a_file};
use crate::policy::path::RelativePath;

/// Where stored bytes go.
pub(super) enum Destination {
    Staged(Box<Staged>),
    Appended(File),
    /// A rehearsal's.
    Nowhere,
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Staged(staged) => staged.write(bytes),
            Self::Appended(file) => file.write(bytes),
            Self::Nowhere => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written whole, and not yet lasting.
pub(in super::super) struct Prepared {
    pub(super) destination: Destination,
    pub(super) written: Written,
    pub(super) path: RelativePath,
    /// What is removed afterwards.
    pub(super) source: Option<Opened>,
}

impl Prepared {
    /// Bytes stored.
    pub(in super::super) fn bytes(&self) -> u64 {
        self.written.bytes
    }

    /// Makes it lasting.
    pub(in super::super) fn commit(self) -> Result<Written, Error> {
        match self.destination {
            Destination::Staged(staged) => staged.commit()?,
            Destination::Appended(file) => {
                rustix::fs::fsync(file).map_err(|errno| Error::system("write", &self.path, &errno.into()))?;
            }
            Destination::Nowhere => return Ok(self.written),
        }
        if let Some(source) = self.source {
            remove_source(&source)?;
        }
        Ok(self.written)
    }
}

/// What writing needs besides where and what: whether it is a rehearsal, whether anyone waits for it, and the budget.
pub(in super::super) struct Writing<'a> {
    pub(in super::super) rehearse: bool,
    /// Of a file that is new.
    pub(in super::super) mode: u32,
    pub(in super::super) swept: &'a Swept,
    pub(in super::super) wanted: &'a dyn Wanted,
    /// Counts stored bytes against the budget.
    pub(in super::super) charge: &'a mut dyn FnMut(u64) -> Result<(), Error>,
}

impl Writing<'_> {
    pub(super) fn stage(&self, place: &Place, target: Target, like: Option<&Stat>) -> Result<Destination, Error> {
        if self.rehearse {
            staged::check(place, target)?;
            may_change(place)?;
            return Ok(Destination::Nowhere);
        }
        let mut staged = Staged::begin(place, target, self.mode, self.swept)?;
        if let Some(stat) = like {
            staged.like(stat);
        }
        Ok(Destination::Staged(Box::new(staged)))
    }
}

/// Takes in the whole of `next` for `path`.
pub(in super::super) fn write(
    root: &Root,
    path: &RelativePath,
    mode: WriteMode,
    encode: Codec,
    mut next: impl FnMut() -> Option<Bytes>,
    writing: &mut Writing<'_>,
) -> Result<Prepared, Error> {
    let place = root.place(path, &mut LastDirectory::default())?;
    let destination = match mode {
        WriteMode::Create => writing.stage(&place, Target::Absent, None)?,
        WriteMode::Replace => writing.stage(&place, Target::Any, None)?,
        WriteMode::Append => append(&place, writing.mode, writing.rehearse)?,
    };
    let failed = |error: io::Error| Error::system("write", path, &error);
    let mut encoder = Encoder::new(Stored::new(destination), Format::to_write(encode, path)).map_err(failed)?;
    let mut charged = 0;
    while let Some(chunk) = next() {
        writing.wanted.wanted()?;
        encoder.write_all(&chunk).map_err(failed)?;
        let stored = encoder.get_ref().bytes;
        (writing.charge)(stored - std::mem::replace(&mut charged, stored))?;
    }
    let prepared = finish(encoder.finish().map_err(failed)?, charged, path, None, writing)?;
    if writing.rehearse && place.stat_if_any("write")?.is_none() {
        root.rehearsed().made(&place);
    }
    Ok(prepared)
}

/// Charges what is not yet, and has it prepared.
pub(super) fn finish(
    stored: Stored<Destination>,
    charged: u64,
    path: &RelativePath,
    source: Option<Opened>,
    writing: &mut Writing<'_>,
) -> Result<Prepared, Error> {
    (writing.charge)(stored.bytes - charged)?;
    writing.wanted.wanted()?;
    let (destination, written) = stored.finish();
    Ok(Prepared { destination, written, path: path.clone(), source })
}

fn append(place: &Place, mode: u32, rehearse: bool) -> Result<Destination, Error> {
    let failed = |errno: Errno| Error::system("append to", &place.path, &errno.into());
    if let Some(stat) = place.stat_if_any("append to")? {
        check_appendable(place, &stat)?;
        if rehearse {
            let (parent, name) = place.on_disk();
            rustix::fs::accessat(&**parent, name, Access::WRITE_OK, AtFlags::EACCESS).map_err(failed)?;
        }
    } else if rehearse {
        may_change(place)?;
    }
    if rehearse {
        return Ok(Destination::Nowhere);
    }
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(mode);
    let file = rustix::fs::openat(&*place.parent, place.name(), flags, mode).map_err(failed)?;
    check_appendable(place, &rustix::fs::fstat(&file).map_err(failed)?)?;
    Ok(Destination::Appended(file.into()))
}

fn check_appendable(place: &Place, stat: &Stat) -> Result<(), Error> {
    if kind(stat) != Kind::File {
        return Err(not_a_file(&place.path, kind(stat)));
    }
    if stat.st_nlink > 1 {
        return Err(Error::Refused(format!(
            "`{}` has {} names (hard links), of which others may be elsewhere; replace it instead of appending",
            place.path, stat.st_nlink
        )));
    }
    Ok(())
}

/// Whether the host's user may make and remove names there; for rehearsals, which do not try.
pub(super) fn may_change(place: &Place) -> Result<(), Error> {
    rustix::fs::accessat(&*place.parent, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
        .map_err(|errno| Error::system("change the directory of", &place.path, &errno.into()))
}

/// Encodes `path` into `to`, with the mode and time of last change that it has.
pub(in super::super) fn compress(
    root: &Root,
    path: &RelativePath,
    to: &RelativePath,
    encode: Codec,
    remove_source: bool,
    writing: &mut Writing<'_>,
) -> Result<Prepared, Error> {
    let source = root.file(path, &mut LastDirectory::default())?;
    if remove_source && kind(&root.place(path, &mut LastDirectory::default())?.stat("read")?) == Kind::Symlink {
        return Err(not_a_file(path, Kind::Symlink));
    }
    let place = root.place(to, &mut LastDirectory::default())?;
    let destination = writing.stage(&place, Target::Absent, Some(&source.stat))?;
    let failed = |error: io::Error| Error::system("write", to, &error);
    let mut encoder = Encoder::new(Stored::new(destination), Format::to_write(encode, to)).map_err(failed)?;
    let (mut charged, mut chunk) = (0, vec![0; CHUNK]);
    loop {
        writing.wanted.wanted()?;
        let read = fill(&mut &source.file, &mut chunk).map_err(|error| source.failed("read", &error))?;
        if read == 0 {
            break;
        }
        encoder.write_all(chunk.split_at(read).0).map_err(failed)?;
        let stored = encoder.get_ref().bytes;
        (writing.charge)(stored - std::mem::replace(&mut charged, stored))?;
    }
    let stored = encoder.finish().map_err(failed)?;
    if remove_source {
        unchanged(&source)?;
    }
    let mut prepared = finish(stored, charged, to, None, writing)?;
    if writing.rehearse {
        match Format::to_write(encode, to) {
            Format::Plain => root.rehearsed().copied(&source.place, &place),
            _ => root.rehearsed().made(&place),
        }
        if remove_source {
            root.rehearsed().gone(&source.place, &source.stat);
        }
    }
    prepared.source = remove_source.then_some(source);
    Ok(prepared)
}

/// Makes an empty file with mode and owner of another.
pub(in super::super) fn create_like(
    root: &Root,
    path: &RelativePath,
    like: &RelativePath,
    writing: &mut Writing<'_>,
) -> Result<Prepared, Error> {
    let stat = root.place(like, &mut LastDirectory::default())?.stat("look at")?;
    if kind(&stat) != Kind::File {
        return Err(not_a_file(like, kind(&stat)));
    }
    let place = root.place(path, &mut LastDirectory::default())?;
    let mut destination = writing.stage(&place, Target::Absent, None)?;
    if let Destination::Staged(staged) = &mut destination {
        staged.owned_like(&stat);
    }
    let prepared = finish(Stored::new(destination), 0, path, None, writing)?;
    if writing.rehearse {
        root.rehearsed().made(&place);
    }
    Ok(prepared)
}

/// That the name still means the file that was read, and that nothing was written to it since.
fn unchanged(source: &Opened) -> Result<(), Error> {
    let failed = |errno: Errno| source.failed("look at", &errno.into());
    let now = rustix::fs::fstat(&source.file).map_err(failed)?;
    let there = source.place.stat_if_any("look at")?;
    let facts = |stat: &Stat| (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    if facts(&now) != facts(&source.stat) || there.is_none_or(|there| facts(&there) != facts(&now)) {
        return Err(Error::Io(format!("`{}` changed while it was compressed; it is kept", source.path)));
    }
    Ok(())
}

fn remove_source(source: &Opened) -> Result<(), Error> {
    unchanged(source)?;
    let (parent, name) = (&*source.place.parent, source.place.name());
    rustix::fs::unlinkat(parent, name, AtFlags::empty()).map_err(|errno| source.failed("remove", &errno.into()))?;
    sync_directory(parent).map_err(|errno| source.failed("remove", &errno.into()))
}

/// Makes a directory in one that exists.
pub(in super::super) fn create_directory(root: &Root, path: &RelativePath, rehearse: bool) -> Result<(), Error> {
    let place = root.place(path, &mut LastDirectory::default())?;
    let failed = |errno: Errno| Error::system("create", path, &errno.into());
    if matches!(place.fate, Some(Fate::Made)) || place.stat_if_any("create")?.is_some() {
        return Err(failed(Errno::EXIST));
    }
    if rehearse {
        may_change(&place)?;
        root.rehearsed().made(&place);
        return Ok(());
    }
    rustix::fs::mkdirat(&*place.parent, place.name(), Mode::from_raw_mode(0o777)).map_err(failed)?;
    sync_directory(&place.parent).map_err(failed)
}

/// Renames what is at `from`, unless there is something at `to`.
pub(in super::super) fn rename(
    root: &Root,
    from: &RelativePath,
    to: &RelativePath,
    rehearse: bool,
) -> Result<(), Error> {
    let source = root.place(from, &mut LastDirectory::default())?;
    let target = root.place(to, &mut LastDirectory::default())?;
    let stat = source.stat("rename")?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::Symlink => {}
        FileType::Directory if root.grant().is_whole() => {}
        FileType::Directory => {
            return Err(Error::Refused(format!(
                "`{from}` is a directory, and slot `{}` grants by name what is in it; rename the files one by one",
                root.slot()
            )));
        }
        _ => return Err(not_a_file(from, Kind::Other)),
    }
    if matches!(target.fate, Some(Fate::Made)) || target.stat_if_any("rename to")?.is_some() {
        return Err(Error::system("create", to, &Errno::EXIST.into()));
    }
    if rehearse {
        may_change(&source)?;
        may_change(&target)?;
        root.rehearsed().moved(&source, &target);
        return Ok(());
    }
    let failed = |errno: Errno| match errno {
        Errno::EXIST => Error::system("create", to, &errno.into()),
        errno => Error::system("rename", from, &errno.into()),
    };
    rename_to_absent(&source.parent, source.name(), &target.parent, target.name()).map_err(failed)?;
    sync_directory(&source.parent).map_err(failed)?;
    sync_directory(&target.parent).map_err(failed)
}
