//! One header of 512 bytes, and what extended headers say. Pure.

use crate::{Kind, Member};

pub(crate) const BLOCK: usize = 512;

/// What a header stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Member {
        kind: Kind,
        has_content: bool,
    },
    /// Says something of the next member.
    Extension(u8),
}

/// What an extended header says of the next member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Path(Vec<u8>),
    Size(u64),
    Modified(i64),
    /// Its content has holes in a form of GNU's own: what follows is not the file as it is.
    Sparse,
}

#[derive(Debug)]
pub(crate) struct Header {
    path: Vec<u8>,
    pub(crate) size: u64,
    modified: i64,
    pub(crate) entry: Entry,
    pub(crate) map_goes_on: bool,
}

impl Header {
    pub(crate) fn read(block: &[u8]) -> Result<Self, &'static str> {
        let field = |from: usize, length: usize| block.get(from..from + length).unwrap_or_default();
        let sum = number(field(148, 8)).ok_or("a header whose checksum is no number")?;
        if !is_sum(block, sum) {
            return Err("a header whose checksum is wrong");
        }
        let size = number(field(124, 12)).ok_or("a header whose size is no number")?;
        // A time before 1970, or none, is no damage.
        let modified = number(field(136, 12)).and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or_default();
        let kind = block.get(156).copied().unwrap_or_default();
        let mut path = text(field(0, 100)).to_vec();
        // GNU keeps other things where POSIX has the prefix.
        if field(257, 8) == b"ustar\x0000" {
            let prefix = text(field(345, 155));
            if !prefix.is_empty() {
                path = [prefix, b"/", path.as_slice()].concat();
            }
        }
        let entry = match kind {
            b'L' | b'K' | b'x' | b'g' | b'X' => Entry::Extension(kind),
            b'0' | 0 | b'7' => Entry::Member { kind: Kind::File, has_content: true },
            b'1' | b'2' => Entry::Member { kind: Kind::Link, has_content: false },
            b'3' | b'4' | b'6' => Entry::Member { kind: Kind::Other, has_content: false },
            b'5' => Entry::Member { kind: Kind::Directory, has_content: false },
            _ => Entry::Member { kind: Kind::Other, has_content: true },
        };
        let map_goes_on = kind == b'S' && block.get(482).is_some_and(|more| *more != 0);
        Ok(Self { path, size, modified, entry, map_goes_on })
    }

    /// The member, with what extended headers said of it.
    pub(crate) fn member(self, words: Vec<Word>) -> Member {
        let (mut kind, has_content) = match self.entry {
            Entry::Member { kind, has_content } => (kind, has_content),
            Entry::Extension(_) => (Kind::Other, true),
        };
        let (mut path, mut size, mut modified) = (self.path, self.size, self.modified);
        for word in words {
            match word {
                Word::Path(name) => path = name,
                Word::Size(bytes) => size = bytes,
                Word::Modified(seconds) => modified = seconds,
                Word::Sparse => kind = Kind::Other,
            }
        }
        // Old programs have no other mark of a directory. The header's own name does not tell: a long one is cut in it,
        // at any byte.
        if kind == Kind::File && path.ends_with(b"/") {
            return Member { path, kind: Kind::Directory, size: 0, modified };
        }
        Member { path, kind, size: if has_content { size } else { 0 }, modified }
    }
}

/// The sum of all bytes of a header, its own field taken for blanks; old programs summed signed bytes.
fn is_sum(block: &[u8], sum: u64) -> bool {
    let blanked = block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { b' ' } else { *byte });
    let (unsigned, signed) = blanked.fold((0_u64, 0_i64), |(unsigned, signed), byte| {
        (unsigned + u64::from(byte), signed + i64::from(byte.cast_signed()))
    });
    sum == unsigned || i64::try_from(sum).is_ok_and(|sum| sum == signed)
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// An octal number, or GNU's form of larger ones: eight bits a byte, marked by the first.
fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        // A negative one begins with 0xff.
        let high = u64::from(first & 0x7f);
        return rest.iter().try_fold(high, |number, byte| number.checked_mul(256)?.checked_add(u64::from(*byte)));
    }
    let digits = text(field).trim_ascii();
    digits.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// What an extended header of that kind says; none when it cannot be read.
pub(crate) fn words(kind: u8, content: &[u8]) -> Option<Vec<Word>> {
    match kind {
        b'L' => Some(vec![Word::Path(text(content).to_vec())]),
        b'x' | b'X' => records(content),
        // What a link leads to, and what is said of all members, changes nothing here.
        _ => Some(vec![]),
    }
}

/// The records of pax: `LENGTH KEY=VALUE\n`, the length counting all of it.
fn records(mut content: &[u8]) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    while !text(content).is_empty() {
        let space = content.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(content.get(..space)?).ok()?.parse().ok()?;
        let record = content.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (record.get(..equals)?, record.get(equals + 1..)?);
        let digits = || std::str::from_utf8(value).ok();
        match key {
            b"path" => words.push(Word::Path(value.to_vec())),
            b"size" => words.push(Word::Size(digits()?.parse().ok()?)),
            // With a fraction.
            b"mtime" => words.push(Word::Modified(digits()?.split('.').next()?.parse().ok()?)),
            key if key.starts_with(b"GNU.sparse.") => words.push(Word::Sparse),
            _ => {}
        }
        content = content.get(length..)?;
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_large() {
        for (field, expected) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"", None),
            (b"\0\0\0\0", Some(0)),
            (b"0000698\0", None),
            (b"77777777777\0", Some(8_589_934_591)),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", Some(8_589_934_592)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ] {
            assert_eq!(number(field), expected, "{field:?}");
        }
    }

    #[test]
    fn records_of_pax_are_read_or_refused() {
        for (content, expected) in [
            (&b"12 path=a/b\n"[..], Some(vec![Word::Path(b"a/b".to_vec())])),
            (b"13 size=12345\n", None),
            (b"14 size=12345\n", Some(vec![Word::Size(12_345)])),
            (b"22 mtime=1700000000.5\n", Some(vec![Word::Modified(1_700_000_000)])),
            (b"20 comment=harmless\n\0\0\0", Some(vec![])),
            (b"22 GNU.sparse.major=1\n", Some(vec![Word::Sparse])),
            (b"", Some(vec![])),
            (b"99 path=a\n", None),
            (b"0 path=a\n", None),
            (b"9 path=ab", None),
            (b"99999999999999999999 a=b\n", None),
            (b"8 abcde\n", None),
        ] {
            assert_eq!(words(b'x', content), expected, "{:?}", String::from_utf8_lossy(content));
        }
    }
}
