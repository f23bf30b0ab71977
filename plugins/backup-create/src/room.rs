//! Whether there is room for the next backup. Pure.

use backup_files::{made, shape};
use taskhost_sdk::files::Entry;
use taskhost_sdk::words::size;

use crate::outcome::Wrong;

/// What is known of how large a backup will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// As the last one, and a tenth.
    AsBefore(u64),
    /// At most so many bytes, before compression.
    AtMost(u64),
    Unknown,
}

/// What is to be expected after the backups that are there.
pub(crate) fn expected(entries: &[Entry], name: &str, of_files: bool, content: Option<u64>) -> Expected {
    let own = shape(&format!("{name}-20261123T031005Z"));
    let is_own = |entry: &&Entry| {
        let (stem, kind) = entry.path.rsplit_once("Z.").unwrap_or((&entry.path, ""));
        shape(&format!("{stem}Z")) == own && kind.starts_with("tar") == of_files && made(&entry.path).is_some()
    };
    match (entries.iter().filter(is_own).max_by_key(|entry| entry.modified), content) {
        (Some(last), _) => Expected::AsBefore(last.size),
        (None, Some(content)) => Expected::AtMost(content),
        (None, None) => Expected::Unknown,
    }
}

/// Whether a backup of that size can be begun, `keep` bytes being left free; in doubt, it can: what does not fit is not
/// kept.
pub(crate) fn check(free: u64, keep: u64, expected: Expected) -> Result<(), Wrong> {
    let needed = match expected {
        Expected::AsBefore(last) => last.saturating_add(last / 10),
        // How much it compresses is not known.
        Expected::AtMost(_) | Expected::Unknown => 0,
    };
    if free >= needed.saturating_add(keep) && free > 0 {
        return Ok(());
    }
    let last = match expected {
        Expected::AsBefore(last) => format!("; the last one has {}", size(last)),
        Expected::AtMost(content) => format!("; what is to be backed up has {}", size(content)),
        Expected::Unknown => String::new(),
    };
    let keep = if keep > 0 { format!(", {} to be kept free", size(keep)) } else { String::new() };
    Err(Wrong::new(
        "there is no room for a backup",
        format!("{} free{keep}{last}", size(free)),
        "remove old backups (file-cleanup with keep-newest), or give them a larger disk",
    ))
}

#[cfg(test)]
mod tests {
    use taskhost_sdk::files::Kind;

    use super::*;

    fn entry(path: &str, modified: i64, size: u64) -> Entry {
        Entry { path: path.into(), kind: Kind::File, size, modified, mode: 0o600, links: 1 }
    }

    #[test]
    fn the_last_of_the_same_kind_says_how_large_the_next_is() {
        let entries = [
            entry("app-20261121T031005Z.sql.zst", 1, 10),
            entry("app-20261122T031005Z.sql.zst", 2, 20),
            entry("app-20261122T031005Z.tar.zst", 3, 30),
            entry("other-20261123T031005Z.sql.zst", 4, 40),
            entry("app-notes.sql.zst", 5, 50),
        ];
        for (name, of_files, content, found) in [
            ("app", false, None, Expected::AsBefore(20)),
            ("app", true, Some(99), Expected::AsBefore(30)),
            ("crm", true, Some(99), Expected::AtMost(99)),
            ("crm", false, None, Expected::Unknown),
        ] {
            assert_eq!(expected(&entries, name, of_files, content), found, "{name} {of_files}");
        }
    }

    #[test]
    fn a_backup_that_does_not_fit_is_not_begun() {
        for (free, keep, expected, fits) in [
            (110, 0, Expected::AsBefore(100), true),
            (109, 0, Expected::AsBefore(100), false),
            (159, 50, Expected::AsBefore(100), false),
            (160, 50, Expected::AsBefore(100), true),
            (10, 0, Expected::AtMost(100), true),
            (10, 20, Expected::AtMost(100), false),
            (0, 0, Expected::Unknown, false),
            (1, 0, Expected::Unknown, true),
            (u64::MAX - 1, u64::MAX, Expected::AsBefore(u64::MAX), false),
        ] {
            assert_eq!(check(free, keep, expected).is_ok(), fits, "{free} {keep} {expected:?}");
        }
    }
}
