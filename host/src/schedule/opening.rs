//! When a task may begin: windows in which it may, and blackouts in which it may not. Pure.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ZonedDateTime};

/// Hours of some days of the week, or whole days of the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    /// `mon-fri 22:00-06:00`; what begins in the evening belongs to the day on which it begins.
    Hours {
        /// By days since Sunday.
        days: [bool; 7],
        /// The first minute, counted from midnight.
        from: u16,
        /// The first minute after it; up to two days' worth where it goes on past midnight.
        until: u16,
    },
    /// `2026-12-20..2027-01-06`, both days included.
    Days {
        /// The first day.
        first: Date,
        /// The last day.
        last: Date,
    },
}

/// When a task may begin. The default is always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// Any of them; always when there is none.
    pub windows: Vec<Window>,
    /// None of them.
    pub blackouts: Vec<Window>,
}

/// Minutes in a day.
const DAY: u16 = 24 * 60;
/// How many days ahead an opening is looked for.
const AHEAD: i64 = 400;
const FORM: &str = "write it as `22:00-06:00`, `mon-fri 09:00-17:00`, `sat,sun` or `2026-12-20..2027-01-06`";
const NAMES: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

impl Window {
    /// Reads `22:00-06:00`, `mon-fri 09:00-17:00`, `sat,sun` or `2026-12-20..2027-01-06`.
    ///
    /// # Errors
    /// What is wrong and how to write it.
    pub fn parse(written: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("`{written}` is no window ({what}); {FORM}");
        if let Some((first, last)) = written.split_once("..") {
            let day = |text: &str| text.trim().parse::<Date>().map_err(|_| wrong(&format!("`{text}` is no day")));
            let (first, last) = (day(first)?, day(last)?);
            return if first <= last { Ok(Self::Days { first, last }) } else { Err(wrong("it ends before it begins")) };
        }
        let mut days = [true; 7];
        let mut hours = (0, DAY);
        for (place, word) in written.split_whitespace().enumerate() {
            match (place, word.contains(':')) {
                (0 | 1, true) if hours == (0, DAY) => hours = of_hours(word).map_err(|what| wrong(&what))?,
                (0, false) => days = of_days(word).map_err(|what| wrong(&what))?,
                _ => return Err(wrong(&format!("`{word}` is not understood"))),
            }
        }
        if written.trim().is_empty() {
            return Err(wrong("it is empty"));
        }
        Ok(Self::Hours { days, from: hours.0, until: hours.1 })
    }

    /// Whether that moment is in it.
    fn holds(&self, time: &ZonedDateTime) -> bool {
        match self {
            Self::Days { first, last } => (*first..=*last).contains(&time.date()),
            Self::Hours { days, from, until } => {
                let minute = minute(time.time());
                let today = on(*days, time.weekday()) && (*from..*until).contains(&minute);
                let yesterday = on(*days, time.weekday().previous()) && (*from..*until).contains(&(minute + DAY));
                today || yesterday
            }
        }
    }

    /// The moments of that day, there, at which it may begin or end.
    fn edges(&self, day: Date, zone: &TimeZone) -> Vec<Timestamp> {
        let at = |day: Date, minute: u16| {
            let time = Time::new((minute / 60).try_into().ok()?, (minute % 60).try_into().ok()?, 0, 0).ok()?;
            day.to_datetime(time).to_zoned_datetime(zone.clone()).ok().map(|time| time.timestamp())
        };
        match self {
            Self::Days { .. } => at(day, 0).into_iter().collect(),
            Self::Hours { from, until, .. } => {
                [at(day, *from), at(day, until % DAY), at(day, 0)].into_iter().flatten().collect()
            }
        }
    }
}

impl Opening {
    /// Whether a task may begin then, there.
    pub fn holds(&self, time: Timestamp, zone: &TimeZone) -> bool {
        if self.windows.is_empty() && self.blackouts.is_empty() {
            return true;
        }
        let time = time.to_zoned_datetime(zone.clone());
        (self.windows.is_empty() || self.windows.iter().any(|window| window.holds(&time)))
            && !self.blackouts.iter().any(|window| window.holds(&time))
    }

    /// The first moment from `time` on at which a task may begin; none within the next 400 days is none.
    pub fn from(&self, time: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.holds(time, zone) {
            return Some(time);
        }
        let today = time.to_zoned_datetime(zone.clone()).date();
        (0..AHEAD).find_map(|days| {
            let day = today.checked_add(Span::new().days(days)).ok()?;
            let all = self.windows.iter().chain(&self.blackouts);
            let mut edges: Vec<Timestamp> = all.flat_map(|window| window.edges(day, zone)).collect();
            edges.sort_unstable();
            edges.into_iter().find(|edge| *edge > time && self.holds(*edge, zone))
        })
    }
}

fn on(days: [bool; 7], day: Weekday) -> bool {
    usize::try_from(day.to_sunday_zero_offset()).ok().and_then(|day| days.get(day)).copied().unwrap_or(false)
}

