//! How far a log was read, and where reading goes on: also when it was rotated since. Pure.

/// Bytes of a log's start by which it is known again.
pub(crate) const HEAD: usize = 1024;
/// So much of a start is enough to know a file by that alone.
const TELLING: usize = 64;

/// How far a log was read by an earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The file, as the host knows it.
    pub(crate) identity: String,
    /// How many bytes of its start are in `hash`.
    pub(crate) head: usize,
    pub(crate) hash: u64,
    /// Bytes read, of what is in the file where that is compressed.
    pub(crate) offset: u64,
    /// Lines read.
    pub(crate) lines: u64,
}

impl Position {
    pub(crate) fn write(&self) -> String {
        let Self { identity, head, hash, offset, lines } = self;
        format!("1 {identity} {head} {hash:016x} {offset} {lines}")
    }

    /// None for a text that is not one of these.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut words = text.strip_prefix("1 ")?.split(' ');
        let position = Self {
            identity: words.next()?.into(),
            head: words.next()?.parse().ok()?,
            hash: u64::from_str_radix(words.next()?, 16).ok()?,
            offset: words.next()?.parse().ok()?,
            lines: words.next()?.parse().ok()?,
        };
        (words.next().is_none() && position.head <= HEAD).then_some(position)
    }

    /// Whether a file is the one that was read, further on or not.
    pub(crate) fn is_of(&self, file: &Known<'_>) -> bool {
        // A compressed file is another one than the file that it was made of.
        let same_start = file.head.get(..self.head).is_some_and(|head| hash(head) == self.hash);
        let long_enough = file.size.is_none_or(|size| size >= self.offset);
        same_start && long_enough && (self.identity == file.identity || self.head >= TELLING)
    }
}

/// What is known of a file, to tell whether it is the one that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) identity: &'a str,
    /// Its first bytes, decompressed.
    pub(crate) head: &'a [u8],
    /// None where it is compressed.
    pub(crate) size: Option<u64>,
}

/// FNV-1a of 64 bits.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(head: &[u8], offset: u64) -> Position {
        Position { identity: "fe00-12".into(), head: head.len(), hash: hash(head), offset, lines: 3 }
    }

    #[test]
    fn a_position_is_read_back_and_nothing_else_is_one() {
        let position = position(b"start", u64::MAX);
        assert_eq!(Position::read(&position.write()), Some(position));
        for text in
            ["", "1", "2 a 5 0 1 1", "1 a 5 0 1", "1 a 5 0 1 1 1", "1 a x 0 1 1", "1 a 2000 0 1 1", "1 a 5 zz 1 1"]
        {
            assert_eq!(Position::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_file_is_known_by_its_number_and_its_start() {
        let long = [b'x'; 100];
        for (case, position, identity, head, size, expected) in [
            ("the same", position(b"start", 9), "fe00-12", &b"start and more"[..], Some(20), true),
            ("cut since", position(b"start", 9), "fe00-12", b"start", Some(5), false),
            ("a new one under its number", position(b"start", 9), "fe00-12", b"other and more", Some(20), false),
            ("shorter than what was seen of it", position(b"start", 0), "fe00-12", b"st", Some(2), false),
            (
                "a short start under another number",
                position(b"start", 9),
                "fe00-13",
                b"start and more",
                Some(20),
                false,
            ),
            ("a copy", position(&long, 100), "fe00-13", &long, Some(100), true),
            ("compressed", position(&long, 100), "fe00-13", &long, None, true),
            ("empty before", position(b"", 0), "fe00-12", b"anything", Some(8), true),
        ] {
            assert_eq!(position.is_of(&Known { identity, head, size }), expected, "{case}");
        }
    }
}
