//! The four figures that the runbook's template asks for: CPU, memory, disk and response time. Tasks measure many things
//! under names of their own; which of them are meant is told from a metric's name and unit. Pure.

use super::Vital;
use crate::report::{Metric, Unit};

/// A condition in SQL that holds for each metric that may be meant, and for few others.
pub(super) const LIKELY: &str = "(unit = 'percent' AND (name LIKE '%cpu%' OR name LIKE '%mem%' OR name LIKE '%disk%' \
                                 OR name LIKE '%filesystem%')) OR (unit = 'seconds' AND (name LIKE '%response%' \
                                 OR name LIKE '%latency%'))";

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Cpu,
    Memory,
    Disk,
    ResponseTime,
}

impl Which {
    /// The one that a metric is of.
    pub(super) fn of(metric: &Metric) -> Option<Self> {
        let has = |words: &[&str]| metric.name.split('_').any(|word| words.contains(&word));
        // What is left, and what is not space, is another thing.
        let other = ["free", "idle", "available", "wait", "iowait", "steal", "io", "i", "busy", "inodes", "swap"];
        if has(&other) || has(&["pressure", "group", "fragmentation"]) {
            return None;
        }
        match metric.unit {
            Unit::Percent if has(&["cpu"]) => Some(Self::Cpu),
            Unit::Percent if has(&["memory", "mem"]) => Some(Self::Memory),
            Unit::Percent if has(&["disk", "filesystem"]) => Some(Self::Disk),
            Unit::Seconds if has(&["response", "latency"]) => Some(Self::ResponseTime),
            _ => None,
        }
    }
}

/// A measurement, with who made it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample<'a> {
    pub(super) task: &'a str,
    pub(super) metric: &'a Metric,
}

/// The figure of a day, from its samples in order. Where several tasks or metrics could be meant, the one that measures
/// the fewest things is nearest to the whole machine; of what it measures, the highest is told.
pub(super) fn choose(which: Which, samples: &[Sample<'_>]) -> Option<Vital> {
    let mut groups: Vec<(&str, &str)> = Vec::new();
    for sample in samples.iter().filter(|sample| Which::of(sample.metric) == Some(which)) {
        let group = (sample.task, sample.metric.name.as_str());
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let things = |group| {
        let mut subjects: Vec<_> = of(samples, group).map(|sample| sample.metric.subject.as_deref()).collect();
        subjects.sort_unstable();
        subjects.dedup();
        subjects.len()
    };
    // `memory` and `memory_used_percent` are more of a machine's than `memory_percent`, which may be a server's.
    let plain = |(_, name): (&str, &str)| match name {
        "cpu" | "memory" | "disk" | "response_time" => 0,
        name if name.split('_').any(|word| matches!(word, "used" | "response")) => 1,
        _ => 2,
    };
    let group = groups.into_iter().min_by_key(|group| (things(*group), plain(*group)))?;
    let (mut newest, mut highest): (Option<&Metric>, Option<&Metric>) = (None, None);
    for sample in of(samples, group) {
        if highest.is_none_or(|highest| sample.metric.value > highest.value) {
            highest = Some(sample.metric);
        }
    }
    let subject = highest?.subject.clone();
    let mut vital = Vital {
        value: 0.0,
        lowest: f64::INFINITY,
        highest: f64::NEG_INFINITY,
        samples: 0,
        task: group.0.into(),
        metric: group.1.into(),
        subject: subject.clone(),
    };
    for sample in of(samples, group).filter(|sample| sample.metric.subject == subject) {
        newest = Some(sample.metric);
        vital.samples += 1;
        vital.lowest = vital.lowest.min(sample.metric.value);
        vital.highest = vital.highest.max(sample.metric.value);
    }
    vital.value = newest?.value;
    Some(vital)
}

/// The samples of one metric of one task.
fn of<'a>(samples: &'a [Sample<'a>], group: (&'a str, &'a str)) -> impl Iterator<Item = &'a Sample<'a>> {
    samples.iter().filter(move |sample| (sample.task, sample.metric.name.as_str()) == group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, subject: Option<&str>, value: f64, unit: Unit) -> Metric {
        Metric { name: name.into(), subject: subject.map(Into::into), value, unit, warn: None, crit: None }
    }

    #[test]
    fn what_is_meant_is_told_from_name_and_unit() {
        for (name, unit, expected) in [
            ("cpu_percent", Unit::Percent, Some(Which::Cpu)),
            ("cpu", Unit::None, None),
            ("cpu_wait_percent", Unit::Percent, None),
            ("memory_used_percent", Unit::Percent, Some(Which::Memory)),
            ("memory", Unit::Bytes, None),
            ("swap_memory_percent", Unit::Percent, None),
            ("disk_used_percent", Unit::Percent, Some(Which::Disk)),
            ("disk_free_percent", Unit::Percent, None),
            ("disk", Unit::Percent, Some(Which::Disk)),
            ("disk_i_o", Unit::Percent, None),
            ("memory_pressure", Unit::Percent, None),
            ("response_time_p95", Unit::Seconds, Some(Which::ResponseTime)),
            ("latency", Unit::Seconds, Some(Which::ResponseTime)),
            ("removed_percent", Unit::Percent, None),
        ] {
            assert_eq!(Which::of(&metric(name, None, 1.0, unit)), expected, "{name}");
        }
    }

    #[test]
    fn the_whole_machine_comes_before_its_parts_and_the_newest_is_told() {
        let percent = |name: &str, subject: Option<&str>, value| metric(name, subject, value, Unit::Percent);
        let all = [
            ("containers", percent("cpu_percent", Some("web"), 90.0)),
            ("containers", percent("cpu_percent", Some("db"), 20.0)),
            ("kpi", percent("cpu_used_percent", None, 40.0)),
            ("kpi", percent("cpu_used_percent", None, 70.0)),
            ("kpi", percent("cpu_used_percent", None, 50.0)),
        ];
        let samples: Vec<Sample<'_>> = all.iter().map(|(task, metric)| Sample { task, metric }).collect();
        let vital = choose(Which::Cpu, &samples).unwrap();
        assert_eq!((vital.value, vital.lowest, vital.highest, vital.samples), (50.0, 40.0, 70.0, 3));
        assert_eq!((vital.task.as_str(), vital.subject), ("kpi", None));
        // Of parts, the one that has the most is named.
        let vital = choose(Which::Cpu, &samples[..2]).unwrap();
        assert_eq!((vital.value, vital.subject.as_deref()), (90.0, Some("web")));
        assert_eq!(choose(Which::Disk, &samples), None);
        // A server's memory is not the machine's.
        let all = [("redis", percent("memory_percent", None, 90.0)), ("kpi", percent("memory", None, 20.0))];
        let samples: Vec<Sample<'_>> = all.iter().map(|(task, metric)| Sample { task, metric }).collect();
        assert_eq!(choose(Which::Memory, &samples).map(|vital| vital.task).as_deref(), Some("kpi"));
    }
}
