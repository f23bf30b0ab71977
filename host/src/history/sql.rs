//! SQLite and PostgreSQL behind one face: the statements of a history are the same for both.

use std::borrow::Cow;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Connection as _, Decode, Postgres, Row as _, SqlSafeStr as _, Sqlite, Type};

/// A value in a row; each kind has its own nothing, as PostgreSQL asks.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Integer(Option<i64>),
    Real(Option<f64>),
    Text(Option<Cow<'a, str>>),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(Some(value))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Integer(value)
    }
}

impl From<Option<f64>> for Value<'_> {
    fn from(value: Option<f64>) -> Self {
        // SQLite keeps a whole number as an integer, which has no minus zero.
        Self::Real(value.map(|value| value + 0.0))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Some(value.into()))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        value.as_str().into()
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Text(Some(value.into()))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Self::Text(value.map(Cow::Borrowed))
    }
}

impl<'a> From<&'a Option<String>> for Value<'a> {
    fn from(value: &'a Option<String>) -> Self {
        value.as_deref().into()
    }
}

/// Values of several types as a list.
macro_rules! values {
    ($($value:expr),* $(,)?) => { [$($crate::history::sql::Value::from($value)),*] };
}
pub(super) use values;

/// A statement: one that is written in the source is prepared once, one that is put together is not kept.
pub(super) enum Statement {
    Written(&'static str),
    Made(String),
}

impl From<&'static str> for Statement {
    fn from(written: &'static str) -> Self {
        Self::Written(written)
    }
}

impl From<String> for Statement {
    fn from(made: String) -> Self {
        Self::Made(made)
    }
}

/// An open database.
#[derive(Debug)]
pub(super) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// A connection that is being used.
pub(super) enum Session<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

/// A transaction, rolled back when it is dropped.
pub(super) enum Transaction<'a> {
    Sqlite(sqlx::Transaction<'a, Sqlite>),
    Postgres(sqlx::Transaction<'a, Postgres>),
}

/// A row that was read.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Connection {
    pub(super) fn session(&mut self) -> Session<'_> {
        match self {
            Self::Sqlite(connection) => Session::Sqlite(connection),
            Self::Postgres(connection) => Session::Postgres(connection),
        }
    }

    /// Begins to write. SQLite's lock is taken at once: one that is taken half-way cannot be waited for.
    pub(super) async fn begin(&mut self) -> Result<Transaction<'_>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(connection) => Transaction::Sqlite(connection.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(connection) => Transaction::Postgres(connection.begin().await?),
        })
    }

    pub(super) async fn close(self) {
        let _ = match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        };
    }
}

impl Transaction<'_> {
    pub(super) fn session(&mut self) -> Session<'_> {
        match self {
            Self::Sqlite(transaction) => Session::Sqlite(transaction),
            Self::Postgres(transaction) => Session::Postgres(transaction),
        }
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        }
    }
}

/// A query with its values, for either database.
macro_rules! query {
    ($statement:expr, $values:expr) => {{
        let (text, kept) = match $statement.into() {
            Statement::Written(text) => (text.into_sql_str(), true),
            Statement::Made(text) => (AssertSqlSafe(text).into_sql_str(), false),
        };
        let mut query = sqlx::query(text).persistent(kept);
        for value in $values {
            query = match value {
                Value::Integer(value) => query.bind(*value),
                Value::Real(value) => query.bind(*value),
                Value::Text(value) => query.bind(value.as_deref()),
            };
        }
        query
    }};
}

impl Session<'_> {
    pub(super) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Runs a statement, and returns how many rows it changed.
    pub(super) async fn execute(
        &mut self,
        statement: impl Into<Statement>,
        values: &[Value<'_>],
    ) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(connection) => query!(statement, values).execute(&mut **connection).await?.rows_affected(),
            Self::Postgres(connection) => query!(statement, values).execute(&mut **connection).await?.rows_affected(),
        })
    }

    /// All rows of a query.
    pub(super) async fn rows(
        &mut self,
        statement: impl Into<Statement>,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(connection) => {
                let rows = query!(statement, values).fetch_all(&mut **connection).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(connection) => {
                let rows = query!(statement, values).fetch_all(&mut **connection).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The first row of a query, if there is one.
    pub(super) async fn row(
        &mut self,
        statement: impl Into<Statement>,
        values: &[Value<'_>],
    ) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.rows(statement, values).await?.into_iter().next())
    }

    /// Adds rows of one table, many in a statement.
    pub(super) async fn insert(
        &mut self,
        table: &str,
        columns: &str,
        rows: &[Vec<Value<'_>>],
    ) -> Result<(), sqlx::Error> {
        let Some(width) = rows.first().map(Vec::len) else { return Ok(()) };
        for chunk in rows.chunks((MOST_VALUES / width.max(1)).max(1)) {
            let mut text = format!("INSERT INTO {table} ({columns}) VALUES ");
            for row in 0..chunk.len() {
                let places: Vec<String> = (1..=width).map(|place| format!("${}", row * width + place)).collect();
                text += if row == 0 { "(" } else { ", (" };
                text += &places.join(", ");
                text += ")";
            }
            self.execute(text, &chunk.concat()).await?;
        }
        Ok(())
    }
}

/// Values in one statement: SQLite takes 32,766, PostgreSQL 65,535.
const MOST_VALUES: usize = 4_000;

/// `$1, $2, $3` for that many values, counted on from `from`.
pub(super) fn places(from: usize, count: usize) -> String {
    (from..from + count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}

impl Row {
    /// A column by its place.
    pub(super) fn get<T>(&self, column: usize) -> Result<T, sqlx::Error>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// A text that may be missing.
    pub(super) fn text(&self, column: usize) -> Result<Option<&str>, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// A number that is never below nothing.
    pub(super) fn count(&self, column: usize) -> Result<u64, sqlx::Error> {
        Ok(u64::try_from(self.get::<i64>(column)?).unwrap_or_default())
    }
}
