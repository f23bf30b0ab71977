//! What becomes of an error: here and nowhere else it is decided whether the guest is told, or the run ends in a trap.

use std::io;

use rustix::io::Errno;

use super::bindings;
use crate::capability::load::Overload;
use crate::gate::Refusal;
use crate::policy::path::PathError;

/// Why something could not be done with a file.
#[derive(Debug, thiserror::Error)]
#[expect(unreachable_pub, reason = "what a public type's trait gives back must be as public as the type")]
pub enum Error {
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    OverBudget(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    AlreadyExists(String),
    #[error("{0}")]
    WrongKind(String),
    #[error("{0}")]
    NoSpace(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Io(String),
    /// The guest let go, or the run is over: nobody reads this.
    #[error("given up")]
    GivenUp,
    /// A bug of the host: the run ends.
    #[error("{0}")]
    Trap(wasmtime::Error),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotGranted(reason) => Self::Refused(reason),
            Refusal::OverBudget(reason) => Self::OverBudget(reason),
        }
    }
}

impl From<PathError> for Error {
    fn from(error: PathError) -> Self {
        if error.escapes() { Self::Refused(error.to_string()) } else { Self::Invalid(error.to_string()) }
    }
}

impl From<Overload> for Error {
    fn from(overload: Overload) -> Self {
        Self::Invalid(overload.to_string())
    }
}

impl From<wasmtime::Error> for Error {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

impl Error {
    /// What the system said when the host tried to `act` (`read`, `remove` ...) on `subject`.
    pub(super) fn system(act: &str, subject: &dyn std::fmt::Display, error: &io::Error) -> Self {
        let Some(errno) = Errno::from_io_error(error) else {
            // Not from the system: cap-std found that the path leaves the root.
            return match error.kind() {
                io::ErrorKind::PermissionDenied => Self::Refused(format!("`{subject}` leaves the slot's directory")),
                _ => Self::Io(format!("failed to {act} `{subject}`: {error}")),
            };
        };
        match errno {
            Errno::NOENT => Self::NotFound(format!("`{subject}` does not exist")),
            Errno::EXIST => Self::AlreadyExists(format!("`{subject}` exists already")),
            Errno::NOTDIR => Self::WrongKind(format!("`{subject}`: a directory is needed where there is none")),
            Errno::ISDIR => Self::WrongKind(format!("`{subject}` is a directory")),
            Errno::NOTEMPTY => Self::WrongKind(format!("`{subject}` is a directory that is not empty")),
            Errno::LOOP => Self::Refused(format!("`{subject}` leads through a link that is not followed")),
            Errno::NAMETOOLONG => Self::Invalid(format!("`{subject}` has a name that is too long")),
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG => {
                Self::NoSpace(format!("failed to {act} `{subject}`: {}: {}", name(errno), described(errno)))
            }
            errno => Self::Io(format!("failed to {act} `{subject}`: {}: {}", name(errno), described(errno))),
        }
    }

    /// The error as the guest sees it, or the trap.
    pub(super) fn for_guest(self) -> wasmtime::Result<bindings::Error> {
        Ok(match self {
            Self::Refused(reason) => bindings::Error::Refused(reason),
            Self::OverBudget(reason) => bindings::Error::OverBudget(reason),
            Self::NotFound(reason) => bindings::Error::NotFound(reason),
            Self::AlreadyExists(reason) => bindings::Error::AlreadyExists(reason),
            Self::WrongKind(reason) => bindings::Error::WrongKind(reason),
            Self::NoSpace(reason) => bindings::Error::NoSpace(reason),
            Self::Invalid(reason) => bindings::Error::Invalid(reason),
            Self::Io(reason) => bindings::Error::Io(reason),
            Self::GivenUp => bindings::Error::Io("given up".into()),
            Self::Trap(error) => return Err(crate::capability::fault(error)),
        })
    }
}

/// The system's text for an error, without its number.
fn described(errno: Errno) -> String {
    let text = io::Error::from(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// The name that the system's manual has for an error; the number where it is a rare one.
fn name(errno: Errno) -> String {
    let known = [
        (Errno::PERM, "EPERM"),
        (Errno::IO, "EIO"),
        (Errno::ACCESS, "EACCES"),
        (Errno::BUSY, "EBUSY"),
        (Errno::XDEV, "EXDEV"),
        (Errno::INVAL, "EINVAL"),
        (Errno::NFILE, "ENFILE"),
        (Errno::MFILE, "EMFILE"),
        (Errno::TXTBSY, "ETXTBSY"),
        (Errno::FBIG, "EFBIG"),
        (Errno::NOSPC, "ENOSPC"),
        (Errno::ROFS, "EROFS"),
        (Errno::MLINK, "EMLINK"),
        (Errno::NOMEM, "ENOMEM"),
        (Errno::NODEV, "ENODEV"),
        (Errno::NXIO, "ENXIO"),
        (Errno::OVERFLOW, "EOVERFLOW"),
        (Errno::OPNOTSUPP, "EOPNOTSUPP"),
        (Errno::STALE, "ESTALE"),
        (Errno::DQUOT, "EDQUOT"),
        (Errno::TIMEDOUT, "ETIMEDOUT"),
        (Errno::HOSTDOWN, "EHOSTDOWN"),
        (Errno::NOTCONN, "ENOTCONN"),
    ];
    let found = known.into_iter().find(|(known, _)| *known == errno);
    found.map_or_else(|| format!("errno {}", errno.raw_os_error()), |(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_told_apart_by_kind_and_named() {
        for (errno, kind, message) in [
            (Errno::NOENT, "NotFound", "`a` does not exist"),
            (Errno::EXIST, "AlreadyExists", "`a` exists already"),
            (Errno::ISDIR, "WrongKind", "`a` is a directory"),
            (Errno::NOTEMPTY, "WrongKind", "`a` is a directory that is not empty"),
            (Errno::NOSPC, "NoSpace", "failed to write `a`: ENOSPC: no space left on device"),
            (Errno::DQUOT, "NoSpace", "failed to write `a`: EDQUOT: disk quota exceeded"),
            (Errno::ACCESS, "Io", "failed to write `a`: EACCES: permission denied"),
            (Errno::IO, "Io", "failed to write `a`: EIO: input/output error"),
            (Errno::LOOP, "Refused", "`a` leads through a link that is not followed"),
        ] {
            let error = Error::system("write", &"a", &errno.into());
            assert_eq!(error.to_string(), message);
            assert!(format!("{error:?}").starts_with(kind), "{error:?}");
        }
    }
}
