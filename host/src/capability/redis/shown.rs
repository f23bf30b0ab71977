//! Keys as people read them: bounded, on one line, and without a byte that a terminal would obey. Pure.

use std::fmt::Write as _;

/// The most bytes of one key that are shown.
const KEY_LIMIT: usize = 96;
/// The most bytes of a list; the journal keeps 512.
const LIST_LIMIT: usize = 400;

/// One key. Bytes that are no printable text are shown as `\xNN`, as redis-cli does.
pub(super) fn key(key: &[u8]) -> String {
    let mut out = String::new();
    for chunk in key.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\\' => out.push_str("\\\\"),
                _ if character.is_control() => out.extend(character.escape_unicode()),
                _ => out.push(character),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
        if out.len() > KEY_LIMIT {
            break;
        }
    }
    crate::policy::text::clean_line(&out, KEY_LIMIT)
}

/// What is done to keys: `UNLINK a, b and 3 more`.
pub(super) fn list(verb: &str, keys: &[Vec<u8>]) -> String {
    let mut out = verb.to_owned();
    for (index, one) in keys.iter().enumerate() {
        let shown = key(one);
        if out.len() + shown.len() > LIST_LIMIT {
            let _ = write!(out, " and {} more", keys.len() - index);
            break;
        }
        let before = match (index, verb) {
            (0, "") => "",
            (0, _) => " ",
            _ => ", ",
        };
        let _ = write!(out, "{before}{shown}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shown_on_one_line() {
        for (bytes, shown) in [
            (&b"session:1"[..], "session:1"),
            (b"a\nb", "a\\nb"),
            (b"\x1b[2J", "\\u{1b}[2J"),
            (b"\xff\0", "\\xff\\u{0}"),
            ("größe".as_bytes(), "größe"),
            (b"a\\n", "a\\\\n"),
        ] {
            assert_eq!(key(bytes), shown);
        }
        assert!(key(&[b'a'; 10_000]).len() < 120);
    }

    #[test]
    fn lists_are_bounded_and_say_how_many_are_left_out() {
        let keys: Vec<Vec<u8>> = (0..1_000).map(|number| format!("session:{number}").into_bytes()).collect();
        assert_eq!(list("UNLINK", &keys[..2]), "UNLINK session:0, session:1");
        assert_eq!(list("", &keys[..1]), "session:0");
        let long = list("UNLINK", &keys);
        assert!(long.len() < 480 && long.ends_with(" more"), "{long}");
    }
}
