//! What form the lines of a log have, and what of one is its message. Pure.

use taskhost_sdk::prelude::*;

use crate::access;
use crate::fields::{Field, first_of};

/// Lines that are looked at to tell.
const LINES: usize = 50;

/// The form of a log.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// To be told from the first lines.
    Auto,
    /// An object of JSON a line.
    Json,
    /// `level=info msg="..." n=1`.
    Logfmt,
    /// The common or combined log format of web servers.
    Access,
    /// Anything else.
    Text,
}

/// Tells the format from the start of a log: what most of its lines have.
pub(crate) fn of(head: &[u8]) -> Format {
    let mut votes = [(Format::Json, 0_usize), (Format::Access, 0), (Format::Logfmt, 0), (Format::Text, 0)];
    for line in head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).take(LINES) {
        let format = of_line(line);
        for (candidate, count) in &mut votes {
            *count += usize::from(*candidate == format);
        }
    }
    let most = votes.into_iter().rev().max_by_key(|(_, count)| *count);
    most.filter(|(_, count)| *count > 0).map_or(Format::Text, |(format, _)| format)
}

fn of_line(line: &[u8]) -> Format {
    if line.starts_with(b"{") && line.ends_with(b"}") && line.contains(&b'"') {
        return Format::Json;
    }
    if access::parse(line).is_some() {
        return Format::Access;
    }
    // A pair at the start, and two at least: a message with a pair in it is none.
    let words = || line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let is_pair = |word: &[u8]| {
        let name = word.split(|byte| *byte == b'=').next().unwrap_or_default();
        name.len() < word.len()
            && name.first().is_some_and(u8::is_ascii_alphabetic)
            && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
    };
    if words().next().is_some_and(is_pair) && words().filter(|word| is_pair(word)).count() >= 2 {
        return Format::Logfmt;
    }
    Format::Text
}

/// The names under which structured logs have their parts.
#[derive(Debug)]
pub(crate) struct Parts {
    message: Vec<Field>,
    level: Vec<Field>,
    error: Vec<Field>,
    time: Vec<Field>,
    pub(crate) status: Vec<Field>,
    buffer: Vec<u8>,
}

impl Parts {
    pub(crate) fn new() -> Self {
        let named = |names: &[&str]| names.iter().filter_map(|name| Field::parse(name).ok()).collect();
        Self {
            message: named(&["msg", "message", "event", "text"]),
            level: named(&["level", "lvl", "severity", "levelname"]),
            error: named(&["err", "error", "exception", "error.message"]),
            time: named(&["time", "ts", "timestamp", "@timestamp", "datetime", "t"]),
            status: named(&["status", "status_code", "http_status", "code"]),
            buffer: Vec::new(),
        }
    }

    /// The text of a line's time.
    pub(crate) fn time<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        first_of(&self.time, line)
    }

    /// Level, message and error of a structured line; the line itself when it has none.
    pub(crate) fn message<'a>(&'a mut self, line: &'a [u8]) -> &'a [u8] {
        let message = first_of(&self.message, line);
        let error = first_of(&self.error, line);
        if message.is_none() && error.is_none() {
            return line;
        }
        self.buffer.clear();
        for part in [first_of(&self.level, line), message, error].into_iter().flatten() {
            if !self.buffer.is_empty() {
                self.buffer.extend_from_slice(b": ");
            }
            self.buffer.extend_from_slice(part);
        }
        &self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_told_from_the_first_lines() {
        for (head, expected) in [
            ("{\"level\":\"info\",\"msg\":\"x\"}\n{\"level\":\"error\"}\n", Format::Json),
            ("203.0.113.9 - - [23/Nov/2026:03:10:05 +0000] \"GET / HTTP/1.1\" 200 12\n", Format::Access),
            ("level=info msg=\"x y\" n=1\nts=1 level=warn\n", Format::Logfmt),
            ("2026-11-23 03:10:05 INFO a=1 b=2 c=3\n", Format::Text),
            ("name=value\n", Format::Text),
            ("plain\nwords\n", Format::Text),
            ("", Format::Text),
            ("\n\n \n", Format::Text),
            // Most lines decide.
            ("starting\n{\"a\":\"b\"}\n{\"a\":\"c\"}\n{\"a\":\"d\"}\n", Format::Json),
            ("\u{fffd}\u{0}\u{1}\n", Format::Text),
        ] {
            assert_eq!(of(head.as_bytes()), expected, "{head}");
        }
    }

    #[test]
    fn a_structured_line_is_its_message() {
        for (line, expected) in [
            ("{\"level\":\"error\",\"msg\":\"it broke\",\"n\":1}", "error: it broke"),
            ("level=error msg=\"it broke\" err=\"no such file\"", "error: it broke: no such file"),
            ("{\"n\":1}", "{\"n\":1}"),
            ("{\"message\":\"only this\"}", "only this"),
        ] {
            assert_eq!(String::from_utf8_lossy(Parts::new().message(line.as_bytes())), expected, "{line}");
        }
        let mut clock = crate::clock::Clock::new(0);
        let parts = Parts::new();
        let time = parts.time(b"{\"ts\":\"2026-11-23T03:10:05Z\",\"msg\":\"x\"}").and_then(|text| clock.whole(text));
        assert_eq!(time, Some(1_795_403_405));
        assert_eq!(clock.at_start(b"none"), None);
    }
}
