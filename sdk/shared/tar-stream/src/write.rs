//! Headers of an archive that is written, in GNU's format, whose long names are bytes of any kind. Pure.

use crate::header::BLOCK;
use crate::padding;

/// Bytes of a name in a header.
const NAME: usize = 100;
/// The largest number of eleven octal digits.
const OCTAL: u64 = (1 << 33) - 1;
/// What GNU calls a header that stands for a long name.
const LONG_NAME: &[u8] = b"././@LongLink";

/// What is written of a member before its content.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Relative, in bytes, with `/`; a directory's ends with one.
    pub path: &'a [u8],
    /// A directory has no content.
    pub directory: bool,
    /// Bytes of content that will follow.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Seconds since 1970; a time before is written as 0.
    pub modified: i64,
}

impl Entry<'_> {
    /// The member's header, and before it what carries a name that is too long for one. Its content follows, then
    /// [`zeros`].
    pub fn header(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BLOCK);
        if self.path.len() > NAME {
            // With a NUL at its end.
            let size = self.path.len() as u64 + 1;
            out.extend(block(LONG_NAME, b'L', size, 0, 0));
            out.extend_from_slice(self.path);
            out.push(0);
            out.extend(zeros(size));
        }
        let (kind, size) = if self.directory { (b'5', 0) } else { (b'0', self.size) };
        let modified = u64::try_from(self.modified).unwrap_or_default();
        out.extend(block(self.path, kind, size, self.mode & 0o7777, modified));
        out
    }
}

/// What fills the last block of so many bytes of content.
pub fn zeros(size: u64) -> impl Iterator<Item = u8> {
    std::iter::repeat_n(0, usize::try_from(padding(size)).unwrap_or_default())
}

/// The mark at an archive's end.
pub fn end() -> Vec<u8> {
    vec![0; 2 * BLOCK]
}

fn block(path: &[u8], kind: u8, size: u64, mode: u32, modified: u64) -> Vec<u8> {
    let mut block = Vec::with_capacity(BLOCK);
    let mut field = |bytes: &[u8], width: usize| {
        block.extend(bytes.iter().copied().chain(std::iter::repeat(0)).take(width));
    };
    field(path, NAME);
    field(format!("{mode:07o}").as_bytes(), 8);
    // Owner and group: whoever unpacks it.
    field(b"0000000", 8);
    field(b"0000000", 8);
    field(&number(size), 12);
    field(&number(modified), 12);
    field(b"        ", 8);
    field(&[kind], 1);
    field(b"", 100);
    field(b"ustar  ", 8);
    field(b"", BLOCK - 265);
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block.splice(148..156, format!("{sum:06o}\0 ").into_bytes());
    block
}

/// Octal, or GNU's form of numbers that are too large for it.
fn number(number: u64) -> Vec<u8> {
    if number <= OCTAL {
        return format!("{number:011o}").into_bytes();
    }
    let mut out = vec![0x80, 0, 0, 0];
    out.extend(number.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, Kind, Walker};

    fn read(archive: &[u8]) -> Vec<(Vec<u8>, Kind, u64, i64)> {
        let (mut walker, mut members, mut input) = (Walker::new(), vec![], archive);
        while let Some(event) = walker.next(&mut input).unwrap() {
            if let Event::Member(member) = event {
                members.push((member.path, member.kind, member.size, member.modified));
            }
        }
        walker.finish().unwrap();
        members
    }

    #[test]
    fn what_is_written_is_read_back() {
        let long = [b"long/".repeat(50).as_slice(), b"\xff name"].concat();
        let mut archive = Vec::new();
        let mut expected = Vec::new();
        for (path, directory, size, modified) in [
            (&b"a"[..], false, 7_u64, 1_700_000_000_i64),
            (b"d/", true, 0, 5),
            (b"latin\xe9\n", false, 512, -5),
            (&[b'x'; 100], false, 1, 0),
            (&[b'x'; 101], false, 0, 0),
            (&long, false, 513, 1 << 40),
        ] {
            archive.extend(Entry { path, directory, size, mode: 0o640, modified }.header());
            archive.extend(std::iter::repeat_n(b'c', usize::try_from(size).unwrap()));
            archive.extend(zeros(size));
            let kind = if directory { Kind::Directory } else { Kind::File };
            expected.push((path.to_vec(), kind, size, modified.max(0)));
        }
        archive.extend(end());
        assert_eq!(read(&archive), expected);
    }

    #[test]
    fn a_file_of_many_gigabytes_has_its_size() {
        let header = Entry { path: b"big", directory: false, size: 1 << 40, mode: 0, modified: 0 }.header();
        let (mut walker, mut input) = (Walker::new(), header.as_slice());
        let Some(Event::Member(member)) = walker.next(&mut input).unwrap() else { panic!("no member") };
        assert_eq!(member.size, 1 << 40);
    }
}
