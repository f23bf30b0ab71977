//! The scheduler against thousands of made worlds: clocks that jump, hosts that are killed, servers that are away, people
//! who ask and change their minds. What must hold is counted by other means than its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Action, Asked, CatchUp, Limits, Opening, Past, Scheduler, Start, Ticket, Timing, Window};
use crate::bundle::{Overlap, Schedule};
use crate::gate::Mode;
use crate::report::Outcome;

/// A stream of numbers that is the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

const SCHEDULES: &[&str] = &[
    "*/15 * * * *",
    "0 * * * *",
    "30 2 * * *",
    "0 3 * * 0",
    "daily at 02:30",
    "weekly on sunday at 02:30",
    "monthly at 04:00",
    "5,35 1-4 * * *",
];
const ZONES: &[&str] = &["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"];
const WINDOWS: &[&str] = &["22:00-06:00", "00:00-04:00", "mon-fri 01:00-23:00", "sat,sun"];
/// Nights in which clocks are put, and any other.
const STARTS: &[&str] = &[
    "2026-03-28T20:00:00Z",
    "2026-10-24T20:00:00Z",
    "2026-03-07T20:00:00Z",
    "2026-10-31T20:00:00Z",
    "2026-06-10T00:00:00Z",
];

fn timing(chance: &mut Chance, number: u64) -> Timing {
    let windows = if chance.once_in(4) { vec![Window::parse(chance.of(WINDOWS)).unwrap()] } else { vec![] };
    let blackouts = if chance.once_in(6) { vec![Window::parse("wed 00:00-12:00").unwrap()] } else { vec![] };
    Timing {
        name: format!("task-{number}"),
        schedule: (!chance.once_in(10)).then(|| Schedule::parse(chance.of(SCHEDULES)).unwrap()),
        zone: TimeZone::get(chance.of(ZONES)).unwrap(),
        jitter: Duration::from_secs(chance.of(&[0, 0, 40, 600])),
        opening: Opening { windows, blackouts },
        catch_up: chance.of(&[CatchUp::None, CatchUp::Last, CatchUp::All]),
        overlap: chance.of(&[Overlap::Skip, Overlap::Queue, Overlap::Replace]),
        retries: u8::try_from(chance.below(3)).unwrap(),
        retry_delay: Duration::from_secs(30),
        // Only on earlier ones, so that there is no circle.
        after: if number > 0 && chance.once_in(3) { vec![format!("task-{}", chance.below(number))] } else { vec![] },
        priority: i32::try_from(chance.below(3)).unwrap(),
        connections: if chance.once_in(2) { BTreeSet::from(["database".to_owned()]) } else { BTreeSet::new() },
    }
}

struct World {
    scheduler: Scheduler,
    limits: Limits,
    timings: BTreeMap<String, Timing>,
    /// What would be on the disk.
    kept: BTreeMap<String, Past>,
    now: Timestamp,
    began: BTreeMap<String, Timestamp>,
    running: BTreeMap<Ticket, Start>,
    /// Task, due time and attempt of what a schedule started.
    started: BTreeSet<(String, Timestamp, u8)>,
    left_out: BTreeMap<String, usize>,
    asked: usize,
    asked_started: usize,
    asked_dropped: usize,
    seed: u64,
}

impl World {
    fn new(seed: u64, chance: &mut Chance) -> Self {
        let now: Timestamp = chance.of(STARTS).parse().unwrap();
        let count = 1 + chance.below(6);
        let timings: Vec<Timing> = (0..count).map(|number| timing(chance, number)).collect();
        let connections = BTreeMap::from([("database".to_owned(), 1)]);
        let limits = Limits { runs: usize::try_from(1 + chance.below(4)).unwrap(), connections };
        let scheduler = Scheduler::new(limits.clone(), timings.clone(), BTreeMap::new(), now);
        let mut world = Self {
            scheduler,
            limits,
            began: timings.iter().map(|timing| (timing.name.clone(), now)).collect(),
            timings: timings.into_iter().map(|timing| (timing.name.clone(), timing)).collect(),
            kept: BTreeMap::new(),
            now,
            running: BTreeMap::new(),
            started: BTreeSet::new(),
            left_out: BTreeMap::new(),
            asked: 0,
            asked_started: 0,
            asked_dropped: 0,
            seed,
        };
        world.keep();
        world
    }

    fn keep(&mut self) {
        self.kept.extend(self.scheduler.changed());
    }

