//! What becomes of an error: here and nowhere else it is decided whether the guest is told, or the run ends in a trap.

use super::bindings;
use crate::capability::load::Overload;
use crate::gate::Refusal;

/// Why something could not be done. No message shows a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    Incomplete(String),
    #[error("{code}: {message}")]
    Server { code: String, message: String },
    #[error("{0}")]
    Unsupported(String),
    #[error("{0}")]
    Invalid(String),
    /// The guest let go, or the run is over: nobody reads this.
    #[error("given up")]
    GivenUp,
    /// A bug of the host: the run ends.
    #[error("{0}")]
    Trap(String),
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
        Self::Trap(error.to_string())
    }
}

/// What a server's error means for whoever runs the task, beside what the server says itself.
const HINTS: &[(&str, &str)] = &[
    ("NOAUTH", "the server asks for a password; put it into the slot's URL, as in redis://USER:PASSWORD@HOST"),
    ("WRONGPASS", "the user or the password in the slot's URL is wrong, or the user is off"),
    ("NOPERM", "the server's ACL does not let the slot's user do this"),
    ("READONLY", "this is a read-only replica; bind the slot to the master"),
    ("OOM", "the server is at its maxmemory and may evict nothing; free some, or raise maxmemory"),
    ("MISCONF", "the server cannot save to disk and takes no writes; see its log and its disk"),
    ("WRONGTYPE", "the key holds another kind of value"),
    ("MOVED", "the key is on another node of the cluster; bind the slot to that node"),
    ("ASK", "the key is moving to another node of the cluster; try again later"),
    ("CROSSSLOT", "the keys are in different slots of the cluster; pass them one by one"),
];

impl Error {
    /// What a server answered instead of a reply.
    pub(super) fn server(code: &str, said: &str) -> Self {
        let said = crate::policy::text::clean_line(said, 512);
        match code {
            "LOADING" => Self::Unavailable(format!("the server is loading its data and answers later: {said}")),
            "MASTERDOWN" => Self::Unavailable(format!("the replica has lost its master and answers later: {said}")),
            "BUSY" => Self::Unavailable(format!("the server is busy with a script and answers later: {said}")),
            "ERR" if said.starts_with("unknown command") || said.starts_with("unknown subcommand") => {
                Self::Unsupported(format!("the server has no such command: {said}"))
            }
            "ERR" if said.starts_with("max number of clients") => {
                Self::Unavailable(format!("the server takes no more connections: {said}"))
            }
            _ => {
                let hint = HINTS.iter().find(|(known, _)| *known == code).map(|(_, hint)| *hint);
                let message = match hint {
                    Some(hint) if said.is_empty() => hint.to_owned(),
                    Some(hint) => format!("{hint}: {said}"),
                    None => said,
                };
                Self::Server { code: code.into(), message }
            }
        }
    }

    /// What the guest is told.
    ///
    /// # Errors
    /// A bug of the host, which ends the run.
    pub(super) fn for_guest(self) -> wasmtime::Result<bindings::Error> {
        Ok(match self {
            Self::Refused(reason) => bindings::Error::Refused(reason),
            Self::OverBudget(reason) => bindings::Error::OverBudget(reason),
            Self::Unavailable(reason) => bindings::Error::Unavailable(reason),
            Self::TimedOut(reason) => bindings::Error::TimedOut(reason),
            Self::Incomplete(reason) => bindings::Error::Incomplete(reason),
            Self::Server { code, message } => bindings::Error::Server(bindings::ServerError { code, message }),
            Self::Unsupported(reason) => bindings::Error::Unsupported(reason),
            Self::Invalid(reason) => bindings::Error::Invalid(reason),
            Self::GivenUp => bindings::Error::Unavailable("the run is over".into()),
            Self::Trap(reason) => return Err(wasmtime::Error::msg(reason)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_answers_is_told_apart_by_its_code_with_the_way_out() {
        for (code, said, expected) in [
            (
                "LOADING",
                "Redis is loading the dataset in memory",
                "the server is loading its data and answers later: Redis is loading the dataset in memory",
            ),
            (
                "WRONGTYPE",
                "Operation against a key",
                "WRONGTYPE: the key holds another kind of value: Operation against a key",
            ),
            (
                "NOAUTH",
                "Authentication required.",
                "NOAUTH: the server asks for a password; put it into the slot's URL, as in redis://USER:PASSWORD@HOST: Authentication required.",
            ),
            (
                "READONLY",
                "You can't write",
                "READONLY: this is a read-only replica; bind the slot to the master: You can't write",
            ),
            ("ERR", "unknown command 'EXPIRETIME'", "the server has no such command: unknown command 'EXPIRETIME'"),
            ("ERR", "syntax\nerror", "ERR: syntax error"),
        ] {
            assert_eq!(Error::server(code, said).to_string(), expected);
        }
        assert!(matches!(Error::server("LOADING", ""), Error::Unavailable(_)));
        assert!(matches!(Error::server("ERR", "unknown command 'X'"), Error::Unsupported(_)));
        assert!(matches!(Error::server("OOM", ""), Error::Server { code, .. } if code == "OOM"));
    }
}
