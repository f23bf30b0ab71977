//! Which measurements are key figures, and how they went. Pure.

use std::collections::BTreeSet;

use taskhost_sdk::history::{Bounds, Sample, Series};
use taskhost_sdk::words::size;

/// Points of one plot.
const POINTS: usize = 120;
/// The four of the runbook's template.
const VITALS: [&str; 4] = ["CPU", "Memory", "Disk", "Response Time"];

/// A key figure through the period.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// `CPU` and its like; none of any other.
    pub(crate) vital: Option<&'static str>,
    pub(crate) task: String,
    pub(crate) metric: String,
    pub(crate) subject: Option<String>,
    pub(crate) unit: String,
    /// The newest.
    pub(crate) value: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    pub(crate) samples: usize,
    /// Medians of this period and of the one before it, where that has any.
    pub(crate) median: f64,
    pub(crate) before: Option<f64>,
    /// When, and how much: as many as a plot can show.
    pub(crate) points: Vec<(u64, f64)>,
    pub(crate) warn: Option<Bounds>,
    pub(crate) crit: Option<Bounds>,
}

/// The series that are shown: the four of the template, those that the operator named, and those that are nearest to their
/// bounds; at most so many.
pub(crate) fn choose<'a>(all: &'a [Series], named: &[String], most: usize) -> Vec<(Option<&'static str>, &'a Series)> {
    let mut chosen: Vec<(Option<&'static str>, &Series)> = Vec::new();
    for vital in VITALS {
        chosen.extend(nearest_to_the_machine(all, vital).map(|series| (Some(vital), series)));
    }
    let is_named = |series: &&Series| named.contains(&series.metric);
    let mut bounded: Vec<(f64, &Series)> = all.iter().filter_map(|series| Some((use_of(series)?, series))).collect();
    bounded.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    for series in all.iter().filter(is_named).chain(bounded.into_iter().map(|(_, series)| series)) {
        if chosen.len() >= most {
            break;
        }
        if !chosen.iter().any(|(_, other)| std::ptr::eq(*other, series)) {
            chosen.push((None, series));
        }
    }
    chosen
}

/// As `host log` tells them from a metric's name and unit.
fn vital(series: &Series) -> Option<&'static str> {
    let has = |words: &[&str]| series.metric.split('_').any(|word| words.contains(&word));
    // What is left, and what is not space, is another thing.
    let other = ["free", "idle", "available", "wait", "iowait", "steal", "io", "i", "busy", "inodes", "swap"];
    if has(&other) || has(&["pressure", "group", "fragmentation"]) {
        return None;
    }
    match series.unit.as_str() {
        "percent" if has(&["cpu"]) => Some("CPU"),
        "percent" if has(&["memory", "mem"]) => Some("Memory"),
        "percent" if has(&["disk", "filesystem"]) => Some("Disk"),
        "seconds" if has(&["response", "latency"]) => Some("Response Time"),
        _ => None,
    }
}

/// Of the metric that measures the fewest things, the highest.
fn nearest_to_the_machine<'a>(all: &'a [Series], wanted: &str) -> Option<&'a Series> {
    let of_vital: Vec<&Series> = all.iter().filter(|series| vital(series) == Some(wanted)).collect();
    let of_group = |one: &Series| {
        let same = |other: &&&Series| (&other.task, &other.metric) == (&one.task, &one.metric);
        let subjects: BTreeSet<_> = of_vital.iter().filter(same).map(|series| &series.subject).collect();
        subjects.len()
    };
    let plain = |series: &Series| match series.metric.as_str() {
        "cpu" | "memory" | "disk" | "response_time" => 0,
        name if name.split('_').any(|word| matches!(word, "used" | "response")) => 1,
        _ => 2,
    };
    let rank = |series: &&&Series| (of_group(series), plain(series), series.task.clone(), series.metric.clone());
    let group = of_vital.iter().min_by_key(rank)?;
    let same = of_vital.iter().filter(|series| (&series.task, &series.metric) == (&group.task, &group.metric));
    same.copied().max_by(|one, other| one.value.total_cmp(&other.value))
}

/// Which part of what it may be a series is: 1 at its bound. None without bounds.
fn use_of(series: &Series) -> Option<f64> {
    let bounds = series.crit.as_ref().or(series.warn.as_ref())?;
    let share = match (bounds.high, bounds.low) {
        (Some(high), _) if high > 0.0 => series.value / high,
        (Some(high), _) => f64::from(series.value > high) * 2.0,
        (None, Some(low)) if series.value > 0.0 => low / series.value,
        (None, Some(_)) => 2.0,
        (None, None) => return None,
    };
    (!share.is_nan()).then_some(share)
}

