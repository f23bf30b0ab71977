//! The rows of a COPY block, which are passed through without being looked at, up to the line that ends them.

use bytes::Bytes;
use memchr::{memchr_iter, memmem};

use super::Event;
use super::scanner::{Dump, State};

impl Dump {
    /// Passes rows through up to their end; gives what follows the end, or nothing when the rows go on.
    pub(super) fn copy(&mut self, rows: Bytes, emit: &mut impl FnMut(Event)) -> Option<Bytes> {
        let State::Copy { line_start } = self.state else { return Some(rows) };
        let mut from = 0;
        let mut at_start = line_start;
        loop {
            let line = if at_start {
                from
            } else {
                let rest = rows.get(from..).unwrap_or_default();
                match memmem::find(rest, b"\n\\.") {
                    Some(found) => from + found + 1,
                    None if rest.ends_with(b"\n\\") => rows.len() - 1,
                    None => break,
                }
            };
            at_start = false;
            match end_of_rows(rows.get(line..).unwrap_or_default()) {
                EndOfRows::Yes(length) => {
                    self.pass(rows.slice(..line), emit);
                    emit(Event::CopyEnd);
                    self.lines += 1;
                    self.state = State::Code;
                    return Some(rows.slice(line + length..));
                }
                EndOfRows::Perhaps => {
                    self.pass(rows.slice(..line), emit);
                    self.pending.extend_from_slice(rows.get(line..).unwrap_or_default());
                    self.state = State::Copy { line_start: true };
                    return None;
                }
                EndOfRows::No => from = line,
            }
        }
        self.state = State::Copy { line_start: rows.last().map_or(line_start, |last| *last == b'\n') };
        self.pass(rows, emit);
        None
    }

    fn pass(&mut self, rows: Bytes, emit: &mut impl FnMut(Event)) {
        if !rows.is_empty() {
            self.lines += memchr_iter(b'\n', &rows).count() as u64;
            emit(Event::CopyData(rows));
        }
    }
}

enum EndOfRows {
    /// This many bytes are the end.
    Yes(usize),
    No,
    /// The next bytes decide.
    Perhaps,
}

/// Whether a line of a COPY block is the `\.` that ends it.
fn end_of_rows(line: &[u8]) -> EndOfRows {
    for end in [&b"\\.\n"[..], b"\\.\r\n"] {
        if line.starts_with(end) {
            return EndOfRows::Yes(end.len());
        }
        if end.starts_with(line) {
            return EndOfRows::Perhaps;
        }
    }
    EndOfRows::No
}
