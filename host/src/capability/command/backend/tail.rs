//! The last of what a program writes to standard error.

/// Bytes that are kept.
const LIMIT: usize = 64 * 1024;

/// Keeps the end of what it is given.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    cut: bool,
}

impl Tail {
    pub(super) fn push(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
        // Twice the limit, so that bytes are not moved for each piece.
        if self.bytes.len() > 2 * LIMIT {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let surplus = self.bytes.len().saturating_sub(LIMIT);
        self.bytes.drain(..surplus);
        self.cut |= surplus > 0;
    }

    /// As text, from the beginning of a line where something is cut off.
    pub(super) fn text(mut self) -> String {
        self.cut();
        let start =
            self.cut.then(|| self.bytes.iter().position(|byte| *byte == b'\n')).flatten().map_or(0, |at| at + 1);
        String::from_utf8_lossy(self.bytes.get(start..).unwrap_or_default()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_in_whole_lines() {
        let mut tail = Tail::default();
        tail.push(b"one\ntwo");
        assert_eq!(tail.text(), "one\ntwo");
        let mut tail = Tail::default();
        for number in 0..100_000 {
            tail.push(format!("line {number}\n").as_bytes());
            assert!(tail.bytes.len() <= 2 * LIMIT);
        }
        let text = tail.text();
        assert!(text.len() <= LIMIT && text.starts_with("line ") && text.ends_with("line 99999\n"));
        let mut tail = Tail::default();
        tail.push(&vec![0xff; 3 * LIMIT]);
        assert!(tail.text().chars().all(|c| c == '\u{fffd}'));
    }
}
