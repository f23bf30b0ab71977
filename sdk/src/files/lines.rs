//! A file's bytes as lines of text, whatever pieces they come in.

use super::Error;
use crate::ByteStream;

/// The longest line that is given whole, in bytes; the rest of a longer one is left out, as `find_lines` does.
const LIMIT: usize = 64 * 1024;

/// The lines of a file.
#[derive(Debug)]
pub struct TextLines {
    bytes: ByteStream<Error>,
    splitter: Splitter,
    ended: bool,
}

impl TextLines {
    pub(super) fn new(bytes: ByteStream<Error>) -> Self {
        Self { bytes, splitter: Splitter::default(), ended: false }
    }

    /// The next line without its end (`\n` or `\r\n`), cut at 64 KiB; bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// What cut the file short.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            if let Some(line) = self.splitter.next() {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(self.splitter.last());
            }
            match self.bytes.next(std::mem::take(&mut self.splitter.chunk)).await? {
                Some(chunk) => self.splitter.feed(chunk),
                None => self.ended = true,
            }
        }
    }
}

/// Finds lines in pieces of a file.
#[derive(Debug, Default)]
struct Splitter {
    /// The piece at hand, of which all before `at` was given out.
    chunk: Vec<u8>,
    at: usize,
    /// What earlier pieces have of the line at hand.
    line: Vec<u8>,
}

impl Splitter {
    fn feed(&mut self, chunk: Vec<u8>) {
        self.chunk = chunk;
        self.at = 0;
    }

    /// The next line that ends in the piece at hand.
    fn next(&mut self) -> Option<String> {
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b'\n');
        let part = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
        let room = LIMIT.saturating_sub(self.line.len()).min(part.len());
        self.line.extend_from_slice(part.get(..room).unwrap_or(part));
        self.at += part.len() + 1;
        end.map(|_| self.take())
    }

    /// A last line that has no end.
    fn last(&mut self) -> Option<String> {
        (!self.line.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> String {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let text = String::from_utf8_lossy(line).into_owned();
        self.line.clear();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `text`, when it comes in pieces of so many bytes.
    fn lines(text: &[u8], piece: usize) -> Vec<String> {
        let mut splitter = Splitter::default();
        let mut lines = Vec::new();
        for chunk in text.chunks(piece) {
            splitter.feed(chunk.to_vec());
            lines.extend(std::iter::from_fn(|| splitter.next()));
        }
        lines.extend(splitter.last());
        lines
    }

    #[test]
    fn lines_are_the_same_whatever_pieces_they_come_in() {
        for (text, expected) in [
            ("", vec![]),
            ("\n", vec![""]),
            ("one", vec!["one"]),
            ("one\n", vec!["one"]),
            ("one\r\n\ntwo\rthree\nfour", vec!["one", "", "two\rthree", "four"]),
            ("gr\u{f6}\u{df}e\n\u{1f980}\n", vec!["gr\u{f6}\u{df}e", "\u{1f980}"]),
        ] {
            for piece in 1..=text.len().max(1) {
                assert_eq!(lines(text.as_bytes(), piece), expected, "{text:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_line_without_an_end_in_sight_is_cut_and_what_follows_is_not() {
        let mut text = vec![b'x'; 3 * LIMIT];
        text.extend_from_slice(b"\nshort\n");
        for piece in [1000, LIMIT, text.len()] {
            let lines = lines(&text, piece);
            assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [LIMIT, 5]);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(lines(b"a\xffb\n", 2), ["a\u{fffd}b"]);
    }
}
