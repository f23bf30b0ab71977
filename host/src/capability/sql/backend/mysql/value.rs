//! From the server's binary form to values, and back.

use sqlx::error::BoxDynError;
use sqlx::mysql::{MySqlArguments, MySqlRow, MySqlTypeInfo};
use sqlx::{Arguments as _, Decode, MySql, Row as _, Type, TypeInfo as _};

use super::super::wit::{Column, Value};
use super::super::{Error, civil, text_or_blob};

/// How one column's values are read; chosen once a statement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decoder {
    Boolean,
    Signed,
    Unsigned,
    Bit,
    Float,
    Double,
    Decimal,
    Text,
    Json,
    Bytes,
    Timestamp,
    DateTime,
    Date,
    Time,
    Null,
    Unsupported(&'static str),
}

pub(super) fn column(name: &str, kind: &MySqlTypeInfo) -> Column {
    Column { name: name.into(), type_name: type_name(kind).to_ascii_lowercase() }
}

/// The server's name of the type. The library takes text of a binary collation (JSON is one to MariaDB) for bytes.
pub(super) fn type_name(kind: &MySqlTypeInfo) -> &str {
    if !<str as Type<MySql>>::compatible(kind) {
        return kind.name();
    }
    match kind.name() {
        "BINARY" => "CHAR",
        "VARBINARY" => "VARCHAR",
        "TINYBLOB" => "TINYTEXT",
        "BLOB" => "TEXT",
        "MEDIUMBLOB" => "MEDIUMTEXT",
        "LONGBLOB" => "LONGTEXT",
        name => name,
    }
}

impl Decoder {
    pub(super) fn new(kind: &str) -> Self {
        match kind {
            "BOOLEAN" => Self::Boolean,
            "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => Self::Signed,
            "TINYINT UNSIGNED" | "SMALLINT UNSIGNED" | "MEDIUMINT UNSIGNED" | "INT UNSIGNED" | "BIGINT UNSIGNED"
            | "YEAR" => Self::Unsigned,
            "BIT" => Self::Bit,
            "FLOAT" => Self::Float,
            "DOUBLE" => Self::Double,
            "DECIMAL" => Self::Decimal,
            "JSON" => Self::Json,
            "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => Self::Bytes,
            "TIMESTAMP" => Self::Timestamp,
            "DATETIME" => Self::DateTime,
            "DATE" => Self::Date,
            "TIME" => Self::Time,
            "NULL" => Self::Null,
            "GEOMETRY" => Self::Unsupported("geometry"),
            _ => Self::Text,
        }
    }

    /// None for bytes that are not of the type.
    fn decode(self, bytes: &[u8]) -> Option<Value> {
        Some(match self {
            Self::Boolean => match little(bytes)? {
                0 => Value::Boolean(false),
                1 => Value::Boolean(true),
                other => Value::Integer(i64::from(u8::try_from(other).ok()?.cast_signed())),
            },
            Self::Signed => {
                let unused = u32::try_from(64 - 8 * bytes.len().min(8)).ok()?;
                let number = little(bytes)?.checked_shl(unused)?;
                Value::Integer(number.cast_signed() >> unused)
            }
            Self::Unsigned => unsigned(little(bytes)?),
            Self::Bit => unsigned(bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))),
            Self::Float => Value::Float(f32::from_le_bytes(bytes.try_into().ok()?).into()),
            Self::Double => Value::Float(f64::from_le_bytes(bytes.try_into().ok()?)),
            Self::Decimal => Value::Numeric(std::str::from_utf8(bytes).ok()?.into()),
            Self::Text => text_or_blob(bytes),
            Self::Json => Value::Json(std::str::from_utf8(bytes).ok()?.into()),
            Self::Bytes => Value::Blob(bytes.into()),
            Self::Timestamp => Value::Timestamp(date_time(sized(bytes)?)? + "Z"),
            Self::DateTime => Value::Timestamp(date_time(sized(bytes)?)?),
            Self::Date => Value::Date(date(sized(bytes)?)?.0),
            Self::Time => Value::Time(time(sized(bytes)?)?),
            Self::Null => Value::Null,
            Self::Unsupported(name) => Value::Unsupported(name.into()),
        })
    }
}

/// One row's values.
pub(super) fn row(decoders: &[Decoder], row: &MySqlRow) -> Result<Vec<Value>, Error> {
    let mut values = Vec::with_capacity(decoders.len());
    for (index, decoder) in decoders.iter().enumerate() {
        let raw = row.try_get_raw(index).map_err(|error| malformed(index, error))?;
        // The library takes a date of zeros for NULL as well; only a value without bytes is one.
        let Ok(bytes) = <&[u8] as Decode<MySql>>::decode(raw) else {
            values.push(Value::Null);
            continue;
        };
        let value = decoder.decode(bytes);
        values.push(value.ok_or_else(|| malformed(index, format_args!("{decoder:?} has other bytes")))?);
    }
    Ok(values)
}

fn malformed(index: usize, error: impl std::fmt::Display) -> Error {
    Error::Unavailable(format!("the server sent a malformed value in column {}: {error}", index + 1))
}

fn unsigned(number: u64) -> Value {
    i64::try_from(number).map_or(Value::Unsigned(number), Value::Integer)
}

