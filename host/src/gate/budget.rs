//! How much a slot may change before the run is stopped.

use std::collections::BTreeMap;

use super::{Refusal, Written};

/// One slot's ceiling for one kind of thing, and how much of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most that may be changed.
    pub limit: u64,
    /// What has been changed so far.
    pub used: u64,
}

/// All budgets of a run, by slot and by what is counted. What has none is not limited.
#[derive(Clone, Debug, Default)]
pub struct Budgets(BTreeMap<String, BTreeMap<String, Budget>>);

impl Budgets {
    /// Sets the ceiling of `what` on `slot`.
    pub fn set(&mut self, slot: &str, what: &str, limit: u64) {
        self.0.entry(slot.into()).or_default().insert(what.into(), Budget { limit, used: 0 });
    }

    /// Each budget with its slot and what it counts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, Budget)> {
        self.0
            .iter()
            .flat_map(|(slot, kinds)| kinds.iter().map(|(what, budget)| (slot.as_str(), what.as_str(), *budget)))
    }

    pub(super) fn charge(&mut self, slot: &str, what: &str, amount: u64, written: &Written) -> Result<(), Refusal> {
        let Some(budget) = self.0.get_mut(slot).and_then(|kinds| kinds.get_mut(what)) else { return Ok(()) };
        let needed = budget.used.saturating_add(amount);
        if needed > budget.limit {
            return Err(Refusal::OverBudget(format!(
                "slot `{slot}` has a budget of {} {what}, {} are used and this needs {amount} more; {}",
                budget.limit,
                budget.used,
                written.raise(slot, what, needed)
            )));
        }
        budget.used = needed;
        Ok(())
    }
}
