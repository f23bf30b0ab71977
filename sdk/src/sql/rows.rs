//! Rows, as they come from the host, and what is in them.

use std::rc::Rc;

use wit_bindgen::rt::async_support::{FutureReader, StreamReader};

use super::{Column, Error, FromValue, Value};
use crate::stream::Batched;
use crate::{Failure, Result};

/// The rows of a statement, as they come.
pub struct Rows {
    columns: Rc<[Column]>,
    rows: Batched<Vec<Value>, u64, Error>,
}

type RowsFromHost = (Vec<Column>, StreamReader<Vec<Value>>, FutureReader<Result<u64, Error>>);

impl Rows {
    pub(super) fn new((columns, rows, end): RowsFromHost) -> Self {
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
        Ok(values.map(|values| Row { columns: Rc::clone(&self.columns), values }))
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
    columns: Rc<[Column]>,
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
                "column `{}` ({}) holds {}, which is not read as {}",
                column.map_or("?", |column| column.name.as_str()),
                column.map_or("?", |column| column.type_name.as_str()),
                kind(value),
                short(std::any::type_name::<T>())
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

/// What a value is, without what it says: a message must not carry the database's contents into reports.
fn kind(value: &Value) -> &str {
    match value {
        Value::Null => "NULL",
        Value::Boolean(_) => "a boolean",
        Value::Integer(_) | Value::Unsigned(_) => "an integer",
        Value::Float(_) => "a float",
        Value::Numeric(_) => "a decimal",
        Value::Text(_) => "a text",
        Value::Blob(_) => "bytes",
        Value::Uuid(_) => "a UUID",
        Value::Timestamp(_) => "a timestamp",
        Value::Date(_) => "a date",
        Value::Time(_) => "a time",
        Value::Json(_) => "JSON",
        Value::Unsupported(_) => "a value of a type to be cast in the statement",
    }
}

/// `core::option::Option<alloc::string::String>` as `Option<String>`.
fn short(type_name: &str) -> String {
    let words = type_name.split_inclusive(['<', '>', ',', ' ']);
    words.map(|word| word.rsplit("::").next().unwrap_or(word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: Value) -> Row {
        Row::new(vec![Column { name: "n".into(), type_name: "int4".into() }], vec![value])
    }

    fn complaint<T: FromValue>(value: Value) -> String {
        row(value).get::<T>(0).err().unwrap().message
    }

    #[test]
    fn a_column_that_is_not_there_is_named() {
        let error = row(Value::Null).get::<i64>("m").unwrap_err();
        assert_eq!(error.message, "there is no column `m`; there are n");
        assert_eq!(row(Value::Null).get::<i64>(1).unwrap_err().message, "there is no column 1; there are 1");
    }

    #[test]
    fn a_value_of_another_type_is_named_without_its_contents() {
        assert_eq!(
            complaint::<Option<String>>(Value::Integer(3)),
            "column `n` (int4) holds an integer, which is not read as Option<String>"
        );
        assert_eq!(complaint::<i64>(Value::Null), "column `n` (int4) holds NULL, which is not read as i64");
        assert!(!complaint::<i64>(Value::Text("secret".into())).contains("secret"));
        assert!(complaint::<Vec<u8>>(Value::Text(String::new())).ends_with("read as Vec<u8>"));
    }
}
