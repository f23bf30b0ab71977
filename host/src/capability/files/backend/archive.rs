//! `archive`: a tar of files and directories. Names are relative to the root and in order, links are kept as links,
//! and sockets, pipes and devices are left out.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use tar::{Builder, EntryType, Header};

use super::super::bindings::{Codec, Kind};
use super::super::error::Error;
use super::super::grant::Standing;
use super::codec::{Encoder, Format};
use super::create::{self, Destination, Prepared, Writing};
use super::root::{LIST, LastDirectory, Root};
use super::staged::{Stored, Target};
use super::tree::{self, Seen, Visitor};
use super::{Wanted, count, kind};
use crate::policy::path::RelativePath;

struct Packing<'a, 'b> {
    builder: Builder<Encoder<Stored<Destination>>>,
    to: &'a RelativePath,
    writing: &'a mut Writing<'b>,
    charged: u64,
}

/// Packs what is at `paths`, directories with all that is granted in them.
pub(in super::super) fn archive(
    root: &Root,
    paths: &[RelativePath],
    to: &RelativePath,
    encode: Codec,
    writing: &mut Writing<'_>,
) -> Result<Prepared, Error> {
    let place = root.place(to, &mut LastDirectory::default())?;
    let destination = writing.stage(&place, Target::Absent, None)?;
    let failed = |error: io::Error| Error::system("write", to, &error);
    let encoder = Encoder::new(Stored::new(destination), Format::to_write(encode, to)).map_err(failed)?;
    let mut packing = Packing { builder: Builder::new(encoder), to, writing, charged: 0 };
    for path in paths {
        packing.add_path(root, path)?;
    }
    let Packing { builder, writing, charged, .. } = packing;
    let stored = builder.into_inner().and_then(Encoder::finish).map_err(failed)?;
    let prepared = create::finish(stored, charged, to, None, writing)?;
    if writing.rehearse {
        root.rehearsed().made(&place);
    }
    Ok(prepared)
}

impl Packing<'_, '_> {
    fn add_path(&mut self, root: &Root, path: &RelativePath) -> Result<(), Error> {
        let mut standing = root.grant().root();
        let directory = if path.names().is_empty() {
            root.directory(path)?.0
        } else {
            standing = Standing::Granted;
            let place = root.place(path, &mut LastDirectory::default())?;
            let stat = place.stat("read")?;
            let bytes = place.path.to_bytes();
            let (parent, name) = place.on_disk();
            self.add(parent, name, &bytes, kind(&stat), &stat)?;
            if kind(&stat) != Kind::Directory {
                return Ok(());
            }
            root.directory(&place.path)?.0
        };
        let failed = |errno: Errno| Error::system("list", path, &errno.into());
        let listed = rustix::fs::openat(&*directory, ".", LIST, Mode::empty()).map_err(failed)?;
        tree::visit(root, path, standing, listed, self)
    }

    /// Adds one entry, unless it has vanished meanwhile.
    fn add(
        &mut self,
        directory: impl std::os::fd::AsFd,
        name: impl rustix::path::Arg + Copy,
        path: &[u8],
        kind: Kind,
        stat: &Stat,
    ) -> Result<(), Error> {
        self.writing.wanted.wanted()?;
        let shown = RelativePath::from_resolved(path);
        let unreadable = |errno: Errno| Error::system("read", &shown, &errno.into());
        let path = Path::new(OsStr::from_bytes(path));
        let packed = match kind {
            Kind::Other => return Ok(()),
            Kind::Directory => {
                self.builder.append_data(&mut header(stat, EntryType::Directory, 0), path.join(""), io::empty())
            }
            Kind::Symlink => {
                let target = match rustix::fs::readlinkat(directory, name, Vec::new()) {
                    Err(Errno::NOENT | Errno::INVAL) => return Ok(()),
                    target => target.map_err(unreadable)?,
                };
                let target = Path::new(OsStr::from_bytes(target.as_bytes()));
                self.builder.append_link(&mut header(stat, EntryType::Symlink, 0), path, target)
            }
            Kind::File => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
                    Err(Errno::NOENT | Errno::LOOP) => return Ok(()),
                    file => std::fs::File::from(file.map_err(unreadable)?),
                };
                let stat = rustix::fs::fstat(&file).map_err(unreadable)?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return Ok(());
                }
                // A log that grows is taken up to here, and one that was cut is filled up: the tar stays whole.
                let size = count(stat.st_size);
                let content = file.chain(io::repeat(0)).take(size);
                let content = While { reader: content, wanted: self.writing.wanted };
                self.builder.append_data(&mut header(&stat, EntryType::Regular, size), path, content)
            }
        };
        packed.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionAborted => Error::GivenUp,
            _ => Error::system("write", self.to, &error),
        })?;
        let stored = self.builder.get_ref().get_ref().bytes;
        (self.writing.charge)(stored - std::mem::replace(&mut self.charged, stored))
    }
}

impl Visitor for Packing<'_, '_> {
    const SORTED: bool = true;

    fn entry(&mut self, seen: &Seen<'_>) -> Result<bool, Error> {
        if seen.granted
            && let Ok(stat) = rustix::fs::statat(seen.directory(), seen.c_name(), AtFlags::SYMLINK_NOFOLLOW)
        {
            self.add(seen.directory(), seen.c_name(), seen.path, kind(&stat), &stat)?;
        }
        Ok(true)
    }

    /// An archive with something missing would be taken for a whole one.
    fn problem(&mut self, path: String, error: &Error) -> Result<(), Error> {
        Err(Error::Io(format!("`{path}` cannot be archived: {error}")))
    }
}

fn header(stat: &Stat, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(stat.st_mode & 0o7777);
    header.set_mtime(count(stat.st_mtime));
    header.set_uid(u64::from(stat.st_uid));
    header.set_gid(u64::from(stat.st_gid));
    header
}

struct While<'a, R> {
    reader: R,
    wanted: &'a dyn Wanted,
}

impl<R: Read> Read for While<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.wanted.wanted().is_err() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.reader.read(buffer)
    }
}
