//! How a series grows: the slope of Theil and Sen over the medians of its days, which no single outlier moves. Steps (an
//! import, a clean-up) are cut out before it; what is cleaned up again and again is looked at as a whole, by its peaks. Pure.

use std::collections::BTreeMap;

use crate::as_number;

/// Seconds of a day.
const DAY: u64 = 86_400;
/// A step is so many times as large as what days usually differ by ...
const STEP_SPREADS: f64 = 8.0;
/// ... and such a part of the whole range.
const STEP_OF_RANGE: f64 = 0.1;
/// What is a step on more than one day in so many is noise.
const OFTEN: usize = 10;
/// 95 % of a normal distribution lie within so many standard deviations.
const Z: f64 = 1.96;

/// The median of a day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// Days since 1970-01-01.
    pub(crate) day: u64,
    pub(crate) value: f64,
}

/// A jump between two days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    /// The day on which it was over.
    pub(crate) day: u64,
    /// How far; negative when it went down.
    pub(crate) by: f64,
}

/// What a series does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trend {
    /// A day.
    pub(crate) slope: f64,
    /// Within which the slope is, with 95 % certainty.
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Where it is now, or where its peaks are.
    pub(crate) level: f64,
    /// From the first day to the last, and how many of them have a value.
    pub(crate) span: u64,
    pub(crate) days: usize,
    pub(crate) steps: Vec<Step>,
    /// It is cleaned up again and again.
    pub(crate) is_cyclic: bool,
}

impl Trend {
    /// Whether it surely rises.
    pub(crate) fn rises(&self) -> bool {
        self.low > 0.0
    }
}

/// The median of each day, in their order; what is no number is passed over.
pub(crate) fn by_day(samples: impl IntoIterator<Item = (u64, f64)>) -> Vec<Point> {
    let mut days: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (at, value) in samples {
        if value.is_finite() {
            days.entry(at / DAY).or_default().push(value);
        }
    }
    days.into_iter().filter_map(|(day, mut values)| Some(Point { day, value: median(&mut values)? })).collect()
}

/// The trend through these days; none when there are too few of them to say anything.
pub(crate) fn through(points: &[Point]) -> Option<Trend> {
    let (first, last) = (points.first()?, points.last()?);
    let mut steps = steps(points);
    let mut lines = parts(points, &steps);
    let is_cyclic = is_cyclic(&lines, &steps);
    let peaks = peaks(&lines, &steps);
    if is_cyclic {
        lines = vec![&peaks];
    } else if steps.len() > points.len() / OFTEN {
        steps.clear();
        lines = vec![points];
    }
    let mut slopes = slopes(&lines);
    let slope = median(&mut slopes).or(is_cyclic.then_some(0.0))?;
    // Of Kendall's statistic, over parts that say nothing of each other.
    let variance: f64 = lines.iter().map(|line| as_number(line.len())).map(|n| n * (n - 1.0) * (2.0 * n + 5.0)).sum();
    let reach = Z * (variance / 18.0).sqrt();
    let all = as_number(slopes.len());
    // Of very few nothing is certain.
    let certain = all > reach;
    let low = if certain { nth(&mut slopes, (all - reach) / 2.0) } else { f64::NEG_INFINITY };
    let high = if certain { nth(&mut slopes, f64::midpoint(all, reach)) } else { f64::INFINITY };
    let level =
        if is_cyclic { peak(points, &steps, if low > 0.0 { slope } else { 0.0 }) } else { end(lines.last()?, slope) };
    Some(Trend { slope, low, high, level, span: last.day - first.day, days: points.len(), steps, is_cyclic })
}

/// Whether it rises and is cleaned up in turn: two times at least a step takes back what was added since the one before.
fn is_cyclic(parts: &[&[Point]], steps: &[Step]) -> bool {
    let takes_back = |(index, (part, step)): (usize, (&&[Point], &Step))| {
        let (Some(first), Some(last)) = (part.first(), part.last()) else { return false };
        let added = last.value - first.value;
        // Of the first part the beginning is not known.
        added > 0.0 && -step.by >= added / 2.0 && (index == 0 || -step.by <= added * 2.0)
    };
    parts.iter().zip(steps).enumerate().filter(|pair| takes_back(*pair)).count() >= 2
}

