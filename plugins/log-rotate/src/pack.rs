//! Packing rotated files into one archive. Each member is read back from the archive and compared with its file, byte by
//! byte, before that is removed: one that is not in the archive whole stays.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use log_names::{Mark, Packing, Rotated, stamp};
use tar_stream::{Event, Walker};
use taskhost_sdk::files::{self, Codec, Directory, Entry};
use taskhost_sdk::prelude::*;

use crate::recover::Reader;
use crate::work::Work;

/// Where archives lie, and what they are called.
pub(crate) struct Shelf {
    pub(crate) directory: String,
    pub(crate) name: String,
}

impl Shelf {
    /// The archive of this run.
    fn archive(&self, now: i64, packing: Packing) -> String {
        format!("{}/{}-{}.tar{}", self.directory, self.name, stamp(now), packing.suffix())
    }
}

/// When an archive of that name was made: `archive/logs-20261123-031005.tar.gz`.
pub(crate) fn archived_at(path: &str, directory: &str, name: &str) -> Option<i64> {
    let stamp = path.strip_prefix(directory)?.strip_prefix('/')?.strip_prefix(name)?;
    let stamp = [".tar.gz", ".tar.zst", ".tar"].iter().find_map(|end| stamp.strip_suffix(end))?;
    // As if it were the mark of a rotated file.
    match log_names::parse(&format!("x{stamp}"))? {
        Rotated { log: "x", mark: Mark::Time { at, exact: true }, packing: Packing::Plain, copying: false } => Some(at),
        _ => None,
    }
}

/// Packs what is to be packed, and removes what was packed; then archives that are beyond what is kept go.
pub(crate) async fn pack(work: &mut Work<'_>, shelf: &Shelf, archives: &[(i64, Entry)]) -> Result<()> {
    let mut members = std::mem::take(&mut work.to_pack);
    if let Some((_, last)) = archives.first()
        && !members.is_empty()
    {
        go_on(work, &last.path, &mut members).await?;
    }
    let mut kept = archives.len();
    if !members.is_empty() && write(work, shelf, members).await? {
        kept += 1;
    }
    // The one of this run is the newest.
    let first = kept - archives.len();
    for (place, (at, archive)) in archives.iter().enumerate() {
        let age = u64::try_from(work.settings.now.saturating_sub(*at)).unwrap_or_default();
        if let Some(why) = work.settings.keep.goes(first + place, age) {
            work.remove(&archive.path, &why).await?;
        }
    }
    Ok(())
}

/// A run that was killed may have packed files and not yet removed them: those that are in the last archive go.
async fn go_on(work: &mut Work<'_>, archive: &str, members: &mut Vec<String>) -> Result<()> {
    let Ok(archived) = work.directory.stat(archive.into()).await else { return Ok(()) };
    let examined = work.directory.examine(members.clone()).await?;
    // What got its name after the archive was made cannot be in it.
    let before = |details: &files::Details| details.changed <= archived.modified;
    let older = members.iter().zip(examined.files).filter(|(_, details)| details.as_ref().is_ok_and(before));
    let older: Vec<String> = older.map(|(path, _)| path.clone()).collect();
    if older.is_empty() {
        return Ok(());
    }
    let packed: Vec<String> = match whole_members(work.directory, archive, &older).await {
        Ok(whole) => whole.into_iter().filter(|(_, whole)| *whole).map(|(path, _)| path).collect(),
        Err(error) => {
            log::warn(format!("{archive}: {}", files::message(&error)));
            return Ok(());
        }
    };
    if !packed.is_empty() {
        log::warn(format!("{archive}: an earlier run was interrupted after packing; going on"));
        members.retain(|path| !packed.contains(path));
        remove(work, packed, archive).await?;
    }
    Ok(())
}

/// Writes the archive, looks at what is in it, and removes what is; whether there is an archive now.
async fn write(work: &mut Work<'_>, shelf: &Shelf, members: Vec<String>) -> Result<bool> {
    let archive = shelf.archive(work.settings.now, work.settings.packing);
    let mut directory = String::new();
    for name in shelf.directory.split('/') {
        directory += if directory.is_empty() { "" } else { "/" };
        directory += name;
        match work.directory.create_directory(directory.clone()).await {
            Ok(()) | Err(files::Error::AlreadyExists(_)) => {}
            Err(error) => return work.failed(&directory, "could not be made", error).map(|()| false),
        }
    }
    progress(0, None, format!("packing into {archive}"));
    if let Err(error) = work.directory.archive(members.clone(), archive.clone(), Codec::Auto).await {
        return work.failed(&archive, "could not be written", error).map(|()| false);
    }
    let mut whole = members;
    // In a rehearsal there is nothing to look at.
    if !rehearsing() {
        let found = match whole_members(work.directory, &archive, &whole).await {
            Ok(found) => found,
            Err(error) => {
                Finding::critical(&archive, "archive is not whole")
                    .detail(files::message(&error))
                    .remedy("see the disk that it lies on; the files stay, and the archive can be removed")
                    .report();
                return Ok(true);
            }
        };
        for path in whole.extract_if(.., |path| !found.get(path).copied().unwrap_or_default()) {
            Finding::warning(&path, "is not in the archive as it is now")
                .detail(format!("{archive} has it otherwise, or not: it was written to meanwhile; it stays"))
                .remedy("none if it is packed by the next run")
                .report();
        }
    }
    remove(work, whole, &archive).await?;
    Ok(true)
}

