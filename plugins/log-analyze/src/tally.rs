//! What is counted of one log, line by line. Pure.

use crate::access;
use crate::clock::Clock;
use crate::fields::{Field, Unit, number};
use crate::format::{Format, Parts};
use crate::logins::Attempts;
use crate::sketch::Sketch;
use crate::spread::Spread;
use crate::template::Templates;
use crate::trend::Line;

/// Different kinds of errors that are held at once, and different addresses and the like.
const PATTERNS: usize = 2_000;
const NAMES: usize = 10_000;
/// How much of a line is kept as a sample, in bytes.
const SAMPLE: usize = 800;

/// What is looked for in lines.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) fields: Vec<Field>,
    /// Columns of access logs by name, or fields.
    pub(crate) top_by: Vec<Field>,
    pub(crate) logins: bool,
}

/// A kind of error.
#[derive(Debug, Default)]
pub(crate) struct Pattern {
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
    /// The last line of its kind.
    pub(crate) sample: Vec<u8>,
}

/// The values of a numeric field.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) spread: Spread,
    pub(crate) unit: Option<Unit>,
    /// Values that are no numbers, or of another unit than the first.
    pub(crate) odd: u64,
    pub(crate) line: Line,
}

/// Failed authentications.
#[derive(Debug)]
pub(crate) struct Logins {
    attempts: Attempts,
    pub(crate) count: u64,
    pub(crate) addresses: Sketch<()>,
    pub(crate) users: Sketch<()>,
}

/// All that was counted.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) format: Format,
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
    pub(crate) errors: u64,
    pub(crate) patterns: Sketch<Pattern>,
    /// In the order of [`Wanted::fields`].
    pub(crate) values: Vec<Values>,
    pub(crate) tops: Vec<Sketch<()>>,
    /// Answers by the first digit of their status; 0 for others.
    pub(crate) statuses: [u64; 6],
    /// Lines of an access log that are none.
    pub(crate) unlike: u64,
    /// Answers of 5xx are errors.
    pub(crate) counts_answers: bool,
    pub(crate) logins: Logins,
    clock: Clock,
    parts: Parts,
    templates: Templates,
    key: Vec<u8>,
}

impl Tally {
    /// Nothing yet. `reference` is a time after all lines, for those that name no year.
    pub(crate) fn new(format: Format, reference: i64, wanted: &Wanted) -> Self {
        Self {
            format,
            lines: 0,
            bytes: 0,
            errors: 0,
            patterns: Sketch::new(PATTERNS),
            values: wanted.fields.iter().map(|_| Values::default()).collect(),
            tops: wanted.top_by.iter().map(|_| Sketch::new(NAMES)).collect(),
            statuses: [0; 6],
            unlike: 0,
            counts_answers: true,
            logins: Logins {
                attempts: Attempts::default(),
                count: 0,
                addresses: Sketch::new(NAMES),
                users: Sketch::new(NAMES),
            },
            clock: Clock::new(reference),
            parts: Parts::new(),
            templates: Templates::default(),
            key: Vec::new(),
        }
    }

    /// When a line was written.
    pub(crate) fn time(&mut self, line: &[u8]) -> Option<i64> {
        match self.format {
            Format::Json | Format::Logfmt => self.parts.time(line).and_then(|text| self.clock.whole(text)),
            Format::Access => access::parse(line).and_then(|request| self.clock.whole(request.time)),
            Format::Auto | Format::Text => self.clock.at_start(line).map(|found| found.at),
        }
    }

    /// A line that the search for errors has found.
    pub(crate) fn error(&mut self, line: &[u8]) {
        self.errors += 1;
        let at = self.template(line);
        note(&mut self.patterns, &self.key, at, line);
    }

    /// Puts the template of a line into `key`; the line's time.
    fn template(&mut self, line: &[u8]) -> Option<i64> {
        let (at, template) = match self.format {
            Format::Json | Format::Logfmt => {
                let at = self.parts.time(line).and_then(|text| self.clock.whole(text));
                (at, self.templates.of(self.parts.message(line)))
            }
            _ => {
                let found = self.clock.at_start(line);
                let rest = found.and_then(|found| line.get(found.end..)).unwrap_or(line);
                (found.map(|found| found.at), self.templates.of(after_time(rest)))
            }
        };
        self.key.clear();
        self.key.extend_from_slice(template);
        at
    }

    /// Puts the template of a request into `key`: the method, the path, and as it is the status.
    fn request_template(&mut self, request: &access::Request<'_>) {
        self.key.clear();
        for part in [request.column("method"), request.column("path")].into_iter().flatten() {
            self.key.extend_from_slice(part);
            self.key.push(b' ');
        }
        let template = self.templates.of(&self.key).to_vec();
        self.key = [&template, b" ".as_slice(), request.column("status").unwrap_or_default()].concat();
    }

