//! Carries out a bundle's tasks: several at a time, each after those it waits for, again where a server was away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Bundle, Kind, Ready, Task};
use crate::gate::Mode;
use crate::history::Recorder;
use crate::plugin::{Host, Request};
use crate::report::{ForPeople, Observer, Outcome, Report, Whole};

/// The longest wait between two attempts.
const LONGEST_DELAY: Duration = Duration::from_mins(30);

/// Which tasks of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Those with these names.
    Tasks(Vec<String>),
    /// Those of one part of the calendar.
    Kind(Kind),
    /// All.
    All,
}

impl Selection {
    /// Whether it picks that task.
    pub fn picks(&self, task: &Task) -> bool {
        match self {
            Self::Tasks(names) => names.contains(&task.name),
            Self::Kind(kind) => task.kind == Some(*kind),
            Self::All => true,
        }
    }
}

impl std::fmt::Display for Selection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tasks(names) => f.write_str(&names.join(", ")),
            Self::Kind(kind) => f.write_str(kind.name()),
            Self::All => f.write_str("all"),
        }
    }
}

/// How to carry out tasks.
pub struct Order<'a> {
    /// Which.
    pub selection: &'a Selection,
    /// Run or rehearsal.
    pub mode: Mode,
    /// How many at a time.
    pub jobs: usize,
    /// Watches one task.
    pub observer: &'a (dyn Fn(&Task) -> Observer + Sync),
    /// Told of each run that has ended: of a task's that is repeated too.
    pub attempted: &'a (dyn Fn(&Report) + Sync),
    /// Told when a task has ended.
    pub ended: &'a (dyn Fn(&Task, &Report) + Sync),
    /// Stops all.
    pub cancel: CancellationToken,
    /// Keeps what the runs leave.
    pub recorder: Recorder,
}

/// Runs the tasks that were picked, and reports on all of them.
pub async fn run(host: &Host, bundle: &Bundle, ready: &[Ready<'_>], order: &Order<'_>) -> Whole {
    let started = Timestamp::now();
    let picked: Vec<&Ready<'_>> = ready.iter().filter(|ready| order.selection.picks(ready.task)).collect();
    let names: BTreeSet<&str> = picked.iter().map(|ready| ready.task.name.as_str()).collect();
    let mut waiting: Vec<&Ready<'_>> = picked.clone();
    let mut reports: BTreeMap<&str, Report> = BTreeMap::new();
    let mut running = FuturesUnordered::new();
    order.recorder.list(&bundle.checklist).await;
    loop {
        let mut next = Vec::new();
        waiting.retain(|ready| {
            let after = ready.task.after.iter().filter(|name| names.contains(name.as_str()));
            let mut outcomes = after.clone().map(|name| reports.get(name.as_str()).map(|report| report.run.outcome));
            if outcomes.clone().any(|outcome| outcome.is_none()) {
                return true;
            }
            let stands = outcomes.find_map(|outcome| outcome.filter(|outcome| outcome.exit_code() > 1));
            if stands.is_none() && running.len() + next.len() >= order.jobs.max(1) {
                return true;
            }
            next.push((*ready, stands));
            false
        });
        let none_begun = next.is_empty();
        for (ready, stands) in next {
            running.push(begin(host, ready, stands, order));
        }
        match running.next().await {
            Some((task, report)) => {
                (order.ended)(task, &report);
                reports.insert(&task.name, report);
            }
            // What was not begun may be what another waited for.
            None if none_begun || waiting.is_empty() => break,
            None => {}
        }
    }
    let runs: Vec<Report> = picked.iter().filter_map(|ready| reports.remove(ready.task.name.as_str())).collect();
    let people = bundle.checklist.iter().filter(|entry| match order.selection {
        Selection::Kind(kind) => entry.kind == *kind,
        Selection::All => true,
        Selection::Tasks(_) => false,
    });
    Whole {
        bundle: bundle.name.clone(),
        selection: order.selection.to_string(),
        mode: order.mode,
        outcome: Whole::worst(&runs),
        started,
        finished: Timestamp::now(),
        checklist: people
            .map(|entry| ForPeople {
                title: entry.title.clone(),
                detail: entry.detail.clone(),
                kind: entry.kind,
                done: None,
            })
            .collect(),
        runs,
    }
}

/// Runs one task, or leaves it when something stands against it. To record that too is the work of a future beside the
/// others: one of them may hold the history's connection, and gives it back only when it is polled.
async fn begin<'a>(host: &Host, ready: &Ready<'a>, stands: Option<Outcome>, order: &Order<'_>) -> (&'a Task, Report) {
    let Some(outcome) = stands else { return attempt(host, ready, order).await };
    let error = format!("not begun: what it comes after ended with {}", outcome.name());
    let mut report = Report::not_begun(&ready.task.name, order.mode, Outcome::Invalid, &error);
    order.recorder.keep(&mut report, ready.task.kind).await;
    (order.attempted)(&report);
    (ready.task, report)
}

/// Runs one task, and again as long as it may be and what stood against it can pass.
async fn attempt<'a>(host: &Host, ready: &Ready<'a>, order: &Order<'_>) -> (&'a Task, Report) {
    let task = ready.task;
    let mut delay = task.retry_delay;
    let mut attempt = 0;
    loop {
        let request = Request {
            task: Some(task.name.clone()),
            mode: order.mode,
            arguments: task.arguments.clone(),
            grants: ready.grants.clone(),
            budgets: task.budgets.clone(),
            timeout: task.timeout,
            memory: task.memory,
            observer: (order.observer)(task),
            cancel: order.cancel.clone(),
        };
        let mut report = order.recorder.run(host, &ready.plugin, request, task.kind).await;
        let passes = matches!(report.run.outcome, Outcome::Unavailable | Outcome::TimedOut);
        (order.attempted)(&report);
        if !passes || attempt == task.retries {
            if attempt > 0 {
                report.notices.push(format!("it took {} attempts", u32::from(attempt) + 1));
            }
            return (task, report);
        }
        tracing::info!(task = task.name, "to be tried again in {} s", delay.as_secs());
        tokio::select! {
            () = order.cancel.cancelled() => return (task, report),
            () = tokio::time::sleep(delay) => {}
        }
        delay = (delay * 2).min(LONGEST_DELAY);
        attempt += 1;
    }
}

impl Kind {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Quarterly => "quarterly",
        }
    }
}
