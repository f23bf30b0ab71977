//! A line of the common or combined log format, as Apache and nginx write it. Pure.

/// The parts of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    pub(crate) address: &'a [u8],
    pub(crate) user: &'a [u8],
    /// Between the brackets.
    pub(crate) time: &'a [u8],
    /// `GET /path HTTP/1.1`; what was sent may be anything.
    pub(crate) line: &'a [u8],
    pub(crate) status: u16,
    digits: &'a [u8],
    pub(crate) bytes: &'a [u8],
    /// What follows: referer and agent in quotes, and what else the server was told to add.
    pub(crate) rest: &'a [u8],
}

/// Takes a line apart; none when it is not of this form.
pub(crate) fn parse(whole: &[u8]) -> Option<Request<'_>> {
    let (address, rest) = word(whole)?;
    let (_, rest) = word(rest)?;
    // A user's name may have blanks.
    let open = memchr::memchr(b'[', rest)?;
    let user = rest.get(..open)?.trim_ascii();
    let rest = rest.get(open + 1..)?;
    let close = memchr::memchr(b']', rest)?;
    let time = rest.get(..close)?;
    let (line, rest) = quoted(rest.get(close + 1..)?)?;
    let rest = rest.trim_ascii_start();
    let (digits, after) = rest.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) || after.first().is_some_and(|next| *next != b' ') {
        return None;
    }
    let status = digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    let (bytes, rest) = word(after.trim_ascii_start()).unwrap_or_default();
    Some(Request { address, user, time, line, status, digits, bytes, rest })
}

impl<'a> Request<'a> {
    /// A column by its name.
    pub(crate) fn column(&self, name: &str) -> Option<&'a [u8]> {
        match name {
            "address" => Some(self.address),
            "user" => Some(self.user),
            "method" => word(self.line).map(|(method, _)| method),
            "path" => Some(self.path()),
            "status" => Some(self.digits),
            "bytes" => Some(self.bytes),
            "referer" => quoted(self.rest).map(|(referer, _)| referer),
            "agent" => quoted(quoted(self.rest)?.1).map(|(agent, _)| agent),
            _ => None,
        }
    }

    /// What was asked for, without what follows a `?`.
    fn path(&self) -> &'a [u8] {
        let path = word(self.line).and_then(|(_, rest)| word(rest)).map_or(self.line, |(path, _)| path);
        path.split(|byte| *byte == b'?').next().unwrap_or_default()
    }
}

/// Up to the next blank, and what follows it.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let end = memchr::memchr(b' ', text).unwrap_or(text.len());
    (end > 0).then(|| (text.get(..end).unwrap_or_default(), text.get(end + 1..).unwrap_or_default()))
}

/// What is in the next pair of quotes, and what follows it. A quote in it is escaped by a backslash.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii_start().strip_prefix(b"\"")?;
    let mut from = 0;
    loop {
        let end = from + memchr::memchr(b'"', text.get(from..)?)?;
        let backslashes = text.get(..end)?.iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Some((text.get(..end)?, text.get(end + 1..)?));
        }
        from = end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMBINED: &str = "2001:db8::1 - Jane Doe [23/Nov/2026:03:10:05 +0000] \"GET /a/b?c=d HTTP/1.1\" 404 512 \
                            \"https://example.org/\" \"curl/8 \\\"x\\\"\" 0.012";

    #[test]
    fn a_line_is_taken_apart() {
        let request = parse(COMBINED.as_bytes()).unwrap();
        assert_eq!((request.status, request.time), (404, &b"23/Nov/2026:03:10:05 +0000"[..]));
        for (column, expected) in [
            ("address", Some("2001:db8::1")),
            ("user", Some("Jane Doe")),
            ("method", Some("GET")),
            ("path", Some("/a/b")),
            ("status", Some("404")),
            ("bytes", Some("512")),
            ("referer", Some("https://example.org/")),
            ("agent", Some("curl/8 \\\"x\\\"")),
            ("other", None),
        ] {
            let found = request.column(column).map(String::from_utf8_lossy);
            assert_eq!(found.as_deref(), expected, "{column}");
        }
    }

    #[test]
    fn what_clients_send_breaks_nothing() {
        for (line, status) in [
            ("h - - [t] \"\" 400 0", Some(400)),
            ("h - - [t] \"\\x16\\x03\\x01\" 400 226", Some(400)),
            ("h - - [t] \"GET /\\\" 200 \\\" HTTP/1.1\" 301 0", Some(301)),
            ("h - - [t] \"GET /\" 200", Some(200)),
            ("h - - [t] \"GET /\" 200 -", Some(200)),
            ("h - - [t] \"GET /\" 2000 1", None),
            ("h - - [t] \"GET /\" abc 1", None),
            ("h - - [t] \"GET / 200 1", None),
            ("h - - t \"GET /\" 200 1", None),
            (" - - [t] \"GET /\" 200 1", None),
            ("", None),
            ("[[[\"\"\"", None),
        ] {
            assert_eq!(parse(line.as_bytes()).map(|request| request.status), status, "{line}");
        }
    }
}
