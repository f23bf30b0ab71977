//! Why a task could not do its work.

use crate::bindings::exports::taskhost::host::task;

/// What a task returns.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Which outcome the run ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The task could not do its work.
    Failed,
    /// The gate or a grant refused a call that the task cannot do without.
    Refused,
    /// A budget did not suffice.
    OverBudget,
    /// A server could not be reached.
    Unavailable,
    /// A statement, a lock or a connection took too long.
    TimedOut,
    /// The parameters do not make sense together.
    InvalidParameters,
}

/// Why a task could not do its work, for people, and the outcome it ends in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The outcome.
    pub kind: FailureKind,
    /// A lower-case fragment that names the thing and the way out.
    pub message: String,
}

impl Failure {
    /// The task could not do its work.
    pub fn new(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Failed, message: message.into() }
    }

    /// The parameters do not make sense together.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::InvalidParameters, message: message.into() }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for task::Failure {
    fn from(failure: Failure) -> Self {
        let kind = match failure.kind {
            FailureKind::Failed => task::FailureKind::Failed,
            FailureKind::Refused => task::FailureKind::Refused,
            FailureKind::OverBudget => task::FailureKind::OverBudget,
            FailureKind::Unavailable => task::FailureKind::Unavailable,
            FailureKind::TimedOut => task::FailureKind::TimedOut,
            FailureKind::InvalidParameters => task::FailureKind::InvalidParameters,
        };
        Self { kind, message: failure.message }
    }
}

/// Says what was being done when it failed.
pub trait Context<T> {
    /// Puts `doing` before the message: `reading app.log: not found`.
    ///
    /// # Errors
    /// The same failure, with more to say.
    fn context(self, doing: impl std::fmt::Display) -> Result<T>;
}

impl<T, E: Into<Failure>> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: impl std::fmt::Display) -> Result<T> {
        self.map_err(|error| {
            let failure: Failure = error.into();
            Failure { message: format!("{doing}: {}", failure.message), ..failure }
        })
    }
}

/// Ends the task with a [`Failure`] of the words given, as `format!` takes them.
///
/// ```
/// use taskhost_sdk::prelude::*;
///
/// fn check(warn_days: u32, critical_days: u32) -> Result<()> {
///     if critical_days > warn_days {
///         bail!("critical-days ({critical_days}) is more than warn-days ({warn_days})");
///     }
///     Ok(())
/// }
/// assert_eq!(check(7, 30).unwrap_err().message, "critical-days (30) is more than warn-days (7)");
/// ```
#[macro_export]
macro_rules! bail {
    ($($words:tt)+) => {
        return ::core::result::Result::Err($crate::Failure::new(::std::format!($($words)+)))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_being_done_comes_before_the_message_and_the_outcome_stays() {
        let refused = Failure { kind: FailureKind::Refused, message: "slot `logs` does not grant delete".into() };
        let failure = Err::<(), _>(refused).context("removing a.log").unwrap_err();
        assert_eq!(failure.to_string(), "removing a.log: slot `logs` does not grant delete");
        assert_eq!(failure.kind, FailureKind::Refused);
    }
}
