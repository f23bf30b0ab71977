//! A run's effects in order.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::ser::SerializeStruct as _;

use super::{Effect, Impact, Refusal, micros};

/// What the gate answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Carried out.
    Perform,
    /// Worked out, and not made.
    Rehearse,
    /// Not let through.
    Refuse,
}

impl Decision {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Perform => "perform",
            Self::Rehearse => "rehearse",
            Self::Refuse => "refuse",
        }
    }
}

/// What became of an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EffectOutcome {
    /// Carried out or rehearsed.
    Done,
    /// Tried, and failed with this error.
    Failed(String),
    /// Not let through, for this reason.
    Refused(String),
    /// Begun, and given up before its end: the handle was dropped, or the run was stopped.
    Abandoned,
}

impl EffectOutcome {
    /// A refusal, whose reason may quote the guest.
    pub(super) fn refused(refusal: &Refusal) -> Self {
        Self::Refused(super::effect::bounded(&refusal.to_string()))
    }

    /// Its name in the report.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed(_) => "failed",
            Self::Refused(_) => "refused",
            Self::Abandoned => "abandoned",
        }
    }

    /// Why it failed or was refused.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Failed(reason) | Self::Refused(reason) => Some(reason),
            Self::Done | Self::Abandoned => None,
        }
    }
}

/// One line of the journal.
#[derive(Clone, Debug)]
pub struct Entry {
    /// From 0, in the order in which the effects entered; numbers of entries that were not kept are left out.
    pub sequence: u64,
    /// What was asked.
    pub effect: Effect,
    /// What the gate answered.
    pub decision: Decision,
    /// What became of it.
    pub outcome: EffectOutcome,
    /// Rows, entries or keys read or changed.
    pub rows: Option<u64>,
    /// Bytes moved, freed or written.
    pub bytes: Option<u64>,
    /// From the run's start to entering. For traces: neither the JSON report nor a history has it.
    pub offset: Duration,
    /// From entering to the end.
    pub duration: Duration,
}

impl serde::Serialize for Entry {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entry = serializer.serialize_struct("Effect", 12)?;
        entry.serialize_field("seq", &self.sequence)?;
        entry.serialize_field("capability", &self.effect.capability)?;
        entry.serialize_field("slot", &*self.effect.slot)?;
        entry.serialize_field("operation", &self.effect.operation)?;
        entry.serialize_field("impact", &self.effect.impact)?;
        entry.serialize_field("target", &self.effect.target)?;
        entry.serialize_field("decision", &self.decision)?;
        entry.serialize_field("outcome", self.outcome.name())?;
        entry.serialize_field("reason", &self.outcome.reason())?;
        entry.serialize_field("rows", &self.rows)?;
        entry.serialize_field("bytes", &self.bytes)?;
        entry.serialize_field("duration_us", &micros(self.duration))?;
        entry.end()
    }
}

/// A run's effects in order, bounded: a plugin that makes millions of calls cannot fill the host's memory. What changes
/// the world is kept longest; what is not kept is counted.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    entries: BTreeMap<u64, Entry>,
    next: u64,
    observed: usize,
    changed: usize,
    left_out: u64,
}

/// Observing and refused effects kept.
const OBSERVED_LIMIT: usize = 10_000;
/// Changing and destroying effects kept.
const CHANGED_LIMIT: usize = 100_000;

impl Journal {
    /// The entries kept, in order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The entries kept, in order.
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries.into_values().collect()
    }

    /// Effects that entered and are not among the entries.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(super) fn open(
        &mut self,
        effect: Effect,
        decision: Decision,
        refusal: Option<&Refusal>,
        offset: Duration,
    ) -> u64 {
        let sequence = self.next;
        self.next += 1;
        let kept = if effect.impact == Impact::Observe || decision == Decision::Refuse {
            self.observed += 1;
            self.observed <= OBSERVED_LIMIT
        } else {
            self.changed += 1;
            self.changed <= CHANGED_LIMIT
        };
        if kept {
            let outcome = refusal.map_or(EffectOutcome::Abandoned, EffectOutcome::refused);
            let (rows, bytes, duration) = (None, None, Duration::ZERO);
            let entry = Entry { sequence, effect, decision, outcome, rows, bytes, offset, duration };
            self.entries.insert(sequence, entry);
        } else {
            self.left_out += 1;
        }
        sequence
    }

    pub(super) fn close(
        &mut self,
        sequence: u64,
        outcome: EffectOutcome,
        rows: Option<u64>,
        bytes: Option<u64>,
        duration: Duration,
    ) {
        if let Some(entry) = self.entries.get_mut(&sequence) {
            entry.outcome = outcome;
            entry.rows = rows;
            entry.bytes = bytes;
            entry.duration = duration;
        }
    }

    /// The entry with that number, if it was kept and is one that people wait for: it changed the world, or was kept from
    /// what it wanted.
    pub(super) fn notable(&self, sequence: u64) -> Option<&Entry> {
        let notable = |entry: &&Entry| entry.effect.impact != Impact::Observe || entry.outcome != EffectOutcome::Done;
        self.entries.get(&sequence).filter(notable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_reads_does_not_push_out_what_changed_the_world() {
        let mut journal = Journal::default();
        for _ in 0..OBSERVED_LIMIT + 5 {
            let read = Effect::new("sql", "database", "query", Impact::Observe, "SELECT 1");
            journal.open(read, Decision::Perform, None, Duration::ZERO);
        }
        let change = Effect::new("sql", "database", "execute", Impact::Destroy, "DELETE FROM t");
        let sequence = journal.open(change, Decision::Perform, None, Duration::ZERO);
        assert_eq!(journal.left_out(), 5);
        assert_eq!(journal.entries().last().unwrap().sequence, sequence);
    }
}
