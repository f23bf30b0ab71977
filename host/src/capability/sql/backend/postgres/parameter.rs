//! Values as the parameters of a statement, in the types that the server found for them.

use std::str::FromStr as _;

use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgStatement, PgTypeInfo, PgTypeKind};
use sqlx::types::BigDecimal;
use sqlx::{Arguments as _, Either, Postgres, Statement as _, Type};

use super::super::wit::Value;
use super::super::{Error, check_count};
use super::value::{EPOCH_DAYS, EPOCH_MICROS, type_name};

/// The values in the server's binary form.
pub(super) fn arguments(statement: &PgStatement, values: &[Value]) -> Result<PgArguments, Error> {
    let kinds = match statement.parameters() {
        Some(Either::Left(kinds)) => kinds,
        _ => &[],
    };
    check_count(kinds.len(), values.len())?;
    let mut arguments = PgArguments::default();
    for (index, (kind, value)) in kinds.iter().zip(values).enumerate() {
        let bytes = encode(kind, value).map_err(|wrong| {
            Error::Invalid(format!("parameter ${} is {} to the server: {wrong}", index + 1, type_name(kind)))
        })?;
        let wrong = |error| Error::Invalid(format!("parameter ${}: {error}", index + 1));
        arguments.add(Bound { kind: kind.clone(), bytes }).map_err(wrong)?;
    }
    Ok(arguments)
}

struct Bound {
    kind: PgTypeInfo,
    bytes: Option<Vec<u8>>,
}

impl Type<Postgres> for Bound {
    fn type_info() -> PgTypeInfo {
        <str as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for Bound {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let Some(bytes) = &self.bytes else { return Ok(IsNull::Yes) };
        buffer.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.kind.clone())
    }

    fn size_hint(&self) -> usize {
        self.bytes.as_ref().map_or(0, Vec::len)
    }
}

fn encode(kind: &PgTypeInfo, value: &Value) -> Result<Option<Vec<u8>>, String> {
    if matches!(value, Value::Null) {
        return Ok(None);
    }
    let mismatch =
        || format!("it cannot be bound as that; cast it in the statement, as in $1::text::{}", type_name(kind));
    let integer = || integer(value).ok_or_else(mismatch);
    let text = || text(value).ok_or_else(mismatch);
    Ok(Some(match kind.oid().map_or(0, |oid| oid.0) {
        16 => match value {
            Value::Boolean(value) => vec![u8::from(*value)],
            _ => return Err(mismatch()),
        },
        17 => match value {
            Value::Blob(bytes) => bytes.clone(),
            _ => return Err(mismatch()),
        },
        18 | 19 | 25 | 142 | 705 | 1042 | 1043 => match integer() {
            Ok(number) => number.to_string().into_bytes(),
            Err(_) => text()?.into_bytes(),
        },
        20 => i64::try_from(integer()?).map_err(out_of_range)?.to_be_bytes().into(),
        21 => i16::try_from(integer()?).map_err(out_of_range)?.to_be_bytes().into(),
        23 => i32::try_from(integer()?).map_err(out_of_range)?.to_be_bytes().into(),
        26 | 28 | 29 => u32::try_from(integer()?).map_err(out_of_range)?.to_be_bytes().into(),
        114 => text()?.into_bytes(),
        3802 => [b"\x01", text()?.as_bytes()].concat(),
        #[expect(clippy::cast_possible_truncation, reason = "the column is as narrow")]
        700 => (float(value).ok_or_else(mismatch)? as f32).to_be_bytes().into(),
        701 => float(value).ok_or_else(mismatch)?.to_be_bytes().into(),
        1082 => date(&text()?)?.to_be_bytes().into(),
        1083 => time(&text()?)?.to_be_bytes().into(),
        1114 | 1184 => timestamp(&text()?)?.to_be_bytes().into(),
        1700 => numeric(value).ok_or_else(mismatch)?,
        2950 => uuid::Uuid::parse_str(&text()?).map_err(|error| error.to_string())?.as_bytes().to_vec(),
        _ => match kind.kind() {
            PgTypeKind::Domain(inner) => return encode(inner, value),
            PgTypeKind::Enum(_) => text()?.into_bytes(),
            _ if kind.to_string().eq_ignore_ascii_case("citext") => text()?.into_bytes(),
            _ => return Err(mismatch()),
        },
    }))
}