    fn advance(&mut self) {
        let actions = self.scheduler.advance(self.now);
        self.take(actions);
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start(start) => self.start(start),
                Action::Stop(ticket) => assert!(self.running.contains_key(&ticket), "seed {}", self.seed),
                // What is repeated was counted when it was first started.
                Action::LeaveOut { waiting, .. } if waiting.attempt > 0 => {}
                Action::LeaveOut { waiting, .. } if waiting.asked.is_some() => self.asked_dropped += 1,
                Action::LeaveOut { task, count, .. } => *self.left_out.entry(task).or_default() += count,
            }
        }
        self.keep();
    }

    fn start(&mut self, start: Start) {
        let seed = self.seed;
        let timing = &self.timings[&start.task];
        assert!(self.running.values().all(|running| running.task != start.task), "seed {seed}: twice at once");
        assert!(self.running.len() < self.limits.runs, "seed {seed}: too many");
        if timing.connections.contains("database") {
            let same =
                self.running.values().filter(|running| self.timings[&running.task].connections.contains("database"));
            assert_eq!(same.count(), 0, "seed {seed}: two on one connection");
        }
        if start.waiting.asked.is_some() {
            self.asked_started += usize::from(start.waiting.attempt == 0);
        } else {
            let due = start.waiting.due;
            assert!(timing.opening.holds(self.now, &timing.zone), "seed {seed}: out of hours");
            assert!(due.checked_add(timing.jitter).unwrap() <= self.now, "seed {seed}: too early");
            for earlier in &timing.after {
                assert!(
                    self.running.values().all(|running| running.task != *earlier),
                    "seed {seed}: beside what it is after"
                );
                let outcome = self.kept[earlier].outcome.or(self.scheduler.past(earlier).unwrap().outcome);
                assert!(outcome.is_none_or(|outcome| outcome.exit_code() < 2), "seed {seed}: after {outcome:?}");
            }
            let new = self.started.insert((start.task.clone(), due, start.waiting.attempt));
            assert!(new, "seed {seed}: {} of {due} ran twice", start.task);
        }
        self.running.insert(start.ticket, start);
    }

    fn end_one(&mut self, chance: &mut Chance) {
        let Some(ticket) = self.running.keys().nth(usize::try_from(chance.below(3)).unwrap()).copied() else { return };
        self.running.remove(&ticket);
        let outcomes = [
            Outcome::Ok,
            Outcome::Ok,
            Outcome::Ok,
            Outcome::Warning,
            Outcome::Unavailable,
            Outcome::Failed,
            Outcome::TimedOut,
        ];
        self.scheduler.ended(ticket, chance.of(&outcomes), self.now);
        self.keep();
    }

    /// The host is killed: what ran is lost, and what was kept is all that there is.
    fn crash(&mut self) {
        self.running.clear();
        let timings = self.timings.values().cloned().collect();
        self.scheduler = Scheduler::new(self.limits.clone(), timings, self.kept.clone(), self.now);
        self.keep();
    }

    /// Every due time was started once, or left out, or waits, or is still to come.
    fn account(&self) {
        for (name, timing) in &self.timings {
            let past = self.scheduler.past(name).unwrap();
            let due = count(timing, self.began[name], past.considered);
            let started = self.started.iter().filter(|(task, _, attempt)| task == name && *attempt == 0).count();
            let waits = past.waiting.iter().filter(|waiting| waiting.asked.is_none() && waiting.attempt == 0).count();
            let left_out = self.left_out.get(name).copied().unwrap_or(0);
            assert_eq!(due, started + waits + left_out, "seed {}: {name}", self.seed);
        }
        let pasts = self.timings.keys().map(|name| self.scheduler.past(name).unwrap());
        let waits =
            pasts.flat_map(|past| &past.waiting).filter(|waiting| waiting.asked.is_some() && waiting.attempt == 0);
        assert_eq!(self.asked, self.asked_started + self.asked_dropped + waits.count(), "seed {}: asked", self.seed);
    }

    fn step(&mut self, chance: &mut Chance) {
        let seconds = match chance.below(40) {
            // The clock is put back, or on, or the host was away for as long.
            0 => -i64::try_from(chance.below(7_200)).unwrap(),
            1 => i64::try_from(chance.below(80_000)).unwrap(),
            _ => i64::try_from(chance.below(1_800)).unwrap(),
        };
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
        let task = format!("task-{}", chance.below(self.timings.len() as u64));
        match chance.below(30) {
            0 => self.crash(),
            1 => {
                let by = "someone".to_owned();
                let mode = chance.of(&[Mode::Perform, Mode::Rehearse]);
                let asked = Asked { run: format!("run-{}", self.asked), by, mode, arguments: vec![] };
                self.scheduler.run_now(&task, asked, self.now).unwrap();
                self.asked += 1;
            }
            2 => drop(self.scheduler.pause(&task, chance.once_in(2))),
            3 => {
                let actions = self.scheduler.drop_waiting(&task, None);
                self.take(actions);
            }
            4 => {
                let timings = self.timings.values().cloned().collect();
                self.scheduler.replace(self.limits.clone(), timings, self.now);
            }
            _ => self.end_one(chance),
        }
        self.advance();
    }

    /// Everything goes well from here on: all that waits must come to its turn.
    fn settle(&mut self) {
        for name in self.timings.keys() {
            self.scheduler.pause(name, false);
        }
        self.advance();
        let until = self.now;
        for _ in 0..20_000 {
            self.advance();
            if let Some(ticket) = self.running.keys().next().copied() {
                self.running.remove(&ticket);
                self.scheduler.ended(ticket, Outcome::Ok, self.now);
                self.keep();
                continue;
            }
            let pasts = self.timings.keys().map(|name| self.scheduler.past(name).unwrap());
            if pasts.flat_map(|past| &past.waiting).all(|waiting| waiting.due > until) {
                return;
            }
            let wakes =
                self.scheduler.wakes(self.now).unwrap_or_else(|| panic!("seed {}: it sleeps for ever", self.seed));
            assert!(wakes > self.now, "seed {}: it wakes at once, again and again", self.seed);
            self.now = wakes;
        }
        panic!("seed {}: {} wait still", self.seed, self.scheduler.waiting());
    }
}

/// How many due times there are, counted anew.
fn count(timing: &Timing, from: Timestamp, until: Timestamp) -> usize {
    let Some(schedule) = &timing.schedule else { return 0 };
    let times = schedule.after(from.to_zoned_datetime(timing.zone.clone()));
    times.take_while(|time| time.timestamp() <= until).count()
}

#[test]
fn no_due_time_is_lost_or_doubled() {
    for seed in 1..=3_000 {
        let mut chance = Chance(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15) | 1);
        let mut world = World::new(seed, &mut chance);
        for _ in 0..150 {
            world.step(&mut chance);
        }
        world.account();
        world.settle();
        world.account();
    }
}
