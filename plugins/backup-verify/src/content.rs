//! A sum over what a backup is of, leaving out what differs from one to the next though nothing has changed: the times in
//! a dump's comments, and those in the headers of archives. Pure.

/// Takes in bytes; FNV-1a of 64 bits over words, which is enough to tell backups of one series apart that nobody forges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum(u64);

impl Default for Sum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Sum {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn add_number(&mut self, number: u64) {
        self.add(&number.to_le_bytes());
    }

    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

/// Lines of a dump that say when or by whom it was made, and not what is in it.
const VOLATILE: [&[u8]; 7] = [
    b"-- Dump completed",
    b"-- Started on ",
    b"-- Completed on ",
    b"-- Dumped ",
    b"-- Host: ",
    b"\\restrict ",
    b"\\unrestrict ",
];
/// How much of a line tells whether it is one of these.
const HEAD: usize = 20;

/// The sum of a dump, taken in piece by piece.
#[derive(Debug, Default)]
pub(crate) struct DumpSum {
    sum: Sum,
    /// The start of the line at hand, until it is known what it is.
    head: Vec<u8>,
    left_out: bool,
}

impl DumpSum {
    pub(crate) fn add(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let (part, ended) = match memchr::memchr(b'\n', piece) {
                Some(end) => (piece.get(..=end).unwrap_or_default(), true),
                None => (piece, false),
            };
            piece = piece.get(part.len()..).unwrap_or_default();
            self.part(part);
            if ended {
                self.line_end();
            }
        }
    }

    fn part(&mut self, part: &[u8]) {
        let room = HEAD.saturating_sub(self.head.len()).min(part.len());
        let (head, rest) = part.split_at(room);
        if room > 0 {
            self.head.extend_from_slice(head);
            if self.head.len() == HEAD {
                self.decide();
            }
        }
        if !self.left_out && self.head.len() == HEAD {
            self.sum.add(rest);
        }
    }

    /// What the line at hand is, by its start.
    fn decide(&mut self) {
        self.left_out = VOLATILE.iter().any(|volatile| self.head.starts_with(volatile));
        if !self.left_out {
            self.sum.add(&self.head);
        }
    }

    fn line_end(&mut self) {
        if self.head.len() < HEAD {
            self.decide();
        }
        self.head.clear();
        self.left_out = false;
    }

    pub(crate) fn finish(mut self) -> u64 {
        if !self.head.is_empty() {
            self.line_end();
        }
        self.sum.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(dump: &str, piece: usize) -> u64 {
        let mut sum = DumpSum::default();
        dump.as_bytes().chunks(piece).for_each(|piece| sum.add(piece));
        sum.finish()
    }

    #[test]
    fn dumps_of_the_same_rows_have_the_same_sum() {
        let dump = |day: &str, rows: &str| {
            format!(
                "-- MariaDB dump 10\n\\restrict {day}xyz\nCREATE TABLE t (a int);\nINSERT INTO t VALUES {rows};\n\n-- Dump completed on {day}\n"
            )
        };
        let first = sum(&dump("2026-11-22", "(1),(2)"), 4_096);
        for piece in 1..60 {
            assert_eq!(sum(&dump("2026-11-23", "(1),(2)"), piece), first, "pieces of {piece}");
            assert_ne!(sum(&dump("2026-11-23", "(1),(3)"), piece), first, "pieces of {piece}");
        }
        assert_ne!(sum("a\nb", 9), sum("a\nc", 9));
        assert_ne!(sum("", 9), sum("\n", 9));
    }
}
