//! Values by how they are stored: in SQLite a column's declared type binds nothing.

use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, Decode, Row as _, Sqlite, TypeInfo as _, ValueRef as _};

use super::super::wit::Value;
use super::super::{Error, text_or_blob};

/// One row's values.
pub(super) fn row(width: usize, row: &SqliteRow) -> Result<Vec<Value>, Error> {
    (0..width)
        .map(|index| {
            value(row, index)
                .map_err(|error| Error::database("0", format!("column {} cannot be read: {error}", index + 1)))
        })
        .collect()
}

fn value(row: &SqliteRow, index: usize) -> Result<Value, BoxDynError> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = raw.type_info();
    Ok(match kind.name() {
        "INTEGER" => Value::Integer(<i64 as Decode<Sqlite>>::decode(raw)?),
        "REAL" => Value::Float(<f64 as Decode<Sqlite>>::decode(raw)?),
        "TEXT" => text_or_blob(<&[u8] as Decode<Sqlite>>::decode(raw)?),
        _ => Value::Blob(<&[u8] as Decode<Sqlite>>::decode(raw)?.to_owned()),
    })
}

pub(super) fn bind(arguments: &mut SqliteArguments, value: &Value) -> Result<(), BoxDynError> {
    match value {
        Value::Null | Value::Unsupported(_) => arguments.add(None::<String>),
        Value::Boolean(value) => arguments.add(*value),
        Value::Integer(value) => arguments.add(*value),
        Value::Unsigned(_) => Err("the number is larger than SQLite's integers".into()),
        Value::Float(value) => arguments.add(*value),
        Value::Blob(bytes) => arguments.add(bytes.clone()),
        Value::Numeric(text)
        | Value::Text(text)
        | Value::Uuid(text)
        | Value::Timestamp(text)
        | Value::Date(text)
        | Value::Time(text)
        | Value::Json(text) => arguments.add(text.clone()),
    }
}
