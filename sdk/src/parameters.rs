//! Typed parameters, from a struct. `#[derive(Parameters)]` uses what is here; plugins need [`Size`] at most.

use std::time::Duration;

use crate::Failure;
use crate::bindings::exports::taskhost::host::task::{self, ParameterType, Value};

pub use task::{Argument, Parameter};

/// A struct whose fields are a plugin's parameters.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not hold parameters",
    label = "no struct of parameters",
    note = "a task takes nothing, or one struct with #[derive(Parameters)]"
)]
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
#[diagnostic::on_unimplemented(
    message = "a parameter cannot be `{Self}`",
    label = "no type of a parameter",
    note = "use String, bool, i64, i32, u64, u32, usize, f64, Duration, Size, Vec<String>, an enum with \
            #[derive(Choice)], or an Option of one of these"
)]
pub trait ParameterValue: Sized {
    /// What a default is written as.
    type Default;

    /// The parameter's type.
    fn kind() -> ParameterType;

    /// Whether it must be given when it has no default.
    const REQUIRED: bool = true;

    /// What the type itself can hold, inclusive; a parameter's own bounds come before it. The host checks it, so that
    /// the operator hears of a number that does not fit before the run.
    const RANGE: (Option<f64>, Option<f64>) = (None, None);

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
    ($($type:ty: $minimum:expr, $maximum:expr;)*) => {$(
        impl ParameterValue for $type {
            type Default = $type;
            const RANGE: (Option<f64>, Option<f64>) = ($minimum, $maximum);

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

// Passed as an `i64`: a `u64` ends there. A `usize` has 32 bits where plugins run.
integers! {
    i64: None, None;
    i32: Some(-2_147_483_648.0), Some(2_147_483_647.0);
    u64: Some(0.0), None;
    u32: Some(0.0), Some(4_294_967_295.0);
    usize: Some(0.0), Some(4_294_967_295.0);
}

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
    Size, &'static str, Size, bytes, Size;
    Vec<String>, &'static str, Texts, texts, Vec::from;
}

impl<T: ParameterValue> ParameterValue for Option<T> {
    type Default = T::Default;
    const REQUIRED: bool = false;
    const RANGE: (Option<f64>, Option<f64>) = T::RANGE;

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
        minimum: minimum.or(T::RANGE.0),
        maximum: maximum.or(T::RANGE.1),
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

fn texts(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Into::into).collect()
}

/// Seconds of a duration as the host reads it: `90`, `90s`, `1h30m`. The macros call it while they compile, so that one
/// that cannot be read does not compile.
#[doc(hidden)]
#[expect(clippy::panic, reason = "while compiling")]
pub const fn seconds(text: &str) -> u64 {
    match parse_seconds(text.as_bytes()) {
        Some(seconds) => seconds,
        None => panic!("this is no duration; write it like 90s, 30m, 12h, 30d or 2w"),
    }
}

/// Bytes of a size as the host reads it: `500`, `64KiB`, `10MB`. As [`seconds`].
#[doc(hidden)]
#[expect(clippy::panic, reason = "while compiling")]
pub const fn bytes(text: &str) -> u64 {
    match parse_bytes(text.as_bytes()) {
        Some(bytes) => bytes,
        None => panic!("this is no size; write it like 500, 64KiB, 2GiB or 10MB"),
    }
}

const fn parse_seconds(mut text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut total = 0_u64;
    while !text.is_empty() {
        let Some((number, unit)) = digits(text) else { return None };
        let (factor, rest): (u64, _) = match unit {
            [] => (1, unit),
            [b's', rest @ ..] => (1, rest),
            [b'm', rest @ ..] => (60, rest),
            [b'h', rest @ ..] => (3_600, rest),
            [b'd', rest @ ..] => (86_400, rest),
            [b'w', rest @ ..] => (604_800, rest),
            _ => return None,
        };
        let Some(part) = number.checked_mul(factor) else { return None };
        let Some(sum) = total.checked_add(part) else { return None };
        (total, text) = (sum, rest);
    }
    Some(total)
}

const fn parse_bytes(text: &[u8]) -> Option<u64> {
    let Some((number, unit)) = digits(text) else { return None };
    number.checked_mul(match unit {
        b"" | b"B" => 1,
        b"kB" => 1_000,
        b"MB" => 1_000_000,
        b"GB" => 1_000_000_000,
        b"TB" => 1_000_000_000_000,
        b"KiB" => 1 << 10,
        b"MiB" => 1 << 20,
        b"GiB" => 1 << 30,
        b"TiB" => 1 << 40,
        _ => return None,
    })
}

/// The number that a text starts with, and what follows it.
const fn digits(mut text: &[u8]) -> Option<(u64, &[u8])> {
    if !matches!(text, [b'0'..=b'9', ..]) {
        return None;
    }
    let mut number = 0_u64;
    while let [digit @ b'0'..=b'9', rest @ ..] = text {
        let Some(shifted) = number.checked_mul(10) else { return None };
        let Some(sum) = shifted.checked_add((*digit - b'0') as u64) else { return None };
        (number, text) = (sum, rest);
    }
    Some((number, text))
}

/// A plugin's name is its package's; the macros call this while they compile.
#[doc(hidden)]
pub const fn plugin_name(name: &'static str) -> &'static str {
    assert!(is_kebab(name), "a plugin's name is its package's, in kebab-case: rename the package in Cargo.toml");
    name
}

/// Whether the host takes `name` as the name of a slot or a parameter: kebab-case, at most 64 bytes.
pub(crate) const fn is_kebab(name: &str) -> bool {
    let mut rest = name.as_bytes();
    if !matches!(rest, [b'a'..=b'z', ..]) || matches!(rest, [.., b'-']) || rest.len() > 64 {
        return false;
    }
    while let [byte, after @ ..] = rest {
        if !matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-') {
            return false;
        }
        rest = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_the_host_reads_them() {
        for (text, expected) in [
            ("90", Some(90)),
            ("90s", Some(90)),
            ("30d", Some(2_592_000)),
            ("1h30m", Some(5_400)),
            ("", None),
            ("h", None),
            ("1.5h", None),
            ("5 m", None),
            ("-1s", None),
            ("99999999999999999999s", None),
            ("18446744073709551615w", None),
        ] {
            assert_eq!(parse_seconds(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn sizes_are_read_as_the_host_reads_them() {
        for (text, expected) in [
            ("500", Some(500)),
            ("10MB", Some(10_000_000)),
            ("64MiB", Some(64 << 20)),
            ("", None),
            ("KiB", None),
            ("64Mib", None),
            ("18446744073709551615KiB", None),
        ] {
            assert_eq!(parse_bytes(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(texts("a, b,,c"), ["a", "b", "c"]);
    }

    #[test]
    fn names_are_those_that_the_host_takes() {
        let longest = "a".repeat(64);
        for (name, good) in [
            ("directory", true),
            ("a2-b", true),
            (&longest, true),
            (&format!("{longest}a"), false),
            ("", false),
            ("2a", false),
            ("-a", false),
            ("a-", false),
            ("a_b", false),
            ("Logs", false),
            ("gr\u{f6}sse", false),
        ] {
            assert_eq!(is_kebab(name), good, "{name}");
        }
    }

    #[test]
    fn what_does_not_fit_the_type_is_out_of_bounds() {
        let bounds = |parameter: Parameter| (parameter.minimum, parameter.maximum);
        let described = describe::<u32>("n", "a number", None, None, Some(9.0));
        assert!(described.required);
        assert_eq!(bounds(described), (Some(0.0), Some(9.0)));
        assert_eq!(
            bounds(describe::<Option<u32>>("n", "a number", None, None, None)),
            (Some(0.0), Some(f64::from(u32::MAX)))
        );
        assert_eq!(
            bounds(describe::<i32>("n", "a number", None, None, None)),
            (Some(f64::from(i32::MIN)), Some(f64::from(i32::MAX)))
        );
        assert_eq!(bounds(describe::<i64>("n", "a number", None, None, None)), (None, None));
    }

    #[test]
    fn an_option_may_be_absent_and_the_rest_may_not() {
        assert_eq!(take::<Option<u32>>(&mut vec![], "n").unwrap(), None);
        assert!(take::<u32>(&mut vec![], "n").is_err());
        let mut arguments = vec![Argument { name: "n".into(), value: Value::Integer(3) }];
        assert_eq!(take::<u32>(&mut arguments, "n").unwrap(), 3);
    }
}
