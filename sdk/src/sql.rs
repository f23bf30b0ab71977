//! PostgreSQL, MariaDB/MySQL and SQLite behind one slot.

mod rows;
mod value;

use crate::bindings::exports::taskhost::host::task;
use crate::bindings::taskhost::host::sql as wit;
use crate::parameters::is_kebab;
use crate::{ByteStream, Failure, FailureKind, Result};

pub use rows::{Index, Row, Rows};
pub use value::FromValue;
pub use wit::{
    Column, Database, DatabaseError, Dialect, Error, IndexTarget, Maintenance, Reindex, Restored, Server, Table,
    Transaction, Vacuum, Value,
};

/// A slot for a database. Make it a constant and name it in `#[task(slots = [...])]`.
///
/// ```
/// use taskhost_sdk::prelude::*;
///
/// const DATABASE: sql::Slot = sql::Slot::new("database", "old sessions are removed").write().maintain();
/// ```
///
/// A name that is not kebab-case does not compile:
///
/// ```compile_fail
/// const DATABASE: taskhost_sdk::sql::Slot = taskhost_sdk::sql::Slot::new("Main Database", "it is read");
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "name the slot in `#[task(slots = [...])]`"]
#[expect(clippy::struct_excessive_bools, reason = "one for each word of access, in any combination")]
pub struct Slot {
    name: &'static str,
    why: &'static str,
    write: bool,
    maintain: bool,
    scratch: bool,
    optional: bool,
}

impl Slot {
    /// `why` is shown to the operator who decides.
    ///
    /// # Panics
    /// While compiling, if the name is not kebab-case.
    pub const fn new(name: &'static str, why: &'static str) -> Self {
        assert!(is_kebab(name), "a slot's name is kebab-case: a to z, 0 to 9 and `-`, and a letter first");
        Self { name, why, write: false, maintain: false, scratch: false, optional: false }
    }

    /// Asks for reading, which is all that binding grants.
    pub const fn read(self) -> Self {
        self
    }

    /// Asks for row changes on the tables that the operator names, too.
    pub const fn write(self) -> Self {
        Self { write: true, ..self }
    }

    /// Asks for upkeep, too: vacuum, analyze, reindex ...
    pub const fn maintain(self) -> Self {
        Self { maintain: true, ..self }
    }

    /// Asks for throw-away databases on the same server, too.
    pub const fn scratch(self) -> Self {
        Self { scratch: true, ..self }
    }

    /// The run can do without it.
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The database behind the slot. No connection is made yet.
    ///
    /// # Errors
    /// An optional slot that is not bound.
    pub fn open(&self) -> Result<Database, Error> {
        wit::open(self.name)
    }

    #[doc(hidden)]
    pub fn describe(&self) -> task::Slot {
        let words = [(true, "read"), (self.write, "write"), (self.maintain, "maintain"), (self.scratch, "scratch")];
        task::Slot {
            name: self.name.into(),
            capability: "sql".into(),
            access: words.iter().filter(|(asked, _)| *asked).map(|(_, word)| (*word).into()).collect(),
            optional: self.optional,
            why: self.why.into(),
        }
    }
}

/// What [`Database`] and [`Transaction`] have in common, for code that takes either. Both have these as methods of their
/// own, so that the trait need not be in scope.
#[expect(async_fn_in_trait, reason = "guests have one thread")]
pub trait Query {
    /// Runs one reading statement; the rows come as they are asked for.
    ///
    /// # Errors
    /// A statement that is refused or that the database rejects.
    async fn rows(&self, statement: &str, parameters: &[Value]) -> Result<Rows, Error>;

    /// Runs one INSERT, UPDATE or DELETE on granted tables; returns the rows changed. In a rehearsal it is rolled back,
    /// and the number is real.
    ///
    /// # Errors
    /// A statement that is refused, over budget, or that the database rejects.
    async fn change(&self, statement: &str, parameters: &[Value]) -> Result<u64, Error>;

