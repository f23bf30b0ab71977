//! The names of rotated files: which log one belongs to, when it was rotated, and how the next is called. Pure.
//!
//! Two styles, `app.log.3` and `app.log-20261123-031005`, and logrotate's `app.log-20261123`; compressed with gzip or zstd or
//! not. It must never take a log for a rotated file of another: a name that does not fit exactly is a log's own.

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// How a rotated file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// `.gz`.
    Gzip,
    /// `.zst`.
    Zstd,
}

impl Packing {
    /// What its names end in.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// A name without what tells its compression.
    fn split(name: &str) -> (&str, Self) {
        for packing in [Self::Gzip, Self::Zstd] {
            if let Some(bare) = name.strip_suffix(packing.suffix()) {
                return (bare, packing);
            }
        }
        (name, Self::Plain)
    }
}

/// What tells one rotated file of a log from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// `app.log.3`: 1 is the newest.
    Number(u32),
    /// `app.log-20261123-031005`, in seconds since 1970; `exact` is false for a date alone.
    Time {
        /// When it was rotated.
        at: i64,
        /// Whether the name has the time of day.
        exact: bool,
    },
}

/// A rotated file's name, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated<'a> {
    /// The log that it was.
    pub log: &'a str,
    /// Which of its rotated files it is.
    pub mark: Mark,
    /// How it is compressed.
    pub packing: Packing,
    /// A copy that is being made, or was when the host was killed.
    pub copying: bool,
}

/// What a copy is called until the log was cut.
pub const COPYING: &str = ".copying";
/// The highest number of a rotated file.
const HIGHEST: u32 = 99_999;

/// Takes the name of a rotated file apart; none for any other file.
pub fn parse(path: &str) -> Option<Rotated<'_>> {
    let (path, copying) = path.strip_suffix(COPYING).map_or((path, false), |path| (path, true));
    let (bare, packing) = Packing::split(path);
    let (log, mark) = numbered(bare).or_else(|| dated(bare))?;
    let is_named = !log.is_empty() && !log.ends_with('/');
    (is_named && !(copying && packing != Packing::Plain)).then_some(Rotated { log, mark, packing, copying })
}

fn numbered(name: &str) -> Option<(&str, Mark)> {
    let (log, digits) = name.rsplit_once('.')?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    let number = digits.parse().ok().filter(|number| plain && (1..=HIGHEST).contains(number))?;
    Some((log, Mark::Number(number)))
}

fn dated(name: &str) -> Option<(&str, Mark)> {
    let (rest, last) = name.rsplit_once('-')?;
    if let (Some((log, day)), Some(time)) = (rest.rsplit_once('-'), digits::<6>(last))
        && let Some(date) = digits::<8>(day)
    {
        return Some((log, Mark::Time { at: seconds(date, time)?, exact: true }));
    }
    Some((rest, Mark::Time { at: seconds(digits::<8>(last)?, 0)?, exact: false }))
}

/// A text of so many digits, as a number.
fn digits<const COUNT: usize>(text: &str) -> Option<u32> {
    (text.len() == COUNT && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Seconds since 1970 of `20261123` and `31005`; none for what is no date.
fn seconds(date: u32, time: u32) -> Option<i64> {
    let part = |number: u32| u8::try_from(number % 100).unwrap_or_default();
    let month = Month::try_from(part(date / 100)).ok()?;
    let date = Date::from_calendar_date(i32::try_from(date / 10_000).ok()?, month, part(date)).ok()?;
    let time = Time::from_hms(part(time / 10_000), part(time / 100), part(time)).ok()?;
    (date.year() >= 1970).then(|| PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp())
}

/// `20261123-031005`, in UTC.
pub fn stamp(now: i64) -> String {
    let now = OffsetDateTime::from_unix_timestamp(now).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, time) = (now.date(), now.time());
    format!(
        "{:04}{:02}{:02}-{:02}{:02}{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// The globs of rotated files of the logs that `patterns` name.
pub fn rotated_patterns(patterns: &[String]) -> Vec<String> {
    let mut globs = Vec::with_capacity(2 * patterns.len());
    for pattern in patterns {
        if pattern.ends_with("**") {
            // It names them already.
            globs.push(pattern.clone());
        } else {
            globs.extend([format!("{pattern}-[0-9]*"), format!("{pattern}.[0-9]*")]);
        }
    }
    globs
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: i64 = 1_795_403_405;

    #[test]
    fn a_rotated_file_is_known_by_its_name() {
        use Packing::{Gzip, Plain, Zstd};
        let exact = Mark::Time { at: THEN, exact: true };
        let day = Mark::Time { at: THEN - 3 * 3600 - 10 * 60 - 5, exact: false };
        for (path, log, mark, packing) in [
            ("app.log.1", "app.log", Mark::Number(1), Plain),
            ("d/app.log.12.gz", "d/app.log", Mark::Number(12), Gzip),
            ("app.log.99999.zst", "app.log", Mark::Number(99_999), Zstd),
            ("app.log-20261123-031005", "app.log", exact, Plain),
            ("a/b-c/app.log-20261123-031005.gz", "a/b-c/app.log", exact, Gzip),
            ("app.log-20261123", "app.log", day, Plain),
            ("app.log-20261123.zst", "app.log", day, Zstd),
            ("app-20261123-20261123-031005", "app-20261123", exact, Plain),
        ] {
            let expected = Rotated { log, mark, packing, copying: false };
            assert_eq!(parse(path), Some(expected), "{path}");
            let copying = format!("{path}{COPYING}");
            let found = parse(&copying).map(|rotated| (rotated.log, rotated.mark, rotated.copying));
            assert_eq!(found, (packing == Plain).then_some((log, mark, true)), "{copying}");
        }
    }

    #[test]
    fn other_names_are_no_rotated_files() {
        for path in [
            "app.log",
            "app.log.gz",
            "app.log.0",
            "app.log.01",
            "app.log.100000",
            "app.log.1x",
            "app.log.+1",
            ".1",
            "d/.1",
            "-20261123",
            "d/-20261123-031005",
            "app.log-20261323",
            "app.log-20260230",
            "app.log-2026112",
            "app.log-20261123-251005",
            "app.log-20261123-31005",
            "app.log-19691231",
            "1.2.",
            "",
            "app.copying",
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_stamp_is_read_back() {
        assert_eq!(stamp(THEN), "20261123-031005");
        for now in [0, 951_782_400, THEN, 4_102_444_799] {
            let name = format!("app.log-{}", stamp(now));
            assert_eq!(parse(&name).map(|rotated| rotated.mark), Some(Mark::Time { at: now, exact: true }), "{name}");
        }
    }

    #[test]
    fn the_rotated_files_of_a_pattern_are_looked_for() {
        assert_eq!(rotated_patterns(&["*.log".into(), "app/**".into()]), ["*.log-[0-9]*", "*.log.[0-9]*", "app/**"]);
    }
}
