//! Typed parameters, from a struct. `#[derive(Parameters)]` uses what is here; plugins need [`Size`] at most.

use std::time::Duration;

use crate::Failure;
use crate::bindings::exports::taskhost::host::task::{self, ParameterType, Value};

pub use task::{Argument, Parameter};

/// A struct whose fields are a plugin's parameters.
pub trait Parameters: Sized {
    /// One a field.
    fn describe() -> Vec<Parameter>;

    /// From what the host passes.
    ///
    /// # Errors
    /// An argument that does not fit: a bug of the host, which checks them against [`describe`](Self::describe).
    fn from_arguments(arguments: Vec<Argument>) -> crate::Result<Self>;
}

/// A type that a parameter may have.
pub trait ParameterValue: Sized {
    /// What a default is written as.
    type Default;

    /// The parameter's type.
    fn kind() -> ParameterType;

    /// Whether it must be given when it has no default.
    const REQUIRED: bool = true;

    /// A default as the contract's value.
    fn value(default: Self::Default) -> Value;

    /// From the value passed; none when it was not given.
    fn from_value(value: Option<Value>) -> Option<Self>;
}

/// A number of bytes, written `64KiB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// One of several words; derive it.
pub trait Choice: Sized {
    /// The words, kebab-case.
    const WORDS: &'static [&'static str];
    /// The variant of a word.
    fn from_word(word: &str) -> Option<Self>;
    /// The word of a variant.
    fn word(&self) -> &'static str;
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl ParameterValue for $type {
            type Default = $type;

            fn kind() -> ParameterType {
                ParameterType::Integer
            }

            fn value(default: $type) -> Value {
                Value::Integer(i64::try_from(default).unwrap_or(i64::MAX))
            }

            fn from_value(value: Option<Value>) -> Option<Self> {
                match value {
                    Some(Value::Integer(number)) => number.try_into().ok(),
                    _ => None,
                }
            }
        }
    )*};
}

integers!(i64, i32, u32, u64, usize);

macro_rules! plain {
    ($($type:ty, $default:ty, $kind:ident, $to:expr, $from:expr;)*) => {$(
        impl ParameterValue for $type {
            type Default = $default;

            fn kind() -> ParameterType {
                ParameterType::$kind
            }

            fn value(default: $default) -> Value {
                Value::$kind($to(default))
            }

            fn from_value(value: Option<Value>) -> Option<Self> {
                match value {
                    Some(Value::$kind(value)) => Some($from(value)),
                    _ => None,
                }
            }
        }
    )*};
}

plain! {
    String, &'static str, Text, String::from, String::from;
    f64, f64, Number, f64::from, f64::from;
    bool, bool, Boolean, bool::from, bool::from;
    Duration, &'static str, Duration, seconds, Duration::from_secs;
    Size, &'static str, Size, |text| size(text).0, Size;
    Vec<String>, &'static str, Texts, texts, Vec::from;
}

impl<T: ParameterValue> ParameterValue for Option<T> {
    type Default = T::Default;
    const REQUIRED: bool = false;

    fn kind() -> ParameterType {
        T::kind()
    }

    fn value(default: T::Default) -> Value {
        T::value(default)
    }

    fn from_value(value: Option<Value>) -> Option<Self> {
        Some(value.and_then(|value| T::from_value(Some(value))))
    }
}

/// Makes a [`Choice`] a parameter's type; `#[derive(Choice)]` calls it.
#[doc(hidden)]
#[macro_export]
macro_rules! parameter_from_choice {
    ($type:ty) => {
        impl $crate::parameters::ParameterValue for $type {
            type Default = $type;

            fn kind() -> $crate::bindings::exports::taskhost::host::task::ParameterType {
                $crate::bindings::exports::taskhost::host::task::ParameterType::Choice(
                    <$type as $crate::parameters::Choice>::WORDS.iter().map(|word| (*word).into()).collect(),
                )
            }

            fn value(default: $type) -> $crate::bindings::exports::taskhost::host::task::Value {
                $crate::bindings::exports::taskhost::host::task::Value::Choice(
                    $crate::parameters::Choice::word(&default).into(),
                )
            }

            fn from_value(value: Option<$crate::bindings::exports::taskhost::host::task::Value>) -> Option<Self> {
                match value {
                    Some($crate::bindings::exports::taskhost::host::task::Value::Choice(word)) => {
                        <$type as $crate::parameters::Choice>::from_word(&word)
                    }
                    _ => None,
                }
            }
        }
    };
}

/// One field's description; for the derive.
#[doc(hidden)]
pub fn describe<T: ParameterValue>(
    name: &str,
    summary: &str,
    default: Option<Value>,
    minimum: Option<f64>,
    maximum: Option<f64>,
) -> Parameter {
    Parameter {
        name: name.into(),
        kind: T::kind(),
        summary: summary.into(),
        required: T::REQUIRED && default.is_none(),
        default,
        minimum,
        maximum,
    }
}

/// One field's value; for the derive.
#[doc(hidden)]
pub fn take<T: ParameterValue>(arguments: &mut Vec<Argument>, name: &str) -> crate::Result<T> {
    let position = arguments.iter().position(|argument| argument.name == name);
    let value = position.map(|position| arguments.swap_remove(position).value);
    T::from_value(value)
        .ok_or_else(|| Failure::invalid(format!("parameter `{name}` is missing, or of another type than described")))
}

/// A bound written with a unit; for the derive.
#[doc(hidden)]
#[expect(clippy::cast_precision_loss, reason = "bounds are compared")]
pub fn bound(text: &str) -> f64 {
    number_with(text, &[SPANS, SIZES].concat()) as f64
}

/// A size written in a default; for the derive. What cannot be read is 0, and the plugin's own test sees it.
#[doc(hidden)]
pub fn size(text: &str) -> Size {
    Size(number_with(text, SIZES))
}

fn seconds(text: &str) -> u64 {
    number_with(text, SPANS)
}

fn texts(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Into::into).collect()
}

type Units = [(&'static str, u64)];
const SPANS: &Units = &[("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800), ("", 1)];
const SIZES: &Units = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("", 1)];

fn number_with(text: &str, units: &Units) -> u64 {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = units.iter().find(|(name, _)| *name == unit).map_or(0, |(_, factor)| *factor);
    number.parse::<u64>().unwrap_or(0).saturating_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_bounds_are_read_with_their_units() {
        assert_eq!(seconds("30d"), 2_592_000);
        assert_eq!(size("64MiB"), Size(64 << 20));
        assert_eq!(texts("a, b,,c"), ["a", "b", "c"]);
        assert!((bound("1h") - 3600.0).abs() < f64::EPSILON && (bound("1KiB") - 1024.0).abs() < f64::EPSILON);
    }

    #[test]
    fn an_option_may_be_absent_and_the_rest_may_not() {
        assert_eq!(take::<Option<u32>>(&mut vec![], "n").unwrap(), None);
        assert!(take::<u32>(&mut vec![], "n").is_err());
        let mut arguments = vec![Argument { name: "n".into(), value: Value::Integer(3) }];
        assert_eq!(take::<u32>(&mut arguments, "n").unwrap(), 3);
    }
}
