//! How a run ended, and the exit code that says so.

use serde::{Deserialize, Serialize};

use super::Severity;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done, and nothing found that is out of order.
    Ok,
    /// Done; the worst finding is a warning.
    Warning,
    /// Done; the worst finding is critical.
    Critical,
    /// The plugin could not do its work.
    Failed,
    /// The plugin broke: a trap, an exit, out of memory.
    Trapped,
    /// A grant or the gate refused what the plugin cannot do without.
    Refused,
    /// Its budget did not suffice.
    OverBudget,
    /// It took longer than it may.
    TimedOut,
    /// A server could not be reached.
    Unavailable,
    /// Someone stopped it.
    Cancelled,
    /// It was not begun: bad usage, a bad plugin, a wrong parameter.
    Invalid,
    /// A fault of the host's own.
    HostFault,
    /// The host ended before it did: only a history says so.
    Interrupted,
}

impl Outcome {
    /// By the worst finding.
    pub fn of(worst: Option<Severity>) -> Self {
        match worst {
            None | Some(Severity::Ok) => Self::Ok,
            Some(Severity::Warning) => Self::Warning,
            Some(Severity::Critical) => Self::Critical,
        }
    }

    /// As monitoring plugins have it: 0 ok, 1 warning, 2 critical, 3 unknown.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            _ => 3,
        }
    }

    /// Its name in reports, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Failed => "failed",
            Self::Trapped => "trapped",
            Self::Refused => "refused",
            Self::OverBudget => "over budget",
            Self::TimedOut => "timed out",
            Self::Unavailable => "unavailable",
            Self::Cancelled => "cancelled",
            Self::Invalid => "not run",
            Self::HostFault => "host fault",
            Self::Interrupted => "interrupted",
        }
    }
}