/// The highest point before each step down.
fn peaks(parts: &[&[Point]], steps: &[Step]) -> Vec<Point> {
    let before = parts.iter().zip(steps).filter(|(_, step)| step.by < 0.0);
    before.filter_map(|(part, _)| part.iter().copied().max_by(|one, other| one.value.total_cmp(&other.value))).collect()
}

/// Where one day differs from the day before as others do not.
fn steps(points: &[Point]) -> Vec<Step> {
    let rise = |pair: &[Point]| match pair {
        [one, other] => Some((other.day, other.value - one.value, as_number(other.day - one.day))),
        _ => None,
    };
    let rises: Vec<(u64, f64, f64)> = points.windows(2).filter_map(rise).collect();
    let usual = |values: &mut Vec<f64>| median(values).unwrap_or_default();
    let typical = usual(&mut rises.iter().map(|(_, by, days)| by / days).collect());
    let beyond = |(_, by, days): &(u64, f64, f64)| by - typical * days;
    let spread = usual(&mut rises.iter().map(|rise| beyond(rise).abs()).collect());
    let lowest = points.iter().map(|point| point.value).fold(f64::INFINITY, f64::min);
    let highest = points.iter().map(|point| point.value).fold(f64::NEG_INFINITY, f64::max);
    let least = (spread * STEP_SPREADS).max((highest - lowest) * STEP_OF_RANGE);
    let is_step = |rise: &&(u64, f64, f64)| beyond(rise).abs() > least;
    rises.iter().filter(is_step).map(|rise| Step { day: rise.0, by: rise.1 }).collect()
}

/// What lies between steps.
fn parts<'a>(points: &'a [Point], steps: &[Step]) -> Vec<&'a [Point]> {
    let mut rest = points;
    let mut parts = Vec::new();
    for step in steps {
        let (before, after) = rest.split_at(rest.partition_point(|point| point.day < step.day));
        parts.push(before);
        rest = after;
    }
    parts.push(rest);
    parts
}

/// Between any two days of a part.
fn slopes(parts: &[&[Point]]) -> Vec<f64> {
    let mut slopes = Vec::new();
    for part in parts {
        for (index, one) in part.iter().enumerate() {
            let later = part.iter().skip(index + 1);
            slopes.extend(later.map(|other| (other.value - one.value) / as_number(other.day - one.day)));
        }
    }
    slopes
}

/// Where the line through the last part ends.
fn end(part: &[Point], slope: f64) -> f64 {
    let last = part.last().map_or(0, |point| point.day);
    let moved = |point: &Point| point.value + slope * as_number(last - point.day);
    median(&mut part.iter().map(moved).collect::<Vec<_>>()).unwrap_or_default()
}

/// How high it stood at most in its last two cycles.
fn peak(points: &[Point], steps: &[Step], slope: f64) -> f64 {
    let last = points.last().map_or(0, |point| point.day);
    let since = steps.iter().rev().filter(|step| step.by < 0.0).nth(2).map_or(0, |step| step.day);
    let of_cycles = points.iter().filter(|point| point.day >= since);
    let moved = |point: &Point| point.value + slope * as_number(last - point.day);
    of_cycles.map(moved).fold(f64::NEG_INFINITY, f64::max)
}

