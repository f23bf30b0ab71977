//! `tail`: the last lines of a file, read from its end.

use std::os::unix::fs::FileExt as _;

use super::super::error::Error;
use super::root::Opened;
use super::search::shown;
use super::{Wanted, count};

/// Bytes read at once, going backwards.
const BLOCK: u64 = 64 * 1024;
/// The most bytes that are looked at; what is before them is not given.
const REACH: usize = 16 << 20;
/// The most lines.
const LINES: u32 = 100_000;

/// The last `lines` lines, oldest first.
pub(in super::super) fn tail(opened: &Opened, lines: u32, wanted: &impl Wanted) -> Result<Vec<String>, Error> {
    if lines > LINES {
        return Err(Error::Invalid(format!("{lines} lines are more than {LINES}; read the file as a stream")));
    }
    let mut start = count(opened.stat.st_size);
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    let (mut ends, mut held) = (0_u64, 0);
    // One line end more than lines: the one before the first of them.
    while start > 0 && ends <= u64::from(lines) && held < REACH {
        wanted.wanted()?;
        let size = BLOCK.min(start);
        start -= size;
        let mut block = vec![0; usize::try_from(size).unwrap_or_default()];
        opened.file.read_exact_at(&mut block, start).map_err(|error| opened.failed("read", &error))?;
        ends += block.split(|byte| *byte == b'\n').count() as u64 - 1;
        held += block.len();
        blocks.push(block);
    }
    blocks.reverse();
    let content = blocks.concat();
    let content = content.strip_suffix(b"\n").unwrap_or(&content);
    if content.is_empty() && held == 0 {
        return Ok(Vec::new());
    }
    let wanted = usize::try_from(lines).unwrap_or(usize::MAX);
    let mut found: Vec<String> = content
        .rsplit(|byte| *byte == b'\n')
        .take(wanted)
        .map(|line| shown(line.strip_suffix(b"\r").unwrap_or(line)))
        .collect();
    found.reverse();
    Ok(found)
}
