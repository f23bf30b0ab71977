//! Counts the lines of what is read, and cuts those that no search could hold.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};

/// The longest line that is passed on whole; the rest of a longer one is left out.
const LINE_LIMIT: u64 = 8 << 20;

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    bytes: Cell<u64>,
    ends: Cell<u64>,
    /// Bytes of the line at hand.
    line: Cell<u64>,
    given: Cell<u64>,
    /// Where bytes were left out: how many were given before, and how many had been left out up to there. One entry for
    /// each line of more than 8 MiB.
    gaps: RefCell<Vec<(u64, u64)>>,
}

impl Tally {
    /// Bytes that were read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Lines that were read; one without an end is one.
    pub(super) fn lines(&self) -> u64 {
        self.ends.get() + u64::from(self.line.get() > 0)
    }

    /// Where in what was read a byte is of which so many were given before.
    pub(super) fn offset(&self, given: u64) -> u64 {
        let gaps = self.gaps.borrow();
        let before = gaps.partition_point(|(at, _)| *at <= given);
        let left_out = before.checked_sub(1).and_then(|last| gaps.get(last)).map_or(0, |(_, left_out)| *left_out);
        given + left_out
    }

    fn leave_out(&self, bytes: u64) {
        let mut gaps = self.gaps.borrow_mut();
        let (at, so_far) = (self.given.get(), gaps.last().map_or(0, |(_, left_out)| *left_out));
        match gaps.last_mut() {
            Some((last, left_out)) if *last == at => *left_out += bytes,
            _ => gaps.push((at, so_far + bytes)),
        }
    }
}

/// Passes on what it reads, but for what is too much of a line.
pub(super) struct Tallied<'a, R> {
    reader: R,
    tally: &'a Tally,
    limit: u64,
}

impl<'a, R: Read> Tallied<'a, R> {
    pub(super) fn new(reader: R, tally: &'a Tally) -> Self {
        Self { reader, tally, limit: LINE_LIMIT }
    }

    /// Takes in what was read into `buffer`, and how much of it, moved together, is passed on.
    fn take_in(&self, buffer: &mut [u8]) -> usize {
        let tally = self.tally;
        let read = buffer.len() as u64;
        tally.bytes.set(tally.bytes.get() + read);
        if tally.line.get() + read <= self.limit {
            let ends = memchr::memchr_iter(b'\n', buffer).count() as u64;
            tally.ends.set(tally.ends.get() + ends);
            let line = match memchr::memrchr(b'\n', buffer) {
                Some(last) => read - last as u64 - 1,
                None => tally.line.get() + read,
            };
            tally.line.set(line);
            tally.given.set(tally.given.get() + read);
            return buffer.len();
        }
        self.cut_lines(buffer)
    }

    fn cut_lines(&self, buffer: &mut [u8]) -> usize {
        let tally = self.tally;
        let (mut from, mut to) = (0, 0);
        while from < buffer.len() {
            let rest = buffer.split_at(from).1;
            let end = memchr::memchr(b'\n', rest);
            let length = end.unwrap_or(rest.len());
            let room = self.limit.saturating_sub(tally.line.get());
            let kept = length.min(usize::try_from(room).unwrap_or(usize::MAX));
            buffer.copy_within(from..from + kept, to);
            to += kept;
            tally.given.set(tally.given.get() + kept as u64);
            if kept < length {
                tally.leave_out((length - kept) as u64);
            }
            tally.line.set(tally.line.get() + length as u64);
            from += length;
            if end.is_some() {
                buffer.copy_within(from..=from, to);
                (from, to) = (from + 1, to + 1);
                tally.given.set(tally.given.get() + 1);
                tally.ends.set(tally.ends.get() + 1);
                tally.line.set(0);
            }
        }
        to
    }
}

impl<R: Read> Read for Tallied<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.reader.read(buffer)?;
            if read == 0 {
                return Ok(0);
            }
            let given = self.take_in(buffer.split_at_mut(read).0);
            // Nothing of a line that is too long is no end.
            if given > 0 {
                return Ok(given);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is passed on of `text`, read in pieces, when lines of more than `limit` bytes are cut.
    fn passed(text: &str, limit: u64, piece: usize) -> (String, Tally) {
        let tally = Tally::default();
        let mut tallied = Tallied { reader: text.as_bytes(), tally: &tally, limit };
        let (mut given, mut buffer) = (Vec::new(), vec![0; piece]);
        loop {
            let read = tallied.read(&mut buffer).unwrap();
            if read == 0 {
                break;
            }
            given.extend_from_slice(&buffer[..read]);
        }
        (String::from_utf8(given).unwrap(), tally)
    }

    #[test]
    fn long_lines_are_cut_and_every_line_is_counted_and_has_its_place() {
        for (text, expected, lines) in [
            ("", "", 0),
            ("\n\n", "\n\n", 2),
            ("abc\nde", "abc\nde", 2),
            ("abcdefgh\nxyz\n", "abcd\nxyz\n", 2),
            ("abcdefgh", "abcd", 1),
            ("ab\nabcdefgh\n\nabcdefghij\nlast\n", "ab\nabcd\n\nabcd\nlast\n", 5),
        ] {
            for piece in 1..=text.len() + 1 {
                let (given, tally) = passed(text, 4, piece);
                assert_eq!(given, expected, "{text:?} in pieces of {piece}");
                assert_eq!((tally.lines(), tally.bytes()), (lines, text.len() as u64), "{text:?} in pieces of {piece}");
                // Each line that is given begins where its like begins in the text.
                let (mut at, mut place) = (0, 0);
                for (line, whole) in given.split_inclusive('\n').zip(text.split_inclusive('\n')) {
                    assert_eq!(tally.offset(at), place, "{text:?} in pieces of {piece}: {line:?}");
                    (at, place) = (at + line.len() as u64, place + whole.len() as u64);
                }
            }
        }
    }

    #[test]
    fn short_lines_pass_unchanged() {
        let text = "one\ntwo\r\n\nthree";
        let (given, tally) = passed(text, LINE_LIMIT, 5);
        assert_eq!((given.as_str(), tally.lines()), (text, 4));
        assert_eq!((0..17).map(|at| tally.offset(at)).collect::<Vec<_>>(), (0..17).collect::<Vec<_>>());
    }
}