/// A figure, from the samples of its period and of the one before; none without any of its own.
pub(crate) fn figure(vital: Option<&'static str>, series: &Series, samples: &[Sample], since: u64) -> Option<Figure> {
    let finite = samples.iter().filter(|sample| sample.value.is_finite()).map(|sample| (sample.at, sample.value));
    let (before, own): (Vec<_>, Vec<_>) = finite.partition(|(at, _)| *at < since);
    let last = *own.last()?;
    Some(Figure {
        vital,
        task: series.task.clone(),
        metric: series.metric.clone(),
        subject: series.subject.clone(),
        unit: series.unit.clone(),
        value: last.1,
        lowest: own.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min),
        highest: own.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max),
        samples: own.len(),
        median: median(&own)?,
        before: median(&before),
        points: thinned(&own),
        warn: series.warn,
        crit: series.crit,
    })
}

fn median(points: &[(u64, f64)]) -> Option<f64> {
    let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

/// As many as a plot can show: of each bundle of samples the highest and the lowest, so that no peak is lost.
fn thinned(points: &[(u64, f64)]) -> Vec<(u64, f64)> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let extremes = |bundle: &[(u64, f64)]| {
        let low = bundle.iter().copied().min_by(|one, other| one.1.total_cmp(&other.1));
        let high = bundle.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1));
        let mut both: Vec<(u64, f64)> = low.into_iter().chain(high).collect();
        both.sort_by_key(|(at, _)| *at);
        both.dedup();
        both
    };
    points.chunks(points.len().div_ceil(POINTS / 2)).flat_map(extremes).collect()
}

impl Figure {
    /// `CPU`, or `database_bytes (shop)`.
    pub(crate) fn name(&self) -> String {
        match self.vital {
            Some(vital) => vital.into(),
            None => format!("{}{}", self.metric, self.of()),
        }
    }

    fn of(&self) -> String {
        self.subject.as_ref().map(|subject| format!(" ({subject})")).unwrap_or_default()
    }

    /// Where it comes from: the task, and of a vital figure its metric.
    pub(crate) fn source(&self) -> String {
        match self.vital {
            Some(_) => format!("{}: {}{}", self.task, self.metric, self.of()),
            None => self.task.clone(),
        }
    }

    /// For people.
    pub(crate) fn shown(&self, value: f64) -> String {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole bytes are shown")]
        match self.unit.as_str() {
            "bytes" if value >= 0.0 => size(value as u64),
            "bytes" => format!("-{}", size(-value as u64)),
            "seconds" if value.abs() < 1.0 => format!("{}ms", number(value * 1000.0)),
            "seconds" => format!("{} s", number(value)),
            "percent" => format!("{}%", number(value)),
            "days" => format!("{} days", number(value)),
            _ => number(value),
        }
    }

    /// `1 GiB to 2 GiB in 7 runs`; none when it did not move.
    pub(crate) fn range(&self) -> Option<String> {
        (self.highest > self.lowest)
            .then(|| format!("{} to {} in {} runs", self.shown(self.lowest), self.shown(self.highest), self.samples))
    }

    /// Against the period before, by the medians of both: `up 12% on the period before`; none where there is nothing to
    /// compare with.
    pub(crate) fn change(&self) -> Option<String> {
        let before = self.before?;
        let by = self.median - before;
        let share = if before.abs() > f64::EPSILON { (by / before * 100.0).abs() } else { f64::INFINITY };
        let is_share = self.unit == "percent";
        if share < 1.0 || by.abs() <= f64::EPSILON || (is_share && by.abs() < 0.05) {
            return Some("as in the period before".into());
        }
        let way = if by > 0.0 { "up" } else { "down" };
        // Of shares, points are told: 2 % more of 10 % may be anything.
        let much = if is_share {
            format!("{} points", number((by.abs() * 10.0).round() / 10.0))
        } else if share.is_finite() && share < 1000.0 {
            format!("{share:.0}%")
        } else {
            format!("from {}", self.shown(before))
        };
        Some(format!("{way} {much} on the period before"))
    }

    /// Outside of which bounds it is: `warning`, `critical`.
    pub(crate) fn class(&self) -> &'static str {
        let outside = |bounds: &Option<Bounds>| {
            bounds.as_ref().is_some_and(|bounds| {
                bounds.low.is_some_and(|low| self.value < low) || bounds.high.is_some_and(|high| self.value > high)
            })
        };
        if outside(&self.crit) {
            "critical"
        } else if outside(&self.warn) {
            "warning"
        } else {
            ""
        }
    }
}