/// Removes files that are in the archive, unless a process has begun to write to one.
async fn remove(work: &mut Work<'_>, packed: Vec<String>, archive: &str) -> Result<()> {
    let examined = work.directory.examine(packed.clone()).await?;
    for (path, details) in packed.iter().zip(examined.files) {
        if details.is_ok_and(|details| details.holders.iter().any(|holder| holder.writes)) {
            log::warn(format!("{path} is written to again; it stays, though it is in {archive}"));
            continue;
        }
        let (removed, freed) = (work.done.removed, work.done.freed);
        if work.remove(path, &format!("it is in {archive}")).await? {
            work.done.packed += work.done.removed - removed;
            (work.done.removed, work.done.freed) = (removed, freed);
        }
    }
    Ok(())
}

/// Which of the files are in the archive as they are on disk.
///
/// # Errors
/// An archive that is not whole.
async fn whole_members(
    directory: &Directory,
    archive: &str,
    files: &[String],
) -> Result<BTreeMap<String, bool>, files::Error> {
    let mut found: BTreeMap<String, bool> = files.iter().map(|path| (path.clone(), false)).collect();
    let damaged = |damage: tar_stream::Damage| files::Error::Invalid(format!("`{archive}`: {damage}"));
    let mut bytes = directory.open_read(archive, Codec::Auto).await?;
    let mut walker = Walker::new();
    // The member at hand, while it is as its file is.
    let mut same: Option<(String, Reader)> = None;
    let mut piece = Vec::new();
    while let Some(read) = bytes.next(piece).await? {
        let mut input = read.as_slice();
        while let Some(event) = walker.next(&mut input).map_err(damaged)? {
            match event {
                Event::Member(member) => {
                    let path = shown(&member.path);
                    same = None;
                    if found.contains_key(&path)
                        && let Ok(file) = Reader::open(directory, &path, Codec::None).await
                    {
                        same = Some((path, file));
                    }
                }
                Event::Content(content) => {
                    if let Some((_, file)) = &mut same
                        && !file.has(content).await.unwrap_or_default()
                    {
                        same = None;
                    }
                }
                Event::MemberEnd => {
                    if let Some((path, mut file)) = same.take()
                        && file.rest().await.is_ok_and(<[u8]>::is_empty)
                    {
                        found.insert(path, true);
                    }
                }
            }
        }
        piece = read;
    }
    walker.finish().map_err(damaged)?;
    Ok(found)
}

/// A name in an archive as the files room writes it.
fn shown(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        text += &chunk.valid().replace('\\', "\\\\");
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_the_host_writes_them() {
        for (name, expected) in [
            (&b"d/app.log.1"[..], "d/app.log.1"),
            (b"caf\xe9.log.1", "caf\\xe9.log.1"),
            (b"a\\b", "a\\\\b"),
            ("gr\u{f6}\u{df}e".as_bytes(), "gr\u{f6}\u{df}e"),
        ] {
            assert_eq!(shown(name), expected);
        }
    }

    #[test]
    fn an_archive_is_known_by_its_directory_and_name() {
        for (path, expected) in [
            ("old/archive/logs-20261123-031005.tar.gz", Some(1_795_403_405)),
            ("old/archive/logs-20261123-031005.tar", Some(1_795_403_405)),
            ("old/archive/logs-20261123.tar.gz", None),
            ("old/archive/logs-x-20261123-031005.tar.gz", None),
            ("old/archive/others-20261123-031005.tar.gz", None),
            ("archive/logs-20261123-031005.tar.gz", None),
            ("old/archive/logs-20261123-031005.tar.gz.part", None),
        ] {
            assert_eq!(archived_at(path, "old/archive", "logs"), expected, "{path}");
        }
    }

    #[test]
    fn an_archive_has_the_time_and_the_codec_in_its_name() {
        let shelf = Shelf { directory: "old/archive".into(), name: "logs".into() };
        assert_eq!(shelf.archive(1_795_403_405, Packing::Gzip), "old/archive/logs-20261123-031005.tar.gz");
        assert_eq!(shelf.archive(1_795_403_405, Packing::Plain), "old/archive/logs-20261123-031005.tar");
    }
}
