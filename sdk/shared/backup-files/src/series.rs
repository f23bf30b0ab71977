//! Backups that belong together by their names, and when each was made by its name. Pure.

use time::{Date, Month, PrimitiveDateTime, Time};

/// How many earlier backups a size is held against.
const EARLIER: usize = 5;

/// The names that backups of one series share, however they are compressed.
pub fn series_of(path: &str) -> String {
    let shape = shape(path);
    let bare = [".gz", ".zst"].iter().find_map(|suffix| shape.strip_suffix(suffix));
    bare.map_or(shape.clone(), Into::into)
}

/// A path with its dates and numbers as `#`, which backups of one series share. Where the path has a number of several
/// digits, that is the date, and single digits belong to the name (`db1-20261123.sql`).
pub fn shape(path: &str) -> String {
    let dated = path.as_bytes().windows(2).any(|pair| pair.iter().all(u8::is_ascii_digit));
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let (digits, after) = from.split_at(from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len()));
        out.push_str(before);
        out.push_str(if dated && digits.len() == 1 { digits } else { "#" });
        rest = after;
    }
    out + rest
}

/// The usual size of the backups before one, the newest first, when it is smaller than that by more than `percent`.
pub fn shrunk_from(size: u64, earlier: impl Iterator<Item = u64>, percent: u64) -> Option<u64> {
    let mut sizes: Vec<u64> = earlier.take(EARLIER).collect();
    sizes.sort_unstable();
    // The median: one odd backup among them does not decide.
    let usual = *sizes.get(sizes.len() / 2)?;
    let least = u128::from(usual) * u128::from(100_u64.saturating_sub(percent)) / 100;
    (u128::from(size) < least).then_some(usual)
}

/// When a backup was made, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Seconds since 1970, the date taken for UTC.
    pub at: i64,
    /// Whether the name has the time of day, too.
    pub exact: bool,
}

/// The last date in a path: `app-20261123.sql`, `2026-11-23/app.sql`, `app_2026-11-23T03-10.tar.gz`,
/// `app-20261123031005.sql`.
pub fn made(path: &str) -> Option<Made> {
    let mut groups = Vec::new();
    let mut rest = path;
    let mut joint = "";
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        joint = if groups.is_empty() { joint } else { before };
        let (digits, after) = from.split_at(from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len()));
        groups.push((joint, digits));
        rest = after;
    }
    (0..groups.len()).rev().find_map(|first| date_from(groups.get(first..)?))
}

/// The date that groups of digits begin with; each with what stands before it.
fn date_from(groups: &[(&str, &str)]) -> Option<Made> {
    let number = |digits: &str| digits.parse::<u32>().ok();
    let joined = |joint: &str| matches!(joint, "-" | "_" | "." | "T" | "t" | ":" | "h" | " " | "--" | "__" | "_T");
    let (first, rest) = groups.split_first()?;
    let (day, rest) = match (first.1.len(), rest) {
        (8, rest) => (number(first.1)?, rest),
        (14 | 12, _) => {
            let (day, time) = first.1.split_at(8);
            return at(number(day)?, Some(number(&format!("{time:0<6}"))?));
        }
        (4, [(one, month), (other, day), rest @ ..])
            if month.len() == 2 && day.len() == 2 && one == other && joined(one) =>
        {
            (number(first.1)? * 10_000 + number(month)? * 100 + number(day)?, rest)
        }
        _ => return None,
    };
    let time = match rest {
        [(joint, time), ..] if joined(joint) && (time.len() == 6 || time.len() == 4) => number(&format!("{time:0<6}")),
        [(joint, hour), (second, minute), rest @ ..]
            if joined(joint) && joined(second) && hour.len() == 2 && minute.len() == 2 =>
        {
            let seconds = match rest {
                [(joint, seconds), ..] if joint == second && seconds.len() == 2 => seconds,
                _ => "00",
            };
            number(&format!("{hour}{minute}{seconds}"))
        }
        _ => None,
    };
    // What follows a date and is no time is something else.
    time.and_then(|time| at(day, Some(time))).or_else(|| at(day, None))
}

fn at(day: u32, time: Option<u32>) -> Option<Made> {
    let part = |number: u32| u8::try_from(number % 100).unwrap_or_default();
    let month = Month::try_from(part(day / 100)).ok()?;
    let date = Date::from_calendar_date(i32::try_from(day / 10_000).ok()?, month, part(day)).ok()?;
    if !(1990..2100).contains(&date.year()) {
        return None;
    }
    let clock = time.unwrap_or_default();
    let clock = Time::from_hms(part(clock / 10_000), part(clock / 100), part(clock)).ok()?;
    Some(Made { at: PrimitiveDateTime::new(date, clock).assume_utc().unix_timestamp(), exact: time.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_known_by_its_names() {
        for (path, expected) in [
            ("app-20261123.sql.gz", "app-#.sql.gz"),
            ("2026-11-23/app.sql", "#-#-#/app.sql"),
            ("db1-20261123.sql", "db1-#.sql"),
            ("app.sql", "app.sql"),
            ("app.3.sql", "app.#.sql"),
        ] {
            assert_eq!(shape(path), expected);
        }
    }

    #[test]
    fn a_date_is_found_in_a_name() {
        // 2026-11-23, and 03:10:05 on that day.
        const DAY: i64 = 1_795_392_000;
        const THEN: i64 = DAY + 3 * 3_600 + 10 * 60 + 5;
        for (path, expected) in [
            ("app-20261123.sql.gz", Some((DAY, false))),
            ("2026-11-23/app.sql", Some((DAY, false))),
            ("app_2026_11_23.tar", Some((DAY, false))),
            ("app-20261123-031005.sql", Some((THEN, true))),
            ("app-20261123T031005Z.sql", Some((THEN, true))),
            ("app-20261123031005.sql", Some((THEN, true))),
            ("app-2026-11-23_03-10-05.sql", Some((THEN, true))),
            ("app-2026-11-23T03:10.sql", Some((THEN - 5, true))),
            ("app-20261123_0310.sql", Some((THEN - 5, true))),
            ("db1-20261123.sql", Some((DAY, false))),
            ("20250101/app-20261123.sql", Some((DAY, false))),
            ("app-20261123-12.sql", Some((DAY, false))),
            ("app-20261123-999999.sql", Some((DAY, false))),
            ("app-20261323.sql", None),
            ("app-12345678.sql", None),
            ("app-3.sql", None),
            ("app.sql", None),
            ("2026-11.sql", None),
        ] {
            let expected = expected.map(|(at, exact)| Made { at, exact });
            assert_eq!(made(path), expected, "{path}");
        }
    }

    #[test]
    fn a_size_is_held_against_the_usual_one() {
        let earlier = || [100, 104, 3, 98, 102, 1].into_iter();
        for (size, percent, expected) in
            [(99, 50, None), (50, 50, None), (49, 50, Some(100)), (79, 20, Some(100)), (0, 100, None)]
        {
            assert_eq!(shrunk_from(size, earlier(), percent), expected, "{size} {percent}");
        }
        assert_eq!(shrunk_from(0, std::iter::empty(), 50), None);
    }
}
