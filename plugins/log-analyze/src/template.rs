//! What a line has in common with others of its kind: the line with numbers, ids, hexadecimal and quoted text masked. Pure.
//!
//! `worker 12: user "eve" (id 7f3a9c01) not found after 30.5 ms` and a thousand like it are
//! `worker #: user "*" (id #) not found after # ms`.

/// The longest template, in bytes.
const LIMIT: usize = 240;
/// From so many digits on, a word of hexadecimal digits alone is an id, whether it has a decimal one or not.
const HEX: usize = 8;
/// A word of so many characters, with digits among them, is an id of some kind.
const ID: usize = 20;

/// Makes templates, in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    out: Vec<u8>,
}

impl Templates {
    /// The template of a text.
    pub(crate) fn of(&mut self, text: &[u8]) -> &[u8] {
        self.out.clear();
        let mut rest = text.trim_ascii();
        while let Some((first, after)) = rest.split_first() {
            if self.out.len() >= LIMIT {
                break;
            }
            match first {
                b'"' | b'\'' | b'`' if self.opens(*first) => match closing(*first, after) {
                    Some(length) => {
                        self.out.extend([*first, b'*', *first]);
                        rest = after.get(length + 1..).unwrap_or_default();
                    }
                    None => {
                        self.out.push(*first);
                        rest = after;
                    }
                },
                byte if is_word(*byte) => {
                    let length = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
                    let (word, after) = rest.split_at(length);
                    self.word(word);
                    rest = after;
                }
                // As in 1,024.
                b',' if self.out.ends_with(b"#") && after.first().is_some_and(u8::is_ascii_digit) => rest = after,
                byte if byte.is_ascii_whitespace() => {
                    // Columns are padded differently from line to line.
                    if !self.out.ends_with(b" ") {
                        self.out.push(b' ');
                    }
                    rest = after;
                }
                byte => {
                    self.out.push(*byte);
                    rest = after;
                }
            }
        }
        self.cut();
        &self.out
    }

    /// Whether a quote opens something: an apostrophe in a word does not.
    fn opens(&self, quote: u8) -> bool {
        quote == b'"' || !self.out.last().is_some_and(u8::is_ascii_alphanumeric)
    }

    /// One word: letters, digits, and what joins them.
    fn word(&mut self, word: &[u8]) {
        if !word.iter().any(u8::is_ascii_digit) {
            if word.len() >= HEX && word.iter().all(u8::is_ascii_hexdigit) {
                self.masked();
            } else {
                self.out.extend_from_slice(word);
            }
            return;
        }
        // An address of IPv6, or a time.
        let pieces = word.split(|byte| *byte == b':').count();
        if pieces > 2 && word.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')) {
            self.masked();
            return;
        }
        let mut rest = word;
        while !rest.is_empty() {
            let length = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
            let (piece, after) = rest.split_at(length);
            self.piece(piece);
            let joint = after.first().copied();
            rest = after.get(1..).unwrap_or_default();
            // What joins two numbers is part of one: an address, a version, a time, a UUID.
            if let Some(joint) = joint {
                let joins = self.out.ends_with(b"#") && matches!(joint, b'.' | b':' | b'-' | b'_' | b',');
                let next = rest.split(|byte| !byte.is_ascii_alphanumeric()).next().unwrap_or_default();
                if !(joins && (is_masked(next) || next.first().is_some_and(u8::is_ascii_digit))) {
                    self.out.push(joint);
                }
            }
        }
    }

    /// Letters and digits.
    fn piece(&mut self, piece: &[u8]) {
        if is_masked(piece) {
            self.masked();
            return;
        }
        for byte in piece {
            if byte.is_ascii_digit() {
                self.masked();
            } else {
                self.out.push(*byte);
            }
        }
    }

    fn masked(&mut self) {
        if !self.out.ends_with(b"#") {
            self.out.push(b'#');
        }
    }

    fn cut(&mut self) {
        if self.out.len() > LIMIT {
            self.out.truncate(LIMIT);
            // Not within a character.
            let whole = self.out.utf8_chunks().map(|chunk| chunk.valid().len()).next().unwrap_or_default();
            if LIMIT - whole < 4 {
                self.out.truncate(whole);
            }
        }
        while self.out.last().is_some_and(u8::is_ascii_whitespace) {
            self.out.pop();
        }
    }
}

/// Whether a piece is masked as a whole: a number, hexadecimal, or something so long that it is an id.
fn is_masked(piece: &[u8]) -> bool {
    let digits = piece.iter().filter(|byte| byte.is_ascii_digit()).count();
    let hex = || piece.iter().all(u8::is_ascii_hexdigit);
    let prefixed = || piece.strip_prefix(b"0x").is_some_and(|rest| rest.iter().all(u8::is_ascii_hexdigit));
    !piece.is_empty()
        && (digits == piece.len()
            || (digits > 0 && piece.len() >= 4 && hex())
            || (piece.len() >= HEX && hex())
            || prefixed()
            || (digits > 0 && piece.len() >= ID))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'.' | b':' | b'-' | b'_' | b'/' | b'@' | b'%' | b'+' | b'~')
        || byte >= 0x80
}

/// Where the quote is that closes, if there is one not too far away.
fn closing(quote: u8, text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate().take(4_096) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            byte if *byte == quote => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> String {
        String::from_utf8_lossy(Templates::default().of(text.as_bytes())).into_owned()
    }

    #[test]
    fn what_differs_from_line_to_line_is_masked() {
        for (line, expected) in [
            ("ERROR db: connection to 10.0.0.12:5432 timed out", "ERROR db: connection to # timed out"),
            ("worker-12 took 30.5ms, 1,024 rows", "worker-# took #ms, # rows"),
            ("user \"eve\" (id 7f3a9c01) not found", "user \"*\" (id #) not found"),
            ("KeyError: 'the key'", "KeyError: '*'"),
            ("can't open it, don't ask", "can't open it, don't ask"),
            ("request 550e8400-e29b-41d4-a716-446655440000 failed", "request # failed"),
            ("GET /api/v1/agents/123?page=2 500", "GET /api/v#/agents/#?page=# #"),
            ("at 0x7fff5fbff8c0 in frame 3", "at # in frame #"),
            ("digest deadbeefcafebabe of a file", "digest # of a file"),
            ("added a bad cafe face", "added a bad cafe face"),
            ("[pid 12]   padded\t  columns  ", "[pid #] padded columns"),
            ("an \"unclosed quote", "an \"unclosed quote"),
            ("\"a \\\" b\" and 'c'", "\"*\" and '*'"),
            ("gr\u{f6}\u{df}e 12 \u{1f408}", "gr\u{f6}\u{df}e # \u{1f408}"),
            ("token AbCdEf0123456789GhIjKlMn used", "token # used"),
            ("IPv6 2001:db8::8a2e:370:7334 closed", "IPv# # closed"),
            ("", ""),
            ("12 34 56", "# # #"),
        ] {
            assert_eq!(template(line), expected, "{line}");
        }
    }

    #[test]
    fn a_template_is_short_and_whole_characters() {
        for text in ["x ".repeat(10_000), "\u{1f408}".repeat(10_000), "a\u{1f408}".repeat(10_000), "\"".repeat(5_000)] {
            let template = template(&text);
            assert!(template.len() <= LIMIT && !template.contains('\u{fffd}'), "{} bytes", template.len());
        }
        let broken = [b"error \xff\xfe ".as_slice(), &[0; 100]].concat();
        assert!(Templates::default().of(&broken).starts_with(b"error "));
    }
}
