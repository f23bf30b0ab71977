//! What can stand against a history.

use super::Target;

/// Why a history cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the history {place}: {message}")]
pub struct Error {
    /// Where it is kept, without a password.
    pub place: String,
    /// What stands against it.
    pub message: String,
}

/// The same before it is known of which history it is.
#[derive(Debug)]
pub(super) enum Fault {
    /// What the database says.
    Sql(sqlx::Error),
    /// What the host says.
    Said(String),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self::Said(message)
    }
}

impl Fault {
    pub(super) fn at(self, target: &Target) -> Error {
        let message = match self {
            Self::Said(message) => message,
            Self::Sql(sqlx::Error::Database(error)) => error.message().to_owned(),
            Self::Sql(error) => error.to_string(),
        };
        Error { place: target.shown(), message: crate::policy::text::clean_line(&message, 1000) }
    }
}
