//! The first few of many. Pure, and flat in how many there are.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What is kept of a key's name: names may be as long as values.
const NAME: usize = 512;

/// A key with its facts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// At most the first 512 bytes.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: String,
    pub(crate) bytes: u64,
    /// Elements, or of a string its bytes.
    pub(crate) length: u64,
    /// Whether it never ends.
    pub(crate) lasting: bool,
}

/// Ordered by its rank; of the same rank the first name comes first, so that the order of the walk does not matter.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    rank: u64,
    key: Reverse<Key>,
}

/// The keys of the highest rank.
pub(crate) struct Top {
    capacity: usize,
    /// The one that the next better key pushes out on top.
    keys: BinaryHeap<Reverse<Ranked>>,
}

impl Top {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, keys: BinaryHeap::new() }
    }

    /// Whether a key of that rank and name would be taken in: most keys need not be copied to be turned away.
    pub(crate) fn would_take(&self, rank: u64, name: &[u8]) -> bool {
        let beats = |least: &Ranked| (rank, Reverse(name)) > (least.rank, Reverse(least.key.0.name.as_slice()));
        self.capacity > 0
            && (self.keys.len() < self.capacity || self.keys.peek().is_some_and(|Reverse(least)| beats(least)))
    }

    pub(crate) fn add(&mut self, rank: u64, mut key: Key) {
        key.name.truncate(NAME);
        // A scan may come by a key twice.
        let known = self.keys.iter().any(|Reverse(known)| known.key.0.name == key.name);
        if known || !self.would_take(rank, &key.name) {
            return;
        }
        self.keys.push(Reverse(Ranked { rank, key: Reverse(key) }));
        if self.keys.len() > self.capacity {
            self.keys.pop();
        }
    }

    /// The highest rank first.
    pub(crate) fn into_sorted(self) -> Vec<Key> {
        // Ordered by what is reversed: the smallest of these is the highest.
        self.keys.into_sorted_vec().into_iter().map(|Reverse(ranked)| ranked.key.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key { name: name.into(), kind: "string".into(), bytes: 0, length: 0, lasting: true }
    }

    fn top(capacity: usize, keys: &[(u64, &str)]) -> Vec<String> {
        let mut top = Top::new(capacity);
        for (rank, name) in keys {
            top.add(*rank, key(name));
        }
        let names = top.into_sorted().into_iter();
        names.map(|key| String::from_utf8(key.name).unwrap()).collect()
    }

    #[test]
    fn the_highest_stay_whatever_order_they_come_in() {
        let mut keys = [(5, "e"), (1, "a"), (9, "i"), (5, "d"), (5, "f"), (0, "z")];
        for _ in 0..keys.len() {
            keys.rotate_left(1);
            assert_eq!(top(3, &keys), ["i", "d", "e"]);
            assert_eq!(top(10, &keys), ["i", "d", "e", "f", "a", "z"]);
            assert_eq!(top(0, &keys), [""; 0]);
        }
    }

    #[test]
    fn a_key_that_comes_twice_is_there_once() {
        assert_eq!(top(3, &[(5, "a"), (5, "a"), (1, "b"), (5, "a")]), ["a", "b"]);
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(top(1, &[(1, &"x".repeat(10_000))])[0].len(), NAME);
    }
}
