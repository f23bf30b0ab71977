//! When a line was written, from what stands at its start. Pure.
//!
//! A time without a zone is taken for UTC; one without a year for the last such day before a reference.

/// A time found in a text, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Seconds since 1970.
    pub(crate) at: i64,
    /// The first byte after it.
    pub(crate) end: usize,
}

/// The longest text before a time: a bracket, or syslog's `<34>1 `.
const BEFORE: usize = 8;
const DAY: i64 = 86_400;

/// Reads times, those of one log: most lines of a second begin alike, and are read once.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Something that was written later than the lines are, for those that name no year.
    reference: i64,
    last: Vec<u8>,
    last_found: Option<Found>,
}

impl Clock {
    pub(crate) fn new(reference: i64) -> Self {
        Self { reference, last: Vec::new(), last_found: None }
    }

    /// The time at the start of a line.
    pub(crate) fn at_start(&mut self, line: &[u8]) -> Option<Found> {
        // Up to the seconds.
        if let Some(found) = self.last_found
            && !self.last.is_empty()
            && line.starts_with(&self.last)
            && line.get(self.last.len()).is_none_or(|next| !next.is_ascii_digit())
        {
            return Some(found);
        }
        let before = line.iter().take(BEFORE).position(u8::is_ascii_alphanumeric);
        let start = match line.first() {
            // The priority of syslog.
            Some(b'<') => line.iter().take(BEFORE).position(|byte| *byte == b'>').map_or(0, |end| end + 1),
            _ => before?,
        };
        let found = read(line.get(start..)?, self.reference).map(|found| Found { end: start + found.end, ..found })?;
        // What follows a fraction or a zone may differ: these are left out of what is compared.
        self.last.clear();
        let whole = line.get(..found.end).unwrap_or_default();
        if whole.ends_with(b":") || !whole.iter().any(|byte| matches!(byte, b'.' | b',' | b'Z' | b'+')) {
            self.last.extend_from_slice(whole);
        }
        self.last_found = Some(found);
        Some(found)
    }

    /// A time that is all of a text: the value of a field.
    pub(crate) fn whole(&self, text: &[u8]) -> Option<i64> {
        read(text.trim_ascii(), self.reference).map(|found| found.at)
    }
}

/// Reads the time that `text` begins with.
fn read(text: &[u8], reference: i64) -> Option<Found> {
    let first = text.first()?;
    if !first.is_ascii_digit() {
        return with_month_name(text, reference);
    }
    match (text.get(4), text.get(2)) {
        (Some(b'-' | b'/'), _) => iso(text),
        (_, Some(b'/')) => access(text),
        _ => epoch(text),
    }
}

/// `2026-11-23T03:10:05.123Z`, `2026-11-23 03:10:05,123`, `2026/11/23 03:10:05`.
fn iso(text: &[u8]) -> Option<Found> {
    let date = (number(text, 0, 4)?, number(text, 5, 2)?, number(text, 8, 2)?);
    if text.get(4) != text.get(7) || !matches!(text.get(10), Some(b'T' | b't' | b' ' | b'_')) {
        return None;
    }
    let seconds = time(text, 11)?;
    let mut end = fraction(text, 19);
    let mut at = days(date.0, date.1, date.2)? * DAY + seconds;
    if let Some((offset, length)) = zone(text.get(end..)?) {
        at -= offset;
        end += length;
    }
    Some(Found { at, end })
}

/// `23/Nov/2026:03:10:05 +0000`.
fn access(text: &[u8]) -> Option<Found> {
    let (day, month, year) = (number(text, 0, 2)?, month(text.get(3..6)?)?, number(text, 7, 4)?);
    if text.get(6) != Some(&b'/') || text.get(11) != Some(&b':') {
        return None;
    }
    let at = days(year, month, day)? * DAY + time(text, 12)?;
    match zone(text.get(20..).unwrap_or_default().trim_ascii_start()) {
        Some((offset, length)) => Some(Found { at: at - offset, end: 21 + length }),
        None => Some(Found { at, end: 20 }),
    }
}

