//! Backups of one series, and what their times, sizes and modes say. Pure.

use std::collections::BTreeMap;

use backup_files::{made, series_of, shape, shrunk_from};
use taskhost_sdk::files::Entry;
use time::OffsetDateTime;

const DAY: i64 = 86_400;
/// Gaps that are named.
const GAPS: usize = 10;
/// Days of one gap that are named.
const DAYS: usize = 10;

/// One backup.
#[derive(Clone, Debug)]
pub(crate) struct Backup {
    pub(crate) entry: Entry,
    /// When it was made, in seconds since 1970: by its name, or else by when it was written.
    pub(crate) at: i64,
    /// Only the day is known.
    pub(crate) day_only: bool,
}

/// Backups that belong together by their names.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// Their names, with `#` for what differs.
    pub(crate) name: String,
    /// The newest first.
    pub(crate) backups: Vec<Backup>,
}

/// Sorts files into series.
pub(crate) fn series(entries: Vec<Entry>) -> Vec<Series> {
    let mut all = BTreeMap::<String, Vec<Backup>>::new();
    for entry in entries {
        let backup = match made(&entry.path) {
            Some(made) => Backup { at: made.at, day_only: !made.exact, entry },
            None => Backup { at: entry.modified, day_only: false, entry },
        };
        all.entry(series_of(&backup.entry.path)).or_default().push(backup);
    }
    let in_order = |(name, mut backups): (String, Vec<Backup>)| {
        // Of the same day by when they were written.
        backups.sort_by(|one, other| {
            let key = |backup: &Backup| (backup.at.div_euclid(DAY), backup.entry.modified, backup.entry.path.clone());
            key(other).cmp(&key(one))
        });
        Series { name, backups }
    };
    all.into_iter().map(in_order).collect()
}

/// A time in which backups are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// What is missing, for people: days, or between which times.
    pub(crate) what: String,
    pub(crate) missing: u64,
}

/// How long ago the newest backup was written; 0 for one that is dated in the future.
pub(crate) fn age(backup: &Backup, now: i64) -> u64 {
    u64::try_from(now.saturating_sub(backup.entry.modified)).unwrap_or(0)
}

impl Series {
    pub(crate) fn newest(&self) -> Option<&Backup> {
        self.backups.first()
    }

    /// The usual size, where the newest is much smaller than that.
    pub(crate) fn shrunk(&self, percent: u64) -> Option<u64> {
        let (newest, earlier) = self.backups.split_first()?;
        let own = shape(&newest.entry.path);
        let alike = earlier.iter().filter(|backup| shape(&backup.entry.path) == own);
        shrunk_from(newest.entry.size, alike.map(|backup| backup.entry.size), percent)
    }

    /// Where backups are missing between the first one since `since` and the newest, one being due every so many
    /// seconds.
    pub(crate) fn gaps(&self, every: u64, since: i64) -> Vec<Gap> {
        let every = i64::try_from(every).unwrap_or(i64::MAX).max(1);
        let mut times: Vec<(i64, bool)> = self.backups.iter().map(|backup| (backup.at, backup.day_only)).collect();
        times.retain(|(at, _)| *at >= since);
        times.sort_unstable();
        let daily = every == DAY;
        let mut gaps = Vec::new();
        for ((before, one), (after, other)) in times.iter().zip(times.iter().skip(1)) {
            if daily {
                let days: Vec<i64> = (before.div_euclid(DAY) + 1..after.div_euclid(DAY)).collect();
                if !days.is_empty() {
                    gaps.push(Gap { what: named(&days), missing: days.len() as u64 });
                }
                continue;
            }
            // A backup takes its time, and not always the same; of one with a day alone the hour is not known.
            let slack = every / 2 + if *one || *other { DAY - 1 } else { 0 };
            let apart = after.saturating_sub(*before);
            if apart > every.saturating_add(slack) {
                let missing = u64::try_from((apart + every / 2) / every - 1).unwrap_or_default().max(1);
                gaps.push(Gap { what: format!("between {} and {}", moment(*before), moment(*after)), missing });
            }
        }
        gaps
    }

    /// Files that others than their owner and group may read, and that they may write.
    pub(crate) fn open_to_others(&self) -> (Vec<&str>, Vec<&str>) {
        let with = |bits: u32| -> Vec<&str> {
            let files = self.backups.iter().filter(|backup| backup.entry.mode & bits != 0);
            files.map(|backup| backup.entry.path.as_str()).collect()
        };
        (with(0o004), with(0o022))
    }
}

/// The last of several gaps, and how many there are in all.
pub(crate) fn told(gaps: &[Gap]) -> String {
    let mut lines: Vec<String> = gaps.iter().rev().take(GAPS).map(|gap| gap.what.clone()).collect();
    if gaps.len() > GAPS {
        lines.push(format!("and {} more before", gaps.len() - GAPS));
    }
    lines.join("\n")
}

