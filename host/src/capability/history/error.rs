//! What becomes of an error: here and nowhere else it is decided whether the guest is told, or the run ends in a trap.

use super::bindings;
use crate::capability::load::Overload;
use crate::gate::Refusal;

/// Why something of the past was not told.
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
    /// The guest let go of the stream, or the run is over.
    #[error("the stream was let go before its end")]
    Abandoned,
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

impl From<Overload> for Error {
    fn from(overload: Overload) -> Self {
        Self::Invalid(overload.to_string())
    }
}

impl From<crate::history::Error> for Error {
    fn from(error: crate::history::Error) -> Self {
        Self::Unavailable(error.to_string())
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
            Self::Abandoned => bindings::Error::Invalid(Self::Abandoned.to_string()),
            Self::Trap(error) => return Err(crate::capability::fault(error)),
        })
    }
}
