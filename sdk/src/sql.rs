//! PostgreSQL, MariaDB/MySQL and SQLite behind one slot.

use crate::bindings::exports::taskhost::host::task;
use crate::bindings::taskhost::host::sql as wit;
use crate::stream::Batched;
use crate::{ByteStream, Failure, FailureKind, Result};

pub use wit::{
    Column, Database, DatabaseError, Dialect, Error, IndexTarget, Maintenance, Reindex, Restored, Server, Table,
    Transaction, Vacuum, Value,
};

/// A slot for a database. Make it a constant and name it in `#[task(slots = [...])]`.
#[derive(Clone, Copy, Debug)]
#[must_use = "name the slot in `#[task(slots = [...])]`"]
pub struct Slot {
    name: &'static str,
    why: &'static str,
    access: &'static [&'static str],
    optional: bool,
}

impl Slot {
    /// `why` is shown to the operator who decides.
    pub const fn new(name: &'static str, why: &'static str) -> Self {
        Self { name, why, access: &["read"], optional: false }
    }

    /// Asks for reading only.
    pub const fn read(self) -> Self {
        Self { access: &["read"], ..self }
    }

    /// Asks for row changes on the tables that the operator names.
    pub const fn write(self) -> Self {
        Self { access: &["read", "write"], ..self }
    }

    /// Asks for upkeep: vacuum, analyze, reindex ...
    pub const fn maintain(self) -> Self {
        Self { access: &["read", "maintain"], ..self }
    }

    /// Asks for throw-away databases on the same server.
    pub const fn scratch(self) -> Self {
        Self { access: &["read", "scratch"], ..self }
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
        task::Slot {
            name: self.name.into(),
            capability: "sql".into(),
            access: self.access.iter().map(|word| (*word).into()).collect(),
            optional: self.optional,
            why: self.why.into(),
        }
    }
}

/// What [`Database`] and [`Transaction`] can both read with.
#[expect(async_fn_in_trait, reason = "guests have one thread")]
pub trait Query {
    /// Runs one reading statement; the rows come as they are asked for.
    ///
    /// # Errors
    /// A statement that is refused or that the database rejects.
    async fn rows(&self, statement: &str, parameters: &[Value]) -> Result<Rows, Error>;

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
        let mut rows = self.rows(statement, parameters).await?;
        rows.next().await?.ok_or_else(|| Error::Invalid("the statement returned no row".into()))
    }
}

impl Query for Database {
    async fn rows(&self, statement: &str, parameters: &[Value]) -> Result<Rows, Error> {
        self.query(statement.into(), parameters.to_vec()).await.map(Rows::new)
    }
}

impl Query for Transaction {
    async fn rows(&self, statement: &str, parameters: &[Value]) -> Result<Rows, Error> {
        self.query(statement.into(), parameters.to_vec()).await.map(Rows::new)
    }
}

impl Database {
    /// Vacuums one table, or with `None` the whole database.
    ///
    /// # Errors
    /// A lock that is not had in time, and what the database says.
    pub async fn vacuum(&self, table: Option<Table>, analyze: bool) -> Result<(), Error> {
        self.maintain(Maintenance::Vacuum(Vacuum { table, analyze })).await
    }

    /// [`Query::query_one`], without the trait in scope.
    ///
    /// # Errors
    /// As there.
    pub async fn query_one(&self, statement: &str, parameters: &[Value]) -> Result<Row, Error> {
        Query::query_one(self, statement, parameters).await
    }

    /// [`Query::query_all`], without the trait in scope.
    ///
    /// # Errors
    /// As there.
    pub async fn query_all(&self, statement: &str, parameters: &[Value]) -> Result<Vec<Row>, Error> {
        Query::query_all(self, statement, parameters).await
    }

    /// [`Query::rows`], without the trait in scope.
    ///
    /// # Errors
    /// As there.
    pub async fn rows(&self, statement: &str, parameters: &[Value]) -> Result<Rows, Error> {
        Query::rows(self, statement, parameters).await
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
}

/// The rows of a statement, as they come.
pub struct Rows {
    columns: std::rc::Rc<[Column]>,
    rows: Batched<Vec<Value>, u64, Error>,
}

type RowsFromHost = (
    Vec<Column>,
    wit_bindgen::rt::async_support::StreamReader<Vec<Value>>,
    wit_bindgen::rt::async_support::FutureReader<Result<u64, Error>>,
);

impl Rows {
    fn new((columns, rows, end): RowsFromHost) -> Self {
        Self { columns: columns.into(), rows: Batched::new(rows, end) }
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The next row. Rows are read from the host 1,024 at a time.
    ///
    /// # Errors
    /// What cut the rows short.
    pub async fn next(&mut self) -> Result<Option<Row>, Error> {
        let values = self.rows.next().await?;
        Ok(values.map(|values| Row { columns: std::rc::Rc::clone(&self.columns), values }))
    }

    /// All rows.
    ///
    /// # Errors
    /// What cut the rows short.
    pub async fn collect(mut self) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        while let Some(row) = self.next().await? {
            rows.push(row);
        }
        Ok(rows)
    }
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    columns: std::rc::Rc<[Column]>,
    values: Vec<Value>,
}

impl Row {
    /// A row made by hand, for tests.
    pub fn new(columns: Vec<Column>, values: Vec<Value>) -> Self {
        Self { columns: columns.into(), values }
    }

