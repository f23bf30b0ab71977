//! Goes through a tree: depth first, without recursion, with a bounded number of open directories however deep it is,
//! and never through a link or into another file system.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, RawDir, Stat};
use rustix::io::Errno;

use super::super::bindings::Kind;
use super::super::error::Error;
use super::super::grant::Standing;
use super::kind;
use super::root::{LIST, Root, Volume};
use crate::policy::path::{RelativePath, encode_into};

/// What is done with the entries of a tree.
pub(super) trait Visitor {
    /// Names of a directory in order of their bytes, which takes them all into memory first.
    const SORTED: bool;

    /// One entry; the answer is whether to go into it when it is a directory.
    fn entry(&mut self, seen: &Seen<'_>) -> Result<bool, Error>;

    /// Something could not be read.
    fn problem(&mut self, path: String, error: &Error) -> Result<(), Error>;
}

/// An entry as it is come across.
pub(super) struct Seen<'a> {
    directory: BorrowedFd<'a>,
    name: &'a CStr,
    /// The path below the root, in bytes.
    pub(super) path: &'a [u8],
    /// The path of its directory as text, with a `/` at the end.
    prefix: &'a str,
    pub(super) kind: Kind,
    pub(super) granted: bool,
    /// 1 for the root's own entries.
    pub(super) depth: u32,
}

impl Seen<'_> {
    pub(super) fn name(&self) -> &[u8] {
        self.name.to_bytes()
    }

    /// The path as text.
    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(self.prefix.len() + self.name().len());
        text.push_str(self.prefix);
        encode_into(self.name(), &mut text);
        text
    }

    /// None when it has vanished.
    pub(super) fn stat(&self) -> Result<Option<Stat>, Error> {
        look_at(self.directory, self.name).map_err(|errno| Error::system("look at", &self.text(), &errno.into()))
    }

    /// Its directory, for what is done relative to that.
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.directory
    }

    /// Its name, as the system takes it.
    pub(super) fn c_name(&self) -> &CStr {
        self.name
    }
}

fn look_at(directory: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<Option<Stat>> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// A directory on the way from the root to where the walk is.
struct Frame {
    directory: Option<OwnedFd>,
    identity: (u64, u64),
    /// Directories in it that are still to be entered.
    pending: Vec<(CString, Standing)>,
    /// How much of the walk's path and text is this directory's.
    path: usize,
    text: usize,
}

/// The most directories that are held open on the way down; the way back up leads through `..`, checked.
const HELD_OPEN: usize = 64;
/// Entries are read from the system in portions of this size.
const LIST_BUFFER: usize = 64 * 1024;

struct Walk<'a, V> {
    root: &'a Root,
    visitor: &'a mut V,
    frames: Vec<Frame>,
    path: Vec<u8>,
    text: String,
    buffer: Vec<MaybeUninit<u8>>,
}

/// Shows `visitor` all that is in the directory at `start`, which is open for listing as `directory`.
pub(super) fn visit<V: Visitor>(
    root: &Root,
    start: &RelativePath,
    standing: Standing,
    directory: OwnedFd,
    visitor: &mut V,
) -> Result<(), Error> {
    let mut path = start.to_bytes();
    let mut text = String::new();
    if !path.is_empty() {
        text = format!("{start}/");
        path.push(b'/');
    }
    let buffer = vec![MaybeUninit::uninit(); LIST_BUFFER];
    let mut walk = Walk { root, visitor, frames: Vec::new(), path, text, buffer };
    walk.list(directory, standing)?;
    walk.run()
}

