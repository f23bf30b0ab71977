//! When a series will be at its bounds, and how bad that is. Pure.

use taskhost_sdk::prelude::*;
use taskhost_sdk::report::Severity;
use taskhost_sdk::words::counted;
use time::OffsetDateTime;

use crate::limits::{Bounds, Scale};
use crate::trend::{Point, Trend};
use crate::{as_number, trend};

/// Further ahead no trend holds.
pub(crate) const FARTHEST: f64 = 3_650.0;

/// What an operator allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Days since 1970-01-01.
    pub(crate) today: u64,
    pub(crate) warn_days: f64,
    pub(crate) critical_days: f64,
    /// Days that must have a value.
    pub(crate) least: usize,
}

/// What is to be said of a series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outlook {
    /// So many days have a value.
    TooShort(usize),
    /// It was measured last so many days ago.
    Ended(u64),
    /// It could be at its bound within the days that count, or never.
    Noisy(Forecast),
    Known(Forecast),
}

/// When a series is at its bounds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Forecast {
    pub(crate) name: String,
    pub(crate) scale: Scale,
    pub(crate) bounds: Bounds,
    pub(crate) trend: Trend,
    /// Days from today; none when that is too far ahead, or never.
    pub(crate) warn_in: Option<f64>,
    pub(crate) crit_in: Option<f64>,
}

/// Looks ahead.
pub(crate) fn outlook(name: String, scale: Scale, bounds: Bounds, points: &[Point], terms: &Terms) -> Outlook {
    let last = points.last().map_or(0, |point| point.day);
    let trend = trend::through(points).filter(|trend| trend.days >= terms.least);
    let Some(trend) = trend else { return Outlook::TooShort(points.len()) };
    // Three times as long as it was ever usual between two of them.
    let usual = trend.span / as_whole(trend.days.max(2) - 1).max(1);
    let silent = terms.today.saturating_sub(last);
    if silent > 7.max(3 * usual) {
        return Outlook::Ended(silent);
    }
    let ahead = |bound: Option<f64>, slope: f64| until(bound?, &trend, slope, silent);
    let slope = if trend.rises() { trend.slope } else { 0.0 };
    let (warn_in, crit_in) = (ahead(bounds.warn, slope), ahead(bounds.crit, slope));
    let worst = ahead(bounds.crit.or(bounds.warn), trend.high);
    let is_noisy = !trend.rises() && crit_in.or(warn_in).is_none() && worst.is_some_and(|days| days <= terms.warn_days);
    let forecast = Forecast { name, scale, bounds, trend, warn_in, crit_in };
    if is_noisy { Outlook::Noisy(forecast) } else { Outlook::Known(forecast) }
}

/// Days from today until the bound; 0 when it is there.
fn until(bound: f64, trend: &Trend, slope: f64, silent: u64) -> Option<f64> {
    if trend.level >= bound {
        return Some(0.0);
    }
    let days = (bound - trend.level) / slope - as_number(silent);
    (slope > 0.0 && days <= FARTHEST).then_some(days.max(0.0))
}

impl Forecast {
    /// Until what is bad: the critical bound, or the only one.
    pub(crate) fn days_left(&self) -> Option<f64> {
        if self.bounds.crit.is_some() { self.crit_in } else { self.warn_in }
    }

    /// How bad it is; none when there is time.
    pub(crate) fn severity(&self, terms: &Terms) -> Option<Severity> {
        let within = |days: Option<f64>, term: f64| days.is_some_and(|days| days <= term);
        // Where it stands above the bound of a warning already, its own task says so.
        let soon_warned = self.warn_in.is_some_and(|days| days > 0.0 && days <= terms.critical_days);
        match self.bounds.crit {
            Some(_) if within(self.crit_in, terms.critical_days) => Some(Severity::Critical),
            Some(_) => (within(self.crit_in, terms.warn_days) || soon_warned).then_some(Severity::Warning),
            None => within(self.warn_in, terms.warn_days).then_some(Severity::Warning),
        }
    }

    /// What to say when there is not.
    pub(crate) fn finding(&self, terms: &Terms) -> Option<Finding> {
        let severity = self.severity(terms)?;
        let title = if self.days_left() == Some(0.0) { "has reached its limit" } else { "will reach its limit" };
        let finding = Finding::new(severity, &self.name, title).detail(self.text(terms));
        Some(finding.remedy("find room or order more in time, or remove what is old"))
    }

