//! Paths as the host writes them, and as they are. Pure.

/// The bytes of a path: the host writes one that is not UTF-8 as `\xNN`, and a backslash as two.
pub(crate) fn bytes(path: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    loop {
        rest = match rest {
            [] => return out,
            [b'\\', b'\\', rest @ ..] => {
                out.push(b'\\');
                rest
            }
            [b'\\', b'x', high, low, rest @ ..] => {
                out.push(digit(*high) << 4 | digit(*low));
                rest
            }
            [byte, rest @ ..] => {
                out.push(*byte);
                rest
            }
        };
    }
}

/// The host writes lower-case digits and nothing else.
fn digit(digit: u8) -> u8 {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_given_back_byte_by_byte() {
        for (path, expected) in [
            ("a/b.txt", &b"a/b.txt"[..]),
            ("latin\\xe9", b"latin\xe9"),
            ("back\\\\slash", b"back\\slash"),
            ("\\\\xe9", b"\\xe9"),
            ("ü", "ü".as_bytes()),
            ("", b""),
        ] {
            assert_eq!(bytes(path), expected, "{path}");
        }
    }
}
