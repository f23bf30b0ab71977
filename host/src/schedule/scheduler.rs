//! The state of all tasks, and what follows from each thing that happens.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::state::{MOST_WAITING, Task};
use super::{Asked, Past, Timing, Waiting};
use crate::gate::Mode;
use crate::report::Outcome;

/// How many runs at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub runs: usize,
    /// By connection, where it has one.
    pub connections: BTreeMap<String, usize>,
}

/// A run that was started, by a number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A run to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// By which its end is told.
    pub ticket: Ticket,
    /// The task.
    pub task: String,
    /// What it was that waited.
    pub waiting: Waiting,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a run.
    Start(Start),
    /// Stop one.
    Stop(Ticket),
    /// Due times that will have no run.
    LeaveOut {
        /// The task.
        task: String,
        /// The newest of them.
        waiting: Waiting,
        /// How many they are: of thousands that were missed, at least.
        count: usize,
        /// Why.
        why: Why,
    },
}

/// Why a due time has no run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The host was away.
    Missed,
    /// The run before goes on.
    StillRuns,
    /// The run before has not begun.
    StillWaits,
    /// A later time took its place.
    Replaced,
    /// What it comes after did not end well.
    After(String, Outcome),
    /// Somebody did not want it.
    Cancelled,
}

/// All tasks of a bundle in time.
#[derive(Debug)]
pub struct Scheduler {
    limits: Limits,
    tasks: BTreeMap<String, Task>,
    /// When a task is next to be looked at.
    clock: BTreeSet<(Timestamp, String)>,
    /// The names of tasks for which something waits, by priority and due time.
    queue: BTreeSet<(Reverse<i32>, Timestamp, String)>,
    running: BTreeMap<Ticket, Running>,
    used: BTreeMap<String, usize>,
    changed: BTreeSet<String>,
    tickets: u64,
    draining: bool,
}

#[derive(Clone, Debug)]
struct Running {
    task: String,
    waiting: Waiting,
    connections: BTreeSet<String>,
    stopped: bool,
}

/// Whether what waits may begin.
enum Verdict {
    Begin,
    Wait,
    Drop(Why),
}

impl Scheduler {
    /// Tasks as they were left.
    pub fn new(limits: Limits, timings: Vec<Timing>, mut past: BTreeMap<String, Past>, now: Timestamp) -> Self {
        let mut scheduler = Self {
            limits,
            tasks: BTreeMap::new(),
            clock: BTreeSet::new(),
            queue: BTreeSet::new(),
            running: BTreeMap::new(),
            used: BTreeMap::new(),
            changed: BTreeSet::new(),
            tickets: 0,
            draining: false,
        };
        for timing in timings {
            let past = past.remove(&timing.name);
            scheduler.insert(timing, past, now);
        }
        scheduler
    }

    fn insert(&mut self, timing: Timing, past: Option<Past>, now: Timestamp) {
        let name = timing.name.clone();
        let known = past.clone();
        let past = past.map_or_else(|| Past::new(&timing, now), |past| past.fit(&timing, now));
        if known.as_ref() != Some(&past) {
            self.changed.insert(name.clone());
        }
        let running = self.running.iter().find(|(_, running)| running.task == name).map(|(ticket, _)| *ticket);
        self.tasks.insert(name.clone(), Task { timing, past, next: None, running });
        self.wind(&name);
        self.line_up(&name);
    }

    /// Other tasks, or the same in another way. What runs goes on; what waits for a task that is no more is forgotten.
    pub fn replace(&mut self, limits: Limits, timings: Vec<Timing>, now: Timestamp) {
        let mut before = std::mem::take(&mut self.tasks);
        self.clock.clear();
        self.queue.clear();
        self.limits = limits;
        for timing in timings {
            let past = before.remove(&timing.name).map(|task| task.past);
            self.insert(timing, past, now);
        }
    }