    /// The template of a line in which secrets were masked: what is masked in a line cannot be found in its template.
    pub(crate) fn shown_template(&mut self, masked: &str) -> String {
        match access::parse(masked.as_bytes()).filter(|_| self.format == Format::Access && self.counts_answers) {
            Some(request) => self.request_template(&request),
            None => drop(self.template(masked.as_bytes())),
        }
        String::from_utf8_lossy(&self.key).into_owned()
    }

    /// A line that may tell of a failed authentication.
    pub(crate) fn login(&mut self, line: &str) {
        let Some(attempt) = self.logins.attempts.line(line) else { return };
        self.logins.count += 1;
        if let Some(address) = attempt.address {
            self.logins.addresses.add(address.as_bytes());
        }
        if let Some(user) = attempt.user {
            self.logins.users.add(user.as_bytes());
        }
    }

    /// Any line, for what is counted over all of them.
    pub(crate) fn line(&mut self, line: &[u8], wanted: &Wanted) {
        if self.format == Format::Access {
            match access::parse(line) {
                Some(request) => self.request(&request, line, wanted),
                None if line.trim_ascii().is_empty() => {}
                None => self.unlike += 1,
            }
        } else {
            if matches!(self.format, Format::Json | Format::Logfmt) {
                let status = crate::fields::first_of(&self.parts.status, line);
                if let Some(status) = status.filter(|status| status.len() == 3 && status.iter().all(u8::is_ascii_digit))
                {
                    self.status(status.first().map_or(0, |digit| digit - b'0'));
                }
            }
            for (field, top) in wanted.top_by.iter().zip(&mut self.tops) {
                if let Some(value) = field.find(line) {
                    top.add(value);
                }
            }
        }
        for (place, field) in wanted.fields.iter().enumerate() {
            if let Some(value) = field.find(line) {
                self.value(place, value, line);
            }
        }
    }

    fn status(&mut self, class: u8) {
        if let Some(count) = self.statuses.get_mut(usize::from(class)) {
            *count += 1;
        }
    }

    fn request(&mut self, request: &access::Request<'_>, line: &[u8], wanted: &Wanted) {
        let class = request.status / 100;
        self.status(u8::try_from(class).ok().filter(|class| *class < 6).unwrap_or_default());
        for (field, top) in wanted.top_by.iter().zip(&mut self.tops) {
            let name = field.plain_name().and_then(|name| std::str::from_utf8(name).ok());
            if let Some(value) = name.and_then(|name| request.column(name)).or_else(|| field.find(line)) {
                top.add(value);
            }
        }
        if class == 5 && self.counts_answers {
            self.errors += 1;
            let at = self.clock.whole(request.time);
            self.request_template(request);
            note(&mut self.patterns, &self.key, at, line);
        }
    }

    fn value(&mut self, place: usize, text: &[u8], line: &[u8]) {
        let at = self.time(line);
        let Some(values) = self.values.get_mut(place) else { return };
        match number(text) {
            Some((value, unit)) if values.unit.is_none_or(|first| first == unit) => {
                values.unit = Some(unit);
                values.spread.add(value);
                if let Some(at) = at {
                    values.line.add(at, value);
                }
            }
            // A dash, as servers write for what took no time.
            None if text == b"-" => {}
            _ => values.odd += 1,
        }
    }
}

/// What of a line comes after its time: brackets and the like are not part of the message.
fn after_time(rest: &[u8]) -> &[u8] {
    let start = rest.iter().position(|byte| !matches!(byte, b']' | b' ' | b':' | b',' | b'-' | b'|' | b'\t'));
    start.and_then(|start| rest.get(start..)).unwrap_or_default()
}

fn note(patterns: &mut Sketch<Pattern>, template: &[u8], at: Option<i64>, line: &[u8]) {
    if let Some(pattern) = patterns.add(template) {
        pattern.first = earliest(pattern.first, at);
        pattern.last = pattern.last.max(at);
        pattern.sample.clear();
        pattern.sample.extend_from_slice(line.get(..SAMPLE).unwrap_or(line));
    }
}