    /// What is left to do about it.
    pub(crate) fn action(&self, terms: &Terms) -> Option<String> {
        self.severity(terms)?;
        let days = self.days_left().or(self.warn_in)?;
        Some(if days > 0.0 { format!("make room before {}", date(terms.today, days)) } else { "make room now".into() })
    }

    /// All of it: `30 GiB, 120 MiB more a day (110 to 130 MiB) over 88 days; critical at 40 GiB on 2026-05-01, in 85 d`.
    pub(crate) fn text(&self, terms: &Terms) -> String {
        let Trend { slope, low, high, level, span, steps, is_cyclic, .. } = &self.trend;
        let shown = |value: f64| self.scale.shown(value);
        let mut text = if self.trend.rises() {
            format!("{}, {} more a day ({} to {})", shown(*level), shown(*slope), shown(*low), shown(*high))
        } else {
            format!("{}, and does not surely grow", shown(*level))
        };
        text += &format!(", over {}", counted(*span, "day"));
        for (word, bound, days) in
            [("warning", self.bounds.warn, self.warn_in), ("critical", self.bounds.crit, self.crit_in)]
        {
            let Some(bound) = bound else { continue };
            text += &match days {
                Some(0.0) => format!("; {word} at {}: now", shown(bound)),
                Some(days) => {
                    format!("; {word} at {} on {}, in {days:.0} d", shown(bound), date(terms.today, days))
                }
                None => format!("; {word} at {}: not in sight", shown(bound)),
            };
        }
        if *is_cyclic {
            text += "; it is cleaned up again and again, and its peaks count";
        } else if let Some(step) = steps.last() {
            let way = if step.by < 0.0 { "down" } else { "up" };
            let all = counted(steps.len(), "step");
            text += &format!("; without {all}, the last on {}, {way} by {}", day(step.day), shown(step.by.abs()));
        }
        text
    }

    /// What is known of one of which no trend can be told.
    pub(crate) fn noise(&self) -> String {
        let Trend { low, high, level, .. } = &self.trend;
        let shown = |value: f64| if value.is_finite() { self.scale.shown(value) } else { "anything".into() };
        format!("{}: {}, and from {} to {} more a day", self.name, shown(*level), shown(*low), shown(*high))
    }

    /// One of which there is nothing to do.
    pub(crate) fn line(&self, terms: &Terms) -> String {
        format!("{}: {}", self.name, self.text(terms))
    }
}

/// The day that lies so many days ahead.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousand days")]
pub(crate) fn date(today: u64, ahead: f64) -> String {
    day(today.saturating_add(ahead.clamp(0.0, FARTHEST) as u64))
}

/// A day as it is written: `2026-05-01`.
fn day(day: u64) -> String {
    let seconds = i64::try_from(day.saturating_mul(86_400)).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).map_or_else(|_| "some day".into(), |time| time.date().to_string())
}

