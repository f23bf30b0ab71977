//! What one SQL statement does, told from its text before it is run. Pure.
//!
//! A statement passes through three hands, and what comes out is what runs:
//! 1. [`lexis`](super::lexis) splits it as the server would, drops the comments and spells E'..' and $$..$$ out;
//! 2. sqlparser parses that, and the rules ([`reading()`], [`changing()`]) are held against the tree;
//! 3. the tree is written as text again. That text must parse to the same tree, hold the same names and literals as the
//!    first, and call none of the [`forbidden`] functions by name; else the statement is refused.
//!
//! What the rules forbid is the operator's business: a text that cannot be understood is refused, never let through.
//! Functions are let through by a list of harmless ones, and by the grant's `function=`: a function that users defined
//! may do anything that its owner may.
//!
//! Not seen here, and left to the transaction that the database itself holds read-only and to the role's own rights:
//! functions behind operators, casts, views, column defaults, generated columns, row security and PostgreSQL's
//! `row.function` notation; user-defined overloads that share the name of a harmless function. The tables that hold
//! password hashes and connection strings are refused by name; a view on them is not seen through, which the statistics
//! (`pg_stats`, with samples of `pg_authid` for a superuser) are too.
//!
//! For a change the backend must check too that each of [`Changing::targets`] is a base table (a view's name may be
//! granted by mistake, and stands for other tables), and that a name without a schema means the default schema:
//! `Grant::default_schema`.

mod changing;
mod functions;
mod parse;
mod reading;
mod rules;
mod scratch;

#[cfg(test)]
mod tests;

use super::grant::{Dialect, TableName};
use crate::gate::Impact;

pub(crate) use changing::changing;
pub(super) use functions::forbidden;
pub(crate) use functions::harmless;
pub(crate) use reading::reading;
pub(crate) use scratch::any;

/// A statement that reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// What is to run.
    pub(crate) text: String,
    /// How many parameters it takes.
    pub(crate) parameters: usize,
    /// What it is.
    pub(crate) kind: ReadingKind,
}

/// What a reading statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadingKind {
    /// SELECT, VALUES or TABLE: can be wrapped, for COPY or as a subquery.
    Query,
    /// EXPLAIN or DESCRIBE.
    Explain,
    /// SHOW.
    Show,
    /// A reading PRAGMA.
    Pragma,
}

/// A statement that changes rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changing {
    /// What is to run.
    pub(crate) text: String,
    /// How many parameters it takes.
    pub(crate) parameters: usize,
    /// Every table whose rows it changes, sorted, each once.
    pub(crate) targets: Vec<TableName>,
    /// Destroy where rows may go: DELETE, REPLACE; change otherwise.
    pub(crate) impact: Impact,
}

/// A statement in a scratch database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scratch {
    /// What is to run.
    pub(crate) text: String,
    /// How many parameters it takes.
    pub(crate) parameters: usize,
    /// Set for what is harmless only where the session's role can reach nothing but the scratch database: why.
    pub(crate) confined: Option<&'static str>,
}

/// Session settings that a connection must have before the first statement, and that no statement can change: the rules
/// of [`lexis`](super::lexis) count on them.
pub(crate) fn session_settings(dialect: Dialect) -> &'static [(&'static str, &'static str)] {
    match dialect {
        Dialect::Postgres => &[("standard_conforming_strings", "on"), ("backslash_quote", "off")],
        Dialect::Mysql => &[("sql_mode", "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION")],
        Dialect::Sqlite => &[],
    }
}
