//! What becomes of an error: here and nowhere else it is decided whether the guest is told, or the run ends in a trap.

use super::bindings;
use crate::capability::trust::NoRoots;
use crate::gate::Refusal;

/// Why an endpoint's certificates could not be had.
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
    TimedOut(String),
    #[error("{0}")]
    Handshake(String),
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

impl From<NoRoots> for Error {
    fn from(error: NoRoots) -> Self {
        match error {
            NoRoots::File(reason) => Self::Invalid(reason),
            NoRoots::Fault(error) => Self::Trap(error.into()),
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
            Self::TimedOut(reason) => bindings::Error::TimedOut(reason),
            Self::Handshake(reason) => bindings::Error::Handshake(reason),
            Self::Invalid(reason) => bindings::Error::Invalid(reason),
            Self::Trap(error) => return Err(crate::capability::fault(error)),
        })
    }
}
