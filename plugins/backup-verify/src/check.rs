//! Looking into one backup to its last byte: its checksum, its compression, the structure of an archive, the last line of a
//! dump. It streams, and holds no more than a piece.

use backup_files::{Ending, Foreign, Form, MARKS, Maker, Manifest, Marks, PEEK, form, manifest_paths};
use tar_stream::{Event, Walker};
use taskhost_sdk::files::{self, Codec, Directory, Entry, Range, SearchOptions};
use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{counted, size};

use crate::content::{DumpSum, Sum};
use crate::sums;

/// The longest manifest or list of checksums.
const BESIDE_LIMIT: u64 = 4 << 20;
/// Enough of a compressed file to have a block of what is in it: of zstd up to 128 KiB.
const PACKED_HEAD: u64 = 256 << 10;
/// Bytes at the end of a file in which its kind of end must be.
const TAIL: u64 = 66_000;

/// What is wrong with a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    pub(crate) remedy: &'static str,
}

/// What a backup was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// For people: `a gzip of a tar of 12 members`.
    pub(crate) what: String,
    /// Of the file as it is stored.
    pub(crate) sha256: String,
    /// Of what is in it, where that was read on this side.
    pub(crate) content: Option<u64>,
    /// There is a checksum beside it, and it is right.
    pub(crate) sealed: bool,
    /// What keeps its inside from being looked at.
    pub(crate) opaque: Option<&'static str>,
}

const CUT_SHORT: &str = "make a new backup now, and see the log and the disk space of the run that wrote this one";

fn broken(title: &'static str, detail: impl Into<String>) -> Broken {
    Broken { title, detail: detail.into(), remedy: CUT_SHORT }
}

/// Looks into a backup.
///
/// # Errors
/// What kept it from being read for other reasons than its own.
pub(crate) async fn check(directory: &Directory, entry: &Entry) -> Result<Result<Found, Broken>> {
    let path = entry.path.as_str();
    if entry.size == 0 {
        return Ok(Err(broken("backup is empty", "the file has no byte")));
    }
    let digest = match directory.digest(path.into()).await {
        Ok(digest) => digest,
        Err(error) => return unreadable(path, error),
    };
    let (expected, manifest) = match expected(directory, path).await? {
        Ok(expected) => expected,
        Err(broken) => return Ok(Err(broken)),
    };
    for (by, sum) in &expected {
        if *sum != digest.sha256 {
            return Ok(Err(Broken {
                title: "backup is not what its checksum is of",
                detail: format!("SHA-256 of its {} is {}; {by} says {sum}", size(digest.bytes), digest.sha256),
                remedy: "it was cut short, damaged or written over since: copy it again from where it was made, or make a \
                         new backup",
            }));
        }
    }
    if let Some(bytes) = manifest.and_then(|manifest| manifest.bytes).filter(|bytes| *bytes != digest.bytes) {
        return Ok(Err(broken(
            "backup is not of the size that its manifest says",
            format!("{} bytes, and the manifest says {bytes}", digest.bytes),
        )));
    }
    let inside = match inside(directory, entry).await {
        Ok(Ok(inside)) => inside,
        Ok(Err(broken)) => return Ok(Err(broken)),
        Err(error) => return unreadable(path, error),
    };
    Ok(Ok(Found { sha256: digest.sha256, sealed: !expected.is_empty(), ..inside }))
}

/// What a file that cannot be read says of the backup, and what only of this run.
fn unreadable<T>(path: &str, error: files::Error) -> Result<Result<T, Broken>> {
    match error {
        files::Error::Invalid(why) => Ok(Err(broken("backup is cut short or damaged", why))),
        files::Error::Io(why) => Ok(Err(Broken {
            title: "backup cannot be read",
            detail: why,
            remedy: "see the disk or share that it lies on, and the rights of the host's user; make a new backup elsewhere",
        })),
        error => Err(error).context(path),
    }
}

