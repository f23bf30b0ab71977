//! What is done on disk. Nothing here decides what a grant allows, apart from where a link leads to; nothing here knows
//! wasmtime's stores. All of it blocks, and runs on threads that may.

pub(super) mod archive;
pub(super) mod codec;
pub(super) mod create;
pub(super) mod cut;
pub(super) mod examine;
mod lines;
mod open_files;
pub(super) mod read;
pub(super) mod rehearsed;
pub(super) mod remove;
pub(super) mod root;
pub(super) mod search;
pub(super) mod staged;
pub(super) mod tail;
mod tree;
pub(super) mod walk;

use std::io;

use rustix::fs::{FileType, Stat};

use super::bindings::{Entry, Kind};
use super::error::Error;
use crate::policy::path::RelativePath;

/// Bytes that are moved at once.
pub(super) const CHUNK: usize = 256 * 1024;

/// Asked now and then by whoever works for long: is this still wanted?
pub(super) trait Wanted {
    /// # Errors
    /// [`Error::GivenUp`] when nobody waits for the result any more.
    fn wanted(&self) -> Result<(), Error>;
}

impl<F: Fn() -> bool> Wanted for F {
    fn wanted(&self) -> Result<(), Error> {
        if self() { Ok(()) } else { Err(Error::GivenUp) }
    }
}

fn kind_of(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        _ => Kind::Other,
    }
}

fn kind(stat: &Stat) -> Kind {
    kind_of(FileType::from_raw_mode(stat.st_mode))
}

/// A count that the system gives in a signed or narrower type.
fn count(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or_default()
}

fn entry(path: String, stat: &Stat) -> Entry {
    Entry {
        path,
        kind: kind(stat),
        size: count(stat.st_size),
        modified: stat.st_mtime,
        mode: stat.st_mode & 0o7777,
        links: count(stat.st_nlink),
    }
}

/// What a thing is called in an error where a plain file is needed.
fn not_a_file(path: &RelativePath, kind: Kind) -> Error {
    Error::WrongKind(match kind {
        Kind::Directory => format!("`{path}` is a directory; a plain file is needed"),
        Kind::Symlink => format!("`{path}` is a symbolic link; name what it leads to"),
        Kind::File => format!("`{path}` is a plain file"),
        Kind::Other => format!("`{path}` is a socket, pipe or device, which is never opened"),
    })
}

/// Reads until `buffer` is full or the file is at its end.
fn fill(reader: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
