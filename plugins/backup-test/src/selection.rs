//! Which backup is tested, which ones come before it, and whether it is of an age and size to be expected. Pure.

use backup_files::{series_of, shape};
use taskhost_sdk::files::Entry;

/// Files that lie beside backups and are none.
pub(crate) const NOT_BACKUPS: &str = "*.manifest.json";
/// The newest backup, and the earlier ones of its series, the newest first.
#[derive(Debug)]
pub(crate) struct Selected {
    /// To be tested.
    pub(crate) newest: Entry,
    /// What came before it in the same series.
    pub(crate) earlier: Vec<Entry>,
    /// Other series in the directory, each by its names (`crm-#.sql`): these are not tested.
    pub(crate) others: Vec<String>,
}

/// Selects the file named, or else the newest.
pub(crate) fn select(mut entries: Vec<Entry>, named: Option<&str>) -> Option<Selected> {
    // Of the same second, by name: dates in names sort.
    entries.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| b.path.cmp(&a.path)));
    let position = match named {
        Some(path) => entries.iter().position(|entry| entry.path == path)?,
        None => 0,
    };
    if position >= entries.len() {
        return None;
    }
    let older = entries.split_off(position + 1);
    let newest = entries.pop()?;
    let series = series_of(&newest.path);
    let mut others: Vec<String> =
        entries.iter().chain(&older).map(|entry| series_of(&entry.path)).filter(|other| *other != series).collect();
    others.sort();
    others.dedup();
    let earlier = older.into_iter().filter(|entry| series_of(&entry.path) == series).collect();
    Some(Selected { newest, earlier, others })
}

/// Seconds since the entry was last changed; 0 for one that is dated in the future.
pub(crate) fn age(entry: &Entry, now: i64) -> u64 {
    u64::try_from(now.saturating_sub(entry.modified)).unwrap_or(0)
}

/// What the backups before `entry` had as their usual size, when it is smaller than that by more than `percent`.
/// Only those that are compressed like it are asked.
pub(crate) fn shrunk_from(entry: &Entry, earlier: &[Entry], percent: u64) -> Option<u64> {
    let own = shape(&entry.path);
    let alike = earlier.iter().filter(|entry| shape(&entry.path) == own);
    backup_files::shrunk_from(entry.size, alike.map(|entry| entry.size), percent)
}

#[cfg(test)]
mod tests {
    use taskhost_sdk::files::Kind;

    use super::*;

    fn entry(path: &str, modified: i64, size: u64) -> Entry {
        Entry { path: path.into(), kind: Kind::File, size, modified, mode: 0o644, links: 1 }
    }

    fn paths(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.path.as_str()).collect()
    }

    #[test]
    fn the_newest_is_tested_and_its_own_series_comes_before_it() {
        let entries = vec![
            entry("app-20261121.sql", 10, 1),
            entry("crm-20261122.sql.gz", 25, 1),
            entry("app-20261123.sql.gz", 30, 1),
            entry("app-20261122.sql.gz", 20, 1),
        ];
        let selected = select(entries, None).unwrap();
        assert_eq!(selected.newest.path, "app-20261123.sql.gz");
        assert_eq!(paths(&selected.earlier), ["app-20261122.sql.gz", "app-20261121.sql"]);
        assert_eq!(selected.others, ["crm-#.sql"]);
    }

    #[test]
    fn a_file_that_is_named_is_tested_and_only_older_ones_come_before_it() {
        let entries = || vec![entry("a-11.sql", 1, 1), entry("a-12.sql", 2, 1), entry("a-13.sql", 3, 1)];
        let selected = select(entries(), Some("a-12.sql")).unwrap();
        assert_eq!((selected.newest.path.as_str(), paths(&selected.earlier)), ("a-12.sql", vec!["a-11.sql"]));
        assert!(selected.others.is_empty());
        assert!(select(entries(), Some("a-14.sql")).is_none());
        assert!(select(vec![], None).is_none());
    }

    #[test]
    fn of_the_same_second_the_later_name_is_the_newer() {
        let selected = select(vec![entry("a-12.sql", 5, 1), entry("a-13.sql", 5, 1)], None).unwrap();
        assert_eq!(selected.newest.path, "a-13.sql");
    }

    #[test]
    fn a_size_is_held_against_the_usual_one() {
        let mut earlier: Vec<Entry> = [100, 104, 3, 98, 102, 1].map(|size| entry("1.sql.gz", 0, size)).into();
        earlier.insert(0, entry("1.sql", 0, 5000));
        for (size, percent, expected) in
            [(99, 50, None), (50, 50, None), (49, 50, Some(100)), (79, 20, Some(100)), (0, 100, None)]
        {
            assert_eq!(shrunk_from(&entry("2.sql.gz", 1, size), &earlier, percent), expected, "{size} {percent}");
        }
        assert_eq!(shrunk_from(&entry("2.sql.gz", 1, 0), &[], 50), None);
    }

    #[test]
    fn an_age_is_never_negative() {
        assert_eq!((age(&entry("a", 40, 1), 100), age(&entry("a", 140, 1), 100)), (60, 0));
    }
}
