//! Which keys go. Pure.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use taskhost_sdk::redis::{Entry, Expiry, Facts};

/// What a key must be like; all of it must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    /// It has no TTL.
    pub(crate) without_ttl: bool,
    /// It was not used for so many seconds.
    pub(crate) idle: Option<u64>,
    /// It takes so many bytes.
    pub(crate) larger_than: Option<u64>,
    /// It is to end in so many milliseconds: one that ends sooner is left alone.
    pub(crate) expire_in: Option<u64>,
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Take,
    Leave,
    /// What it hangs on, the server does not say.
    Unknown,
}

impl Choice {
    /// What must be known of each key. Memory always: what is freed is to be said.
    pub(crate) fn facts(&self) -> Facts {
        let mut facts = Facts::MEMORY;
        if self.without_ttl || self.expire_in.is_some() {
            facts |= Facts::EXPIRY;
        }
        if self.idle.is_some() {
            facts |= Facts::IDLE;
        }
        facts
    }

    /// Whether it hangs on more than the name and the kind, which do not change unless the key goes.
    pub(crate) fn is_conditional(&self) -> bool {
        self.without_ttl || self.idle.is_some() || self.larger_than.is_some() || self.expire_in.is_some()
    }

    pub(crate) fn judge(&self, entry: &Entry) -> Verdict {
        let ends = match entry.expiry {
            Some(Expiry::In(milliseconds)) => Some(milliseconds),
            // Without its expiry no key is taken for one that lasts.
            None if self.facts().contains(Facts::EXPIRY) => return Verdict::Unknown,
            Some(Expiry::Never) | None => None,
        };
        let kept = self.without_ttl && ends.is_some()
            || self.expire_in.is_some_and(|wanted| ends.is_some_and(|ends| ends <= wanted));
        if kept {
            return Verdict::Leave;
        }
        let reaches = |least: Option<u64>, fact: Option<u64>| match (least, fact) {
            (None, _) => Some(true),
            (Some(least), Some(fact)) => Some(fact >= least),
            (Some(_), None) => None,
        };
        match (reaches(self.idle, entry.idle), reaches(self.larger_than, entry.memory)) {
            (Some(true), Some(true)) => Verdict::Take,
            (Some(false), _) | (_, Some(false)) => Verdict::Leave,
            (None, _) | (_, None) => Verdict::Unknown,
        }
    }
}

/// Keys that were taken: a scan may come by a key twice, and a rehearsal would count it twice. Eight bytes each; of two
/// keys that look the same in them, the second stays.
#[derive(Default)]
pub(crate) struct Taken(HashSet<u64>);

impl Taken {
    /// Whether it is the first time.
    pub(crate) fn insert(&mut self, key: &[u8]) -> bool {
        // Always the same: a rehearsal and the run take the same keys.
        self.0.insert(BuildHasherDefault::<DefaultHasher>::default().hash_one(key))
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// Whether a pattern says anything about the names: one of wildcards and classes alone matches all, or nearly all.
pub(crate) fn names_something(pattern: &str) -> bool {
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        match character {
            '*' | '?' => {}
            '[' => {
                // As Redis reads it: up to the first `]` that is not escaped, or to the end.
                while let Some(inside) = rest.next() {
                    match inside {
                        ']' => break,
                        '\\' => drop(rest.next()),
                        _ => {}
                    }
                }
            }
            _ => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(expiry: Option<Expiry>, idle: Option<u64>, memory: Option<u64>) -> Entry {
        Entry { key: b"key".to_vec(), kind: None, memory, expiry, length: None, idle }
    }

    #[test]
    fn a_key_goes_when_all_that_was_asked_holds() {
        let never = || Some(Expiry::Never);
        let soon = || Some(Expiry::In(1_000));
        let all = Choice { without_ttl: true, idle: Some(60), larger_than: Some(100), expire_in: None };
        let idle = Choice { idle: Some(60), ..Choice::default() };
        let large = Choice { larger_than: Some(100), ..Choice::default() };
        let lasting = Choice { without_ttl: true, ..Choice::default() };
        let expire = Choice { expire_in: Some(1_000), ..Choice::default() };
        for (choice, entry, expected) in [
            (&Choice::default(), entry(None, None, None), Verdict::Take),
            (&Choice::default(), entry(soon(), Some(0), Some(0)), Verdict::Take),
            (&all, entry(never(), Some(60), Some(100)), Verdict::Take),
            (&all, entry(soon(), Some(60), Some(100)), Verdict::Leave),
            (&all, entry(never(), Some(59), Some(100)), Verdict::Leave),
            (&all, entry(never(), Some(60), Some(99)), Verdict::Leave),
            (&all, entry(never(), None, Some(99)), Verdict::Leave),
            (&all, entry(never(), None, Some(100)), Verdict::Unknown),
            (&idle, entry(None, None, None), Verdict::Unknown),
            (&idle, entry(None, Some(61), None), Verdict::Take),
            (&large, entry(None, None, None), Verdict::Unknown),
            (&lasting, entry(None, None, None), Verdict::Unknown),
            (&lasting, entry(never(), None, None), Verdict::Take),
            (&expire, entry(never(), None, None), Verdict::Take),
            (&expire, entry(Some(Expiry::In(1_001)), None, None), Verdict::Take),
            (&expire, entry(soon(), None, None), Verdict::Leave),
            (&expire, entry(None, None, None), Verdict::Unknown),
        ] {
            assert_eq!(choice.judge(&entry), expected, "{choice:?} {entry:?}");
        }
    }

    #[test]
    fn what_is_asked_for_is_what_is_needed() {
        assert_eq!(Choice::default().facts(), Facts::MEMORY);
        assert_eq!(Choice { idle: Some(1), ..Choice::default() }.facts(), Facts::MEMORY | Facts::IDLE);
        assert_eq!(Choice { expire_in: Some(1), ..Choice::default() }.facts(), Facts::MEMORY | Facts::EXPIRY);
        assert_eq!(Choice { without_ttl: true, ..Choice::default() }.facts(), Facts::MEMORY | Facts::EXPIRY);
    }

    #[test]
    fn a_key_is_taken_once() {
        let mut taken = Taken::default();
        assert_eq!((taken.insert(b"a"), taken.insert(b"b"), taken.insert(b"a"), taken.len()), (true, true, false, 2));
    }

    #[test]
    fn a_pattern_of_wildcards_alone_says_nothing() {
        for pattern in ["", "*", "**", "?*", "*?*", "[a-z]*", "[^x]*", "[", "[]*", "[\\]]*", "*[abc", "[\\"] {
            assert!(!names_something(pattern), "{pattern}");
        }
        for pattern in ["a", "*expired*", "session:*", "\\*", "[ab]:*", "*-*", "[a]]*"] {
            assert!(names_something(pattern), "{pattern}");
        }
    }
}
