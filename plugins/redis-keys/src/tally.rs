//! What the keys come to. Pure, and flat in how many there are.

use taskhost_sdk::redis::{Entry, Expiry};

use crate::prefixes::{Cut, Prefixes, Sum};
use crate::top::{Key, Top};

/// Big keys that get a finding of their own.
const BIG: usize = 20;

/// From when a key is big.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) bytes: u64,
    /// Of any kind but strings.
    pub(crate) elements: u64,
}

impl Limits {
    /// How many times over a limit, in thousandths; a key is big from 1,000 on.
    fn excess(self, kind: &str, bytes: u64, length: u64) -> u64 {
        let thousandths = |value: u64, limit: u64| value.saturating_mul(1_000) / limit.max(1);
        let elements = if kind == "string" { 0 } else { thousandths(length, self.elements) };
        thousandths(bytes, self.bytes).max(elements)
    }
}

/// Keys of one kind.
struct Kind {
    name: String,
    sum: Sum,
    by_bytes: Top,
    by_length: Top,
}

/// Keys of one kind, when all were seen.
#[derive(Debug, PartialEq)]
pub(crate) struct KindSeen {
    pub(crate) name: String,
    pub(crate) sum: Sum,
    pub(crate) biggest: Vec<Key>,
    pub(crate) longest: Vec<Key>,
}

/// All that was seen.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) sum: Sum,
    /// Keys whose memory the server did not say.
    pub(crate) unmeasured: u64,
    /// By bytes.
    pub(crate) kinds: Vec<KindSeen>,
    /// By bytes; an empty name is keys without a separator.
    pub(crate) prefixes: Vec<(Vec<u8>, Sum)>,
    pub(crate) other_prefixes: Sum,
    /// The worst of the big keys.
    pub(crate) big: Vec<Key>,
    /// All of them.
    pub(crate) big_count: u64,
}

/// Takes in keys as they come.
pub(crate) struct Tally {
    top: usize,
    limits: Limits,
    sum: Sum,
    unmeasured: u64,
    kinds: Vec<Kind>,
    prefixes: Prefixes,
    big: Top,
    big_count: u64,
}

impl Tally {
    pub(crate) fn new(top: usize, limits: Limits, cut: Cut) -> Self {
        Self {
            top,
            limits,
            sum: Sum::default(),
            unmeasured: 0,
            kinds: Vec::new(),
            prefixes: Prefixes::new(cut),
            big: Top::new(BIG),
            big_count: 0,
        }
    }

    pub(crate) fn add(&mut self, entry: Entry) {
        // Of a key without a kind nothing could be had: it was gone.
        let Some(kind) = entry.kind else { return };
        let bytes = entry.memory.unwrap_or_else(|| {
            self.unmeasured += 1;
            0
        });
        let length = entry.length.unwrap_or_default();
        let lasting = matches!(entry.expiry, Some(Expiry::Never));
        self.sum.add(bytes, lasting);
        self.prefixes.add(&entry.key, bytes, lasting);

        let excess = self.limits.excess(&kind, bytes, length);
        let is_big = excess >= 1_000;
        self.big_count += u64::from(is_big);
        let position = self.kinds.iter().position(|known| known.name == kind).unwrap_or(self.kinds.len());
        if position == self.kinds.len() {
            let (by_bytes, by_length) = (Top::new(self.top), Top::new(self.top));
            self.kinds.push(Kind { name: kind.clone(), sum: Sum::default(), by_bytes, by_length });
        }
        let Some(known) = self.kinds.get_mut(position) else { return };
        known.sum.add(bytes, lasting);
        let takers = [
            (is_big.then_some(excess), &mut self.big),
            (Some(bytes), &mut known.by_bytes),
            // A string's length is its bytes, near enough.
            ((kind != "string").then_some(length), &mut known.by_length),
        ];
        for (rank, top) in takers {
            if let Some(rank) = rank.filter(|rank| top.would_take(*rank, &entry.key)) {
                top.add(rank, Key { name: entry.key.clone(), kind: kind.clone(), bytes, length, lasting });
            }
        }
    }