/// `1795403405`, `1795403405.123`, `1795403405123`.
fn epoch(text: &[u8]) -> Option<Found> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let divisor = match digits {
        10 => 1,
        13 => 1_000,
        16 => 1_000_000,
        19 => 1_000_000_000,
        _ => return None,
    };
    let whole = text.get(..digits)?.iter().fold(0_i64, |sum, digit| sum.wrapping_mul(10) + i64::from(digit - b'0'));
    let at = whole / divisor;
    // From 2001 to 2100: other numbers of ten digits are no times.
    (1_000_000_000..4_102_444_800).contains(&at).then(|| Found { at, end: fraction(text, digits) })
}

/// `Nov 23 03:10:05`, and with the day of the week and the year: `Mon Nov 23 03:10:05.123 2026`.
fn with_month_name(text: &[u8], reference: i64) -> Option<Found> {
    let weekdays: [&[u8]; 7] = [b"Mon ", b"Tue ", b"Wed ", b"Thu ", b"Fri ", b"Sat ", b"Sun "];
    let start = if weekdays.iter().any(|day| text.starts_with(day)) { 4 } else { 0 };
    let month = month(text.get(start..start + 3)?)?;
    // The day is padded with a blank, or not at all.
    let padded = text.get(start + 4) == Some(&b' ');
    let digits = if padded { start + 5 } else { start + 4 };
    let day = number(text, digits, 2).map(|day| (day, 2)).or_else(|| Some((number(text, digits, 1)?, 1)))?;
    let clock = digits + day.1 + 1;
    let seconds = time(text, clock)?;
    let end = fraction(text, clock + 8);
    if text.get(end) == Some(&b' ')
        && let Some(year) = number(text, end + 1, 4)
        && text.get(end + 5).is_none_or(|next| !next.is_ascii_alphanumeric() && *next != b':')
        && (1970..2100).contains(&year)
    {
        return Some(Found { at: days(year, month, day.0)? * DAY + seconds, end: end + 5 });
    }
    let year = year_of(reference);
    let at = [year, year - 1].into_iter().find_map(|year| {
        let at = days(year, month, day.0)? * DAY + seconds;
        (at <= reference.saturating_add(DAY)).then_some(at)
    })?;
    Some(Found { at, end })
}

/// `HH:MM:SS` from that byte on, in seconds.
fn time(text: &[u8], from: usize) -> Option<i64> {
    let (hour, minute, second) = (number(text, from, 2)?, number(text, from + 3, 2)?, number(text, from + 6, 2)?);
    let separated = text.get(from + 2) == Some(&b':') && text.get(from + 5) == Some(&b':');
    // A leap second is the next one.
    (separated && hour < 24 && minute < 60 && second <= 60).then_some(hour * 3_600 + minute * 60 + second)
}

/// Where the fraction of a second that may follow ends.
fn fraction(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    match rest.split_first() {
        Some((b'.' | b',', digits)) => {
            let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if count == 0 { from } else { from + 1 + count }
        }
        _ => from,
    }
}