fn as_whole(count: usize) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-01.
    const TODAY: u64 = 20_513;
    const TERMS: Terms = Terms { today: TODAY, warn_days: 90.0, critical_days: 30.0, least: 14 };

    /// So many days up to today, at `level` at last and with that slope.
    fn line(count: u64, level: f64, slope: f64) -> Vec<Point> {
        let day = |day| Point { day: TODAY - count + 1 + day, value: level - slope * as_number(count - 1 - day) };
        (0..count).map(day).collect()
    }

    fn known(points: &[Point], warn: Option<f64>, crit: Option<f64>) -> Forecast {
        match outlook("t: m".into(), Scale::Percent, Bounds { warn, crit }, points, &TERMS) {
            Outlook::Known(forecast) => forecast,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn how_bad_it_is_follows_from_how_soon_the_bound_is_reached() {
        for (level, slope, warn, crit, days, severity) in [
            (50.0, 1.0, None, Some(70.0), Some(20.0), Some(Severity::Critical)),
            (50.0, 1.0, None, Some(100.0), Some(50.0), Some(Severity::Warning)),
            (50.0, 0.1, None, Some(100.0), Some(500.0), None),
            (50.0, 0.01, None, Some(100.0), None, None),
            (50.0, 0.0, None, Some(100.0), None, None),
            (50.0, -1.0, None, Some(100.0), None, None),
            (95.0, 0.0, None, Some(90.0), Some(0.0), Some(Severity::Critical)),
            // A warning comes soon, what is critical does not.
            (75.0, 0.2, Some(80.0), Some(100.0), Some(125.0), Some(Severity::Warning)),
            (85.0, 0.1, Some(80.0), Some(100.0), Some(150.0), None),
            // What is never critical is a warning at most.
            (75.0, 1.0, Some(80.0), None, Some(5.0), Some(Severity::Warning)),
            (85.0, 0.0, Some(80.0), None, Some(0.0), Some(Severity::Warning)),
        ] {
            let forecast = known(&line(60, level, slope), warn, crit);
            let near = match (forecast.days_left(), days) {
                (Some(one), Some(other)) => f64::abs(one - other) < 1.0,
                (one, other) => one == other,
            };
            assert!(near, "{level} {slope} {crit:?}: {forecast:?}");
            assert_eq!(forecast.severity(&TERMS), severity, "{level} {slope} {warn:?} {crit:?}: {forecast:?}");
            assert_eq!(forecast.finding(&TERMS).is_some(), forecast.action(&TERMS).is_some());
        }
    }

    #[test]
    fn a_finding_says_how_much_when_and_until_where() {
        let finding = known(&line(60, 60.0, 1.0), Some(80.0), Some(100.0)).finding(&TERMS).unwrap();
        assert_eq!((finding.subject(), finding.title()), ("t: m", "will reach its limit"));
        assert!(
            finding.text().starts_with(
                "60 %, 1 % more a day (1 % to 1 %), over 59 days; warning at 80 % on 2026-03-21, in 20 d; critical at \
                 100 % on 2026-04-10, in 40 d; find room"
            ),
            "{}",
            finding.text()
        );
        let full = known(&line(60, 100.0, 1.0), None, Some(90.0));
        assert_eq!(full.finding(&TERMS).unwrap().title(), "has reached its limit");
        assert_eq!(full.action(&TERMS).unwrap(), "make room now");
        let mut stepped = line(60, 60.0, 1.0);
        stepped.iter_mut().skip(40).for_each(|point| point.value -= 30.0);
        let text = known(&stepped, None, Some(100.0)).text(&TERMS);
        assert!(text.ends_with("; without 1 step, the last on 2026-02-10, down by 29 %"), "{text}");
        assert!(text.starts_with("30 %, 1 % more a day"), "{text}");
    }

    #[test]
    fn a_history_that_is_short_noisy_or_over_is_told_apart() {
        let bounds = Bounds { warn: None, crit: Some(100.0) };
        let told = |points: &[Point]| outlook("t".into(), Scale::Percent, bounds, points, &TERMS);
        assert_eq!(told(&line(13, 50.0, 3.0)), Outlook::TooShort(13));
        assert_eq!(told(&[]), Outlook::TooShort(0));
        let old: Vec<Point> = line(60, 50.0, 3.0).into_iter().map(|it| Point { day: it.day - 40, ..it }).collect();
        assert_eq!(told(&old), Outlook::Ended(40));
        let wild: Vec<Point> = line(20, 70.0, 0.0)
            .into_iter()
            .map(|it| Point { value: it.value + as_number(it.day * 7_919 % 101) / 2.0 - 25.0, ..it })
            .collect();
        assert!(matches!(told(&wild), Outlook::Noisy(_)), "{:?}", told(&wild));
        // One a week is as good as one a day.
        let weekly: Vec<Point> = (0..20).map(|week| Point { day: TODAY - 9 - 7 * (19 - week), value: 50.0 }).collect();
        assert!(matches!(told(&weekly), Outlook::Known(_)), "{:?}", told(&weekly));
    }

    #[test]
    fn a_day_is_written_as_one_whatever_it_is() {
        assert_eq!((date(TODAY, 0.5), date(TODAY, f64::INFINITY)), ("2026-03-01".into(), "2036-02-27".into()));
        assert_eq!(day(u64::MAX), "some day");
    }
}
