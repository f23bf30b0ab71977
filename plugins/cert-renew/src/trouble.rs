//! What stands in the way of a change.

use taskhost_sdk::prelude::*;

/// Why something was not done.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It was tried, and did not work: a finding.
    Broken(String),
    /// It was not let: the run's own outcome.
    Stopped(Failure),
}

impl Trouble {
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Broken(message) => message,
            Self::Stopped(failure) => &failure.message,
        }
    }

    /// The failure that ends the run, if it is one.
    pub(crate) fn stopped(self) -> Result<String> {
        match self {
            Self::Broken(message) => Ok(message),
            Self::Stopped(failure) => Err(failure),
        }
    }
}

impl From<files::Error> for Trouble {
    fn from(error: files::Error) -> Self {
        match error {
            files::Error::Refused(_) | files::Error::OverBudget(_) => Self::Stopped(error.into()),
            error => Self::Broken(files::message(&error)),
        }
    }
}

impl From<docker::Error> for Trouble {
    fn from(error: docker::Error) -> Self {
        match error {
            docker::Error::Refused(_) | docker::Error::OverBudget(_) => Self::Stopped(error.into()),
            error => Self::Broken(docker::message(&error)),
        }
    }
}

impl From<tls::Error> for Trouble {
    fn from(error: tls::Error) -> Self {
        match error {
            tls::Error::Refused(_) | tls::Error::OverBudget(_) => Self::Stopped(error.into()),
            error => Self::Broken(tls::message(&error)),
        }
    }
}

impl From<command::Error> for Trouble {
    fn from(error: command::Error) -> Self {
        match error {
            command::Error::Refused(_) | command::Error::OverBudget(_) => Self::Stopped(error.into()),
            error => Self::Broken(command::message(&error)),
        }
    }
}
