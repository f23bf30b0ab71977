//! From the server's binary form to values.

use std::fmt::Write as _;

use sqlx::postgres::{PgRow, PgTypeInfo, PgTypeKind};
use sqlx::{Row as _, TypeInfo as _, ValueRef as _};

use super::super::wit::{Column, Value};
use super::super::{Error, civil, text_or_blob};

/// Days and microseconds from 1970-01-01 to 2000-01-01, where the server counts from.
pub(super) const EPOCH_DAYS: i64 = 10_957;
pub(super) const EPOCH_MICROS: i64 = EPOCH_DAYS * 86_400_000_000;

/// How one column's values are read; chosen once a statement.
#[derive(Clone, Debug)]
pub(super) enum Decoder {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Xid8,
    Float4,
    Float8,
    Numeric,
    Text,
    Bytes,
    Uuid,
    Timestamp { zone: bool },
    Date,
    Time,
    Json,
    Jsonb,
    Unsupported(String),
}

/// A column with the database's name of its type.
pub(super) fn column(name: &str, kind: &PgTypeInfo) -> Column {
    Column { name: name.into(), type_name: type_name(kind) }
}

/// The library writes the built-in names in capitals.
pub(super) fn type_name(kind: &PgTypeInfo) -> String {
    let name = kind.name();
    if name.chars().any(char::is_lowercase) { name.into() } else { name.to_ascii_lowercase() }
}

impl Decoder {
    pub(super) fn new(kind: &PgTypeInfo) -> Self {
        match kind.oid().map_or(0, |oid| oid.0) {
            16 => Self::Bool,
            17 => Self::Bytes,
            18 | 19 | 25 | 142 | 705 | 1042 | 1043 => Self::Text,
            20 => Self::Int8,
            21 => Self::Int2,
            23 => Self::Int4,
            26 | 28 | 29 => Self::Oid,
            114 => Self::Json,
            700 => Self::Float4,
            701 => Self::Float8,
            1082 => Self::Date,
            1083 => Self::Time,
            1114 => Self::Timestamp { zone: false },
            1184 => Self::Timestamp { zone: true },
            1700 => Self::Numeric,
            2950 => Self::Uuid,
            3802 => Self::Jsonb,
            5069 => Self::Xid8,
            _ => match kind.kind() {
                PgTypeKind::Domain(inner) => Self::new(inner),
                PgTypeKind::Enum(_) => Self::Text,
                PgTypeKind::Simple if matches!(kind.name(), "citext" | "CITEXT") => Self::Text,
                _ => Self::Unsupported(type_name(kind)),
            },
        }
    }

    /// None for bytes that are not of the type.
    fn decode(&self, bytes: &[u8]) -> Option<Value> {
        Some(match self {
            Self::Bool => Value::Boolean(*bytes.first()? != 0),
            Self::Int2 => Value::Integer(i16::from_be_bytes(bytes.try_into().ok()?).into()),
            Self::Int4 => Value::Integer(i32::from_be_bytes(bytes.try_into().ok()?).into()),
            Self::Int8 => Value::Integer(i64::from_be_bytes(bytes.try_into().ok()?)),
            Self::Oid => Value::Integer(u32::from_be_bytes(bytes.try_into().ok()?).into()),
            Self::Xid8 => {
                let number = u64::from_be_bytes(bytes.try_into().ok()?);
                i64::try_from(number).map_or(Value::Unsigned(number), Value::Integer)
            }
            Self::Float4 => Value::Float(f32::from_be_bytes(bytes.try_into().ok()?).into()),
            Self::Float8 => Value::Float(f64::from_be_bytes(bytes.try_into().ok()?)),
            Self::Numeric => Value::Numeric(numeric(bytes)?),
            Self::Text => text_or_blob(bytes),
            Self::Bytes => Value::Blob(bytes.into()),
            Self::Uuid => Value::Uuid(uuid::Uuid::from_slice(bytes).ok()?.hyphenated().to_string()),
            Self::Timestamp { zone } => Value::Timestamp(match i64::from_be_bytes(bytes.try_into().ok()?) {
                i64::MAX => "infinity".into(),
                i64::MIN => "-infinity".into(),
                micros => civil::timestamp(micros.checked_add(EPOCH_MICROS)?, *zone),
            }),
            Self::Date => Value::Date(match i32::from_be_bytes(bytes.try_into().ok()?) {
                i32::MAX => "infinity".into(),
                i32::MIN => "-infinity".into(),
                days => civil::date(i64::from(days) + EPOCH_DAYS),
            }),
            Self::Time => Value::Time(civil::time(i64::from_be_bytes(bytes.try_into().ok()?))),
            Self::Json => Value::Json(std::str::from_utf8(bytes).ok()?.into()),
            Self::Jsonb => Value::Json(std::str::from_utf8(bytes.get(1..)?).ok()?.into()),
            Self::Unsupported(name) => Value::Unsupported(name.clone()),
        })
    }
}