fn out_of_range(_: std::num::TryFromIntError) -> String {
    "the number is out of its range".into()
}

fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Integer(number) => Some((*number).into()),
        Value::Unsigned(number) => Some((*number).into()),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "the column is a float")]
fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Float(number) => Some(*number),
        Value::Numeric(text) => text.parse().ok(),
        _ => integer(value).map(|number| number as f64),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text)
        | Value::Json(text)
        | Value::Numeric(text)
        | Value::Uuid(text)
        | Value::Timestamp(text)
        | Value::Date(text)
        | Value::Time(text) => Some(text.clone()),
        _ => None,
    }
}

fn numeric(value: &Value) -> Option<Vec<u8>> {
    let text = match value {
        Value::Numeric(text) => text.clone(),
        Value::Float(number) => number.to_string(),
        _ => integer(value)?.to_string(),
    };
    let special = |sign: u8| Some(vec![0, 0, 0, 0, sign, 0, 0, 0]);
    match text.to_ascii_lowercase().as_str() {
        "nan" => return special(0xC0),
        "infinity" | "inf" => return special(0xD0),
        "-infinity" | "-inf" => return special(0xF0),
        _ => {}
    }
    let number = BigDecimal::from_str(&text).ok()?;
    let mut buffer = PgArgumentBuffer::default();
    let _ = Encode::<Postgres>::encode_by_ref(&number, &mut buffer).ok()?;
    Some(buffer.to_vec())
}

fn date(text: &str) -> Result<i32, String> {
    match text {
        "infinity" => return Ok(i32::MAX),
        "-infinity" => return Ok(i32::MIN),
        _ => {}
    }
    let date: jiff::civil::Date = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    let days = micros(date.at(0, 0, 0, 0))? / 86_400_000_000 - EPOCH_DAYS;
    i32::try_from(days).map_err(out_of_range)
}

fn time(text: &str) -> Result<i64, String> {
    let time: jiff::civil::Time = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    micros(jiff::civil::date(1970, 1, 1).to_datetime(time))
}

/// With an offset it is an instant; without one the column's own notion of it, or UTC.
fn timestamp(text: &str) -> Result<i64, String> {
    match text {
        "infinity" => return Ok(i64::MAX),
        "-infinity" => return Ok(i64::MIN),
        _ => {}
    }
    let since_1970 = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => instant.as_microsecond(),
        Err(_) => micros(text.parse().map_err(|error: jiff::Error| error.to_string())?)?,
    };
    Ok(since_1970 - EPOCH_MICROS)
}

fn micros(moment: jiff::civil::DateTime) -> Result<i64, String> {
    let instant = jiff::tz::TimeZone::UTC.to_timestamp(moment).map_err(|error| error.to_string())?;
    Ok(instant.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_count_from_the_servers_epoch() {
        assert_eq!(timestamp("2000-01-01T00:00:00Z"), Ok(0));
        assert_eq!(timestamp("2000-01-01T00:00:00.5"), Ok(500_000));
        assert_eq!(timestamp("2000-01-01T01:00:00+01:00"), Ok(0));
        assert_eq!(timestamp("1999-12-31 23:59:59"), Ok(-1_000_000));
        assert_eq!(timestamp("infinity"), Ok(i64::MAX));
        assert_eq!(date("2000-03-01"), Ok(60));
        assert_eq!(date("1999-12-31"), Ok(-1));
        assert_eq!(time("01:00:00"), Ok(3_600_000_000));
        assert!(timestamp("yesterday").is_err() && date("2000-02-30").is_err() && time("25:00:00").is_err());
    }
}