    /// All rows of a statement that has few.
    ///
    /// # Errors
    /// As [`rows`](Self::rows), and a result that was cut short.
    async fn query_all(&self, statement: &str, parameters: &[Value]) -> Result<Vec<Row>, Error> {
        self.rows(statement, parameters).await?.collect().await
    }

    /// The first row of a statement that has one.
    ///
    /// # Errors
    /// As [`query_all`](Self::query_all), and a result without a row.
    async fn query_one(&self, statement: &str, parameters: &[Value]) -> Result<Row, Error> {
        let first = self.query_optional(statement, parameters).await?;
        first.ok_or_else(|| Error::Invalid("the statement returned no row".into()))
    }

    /// The first row of a statement that may have none.
    ///
    /// # Errors
    /// As [`query_all`](Self::query_all).
    async fn query_optional(&self, statement: &str, parameters: &[Value]) -> Result<Option<Row>, Error> {
        let mut rows = self.rows(statement, parameters).await?;
        let first = rows.next().await?;
        // The end is where the host says how the statement went; a single row leaves it unread.
        let _second = rows.next().await?;
        Ok(first)
    }
}

/// The trait's methods for a handle of the contract, and once more as its own.
macro_rules! query {
    ($($handle:ty),*) => {$(
        impl Query for $handle {
            async fn rows(&self, statement: &str, parameters: &[Value]) -> Result<Rows, Error> {
                self.query(statement.into(), parameters.to_vec()).await.map(Rows::new)
            }

            async fn change(&self, statement: &str, parameters: &[Value]) -> Result<u64, Error> {
                self.execute(statement.into(), parameters.to_vec()).await
            }
        }

        impl $handle {
            /// [`Query::rows`], without the trait in scope.
            ///
            /// # Errors
            /// As there.
            pub async fn rows(&self, statement: &str, parameters: &[Value]) -> Result<Rows, Error> {
                Query::rows(self, statement, parameters).await
            }

            /// [`Query::change`], without the trait in scope.
            ///
            /// # Errors
            /// As there.
            pub async fn change(&self, statement: &str, parameters: &[Value]) -> Result<u64, Error> {
                Query::change(self, statement, parameters).await
            }

            /// [`Query::query_all`], without the trait in scope.
            ///
            /// # Errors
            /// As there.
            pub async fn query_all(&self, statement: &str, parameters: &[Value]) -> Result<Vec<Row>, Error> {
                Query::query_all(self, statement, parameters).await
            }

            /// [`Query::query_one`], without the trait in scope.
            ///
            /// # Errors
            /// As there.
            pub async fn query_one(&self, statement: &str, parameters: &[Value]) -> Result<Row, Error> {
                Query::query_one(self, statement, parameters).await
            }

            /// [`Query::query_optional`], without the trait in scope.
            ///
            /// # Errors
            /// As there.
            pub async fn query_optional(&self, statement: &str, parameters: &[Value]) -> Result<Option<Row>, Error> {
                Query::query_optional(self, statement, parameters).await
            }
        }
    )*};
}

query!(Database, Transaction);

impl Database {
    /// Vacuums one table, or with `None` the whole database.
    ///
    /// # Errors
    /// A lock that is not had in time, and what the database says.
    pub async fn vacuum(&self, table: Option<Table>, analyze: bool) -> Result<(), Error> {
        self.maintain(Maintenance::Vacuum(Vacuum { table, analyze })).await
    }

    /// Refreshes the planner's statistics of one table, or with `None` of all.
    ///
    /// # Errors
    /// As [`vacuum`](Self::vacuum).
    pub async fn analyze(&self, table: Option<Table>) -> Result<(), Error> {
        self.maintain(Maintenance::Analyze(table)).await
    }

