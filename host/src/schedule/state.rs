//! One task under way: what waits for it and what becomes of its due times as they come.

use jiff::Timestamp;

use super::task::Due;
use super::{Action, CatchUp, Past, Ticket, Timing, Waiting, Why};
use crate::bundle::Overlap;

/// The most runs of one task that wait.
pub(super) const MOST_WAITING: usize = 1_000;

#[derive(Debug)]
pub(super) struct Task {
    pub(super) timing: Timing,
    pub(super) past: Past,
    /// The first due time that was not seen to.
    pub(super) next: Option<Timestamp>,
    pub(super) running: Option<Ticket>,
}

impl Task {
    /// The first moment at which that may begin. A due time may be to come: the clock was put back.
    pub(super) fn not_before(&self, waiting: &Waiting) -> Option<Timestamp> {
        let due = waiting.asked.is_none().then(|| self.timing.begins(waiting.due));
        due.max(waiting.not_before)
    }

    /// Whether something of it that is due no later is still to end.
    pub(super) fn comes_before(&self, due: Timestamp) -> bool {
        let waits = self.past.waiting.iter().any(|waiting| waiting.asked.is_none() && waiting.due <= due);
        let comes = self.next.is_some_and(|next| next <= due);
        self.running.is_some() || (!self.past.paused && (waits || comes))
    }

    /// Puts due times among what waits, or leaves them out.
    pub(super) fn take_in(&mut self, due: Due, actions: &mut Vec<Action>) {
        let Due { mut missed, more, now } = due;
        let made_up = match self.timing.catch_up {
            // What is due now makes up for it.
            CatchUp::Last if now.is_empty() => missed.pop().into_iter().collect(),
            CatchUp::None | CatchUp::Last => vec![],
            CatchUp::All => std::mem::take(&mut missed),
        };
        if let Some(newest) = missed.last().copied().or_else(|| made_up.first().copied().filter(|_| more)) {
            actions.push(self.left_out(Waiting::new(newest), missed.len().max(1), Why::Missed));
        }
        let all = self.timing.catch_up == CatchUp::All;
        for due in made_up {
            self.line_in(due, all, actions);
        }
        for due in now {
            self.line_in(due, false, actions);
        }
    }

    fn line_in(&mut self, due: Timestamp, made_up: bool, actions: &mut Vec<Action>) {
        let waits = self.past.waiting.iter().any(|waiting| waiting.asked.is_none());
        if self.past.waiting.len() >= MOST_WAITING {
            actions.push(self.left_out(Waiting::new(due), 1, Why::StillWaits));
            return;
        }
        match self.timing.overlap {
            _ if made_up => {}
            Overlap::Skip if waits => return actions.push(self.left_out(Waiting::new(due), 1, Why::StillWaits)),
            Overlap::Skip if self.running.is_some() => {
                return actions.push(self.left_out(Waiting::new(due), 1, Why::StillRuns));
            }
            Overlap::Skip | Overlap::Queue => {}
            Overlap::Replace => {
                let (replaced, kept): (Vec<_>, Vec<_>) =
                    self.past.waiting.drain(..).partition(|waiting| waiting.asked.is_none());
                self.past.waiting = kept;
                actions.extend(replaced.into_iter().map(|waiting| self.left_out(waiting, 1, Why::Replaced)));
                actions.extend(self.running.map(Action::Stop));
            }
        }
        self.past.waiting.push(Waiting::new(due));
    }

    fn left_out(&self, waiting: Waiting, count: usize, why: Why) -> Action {
        Action::LeaveOut { task: self.timing.name.clone(), waiting, count, why }
    }
}
