//! Values, and the Rust types that they are read as and made from.

use super::Value;

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

impl FromValue for Value {
    fn from_value(value: &Value) -> Option<Self> {
        Some(value.clone())
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

macro_rules! parameters {
    ($($type:ty: $value:ident => $made:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $made
            }
        }
    )*};
}

parameters! {
    bool: truth => Self::Boolean(truth);
    i64: number => Self::Integer(number);
    i32: number => Self::Integer(number.into());
    u32: number => Self::Integer(number.into());
    // Above the range of `Integer` there is a case of its own.
    u64: number => i64::try_from(number).map_or(Self::Unsigned(number), Self::Integer);
    usize: number => u64::try_from(number).unwrap_or(u64::MAX).into();
    f64: number => Self::Float(number);
    &str: text => Self::Text(text.into());
    &String: text => Self::Text(text.clone());
    String: text => Self::Text(text);
    Vec<u8>: bytes => Self::Blob(bytes);
    &[u8]: bytes => Self::Blob(bytes.to_vec());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_the_type_asked_for() {
        assert_eq!(u32::from_value(&Value::Integer(3)), Some(3));
        assert_eq!(u64::from_value(&Value::Unsigned(u64::MAX)), Some(u64::MAX));
        assert_eq!(i64::from_value(&Value::Numeric("12.00".into())), Some(12));
        assert_eq!(f64::from_value(&Value::Numeric("1.5".into())), Some(1.5));
        assert_eq!(bool::from_value(&Value::Integer(1)), Some(true));
        assert_eq!(Option::<i64>::from_value(&Value::Null), Some(None));
        let text = "2026-01-01T00:00:00Z";
        assert_eq!(String::from_value(&Value::Timestamp(text.into())).as_deref(), Some(text));
        for wrong in [
            Value::Null,
            Value::Text("3".into()),
            Value::Integer(-1),
            Value::Integer(1 << 32),
            Value::Numeric("1.5".into()),
            Value::Numeric("NaN".into()),
        ] {
            assert_eq!(u32::from_value(&wrong), None, "{wrong:?}");
        }
        for wrong in [Value::Integer(2), Value::Text("true".into())] {
            assert_eq!(bool::from_value(&wrong), None, "{wrong:?}");
        }
        assert_eq!(i64::from_value(&Value::Unsigned(u64::MAX)), None);
    }

    #[test]
    fn parameters_are_made_from_what_plugins_have() {
        let name = String::from("a");
        let made: &[Value] = crate::params![3_i64, 3_u32, u64::MAX, 7_usize, "a", &name, None::<i64>, vec![1_u8], true];
        let expected = [
            "Value::Integer(3)",
            "Value::Integer(3)",
            "Value::Unsigned(18446744073709551615)",
            "Value::Integer(7)",
            "Value::Text(\"a\")",
            "Value::Text(\"a\")",
            "Value::Null",
            "Value::Blob([1])",
            "Value::Boolean(true)",
        ];
        assert_eq!(made.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>(), expected);
    }
}