/// Checksums that are given for a backup, each by what, and its manifest.
async fn expected(
    directory: &Directory,
    path: &str,
) -> Result<Result<(Vec<(String, String)>, Option<Manifest>), Broken>> {
    let mut expected = Vec::new();
    let mut manifest = None;
    let manifests = manifest_paths(path);
    let beside: Vec<String> = manifests.iter().cloned().chain(sums::paths(path)).collect();
    for (file, read) in beside.iter().zip(directory.read_all(beside.clone(), BESIDE_LIMIT).await) {
        let content = match read {
            Ok(content) => content,
            // Of a name that is left out of the grant nothing is known, as of one that is not there.
            Err(files::Error::NotFound(_) | files::Error::Refused(_)) => continue,
            Err(error) => {
                return Ok(Err(beside_broken(file, &files::message(&error))));
            }
        };
        if manifests.contains(file) {
            if manifest.is_some() {
                continue;
            }
            match Manifest::parse(&content) {
                Ok(parsed) => {
                    expected.extend(parsed.sha256.clone().map(|sum| (file.clone(), sum.to_ascii_lowercase())));
                    manifest = Some(parsed);
                }
                Err(why) => return Ok(Err(beside_broken(file, &why))),
            }
        } else if let Some(sum) = sums::find(&String::from_utf8_lossy(&content), file, path) {
            expected.push((file.clone(), sum));
        } else if file.starts_with(path) {
            return Ok(Err(beside_broken(file, "it has no SHA-256 of the backup")));
        }
    }
    Ok(Ok((expected, manifest)))
}

fn beside_broken(file: &str, why: &str) -> Broken {
    Broken {
        title: "what lies beside the backup cannot be used",
        detail: format!("{file}: {why}"),
        remedy: "see what wrote it: as it is, nothing says that the backup is whole",
    }
}

type Looked = Result<Result<Found, Broken>, files::Error>;

/// What is in a backup, read to its end.
async fn inside(directory: &Directory, entry: &Entry) -> Looked {
    let path = entry.path.as_str();
    let stored = form(&head(directory, path, PEEK, Codec::None).await?);
    match stored {
        Form::Compressed => match form(&head(directory, path, PACKED_HEAD, Codec::Auto).await?) {
            Form::Tar => tar(directory, path, "a compressed tar").await,
            Form::Plain if is_named_tar(path) => tar(directory, path, "a compressed tar").await,
            Form::Plain => dump(directory, path, true).await,
            Form::Compressed => Ok(Ok(through(directory, path, "compressed twice").await?)),
            Form::Foreign(foreign) => Ok(Ok(through(directory, path, foreign.what()).await?)),
        },
        Form::Tar => tar(directory, path, "a tar").await,
        Form::Plain if is_named_tar(path) => tar(directory, path, "a tar").await,
        Form::Plain => dump(directory, path, false).await,
        Form::Foreign(foreign) => foreign_file(directory, entry, foreign).await,
    }
}

/// Whether a file must be a tar by its name: old ones have no mark at their start.
fn is_named_tar(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let bare = [".gz", ".zst"].iter().find_map(|end| path.strip_suffix(end)).unwrap_or(&path);
    [".tar", ".tgz", ".tzst"].iter().any(|end| bare.ends_with(end))
}

fn found(what: impl Into<String>) -> Found {
    Found { what: what.into(), sha256: String::new(), content: None, sealed: false, opaque: None }
}

