//! Redis's globs over keys, matched on bytes as KEYS and SCAN match them: what a grant lets be seen must be what an
//! operator who tries the same glob in redis-cli sees. Pure.

/// One glob: `*`, `?`, `[abc]`, `[^a-z]`, and a backslash before a byte that is meant as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(String);

/// The longest glob, in bytes.
const LENGTH_LIMIT: usize = 1_024;

impl Pattern {
    /// Reads one.
    ///
    /// # Errors
    /// A glob that is empty or too long.
    pub(super) fn new(written: String) -> Result<Self, String> {
        if written.is_empty() {
            return Err("key= is empty; write a pattern like `session:*`, or `*` for every key".into());
        }
        if written.len() > LENGTH_LIMIT {
            return Err(format!("a key pattern of {} bytes is longer than {LENGTH_LIMIT}", written.len()));
        }
        Ok(Self(written))
    }

    /// As it was written.
    pub(super) fn written(&self) -> &str {
        &self.0
    }

    /// Whether every key matches.
    pub(super) fn is_all(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'*')
    }

    /// Whether `key` matches.
    pub(super) fn matches(&self, key: &[u8]) -> bool {
        matches(self.0.as_bytes(), key)
    }
}

/// Whether `text` matches `pattern`. Takes at most their lengths multiplied: only the last star is ever taken back.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut rest, mut left) = (pattern, text);
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some((b'*', after)) = rest.split_first() {
            star = Some((after, left));
            rest = after;
            continue;
        }
        let stepped = match left.split_first() {
            None if rest.is_empty() => return true,
            None => None,
            Some((byte, others)) => one(rest, *byte).map(|after| (after, others)),
        };
        match stepped {
            Some((after, others)) => (rest, left) = (after, others),
            // The star takes one byte more.
            None => match star.and_then(|(after, from)| from.split_first().map(|(_, from)| (after, from))) {
                Some((after, from)) => {
                    star = Some((after, from));
                    (rest, left) = (after, from);
                }
                None => return false,
            },
        }
    }
}

/// What follows the first element of `pattern`, if that matches `byte`.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern.split_first()? {
        (b'?', after) => Some(after),
        (b'[', class) => {
            let (matched, after) = in_class(class, byte);
            matched.then_some(after)
        }
        (b'\\', [escaped, after @ ..]) => (*escaped == byte).then_some(after),
        (literal, after) => (*literal == byte).then_some(after),
    }
}

/// Whether `byte` is in the class that begins after `[`, and what follows the class. One that is not closed ends with
/// the pattern.
fn in_class(class: &[u8], byte: u8) -> (bool, &[u8]) {
    let (negated, mut rest) = match class {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => break,
            [b'\\', escaped, after @ ..] => {
                found |= *escaped == byte;
                after
            }
            [b']', after @ ..] => {
                rest = after;
                break;
            }
            [first, b'-', last, after @ ..] => {
                found |= (*first.min(last)..=*first.max(last)).contains(&byte);
                after
            }
            [single, after @ ..] => {
                found |= *single == byte;
                after
            }
        };
    }
    (found != negated, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The same cases are put to a real server in tests/tests/redis/patterns.rs.
    #[test]
    fn globs_match_as_redis_matches_them() {
        for (pattern, key, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("a", "a", true),
            ("a", "A", false),
            ("a", "ab", false),
            ("session:*", "session:", true),
            ("session:*", "session:1", true),
            ("session:*", "other:1", false),
            ("*:session", "a:b:session", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h[a-c]llo", "hdllo", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[\\]]", "]", true),
            ("[]]", "]", false),
            ("[abc", "b", true),
            ("[", "[", false),
            ("a\\", "a\\", true),
            ("a{b,c}", "ab", false),
            ("a{b,c}", "a{b,c}", true),
            ("**a", "ba", true),
            ("a/*", "a/b/c", true),
            ("?", "", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), key.as_bytes()), expected, "{pattern} on {key}");
        }
    }

    #[test]
    fn keys_are_bytes() {
        assert!(matches(b"a*", b"a\xff\0\n"));
        assert!(matches(b"?\xff", b"\0\xff"));
        assert!(matches(b"[\x80-\xff]", b"\xc3"));
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = "a*".repeat(200) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(20_000).as_bytes()));
    }

    #[test]
    fn a_pattern_that_says_nothing_is_refused() {
        assert!(Pattern::new(String::new()).is_err());
        assert!(Pattern::new("a".repeat(1_025)).is_err());
        assert!(Pattern::new("**".into()).unwrap().is_all());
        assert!(!Pattern::new("*a".into()).unwrap().is_all());
    }
}
