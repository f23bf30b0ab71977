//! What becomes of an error: here and nowhere else it is decided whether the guest is told, or the run ends in a trap.

use super::bindings;
use crate::gate::Refusal;

/// Why the machine could not be looked at.
#[derive(Debug, thiserror::Error)]
#[expect(unreachable_pub, reason = "what a public type's trait gives back must be as public as the type")]
pub enum Error {
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    OverBudget(String),
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Invalid(String),
    /// A bug of the host: the run ends.
    #[error("{0}")]
    Trap(wasmtime::Error),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotGranted(reason) => Self::Refused(reason),
            Refusal::OverBudget(reason) => Self::OverBudget(reason),
        }
    }
}

impl From<wasmtime::Error> for Error {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

impl Error {
    /// The error as the guest sees it, or the trap.
    pub(super) fn for_guest(self) -> wasmtime::Result<bindings::Error> {
        Ok(match self {
            Self::Refused(reason) => bindings::Error::Refused(reason),
            Self::OverBudget(reason) => bindings::Error::OverBudget(reason),
            Self::Unavailable(reason) => bindings::Error::Unavailable(reason),
            Self::Invalid(reason) => bindings::Error::Invalid(reason),
            Self::Trap(error) => return Err(crate::capability::fault(error)),
        })
    }
}
