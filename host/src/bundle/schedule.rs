//! When a task runs: cron fields, or the words people use for the calendar. Pure.

use std::cmp::Ordering;

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::time::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, ZonedDateTime};

use super::file::Kind;

/// When a task runs.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    written: String,
}

const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

impl Schedule {
    /// Reads `0 3 * * 0`, or `daily at 03:00`, `weekly on sunday at 03:00`, `monthly on day 1 at 03:00`,
    /// `quarterly on day 1 at 03:00`; what is left out is midnight, Monday and the first day.
    ///
    /// # Errors
    /// What is wrong and how to write it.
    pub fn parse(written: &str) -> Result<Self, String> {
        let wrong = |why: String| {
            format!(
                "`{written}` is no schedule ({why}); write five cron fields such as `0 3 * * 0`, or \
                 `daily at 03:00`, `weekly on sunday at 03:00`, `monthly on day 1 at 03:00` or `quarterly at 03:00`"
            )
        };
        let fields = match written.split_whitespace().next() {
            Some("daily" | "weekly" | "monthly" | "quarterly") => in_words(written).map_err(wrong)?,
            _ => written.to_owned(),
        };
        // Whole minutes: what keeps a system alive is not run by the second.
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(&fields).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { cron, written: written.trim().into() })
    }

    /// As it was written.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// The first times after `time`, in its zone. A schedule may have none, such as that of 30 February.
    /// In a night in which the clock is put forward, what falls into the hour that is missing runs once, after it; in one
    /// in which it is put back, what falls into the hour that comes twice runs once.
    pub fn after(&self, time: ZonedDateTime) -> impl Iterator<Item = ZonedDateTime> {
        self.cron.iter_after(Moment(time)).map(|Moment(time)| time)
    }

    /// The part of the calendar that it belongs to, by how long it is between its times.
    pub fn kind(&self) -> Option<Kind> {
        let start = jiff::civil::date(2024, 1, 1).to_zoned_datetime(TimeZone::UTC).ok()?;
        let times: Vec<ZonedDateTime> = self.after(start).take(3).collect();
        let mut gaps = times.windows(2).filter_map(|pair| match pair {
            [first, second] => Some(second.timestamp().duration_since(first.timestamp()).as_hours() / 24),
            _ => None,
        });
        let shortest = gaps.next().map(|first| gaps.fold(first, i64::min))?;
        Some(match shortest {
            ..=3 => Kind::Daily,
            4..=15 => Kind::Weekly,
            16..=45 => Kind::Monthly,
            _ => Kind::Quarterly,
        })
    }
}

/// A time as the cron parser sees it.
#[derive(Clone)]
struct Moment(ZonedDateTime);

