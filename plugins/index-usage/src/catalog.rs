//! What is judged: indexes, tables and foreign keys, as each database tells them. Pure.

use taskhost_sdk::sql::Dialect;

use crate::index::Index;

/// A table with what was done to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// Times that it was read from end to end, and rows that this took.
    pub(crate) scans: u64,
    pub(crate) scanned: u64,
}

/// A foreign key, or what else has to find rows by these columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct ForeignKey {
    pub(crate) name: String,
    pub(crate) table: String,
    pub(crate) quoted_table: String,
    pub(crate) columns: Vec<String>,
    pub(crate) parent: String,
    /// Rows of the parent that were changed or removed, each of which looks for rows here.
    pub(crate) parent_changes: Option<u64>,
    /// The table has parts.
    pub(crate) partitioned: bool,
}

/// Where uses are counted that are not in the figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Elsewhere {
    /// Nowhere.
    #[default]
    No,
    /// On so many standbys.
    Standbys(u64),
    /// This is a standby itself: the primary counts its own.
    Primary,
}

/// All of a database.
#[derive(Clone, Debug)]
pub(crate) struct Catalog {
    pub(crate) dialect: Dialect,
    pub(crate) indexes: Vec<Index>,
    /// What does an index's work without being one.
    pub(crate) implied: Vec<Index>,
    pub(crate) tables: Vec<Table>,
    pub(crate) foreign_keys: Vec<ForeignKey>,
    /// What an index is needed for beside the foreign keys themselves: the columns that they point at.
    pub(crate) needs: Vec<(String, Vec<String>)>,
    /// Seconds that uses have been counted for; none where they are not.
    pub(crate) observed: Option<u64>,
    pub(crate) elsewhere: Elsewhere,
}

impl Catalog {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            indexes: vec![],
            implied: vec![],
            tables: vec![],
            foreign_keys: vec![],
            needs: vec![],
            observed: None,
            elsewhere: Elsewhere::No,
        }
    }
}
