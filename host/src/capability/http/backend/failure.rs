//! What went wrong on the way to a place and back, told apart and named for people. No message holds a query, a header or
//! a body.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io;

use rustls::AlertDescription;

use super::super::error::Error;
use super::super::location::Location;
use super::secure::Identified;
use super::{BUFFER, MOST_HEADERS, Patience};
use crate::capability::network::Unreached;
use crate::capability::trust::reason;

/// A place on its way to which something may go wrong.
#[derive(Clone, Debug)]
pub(super) struct Place {
    name: String,
    patience: Patience,
}

impl Place {
    pub(super) fn new(location: &Location, patience: Patience) -> Self {
        Self { name: location.place(), patience }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The result of `work`, or a time-out of `stage`.
    pub(super) async fn within<T>(&self, stage: &str, work: impl Future<Output = T>) -> Result<T, Error> {
        tokio::time::timeout_at(self.patience.deadline, work).await.map_err(|_| self.late(stage))
    }

    pub(super) fn late(&self, stage: &str) -> Error {
        Error::TimedOut(format!("{}: {stage} did not end within {}", self.name, self.limit()))
    }

    fn limit(&self) -> String {
        let total = self.patience.total;
        let shown = if total.subsec_millis() == 0 {
            format!("{}s", total.as_secs())
        } else {
            format!("{} ms", total.as_millis())
        };
        if self.patience.of_guest { shown } else { format!("{shown}; `timeout` allows more") }
    }

    pub(super) fn unreached(&self, unreached: &Unreached) -> Error {
        let name = &self.name;
        match unreached {
            Unreached::Failed(address, error) => {
                Error::Unavailable(format!("{name}: no connection to {address}: {error}"))
            }
            Unreached::Silent(address) => {
                Error::TimedOut(format!("{name}: {address} did not answer within {}", self.limit()))
            }
            Unreached::Nothing => Error::Unavailable(format!("{name} has no address")),
        }
    }

    pub(super) fn lost(&self, error: &dyn Display) -> Error {
        Error::Unavailable(format!("{}: the connection was lost: {error}", self.name))
    }

    /// A TLS handshake that failed.
    pub(super) fn unsecured(&self, error: &io::Error) -> Error {
        match of_tls(error) {
            Some(error) => self.untrusted(error),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Error::Tls(format!("{}: the connection was closed during the TLS handshake", self.name))
            }
            None => self.lost(error),
        }
    }

    fn untrusted(&self, error: &rustls::Error) -> Error {
        use AlertDescription as A;
        let name = &self.name;
        Error::Tls(match error {
            rustls::Error::InvalidCertificate(_) => {
                format!("{name}: the server's certificate is not trusted: {}", reason(error))
            }
            rustls::Error::InvalidMessage(_) => format!("{name} does not speak TLS"),
            rustls::Error::AlertReceived(A::CertificateRequired) => {
                format!("{name} asks for a client certificate, and got none; the grant's `cert` and `key` name one")
            }
            rustls::Error::AlertReceived(A::NoApplicationProtocol) => format!("{name} does not offer HTTP/1.1"),
            rustls::Error::AlertReceived(alert) => format!("{name}: the server ended TLS with the alert {alert:?}"),
            error => format!("{name}: TLS failed: {error}"),
        })
    }

    /// A request that came to no answer. A server that is not content with who the client is may close the connection
    /// faster than its reason is read.
    pub(super) fn unanswered(&self, error: &hyper::Error, identified: Identified) -> Error {
        let name = &self.name;
        match (self.broken(error), identified) {
            (Error::Unavailable(_), Identified::Asked) => Error::Tls(format!(
                "{name} asks for a client certificate, and closed the connection; the grant's `cert` and `key` name one"
            )),
            (Error::Unavailable(_), Identified::Presented) => Error::Tls(format!(
                "{name} closed the connection after the client certificate was presented; it may not accept it"
            )),
            (error, _) => error,
        }
    }

    /// An exchange that failed.
    pub(super) fn broken(&self, error: &hyper::Error) -> Error {
        let name = &self.name;
        let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
        let mut io = None;
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref::<io::Error>() {
                io = Some(found);
            }
            cause = error.source();
        }
        if let Some(error) = io.and_then(of_tls) {
            return self.untrusted(error);
        }
        if error.is_parse_too_large() {
            let size = BUFFER >> 10;
            return Error::Protocol(format!(
                "{name}: the head of the answer has more than {size} KiB or {MOST_HEADERS} headers"
            ));
        }
        if error.is_parse() {
            return Error::Protocol(format!("{name}: the answer is no HTTP/1.1: {error}"));
        }
        if let Some(error) = io
            && error.kind() != io::ErrorKind::UnexpectedEof
        {
            // A chunk's length, for one, is read where the error's type has no word for it.
            return match error.kind() {
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                    Error::Protocol(format!("{name}: the answer is no HTTP/1.1: {error}"))
                }
                _ => self.lost(error),
            };
        }
        Error::Unavailable(format!("{name}: the connection was closed before the answer was whole"))
    }
}

fn of_tls(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
