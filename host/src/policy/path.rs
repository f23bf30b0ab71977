//! Paths below a root, as guests write them. Names on disk are bytes; in the contract they are text, in which a byte
//! that is not UTF-8 is written `\xNN` and a backslash `\\`. No path of this form leads upwards.

use std::fmt::Write as _;

/// A path below a root: the names on it, each without `/` and NUL, none of them `.` or `..`. No names at all is the
/// root itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RelativePath(Vec<Vec<u8>>);

/// Why a text is no path below the root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PathError {
    #[error("`{0}` is absolute; name it relative to the slot's directory")]
    Absolute(String),
    #[error("`{0}` leads upwards by `..`; no path leaves the slot's directory")]
    Upwards(String),
    #[error("`{0}` has an escape that is neither `\\\\` nor `\\xNN`; write a backslash as `\\\\`")]
    Escape(String),
    #[error("`{0}` has a NUL or an escaped `/` in a name; no file has such a name")]
    Name(String),
    #[error("`{0}` has an empty name between two `/`")]
    Empty(String),
    #[error("a path of {0} bytes is longer than {PATH_LIMIT}")]
    Long(usize),
}

impl PathError {
    /// Whether it tries to leave the root, as opposed to being malformed.
    pub fn escapes(&self) -> bool {
        matches!(self, Self::Absolute(_) | Self::Upwards(_))
    }
}

/// The longest path, in bytes of its text. Deep trees are walked name by name, so that this is well above the limit of
/// one system call.
const PATH_LIMIT: usize = 256 * 1024;

impl RelativePath {
    /// Reads a path. `.` names the root, and is left out elsewhere; one `/` at the end is, too.
    ///
    /// # Errors
    /// A text that is not of the form, or leads out of the root.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let shown = || super::text::clean_line(text, 256);
        if text.len() > PATH_LIMIT {
            return Err(PathError::Long(text.len()));
        }
        if text.starts_with('/') {
            return Err(PathError::Absolute(shown()));
        }
        let mut names = Vec::new();
        for part in text.strip_suffix('/').unwrap_or(text).split('/') {
            let name = decode(part).ok_or_else(|| PathError::Escape(shown()))?;
            match name.as_slice() {
                b"" if text.is_empty() => {}
                b"" => return Err(PathError::Empty(shown())),
                b"." => {}
                b".." => return Err(PathError::Upwards(shown())),
                name if name.iter().any(|byte| matches!(byte, 0 | b'/')) => return Err(PathError::Name(shown())),
                _ => names.push(name),
            }
        }
        Ok(Self(names))
    }

    /// From the bytes of a path that the host itself resolved below the root.
    pub fn from_resolved(path: &[u8]) -> Self {
        Self(path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b".")).map(<[u8]>::to_vec).collect())
    }

    /// The names on the path, from the root on.
    pub fn names(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// The path of what it is in, and its name there; none for the root.
    pub fn split(&self) -> Option<(Self, &[u8])> {
        let (name, parent) = self.0.split_last()?;
        Some((Self(parent.to_vec()), name))
    }

    /// The path of `name` in this directory.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        let mut names = self.0.clone();
        names.push(name.to_vec());
        Self(names)
    }

    /// The path in bytes, as the system takes it.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.join(&b'/')
    }
}

impl std::fmt::Display for RelativePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str(".");
        }
        let mut text = String::new();
        for (index, name) in self.0.iter().enumerate() {
            if index > 0 {
                text.push('/');
            }
            encode_into(name, &mut text);
        }
        f.write_str(&text)
    }
}

/// Appends a name from disk, as text.
pub fn encode_into(name: &[u8], text: &mut String) {
    for chunk in name.utf8_chunks() {
        let valid = chunk.valid();
        if valid.contains('\\') {
            text.push_str(&valid.replace('\\', "\\\\"));
        } else {
            text.push_str(valid);
        }
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('\\');
    let mut name = parts.next()?.as_bytes().to_vec();
    while let Some(part) = parts.next() {
        if part.is_empty() {
            // Two backslashes in a row stand for one; what follows the second is plain.
            name.push(b'\\');
            name.extend_from_slice(parts.next()?.as_bytes());
        } else {
            let (digits, rest) = part.strip_prefix('x')?.split_at_checked(2)?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            name.push(u8::from_str_radix(digits, 16).ok()?);
            name.extend_from_slice(rest.as_bytes());
        }
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_on_disk_can_be_written_and_read_back() {
        for (name, text) in [
            (&b"plain.log"[..], "plain.log"),
            (b"two\nlines", "two\nlines"),
            ("größe".as_bytes(), "größe"),
            (b"latin\xe9", "latin\\xe9"),
            (b"back\\slash", "back\\\\slash"),
            (b"\\xe9", "\\\\xe9"),
            (b"\\", "\\\\"),
            (b"\\\\", "\\\\\\\\"),
            (b"\xff\xfe", "\\xff\\xfe"),
            (b"...", "..."),
            (b" ", " "),
        ] {
            let mut written = String::new();
            encode_into(name, &mut written);
            assert_eq!(written, text);
            assert_eq!(RelativePath::parse(&written).unwrap().names(), [name.to_vec()], "{text}");
        }
    }

    #[test]
    fn no_text_leads_out_of_the_root() {
        for (case, text, escapes) in [
            ("parent", "..", true),
            ("parent inside", "a/../b", true),
            ("parent at the end", "a/..", true),
            ("parent with a slash", "../", true),
            ("absolute", "/etc/passwd", true),
            ("the root of all", "/", true),
            ("two slashes", "//etc", true),
            ("escaped parent", "\\x2e\\x2e", true),
            ("half escaped parent", ".\\x2e/b", true),
            ("escaped slash", "a\\x2fb", false),
            ("escaped absolute", "\\x2fetc", false),
            ("escaped NUL", "a\\x00", false),
            ("plain NUL", "a\0b", false),
            ("empty name", "a//b", false),
            ("escape cut short", "a\\x2", false),
            ("escape of no hex", "a\\xzz", false),
            ("escape with a sign", "a\\x+1", false),
            ("unknown escape", "a\\n", false),
            ("backslash at the end", "a\\", false),
        ] {
            let error = RelativePath::parse(text).expect_err(case);
            assert_eq!(error.escapes(), escapes, "{case}: {error}");
        }
        assert_eq!(RelativePath::parse(&"a".repeat(PATH_LIMIT + 1)), Err(PathError::Long(PATH_LIMIT + 1)));
    }

    #[test]
    fn the_root_and_a_slash_at_the_end_are_understood() {
        for (text, shown) in [(".", "."), ("", "."), ("./a", "a"), ("a/", "a"), ("a/./b", "a/b"), ("a/b/c", "a/b/c")] {
            assert_eq!(RelativePath::parse(text).unwrap().to_string(), shown);
        }
    }
}