impl CronDateTime for Moment {
    fn to_civil(&self) -> CivilDateTime {
        let time = self.0.datetime();
        let part = |part: i8| u32::try_from(part).unwrap_or_default();
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(time.year().into(), part(time.month()), part(time.day())),
            CivilTime::from_parts_unchecked(part(time.hour()), part(time.minute()), part(time.second())),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(u32::try_from(self.0.weekday().to_sunday_zero_offset()).unwrap_or_default())
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let part = |part: u32| i8::try_from(part).map_err(|_| CronError::InvalidDate);
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let (month, day) = (part(civil.month())?, part(civil.day())?);
        let (hour, minute, second) = (part(civil.hour())?, part(civil.minute())?, part(civil.second())?);
        let time = DateTime::new(year, month, day, hour, minute, second, 0).map_err(|_| CronError::InvalidDate)?;
        let found = self.0.time_zone().to_ambiguous_zoned_datetime(time);
        let moment = |time: Result<ZonedDateTime, jiff::Error>| time.map(Moment).map_err(|_| CronError::InvalidTime);
        Ok(match found.offset() {
            AmbiguousOffset::Unambiguous { .. } => Resolution::Single(moment(found.unambiguous())?),
            AmbiguousOffset::Fold { .. } => {
                Resolution::Ambiguous(moment(found.clone().earlier())?, moment(found.later())?)
            }
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}

/// The cron fields of a calendar in words.
fn in_words(written: &str) -> Result<String, String> {
    let mut words = written.split_whitespace();
    let period = words.next().unwrap_or_default();
    let (mut weekday, mut day, mut hour, mut minute) = (1, 1, 0, 0);
    while let Some(word) = words.next() {
        match (word, words.next()) {
            ("at", Some(time)) => {
                let parsed = time.split_once(':').and_then(|(hour, minute)| {
                    Some((hour.parse::<u8>().ok()?, minute.parse::<u8>().ok().filter(|_| minute.len() == 2)?))
                });
                (hour, minute) = parsed
                    .filter(|(hour, minute)| *hour < 24 && *minute < 60)
                    .ok_or_else(|| format!("`{time}` is no time of day"))?;
            }
            ("on", Some("day")) if matches!(period, "monthly" | "quarterly") => {
                let number = words.next().unwrap_or_default();
                // Every month has it.
                day = number
                    .parse::<u8>()
                    .ok()
                    .filter(|day| (1..=28).contains(day))
                    .ok_or_else(|| format!("`{number}` is no day from 1 to 28"))?;
            }
            ("on", Some(name)) if period == "weekly" => {
                let known = |day: &&str| name.len() >= 3 && day.starts_with(&name.to_lowercase());
                weekday = DAYS.iter().position(known).ok_or_else(|| format!("`{name}` is no weekday"))?;
            }
            (word, _) => return Err(format!("`{word}` is not understood after `{period}`")),
        }
    }
    Ok(match period {
        "weekly" => format!("{minute} {hour} * * {weekday}"),
        "monthly" => format!("{minute} {hour} {day} * *"),
        "quarterly" => format!("{minute} {hour} {day} 1,4,7,10 *"),
        _ => format!("{minute} {hour} * * *"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(written: &str, after: &str) -> String {
        let schedule = Schedule::parse(written).unwrap();
        let time: ZonedDateTime = after.parse().unwrap();
        schedule.after(time).next().unwrap().to_string()
    }

    #[test]
    fn the_words_are_cron() {
        let now = "2026-03-10T12:00:00+01:00[Europe/Berlin]";
        for (written, expected) in [
            ("0 3 * * 0", "2026-03-15T03:00:00+01:00[Europe/Berlin]"),
            ("daily at 03:00", "2026-03-11T03:00:00+01:00[Europe/Berlin]"),
            ("daily", "2026-03-11T00:00:00+01:00[Europe/Berlin]"),
            ("weekly on sun at 03:00", "2026-03-15T03:00:00+01:00[Europe/Berlin]"),
            ("weekly", "2026-03-16T00:00:00+01:00[Europe/Berlin]"),
            ("monthly on day 15 at 23:30", "2026-03-15T23:30:00+01:00[Europe/Berlin]"),
            ("quarterly at 05:00", "2026-04-01T05:00:00+02:00[Europe/Berlin]"),
        ] {
            assert_eq!(next(written, now), expected, "{written}");
        }
    }

    #[test]
    fn a_night_in_which_the_clock_is_put_runs_once() {
        let times = |from: &str| {
            let schedule = Schedule::parse("daily at 02:30").unwrap();
            let times = schedule.after(from.parse().unwrap()).take(2);
            times.map(|time| time.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            times("2026-03-29T00:00:00+01:00[Europe/Berlin]"),
            ["2026-03-29T03:00:00+02:00[Europe/Berlin]", "2026-03-30T02:30:00+02:00[Europe/Berlin]"]
        );
        assert_eq!(
            times("2026-10-25T00:00:00+02:00[Europe/Berlin]"),
            ["2026-10-25T02:30:00+02:00[Europe/Berlin]", "2026-10-26T02:30:00+01:00[Europe/Berlin]"]
        );
    }

    #[test]
    fn what_is_no_schedule_says_how_to_write_one() {
        for written in [
            "",
            "0 3 * *",
            "61 3 * * *",
            "daily at 25:00",
            "daily at 3",
            "weekly on sunsday",
            "monthly on day 31",
            "at 3",
            "* * * * * *",
            "daily on sunday",
            "weekly at",
        ] {
            let error = Schedule::parse(written).unwrap_err();
            assert!(error.contains("write five cron fields"), "{written}: {error}");
        }
    }

    #[test]
    fn the_kind_is_told_from_the_times() {
        for (written, kind) in [
            ("*/5 * * * *", Kind::Daily),
            ("0 3 * * *", Kind::Daily),
            ("0 3 * * 1,4", Kind::Daily),
            ("0 3 * * 0", Kind::Weekly),
            ("0 3 1 * *", Kind::Monthly),
            ("quarterly", Kind::Quarterly),
            ("0 0 1 1 *", Kind::Quarterly),
        ] {
            assert_eq!(Schedule::parse(written).unwrap().kind(), Some(kind), "{written}");
        }
    }
}
