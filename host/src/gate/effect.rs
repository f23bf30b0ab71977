//! What a capability call does, described for the gate and for people.

use std::borrow::Cow;
use std::sync::Arc;

/// What a call does to the world.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Impact {
    /// Reads; the world is the same afterwards.
    Observe,
    /// Adds or alters; what was there can be had again.
    Change,
    /// Removes; what was there is gone.
    Destroy,
}

impl Impact {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Change => "change",
            Self::Destroy => "destroy",
        }
    }
}

/// One capability call, as it enters the gate.
#[derive(Clone, Debug)]
pub struct Effect {
    /// The room's name.
    pub capability: Cow<'static, str>,
    /// The slot it goes through.
    pub slot: Arc<str>,
    /// The operation's name in the contract.
    pub operation: Cow<'static, str>,
    /// What it does to the world.
    pub impact: Impact,
    /// What it is done to, for people: a path, a table, a statement without its parameters. Never a secret.
    pub target: String,
}

impl Effect {
    /// An effect whose texts are bounded and cleaned of control characters: both are a guest's words, the slot's name
    /// too where none of that name is bound.
    pub fn new(
        capability: &'static str,
        slot: impl Into<Arc<str>>,
        operation: &'static str,
        impact: Impact,
        target: &str,
    ) -> Self {
        let slot: Arc<str> = slot.into();
        let cleaned = bounded(&slot);
        let slot = if *cleaned == *slot { slot } else { cleaned.into() };
        Self { capability: capability.into(), slot, operation: operation.into(), impact, target: bounded(target) }
    }
}

/// The most bytes of a target or an error that the journal keeps.
const TEXT_LIMIT: usize = 512;

/// `text` on one line, without control characters, cut at the journal's limit.
pub(super) fn bounded(text: &str) -> String {
    crate::policy::text::clean_line(text, TEXT_LIMIT)
}
