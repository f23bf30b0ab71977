//! The one way from a plugin to the world. Every capability call enters here as an [`Effect`]; the gate answers whether
//! it is performed, rehearsed or refused, counts it against the slot's budget, and journals it.
//!
//! Pure: no I/O, no knowledge of any room. Rooms decide what their grant allows and pass the verdict in; `host run` and
//! `host plan` differ by [`Mode`] alone.

mod budget;
mod effect;
mod journal;
mod written;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use budget::{Budget, Budgets};
pub use effect::{Effect, Impact};
pub use journal::{Decision, EffectOutcome, Entry, Journal};
pub use written::{SlotName, Written};

/// Whether changes are made, or only listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// `host run`.
    Perform,
    /// `host plan`: what observes is performed; what changes or destroys is rehearsed.
    Rehearse,
}

/// Why a call was not let through; each says what would let it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The grant does not allow it.
    #[error("{0}")]
    NotGranted(String),
    /// It would exceed the slot's budget.
    #[error("{0}")]
    OverBudget(String),
}

/// Time is passed in, so that the gate can be tested without waiting.
pub type Clock = fn() -> Instant;

/// Is told of effects as they end: of those that change the world, and of those that failed or were refused. Called where
/// the plugin waits for its answer: it must not block.
pub type Watch = Arc<dyn Fn(Entry) + Send + Sync>;

/// One run's gate. Cheap to share; calls of one run may be concurrent.
pub struct Gate {
    mode: Mode,
    clock: Clock,
    /// The run's start, from which effects are timed.
    started: Instant,
    written: Written,
    watch: Option<Watch>,
    state: Mutex<State>,
}

struct State {
    budgets: Budgets,
    journal: Journal,
}

impl Gate {
    /// A gate for one run whose grants were written as flags.
    pub fn new(mode: Mode, budgets: Budgets, clock: Clock) -> Arc<Self> {
        Self::of(mode, budgets, clock, Written::Flags, None)
    }

    /// A gate for one run.
    pub fn of(mode: Mode, budgets: Budgets, clock: Clock, written: Written, watch: Option<Watch>) -> Arc<Self> {
        let state = Mutex::new(State { budgets, journal: Journal::default() });
        Arc::new(Self { mode, clock, started: clock(), written, watch, state })
    }