    /// It is `now`: what is due begins as soon as it may.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some((time, _)) = self.clock.first()
            && *time <= now
            && let Some((_, name)) = self.clock.pop_first()
        {
            self.see_to(&name, now, &mut actions);
        }
        for action in &actions {
            if let Action::Stop(ticket) = action {
                self.stop(*ticket);
            }
        }
        self.begin(now, &mut actions);
        actions
    }

    /// When something may be to be done next, if nothing happens before.
    pub fn wakes(&self, now: Timestamp) -> Option<Timestamp> {
        let clock = self.clock.first().map(|(time, _)| *time);
        // Where nothing more may begin, it is an end that is waited for.
        if self.draining || self.running.len() >= self.limits.runs.max(1) {
            return clock;
        }
        let waiting = self.queue.iter().filter_map(|(_, _, name)| {
            let task = self.tasks.get(name)?;
            let first = task.past.waiting.first()?;
            match task.not_before(first) {
                Some(time) if time > now => Some(time),
                // What stands against it is no time, or one at which its hours begin.
                _ if first.asked.is_none() => {
                    task.timing.opening.from(now, &task.timing.zone).filter(|time| *time > now)
                }
                _ => None,
            }
        });
        clock.into_iter().chain(waiting).min()
    }

    /// A run has ended, and this is how. True when it will be repeated.
    pub fn ended(&mut self, ticket: Ticket, outcome: Outcome, now: Timestamp) -> bool {
        let Some(running) = self.running.remove(&ticket) else { return false };
        for connection in &running.connections {
            if let Some(count) = self.used.get_mut(connection) {
                *count = count.saturating_sub(1);
            }
        }
        let Some(task) = self.tasks.get_mut(&running.task) else { return false };
        if task.running == Some(ticket) {
            task.running = None;
        }
        let rehearsal = running.waiting.asked.as_ref().is_some_and(|asked| asked.mode == Mode::Rehearse);
        if !rehearsal {
            task.past.outcome = Some(outcome);
        }
        let passes = matches!(outcome, Outcome::Unavailable | Outcome::TimedOut);
        let attempt = running.waiting.attempt.saturating_add(1);
        let again = passes && !running.stopped && !rehearsal && attempt <= task.timing.retries;
        if again {
            let not_before = now.saturating_add(task.timing.delay(attempt)).ok();
            // A repetition has a run of its own.
            let asked = running.waiting.asked.map(|asked| Asked { run: String::new(), ..asked });
            let repetition = Waiting { due: running.waiting.due, attempt, not_before, asked };
            self.unqueue(&running.task);
            if let Some(task) = self.tasks.get_mut(&running.task) {
                task.past.waiting.insert(0, repetition);
            }
        }
        self.changed.insert(running.task.clone());
        self.line_up(&running.task);
        again
    }

    /// A person wants a run. It begins in spite of hours, pauses and what it comes after, but not beside another of its
    /// own, and not beyond the limits.
    ///
    /// # Errors
    /// A task that is not there, or for which too much waits.
    pub fn run_now(&mut self, task: &str, asked: Asked, now: Timestamp) -> Result<(), String> {
        self.unqueue(task);
        let found = self.tasks.get_mut(task).ok_or_else(|| format!("there is no task `{task}`"))?;
        let full = found.past.waiting.len() >= MOST_WAITING;
        if !full {
            // Before what waits for its hours, behind what others asked for.
            let place = found.past.waiting.iter().take_while(|waiting| waiting.asked.is_some()).count();
            found.past.waiting.insert(place, Waiting { due: now, attempt: 0, not_before: None, asked: Some(asked) });
            self.changed.insert(task.into());
        }
        self.line_up(task);
        if full { Err(format!("{MOST_WAITING} runs of `{task}` wait already")) } else { Ok(()) }
    }

    /// A person does not want what waits for that task; with `run`, that one of what was asked for.
    pub fn drop_waiting(&mut self, task: &str, run: Option<&str>) -> Vec<Action> {
        self.unqueue(task);
        let Some(found) = self.tasks.get_mut(task) else { return vec![] };
        let unwanted = |waiting: &Waiting| match (run, &waiting.asked) {
            (None, _) => true,
            (Some(run), Some(asked)) => asked.run == run,
            (Some(_), None) => false,
        };
        let (dropped, kept): (Vec<_>, Vec<_>) = found.past.waiting.drain(..).partition(unwanted);
        found.past.waiting = kept;
        if !dropped.is_empty() {
            self.changed.insert(task.into());
        }
        self.line_up(task);
        let left = |waiting| Action::LeaveOut { task: task.into(), waiting, count: 1, why: Why::Cancelled };
        dropped.into_iter().map(left).collect()
    }

    /// A person does not want that run to go on: it is not repeated.
    pub fn stop(&mut self, ticket: Ticket) -> bool {
        match self.running.get_mut(&ticket) {
            Some(running) => {
                running.stopped = true;
                true
            }
            None => false,
        }
    }

    /// Nobody wants the task to run for now, or somebody does again. What comes due meanwhile counts as missed. True when
    /// that is new.
    pub fn pause(&mut self, task: &str, paused: bool) -> bool {
        let Some(found) = self.tasks.get_mut(task).filter(|found| found.past.paused != paused) else { return false };
        found.past.paused = paused;
        self.changed.insert(task.into());
        self.wind(task);
        true
    }

    /// Nothing begins any more.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// What is remembered of the tasks of which that has changed since this was last called.
    pub fn changed(&mut self) -> Vec<(String, Past)> {
        let names = std::mem::take(&mut self.changed);
        names.into_iter().filter_map(|name| self.past(&name).cloned().map(|past| (name, past))).collect()
    }

    /// What is remembered of a task.
    pub fn past(&self, task: &str) -> Option<&Past> {
        self.tasks.get(task).map(|task| &task.past)
    }

    /// When a task is due next, jitter and hours included.
    pub fn next(&self, task: &str) -> Option<Timestamp> {
        let task = self.tasks.get(task)?;
        let begins = task.timing.begins(task.next?);
        task.timing.opening.from(begins, &task.timing.zone)
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// How many wait to begin.
    pub fn waiting(&self) -> usize {
        let waiting = |name: &String| self.tasks.get(name).map_or(0, |task| task.past.waiting.len());
        self.queue.iter().map(|(_, _, name)| waiting(name)).sum()
    }

    /// Sets the clock for the task's first due time that was not seen to.
    fn wind(&mut self, name: &str) {
        let Some(task) = self.tasks.get_mut(name) else { return };
        if let Some(next) = task.next {
            self.clock.remove(&(task.timing.begins(next), name.to_owned()));
        }
        task.next = task.timing.next(task.past.considered);
        if let Some(next) = task.next.filter(|_| !task.past.paused) {
            self.clock.insert((task.timing.begins(next), name.to_owned()));
        }
    }

    /// Where the task stands in the queue.
    fn line_up(&mut self, name: &str) {
        if let Some(key) = self.key(name) {
            self.queue.insert(key);
        }
    }

    fn unqueue(&mut self, name: &str) {
        if let Some(key) = self.key(name) {
            self.queue.remove(&key);
        }
    }

    fn key(&self, name: &str) -> Option<(Reverse<i32>, Timestamp, String)> {
        let task = self.tasks.get(name)?;
        let first = task.past.waiting.first()?;
        Some((Reverse(task.timing.priority), first.due, name.to_owned()))
    }

    /// A due time of that task has come.
    fn see_to(&mut self, name: &str, now: Timestamp, actions: &mut Vec<Action>) {
        self.unqueue(name);
        if let Some(task) = self.tasks.get_mut(name) {
            let due = task.timing.due(task.past.considered, now);
            if let Some(newest) = due.now.last().or(due.missed.last()) {
                task.past.considered = *newest;
                self.changed.insert(name.to_owned());
            }
            task.take_in(due, actions);
        }
        self.wind(name);
        self.line_up(name);
    }

    /// Begins what may, the most urgent first.
    fn begin(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        while !self.draining && self.running.len() < self.limits.runs.max(1) {
            let may = self.queue.iter().find_map(|(_, _, name)| match self.verdict(name, now) {
                Verdict::Wait => None,
                Verdict::Begin => Some((name.clone(), None)),
                Verdict::Drop(why) => Some((name.clone(), Some(why))),
            });
            match may {
                Some((name, None)) => actions.extend(self.start(&name).map(Action::Start)),
                Some((name, Some(why))) => actions.extend(self.leave_out(&name, why)),
                None => break,
            }
        }
    }

    fn leave_out(&mut self, name: &str, why: Why) -> Option<Action> {
        self.unqueue(name);
        let task = self.tasks.get_mut(name)?;
        let dropped = task.past.waiting.remove(0);
        // For what comes after it in turn.
        task.past.outcome = Some(Outcome::Invalid);
        self.changed.insert(name.into());
        self.line_up(name);
        Some(Action::LeaveOut { task: name.into(), waiting: dropped, count: 1, why })
    }

    fn verdict(&self, name: &str, now: Timestamp) -> Verdict {
        let Some(task) = self.tasks.get(name) else { return Verdict::Wait };
        let Some(first) = task.past.waiting.first() else { return Verdict::Wait };
        let full = |connection: &String| {
            let limit = self.limits.connections.get(connection).copied().unwrap_or(usize::MAX);
            self.used.get(connection).copied().unwrap_or(0) >= limit.max(1)
        };
        if task.running.is_some()
            || task.not_before(first).is_some_and(|time| time > now)
            || task.timing.connections.iter().any(full)
        {
            return Verdict::Wait;
        }
        if first.asked.is_some() {
            return Verdict::Begin;
        }
        if task.past.paused || !task.timing.opening.holds(now, &task.timing.zone) {
            return Verdict::Wait;
        }
        for earlier in task.timing.after.iter().filter_map(|name| self.tasks.get(name)) {
            if earlier.comes_before(first.due) {
                return Verdict::Wait;
            }
            if let Some(outcome) = earlier.past.outcome.filter(|outcome| outcome.exit_code() > 1) {
                return Verdict::Drop(Why::After(earlier.timing.name.clone(), outcome));
            }
        }
        Verdict::Begin
    }

    fn start(&mut self, name: &str) -> Option<Start> {
        self.unqueue(name);
        let task = self.tasks.get_mut(name)?;
        let waiting = task.past.waiting.remove(0);
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        task.running = Some(ticket);
        let connections = task.timing.connections.clone();
        for connection in &connections {
            *self.used.entry(connection.clone()).or_default() += 1;
        }
        let running = Running { task: name.into(), waiting: waiting.clone(), connections, stopped: false };
        self.running.insert(ticket, running);
        self.changed.insert(name.into());
        self.line_up(name);
        Some(Start { ticket, task: name.into(), waiting })
    }
}
