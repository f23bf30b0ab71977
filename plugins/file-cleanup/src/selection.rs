//! Which files go. Pure.

use std::collections::BTreeMap;

use taskhost_sdk::files::Entry;

/// Takes in what the walk finds, and gives out what is to be removed.
pub(crate) struct Selection {
    keep_newest: usize,
    /// Files changed before this go, in seconds since 1970.
    before: i64,
    /// Nothing is kept: what is old may go at once.
    certain: Vec<Entry>,
    /// By directory, what may have to be kept.
    directories: BTreeMap<String, Vec<Entry>>,
}

impl Selection {
    pub(crate) fn new(keep_newest: usize, before: i64) -> Self {
        Self { keep_newest, before, certain: Vec::new(), directories: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, entry: Entry) {
        if self.keep_newest > 0 {
            let directory = parent(&entry.path).unwrap_or_default();
            match self.directories.get_mut(directory) {
                Some(entries) => entries.push(entry),
                None => drop(self.directories.insert(directory.to_owned(), vec![entry])),
            }
        } else if entry.modified < self.before {
            self.certain.push(entry);
        }
    }

    /// `count` files that can go before the walk is over, when there are as many.
    pub(crate) fn take_certain(&mut self, count: usize) -> Option<Vec<Entry>> {
        (self.certain.len() >= count).then(|| self.certain.drain(..count).collect())
    }

    /// The rest of what goes, oldest first, and how many old files are kept.
    pub(crate) fn finish(self) -> (Vec<Entry>, u64) {
        let mut old = self.certain;
        let mut kept = 0;
        for (_, mut entries) in self.directories {
            // The newest first; of the same second, by name, so that a rehearsal and the run agree.
            entries.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| a.path.cmp(&b.path)));
            let (newest, rest) = entries.split_at(self.keep_newest.min(entries.len()));
            kept += newest.iter().filter(|entry| entry.modified < self.before).count() as u64;
            old.extend(rest.iter().filter(|entry| entry.modified < self.before).cloned());
        }
        old.sort_by(|a, b| a.modified.cmp(&b.modified).then_with(|| a.path.cmp(&b.path)));
        (old, kept)
    }
}

/// The directory that a path lies in; none for the root's own entries.
pub(crate) fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

#[cfg(test)]
mod tests {
    use taskhost_sdk::files::Kind;

    use super::*;

    fn entry(path: &str, modified: i64) -> Entry {
        Entry { path: path.into(), kind: Kind::File, size: 1, modified, mode: 0o644, links: 1 }
    }

    fn select(keep_newest: usize, entries: &[(&str, i64)]) -> (Vec<String>, u64) {
        let mut selection = Selection::new(keep_newest, 100);
        for (path, modified) in entries {
            selection.add(entry(path, *modified));
        }
        let (old, kept) = selection.finish();
        (old.into_iter().map(|entry| entry.path).collect(), kept)
    }

    #[test]
    fn what_is_old_goes_the_oldest_first() {
        let (old, kept) = select(0, &[("b", 50), ("young", 100), ("a", 10), ("c/d", 99)]);
        assert_eq!((old, kept), (vec!["a".into(), "b".into(), "c/d".into()], 0));
    }

    #[test]
    fn the_newest_of_each_directory_stay_however_old() {
        let entries = [("x/1", 10), ("x/2", 20), ("x/3", 30), ("y/1", 5), ("y/young", 200), ("top", 1)];
        for (keep, gone, kept) in [(1, vec!["y/1", "x/1", "x/2"], 2), (2, vec!["x/1"], 4), (5, vec![], 5)] {
            let (old, count) = select(keep, &entries);
            assert_eq!((old, count), (gone.into_iter().map(String::from).collect(), kept), "keep {keep}");
        }
    }

    #[test]
    fn of_the_same_age_the_names_decide() {
        assert_eq!(select(1, &[("b", 1), ("a", 1), ("c", 1)]).0, ["b", "c"]);
    }

    #[test]
    fn old_files_go_in_batches_while_the_walk_goes_on() {
        let mut selection = Selection::new(0, 100);
        for index in 0..5 {
            selection.add(entry(&index.to_string(), 1));
        }
        assert_eq!(selection.take_certain(2).unwrap().len(), 2);
        assert_eq!(selection.take_certain(2).unwrap().len(), 2);
        assert!(selection.take_certain(2).is_none());
        assert_eq!(selection.finish().0.len(), 1);
    }
}
