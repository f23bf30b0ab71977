//! What people tell the engine, and what they ask of it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::engine::{Engine, with_asked};
use super::{Answer, Order, Runs, Standing, Waits};
use crate::gate::Mode;
use crate::history::Deed;
use crate::meters::Queue;
use crate::plugin::arguments;
use crate::schedule::Asked;

impl Engine {
    /// Does what it is told, and answers.
    pub(super) fn obey(&mut self, order: Order) {
        match order {
            Order::Queue(answer) => drop(answer.send(self.queue())),
            Order::Standing(answer) => drop(answer.send(self.standing())),
            Order::Run { task, by, mode, arguments, answer } => {
                let asked = self.ask(&task, &by, mode, arguments);
                self.advance_and(answer, asked);
            }
            Order::Cancel { run, by, answer } => {
                let done = self.cancel(&run, &by);
                self.advance_and(answer, done);
            }
            Order::DropWaiting { task, by, answer } => {
                let done = self.known(&task).map(|()| {
                    let dropped = self.scheduler.drop_waiting(&task, None);
                    let count = dropped.len();
                    self.note(&by, Deed::Cancelled, Some(task), None, format!("{count} waiting runs"));
                    self.take(dropped);
                    count
                });
                self.advance_and(answer, done);
            }
            Order::Pause { task, paused, by, answer } => {
                let done = self.known(&task).map(|()| {
                    let new = self.scheduler.pause(&task, paused);
                    if new {
                        let what = if paused { Deed::Paused } else { Deed::Resumed };
                        self.note(&by, what, Some(task), None, String::new());
                    }
                    new
                });
                self.advance_and(answer, done);
            }
            Order::Reload { by, answer } => self.read_anew(by, Some(answer)),
            Order::SignedIn { by, detail } => {
                self.note(&by, Deed::SignedIn, None, None, detail);
                self.flush();
            }
        }
    }

    /// What is answered holds from then on.
    fn advance_and<T>(&mut self, answer: Answer<T>, done: Result<T, String>) {
        self.advance();
        let _ = answer.send(done);
    }

    fn known(&self, task: &str) -> Result<(), String> {
        self.loaded.task(task).map(drop).ok_or_else(|| format!("there is no task `{task}`"))
    }

    fn ask(&mut self, task: &str, by: &str, mode: Mode, given: Vec<(String, String)>) -> Result<String, String> {
        let loaded = self.loaded.clone();
        let (found, armed) = loaded.task(task).ok_or_else(|| format!("there is no task `{task}`"))?;
        let run = uuid::Uuid::now_v7().to_string();
        let words: Vec<String> = given.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let asked = Asked { run: run.clone(), by: by.into(), mode, arguments: given };
        arguments::parse(armed.plugin.description(), &with_asked(found, Some(&asked)))
            .map_err(|error| error.0.join("\n"))?;
        self.scheduler.run_now(task, asked, Timestamp::now())?;
        let detail = if mode == Mode::Rehearse { "a rehearsal".to_owned() } else { "a run".to_owned() };
        let detail = if words.is_empty() { detail } else { format!("{detail} with {}", words.join(" ")) };
        self.note(by, Deed::Asked, Some(task.into()), Some(run.clone()), detail);
        Ok(run)
    }

    fn cancel(&mut self, run: &str, by: &str) -> Result<(), String> {
        let running = self.runs.iter_mut().find(|(_, running)| running.beginning.id() == run);
        if let Some((ticket, running)) = running {
            running.stopped_by = Some(format!("by {by}"));
            running.cancel.cancel();
            let (ticket, task) = (*ticket, running.start.task.clone());
            self.scheduler.stop(ticket);
            self.note(by, Deed::Cancelled, Some(task), Some(run.into()), "while it ran".into());
            return Ok(());
        }
        let tasks: Vec<String> = self.loaded.bundle.tasks.iter().map(|task| task.name.clone()).collect();
        for task in tasks {
            let dropped = self.scheduler.drop_waiting(&task, Some(run));
            if !dropped.is_empty() {
                self.note(by, Deed::Cancelled, Some(task), Some(run.into()), "before it began".into());
                self.take(dropped);
                return Ok(());
            }
        }
        Err(format!("no run `{run}` goes on or waits"))
    }

    fn queue(&self) -> Queue {
        let tasks = &self.loaded.bundle.tasks;
        let paused = tasks.iter().filter(|task| self.scheduler.past(&task.name).is_some_and(|past| past.paused));
        Queue {
            bundle: self.loaded.bundle.name.clone(),
            running: self.scheduler.running(),
            waiting: self.scheduler.waiting(),
            paused: paused.count(),
            lost: self.ledger.lost.load(Ordering::Relaxed),
            recording: !self.ledger.failing.load(Ordering::Relaxed),
        }
    }

    fn standing(&self) -> Vec<Standing> {
        let running: BTreeMap<&str, Runs> = self
            .runs
            .values()
            .map(|run| {
                let asked = run.start.waiting.asked.as_ref();
                let runs = Runs {
                    run: run.beginning.id().into(),
                    started: run.beginning.started(),
                    rehearsal: asked.is_some_and(|asked| asked.mode == Mode::Rehearse),
                    by: asked.map(|asked| asked.by.clone()),
                };
                (run.start.task.as_str(), runs)
            })
            .collect();
        let tasks = self.loaded.bundle.tasks.iter().filter_map(|task| {
            let past = self.scheduler.past(&task.name)?;
            let waiting = past.waiting.iter().map(|waiting| Waits {
                due: waiting.due,
                by: waiting.asked.as_ref().map(|asked| asked.by.clone()),
                run: waiting.asked.as_ref().map(|asked| asked.run.clone()).filter(|run| !run.is_empty()),
                attempt: waiting.attempt,
            });
            Some(Standing {
                task: task.name.clone(),
                next: self.scheduler.next(&task.name).filter(|_| !past.paused),
                paused: past.paused,
                waiting: waiting.collect(),
                running: running.get(task.name.as_str()).cloned(),
            })
        });
        tasks.collect()
    }
}
