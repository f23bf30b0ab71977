//! Whether a dump is whole, by the marks of the program that wrote it, told while it goes by. Pure.

use backup_files::{Ending, Marks};

use crate::outcome::Wrong;

/// Bytes of a line's start that tell whether it is a mark.
const HEAD: usize = 80;

/// Finds the marks in a dump that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    marks: Marks,
    /// The start of the line at hand.
    head: Vec<u8>,
}

impl Watch {
    pub(crate) fn add(&mut self, mut piece: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', piece) {
            let (line, rest) = piece.split_at(end);
            self.part(line);
            self.line_end();
            piece = rest.get(1..).unwrap_or_default();
        }
        self.part(piece);
    }

    fn part(&mut self, part: &[u8]) {
        let room = HEAD.saturating_sub(self.head.len()).min(part.len());
        self.head.extend_from_slice(part.split_at(room).0);
    }

    fn line_end(&mut self) {
        // What else a line may begin with, none of the marks does: most lines are told by one byte.
        if matches!(self.head.first(), Some(b'-' | b'P' | b'C' | b'R'))
            && let Ok(line) = std::str::from_utf8(&self.head)
        {
            self.marks.line(line);
        }
        self.head.clear();
    }

    /// The marks, once all of it went by.
    pub(crate) fn finish(mut self) -> Marks {
        self.line_end();
        self.marks
    }
}

/// What kind of dump it is, for people, or why it is no backup.
pub(crate) fn judge(marks: Marks, require_end: bool) -> Result<String, Wrong> {
    let program = marks.maker().map_or("the program", |maker| maker.program());
    match marks.ending() {
        Ending::Whole => Ok(format!("a dump by {program}")),
        Ending::CutShort(_) => Err(Wrong::new(
            "dump is cut short",
            format!("{program} ended with success, and its last line is missing"),
            "see whether something stands between it and its output, such as a pipe or a limit of the template",
        )),
        Ending::Failed(_) => Err(Wrong::new(
            "dump was made with errors",
            format!("{program} ended it with ROLLBACK, because it could not read the whole database"),
            "run pragma integrity_check on the original",
        )),
        Ending::Unmarked if require_end => Err(Wrong::new(
            "dump has no mark of its end",
            "it is text in which no program marks its begin and end, so that nobody can tell whether it is whole",
            "let the program write comments (no --no-comments, --skip-comments), or say require-end=false",
        )),
        Ending::Unmarked => Ok("text without a mark of its end".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_judged_by_its_marks_whatever_pieces_it_comes_in() {
        let long = "x".repeat(1_000);
        let cases = [
            ("--\n-- PostgreSQL database dump\n--\nrow\n-- PostgreSQL database dump complete\n--\n\n", Ok("pg_dump")),
            ("-- PostgreSQL database dump\nrow\n", Err("dump is cut short")),
            // A row may say what it likes.
            ("-- MariaDB dump 10.19\n-- PostgreSQL database dump complete\n", Err("dump is cut short")),
            ("-- MariaDB dump 10.19\nrow\n-- Dump completed on 2026-11-23", Ok("mysqldump")),
            ("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nrow\nCOMMIT;\n", Ok("sqlite3")),
            ("PRAGMA foreign_keys=OFF;\nROLLBACK; -- due to errors\n", Err("dump was made with errors")),
            ("usage: pg_dump [OPTION]...\n", Err("dump has no mark of its end")),
        ];
        for (dump, expected) in cases {
            let dump = dump.replace("row", &long);
            for piece in [1, 2, 7, 79, 80, 81, 4_096] {
                let mut watch = Watch::default();
                for piece in dump.as_bytes().chunks(piece) {
                    watch.add(piece);
                }
                match (judge(watch.finish(), true), expected) {
                    (Ok(what), Ok(program)) => assert!(what.contains(program), "{what}"),
                    (Err(wrong), Err(title)) => assert_eq!(wrong.title, title, "{dump}"),
                    (judged, expected) => panic!("{dump} in {piece}: {judged:?}, {expected:?}"),
                }
            }
        }
        assert_eq!(judge(Marks::default(), false).unwrap(), "text without a mark of its end");
    }
}
