//! The periods of the maintenance calendar: days, weeks from Monday, months and quarters. Pure.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::bundle::Kind;

/// One period, by its days.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    /// `2026-03-14`, `2026-W11`, `2026-03` or `2026-Q1`.
    pub name: String,
    /// Its first day.
    pub first: Date,
    /// The first day after it.
    pub next: Date,
}

impl Period {
    /// The period of that kind which has this day in it.
    pub fn of(kind: Kind, day: Date) -> Self {
        let month = |number: i8| Date::new(day.year(), number, 1).unwrap_or(day);
        let (name, first, length) = match kind {
            Kind::Daily => (day.to_string(), day, Span::new().days(1)),
            Kind::Weekly => {
                let week = day.iso_week_date();
                let back = day.weekday().since(Weekday::Monday);
                let first = day.saturating_sub(Span::new().days(back));
                (format!("{}-W{:02}", week.year(), week.week()), first, Span::new().weeks(1))
            }
            Kind::Monthly => (day.strftime("%Y-%m").to_string(), month(day.month()), Span::new().months(1)),
            Kind::Quarterly => {
                let quarter = (day.month() - 1) / 3;
                (format!("{}-Q{}", day.year(), quarter + 1), month(quarter * 3 + 1), Span::new().months(3))
            }
        };
        Self { name, first, next: first.saturating_add(length) }
    }

    /// The one after it.
    #[must_use]
    pub fn following(&self, kind: Kind) -> Self {
        Self::of(kind, self.next)
    }

    /// The one before it.
    #[must_use]
    pub fn before(&self, kind: Kind) -> Self {
        Self::of(kind, self.first.saturating_sub(Span::new().days(1)))
    }

    /// Its last day.
    pub fn last(&self) -> Date {
        self.next.saturating_sub(Span::new().days(1))
    }
}

/// The moment at which a day begins there.
pub fn begin(day: Date, zone: &TimeZone) -> Timestamp {
    day.to_zoned_datetime(zone.clone()).map_or(Timestamp::MIN, |time| time.timestamp())
}

/// The day on which a moment falls there.
pub fn day(time: Timestamp, zone: &TimeZone) -> Date {
    time.to_zoned_datetime(zone.clone()).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_in_one_period_of_each_kind() {
        for (day, kind, name, first, last) in [
            ("2026-03-14", Kind::Daily, "2026-03-14", "2026-03-14", "2026-03-14"),
            ("2026-03-14", Kind::Weekly, "2026-W11", "2026-03-09", "2026-03-15"),
            ("2026-03-14", Kind::Monthly, "2026-03", "2026-03-01", "2026-03-31"),
            ("2026-03-14", Kind::Quarterly, "2026-Q1", "2026-01-01", "2026-03-31"),
            ("2026-12-31", Kind::Quarterly, "2026-Q4", "2026-10-01", "2026-12-31"),
            ("2024-02-29", Kind::Monthly, "2024-02", "2024-02-01", "2024-02-29"),
            // A week belongs to the year that has most of it.
            ("2027-01-01", Kind::Weekly, "2026-W53", "2026-12-28", "2027-01-03"),
            ("2026-03-15", Kind::Weekly, "2026-W11", "2026-03-09", "2026-03-15"),
        ] {
            let day: Date = day.parse().unwrap();
            let period = Period::of(kind, day);
            let shown = (period.name.clone(), period.first.to_string(), period.last().to_string());
            assert_eq!(shown, (name.into(), first.into(), last.into()), "{day} {kind:?}");
            let following = period.following(kind);
            assert_eq!(following.before(kind), period, "{day} {kind:?}");
            assert_eq!((following.first, Period::of(kind, period.first)), (period.next, period), "{day} {kind:?}");
        }
    }

    #[test]
    fn a_day_begins_where_people_are() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let first: Date = "2026-03-29".parse().unwrap();
        assert_eq!(begin(first, &zone).to_string(), "2026-03-28T23:00:00Z");
        assert_eq!(day("2026-03-28T23:00:00Z".parse().unwrap(), &zone), first);
        assert_eq!(day("2026-03-28T22:59:59Z".parse().unwrap(), &zone).to_string(), "2026-03-28");
    }
}