/// At most three decimals, as few as say something.
pub(crate) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 | 100.0.. => 0,
        10.0..100.0 => 1,
        1.0..10.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn series(task: &str, metric: &str, subject: Option<&str>, unit: &str, value: f64) -> Series {
        Series {
            task: task.into(),
            metric: metric.into(),
            subject: subject.map(Into::into),
            unit: unit.into(),
            samples: 2,
            first: 0,
            last: 1,
            value,
            warn: None,
            crit: None,
        }
    }

    fn upper(high: f64) -> Bounds {
        Bounds { low: None, high: Some(high) }
    }

    pub(crate) fn samples(values: &[f64]) -> Vec<Sample> {
        values.iter().zip(0..).map(|(value, index)| Sample { at: 100 + index, value: *value }).collect()
    }

    #[test]
    fn the_template_s_figures_come_first_then_what_is_named_and_what_is_near_its_bound() {
        let all = [
            series("a", "tables", None, "none", 7.0),
            Series { crit: Some(upper(100.0)), ..series("a", "bytes", Some("x"), "bytes", 50.0) },
            Series { crit: Some(upper(100.0)), ..series("a", "bytes", Some("y"), "bytes", 90.0) },
            series("containers", "cpu_percent", Some("app"), "percent", 70.0),
            series("containers", "cpu_percent", Some("db"), "percent", 10.0),
            series("key", "cpu", None, "percent", 30.0),
            series("key", "disk", Some("/"), "percent", 40.0),
            series("key", "disk", Some("/srv"), "percent", 60.0),
            series("key", "disk_io", Some("/"), "percent", 99.0),
            series("key", "response_time_p95", None, "seconds", 0.2),
        ];
        let named = |most: usize| -> Vec<String> {
            let chosen = choose(&all, &["tables".into()], most);
            chosen
                .into_iter()
                .map(|(vital, series)| {
                    format!("{} {} {:?}", vital.unwrap_or("-"), series.metric, series.subject.as_deref())
                })
                .collect()
        };
        let expected = [
            "CPU cpu None",
            "Disk disk Some(\"/srv\")",
            "Response Time response_time_p95 None",
            "- tables None",
            "- bytes Some(\"y\")",
            "- bytes Some(\"x\")",
        ];
        assert_eq!(named(10), expected);
        assert_eq!(named(5), expected[..5]);
    }

    #[test]
    fn a_figure_is_told_with_its_range_and_against_the_period_before() {
        let percent = series("key", "disk", Some("/"), "percent", 0.0);
        let bytes = series("size", "database_bytes", None, "bytes", 0.0);
        for (series, values, value, range, change) in [
            (
                &percent,
                &[40.0, 40.0, 50.0, 60.0][..],
                "60%",
                Some("50% to 60% in 2 runs"),
                Some("up 10 points on the period before"),
            ),
            (&percent, &[40.0, 40.0, 40.1][..], "40.1%", None, Some("as in the period before")),
            (&bytes, &[2048.0, 2048.0, 1024.0][..], "1 KiB", None, Some("down 50% on the period before")),
            (&bytes, &[0.0, 0.0, 1024.0][..], "1 KiB", None, Some("up from 0 B on the period before")),
        ] {
            let figure = figure(None, series, &samples(values), 102).unwrap();
            assert_eq!(figure.shown(figure.value), value, "{values:?}");
            assert_eq!((figure.range().as_deref(), figure.change().as_deref()), (range, change), "{values:?}");
        }
        let new = figure(Some("Disk"), &percent, &samples(&[f64::NAN, 1.0]), 100).unwrap();
        assert_eq!(
            (new.samples, new.change(), new.name(), new.source()),
            (1, None, "Disk".into(), "key: disk (/)".into())
        );
        assert!(figure(None, &percent, &samples(&[1.0, f64::NAN]), 101).is_none());
    }

    #[test]
    fn a_plot_keeps_the_peaks_of_ten_thousand_samples() {
        let mut values = vec![1.0; 10_000];
        values[5_432] = 99.0;
        values[7_777] = -5.0;
        let figure = figure(None, &series("a", "b", None, "none", 1.0), &samples(&values), 0).unwrap();
        assert!(figure.points.len() <= POINTS, "{}", figure.points.len());
        assert!(figure.points.iter().any(|point| point.1 > 98.0) && figure.points.iter().any(|point| point.1 < -4.0));
        assert!(figure.points.is_sorted_by_key(|(at, _)| *at));
    }

    #[test]
    fn what_is_outside_of_its_bounds_is_told() {
        for (value, class) in [(50.0, ""), (85.0, "warning"), (95.0, "critical")] {
            let bounded =
                Series { warn: Some(upper(80.0)), crit: Some(upper(90.0)), ..series("a", "b", None, "percent", value) };
            assert_eq!(figure(None, &bounded, &samples(&[value]), 0).unwrap().class(), class);
        }
    }
}
