//! What a file's bytes say about it: whether it is a plain dump at all, which program wrote it, and whether it wrote it
//! to the end. Pure.

use taskhost_sdk::sql::Dialect;

/// Bytes of a file's start and end that are looked at.
pub(crate) const PEEK: u64 = 4096;

/// What a file is, by its first stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text, as far as one can tell.
    Plain,
    /// The host undoes the compression on the way.
    Compressed,
    /// Something that cannot be restored from a stream of SQL.
    Foreign {
        /// What it is.
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
}

const CUSTOM: Form = Form::Foreign {
    what: "a custom-format archive of pg_dump",
    remedy: "make the backup with pg_dump --format=plain, or write one from it: pg_restore --file=NAME.sql ARCHIVE",
};
const TAR: Form = Form::Foreign {
    what: "a tar archive",
    remedy: "make the backup with pg_dump --format=plain, or unpack the archive and name the dump in it with file=...",
};
const SQLITE: Form = Form::Foreign {
    what: "a SQLite database file",
    remedy: "keep a dump of it: sqlite3 FILE .dump | gzip > NAME.sql.gz",
};
const PACKED: Form = Form::Foreign {
    what: "compressed with a program other than gzip and zstd",
    remedy: "compress the dump with gzip or zstd",
};
const ENCRYPTED: Form =
    Form::Foreign { what: "encrypted", remedy: "decrypt a copy for the test, and name it with file=..." };

/// What the stored bytes begin with.
pub(crate) fn form(head: &[u8]) -> Form {
    let known: [(&[u8], Form); 10] = [
        (b"\x1f\x8b", Form::Compressed),
        (b"\x28\xb5\x2f\xfd", Form::Compressed),
        (b"PGDMP", CUSTOM),
        (b"SQLite format 3\0", SQLITE),
        (b"BZh", PACKED),
        (b"\xfd7zXZ\0", PACKED),
        (b"\x04\x22\x4d\x18", PACKED),
        (b"PK\x03\x04", PACKED),
        (b"age-encryption.org/", ENCRYPTED),
        (b"-----BEGIN PGP MESSAGE", ENCRYPTED),
    ];
    if head.get(257..262) == Some(b"ustar") {
        return TAR;
    }
    known.into_iter().find(|(magic, _)| head.starts_with(magic)).map_or(Form::Plain, |(_, form)| form)
}

/// Who wrote a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
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
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Postgres => "pg_dump",
            Self::Cluster => "pg_dumpall",
            Self::Mysql => "mysqldump or mariadb-dump",
            Self::Sqlite => "sqlite3",
        }
    }

    /// Whether a server of that dialect can load it.
    pub(crate) fn fits(self, dialect: Dialect) -> bool {
        matches!(
            (self, dialect),
            (Self::Postgres | Self::Cluster, Dialect::Postgres)
                | (Self::Mysql, Dialect::Mysql | Dialect::Mariadb)
                | (Self::Sqlite, Dialect::Sqlite)
        )
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
pub(crate) const MARKS: &str = "^(-- PostgreSQL database (cluster )?dump( complete)?\\s*$|-- (MySQL|MariaDB) dump |-- Dump completed\
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
pub(crate) struct Marks {
    first: Option<Maker>,
    last: Option<Mark>,
}

/// How a dump ends, by its maker's marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
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
    pub(crate) fn line(&mut self, line: &str) {
        let Some(mark) = mark(line) else { return };
        match (mark, self.first) {
            (Mark::Begin(maker), None) => self.first = Some(maker),
            // A row's text may look like another program's mark.
            (Mark::End(maker) | Mark::Failed(maker), Some(first)) if maker == first => self.last = Some(mark),
            _ => {}
        }
    }

    /// Who wrote the dump.
    pub(crate) fn maker(self) -> Option<Maker> {
        self.first
    }

    /// How it ends.
    pub(crate) fn ending(self) -> Ending {
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
    fn what_cannot_be_restored_is_told_by_its_first_bytes() {
        let mut tar = vec![b'x'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (head, expected) in [
            (&b"-- PostgreSQL database dump"[..], Form::Plain),
            (b"", Form::Plain),
            (b"\x1f\x8b\x08\0", Form::Compressed),
            (b"\x28\xb5\x2f\xfd\x04", Form::Compressed),
            (b"PGDMP\x01\x0e", CUSTOM),
            (b"SQLite format 3\0\x10", SQLITE),
            (b"BZh91AY", PACKED),
            (b"age-encryption.org/v1\n", ENCRYPTED),
            (&tar, TAR),
        ] {
            assert_eq!(form(head), expected, "{:?}", String::from_utf8_lossy(&head[..head.len().min(20)]));
        }
    }

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

    #[test]
    fn a_dump_fits_its_own_kind_of_server() {
        assert!(Maker::Postgres.fits(Dialect::Postgres) && Maker::Mysql.fits(Dialect::Mariadb));
        assert!(!Maker::Mysql.fits(Dialect::Postgres) && !Maker::Sqlite.fits(Dialect::Mysql));
    }
}
