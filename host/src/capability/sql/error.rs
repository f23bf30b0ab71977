//! What can go wrong in this room, and the one place that decides what of it a guest sees and what is a trap.

use std::fmt;

use super::bindings::taskhost::host::sql as wit;
use crate::capability::load::Overload;
use crate::gate::Refusal;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[expect(unreachable_pub, reason = "what a public type's trait gives back must be as public as the type")]
pub enum Error {
    /// The grant or the budget does not allow it.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The server cannot be reached, or the connection was lost.
    #[error("{0}")]
    Unavailable(String),
    /// A statement or a lock took too long.
    #[error("{0}")]
    TimedOut(String),
    /// The database's own error.
    #[error("{0}")]
    Database(Box<DatabaseError>),
    /// The dialect has no such operation.
    #[error("{0}")]
    Unsupported(String),
    /// The call makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Whoever waited for the answer has let go; nobody sees this.
    #[error("given up")]
    Abandoned,
    /// A bug of the host: a trap.
    #[error("{0}")]
    Bug(wasmtime::Error),
}

/// An error as the database told it.
#[derive(Clone, Debug, Default)]
pub(crate) struct DatabaseError {
    /// The SQLSTATE; for SQLite the extended result code.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// What it adds.
    pub detail: Option<String>,
    /// The constraint that was violated.
    pub constraint: Option<String>,
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)?;
        self.detail.iter().try_for_each(|detail| write!(f, ": {detail}"))
    }
}

/// The most bytes of a database's message that are handed on.
const MESSAGE_LIMIT: usize = 4096;

impl Error {
    /// A database's error with a code.
    pub(super) fn database(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Database(Box::new(DatabaseError { code: code.into(), message: message.into(), ..Default::default() }))
    }

    /// The same error, and where it came from (`line 12: ..`).
    pub(super) fn at(self, place: &str) -> Self {
        match self {
            Self::Database(mut error) => {
                error.message = format!("{place}: {}", error.message);
                Self::Database(error)
            }
            Self::Refused(Refusal::NotGranted(text)) => Refusal::NotGranted(format!("{place}: {text}")).into(),
            Self::TimedOut(text) => Self::TimedOut(format!("{place}: {text}")),
            Self::Invalid(text) => Self::Invalid(format!("{place}: {text}")),
            Self::Unsupported(text) => Self::Unsupported(format!("{place}: {text}")),
            Self::Unavailable(text) => Self::Unavailable(format!("{place}: {text}")),
            other @ (Self::Refused(_) | Self::Abandoned | Self::Bug(_)) => other,
        }
    }

    /// What the guest sees of it; an error where it is a bug, which traps.
    pub(super) fn into_guest(self) -> wasmtime::Result<wit::Error> {
        Ok(match self {
            Self::Refused(Refusal::NotGranted(text)) => wit::Error::Refused(text),
            Self::Refused(Refusal::OverBudget(text)) => wit::Error::OverBudget(text),
            Self::Unavailable(text) => wit::Error::Unavailable(text),
            Self::TimedOut(text) => wit::Error::TimedOut(text),
            Self::Database(error) => wit::Error::Database(wit::DatabaseError {
                code: error.code,
                message: clean(&error.message),
                detail: error.detail.as_deref().map(clean),
                constraint: error.constraint,
            }),
            Self::Unsupported(text) => wit::Error::Unsupported(text),
            Self::Invalid(text) => wit::Error::Invalid(text),
            Self::Abandoned => wit::Error::Unavailable("the call was given up".into()),
            Self::Bug(error) => return Err(crate::capability::fault(error)),
        })
    }
}

fn clean(text: &str) -> String {
    crate::policy::text::clean_paragraph(text, MESSAGE_LIMIT)
}

impl From<Overload> for Error {
    fn from(overload: Overload) -> Self {
        Self::Invalid(overload.to_string())
    }
}

impl From<wasmtime::component::ResourceTableError> for Error {
    fn from(error: wasmtime::component::ResourceTableError) -> Self {
        Self::Bug(error.into())
    }
}
