//! One task as the scheduler sees it: when it is due, what waits, and what of that outlives the process.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Opening;
use crate::bundle::{Overlap, Schedule};
use crate::gate::Mode;
use crate::report::Outcome;

/// What a bundle says of when a task runs.
#[derive(Clone, Debug)]
pub struct Timing {
    /// The task's name.
    pub name: String,
    /// None of one that is run by hand alone.
    pub schedule: Option<Schedule>,
    /// The zone of its schedule, and of its opening.
    pub zone: TimeZone,
    /// How far its due times are put off, so that not all tasks begin at once; always as far, for the same task.
    pub jitter: Duration,
    /// When it may begin.
    pub opening: Opening,
    /// What becomes of times at which the host was away.
    pub catch_up: CatchUp,
    /// What becomes of a time at which it still runs.
    pub overlap: Overlap,
    /// How often a run is repeated that may go well later.
    pub retries: u8,
    /// The wait before the first repetition; each further is twice the one before.
    pub retry_delay: Duration,
    /// Names of the tasks that must have ended well.
    pub after: Vec<String>,
    /// The higher begins first.
    pub priority: i32,
    /// The connections that it uses, of which each may have a limit.
    pub connections: BTreeSet<String>,
}

/// What becomes of the times at which the host was away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CatchUp {
    /// They are left out.
    None,
    /// The newest of them is made up for.
    #[default]
    Last,
    /// All of them are, one after another.
    All,
}

/// What must be remembered of a task, for as long as its bundle has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Due times until then were seen to.
    pub considered: Timestamp,
    /// The schedule by which they were told, as written.
    pub schedule: Option<String>,
    /// What is still to begin.
    pub waiting: Vec<Waiting>,
    /// Nobody wants it to run for now.
    pub paused: bool,
    /// How its last run ended.
    pub outcome: Option<Outcome>,
}

/// A run that is still to begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// For which time: that of its schedule, or when it was asked for.
    pub due: Timestamp,
    /// 0 for the first.
    pub attempt: u8,
    /// Where it is a repetition, when.
    pub not_before: Option<Timestamp>,
    /// Where a person wants it.
    pub asked: Option<Asked>,
}

/// What a person asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The id that the run is to have.
    pub run: String,
    /// Who.
    pub by: String,
    /// Run or rehearsal.
    pub mode: Mode,
    /// In place of the bundle's parameters of the same names.
    pub arguments: Vec<(String, String)>,
}

/// Times that are later than this are missed: the host was away. It also is what a busy host may take.
pub(super) const LATE: SignedDuration = SignedDuration::from_secs(60);
/// A remembered time that is so far ahead was written by a clock that was wrong.
const AHEAD: SignedDuration = SignedDuration::from_hours(26);
/// The most due times that are looked at singly; of more, the newest count.
const MOST: usize = 1_000;
/// The longest wait before a repetition.
const LONGEST_DELAY: Duration = Duration::from_mins(30);

/// Due times that have come.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// The host was away.
    pub(super) missed: Vec<Timestamp>,
    /// How many more there were before those.
    pub(super) more: bool,
    /// It is time.
    pub(super) now: Vec<Timestamp>,
}

impl Timing {
    /// The first due time after `time`, jitter left out.
    pub(super) fn next(&self, time: Timestamp) -> Option<Timestamp> {
        let schedule = self.schedule.as_ref()?;
        schedule.after(time.to_zoned_datetime(self.zone.clone())).next().map(|time| time.timestamp())
    }

    /// When what is due then begins.
    pub(super) fn begins(&self, due: Timestamp) -> Timestamp {
        due.saturating_add(self.jitter).unwrap_or(Timestamp::MAX)
    }

    /// The moments from `now` on at which it begins, jitter and hours included, as far as one can tell.
    pub fn ahead(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        // What was due before may begin later.
        let due = now.saturating_sub(self.jitter).unwrap_or(now);
        let schedule = self.schedule.iter();
        let due = schedule.flat_map(move |schedule| schedule.after(due.to_zoned_datetime(self.zone.clone())));
        let begins = due.map(|due| self.opening.from(self.begins(due.timestamp()), &self.zone));
        let mut last = None;
        // What is due while it may not begin, begins once.
        begins.map_while(|begins| begins).filter(move |begins| last.replace(*begins) != Some(*begins))
    }

    /// The due times after `considered` that have come by `now`.
    pub(super) fn due(&self, considered: Timestamp, now: Timestamp) -> Due {
        let mut due = Due::default();
        let Some(schedule) = &self.schedule else { return due };
        let times = |from: Timestamp| {
            let times = schedule.after(from.to_zoned_datetime(self.zone.clone())).map(|time| time.timestamp());
            times.take_while(|time| self.begins(*time) <= now)
        };
        let mut all: Vec<Timestamp> = times(considered).take(MOST + 1).collect();
        if all.len() > MOST {
            // Back from now in steps that grow, so that years of minutes take no time.
            due.more = true;
            let mut back = SignedDuration::from_hours(1);
            all = loop {
                let from = now.saturating_sub(back).unwrap_or(considered).max(considered);
                let some: Vec<Timestamp> = times(from).take(MOST + 1).collect();
                if !some.is_empty() || from == considered {
                    break some;
                }
                back = back.saturating_mul(4);
            };
            all.truncate(MOST);
        }
        let late = |time: &Timestamp| now.duration_since(self.begins(*time)) > LATE;
        (due.missed, due.now) = all.into_iter().partition(late);
        due
    }