fn earliest(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: i64 = 1_795_403_405;

    fn wanted(fields: &[&str], top_by: &[&str]) -> Wanted {
        let parsed = |names: &[&str]| names.iter().map(|name| Field::parse(name).unwrap()).collect();
        Wanted { fields: parsed(fields), top_by: parsed(top_by), logins: false }
    }

    fn top<T: Default>(sketch: &Sketch<T>) -> Vec<(String, u64)> {
        sketch.top(9).iter().map(|slot| (String::from_utf8_lossy(&slot.key).into_owned(), slot.count)).collect()
    }

    #[test]
    fn errors_are_grouped_with_when_they_were_seen() {
        let mut tally = Tally::new(Format::Text, THEN, &wanted(&[], &[]));
        for line in [
            "2026-11-23 03:10:05 ERROR db: timeout after 30 ms",
            "2026-11-23 03:10:01 ERROR db: timeout after 7 ms",
            "[2026-11-23 03:10:09] ERROR db: timeout after 12 ms",
            "ERROR other",
        ] {
            tally.error(line.as_bytes());
        }
        assert_eq!(top(&tally.patterns), [("ERROR db: timeout after # ms".into(), 3), ("ERROR other".into(), 1)]);
        let timeouts = &tally.patterns.top(1)[0].kept;
        assert_eq!((timeouts.first, timeouts.last), (Some(THEN - 4), Some(THEN + 4)));
        assert!(timeouts.sample.ends_with(b"12 ms"));
    }

    #[test]
    fn structured_errors_are_grouped_by_their_message() {
        let mut tally = Tally::new(Format::Json, THEN, &wanted(&[], &[]));
        for number in 0..3 {
            let line =
                format!("{{\"ts\":\"2026-11-23T03:10:0{number}Z\",\"level\":\"error\",\"msg\":\"no row {number}\"}}");
            tally.error(line.as_bytes());
        }
        assert_eq!(top(&tally.patterns), [("error: no row #".into(), 3)]);
        assert_eq!(tally.patterns.top(1)[0].kept.last, Some(THEN - 3));
    }

    #[test]
    fn an_access_log_is_counted_by_status_and_who_asks() {
        let wanted = wanted(&[":-1"], &["address", "status", "agent"]);
        let mut tally = Tally::new(Format::Access, THEN, &wanted);
        for (address, status, seconds) in
            [("::1", 200, "0.5"), ("::1", 502, "1.5"), ("::2", 404, "-"), ("::1", 599, "x")]
        {
            let line = format!(
                "{address} - - [23/Nov/2026:03:10:05 +0000] \"GET /a/1 HTTP/1.1\" {status} 9 \"-\" \"curl\" {seconds}"
            );
            tally.line(line.as_bytes(), &wanted);
        }
        tally.line(b"", &wanted);
        tally.line(b"no request", &wanted);
        assert_eq!((tally.statuses, tally.unlike, tally.errors), ([0, 0, 1, 0, 1, 2], 1, 2));
        assert_eq!(top(&tally.tops[0]), [("::1".into(), 3), ("::2".into(), 1)]);
        assert_eq!(top(&tally.tops[1]).len(), 4);
        assert_eq!(top(&tally.tops[2]), [("curl".into(), 4)]);
        assert_eq!(top(&tally.patterns), [("GET /a/# 502".into(), 1), ("GET /a/# 599".into(), 1)]);
        // The last column of the line that is no request is no number, as one of a request.
        assert_eq!((tally.values[0].spread.count(), tally.values[0].odd), (2, 2));
    }

    #[test]
    fn values_of_one_field_are_of_one_unit() {
        let wanted = wanted(&["took"], &["user"]);
        let mut tally = Tally::new(Format::Logfmt, THEN, &wanted);
        for line in
            ["took=12ms user=a", "took=1.5s user=b", "took=7 user=a", "took=soon", "other=1", "status=503 took=1s"]
        {
            tally.line(line.as_bytes(), &wanted);
        }
        let values = &tally.values[0];
        assert_eq!((values.unit, values.spread.count(), values.odd), (Some(Unit::Time), 3, 2));
        assert!((values.spread.greatest() - 1.5).abs() < 1e-9);
        assert_eq!(top(&tally.tops[0]), [("a".into(), 2), ("b".into(), 1)]);
        assert_eq!(tally.statuses[5], 1);
    }

    #[test]
    fn memory_that_rises_is_seen() {
        let wanted = wanted(&["memory_usage:4"], &[]);
        let mut tally = Tally::new(Format::Text, THEN, &wanted);
        for minute in 0..60 {
            let line = format!("2026-11-23 03:{minute:02}:00 memory_usage {}", 500 + minute);
            tally.line(line.as_bytes(), &wanted);
        }
        let slope = tally.values[0].line.slope().unwrap();
        assert!((slope.per_day - 1_440.0).abs() < 1e-6, "{slope:?}");
    }
}
