//! Keys by the beginning of their names. Pure, and flat in how many beginnings there are: the smallest are counted together
//! when there are too many.

use std::collections::HashMap;

/// Prefixes that stay when there are too many.
const KEPT: usize = 4_096;
/// From here there are too many.
const LIMIT: usize = 2 * KEPT;
/// What is kept of a prefix.
const NAME: usize = 256;

/// Counts of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
    /// Keys that never end.
    pub(crate) lasting: u64,
    pub(crate) lasting_bytes: u64,
}

impl Sum {
    pub(crate) fn add(&mut self, bytes: u64, lasting: bool) {
        self.merge(Self {
            keys: 1,
            bytes,
            lasting: u64::from(lasting),
            lasting_bytes: if lasting { bytes } else { 0 },
        });
    }

    fn merge(&mut self, other: Self) {
        self.keys += other.keys;
        self.bytes += other.bytes;
        self.lasting += other.lasting;
        self.lasting_bytes += other.lasting_bytes;
    }

    /// The sum of all keys, when every so-manieth was looked at.
    pub(crate) fn times(self, every: u64) -> Self {
        Self {
            keys: self.keys.saturating_mul(every),
            bytes: self.bytes.saturating_mul(every),
            lasting: self.lasting.saturating_mul(every),
            lasting_bytes: self.lasting_bytes.saturating_mul(every),
        }
    }
}

/// Where a name is cut: after the separator that comes `depth` times, or the last one that there is.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    pub(crate) separator: Vec<u8>,
    pub(crate) depth: usize,
}

impl Cut {
    /// The beginning of a name, with the separator; empty where there is none.
    pub(crate) fn prefix<'a>(&self, name: &'a [u8]) -> &'a [u8] {
        let width = self.separator.len();
        let mut end = 0;
        for _ in 0..self.depth {
            let rest = name.get(end..).unwrap_or_default();
            let Some(found) = find(rest, &self.separator) else { break };
            end += found + width;
        }
        name.get(..end).unwrap_or_default()
    }
}

fn find(text: &[u8], separator: &[u8]) -> Option<usize> {
    match separator {
        [] => None,
        [byte] => text.iter().position(|other| other == byte),
        _ => text.windows(separator.len()).position(|window| window == separator),
    }
}

/// The table.
pub(crate) struct Prefixes {
    cut: Cut,
    sums: HashMap<Box<[u8]>, Sum>,
    /// Of prefixes that had to make room.
    other: Sum,
}

impl Prefixes {
    pub(crate) fn new(cut: Cut) -> Self {
        Self { cut, sums: HashMap::new(), other: Sum::default() }
    }

    pub(crate) fn add(&mut self, name: &[u8], bytes: u64, lasting: bool) {
        let prefix = self.cut.prefix(name);
        let prefix = prefix.get(..NAME).unwrap_or(prefix);
        if let Some(sum) = self.sums.get_mut(prefix) {
            sum.add(bytes, lasting);
            return;
        }
        if self.sums.len() == LIMIT {
            self.make_room();
        }
        self.sums.entry(prefix.into()).or_default().add(bytes, lasting);
    }

    /// The smaller half goes: which prefixes are large is known long before the end.
    fn make_room(&mut self) {
        let mut all = sorted(std::mem::take(&mut self.sums));
        for (_, sum) in all.drain(KEPT..) {
            self.other.merge(sum);
        }
        self.sums = all.into_iter().collect();
    }

    /// The largest first, at most so many; and the rest together.
    pub(crate) fn finish(self, shown: usize) -> (Vec<(Vec<u8>, Sum)>, Sum) {
        let mut rest = self.other;
        let mut all = sorted(self.sums);
        for (_, sum) in all.drain(shown.min(all.len())..) {
            rest.merge(sum);
        }
        (all.into_iter().map(|(prefix, sum)| (prefix.into_vec(), sum)).collect(), rest)
    }
}

/// By bytes, then by keys, then by name: the same whatever order the keys came in.
fn sorted(sums: HashMap<Box<[u8]>, Sum>) -> Vec<(Box<[u8]>, Sum)> {
    let mut all: Vec<_> = sums.into_iter().collect();
    all.sort_by(|(a, one), (b, other)| (other.bytes, other.keys, a).cmp(&(one.bytes, one.keys, b)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(separator: &str, depth: usize) -> Cut {
        Cut { separator: separator.into(), depth }
    }

    #[test]
    fn names_are_cut_after_a_separator() {
        for (name, separator, depth, expected) in [
            ("user:1:cart", ":", 1, "user:"),
            ("user:1:cart", ":", 2, "user:1:"),
            ("user:1:cart", ":", 9, "user:1:"),
            ("user", ":", 1, ""),
            (":odd", ":", 1, ":"),
            ("a::b::c", "::", 1, "a::"),
            ("a::b::c", "::", 2, "a::b::"),
            ("a:b", "::", 1, ""),
            ("", ":", 1, ""),
            ("user:1", "", 1, ""),
            ("user:1", ":", 0, ""),
        ] {
            let found = cut(separator, depth);
            assert_eq!(found.prefix(name.as_bytes()), expected.as_bytes(), "{name} at {separator} {depth}");
        }
    }

    #[test]
    fn prefixes_are_summed_the_largest_first() {
        let mut prefixes = Prefixes::new(cut(":", 1));
        for (name, bytes, lasting) in
            [("a:1", 10, true), ("b:1", 50, false), ("a:2", 20, false), ("c:1", 1, true), ("plain", 2, true)]
        {
            prefixes.add(name.as_bytes(), bytes, lasting);
        }
        let (shown, rest) = prefixes.finish(2);
        let sum = |keys, bytes, lasting, lasting_bytes| Sum { keys, bytes, lasting, lasting_bytes };
        assert_eq!(shown, [(b"b:".to_vec(), sum(1, 50, 0, 0)), (b"a:".to_vec(), sum(2, 30, 1, 10))]);
        assert_eq!(rest, sum(2, 3, 2, 3));
    }

    #[test]
    fn however_many_prefixes_there_are_the_table_stays_small_and_loses_no_key() {
        let mut prefixes = Prefixes::new(cut(":", 1));
        for round in 0..100_000_u64 {
            prefixes.add(format!("user-{round}:x").as_bytes(), 1, false);
            prefixes.add(b"large:x", 10, true);
            assert!(prefixes.sums.len() <= LIMIT);
        }
        let (shown, rest) = prefixes.finish(1);
        let large = Sum { keys: 100_000, bytes: 1_000_000, lasting: 100_000, lasting_bytes: 1_000_000 };
        assert_eq!(shown, [(b"large:".to_vec(), large)]);
        assert_eq!(rest, Sum { keys: 100_000, bytes: 100_000, ..Sum::default() });
    }
}
