//! What becomes of an error: here and nowhere else it is decided whether the guest is told, or the run ends in a trap.

use super::bindings;
use crate::capability::load::Overload;
use crate::gate::Refusal;

/// Why something could not be remembered, or recalled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    OverBudget(String),
    #[error("{0}")]
    Changed(String),
    #[error("{0}")]
    Full(String),
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Invalid(String),
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

impl Error {
    /// The error as the guest sees it. None of them ends the run.
    pub(super) fn for_guest(self) -> bindings::Error {
        match self {
            Self::Refused(reason) => bindings::Error::Refused(reason),
            Self::OverBudget(reason) => bindings::Error::OverBudget(reason),
            Self::Changed(reason) => bindings::Error::Changed(reason),
            Self::Full(reason) => bindings::Error::Full(reason),
            Self::Unavailable(reason) => bindings::Error::Unavailable(reason),
            Self::Invalid(reason) => bindings::Error::Invalid(reason),
        }
    }
}