/// Of an even number, the lower of the two in the middle.
fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is held within the list")]
fn nth(values: &mut [f64], place: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else { return 0.0 };
    let place = (place.round().max(0.0) as usize).min(last);
    *values.select_nth_unstable_by(place, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day's value of so many days.
    fn days(count: u64, value: impl Fn(u64) -> f64) -> Vec<Point> {
        (0..count).map(|day| Point { day: 20_000 + day, value: value(day) }).collect()
    }

    fn f(day: u64) -> f64 {
        as_number(day)
    }

    /// Something between -1 and 1 that has no order.
    fn noise(day: u64) -> f64 {
        let mixed = (day + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        f64::from(u32::try_from(mixed >> 33).unwrap()) / f64::from(1_u32 << 30) - 1.0
    }

    #[test]
    fn the_median_of_a_day_is_not_moved_by_its_outliers() {
        let samples = [(DAY + 1, 5.0), (DAY + 2, 900.0), (DAY + 3, 6.0), (3 * DAY, f64::NAN), (2 * DAY, 7.0)];
        assert_eq!(by_day(samples), [Point { day: 1, value: 6.0 }, Point { day: 2, value: 7.0 }]);
    }

    #[test]
    fn neither_steps_nor_outliers_nor_noise_change_the_slope() {
        type Shape = fn(u64) -> f64;
        let cases: [(&str, Shape, f64, f64); 9] = [
            ("a line", |day| 100.0 + 2.0 * f(day), 2.0, 278.0),
            ("a flat line", |_| 50.0, 0.0, 50.0),
            ("a line with noise", |day| 100.0 + 2.0 * f(day) + 5.0 * noise(day), 2.0, 278.0),
            ("an import in its middle", |day| 2.0 * f(day) + if day > 45 { 1000.0 } else { 0.0 }, 2.0, 1178.0),
            ("a clean-up in its middle", |day| 1000.0 + 2.0 * f(day) - if day > 45 { 900.0 } else { 0.0 }, 2.0, 278.0),
            ("a clean-up two days ago", |day| 1000.0 + 2.0 * f(day) - if day > 87 { 900.0 } else { 0.0 }, 2.0, 278.0),
            ("a step on what is flat", |day| if day > 60 { 500.0 } else { 100.0 }, 0.0, 500.0),
            ("an outlier", |day| 2.0 * f(day) + if day == 30 { 5000.0 } else { 0.0 }, 2.0, 178.0),
            ("days that are missing", |day| 2.0 * f(day * 2), 4.0, 356.0),
        ];
        for (name, shape, slope, level) in cases {
            let trend = through(&days(90, shape)).unwrap();
            assert!((trend.slope - slope).abs() < 0.15, "{name}: {trend:?}");
            assert!((trend.level - level).abs() < 8.0, "{name}: {trend:?}");
            assert!(trend.low <= trend.slope && trend.slope <= trend.high, "{name}: {trend:?}");
            assert_eq!(trend.rises(), slope > 0.0, "{name}: {trend:?}");
            assert!(!trend.is_cyclic, "{name}: {trend:?}");
        }
    }

    #[test]
    fn what_is_cleaned_up_again_and_again_does_not_grow() {
        // Ten a day, and all of it goes after ten days.
        let trend = through(&days(90, |day| 10.0 * f(day % 10))).unwrap();
        assert!(trend.is_cyclic && !trend.rises(), "{trend:?}");
        assert!((trend.level - 90.0).abs() < 1.0, "its peaks count: {trend:?}");
        // The same, with one more each day that stays.
        let trend = through(&days(90, |day| 10.0 * f(day % 10) + f(day))).unwrap();
        assert!(trend.is_cyclic && trend.rises() && (trend.slope - 1.0).abs() < 0.3, "{trend:?}");
        assert!((trend.level - 179.0).abs() < 11.0, "{trend:?}");
        // Once a month, of which there were too few to say more.
        let trend = through(&days(85, |day| 10.0 * f(day % 30))).unwrap();
        assert!(trend.is_cyclic && !trend.rises(), "{trend:?}");
        // What was made smaller twice is no cycle.
        let trend = through(&days(90, |day| 100.0 - 40.0 * f(day / 30))).unwrap();
        assert!(!trend.is_cyclic && (trend.level - 20.0).abs() < 1.0, "{trend:?}");
    }

    #[test]
    fn noise_alone_does_not_rise() {
        let wrong = (0..50).filter(|seed| {
            let trend = through(&days(60, |day| 100.0 + 20.0 * noise(day + seed * 1000))).unwrap();
            trend.rises()
        });
        assert!(wrong.count() <= 3, "it is sure to 95 %");
    }

    #[test]
    fn of_little_nothing_is_said() {
        assert_eq!(through(&[]), None);
        assert_eq!(through(&days(1, f)), None);
        let two = through(&days(2, f)).unwrap();
        assert_eq!((two.days, two.span), (2, 1));
    }

    #[test]
    fn what_is_huge_is_no_trouble() {
        for value in [f64::MAX, f64::MIN, f64::MIN_POSITIVE] {
            let trend = through(&days(30, |day| if day % 2 == 0 { value } else { 0.0 }));
            assert!(trend.is_some());
        }
    }

    #[test]
    fn ten_thousand_samples_and_two_years_are_quick() {
        let begun = std::time::Instant::now();
        let samples = (0..10_000).map(|sample| (sample * DAY * 730 / 10_000, f(sample) + 100.0 * noise(sample)));
        let trend = through(&by_day(samples)).unwrap();
        assert!(trend.rises() && trend.days == 730, "{trend:?}");
        assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
    }
}
