//! `remove`, and its rehearsal, which remembers what would be gone by now: so that the plan of a run names what that
//! run removes, down to the directory that is empty only after its files went.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, Mode, Stat};
use rustix::io::Errno;

use super::super::bindings::{Kind, Removed};
use super::super::error::Error;
use super::create::may_change;
use super::root::{LIST, LastDirectory, Place, Root};
use super::staged::is_left_behind;
use super::{count, kind, not_a_file};
use crate::policy::path::RelativePath;

/// What a rehearsal has removed so far, in thought.
#[derive(Debug, Default)]
pub(in super::super) struct Rehearsed(Mutex<Gone>);

#[derive(Debug, Default)]
struct Gone {
    /// Names, each with device and inode of its directory.
    names: HashSet<(u64, u64, Vec<u8>)>,
    /// How many names of a file, by its device and inode.
    links: HashMap<(u64, u64), u64>,
}

impl Rehearsed {
    fn lock(&self) -> MutexGuard<'_, Gone> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes a file, a link or an empty directory; with `rehearsed`, only finds out what would come of it. `charge` is
/// told the bytes that this frees, before it happens: none while the file has other names.
pub(in super::super) fn remove(
    root: &Root,
    path: &RelativePath,
    last: &mut LastDirectory,
    rehearsed: Option<&Rehearsed>,
    charge: impl FnOnce(u64) -> Result<(), Error>,
) -> Result<Removed, Error> {
    let place = root.place(path, last)?;
    let failed = |errno: Errno| Error::system("remove", path, &errno.into());
    let stat = place.stat("remove")?;
    let kind = kind(&stat);
    if kind == Kind::Other {
        return Err(not_a_file(path, kind));
    }
    let parent = rustix::fs::fstat(&*place.parent).map_err(failed)?;
    let identity = (parent.st_dev, parent.st_ino, place.name.clone());
    let mut names = count(stat.st_nlink);
    if let Some(rehearsed) = rehearsed {
        let gone = rehearsed.lock();
        if gone.names.contains(&identity) {
            return Err(failed(Errno::NOENT));
        }
        names = names.saturating_sub(gone.links.get(&(stat.st_dev, stat.st_ino)).copied().unwrap_or_default());
        drop(gone);
        may_change(&place)?;
    }
    if kind == Kind::Directory && !is_empty(&place, &stat, rehearsed).map_err(failed)? {
        return Err(failed(Errno::NOTEMPTY));
    }
    let bytes = if kind == Kind::File && names <= 1 { count(stat.st_size) } else { 0 };
    charge(bytes)?;
    if let Some(rehearsed) = rehearsed {
        let mut gone = rehearsed.lock();
        gone.names.insert(identity);
        *gone.links.entry((stat.st_dev, stat.st_ino)).or_default() += 1;
    } else {
        // The flag holds the system to the kind that was seen.
        let flags = if kind == Kind::Directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        rustix::fs::unlinkat(&*place.parent, place.name(), flags).map_err(failed)?;
    }
    Ok(Removed { path: path.to_string(), bytes })
}

/// Whether nothing is left in a directory, apart from what the rehearsal has removed.
fn is_empty(place: &Place, directory: &Stat, rehearsed: Option<&Rehearsed>) -> rustix::io::Result<bool> {
    let listed = rustix::fs::openat(&*place.parent, place.name(), LIST, Mode::empty())?;
    for entry in rustix::fs::Dir::read_from(&listed)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let gone = matches!(name, b"." | b"..")
            || rehearsed.is_some_and(|rehearsed| {
                rehearsed.lock().names.contains(&(directory.st_dev, directory.st_ino, name.to_vec()))
            })
            || is_left_behind(&listed, entry.file_name(), rehearsed.is_some());
        if !gone {
            return Ok(false);
        }
    }
    Ok(true)
}
