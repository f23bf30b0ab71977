//! What earlier runs left: outcomes, findings, measurements, changes, and what people ticked.

use crate::bindings::exports::taskhost::host::task;
use crate::bindings::taskhost::host::history as wit;
use crate::parameters::is_kebab;
use crate::stream::Batched;
use crate::{Failure, FailureKind};

pub use wit::{Bounds, Change, Error, Finding, NextAction, Run, Sample, Series, Severity, Span, Tick};

/// A slot for a history. Make it a constant and name it in `#[task(slots = [...])]`.
#[derive(Clone, Copy, Debug)]
#[must_use = "name the slot in `#[task(slots = [...])]`"]
pub struct Slot {
    name: &'static str,
    why: &'static str,
    optional: bool,
}

impl Slot {
    /// `why` is shown to the operator who decides.
    ///
    /// # Panics
    /// While compiling, if the name is not kebab-case.
    pub const fn new(name: &'static str, why: &'static str) -> Self {
        assert!(is_kebab(name), "a slot's name is kebab-case: a to z, 0 to 9 and `-`, and a letter first");
        Self { name, why, optional: false }
    }

    /// Asks for reading, which is all that there is.
    pub const fn read(self) -> Self {
        self
    }

    /// The run can do without it.
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The series with samples in that time, by task, metric and subject.
    ///
    /// # Errors
    /// A refusal, a span that is none, or a history that cannot be read.
    pub async fn series(&self, span: Span) -> Result<Vec<Series>, Error> {
        wit::list_series(self.name.into(), span).await
    }

    /// The newest `limit` samples of one of them, the oldest first.
    ///
    /// # Errors
    /// As [`series`](Self::series).
    pub async fn samples(&self, series: &Series, span: Span, limit: u32) -> Result<Vec<Sample>, Error> {
        let Series { task, metric, subject, .. } = series;
        wit::samples(self.name.into(), task.clone(), metric.clone(), subject.clone(), span, limit).await
    }

    /// The runs that began in that time, the oldest first.
    ///
    /// # Errors
    /// As [`series`](Self::series).
    pub async fn runs(&self, span: Span) -> Result<Runs, Error> {
        let (runs, end) = wit::runs(self.name.into(), span).await?;
        Ok(Runs(Batched::new(runs, end)))
    }

    /// The findings that stood at some time in it, those that were resolved in it included; the newest first.
    ///
    /// # Errors
    /// As [`series`](Self::series).
    pub async fn findings(&self, span: Span) -> Result<Vec<Finding>, Error> {
        wit::findings(self.name.into(), span).await
    }

    /// What each task's last run in that time left to do.
    ///
    /// # Errors
    /// As [`series`](Self::series).
    pub async fn next_actions(&self, span: Span) -> Result<Vec<NextAction>, Error> {
        wit::next_actions(self.name.into(), span).await
    }

    /// What tasks did to the world in that time.
    ///
    /// # Errors
    /// As [`series`](Self::series).
    pub async fn changes(&self, span: Span) -> Result<Vec<Change>, Error> {
        wit::changes(self.name.into(), span).await
    }

    /// What people ticked in that time.
    ///
    /// # Errors
    /// As [`series`](Self::series).
    pub async fn ticks(&self, span: Span) -> Result<Vec<Tick>, Error> {
        wit::ticks(self.name.into(), span).await
    }

    #[doc(hidden)]
    pub fn describe(&self) -> task::Slot {
        task::Slot {
            name: self.name.into(),
            capability: "history".into(),
            access: vec!["read".into()],
            optional: self.optional,
            why: self.why.into(),
        }
    }
}

/// Of all tasks, from `since` on, in seconds since 1970, before `until`.
pub fn between(since: u64, until: u64) -> Span {
    Span { since, until: Some(until), tasks: vec![] }
}

/// Runs that come from the host in batches.
pub struct Runs(Batched<Run, u64, Error>);

impl Runs {
    /// The next, the oldest first.
    ///
    /// # Errors
    /// What cut them short.
    pub async fn next(&mut self) -> Result<Option<Run>, Error> {
        self.0.next().await
    }
}

impl std::fmt::Debug for Runs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runs").finish_non_exhaustive()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Refused(_) => FailureKind::Refused,
            Error::OverBudget(_) => FailureKind::OverBudget,
            Error::Unavailable(_) => FailureKind::Unavailable,
            Error::Invalid(_) => FailureKind::Failed,
        };
        Self { kind, message: message(&error) }
    }
}

/// An error for people.
pub fn message(error: &Error) -> String {
    match error {
        Error::Refused(message)
        | Error::OverBudget(message)
        | Error::Unavailable(message)
        | Error::Invalid(message) => message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_ends_the_run_in_its_outcome() {
        for (error, kind) in [
            (Error::Refused("no".into()), FailureKind::Refused),
            (Error::OverBudget("no".into()), FailureKind::OverBudget),
            (Error::Unavailable("no".into()), FailureKind::Unavailable),
            (Error::Invalid("no".into()), FailureKind::Failed),
        ] {
            assert_eq!(Failure::from(error), Failure { kind, message: "no".into() });
        }
    }
}