    /// How its run's grants were written.
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// A slot of a room, for refusals that say what to write.
    pub fn slot<'a>(&'a self, room: &'a str, name: &'a str) -> SlotName<'a> {
        self.written.slot(room, name)
    }

    /// Whether this run is a rehearsal.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Lets `effect` in, or refuses it, as the grant's `verdict` says. The permit journals the outcome when it is
    /// finished, or as abandoned when it is dropped before.
    ///
    /// # Errors
    /// The verdict's refusal, which is then in the journal.
    pub fn enter(self: &Arc<Self>, effect: Effect, verdict: Result<(), Refusal>) -> Result<Permit, Refusal> {
        let rehearse = self.mode == Mode::Rehearse && effect.impact != Impact::Observe;
        let decision = match (&verdict, rehearse) {
            (Err(_), _) => Decision::Refuse,
            (Ok(()), true) => Decision::Rehearse,
            (Ok(()), false) => Decision::Perform,
        };
        let slot = effect.slot.clone();
        let started = (self.clock)();
        let offset = started.saturating_duration_since(self.started);
        let (sequence, refused) = {
            let mut state = self.lock();
            let sequence = state.journal.open(effect, decision, verdict.as_ref().err(), offset);
            (sequence, (decision == Decision::Refuse).then(|| self.told(&state, sequence)).flatten())
        };
        self.tell(refused);
        verdict.map(|()| Permit {
            gate: Arc::clone(self),
            sequence,
            slot,
            rehearse,
            started,
            rows: None,
            bytes: None,
            outcome: EffectOutcome::Abandoned,
        })
    }

    /// The journal as it stands. Effects that are still under way show as abandoned.
    pub fn journal(&self) -> Journal {
        self.lock().journal.clone()
    }

    /// What whoever watches is to be told of an effect that has ended.
    fn told(&self, state: &State, sequence: u64) -> Option<Entry> {
        self.watch.as_ref().and_then(|_| state.journal.notable(sequence).cloned())
    }

    /// Tells it; the gate must not be locked.
    fn tell(&self, entry: Option<Entry>) {
        if let (Some(watch), Some(entry)) = (&self.watch, entry) {
            watch(entry);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to carry out one effect. Dropping it writes the journal.
#[must_use = "an effect whose permit is dropped is journaled as abandoned"]
pub struct Permit {
    gate: Arc<Gate>,
    sequence: u64,
    slot: Arc<str>,
    rehearse: bool,
    started: Instant,
    rows: Option<u64>,
    bytes: Option<u64>,
    outcome: EffectOutcome,
}

impl Permit {
    /// True when the effect must be worked out but not made.
    pub fn rehearse(&self) -> bool {
        self.rehearse
    }

    /// Counts `amount` of `what` (`rows`, `files`, `bytes` ...) against the slot's budget. Call it before the change,
    /// or where the amount is known only afterwards, before the change is made lasting.
    ///
    /// # Errors
    /// [`Refusal::OverBudget`]; nothing is counted then, and the effect is journaled as refused.
    pub fn charge(&mut self, what: &'static str, amount: u64) -> Result<(), Refusal> {
        let charged = self.gate.lock().budgets.charge(&self.slot, what, amount, &self.gate.written);
        if let Err(refusal) = &charged {
            self.outcome = EffectOutcome::refused(refusal);
        }
        charged
    }

    /// Lets in what the grant can judge only on the way: the address that a name resolves to, what a link points at.
    ///
    /// # Errors
    /// The verdict's refusal; the effect is journaled as refused.
    pub fn admit(&mut self, verdict: Result<(), Refusal>) -> Result<(), Refusal> {
        if let Err(refusal) = &verdict {
            self.outcome = EffectOutcome::refused(refusal);
        }
        verdict
    }

    /// Notes how many rows (or entries, or keys) the effect read or changed.
    pub fn rows(&mut self, rows: u64) {
        self.rows = Some(rows);
    }

    /// Notes how many bytes the effect moved, freed or wrote.
    pub fn bytes(&mut self, bytes: u64) {
        self.bytes = Some(bytes);
    }

    /// The effect was carried out, or rehearsed.
    pub fn succeed(mut self) {
        self.outcome = EffectOutcome::Done;
    }

    /// The effect failed; `error` must name no secret.
    pub fn fail(mut self, error: &dyn std::fmt::Display) {
        if !matches!(self.outcome, EffectOutcome::Refused(_)) {
            self.outcome = EffectOutcome::Failed(effect::bounded(&error.to_string()));
        }
    }

    /// [`succeed`](Self::succeed) or [`fail`](Self::fail) by what `result` is, which is handed on.
    ///
    /// # Errors
    /// Those of `result`.
    pub fn finish<T, E: std::fmt::Display>(self, result: Result<T, E>) -> Result<T, E> {
        match &result {
            Ok(_) => self.succeed(),
            Err(error) => self.fail(error),
        }
        result
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let duration = (self.gate.clock)().saturating_duration_since(self.started);
        let outcome = std::mem::replace(&mut self.outcome, EffectOutcome::Abandoned);
        let told = {
            let mut state = self.gate.lock();
            state.journal.close(self.sequence, outcome, self.rows, self.bytes, duration);
            self.gate.told(&state, self.sequence)
        };
        self.gate.tell(told);
    }
}

/// Microseconds, saturating.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(impact: Impact) -> Effect {
        Effect::new("files", "logs", "remove", impact, "a.log")
    }

    fn gate(mode: Mode) -> Arc<Gate> {
        Gate::new(mode, Budgets::default(), Instant::now)
    }

    #[test]
    fn a_rehearsal_performs_what_observes_and_rehearses_the_rest() {
        for (mode, impact, rehearse) in [
            (Mode::Perform, Impact::Observe, false),
            (Mode::Perform, Impact::Change, false),
            (Mode::Perform, Impact::Destroy, false),
            (Mode::Rehearse, Impact::Observe, false),
            (Mode::Rehearse, Impact::Change, true),
            (Mode::Rehearse, Impact::Destroy, true),
        ] {
            let permit = gate(mode).enter(effect(impact), Ok(())).unwrap();
            assert_eq!(permit.rehearse(), rehearse, "{mode:?} {impact:?}");
        }
    }

    #[test]
    fn every_call_is_journaled_with_what_became_of_it() {
        let gate = gate(Mode::Perform);
        let mut done = gate.enter(effect(Impact::Destroy), Ok(())).unwrap();
        done.bytes(7);
        done.succeed();
        gate.enter(effect(Impact::Change), Ok(())).unwrap().fail(&"no space");
        drop(gate.enter(effect(Impact::Change), Ok(())).unwrap());
        let refused = gate.enter(effect(Impact::Destroy), Err(Refusal::NotGranted("add `,delete`".into())));
        assert!(refused.is_err());
        let journal = gate.journal();
        let outcomes: Vec<_> = journal.entries().map(|entry| entry.outcome.name()).collect();
        assert_eq!(outcomes, ["done", "failed", "abandoned", "refused"]);
        assert_eq!(journal.entries().next().unwrap().bytes, Some(7));
    }

    #[test]
    fn who_watches_is_told_of_what_changed_failed_or_was_refused() {
        let (sender, told) = std::sync::mpsc::channel();
        let watch: Watch = Arc::new(move |entry| sender.send((entry.sequence, entry.outcome.name())).unwrap());
        let gate = Gate::of(Mode::Perform, Budgets::default(), Instant::now, Written::Flags, Some(watch));
        gate.enter(effect(Impact::Observe), Ok(())).unwrap().succeed();
        gate.enter(effect(Impact::Destroy), Ok(())).unwrap().succeed();
        gate.enter(effect(Impact::Observe), Ok(())).unwrap().fail(&"no such file");
        let refused = gate.enter(effect(Impact::Observe), Err(Refusal::NotGranted("not granted".into())));
        assert!(refused.is_err());
        drop(gate.enter(effect(Impact::Change), Ok(())).unwrap());
        let told: Vec<_> = told.try_iter().collect();
        assert_eq!(told, [(1, "done"), (2, "failed"), (3, "refused"), (4, "abandoned")]);
    }

    #[test]
    fn effects_are_timed_from_the_start_of_the_run() {
        let gate = gate(Mode::Perform);
        for _ in 0..2 {
            gate.enter(effect(Impact::Observe), Ok(())).unwrap().succeed();
        }
        let passed = gate.started.elapsed();
        let entries = gate.journal().into_entries();
        let ends: Vec<_> = entries.iter().map(|entry| entry.offset + entry.duration).collect();
        assert!(ends[0] <= entries[1].offset && ends[1] <= passed, "{ends:?} of {passed:?}");
    }

    #[test]
    fn what_is_refused_on_the_way_is_journaled_as_refused() {
        let gate = gate(Mode::Perform);
        let mut permit = gate.enter(effect(Impact::Observe), Ok(())).unwrap();
        permit.admit(Ok(())).unwrap();
        let refusal = permit.admit(Err(Refusal::NotGranted("a private address".into()))).unwrap_err();
        permit.fail(&refusal);
        let outcome = gate.journal().entries().next().unwrap().outcome.clone();
        assert_eq!(outcome, EffectOutcome::Refused("a private address".into()));
    }

    #[test]
    fn a_charge_over_budget_is_refused_and_counts_nothing() {
        let mut budgets = Budgets::default();
        budgets.set("logs", "files", 2);
        let gate = Gate::new(Mode::Perform, budgets, Instant::now);
        let mut permit = gate.enter(effect(Impact::Destroy), Ok(())).unwrap();
        permit.charge("files", 2).unwrap();
        let refusal = permit.charge("files", 1).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "slot `logs` has a budget of 2 files, 2 are used and this needs 1 more; raise it with --budget logs.files=3"
        );
        drop(permit);
        assert_eq!(gate.journal().entries().next().unwrap().outcome.name(), "refused");
    }
}