    /// Keys taken in.
    pub(crate) fn keys(&self) -> u64 {
        self.sum.keys
    }

    pub(crate) fn finish(self) -> Seen {
        let mut kinds: Vec<_> = self
            .kinds
            .into_iter()
            .map(|kind| KindSeen {
                name: kind.name,
                sum: kind.sum,
                biggest: kind.by_bytes.into_sorted(),
                longest: kind.by_length.into_sorted(),
            })
            .collect();
        kinds.sort_by(|a, b| (b.sum.bytes, &a.name).cmp(&(a.sum.bytes, &b.name)));
        let (prefixes, other_prefixes) = self.prefixes.finish(self.top);
        Seen {
            sum: self.sum,
            unmeasured: self.unmeasured,
            kinds,
            prefixes,
            other_prefixes,
            big: self.big.into_sorted(),
            big_count: self.big_count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { bytes: 1_000, elements: 100 };

    fn entry(key: &str, kind: &str, memory: u64, length: u64, lasting: bool) -> Entry {
        let expiry = if lasting { Expiry::Never } else { Expiry::In(60_000) };
        Entry {
            key: key.into(),
            kind: Some(kind.into()),
            memory: Some(memory),
            expiry: Some(expiry),
            length: Some(length),
            idle: None,
        }
    }

    fn tally(entries: Vec<Entry>) -> Seen {
        let mut tally = Tally::new(2, LIMITS, Cut { separator: b":".to_vec(), depth: 1 });
        for entry in entries {
            tally.add(entry);
        }
        tally.finish()
    }

    fn names(keys: &[Key]) -> Vec<&str> {
        keys.iter().map(|key| std::str::from_utf8(&key.name).unwrap()).collect()
    }

    #[test]
    fn keys_are_told_apart_by_kind_and_the_biggest_stay() {
        let seen = tally(vec![
            entry("s:1", "string", 10, 8, true),
            entry("h:1", "hash", 300, 5, false),
            entry("s:2", "string", 30, 28, false),
            entry("h:2", "hash", 200, 50, true),
            entry("h:3", "hash", 100, 20, true),
        ]);
        assert_eq!(seen.sum, Sum { keys: 5, bytes: 640, lasting: 3, lasting_bytes: 310 });
        let [hash, string] = seen.kinds.as_slice() else { panic!("two kinds: {seen:#?}") };
        assert_eq!(
            (hash.name.as_str(), names(&hash.biggest), names(&hash.longest)),
            ("hash", vec!["h:1", "h:2"], vec!["h:2", "h:3"])
        );
        assert_eq!((string.name.as_str(), names(&string.biggest)), ("string", vec!["s:2", "s:1"]));
        assert_eq!(string.longest, [], "a string's length is its size");
        assert_eq!((seen.big, seen.big_count), (vec![], 0));
    }

    #[test]
    fn big_is_what_reaches_a_limit_the_worst_first() {
        let seen = tally(vec![
            entry("below", "string", 999, 900, true),
            entry("at", "string", 1_000, 900, true),
            entry("long text", "string", 10, 500, true),
            entry("long list", "list", 10, 300, true),
            entry("long enough", "zset", 10, 100, true),
            entry("short", "set", 10, 99, true),
            entry("huge", "hash", 5_000, 1, true),
        ]);
        assert_eq!(names(&seen.big), ["huge", "long list", "at", "long enough"]);
        assert_eq!(seen.big_count, 4);
        let many = (0..100).map(|number| entry(&format!("big {number}"), "list", 1_000, 0, true)).collect();
        let seen = tally(many);
        assert_eq!((seen.big.len(), seen.big_count), (BIG, 100));
    }

    #[test]
    fn what_the_server_does_not_say_is_not_made_up() {
        let unknown = Entry { memory: None, expiry: None, length: None, ..entry("a", "string", 0, 0, true) };
        let gone = Entry { kind: None, ..entry("b", "", 0, 0, true) };
        let seen = tally(vec![unknown, gone]);
        assert_eq!((seen.sum, seen.unmeasured), (Sum { keys: 1, ..Sum::default() }, 1));
    }
}