/// One row's values.
pub(super) fn row(decoders: &[Decoder], row: &PgRow) -> Result<Vec<Value>, Error> {
    let mut values = Vec::with_capacity(decoders.len());
    for (index, decoder) in decoders.iter().enumerate() {
        let raw = row.try_get_raw(index).map_err(|error| malformed(index, error))?;
        values.push(if raw.is_null() {
            Value::Null
        } else {
            let bytes = raw.as_bytes().map_err(|error| malformed(index, error))?;
            decoder.decode(bytes).ok_or_else(|| malformed(index, format_args!("{decoder:?} has other bytes")))?
        });
    }
    Ok(values)
}

fn malformed(index: usize, error: impl std::fmt::Display) -> Error {
    Error::Unavailable(format!("the server sent a malformed value in column {}: {error}", index + 1))
}

/// The digits come four at a time, each four a number below 10,000.
fn numeric(bytes: &[u8]) -> Option<String> {
    let word = |index: usize| Some(u16::from_be_bytes(bytes.get(index * 2..index * 2 + 2)?.try_into().ok()?));
    let count = usize::from(word(0)?);
    let weight = i32::from(word(1)?.cast_signed());
    let sign = word(2)?;
    let scale = usize::from(word(3)?);
    match sign {
        0xC000 => return Some("NaN".into()),
        0xD000 => return Some("Infinity".into()),
        0xF000 => return Some("-Infinity".into()),
        _ => {}
    }
    let group =
        |position: i32| usize::try_from(position).ok().filter(|at| *at < count).map_or(Some(0), |at| word(4 + at));
    let mut out = String::with_capacity(count * 4 + scale + 2);
    if sign == 0x4000 {
        out.push('-');
    }
    if weight < 0 {
        out.push('0');
    }
    for position in 0..=weight {
        let group = group(position)?;
        let _ = if position == 0 { write!(out, "{group}") } else { write!(out, "{group:04}") };
    }
    if scale > 0 {
        out.push('.');
        let start = out.len();
        let mut position = weight + 1;
        while out.len() < start + scale {
            // Positions between the point and the first group are zeros.
            let group = if position < 0 { 0 } else { group(position)? };
            let _ = write!(out, "{group:04}");
            position += 1;
        }
        out.truncate(start + scale);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn numbers_keep_every_digit() {
        for (wire, text) in [
            (&[0, 0, 0, 0][..], "0"),
            (&[0, 0, 0, 2], "0.00"),
            (&[2, 0, 0x4000, 2, 12, 3400], "-12.34"),
            (&[1, 1, 0, 0, 1], "10000"),
            (&[1, 0xFFFE, 0, 8, 1234], "0.00001234"),
            (&[1, 0xFFFF, 0, 3, 1230], "0.123"),
            (&[3, 2, 0, 1, 1, 0, 5000], "100005000.0"),
            (&[0, 0, 0xC000, 0], "NaN"),
            (&[0, 0, 0xD000, 0], "Infinity"),
            (&[0, 0, 0xF000, 0], "-Infinity"),
        ] {
            assert_eq!(numeric(&words(wire)).as_deref(), Some(text));
        }
    }

    #[test]
    fn bytes_of_another_type_are_no_panic() {
        let decoders = [
            Decoder::Bool,
            Decoder::Int2,
            Decoder::Int4,
            Decoder::Int8,
            Decoder::Numeric,
            Decoder::Uuid,
            Decoder::Timestamp { zone: true },
            Decoder::Date,
            Decoder::Time,
            Decoder::Jsonb,
        ];
        for decoder in decoders {
            assert!(decoder.decode(&[]).is_none(), "{decoder:?}");
        }
        assert!(Decoder::Numeric.decode(&words(&[9, 0, 0, 0])).is_none());
        assert_eq!(format!("{:?}", Decoder::Text.decode(&[0xff]).unwrap()), "Value::Blob([255])");
    }
}
