//! Which files go. Pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use taskhost_sdk::files::Entry;

/// Takes in what the walk finds, and gives out what is to be removed as soon as that is certain: of each directory it
/// holds no more than the files to keep, so that a tree of any size fits.
pub(crate) struct Selection {
    keep_newest: usize,
    /// Files changed before this are old, in seconds since 1970.
    before: i64,
    /// Old files that go, whatever the walk still finds, with their times.
    certain: Vec<(i64, String)>,
    /// By directory, the newest files so far; the one that the next newer file pushes out on top.
    newest: BTreeMap<String, BinaryHeap<Reverse<Newest>>>,
}

/// Ordered by its time; of the same second by its name, the first one last, so that a rehearsal and the run agree
/// whatever order they walk in.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Newest {
    modified: i64,
    path: Reverse<String>,
}

impl Selection {
    pub(crate) fn new(keep_newest: usize, before: i64) -> Self {
        Self { keep_newest, before, certain: Vec::new(), newest: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, entry: Entry) {
        if self.keep_newest == 0 {
            self.let_go(entry.modified, entry.path);
            return;
        }
        let directory = parent(&entry.path).unwrap_or_default();
        if !self.newest.contains_key(directory) {
            self.newest.insert(directory.to_owned(), BinaryHeap::new());
        }
        let Some(newest) = self.newest.get_mut(directory) else { return };
        newest.push(Reverse(Newest { modified: entry.modified, path: Reverse(entry.path) }));
        if newest.len() > self.keep_newest
            && let Some(Reverse(oldest)) = newest.pop()
        {
            self.let_go(oldest.modified, oldest.path.0);
        }
    }

    /// A file that is not among those to keep: it goes if it is old.
    fn let_go(&mut self, modified: i64, path: String) {
        if modified < self.before {
            self.certain.push((modified, path));
        }
    }

    /// `count` files to remove, when there are as many by now; among them the oldest first.
    pub(crate) fn take_certain(&mut self, count: usize) -> Option<Vec<String>> {
        (self.certain.len() >= count).then(|| oldest_first(self.certain.drain(..count).collect()))
    }

    /// After the walk: the rest of the files to remove, and how many old ones are kept as the newest.
    pub(crate) fn finish(self) -> (Vec<String>, u64) {
        let kept = self.newest.values().flatten().filter(|Reverse(file)| file.modified < self.before).count();
        (oldest_first(self.certain), kept as u64)
    }
}

/// The paths, by age and then by name: a budget that is spent half-way spares the younger ones.
fn oldest_first(mut files: Vec<(i64, String)>) -> Vec<String> {
    files.sort();
    files.into_iter().map(|(_, path)| path).collect()
}

/// How much is in each directory, to see which ones the removal leaves empty: to try all that lost a file would fill the
/// plan with directories that are not.
#[derive(Default)]
pub(crate) struct Directories {
    entries: BTreeMap<String, u64>,
    /// Each after what lies in it.
    emptied: Vec<String>,
}

impl Directories {
    /// Takes in an entry of any kind, before anything is removed.
    pub(crate) fn add(&mut self, path: &str) {
        let Some(directory) = parent(path) else { return };
        match self.entries.get_mut(directory) {
            Some(entries) => *entries += 1,
            None => drop(self.entries.insert(directory.to_owned(), 1)),
        }
    }

    /// Takes in a file that was removed.
    pub(crate) fn removed(&mut self, file: &str) {
        let mut path = file;
        while let Some(directory) = parent(path)
            && let Some(entries) = self.entries.get_mut(directory)
        {
            *entries = entries.saturating_sub(1);
            if *entries > 0 {
                return;
            }
            // Empty, it goes as well, out of the one that it lies in.
            self.entries.remove(directory);
            self.emptied.push(directory.to_owned());
            path = directory;
        }
    }

    /// The directories that have nothing left in them, each after what lies in it.
    pub(crate) fn emptied(self) -> Vec<String> {
        self.emptied
    }
}

/// The directory that a path lies in; none for the root's own entries.
fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

#[cfg(test)]
mod tests {
    use taskhost_sdk::files::Kind;

    use super::*;

    fn entry(path: &str, modified: i64) -> Entry {
        Entry { path: path.into(), kind: Kind::File, size: 1, modified, mode: 0o644, links: 1 }
    }

    fn select<'a>(keep_newest: usize, entries: impl IntoIterator<Item = &'a (&'a str, i64)>) -> (Vec<String>, u64) {
        let mut selection = Selection::new(keep_newest, 100);
        for (path, modified) in entries {
            selection.add(entry(path, *modified));
        }
        let (mut old, kept) = selection.finish();
        old.sort();
        (old, kept)
    }

    #[test]
    fn what_is_old_goes_and_what_was_changed_at_the_very_moment_stays() {
        let (old, kept) = select(0, &[("b", 50), ("young", 100), ("a", 10), ("c/d", 99), ("before 1970", -1)]);
        assert_eq!(old, ["a", "b", "before 1970", "c/d"]);
        assert_eq!(kept, 0);
    }

    #[test]
    fn the_newest_of_each_directory_stay_however_old() {
        let entries = [("x/1", 10), ("x/2", 20), ("x/3", 30), ("y/1", 5), ("y/young", 200), ("top", 1)];
        for (keep, gone, kept) in
            [(1, vec!["x/1", "x/2", "y/1"], 2), (2, vec!["x/1"], 4), (3, vec![], 5), (usize::MAX, vec![], 5)]
        {
            let expected = (gone.into_iter().map(String::from).collect(), kept);
            assert_eq!(select(keep, &entries), expected, "keep {keep}");
            assert_eq!(select(keep, entries.iter().rev()), expected, "keep {keep}, walked the other way");
        }
    }

    #[test]
    fn of_the_same_age_the_names_decide() {
        let entries = [("b", 1), ("a", 1), ("c", 1)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            assert_eq!(select(1, order.map(|index| &entries[index])).0, ["b", "c"]);
        }
    }

    #[test]
    fn old_files_go_in_batches_while_the_walk_goes_on() {
        for (keep_newest, certain) in [(0, 5), (1, 4)] {
            let mut selection = Selection::new(keep_newest, 100);
            for index in 0..5 {
                selection.add(entry(&index.to_string(), index));
            }
            assert_eq!(selection.take_certain(2).unwrap().len(), 2);
            assert_eq!(selection.take_certain(2).unwrap().len(), 2);
            assert!(selection.take_certain(2).is_none());
            assert_eq!(selection.finish().0.len(), certain - 4);
        }
    }

    #[test]
    fn directories_that_lost_all_that_was_in_them_go_the_innermost_first() {
        let mut directories = Directories::default();
        for path in
            ["a", "a/b", "a/b/c", "a/b/c/1", "a/b/c/2", "a/b/3", "d", "d/4", "d/stays", "e", "e/link", "top", "empty"]
        {
            directories.add(path);
        }
        for file in ["top", "d/4", "a/b/c/1", "a/b/3", "a/b/c/2"] {
            directories.removed(file);
        }
        assert_eq!(directories.emptied(), ["a/b/c", "a/b", "a"]);
    }

    #[test]
    fn files_that_came_after_the_count_do_no_harm() {
        let mut directories = Directories::default();
        directories.add("a/1");
        for file in ["a/1", "a/late", "unseen/late"] {
            directories.removed(file);
        }
        assert_eq!(directories.emptied(), ["a"]);
    }
}