/// `Z`, `+01:00`, `-0500`: seconds east of Greenwich, and how long it is.
fn zone(text: &[u8]) -> Option<(i64, usize)> {
    let sign = match text.first()? {
        b'Z' | b'z' => return Some((0, 1)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (minutes, length) = if text.get(3) == Some(&b':') { (4, 6) } else { (3, 5) };
    let (hours, minutes) = (number(text, 1, 2)?, number(text, minutes, 2)?);
    (hours <= 15 && minutes < 60).then_some((sign * (hours * 3_600 + minutes * 60), length))
}

/// So many digits.
fn number(text: &[u8], from: usize, count: usize) -> Option<i64> {
    text.get(from..from + count)?
        .iter()
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn month(name: &[u8]) -> Option<i64> {
    const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    MONTHS.chunks(3).zip(1..).find(|(month, _)| *month == name).map(|(_, number)| number)
}

/// Days since 1970 of a date in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years that begin in March, so that the leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// The year, month and day so many days after 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let january = month >= 10;
    (era * 400 + year + i64::from(january), if january { month - 9 } else { month + 3 }, day)
}

fn year_of(at: i64) -> i64 {
    date(at.div_euclid(DAY)).0
}

/// `2026-11-23 03:10:05`.
pub(crate) fn shown(at: i64) -> String {
    let (year, month, day) = date(at.div_euclid(DAY));
    let seconds = at.rem_euclid(DAY);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23 03:10:05.
    const THEN: i64 = 1_795_403_405;

    #[test]
    fn times_are_read_as_logs_write_them() {
        let reference = THEN + 3_600;
        for (line, at, rest) in [
            ("2026-11-23T03:10:05Z INFO", THEN, " INFO"),
            ("2026-11-23T04:10:05.123456+01:00 INFO", THEN, " INFO"),
            ("2026-11-22T22:10:05-0500 x", THEN, " x"),
            ("2026-11-23 03:10:05,123 ERROR x", THEN, " ERROR x"),
            ("2026-11-23 03:10:05 UTC [12] LOG:", THEN, " UTC [12] LOG:"),
            ("[2026-11-23 03:10:05] x", THEN, "] x"),
            ("2026/11/23 03:10:05 [error] 12#0: x", THEN, " [error] 12#0: x"),
            ("23/Nov/2026:03:10:05 +0000] \"GET", THEN, "] \"GET"),
            ("23/Nov/2026:04:10:05 +0100] x", THEN, "] x"),
            ("Nov 23 03:10:05 web sshd[1]: x", THEN, " web sshd[1]: x"),
            ("<34>Nov 23 03:10:05 web su: x", THEN, " web su: x"),
            ("Dec  1 00:00:00 web x", 1_764_547_200, " web x"),
            ("[Mon Nov 23 03:10:05.123 2026] [core:error]", THEN, "] [core:error]"),
            ("Mon Nov 23 03:10:05 2026 x", THEN, " x"),
            ("1795403405 x", THEN, " x"),
            ("1795403405.5 x", THEN, " x"),
            ("1795403405123 x", THEN, " x"),
            ("1970-01-01T00:00:00Z", 0, ""),
            ("2024-02-29 23:59:60 x", 1_709_251_200, " x"),
        ] {
            let found = Clock::new(reference).at_start(line.as_bytes());
            let expected = Found { at, end: line.len() - rest.len() };
            assert_eq!(found, Some(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for line in [
            "",
            "INFO started",
            "2026-13-01 00:00:00 x",
            "2026-02-29 00:00:00 x",
            "2026-11-23 24:00:00 x",
            "2026-11-23",
            "2026-11-23x03:10:05",
            "23/Nov/2026 03:10:05",
            "23/Foo/2026:03:10:05 +0000",
            "Nov 31 00:00:00",
            "Nov 2",
            "12345 x",
            "9999999999 x",
            "\u{e4}\u{f6} x",
        ] {
            assert_eq!(Clock::new(THEN).at_start(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn lines_of_one_second_are_read_once_and_not_mistaken_for_another() {
        let mut clock = Clock::new(THEN);
        for (line, at) in [
            ("2026-11-23 03:10:05 a", Some(THEN)),
            ("2026-11-23 03:10:05 b", Some(THEN)),
            ("2026-11-23 03:10:059", Some(THEN)),
            ("2026-11-23 03:10:06 c", Some(THEN + 1)),
            ("2026-11-23 03:10:05.5Z d", Some(THEN)),
            ("2026-11-23 03:10:05+01:00 e", Some(THEN - 3_600)),
            ("no time", None),
            ("2026-11-23 03:10:05 f", Some(THEN)),
        ] {
            assert_eq!(clock.at_start(line.as_bytes()).map(|found| found.at), at, "{line}");
        }
    }

    #[test]
    fn dates_are_shown_as_they_were_read() {
        for at in [0, THEN, 951_782_399, 951_782_400, 1_709_164_800, 4_102_444_799] {
            let text = shown(at);
            assert_eq!(Clock::new(THEN).whole(text.as_bytes()), Some(at), "{text}");
        }
        assert_eq!(shown(THEN), "2026-11-23 03:10:05");
    }
}
