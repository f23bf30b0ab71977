//! Plain SQL dumps (`pg_dump`, mysqldump and mariadb-dump, sqlite3's .dump), read as a stream and told apart statement by
//! statement for a restore into a scratch database. Pure, and bounded in memory: one statement is held at a time, the
//! rows of a COPY block are passed through as they come.
//!
//! ```text
//! bytes -> Dump::push -> Event::Statement / CopyBegin / CopyData / CopyEnd / Meta -> classify -> Verdict
//! ```
//!
//! A dump is a stranger's program. [`classify()`] knows the statements that the three tools write; what leaves the scratch
//! database, and what is not known, is refused. What it cannot see is what a function's body does when a trigger, a
//! constraint or an index calls it: such statements are [`Verdict::Confined`], to be run only in a session whose role
//! can reach nothing but the scratch database.

mod classify;
mod comments;
mod definer;
mod mysql;
mod postgres;
mod progress;
mod rows;
mod scanner;
mod sqlite;

#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::grant::Dialect;

#[cfg(test)]
pub(crate) use classify::Skipped;
pub(crate) use classify::{Origin, Verdict, classify, classify_meta};
pub(crate) use definer::without_definer;
pub(crate) use scanner::Dump;

/// The longest statement that is held; mysqldump's extended INSERTs are 16 MiB by default.
pub(crate) const STATEMENT_LIMIT: usize = 64 << 20;

/// What a dump holds, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A statement, without its delimiter.
    Statement(String),
    /// A `COPY .. FROM stdin` statement; its rows follow.
    CopyBegin(String),
    /// Bytes of COPY rows as they stand in the dump, cut anywhere.
    CopyData(Bytes),
    /// The end of the rows.
    CopyEnd,
    /// A line for the command-line client: `\restrict`, `\connect`, `.mode`; without its line end.
    Meta(String),
}

/// What a dump was, once it has ended where a dump may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Bytes read.
    pub(crate) bytes: u64,
    /// Whether the tool's closing line was seen: `-- PostgreSQL database dump complete`, `-- Dump completed`, or the
    /// COMMIT of sqlite3's .dump. A dump without it may be cut off between two statements.
    pub(crate) complete: bool,
}

/// Why a dump cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DumpError {
    #[error("truncated at byte {byte} (line {line}) inside {inside}")]
    Truncated { byte: u64, line: u64, inside: Inside },
    #[error(
        "the statement before line {line} is longer than {} MiB; make the dump with shorter statements \
         (mysqldump --net-buffer-length=1M)",
        STATEMENT_LIMIT >> 20
    )]
    TooLong { line: u64 },
    #[error(
        "the statement before line {line} is not UTF-8; make the dump with --encoding=UTF8 (mysqldump: --hex-blob)"
    )]
    Encoding { line: u64 },
    #[error("line {line} has a client command inside a statement")]
    Meta { line: u64 },
    #[error("line {line}: after COPY .. FROM stdin; the rows begin on the next line")]
    CopyLine { line: u64 },
    #[error("this is a custom-format archive of pg_dump; restore needs a plain dump (pg_dump --format=plain)")]
    Archive,
}

/// What a dump was inside of when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inside {
    /// Of '..' or, in MySQL, "..".
    String,
    /// Of $tag$..$tag$.
    DollarString,
    /// Of ".." or `..` or [..].
    Name,
    /// Of /* .. */.
    Comment,
    /// Of a statement that its delimiter has not ended.
    Statement,
    /// Of the rows of a COPY block.
    Copy,
}

impl std::fmt::Display for Inside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::String => "a string",
            Self::DollarString => "a dollar-quoted string",
            Self::Name => "a quoted name",
            Self::Comment => "a comment",
            Self::Statement => "a statement",
            Self::Copy => "a COPY block",
        })
    }
}