/// `2026-11-20, 2026-11-21 and 3 more`.
fn named(days: &[i64]) -> String {
    let shown: Vec<String> = days.iter().take(DAYS).map(|day| self::day(day * DAY)).collect();
    let more = days.len().saturating_sub(DAYS);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// `2026-11-23`.
pub(crate) fn day(at: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH).date();
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

fn moment(at: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH).time();
    format!("{} {:02}:{:02}", day(at), time.hour(), time.minute())
}

#[cfg(test)]
pub(crate) mod tests {
    use taskhost_sdk::files::Kind;

    use super::*;

    /// 2026-11-23.
    const TODAY: i64 = 1_795_392_000;

    pub(crate) fn entry(path: &str, modified: i64, size: u64) -> Entry {
        Entry { path: path.into(), kind: Kind::File, size, modified, mode: 0o600, links: 1 }
    }

    fn names(series: &Series) -> Vec<&str> {
        series.backups.iter().map(|backup| backup.entry.path.as_str()).collect()
    }

    #[test]
    fn files_are_sorted_into_series_the_newest_first() {
        let all = series(vec![
            entry("app-20261121.sql.gz", 900, 1),
            // Copied here long after it was made.
            entry("app-20261101.sql.gz", 999, 1),
            entry("app-20261122.sql", 950, 1),
            entry("data/files-20261122.tar.gz", 950, 1),
            entry("single.sql", 100, 1),
        ]);
        let found: Vec<_> = all.iter().map(|series| (series.name.as_str(), names(series))).collect();
        assert_eq!(
            found,
            [
                ("app-#.sql", vec!["app-20261122.sql", "app-20261121.sql.gz", "app-20261101.sql.gz"]),
                ("data/files-#.tar", vec!["data/files-20261122.tar.gz"]),
                ("single.sql", vec!["single.sql"]),
            ]
        );
    }

    #[test]
    fn a_missing_day_is_named() {
        for (days, every, since, expected) in [
            (&[0, 1, 2, 3][..], DAY, 30, vec![]),
            (&[0, 1, 3], DAY, 30, vec![("2026-11-21", 1)]),
            (&[0, 4, 5, 8], DAY, 30, vec![("2026-11-16, 2026-11-17", 2), ("2026-11-20, 2026-11-21, 2026-11-22", 3)]),
            // What is further back than is asked for is no gap.
            (&[0, 1, 20], DAY, 10, vec![]),
            (&[0], DAY, 30, vec![]),
            (&[], DAY, 30, vec![]),
            (&[0, 7, 14, 28], 7 * DAY, 60, vec![("between 2026-10-26 00:00 and 2026-11-09 00:00", 1)]),
            (&[0, 8, 14, 22], 7 * DAY, 60, vec![]),
        ] {
            let entries = days.iter().map(|ago| {
                let at = TODAY - ago * DAY;
                entry(&format!("app-{}.sql", day(at).replace('-', "")), at, 1)
            });
            let gaps = series(entries.collect()).first().map(|series| {
                series
                    .gaps(every.unsigned_abs(), TODAY - since * DAY)
                    .into_iter()
                    .map(|gap| (gap.what, gap.missing))
                    .collect()
            });
            let expected: Vec<(String, u64)> = expected.into_iter().map(|(what, n)| (what.to_owned(), n)).collect();
            assert_eq!(gaps.unwrap_or(vec![]), expected, "{days:?}");
        }
    }

    #[test]
    fn hours_are_missed_where_backups_are_hourly() {
        let entries = [0, 1, 2, 5].map(|ago| {
            let at = TODAY - ago * 3_600;
            entry(&format!("app-{}-{:02}0000.sql", day(at).replace('-', ""), at.rem_euclid(DAY) / 3_600), at, 1)
        });
        let gaps = series(entries.into()).remove(0).gaps(3_600, TODAY - DAY);
        assert_eq!(told(&gaps), "between 2026-11-22 19:00 and 2026-11-22 22:00");
        assert_eq!(gaps[0].missing, 2);
    }

    #[test]
    fn a_long_gap_is_told_shortly() {
        let entries = vec![entry("app-20261123.sql", TODAY, 1), entry("app-20261001.sql", TODAY - 53 * DAY, 1)];
        let gaps = series(entries).remove(0).gaps(86_400, 0);
        assert!(told(&gaps).starts_with("2026-10-02, 2026-10-03, ") && told(&gaps).ends_with(" and 42 more"));
    }

    #[test]
    fn size_age_and_mode_are_looked_at() {
        let mut entries: Vec<Entry> = (0..5).map(|n| entry(&format!("app-2026110{}.sql", n + 1), n, 100)).collect();
        entries.push(Entry { mode: 0o644, ..entry("app-20261109.sql", 5, 40) });
        entries.push(Entry { mode: 0o666, ..entry("app-20261108.sql", 4, 100) });
        let series = series(entries).remove(0);
        assert_eq!((series.shrunk(50), series.shrunk(70)), (Some(100), None));
        let newest = series.newest().unwrap();
        assert_eq!((age(newest, 65), age(newest, 1)), (60, 0));
        let (readable, writable) = series.open_to_others();
        assert_eq!((readable, writable), (vec!["app-20261109.sql", "app-20261108.sql"], vec!["app-20261108.sql"]));
    }
}