fn minute(time: Time) -> u16 {
    u16::try_from(time.hour()).unwrap_or(0) * 60 + u16::try_from(time.minute()).unwrap_or(0)
}

/// `22:00-06:00`; one that ends no later than it begins ends on the next day.
fn of_hours(word: &str) -> Result<(u16, u16), String> {
    let (from, until) = word.split_once('-').ok_or_else(|| format!("`{word}` has no end"))?;
    let at = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok().filter(|_| minute.len() == 2)?);
        (minute < 60 && hour * 60 + minute <= DAY).then_some(hour * 60 + minute)
    };
    let time = |text| at(text).ok_or_else(|| format!("`{text}` is no time of day"));
    let (from, until) = (time(from)?, time(until)?);
    if from == DAY {
        return Err("no day has a minute from 24:00 on".into());
    }
    Ok((from, if until <= from { until + DAY } else { until }))
}

/// `mon-fri` or `sat,sun`.
fn of_days(word: &str) -> Result<[bool; 7], String> {
    let number = |name: &str| {
        let known = |day: &&str| name.len() >= 3 && day.starts_with(&name.to_lowercase());
        NAMES.iter().position(known).ok_or_else(|| format!("`{name}` is no weekday"))
    };
    let mut days = [false; 7];
    for part in word.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        let length = (last + 7 - first) % 7;
        for step in 0..=length {
            if let Some(day) = days.get_mut((first + step) % 7) {
                *day = true;
            }
        }
    }
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn at(local: &str) -> Timestamp {
        local.parse::<jiff::civil::DateTime>().unwrap().to_zoned_datetime(berlin()).unwrap().timestamp()
    }

    fn opening(windows: &[&str], blackouts: &[&str]) -> Opening {
        let all = |written: &[&str]| written.iter().map(|written| Window::parse(written).unwrap()).collect();
        Opening { windows: all(windows), blackouts: all(blackouts) }
    }

    #[test]
    fn a_window_holds_its_hours() {
        // 2026-03-13 is a Friday.
        for (window, time, holds) in [
            ("22:00-06:00", "2026-03-13T22:00", true),
            ("22:00-06:00", "2026-03-13T05:59", true),
            ("22:00-06:00", "2026-03-13T06:00", false),
            ("22:00-06:00", "2026-03-13T21:59", false),
            ("mon-fri 22:00-06:00", "2026-03-14T03:00", true),
            ("mon-fri 22:00-06:00", "2026-03-14T23:00", false),
            ("mon-fri 22:00-06:00", "2026-03-16T03:00", false),
            ("sat,sun", "2026-03-14T00:00", true),
            ("sat,sun", "2026-03-16T00:00", false),
            ("fri-mon 12:00-13:00", "2026-03-15T12:30", true),
            ("fri-mon 12:00-13:00", "2026-03-17T12:30", false),
            ("00:00-24:00", "2026-03-14T23:59", true),
            ("2026-12-20..2027-01-06", "2027-01-06T23:59", true),
            ("2026-12-20..2027-01-06", "2027-01-07T00:00", false),
        ] {
            assert_eq!(opening(&[window], &[]).holds(at(time), &berlin()), holds, "{window} at {time}");
            assert_eq!(opening(&[], &[window]).holds(at(time), &berlin()), !holds, "not {window} at {time}");
        }
    }

    #[test]
    fn the_next_opening_is_found() {
        for (windows, blackouts, time, expected) in [
            (&["22:00-06:00"][..], &[][..], "2026-03-13T12:00", Some("2026-03-13T22:00")),
            (&["22:00-06:00"], &["fri"], "2026-03-13T12:00", Some("2026-03-14T00:00")),
            (&["sat,sun 02:00-04:00"], &[], "2026-03-13T12:00", Some("2026-03-14T02:00")),
            (&[], &["2026-12-20..2027-01-06"], "2026-12-24T18:00", Some("2027-01-07T00:00")),
            (&[], &[], "2026-12-24T18:00", Some("2026-12-24T18:00")),
            // The hour that is missing that night: the window begins when the clock goes on.
            (&["02:30-04:00"], &[], "2026-03-29T00:00", Some("2026-03-29T03:30")),
            (&["mon"], &["mon"], "2026-03-13T12:00", None),
        ] {
            let found = opening(windows, blackouts).from(at(time), &berlin());
            assert_eq!(found, expected.map(at), "{windows:?} without {blackouts:?} from {time}");
        }
    }

    #[test]
    fn what_is_no_window_says_how_to_write_one() {
        for written in [
            "",
            "22:00",
            "25:00-26:00",
            "24:00-25:00",
            "22:00-6",
            "someday 22:00-06:00",
            "22:00-06:00 mon",
            "2026-01-02..2026-01-01",
            "x..y",
        ] {
            let error = Window::parse(written).unwrap_err();
            assert!(error.contains("write it as"), "{written}: {error}");
        }
    }
}
