//! Of which time a report is, and how that is cut into bars. Pure.

use std::time::Duration;

use taskhost_sdk::Choice;
use time::OffsetDateTime;

pub(crate) const HOUR: u64 = 3_600;
pub(crate) const DAY: u64 = 86_400;
/// Bars that fit side by side.
const BARS: u64 = 62;

/// A report's period, as the runbook has them.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Period {
    Daily,
    Weekly,
    Monthly,
    Quarterly,
}

impl Period {
    fn days(self) -> u64 {
        match self {
            Self::Daily => 1,
            Self::Weekly => 7,
            Self::Monthly => 30,
            Self::Quarterly => 91,
        }
    }

    /// As it stands behind `Type:`.
    fn name(self) -> &'static str {
        match self {
            Self::Daily => "Daily",
            Self::Weekly => "Weekly",
            Self::Monthly => "Monthly",
            Self::Quarterly => "Quarterly",
        }
    }
}

/// From one moment to another, in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Time {
    pub(crate) since: u64,
    pub(crate) until: u64,
    /// `Weekly`, or `On demand` when the operator said how far back.
    pub(crate) name: &'static str,
}

impl Time {
    /// Up to now: the period's length back, or as far as the operator said.
    pub(crate) fn new(period: Period, since: Option<Duration>, now: u64) -> Self {
        let length = since.map_or(period.days() * DAY, |since| since.as_secs());
        let name = if since.is_some() { "On demand" } else { period.name() };
        Self { since: now.saturating_sub(length), until: now, name }
    }

    fn length(&self) -> u64 {
        self.until.saturating_sub(self.since).max(1)
    }

    /// As long before it.
    pub(crate) fn before(&self) -> u64 {
        self.since.saturating_sub(self.length())
    }

    /// How long one bar is: an hour, a day, a week, or as much as it takes.
    pub(crate) fn bar(&self) -> u64 {
        let fits = |bar: &u64| self.length().div_ceil(*bar) <= BARS;
        [HOUR, DAY, 7 * DAY].into_iter().find(fits).unwrap_or(self.length().div_ceil(BARS))
    }

    /// How many bars there are.
    pub(crate) fn bars(&self) -> usize {
        usize::try_from(self.length().div_ceil(self.bar())).unwrap_or(usize::MAX)
    }

    /// Into which bar a moment falls, and none outside.
    pub(crate) fn bar_of(&self, at: u64) -> Option<usize> {
        let inside = (self.since..=self.until).contains(&at);
        // The last bar ends now: counted from there, as the first may be cut.
        let back = usize::try_from(self.until.saturating_sub(at) / self.bar()).ok()?;
        if inside { Some(self.bars().saturating_sub(1).saturating_sub(back)) } else { None }
    }

    /// When a bar begins.
    pub(crate) fn begin(&self, bar: usize) -> u64 {
        let back = self.bars().saturating_sub(bar) as u64;
        self.until.saturating_sub(back.saturating_mul(self.bar())).max(self.since)
    }
}

fn civil(at: u64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(at).ok()?).ok()
}

/// `2026-03-14`, in UTC.
pub(crate) fn date(at: u64) -> String {
    civil(at).map_or_else(|| "some day".into(), |time| time.date().to_string())
}

/// `2026-03-14 03:10`, in UTC.
pub(crate) fn moment(at: u64) -> String {
    let clock = |time: OffsetDateTime| format!("{} {:02}:{:02}", time.date(), time.hour(), time.minute());
    civil(at).map_or_else(|| "some time".into(), clock)
}

/// How long something stood, as `host log` says it: `3 days`, `30 h`.
pub(crate) fn stood(seconds: u64) -> String {
    let units = [("days", DAY), ("h", HOUR), ("min", 60), ("s", 1)];
    let fits = |(_, length): &&(&str, u64)| seconds >= 2 * length || *length == 1;
    let (name, length) = units.iter().find(fits).copied().unwrap_or(("s", 1));
    format!("{} {name}", seconds / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-14, noon.
    const NOW: u64 = 1_773_489_600;

    #[test]
    fn a_period_ends_now_and_has_as_many_bars_as_fit() {
        let days = |days| Some(Duration::from_secs(days * DAY));
        for (period, since, from, name, bar, bars) in [
            (Period::Daily, None, NOW - DAY, "Daily", HOUR, 24),
            (Period::Weekly, None, NOW - 7 * DAY, "Weekly", DAY, 7),
            (Period::Monthly, None, NOW - 30 * DAY, "Monthly", DAY, 30),
            (Period::Quarterly, None, NOW - 91 * DAY, "Quarterly", 7 * DAY, 13),
            (Period::Weekly, days(3), NOW - 3 * DAY, "On demand", DAY, 3),
            (Period::Weekly, days(2), NOW - 2 * DAY, "On demand", HOUR, 48),
            (Period::Weekly, days(6_200), NOW - 6_200 * DAY, "On demand", 100 * DAY, 62),
            (Period::Weekly, days(1_000_000), 0, "On demand", 28_604_671, 62),
        ] {
            let time = Time::new(period, since, NOW);
            assert_eq!(
                (time.since, time.name, time.bar(), time.bars()),
                (from, name, bar, bars),
                "{period:?} {since:?}"
            );
        }
    }

    #[test]
    fn every_moment_of_it_has_a_bar() {
        let time = Time::new(Period::Quarterly, None, NOW);
        for (at, bar) in [
            (NOW, Some(12)),
            (NOW - 7 * DAY + 1, Some(12)),
            (NOW - 7 * DAY, Some(11)),
            (NOW - 91 * DAY, Some(0)),
            (NOW - 91 * DAY - 1, None),
            (NOW + 1, None),
            (u64::MAX, None),
        ] {
            assert_eq!(time.bar_of(at), bar, "{at}");
        }
        assert_eq!((time.begin(12), time.begin(0)), (NOW - 7 * DAY, NOW - 91 * DAY));
        assert_eq!(time.before(), NOW - 182 * DAY);
    }

    #[test]
    fn times_are_written_as_host_log_writes_them() {
        assert_eq!((date(NOW), moment(NOW + 60)), ("2026-03-14".into(), "2026-03-14 12:01".into()));
        assert_eq!((date(u64::MAX), moment(u64::MAX)), ("some day".into(), "some time".into()));
        for (seconds, said) in
            [(0, "0 s"), (119, "119 s"), (7_199, "119 min"), (30 * HOUR, "30 h"), (3 * DAY, "3 days")]
        {
            assert_eq!(stood(seconds), said);
        }
    }
}