/// At most eight bytes, the least first.
fn little(bytes: &[u8]) -> Option<u64> {
    let fits = !bytes.is_empty() && bytes.len() <= 8;
    fits.then(|| bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

/// Without the length that moments begin with.
fn sized(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first()?;
    (usize::from(*length) == rest.len()).then_some(rest)
}

/// A date and what follows it. The server leaves out what is zero, and has dates with zeros in them.
fn date(bytes: &[u8]) -> Option<(String, &[u8])> {
    let Some(([low, high, month, day], rest)) = bytes.split_first_chunk() else {
        return bytes.is_empty().then(|| (civil::date_of(0, 0, 0), bytes));
    };
    let year = u16::from_le_bytes([*low, *high]);
    Some((civil::date_of(year.into(), (*month).into(), (*day).into()), rest))
}

fn date_time(bytes: &[u8]) -> Option<String> {
    let (date, rest) = date(bytes)?;
    Some(format!("{date}T{}", civil::time(time_of_day(rest)?)))
}

/// Hours, minutes, seconds and microseconds, as many as there are.
fn time_of_day(bytes: &[u8]) -> Option<i64> {
    let Some(([hour, minute, second], rest)) = bytes.split_first_chunk() else {
        return bytes.is_empty().then_some(0);
    };
    let micros = if rest.is_empty() { 0 } else { u32::from_le_bytes(rest.try_into().ok()?) };
    let seconds = i64::from(*hour) * 3600 + i64::from(*minute) * 60 + i64::from(*second);
    Some(seconds * 1_000_000 + i64::from(micros))
}

/// A span of up to 838 hours, with a sign.
fn time(bytes: &[u8]) -> Option<String> {
    let Some(([sign, days @ ..], rest)) = bytes.split_first_chunk::<5>() else {
        return bytes.is_empty().then(|| civil::time(0));
    };
    let days = i64::from(u32::from_le_bytes(*days));
    let text = civil::time(days * 86_400_000_000 + time_of_day(rest)?);
    Some(if *sign == 1 { format!("-{text}") } else { text })
}

/// The server turns text into what the column is.
pub(super) fn bind(arguments: &mut MySqlArguments, value: &Value) -> Result<(), BoxDynError> {
    match value {
        Value::Null => arguments.add(None::<String>),
        Value::Unsupported(_) => Err("a value of an unsupported type cannot be bound".into()),
        Value::Boolean(value) => arguments.add(*value),
        Value::Integer(value) => arguments.add(*value),
        Value::Unsigned(value) => arguments.add(*value),
        Value::Float(value) => arguments.add(*value),
        Value::Blob(bytes) => arguments.add(bytes.clone()),
        // The session's time zone is UTC; the server's own form has neither the T nor the Z.
        Value::Timestamp(text) => arguments.add(text.replacen('T', " ", 1).trim_end_matches('Z').to_owned()),
        Value::Numeric(text)
        | Value::Text(text)
        | Value::Uuid(text)
        | Value::Date(text)
        | Value::Time(text)
        | Value::Json(text) => arguments.add(text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_from_their_wire_form() {
        for (kind, bytes, expected) in [
            ("TINYINT", &[0xff][..], "Value::Integer(-1)"),
            ("INT", &[1, 0, 0, 0], "Value::Integer(1)"),
            ("BIGINT", &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "Value::Integer(-2)"),
            ("BIGINT UNSIGNED", &[0xff; 8], "Value::Unsigned(18446744073709551615)"),
            ("BOOLEAN", &[1], "Value::Boolean(true)"),
            ("BOOLEAN", &[5], "Value::Integer(5)"),
            ("BIT", &[1, 0], "Value::Integer(256)"),
            ("YEAR", &[0xea, 0x07], "Value::Integer(2026)"),
            ("DATE", &[0], "Value::Date(\"0000-00-00\")"),
            ("DATE", &[4, 0xea, 0x07, 0, 0], "Value::Date(\"2026-00-00\")"),
            ("DATETIME", &[4, 0xea, 0x07, 11, 23], "Value::Timestamp(\"2026-11-23T00:00:00\")"),
            ("TIMESTAMP", &[7, 0xea, 0x07, 11, 23, 1, 2, 3], "Value::Timestamp(\"2026-11-23T01:02:03Z\")"),
            (
                "DATETIME",
                &[11, 0xea, 0x07, 11, 23, 1, 2, 3, 0x20, 0xa1, 7, 0],
                "Value::Timestamp(\"2026-11-23T01:02:03.5\")",
            ),
            ("TIME", &[8, 1, 34, 0, 0, 0, 22, 59, 59], "Value::Time(\"-838:59:59\")"),
            ("DECIMAL", b"-1.20", "Value::Numeric(\"-1.20\")"),
            ("VARCHAR", &[0xff], "Value::Blob([255])"),
        ] {
            assert_eq!(format!("{:?}", Decoder::new(kind).decode(bytes).unwrap()), expected, "{kind}");
        }
    }

    #[test]
    fn bytes_of_another_type_are_no_panic() {
        for kind in ["INT", "DOUBLE", "FLOAT", "BIGINT UNSIGNED", "BOOLEAN"] {
            assert!(Decoder::new(kind).decode(&[]).is_none(), "{kind}");
        }
        for kind in ["DATE", "DATETIME", "TIME", "DOUBLE"] {
            assert!(Decoder::new(kind).decode(&[1, 2]).is_none(), "{kind}");
        }
        assert!(Decoder::new("INT").decode(&[0; 9]).is_none());
    }
}
