//! What runs say while they run, for whoever watches. Bounded: a watcher that is too slow misses some, and a run that says
//! too much is cut; the history has all of it when the run has ended.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::broadcast;

use crate::gate::Entry;
use crate::report::{Event, Finding, LogLine, Observer, Outcome};

/// Something that a run said.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
#[expect(missing_docs, reason = "named by what they carry")]
pub enum Said {
    Finding(Finding),
    Log(LogLine),
    /// One that changed the world, failed or was refused.
    Effect(Entry),
    Progress {
        done: u64,
        total: Option<u64>,
        message: String,
    },
    /// It has ended, and is in the history.
    Ended {
        outcome: Outcome,
    },
}

/// What was said, each with a number that only grows within a run.
pub type Numbered = (u64, Said);

/// What a run has said, and what it goes on to say.
pub struct Watch {
    /// What is kept of what was said, the oldest first.
    pub before: Vec<Numbered>,
    /// What comes.
    pub from_now: broadcast::Receiver<Numbered>,
}

/// The runs that go on. Cheap to clone.
#[derive(Clone, Default)]
pub struct Live(Arc<Mutex<BTreeMap<String, Run>>>);

struct Run {
    next: u64,
    kept: VecDeque<Numbered>,
    sender: broadcast::Sender<Numbered>,
}

/// What is kept of one run, and what a watcher may lag behind.
const KEPT: usize = 1_000;
const LAG: usize = 256;

impl Live {
    /// A run that is about to begin, and what is to watch it.
    pub(super) fn begin(&self, run: &str) -> Observer {
        let (sender, _) = broadcast::channel(LAG);
        self.runs().insert(run.into(), Run { next: 1, kept: VecDeque::new(), sender });
        let (live, run) = (self.clone(), run.to_owned());
        Arc::new(move |event| live.say(&run, said(event)))
    }

    /// A run that has ended.
    pub(super) fn end(&self, run: &str, outcome: Outcome) {
        self.say(run, Said::Ended { outcome });
        self.runs().remove(run);
    }

    /// What that run says; none when it does not run.
    pub fn watch(&self, run: &str) -> Option<Watch> {
        let runs = self.runs();
        let found = runs.get(run)?;
        Some(Watch { before: found.kept.iter().cloned().collect(), from_now: found.sender.subscribe() })
    }

    fn say(&self, run: &str, said: Said) {
        let mut runs = self.runs();
        let Some(run) = runs.get_mut(run) else { return };
        let numbered = (run.next, said);
        run.next += 1;
        // Of progress only the newest tells anything.
        if let (Some((_, Said::Progress { .. })), (_, Said::Progress { .. })) = (run.kept.back(), &numbered) {
            run.kept.pop_back();
        }
        run.kept.push_back(numbered.clone());
        if run.kept.len() > KEPT {
            // What was found stays longest.
            let least = run.kept.iter().position(|(_, said)| !matches!(said, Said::Finding(_))).unwrap_or(0);
            run.kept.remove(least);
        }
        // Nobody may be watching.
        let _ = run.sender.send(numbered);
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<String, Run>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn said(event: Event) -> Said {
    match event {
        Event::Finding(finding) => Said::Finding(finding),
        Event::Log(line) => Said::Log(line),
        Event::Effect(entry) => Said::Effect(entry),
        Event::Progress { done, total, message } => Said::Progress { done, total, message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str) -> Event {
        Event::Log(LogLine { level: "info".into(), message: message.into() })
    }

    #[tokio::test]
    async fn a_watcher_sees_what_was_said_and_what_comes() {
        let live = Live::default();
        let observer = live.begin("run");
        observer(line("before"));
        let mut watch = live.watch("run").unwrap();
        observer(line("after"));
        live.end("run", Outcome::Ok);
        assert!(matches!(watch.before.as_slice(), [(1, Said::Log(line))] if line.message == "before"));
        assert!(matches!(watch.from_now.recv().await, Ok((2, Said::Log(line))) if line.message == "after"));
        assert!(matches!(watch.from_now.recv().await, Ok((3, Said::Ended { outcome: Outcome::Ok }))));
        assert!(live.watch("run").is_none());
    }

    #[test]
    fn a_run_that_says_much_keeps_the_newest_and_one_progress() {
        let live = Live::default();
        let observer = live.begin("run");
        for done in 0..10 {
            observer(Event::Progress { done, total: None, message: String::new() });
        }
        assert!(matches!(live.watch("run").unwrap().before.as_slice(), [(10, Said::Progress { done: 9, .. })]));
        for number in 0..2 * KEPT {
            observer(line(&number.to_string()));
        }
        let before = live.watch("run").unwrap().before;
        assert_eq!((before.len(), before.last().unwrap().0), (KEPT, 10 + 2 * KEPT as u64));
    }
}
