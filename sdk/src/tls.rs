//! The certificates that endpoints present.

use crate::bindings::exports::taskhost::host::task;
use crate::bindings::taskhost::host::tls as wit;
use crate::parameters::is_kebab;
use crate::{Failure, FailureKind, Result};

pub use wit::{Endpoint, Error, Handshake, Starttls};

/// A slot for endpoints. Make it a constant and name it in `#[task(slots = [...])]`.
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

    /// Asks for connecting, which is all that binding grants.
    pub const fn connect(self) -> Self {
        self
    }

    /// The run can do without it.
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The endpoints that the operator named exactly.
    ///
    /// # Errors
    /// An optional slot that is not bound.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>, Error> {
        wit::endpoints(self.name)
    }

    /// Connects, shakes hands and hangs up. A chain that is expired or not trusted is an answer, no error.
    ///
    /// # Errors
    /// An endpoint that is not granted, that nobody answers at, or that does not speak TLS.
    pub async fn handshake(&self, endpoint: &Endpoint, server_name: Option<&str>) -> Result<Handshake, Error> {
        wit::connect(self.name.into(), endpoint.clone(), server_name.map(Into::into)).await
    }

    #[doc(hidden)]
    pub fn describe(&self) -> task::Slot {
        task::Slot {
            name: self.name.into(),
            capability: "tls".into(),
            access: vec!["connect".into()],
            optional: self.optional,
            why: self.why.into(),
        }
    }
}

/// As it is granted: `example.org:443`, `smtp://mail.example.org:25`, `[::1]:443`.
impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = match self.starttls {
            Starttls::None => "",
            Starttls::Smtp => "smtp://",
            Starttls::Imap => "imap://",
            Starttls::Postgres => "postgres://",
        };
        let (host, port) = (&self.host, self.port);
        if host.contains(':') { write!(f, "{scheme}[{host}]:{port}") } else { write!(f, "{scheme}{host}:{port}") }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Refused(_) => FailureKind::Refused,
            Error::OverBudget(_) => FailureKind::OverBudget,
            Error::Unavailable(_) => FailureKind::Unavailable,
            Error::TimedOut(_) => FailureKind::TimedOut,
            Error::Handshake(_) | Error::Invalid(_) => FailureKind::Failed,
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
        | Error::TimedOut(message)
        | Error::Handshake(message)
        | Error::Invalid(message) => message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_shown_as_it_is_granted() {
        for (host, starttls, shown) in [
            ("example.org", Starttls::None, "example.org:443"),
            ("::1", Starttls::None, "[::1]:443"),
            ("example.org", Starttls::Postgres, "postgres://example.org:443"),
        ] {
            assert_eq!(Endpoint { host: host.into(), port: 443, starttls }.to_string(), shown);
        }
    }

    #[test]
    fn every_error_ends_the_run_in_its_outcome() {
        for (error, kind) in [
            (Error::Refused("no".into()), FailureKind::Refused),
            (Error::OverBudget("no".into()), FailureKind::OverBudget),
            (Error::Unavailable("no".into()), FailureKind::Unavailable),
            (Error::TimedOut("no".into()), FailureKind::TimedOut),
            (Error::Handshake("no".into()), FailureKind::Failed),
            (Error::Invalid("no".into()), FailureKind::Failed),
        ] {
            assert_eq!(Failure::from(error), Failure { kind, message: "no".into() });
        }
    }
}
