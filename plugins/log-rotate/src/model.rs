//! What a run knows of the logs before it does anything.

use crate::Style;
use log_names::{Mark, Packing};

/// A log with its rotated files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) path: String,
    /// None where a writer has not made it anew since its rotation.
    pub(crate) live: Option<Live>,
    pub(crate) rotated: Vec<Old>,
}

/// The log that is written now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    pub(crate) size: u64,
    /// Seconds since 1970, as all times here.
    pub(crate) modified: i64,
    pub(crate) created: Option<i64>,
    /// Processes that may write to it: `nginx (process 812)`.
    pub(crate) writers: Vec<String>,
    /// Those of them that write at a place of their own, and not to its end.
    pub(crate) not_appending: Vec<String>,
}

/// A rotated file.
#[derive(Clone, Debug)]
pub(crate) struct Old {
    pub(crate) path: String,
    pub(crate) mark: Mark,
    pub(crate) packing: Packing,
    /// An unfinished copy.
    pub(crate) copying: bool,
    pub(crate) size: u64,
    pub(crate) modified: i64,
    /// When its name or content last changed.
    pub(crate) changed: i64,
    pub(crate) writers: Vec<String>,
}

impl Old {
    /// When the log was rotated.
    pub(crate) fn rotated(&self) -> i64 {
        match self.mark {
            Mark::Time { at, exact: true } => at,
            // Some time that day.
            Mark::Time { at, exact: false } => self.changed.min(at + 86_399),
            Mark::Number(_) => self.changed,
        }
    }
}

impl Log {
    /// Brings the rotated files into order, the newest first.
    pub(crate) fn sort(&mut self) {
        let all = |is: fn(&Mark) -> bool| self.rotated.iter().all(|old| is(&old.mark));
        let (numbers, times) =
            (all(|mark| matches!(mark, Mark::Number(_))), all(|mark| matches!(mark, Mark::Time { .. })));
        self.rotated.sort_by_cached_key(|old| {
            let age = match old.mark {
                Mark::Number(number) if numbers => i64::from(number),
                Mark::Time { at, .. } if times => -at,
                // Of several styles: by the last line in each.
                _ => -old.modified,
            };
            (age, old.path.clone())
        });
    }
}

/// How a log is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Rename,
    Copy,
}

/// What the operator wants.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) way: Way,
    pub(crate) style: Style,
    /// Seconds since the last rotation.
    pub(crate) every: Option<u64>,
    pub(crate) larger_than: Option<u64>,
    pub(crate) at_least: u64,
    pub(crate) packing: Packing,
    pub(crate) delay: bool,
    pub(crate) keep: Keep,
    /// Rotated files are packed together, and not compressed one by one.
    pub(crate) packs: bool,
    pub(crate) now: i64,
    /// There are processes that could not be looked into.
    pub(crate) blind: bool,
}

/// What stays: the newest so many, and what is younger than that. What neither keeps goes; where neither is set all stays.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Keep {
    pub(crate) newest: Option<usize>,
    /// Seconds.
    pub(crate) younger: Option<u64>,
}

impl Keep {
    /// Why the one in that place, the newest being 0, and of that age goes; none if it stays.
    pub(crate) fn goes(self, place: usize, age: u64) -> Option<String> {
        use taskhost_sdk::words::span;
        match (self.newest, self.younger) {
            (Some(newest), None) if place >= newest => Some(format!("beyond the newest {newest}")),
            (None, Some(younger)) if age > younger => Some(format!("older than {}", span(younger))),
            (Some(newest), Some(younger)) if place >= newest && age > younger => {
                Some(format!("beyond the newest {newest} and older than {}", span(younger)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn old(path: &str, modified: i64) -> Old {
        let rotated = log_names::parse(path).unwrap();
        Old {
            path: path.into(),
            mark: rotated.mark,
            packing: rotated.packing,
            copying: rotated.copying,
            size: 10,
            modified,
            changed: modified,
            writers: vec![],
        }
    }

    #[test]
    fn the_newest_comes_first_in_every_style() {
        for (paths, expected) in [
            (&[("a.log.10.gz", 90), ("a.log.2", 50), ("a.log.1", 10)][..], &["a.log.1", "a.log.2", "a.log.10.gz"][..]),
            (
                &[("a.log-20261121-000000", 90), ("a.log-20261122", 50), ("a.log-20261123-000000.gz", 10)],
                &["a.log-20261123-000000.gz", "a.log-20261122", "a.log-20261121-000000"],
            ),
            (&[("a.log.1", 10), ("a.log-20261121", 90)], &["a.log-20261121", "a.log.1"]),
        ] {
            let rotated = paths.iter().map(|(path, modified)| old(path, *modified)).collect();
            let mut log = Log { path: "a.log".into(), live: None, rotated };
            log.sort();
            let sorted: Vec<_> = log.rotated.iter().map(|old| old.path.as_str()).collect();
            assert_eq!(sorted, expected);
        }
    }

    #[test]
    fn what_either_keeps_stays() {
        for (newest, younger, place, age, goes) in [
            (None, None, 1_000, u64::MAX, false),
            (Some(3), None, 2, u64::MAX, false),
            (Some(3), None, 3, 0, true),
            (None, Some(100), 0, 101, true),
            (None, Some(100), 50, 100, false),
            (Some(3), Some(100), 2, 101, false),
            (Some(3), Some(100), 3, 100, false),
            (Some(3), Some(100), 3, 101, true),
        ] {
            let keep = Keep { newest, younger };
            assert_eq!(keep.goes(place, age).is_some(), goes, "{newest:?} {younger:?} {place} {age}");
        }
    }
}
