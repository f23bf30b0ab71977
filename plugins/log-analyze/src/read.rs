//! Reading what is new of a log, once for errors, by the host's own search, and once for what is counted over all lines,
//! where that is asked for. No more than a line and a piece of the file is held.

use taskhost_sdk::files::{self, Directory, Range, SearchOptions};
use taskhost_sdk::prelude::*;

use crate::sources::{Part, head};
use crate::splitter::Splitter;
use crate::tally::{Tally, Wanted};

/// Bytes of a log's start that are looked at, for its format and its first time.
pub(crate) const START: usize = 64 << 10;
/// Bytes at its end that are, for its last time.
const TAIL: u64 = 64 << 10;

/// What is searched for on the host's side.
pub(crate) struct Searches {
    /// None where errors are told by their status.
    pub(crate) errors: Option<String>,
    pub(crate) logins: Option<&'static str>,
    /// All lines are read.
    pub(crate) lines: bool,
}

/// Reads a part up to `end` into the tally.
pub(crate) async fn read(
    directory: &Directory,
    part: &Part,
    end: u64,
    searches: &Searches,
    wanted: &Wanted,
    tally: &mut Tally,
) -> Result<(), files::Error> {
    if !part.packed && end <= part.from {
        return Ok(());
    }
    let mut counted = false;
    if let Some(pattern) = &searches.errors {
        let (lines, bytes) = search(directory, part, end, pattern, |text| tally.error(text.as_bytes())).await?;
        tally.lines += lines;
        tally.bytes += bytes;
        counted = true;
    }
    if let Some(pattern) = searches.logins {
        let (lines, bytes) = search(directory, part, end, pattern, |text| tally.login(text)).await?;
        if !counted {
            tally.lines += lines;
            tally.bytes += bytes;
        }
        counted = true;
    }
    if searches.lines {
        let (lines, bytes) = all_lines(directory, part, end, |line| tally.line(line, wanted)).await?;
        if !counted {
            tally.lines += lines;
            tally.bytes += bytes;
        }
    }
    Ok(())
}

/// The bytes of the file that a part is in.
fn range(part: &Part, end: u64) -> Option<Range> {
    (!part.packed).then(|| Range { offset: part.from, length: Some(end.saturating_sub(part.from)) })
}

/// Shows the lines that match; how many lines and bytes were new.
async fn search(
    directory: &Directory,
    part: &Part,
    end: u64,
    pattern: &str,
    mut show: impl FnMut(&str),
) -> Result<(u64, u64), files::Error> {
    let options = SearchOptions { range: range(part, end), decode: part.codec(), ..SearchOptions::new(pattern) };
    let mut lines = directory.find_lines(&part.path, options).await?;
    while let Some(line) = lines.next().await? {
        if line.offset >= part.from {
            show(&line.text);
        }
    }
    let searched = lines.searched().copied();
    let (lines, bytes) = searched.map_or((0, 0), |searched| (searched.lines, searched.bytes));
    if part.packed {
        // What was read before went by, too.
        return Ok((lines.saturating_sub(part.lines_before), bytes.saturating_sub(part.from)));
    }
    Ok((lines, bytes))
}

/// Shows every line; how many lines and bytes were new.
async fn all_lines(
    directory: &Directory,
    part: &Part,
    end: u64,
    mut show: impl FnMut(&[u8]),
) -> Result<(u64, u64), files::Error> {
    let mut stream = match range(part, end) {
        Some(range) => directory.open_read_part(&part.path, range, part.codec()).await?,
        None => directory.open_read(&part.path, part.codec()).await?,
    };
    let mut skip = if part.packed { part.from } else { 0 };
    let (mut splitter, mut lines, mut bytes, mut piece) = (Splitter::default(), 0, 0, Vec::new());
    while let Some(read) = stream.next(piece).await? {
        let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(read.len());
        skip -= skipped as u64;
        let new = read.get(skipped..).unwrap_or_default();
        bytes += new.len() as u64;
        splitter.feed(new, |line| {
            lines += 1;
            show(line);
        });
        piece = read;
    }
    splitter.finish(|line| {
        lines += 1;
        show(line);
    });
    Ok((lines, bytes))
}

/// The times of the first and the last line of a part that have one.
pub(crate) async fn span(directory: &Directory, part: &Part, end: u64, tally: &mut Tally) -> Option<(i64, i64)> {
    let first = if part.packed {
        head(directory, &part.path, true, START).await.ok()?
    } else {
        piece(directory, part, part.from, end.min(part.from + START as u64)).await?
    };
    let first = first.split(|byte| *byte == b'\n').find_map(|line| tally.time(line))?;
    let last = if part.packed {
        // Its last line is at the other end of a stream; the file was written no later than this.
        Some(part.modified)
    } else {
        let tail = piece(directory, part, end.saturating_sub(TAIL).max(part.from), end).await?;
        tail.split(|byte| *byte == b'\n').rev().find_map(|line| tally.time(line))
    };
    Some((first, last?.max(first)))
}

async fn piece(directory: &Directory, part: &Part, from: u64, to: u64) -> Option<Vec<u8>> {
    let range = Range { offset: from, length: Some(to.saturating_sub(from)) };
    let bytes = directory.open_read_part(&part.path, range, part.codec()).await.ok()?;
    bytes.collect(1 << 20).await.ok()
}

/// Moves the start of a part on to the first line that is not before `cutoff`: lines are in the order of their times, so
/// that a few pieces of the file tell where. Where that cannot be told it stays.
pub(crate) async fn skip_to(directory: &Directory, part: &mut Part, end: u64, cutoff: i64, tally: &mut Tally) {
    if part.packed {
        return;
    }
    let (mut low, mut high) = (part.from, end);
    // Until what is left is less than a piece.
    while high.saturating_sub(low) > START as u64 {
        let middle = low + (high - low) / 2;
        let Some(block) = piece(directory, part, middle, high.min(middle + START as u64)).await else { return };
        // The first line of it is cut.
        let times = block.split(|byte| *byte == b'\n').skip(1).find_map(|line| tally.time(line));
        match times {
            Some(at) if at < cutoff => low = middle,
            Some(_) => high = middle,
            None => return,
        }
    }
    let Some(block) = piece(directory, part, low, end.min(low + 2 * START as u64)).await else { return };
    let mut at = 0;
    for line in block.split_inclusive(|byte| *byte == b'\n') {
        // A part that does not begin with the file may begin within a line, which then has no time.
        if tally.time(line.trim_ascii_end()).is_some_and(|time| time >= cutoff) {
            part.from = low + at;
            return;
        }
        at += line.len() as u64;
    }
    part.from = low + at;
}