    /// The wait before that repetition.
    pub(super) fn delay(&self, attempt: u8) -> Duration {
        let doubled = self.retry_delay.saturating_mul(2_u32.saturating_pow(u32::from(attempt).saturating_sub(1)));
        doubled.min(LONGEST_DELAY)
    }
}

impl Waiting {
    /// A due time of a schedule.
    pub(super) fn new(due: Timestamp) -> Self {
        Self { due, attempt: 0, not_before: None, asked: None }
    }
}

impl Past {
    /// Of a task that is new.
    pub(super) fn new(timing: &Timing, now: Timestamp) -> Self {
        let schedule = written(timing);
        Self { considered: now, schedule, waiting: vec![], paused: false, outcome: None }
    }

    /// What is remembered, by a schedule that may be another now and a clock that may have been wrong.
    pub(super) fn fit(mut self, timing: &Timing, now: Timestamp) -> Self {
        let schedule = written(timing);
        if self.schedule != schedule || self.considered.duration_since(now) > AHEAD {
            self.considered = now;
            self.schedule = schedule;
        }
        if timing.schedule.is_none() {
            self.waiting.retain(|waiting| waiting.asked.is_some());
        }
        self
    }
}

fn written(timing: &Timing) -> Option<String> {
    let schedule = timing.schedule.as_ref()?;
    Some(format!("{} {}", schedule.written(), timing.zone.iana_name().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(schedule: &str) -> Timing {
        Timing {
            name: "vacuum".into(),
            schedule: Some(Schedule::parse(schedule).unwrap()),
            zone: TimeZone::UTC,
            jitter: Duration::ZERO,
            opening: Opening::default(),
            catch_up: CatchUp::Last,
            overlap: Overlap::Skip,
            retries: 0,
            retry_delay: Duration::from_secs(30),
            after: vec![],
            priority: 0,
            connections: BTreeSet::new(),
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_ahead_has_its_jitter_and_its_hours() {
        let mut hourly = timing("0 * * * *");
        hourly.jitter = Duration::from_mins(2);
        hourly.opening.windows.push(super::super::Window::parse("22:00-02:00").unwrap());
        let ahead = |from: &str| hourly.ahead(at(from)).take(3).map(|time| time.to_string()).collect::<Vec<_>>();
        assert_eq!(
            ahead("2026-03-10T00:01:00Z"),
            ["2026-03-10T00:02:00Z", "2026-03-10T01:02:00Z", "2026-03-10T22:00:00Z"]
        );
        assert_eq!(
            ahead("2026-03-10T12:00:00Z"),
            ["2026-03-10T22:00:00Z", "2026-03-10T22:02:00Z", "2026-03-10T23:02:00Z"]
        );
        assert_eq!(Timing { schedule: None, ..hourly }.ahead(at("2026-03-10T12:00:00Z")).count(), 0);
    }

    #[test]
    fn due_times_are_missed_or_now() {
        let daily = timing("daily at 03:00");
        let due = |from: &str, to: &str| daily.due(at(from), at(to));
        let none = Due::default();
        assert_eq!(due("2026-03-10T03:00:00Z", "2026-03-11T02:59:59Z"), none);
        assert_eq!(
            due("2026-03-10T03:00:00Z", "2026-03-11T03:00:00Z"),
            Due { now: vec![at("2026-03-11T03:00:00Z")], ..Due::default() }
        );
        assert_eq!(
            due("2026-03-10T03:00:00Z", "2026-03-12T03:00:59Z"),
            Due { missed: vec![at("2026-03-11T03:00:00Z")], now: vec![at("2026-03-12T03:00:00Z")], more: false }
        );
        // The clock was put back.
        assert_eq!(due("2026-03-10T03:00:00Z", "2026-03-01T03:00:00Z"), none);
    }

    #[test]
    fn years_of_minutes_take_no_time() {
        let due = timing("* * * * *").due(at("2020-01-01T00:00:00Z"), at("2026-03-12T03:00:30Z"));
        assert!(due.more);
        assert_eq!(due.now, [at("2026-03-12T03:00:00Z")]);
        assert!(!due.missed.is_empty());
    }

    #[test]
    fn a_schedule_that_is_another_now_has_missed_nothing() {
        let before = timing("daily at 03:00");
        let past = Past::new(&before, at("2026-03-10T03:00:00Z"));
        let now = at("2026-03-12T12:00:00Z");
        assert_eq!(past.clone().fit(&before, now), past);
        assert_eq!(past.clone().fit(&timing("daily at 04:00"), now).considered, now);
        let ahead = Past { considered: at("2027-03-10T03:00:00Z"), ..past };
        assert_eq!(ahead.fit(&before, now).considered, now);
    }

    #[test]
    fn waits_double_up_to_half_an_hour() {
        let daily = timing("daily");
        let seconds = |attempt| daily.delay(attempt).as_secs();
        assert_eq!([1, 2, 3, 7, 255].map(seconds), [30, 60, 120, 1800, 1800]);
    }
}
