//! The lines of a file in bytes, whatever pieces it comes in: a line that lies in one piece is not copied, and of one that
//! is too long the rest is left out. Pure.

/// The longest line that is given whole, in bytes.
const LIMIT: usize = 64 * 1024;

/// Finds lines in pieces of a file.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    /// What earlier pieces have of the line at hand.
    begun: Vec<u8>,
    /// The line at hand has begun, though nothing of it may be kept.
    open: bool,
}

impl Splitter {
    /// Shows each line that ends in the piece, without its end.
    pub(crate) fn feed(&mut self, piece: &[u8], mut show: impl FnMut(&[u8])) {
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', piece) {
            let part = piece.get(from..end).unwrap_or_default();
            from = end + 1;
            if self.open {
                self.keep(part);
                show(bare(&self.begun));
                self.begun.clear();
                self.open = false;
            } else {
                show(bare(part.get(..LIMIT).unwrap_or(part)));
            }
        }
        let rest = piece.get(from..).unwrap_or_default();
        if !rest.is_empty() {
            self.keep(rest);
            self.open = true;
        }
    }

    /// Shows a last line that has no end.
    pub(crate) fn finish(&mut self, mut show: impl FnMut(&[u8])) {
        if self.open {
            show(bare(&self.begun));
            self.begun.clear();
            self.open = false;
        }
    }

    fn keep(&mut self, part: &[u8]) {
        let room = LIMIT.saturating_sub(self.begun.len()).min(part.len());
        self.begun.extend_from_slice(part.get(..room).unwrap_or_default());
    }
}

/// Without the carriage return of Windows.
fn bare(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let (mut splitter, mut lines) = (Splitter::default(), Vec::new());
        for piece in text.chunks(piece) {
            splitter.feed(piece, |line| lines.push(line.to_vec()));
        }
        splitter.finish(|line| lines.push(line.to_vec()));
        lines
    }

    #[test]
    fn lines_are_the_same_whatever_pieces_they_come_in() {
        for (text, expected) in [
            (&b""[..], &[][..]),
            (b"\n\n", &["", ""]),
            (b"one\ntwo\r\n\nthree", &["one", "two", "", "three"]),
            (b"\xff\0\n\r\n", &["\u{fffd}\0", ""]),
        ] {
            for piece in 1..=text.len() + 1 {
                let found: Vec<_> =
                    lines(text, piece).iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
                assert_eq!(found, expected, "{text:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_line_of_any_length_is_cut_and_the_next_is_whole() {
        let long = [vec![b'x'; 3 * LIMIT + 5], b"\nnext\n".to_vec()].concat();
        for piece in [1_000, LIMIT - 1, LIMIT, 2 * LIMIT, long.len()] {
            let found = lines(&long, piece);
            assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [LIMIT, 4], "pieces of {piece}");
        }
    }
}
