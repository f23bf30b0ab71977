//! Which program wrote a plain dump, and whether it wrote it to the end. Pure.

/// Who wrote a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// `pg_dump`.
    Postgres,
    /// `pg_dumpall`: several databases, and roles.
    Cluster,
    /// mysqldump or mariadb-dump.
    Mysql,
    /// sqlite3's `.dump`.
    Sqlite,
}

impl Maker {
    /// The program.
    pub fn program(self) -> &'static str {
        match self {
            Self::Postgres => "pg_dump",
            Self::Cluster => "pg_dumpall",
            Self::Mysql => "mysqldump or mariadb-dump",
            Self::Sqlite => "sqlite3",
        }
    }
}

/// A line by which a program marks where its dump begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Begin(Maker),
    End(Maker),
    /// The program met errors while it dumped.
    Failed(Maker),
}

/// Finds the lines that are marks; for a search on the host's side.
pub const MARKS: &str = "^(-- PostgreSQL database (cluster )?dump( complete)?\\s*$|-- (MySQL|MariaDB) dump |-- Dump completed\
     |PRAGMA foreign_keys=OFF;|COMMIT;|ROLLBACK; -- due to errors)";

fn mark(line: &str) -> Option<Mark> {
    let line = line.trim_end();
    match line {
        "-- PostgreSQL database dump" => Some(Mark::Begin(Maker::Postgres)),
        "-- PostgreSQL database dump complete" => Some(Mark::End(Maker::Postgres)),
        "-- PostgreSQL database cluster dump" => Some(Mark::Begin(Maker::Cluster)),
        "-- PostgreSQL database cluster dump complete" => Some(Mark::End(Maker::Cluster)),
        "PRAGMA foreign_keys=OFF;" => Some(Mark::Begin(Maker::Sqlite)),
        "COMMIT;" => Some(Mark::End(Maker::Sqlite)),
        _ if line.starts_with("-- MySQL dump ") || line.starts_with("-- MariaDB dump ") => {
            Some(Mark::Begin(Maker::Mysql))
        }
        _ if line.starts_with("-- Dump completed") => Some(Mark::End(Maker::Mysql)),
        _ if line.starts_with("ROLLBACK; -- due to errors") => Some(Mark::Failed(Maker::Sqlite)),
        _ => None,
    }
}

/// The marks of a dump, taken in from its start to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    first: Option<Maker>,
    last: Option<Mark>,
}

/// How a dump ends, by its maker's marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its maker wrote its last line.
    Whole,
    /// Its maker writes a last line, and it is not there.
    CutShort(Maker),
    /// Its maker says that it met errors.
    Failed(Maker),
    /// It has no marks (a dump without comments): nothing is known.
    Unmarked,
}

impl Marks {
    /// Takes in the next line.
    pub fn line(&mut self, line: &str) {
        let Some(mark) = mark(line) else { return };
        match (mark, self.first) {
            (Mark::Begin(maker), None) => self.first = Some(maker),
            // A row's text may look like another program's mark.
            (Mark::End(maker) | Mark::Failed(maker), Some(first)) if maker == first => self.last = Some(mark),
            _ => {}
        }
    }

    /// Who wrote the dump.
    pub fn maker(self) -> Option<Maker> {
        self.first
    }

    /// How it ends.
    pub fn ending(self) -> Ending {
        match (self.first, self.last) {
            (None, _) => Ending::Unmarked,
            (Some(maker), None | Some(Mark::Begin(_))) => Ending::CutShort(maker),
            (Some(_), Some(Mark::End(_))) => Ending::Whole,
            (Some(_), Some(Mark::Failed(maker))) => Ending::Failed(maker),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_ends_with_its_makers_last_line() {
        use Maker::{Cluster, Mysql, Postgres, Sqlite};
        for (lines, maker, expected) in [
            (
                &["--", "-- PostgreSQL database dump", "x", "-- PostgreSQL database dump complete", "\\unrestrict k"][..],
                Some(Postgres),
                Ending::Whole,
            ),
            (
                &["-- PostgreSQL database dump", "COMMIT;", "-- Dump completed"],
                Some(Postgres),
                Ending::CutShort(Postgres),
            ),
            (&["-- PostgreSQL database cluster dump"], Some(Cluster), Ending::CutShort(Cluster)),
            (
                &[
                    "/*M!999999\\- enable the sandbox mode */",
                    "-- MariaDB dump 10.19",
                    "-- Dump completed on 2026-11-23",
                ],
                Some(Mysql),
                Ending::Whole,
            ),
            (&["-- MySQL dump 10.13", "-- Dump completed"], Some(Mysql), Ending::Whole),
            (&["-- MySQL dump 10.13", "INSERT"], Some(Mysql), Ending::CutShort(Mysql)),
            (&["PRAGMA foreign_keys=OFF;", "COMMIT;"], Some(Sqlite), Ending::Whole),
            (&["PRAGMA foreign_keys=OFF;", "ROLLBACK; -- due to errors"], Some(Sqlite), Ending::Failed(Sqlite)),
            (&["PRAGMA foreign_keys=OFF;", "BEGIN TRANSACTION;"], Some(Sqlite), Ending::CutShort(Sqlite)),
            (&["CREATE TABLE t (a int);", "COMMIT;"], None, Ending::Unmarked),
        ] {
            let mut marks = Marks::default();
            for line in lines {
                marks.line(line);
            }
            assert_eq!((marks.maker(), marks.ending()), (maker, expected), "{lines:?}");
        }
    }
}