    /// Rebuilds one index, or all of a table; `concurrently` does not block writers, where the dialect can.
    ///
    /// # Errors
    /// As [`vacuum`](Self::vacuum).
    pub async fn reindex(&self, target: IndexTarget, concurrently: bool) -> Result<(), Error> {
        self.maintain(Maintenance::Reindex(Reindex { target, concurrently })).await
    }

    /// Loads a dump that comes from a file into this scratch database; the bytes do not pass through the plugin. What
    /// cut the file short is an error too.
    ///
    /// # Errors
    /// A statement that fails or leaves the scratch database, and a file that ends early or cannot be decoded.
    pub async fn restore_from(&self, dump: ByteStream<crate::files::Error>) -> Result<Restored> {
        let (bytes, end) = dump.split();
        let restored = self.restore(bytes).await;
        // A file that was cut short explains a statement that was: its error is the one to show.
        end.finish().await?;
        Ok(restored?)
    }

    /// The rows of one reading statement as CSV, as they come.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub async fn csv(&self, statement: &str) -> Result<ByteStream<Error>, Error> {
        let (bytes, end) = self.copy_out(statement.into()).await?;
        Ok(ByteStream::new(bytes, end))
    }
}

/// `name` quoted as an identifier of PostgreSQL and SQLite (`"`); see [`identifier_for`].
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `name` quoted as an identifier of the dialect.
pub fn identifier_for(dialect: Dialect, name: &str) -> String {
    match dialect {
        Dialect::Postgres | Dialect::Sqlite => identifier(name),
        Dialect::Mysql | Dialect::Mariadb => format!("`{}`", name.replace('`', "``")),
    }
}

impl Table {
    /// A table of a schema, or with `None` of the search path.
    pub fn named(schema: Option<&str>, name: &str) -> Self {
        Self { schema: schema.map(Into::into), name: name.into() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Refused(_) => FailureKind::Refused,
            Error::OverBudget(_) => FailureKind::OverBudget,
            Error::Unavailable(_) => FailureKind::Unavailable,
            Error::TimedOut(_) => FailureKind::TimedOut,
            Error::Database(_) | Error::Unsupported(_) | Error::Invalid(_) => FailureKind::Failed,
        };
        Self { kind, message: message(&error) }
    }
}

/// An error for people.
pub fn message(error: &Error) -> String {
    match error {
        Error::Refused(message)
        | Error::OverBudget(message)
        | Error::Unavailable(message)
        | Error::TimedOut(message)
        | Error::Unsupported(message)
        | Error::Invalid(message) => message.clone(),
        Error::Database(error) => {
            let detail = error.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("{}{detail} [{}]", error.message, error.code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_asks_for_all_that_it_was_told_to() {
        const SLOT: Slot = Slot::new("database", "it is read").write().maintain().scratch().optional();
        let described = SLOT.describe();
        assert_eq!(described.access, ["read", "write", "maintain", "scratch"]);
        assert!(described.optional);
        assert_eq!(Slot::new("database", "it is read").describe().access, ["read"]);
    }

    #[test]
    fn identifiers_are_quoted() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(identifier_for(Dialect::Mariadb, "a`b"), "`a``b`");
    }

    #[test]
    fn every_error_ends_the_run_in_its_outcome() {
        let database = DatabaseError {
            code: "42P01".into(),
            message: "there is no table".into(),
            detail: Some("it is `t`".into()),
            constraint: None,
        };
        for (error, kind, message) in [
            (Error::Refused("no".into()), FailureKind::Refused, "no"),
            (Error::OverBudget("no".into()), FailureKind::OverBudget, "no"),
            (Error::Unavailable("no".into()), FailureKind::Unavailable, "no"),
            (Error::TimedOut("no".into()), FailureKind::TimedOut, "no"),
            (Error::Invalid("no".into()), FailureKind::Failed, "no"),
            (Error::Database(database), FailureKind::Failed, "there is no table (it is `t`) [42P01]"),
        ] {
            assert_eq!(Failure::from(error), Failure { kind, message: message.into() });
        }
    }
}
