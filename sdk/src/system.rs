//! How the machine that the host runs on is doing.

use std::time::Duration;

use crate::bindings::exports::taskhost::host::task;
use crate::bindings::taskhost::host::system as wit;
use crate::parameters::is_kebab;
use crate::{Failure, FailureKind, Result};

pub use wit::{Disk, Error, Limits, Load, Memory, Network, Pressure, Process, Processor, Snapshot};

/// A slot for the machine. Make it a constant and name it in `#[task(slots = [...])]`.
#[derive(Clone, Copy, Debug)]
#[must_use = "name the slot in `#[task(slots = [...])]`"]
pub struct Slot {
    name: &'static str,
    why: &'static str,
    processes: bool,
    optional: bool,
}

impl Slot {
    /// `why` is shown to the operator who decides.
    ///
    /// # Panics
    /// While compiling, if the name is not kebab-case.
    pub const fn new(name: &'static str, why: &'static str) -> Self {
        assert!(is_kebab(name), "a slot's name is kebab-case: a to z, 0 to 9 and `-`, and a letter first");
        Self { name, why, processes: false, optional: false }
    }

    /// Asks for the machine's figures, which is all that binding grants.
    pub const fn read(self) -> Self {
        self
    }

    /// Asks for the list of processes too.
    pub const fn processes(self) -> Self {
        Self { processes: true, ..self }
    }

    /// The run can do without it.
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Measures over some time, from 100 ms to a minute.
    ///
    /// # Errors
    /// A slot that is not bound, a time that is out of bounds, and a system that does not tell.
    pub async fn measure(&self, over: Duration) -> Result<Snapshot, Error> {
        wit::measure(self.name.into(), milliseconds(over)).await
    }

    /// The processes that take most of that time, at most `limit` and as many that hold most memory, the busiest first.
    ///
    /// # Errors
    /// As [`measure`](Self::measure), and a slot that does not grant it.
    pub async fn list_processes(&self, over: Duration, limit: u32) -> Result<Vec<Process>, Error> {
        wit::processes(self.name.into(), milliseconds(over), limit).await
    }

    #[doc(hidden)]
    pub fn describe(&self) -> task::Slot {
        let access = if self.processes { vec!["read".into(), "processes".into()] } else { vec!["read".into()] };
        task::Slot {
            name: self.name.into(),
            capability: "system".into(),
            access,
            optional: self.optional,
            why: self.why.into(),
        }
    }
}

fn milliseconds(over: Duration) -> u32 {
    u32::try_from(over.as_millis()).unwrap_or(u32::MAX)
}

/// The share of a disk that is used, per cent, as `df` counts it: of what is used and what users may still use.
#[expect(clippy::cast_precision_loss, reason = "a share of bytes")]
pub fn used_percent(disk: &Disk) -> f64 {
    let reachable = disk.used as f64 + disk.available as f64;
    if reachable > 0.0 { disk.used as f64 / reachable * 100.0 } else { 100.0 }
}

/// The share of a disk's inodes that are used, per cent; none where the file system counts none.
#[expect(clippy::cast_precision_loss, reason = "a share of inodes")]
pub fn inodes_percent(disk: &Disk) -> Option<f64> {
    let (total, free) = (disk.inodes_total.filter(|total| *total > 0)?, disk.inodes_free?);
    Some(total.saturating_sub(free) as f64 / total as f64 * 100.0)
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

    fn disk(used: u64, available: u64, inodes: Option<(u64, u64)>) -> Disk {
        Disk {
            mount: "/".into(),
            device: "/dev/sda1".into(),
            file_system: "ext4".into(),
            remote: false,
            total: used + available + 5,
            used,
            available,
            inodes_total: inodes.map(|(total, _)| total),
            inodes_free: inodes.map(|(_, free)| free),
            read_only: false,
            busy_percent: None,
            read_rate: None,
            write_rate: None,
        }
    }

    #[test]
    fn shares_are_of_what_users_can_reach() {
        for (disk, bytes, inodes) in [
            (disk(75, 25, Some((10, 9))), 75.0, Some(10.0)),
            (disk(75, 0, None), 100.0, None),
            (disk(0, 0, Some((0, 0))), 100.0, None),
        ] {
            assert_eq!((used_percent(&disk), inodes_percent(&disk)), (bytes, inodes));
        }
    }

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
