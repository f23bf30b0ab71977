//! What becomes of an error: here and nowhere else it is decided whether the guest is told, or the run ends in a trap.

use super::bindings;
use crate::capability::load::Overload;
use crate::gate::Refusal;

/// Why the engine did not do something.
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
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    #[error("the engine answered {status}: {message}")]
    Engine { status: u16, message: String },
    #[error("{0}")]
    Unsupported(String),
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

impl From<wasmtime::Error> for Error {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

impl From<wasmtime::component::ResourceTableError> for Error {
    fn from(error: wasmtime::component::ResourceTableError) -> Self {
        Self::Trap(error.into())
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
            Self::NotFound(reason) => bindings::Error::NotFound(reason),
            Self::Conflict(reason) => bindings::Error::Conflict(reason),
            Self::Engine { status, message } => bindings::Error::Engine(bindings::EngineError { status, message }),
            Self::Unsupported(reason) => bindings::Error::Unsupported(reason),
            Self::Invalid(reason) => bindings::Error::Invalid(reason),
            Self::Abandoned => bindings::Error::Invalid(Self::Abandoned.to_string()),
            Self::Trap(error) => return Err(crate::capability::fault(error)),
        })
    }
}
