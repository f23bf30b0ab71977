//! `examine`: what there is to know of files beyond their entries. It opens none of them, so that it does not count itself
//! among who has them open.

use std::collections::HashSet;
use std::ffi::OsStr;

use rustix::fs::{AtFlags, StatxFlags};

use super::super::bindings::{Details, Kind};
use super::super::error::Error;
use super::open_files::{Held, Identity, identity};
use super::root::{LastDirectory, Place, Root};
use super::{kind, not_a_file};
use crate::policy::path::RelativePath;

/// What is known of a file before it is looked up who has it open.
pub(in super::super) struct Found {
    file: Identity,
    created: Option<i64>,
    changed: i64,
}

/// Looks at one file.
pub(in super::super) fn look(root: &Root, path: &RelativePath, last: &mut LastDirectory) -> Result<Found, Error> {
    let place = root.place(path, last)?;
    let stat = place.stat("look at")?;
    if kind(&stat) != Kind::File {
        return Err(not_a_file(path, kind(&stat)));
    }
    Ok(Found { file: identity(&stat), created: created(&place), changed: stat.st_ctime })
}

/// When a file was made, where its file system keeps that.
fn created(place: &Place) -> Option<i64> {
    let (parent, name): (_, &OsStr) = place.on_disk();
    let found = rustix::fs::statx(&**parent, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME).ok()?;
    (found.stx_mask & StatxFlags::BTIME.bits() != 0).then_some(found.stx_btime.tv_sec)
}

/// Says of each who has it open, and how many processes could not be asked.
pub(in super::super) fn examine(found: Vec<Result<Found, Error>>) -> (Vec<Result<Details, Error>>, u64) {
    let files: HashSet<_> = found.iter().flatten().map(|found| found.file).collect();
    let held = Held::now(&files);
    let details = |found: Found| Details {
        identity: format!("{:x}-{:x}", found.file.0, found.file.1),
        created: found.created,
        changed: found.changed,
        holders: held.holders(found.file),
    };
    (found.into_iter().map(|found| found.map(details)).collect(), held.unseen)
}