/// The first bytes, decompressed or not. What keeps the rest from being read shows where all of it is.
async fn head(directory: &Directory, path: &str, length: u64, decode: Codec) -> Result<Vec<u8>, files::Error> {
    let mut bytes = directory.open_read_part(path, Range { offset: 0, length: Some(length) }, decode).await?;
    let mut head = Vec::new();
    while head.len() < 1_024 {
        match bytes.next(Vec::new()).await {
            Ok(Some(piece)) => head.extend_from_slice(&piece),
            Ok(None) | Err(files::Error::Invalid(_)) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(head)
}

/// Reads all that is compressed in a file, of a kind that is not looked into.
async fn through(directory: &Directory, path: &str, what: &'static str) -> Result<Found, files::Error> {
    let mut bytes = directory.open_read(path, Codec::Auto).await?;
    let mut piece = Vec::new();
    while let Some(read) = bytes.next(piece).await? {
        piece = read;
    }
    Ok(Found { opaque: Some(what), ..found(format!("compressed, and in it what is {what}")) })
}

/// Walks through an archive to its end mark.
async fn tar(directory: &Directory, path: &str, what: &str) -> Looked {
    let mut bytes = directory.open_read(path, Codec::Auto).await?;
    let (mut walker, mut sum, mut piece) = (Walker::new(), Sum::default(), Vec::new());
    let damaged = |damage: tar_stream::Damage| broken("backup is cut short or damaged", format!("the tar: {damage}"));
    while let Some(read) = bytes.next(piece).await? {
        let mut input = read.as_slice();
        loop {
            match walker.next(&mut input) {
                Ok(None) => break,
                Ok(Some(Event::Member(member))) => {
                    sum.add(&member.path);
                    sum.add_number(member.size);
                }
                Ok(Some(Event::Content(content))) => sum.add(content),
                Ok(Some(Event::MemberEnd)) => {}
                Err(damage) => return Ok(Err(damaged(damage))),
            }
        }
        piece = read;
    }
    match walker.finish() {
        Ok(summary) if summary.members == 0 => Ok(Err(broken("backup is empty", "the tar has no member"))),
        Ok(summary) => {
            let members = counted(summary.members, "member");
            Ok(Ok(Found {
                content: Some(sum.get()),
                ..found(format!("{what} of {members}, {}", size(summary.content)))
            }))
        }
        Err(damage) => Ok(Err(damaged(damage))),
    }
}

/// Looks for the lines by which a program marks its dump's end, on the host's side, which reads all that is compressed.
async fn dump(directory: &Directory, path: &str, packed: bool) -> Looked {
    let mut marks = Marks::default();
    let options = if packed {
        SearchOptions::new(MARKS)
    } else {
        // The digest has read the rest.
        let first = SearchOptions { max_matches: Some(1), decode: Codec::None, ..SearchOptions::new(MARKS) };
        let mut lines = directory.find_lines(path, first).await?;
        while let Some(line) = lines.next().await? {
            marks.line(&line.text);
        }
        SearchOptions { tail_bytes: Some(PEEK), decode: Codec::None, ..SearchOptions::new(MARKS) }
    };
    let mut lines = directory.find_lines(path, options).await?;
    while let Some(line) = lines.next().await? {
        marks.line(&line.text);
    }
    let bytes = lines.searched().map_or(0, |searched| searched.bytes);
    if packed && bytes == 0 {
        return Ok(Err(broken("backup is empty", "nothing is compressed in it")));
    }
    Ok(ended(marks, packed))
}

/// What the marks of a dump say.
fn ended(marks: Marks, packed: bool) -> Result<Found, Broken> {
    let within = if packed { "compressed, " } else { "" };
    match (marks.ending(), marks.maker()) {
        (Ending::Whole, Some(maker)) => Ok(found(format!("{within}a dump by {} to its last line", maker.program()))),
        (Ending::CutShort(maker), _) => Err(broken(
            "backup is cut short or damaged",
            format!("the last line that {} writes is missing: it ended before it was done", program(maker)),
        )),
        (Ending::Failed(maker), _) => Err(Broken {
            title: "backup was made with errors",
            detail: format!("{} ended it with ROLLBACK because it could not read the whole database", program(maker)),
            remedy: "run pragma integrity_check on the original, repair it or take an older backup of it, and dump again",
        }),
        (Ending::Whole | Ending::Unmarked, _) => {
            Ok(Found { opaque: Some("without a mark of its end"), ..found(format!("{within}text without marks")) })
        }
    }
}

fn program(maker: Maker) -> &'static str {
    maker.program()
}

/// What can be told of files of other kinds by their ends.
async fn foreign_file(directory: &Directory, entry: &Entry, foreign: Foreign) -> Looked {
    let path = entry.path.as_str();
    let short = |detail: String| Ok(Err(broken("backup is cut short or damaged", detail)));
    let tail = Range { offset: entry.size.saturating_sub(TAIL), length: None };
    let tail = directory.open_read_part(path, tail, Codec::None).await?.collect(1 << 20).await?;
    match foreign {
        Foreign::Sqlite => {
            let head = head(directory, path, PEEK, Codec::None).await?;
            let (pages, page) = (number(&head, 28, 4), number(&head, 16, 2));
            // 1 stands for 65,536.
            let page = if page == 1 { 65_536 } else { page };
            if pages * page > entry.size {
                return short(format!(
                    "the database has {pages} pages of {page} bytes, and the file {}",
                    size(entry.size)
                ));
            }
        }
        Foreign::Zip if !tail.windows(4).any(|bytes| bytes == b"PK\x05\x06") => {
            return short("the directory at the end of the zip archive is missing".into());
        }
        Foreign::Xz if !tail.ends_with(b"YZ") => return short("the end mark of xz is missing".into()),
        _ => {}
    }
    Ok(Ok(Found { opaque: Some(foreign.what()), ..found(foreign.what()) }))
}

/// A number of so many bytes, the highest first.
fn number(bytes: &[u8], from: usize, count: usize) -> u64 {
    let field = bytes.get(from..from + count).unwrap_or_default();
    field.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// A sum over what is in a backup, without what differs though nothing has changed; none of what cannot be looked into.
pub(crate) async fn content(directory: &Directory, path: &str) -> Result<Option<u64>, files::Error> {
    let mut inner = form(&head(directory, path, PEEK, Codec::None).await?);
    if inner == Form::Compressed {
        inner = form(&head(directory, path, PACKED_HEAD, Codec::Auto).await?);
    }
    match inner {
        Form::Tar => Ok(tar(directory, path, "").await?.ok().and_then(|found| found.content)),
        Form::Plain if is_named_tar(path) => Ok(tar(directory, path, "").await?.ok().and_then(|found| found.content)),
        Form::Plain => {
            let mut bytes = directory.open_read(path, Codec::Auto).await?;
            let (mut sum, mut piece) = (DumpSum::default(), Vec::new());
            while let Some(read) = bytes.next(piece).await? {
                sum.add(&read);
                piece = read;
            }
            Ok(Some(sum.finish()))
        }
        Form::Compressed | Form::Foreign(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_whether_a_dump_is_whole() {
        for (lines, expected) in [
            (&["-- PostgreSQL database dump", "-- PostgreSQL database dump complete"][..], Ok("to its last line")),
            (&["-- PostgreSQL database dump"], Err("backup is cut short or damaged")),
            (&["PRAGMA foreign_keys=OFF;", "ROLLBACK; -- due to errors"], Err("backup was made with errors")),
            (&[], Ok("text without marks")),
        ] {
            let mut marks = Marks::default();
            for line in lines {
                marks.line(line);
            }
            match (ended(marks, false), expected) {
                (Ok(found), Ok(what)) => assert!(found.what.ends_with(what), "{lines:?}: {found:?}"),
                (Err(broken), Err(title)) => assert_eq!(broken.title, title, "{lines:?}"),
                (found, _) => panic!("{lines:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn numbers_have_their_highest_byte_first() {
        assert_eq!((number(&[0, 1, 2, 3], 1, 2), number(&[1], 5, 2)), (258, 0));
    }
}
