//! What ran, added up by task and by time. Pure.

use std::collections::{BTreeMap, BTreeSet};

use taskhost_sdk::history::Run;

use crate::period::Time;

/// Outcomes of one task that are shown one by one, the newest.
pub(crate) const SHOWN: usize = 60;
/// Durations of one task that its median is of.
const TIMED: usize = 1_000;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Ok,
    Warning,
    Critical,
    /// It did not come to its end.
    Unknown,
}

impl End {
    pub(crate) const ALL: [Self; 4] = [Self::Ok, Self::Warning, Self::Critical, Self::Unknown];

    pub(crate) fn of(outcome: &str) -> Self {
        match outcome {
            "ok" => Self::Ok,
            "warning" => Self::Warning,
            "critical" => Self::Critical,
            _ => Self::Unknown,
        }
    }

    /// Its class in the page's style.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }

    /// As the totals name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "with warnings",
            Self::Critical => "critical",
            Self::Unknown => "did not end well",
        }
    }
}

/// How many ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends([u64; 4]);

impl Ends {
    pub(crate) fn add(&mut self, end: End) {
        if let Some(count) = self.0.get_mut(end as usize) {
            *count += 1;
        }
    }

    pub(crate) fn of(self, end: End) -> u64 {
        self.0.get(end as usize).copied().unwrap_or_default()
    }

    pub(crate) fn all(self) -> u64 {
        self.0.iter().sum()
    }
}

/// A task's runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) ends: Ends,
    /// How the newest ended, the oldest first.
    pub(crate) latest: Vec<(u64, End)>,
    /// Of the last one: its outcome, what it said, and when it began.
    pub(crate) outcome: String,
    pub(crate) summary: String,
    pub(crate) started: u64,
    durations: Vec<u64>,
}

impl Task {
    /// It came to its end the last time.
    pub(crate) fn is_done(&self) -> bool {
        End::of(&self.outcome) != End::Unknown
    }

    /// Microseconds: the median of those that came to their end.
    pub(crate) fn duration(&self) -> Option<u64> {
        let mut durations = self.durations.clone();
        let middle = durations.len().checked_sub(1)? / 2;
        Some(*durations.select_nth_unstable(middle).1)
    }
}

/// All runs of a time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ran {
    /// In the order of their first runs.
    pub(crate) tasks: Vec<Task>,
    places: BTreeMap<String, usize>,
    pub(crate) ends: Ends,
    pub(crate) bars: Vec<Ends>,
    pub(crate) rehearsals: u64,
    pub(crate) operators: BTreeSet<String>,
    pub(crate) bundles: BTreeSet<String>,
}

impl Ran {
    pub(crate) fn new(time: &Time) -> Self {
        Self { bars: vec![Ends::default(); time.bars()], ..Self::default() }
    }

    /// Takes a run; they come with the oldest first.
    pub(crate) fn add(&mut self, run: Run, time: &Time) {
        if run.rehearsal {
            self.rehearsals += 1;
            return;
        }
        let end = End::of(&run.outcome);
        self.ends.add(end);
        if let Some(bar) = time.bar_of(run.started).and_then(|bar| self.bars.get_mut(bar)) {
            bar.add(end);
        }
        self.operators.insert(run.operator);
        self.bundles.extend(run.bundle);
        let next = self.tasks.len();
        let place = *self.places.entry(run.task.clone()).or_insert(next);
        if place == next {
            self.tasks.push(Task { name: run.task, ..Task::default() });
        }
        let Some(task) = self.tasks.get_mut(place) else { return };
        task.ends.add(end);
        if task.latest.len() == SHOWN {
            task.latest.remove(0);
        }
        task.latest.push((run.started, end));
        if end != End::Unknown && task.durations.len() < TIMED {
            task.durations.push(run.duration_us);
        }
        (task.outcome, task.summary, task.started) = (run.outcome, run.summary, run.started);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::period::Period;

    pub(crate) fn run(task: &str, started: u64, outcome: &str) -> Run {
        Run {
            id: "1".into(),
            bundle: Some("shop".into()),
            task: task.into(),
            plugin: None,
            kind: Some("daily".into()),
            operator: "alice".into(),
            outcome: outcome.into(),
            rehearsal: false,
            started,
            duration_us: 2_000_000,
            summary: format!("it was {outcome}"),
            warnings: 0,
            criticals: 0,
            changes: 0,
            rows: 0,
            bytes: 0,
        }
    }

    #[test]
    fn runs_are_added_up_by_task_and_by_day() {
        let time = Time::new(Period::Weekly, None, 10_000_000);
        let mut ran = Ran::new(&time);
        let at = |days: u64| 10_000_000 - days * 86_400 - 10;
        for one in [
            run("b", at(2), "ok"),
            run("a", at(2), "warning"),
            Run { rehearsal: true, ..run("c", at(1), "critical") },
            Run { duration_us: 9, ..run("b", at(1), "timed-out") },
            run("a", at(0), "critical"),
            run("a", at(0), "something new"),
        ] {
            ran.add(one, &time);
        }
        let names: Vec<&str> = ran.tasks.iter().map(|task| task.name.as_str()).collect();
        assert_eq!((names, ran.rehearsals, ran.ends.all()), (vec!["b", "a"], 1, 5));
        assert_eq!(End::ALL.map(|end| ran.ends.of(end)), [1, 1, 1, 2]);
        assert_eq!(ran.bars.iter().map(|bar| bar.all()).collect::<Vec<_>>(), [0, 0, 0, 0, 2, 1, 2]);
        let task = &ran.tasks[0];
        assert_eq!((task.outcome.as_str(), task.is_done(), task.duration()), ("timed-out", false, Some(2_000_000)));
        assert_eq!(ran.bundles.iter().collect::<Vec<_>>(), ["shop"]);
    }

    #[test]
    fn of_very_many_runs_the_newest_are_shown() {
        let time = Time::new(Period::Daily, None, 10_000_000);
        let mut ran = Ran::new(&time);
        for index in 0..5_000 {
            ran.add(run("a", 9_990_000 + index, if index < 4_900 { "ok" } else { "warning" }), &time);
        }
        let task = &ran.tasks[0];
        assert!(task.latest.len() == SHOWN && task.latest.iter().all(|(_, end)| *end == End::Warning));
        assert_eq!((task.ends.of(End::Ok), task.ends.of(End::Warning)), (4_900, 100));
    }
}