    /// The value of a column, by its position or name, as the type asked for.
    ///
    /// # Errors
    /// A column that is not there, and a value of another type.
    #[expect(clippy::needless_pass_by_value, reason = "a position or a name, both cheap")]
    pub fn get<T: FromValue>(&self, column: impl Index) -> Result<T> {
        let position = column.position(&self.columns)?;
        let value = self.values.get(position).unwrap_or(&Value::Null);
        T::from_value(value).ok_or_else(|| {
            let column = self.columns.get(position);
            Failure::new(format!(
                "column `{}` ({}) is {value:?}, not the {} that is needed",
                column.map_or("?", |column| column.name.as_str()),
                column.map_or("?", |column| column.type_name.as_str()),
                std::any::type_name::<T>()
            ))
        })
    }

    /// The values, in the columns' order.
    pub fn values(&self) -> &[Value] {
        &self.values
    }
}

/// A column's position or name.
pub trait Index {
    /// The position.
    ///
    /// # Errors
    /// A name that no column has.
    fn position(&self, columns: &[Column]) -> Result<usize>;
}

impl Index for usize {
    fn position(&self, columns: &[Column]) -> Result<usize> {
        if *self < columns.len() {
            return Ok(*self);
        }
        Err(Failure::new(format!("there is no column {self}; there are {}", columns.len())))
    }
}

impl Index for &str {
    fn position(&self, columns: &[Column]) -> Result<usize> {
        columns.iter().position(|column| column.name == *self).ok_or_else(|| {
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            Failure::new(format!("there is no column `{self}`; there are {}", names.join(", ")))
        })
    }
}

/// A Rust type that a value can be read as.
pub trait FromValue: Sized {
    /// None when the value is of another type, or out of range.
    fn from_value(value: &Value) -> Option<Self>;
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl FromValue for $type {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    Value::Integer(number) => (*number).try_into().ok(),
                    Value::Unsigned(number) => (*number).try_into().ok(),
                    Value::Numeric(digits) => {
                        let whole = digits.split_once('.').map_or(digits.as_str(), |(whole, rest)| {
                            if rest.bytes().all(|digit| digit == b'0') { whole } else { digits }
                        });
                        whole.parse().ok()
                    }
                    _ => None,
                }
            }
        }
    )*};
}

integers!(i64, i32, u64, u32, usize);

impl FromValue for f64 {
    #[expect(clippy::cast_precision_loss, reason = "asked for as a float")]
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Float(number) => Some(*number),
            Value::Integer(number) => Some(*number as f64),
            Value::Unsigned(number) => Some(*number as f64),
            Value::Numeric(digits) => digits.parse().ok(),
            _ => None,
        }
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Boolean(truth) => Some(*truth),
            Value::Integer(number @ (0 | 1)) => Some(*number == 1),
            _ => None,
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text)
            | Value::Numeric(text)
            | Value::Uuid(text)
            | Value::Timestamp(text)
            | Value::Date(text)
            | Value::Time(text)
            | Value::Json(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Blob(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A statement's parameters: `params![30_i64, "name", None::<i64>]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::sql::Value::from($value)),*][..]
    };
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

    fn row(value: Value) -> Row {
        Row::new(vec![Column { name: "n".into(), type_name: "t".into() }], vec![value])
    }

    #[test]
    fn values_are_read_as_the_type_asked_for() {
        assert_eq!(row(Value::Integer(3)).get::<u32>("n").unwrap(), 3);
        assert_eq!(row(Value::Numeric("12.00".into())).get::<i64>(0).unwrap(), 12);
        assert_eq!(row(Value::Null).get::<Option<i64>>(0).unwrap(), None);
        assert_eq!(
            row(Value::Timestamp("2026-01-01T00:00:00Z".into())).get::<String>(0).unwrap(),
            "2026-01-01T00:00:00Z"
        );
        for wrong in [Value::Null, Value::Text("3".into()), Value::Integer(-1), Value::Numeric("1.5".into())] {
            assert!(row(wrong).get::<u32>(0).is_err());
        }
    }

    #[test]
    fn a_column_that_is_not_there_is_named() {
        let error = row(Value::Null).get::<i64>("m").unwrap_err();
        assert_eq!(error.message, "there is no column `m`; there are n");
    }

    #[test]
    fn identifiers_are_quoted() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(identifier_for(Dialect::Mariadb, "a`b"), "`a``b`");
    }
}
