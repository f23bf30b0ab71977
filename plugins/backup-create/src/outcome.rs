//! Why there is no backup. Pure.

use taskhost_sdk::{Failure, FailureKind};

/// Something is wrong with what was to be backed up, or with the place for it: a finding, critical.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    pub(crate) remedy: &'static str,
}

impl Wrong {
    pub(crate) fn new(title: &'static str, detail: impl Into<String>, remedy: &'static str) -> Self {
        Self { title, detail: detail.into(), remedy }
    }
}

/// Why there is no backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotMade {
    Wrong(Wrong),
    /// It was refused, ran out of its budget or time, or a server was away: the run's own outcome.
    Stopped(Failure),
}

impl From<Wrong> for NotMade {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

/// What a failed call makes of the backup: what only failed is found wrong, under that title.
pub(crate) fn not_made(title: &'static str, remedy: &'static str, failure: impl Into<Failure>) -> NotMade {
    let failure = failure.into();
    match failure.kind {
        FailureKind::Failed => Wrong::new(title, failure.message, remedy).into(),
        _ => NotMade::Stopped(failure),
    }
}

/// What could not be written to the directory of backups.
pub(crate) fn unwritten(failure: impl Into<Failure>) -> NotMade {
    not_made(
        "backup could not be written",
        "see the disk of the backups and the rights of the host's user; nothing half-written is left",
        failure,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_failed_is_a_finding() {
        for (kind, found) in [
            (FailureKind::Failed, true),
            (FailureKind::Refused, false),
            (FailureKind::OverBudget, false),
            (FailureKind::TimedOut, false),
            (FailureKind::Unavailable, false),
        ] {
            let outcome = unwritten(Failure { kind, message: "no space left".into() });
            assert_eq!(matches!(outcome, NotMade::Wrong(_)), found, "{kind:?}");
        }
    }
}