impl<V: Visitor> Walk<'_, V> {
    fn run(&mut self) -> Result<(), Error> {
        while let Some(frame) = self.frames.last_mut() {
            self.path.truncate(frame.path);
            self.text.truncate(frame.text);
            let Some((name, standing)) = frame.pending.pop() else {
                self.leave()?;
                continue;
            };
            let Some(directory) = &frame.directory else { continue };
            let opened = enter(directory, &name, self.root.volume());
            self.path.extend_from_slice(name.to_bytes());
            encode_into(name.to_bytes(), &mut self.text);
            match opened {
                Ok(None) => {}
                Ok(Some(directory)) => {
                    self.path.push(b'/');
                    self.text.push('/');
                    self.list(directory, standing)?;
                }
                Err(error) => {
                    let text = self.text.clone();
                    self.visitor.problem(text, &Error::system("list", &self.text, &error))?;
                }
            }
        }
        Ok(())
    }

    /// Shows the entries of the directory that path and text name, and remembers those to be entered.
    fn list(&mut self, directory: OwnedFd, standing: Standing) -> Result<(), Error> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut pending = Vec::new();
        let mut sorted = Vec::new();
        let mut failed = None;
        let mut entries = RawDir::new(&directory, &mut buffer);
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Ok(entry) if V::SORTED => sorted.push((entry.file_name().to_owned(), entry.file_type())),
                Ok(entry) => {
                    self.show(&directory, entry.file_name(), entry.file_type(), standing, &mut pending)?;
                }
                Err(Errno::NOENT) => break,
                Err(errno) => {
                    failed = Some(errno);
                    break;
                }
            }
        }
        self.buffer = buffer;
        if V::SORTED {
            sorted.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            for (name, file_type) in sorted {
                self.show(&directory, &name, file_type, standing, &mut pending)?;
            }
            pending.reverse();
        }
        if let Some(errno) = failed {
            let shown = if self.text.is_empty() { "." } else { self.text.trim_end_matches('/') };
            self.visitor.problem(shown.to_owned(), &Error::system("list", &shown, &errno.into()))?;
        }
        if pending.is_empty() {
            return Ok(());
        }
        let identity = identity(&directory).map_err(|error| Error::system("list", &self.text, &error))?;
        let (path, text) = (self.path.len(), self.text.len());
        self.frames.push(Frame { directory: Some(directory), identity, pending, path, text });
        if let Some(far) = self.frames.len().checked_sub(HELD_OPEN + 1).and_then(|index| self.frames.get_mut(index)) {
            far.directory = None;
        }
        Ok(())
    }

    fn show(
        &mut self,
        directory: &OwnedFd,
        name: &CStr,
        file_type: FileType,
        parent: Standing,
        pending: &mut Vec<(CString, Standing)>,
    ) -> Result<(), Error> {
        let length = self.path.len();
        self.path.extend_from_slice(name.to_bytes());
        let standing = self.root.grant().standing(parent, &self.path, name.to_bytes().len());
        if standing != Standing::LeftOut {
            // Some file systems do not say what an entry is.
            let kind = match file_type {
                FileType::Unknown => match look_at(directory.as_fd(), name) {
                    Ok(Some(stat)) => Some(kind(&stat)),
                    _ => None,
                },
                known => Some(super::kind_of(known)),
            };
            if let Some(kind) = kind {
                let seen = Seen {
                    directory: directory.as_fd(),
                    name,
                    path: &self.path,
                    prefix: &self.text,
                    kind,
                    granted: standing == Standing::Granted,
                    depth: u32::try_from(self.frames.len()).unwrap_or(u32::MAX).saturating_add(1),
                };
                if self.visitor.entry(&seen)? && kind == Kind::Directory {
                    pending.push((name.to_owned(), standing));
                }
            }
        }
        self.path.truncate(length);
        Ok(())
    }

    /// Goes back up from a directory in which nothing is left to enter.
    fn leave(&mut self) -> Result<(), Error> {
        let Some(left) = self.frames.pop() else { return Ok(()) };
        let Some(above) = self.frames.last_mut() else { return Ok(()) };
        if above.directory.is_some() || above.pending.is_empty() && left.directory.is_none() {
            return Ok(());
        }
        let through_parent = left.directory.as_ref().and_then(|below| {
            let directory = rustix::fs::openat(below, "..", LIST, Mode::empty()).ok()?;
            identity(&directory).is_ok_and(|found| found == above.identity).then_some(directory)
        });
        let path = self.path.split_at(above.path).0;
        above.directory = through_parent.or_else(|| reopen(self.root, path, above.identity));
        if above.directory.is_none() && !above.pending.is_empty() {
            above.pending.clear();
            let path = RelativePath::from_resolved(path).to_string();
            let error = Error::Io(format!("`{path}` was moved while it was walked"));
            self.visitor.problem(path, &error)?;
        }
        Ok(())
    }
}

/// Opens a directory to list it. None when it has vanished or become something else, and at a mount point.
fn enter(parent: &OwnedFd, name: &CStr, volume: Volume) -> io::Result<Option<OwnedFd>> {
    let directory = match rustix::fs::openat(parent, name, LIST, Mode::empty()) {
        Ok(directory) => directory,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    Ok((Volume::of(&directory)? == volume).then_some(directory))
}

/// Opens a directory again that was listed before, by its path from the root, if it is still there.
fn reopen(root: &Root, path: &[u8], identity_then: (u64, u64)) -> Option<OwnedFd> {
    let (directory, _) = root.directory(&RelativePath::from_resolved(path)).ok()?;
    let directory = rustix::fs::openat(&*directory, ".", LIST, Mode::empty()).ok()?;
    identity(&directory).is_ok_and(|found| found == identity_then).then_some(directory)
}

fn identity(directory: &OwnedFd) -> io::Result<(u64, u64)> {
    let stat = rustix::fs::fstat(directory)?;
    Ok((stat.st_dev, stat.st_ino))
}
