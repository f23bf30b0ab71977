//! `remove`, and its rehearsal: the plan of a run names what that run removes, down to the directory that is empty only
//! after its files went.

use rustix::fs::{AtFlags, Mode, Stat};
use rustix::io::Errno;

use super::super::bindings::{Kind, Removed};
use super::super::error::Error;
use super::create::may_change;
use super::root::{LIST, LastDirectory, Place, Root};
use super::staged::is_left_behind;
use super::{count, kind, not_a_file};
use crate::policy::path::RelativePath;

/// Removes a file, a link or an empty directory; in a rehearsal it only finds out what would come of it. `charge` is told
/// the bytes that this frees, before it happens: none while the file has other names.
pub(in super::super) fn remove(
    root: &Root,
    path: &RelativePath,
    last: &mut LastDirectory,
    rehearse: bool,
    charge: impl FnOnce(u64) -> Result<(), Error>,
) -> Result<Removed, Error> {
    let place = root.place(path, last)?;
    let failed = |errno: Errno| Error::system("remove", path, &errno.into());
    let stat = place.stat("remove")?;
    let kind = kind(&stat);
    if kind == Kind::Other {
        return Err(not_a_file(path, kind));
    }
    let mut names = count(stat.st_nlink);
    if rehearse {
        names = names.saturating_sub(root.rehearsed().names_gone(&stat));
        may_change(&place)?;
    }
    if kind == Kind::Directory && !is_empty(root, &place, &stat, rehearse).map_err(failed)? {
        return Err(failed(Errno::NOTEMPTY));
    }
    let bytes = if kind == Kind::File && names <= 1 { count(stat.st_size) } else { 0 };
    charge(bytes)?;
    if rehearse {
        root.rehearsed().gone(&place, &stat);
    } else {
        // The flag holds the system to the kind that was seen.
        let flags = if kind == Kind::Directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        rustix::fs::unlinkat(&*place.parent, place.name(), flags).map_err(failed)?;
    }
    Ok(Removed { path: path.to_string(), bytes })
}

/// Whether nothing is left in a directory, apart from what the rehearsal has removed.
fn is_empty(root: &Root, place: &Place, directory: &Stat, rehearse: bool) -> rustix::io::Result<bool> {
    let (parent, name) = place.on_disk();
    let listed = rustix::fs::openat(&**parent, name, LIST, Mode::empty())?;
    for entry in rustix::fs::Dir::read_from(&listed)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let gone = matches!(name, b"." | b"..")
            || root.rehearsed().is_gone(directory, name)
            || is_left_behind(&listed, entry.file_name(), rehearse);
        if !gone {
            return Ok(false);
        }
    }
    Ok(!root.rehearsed().has_made(directory))
}
