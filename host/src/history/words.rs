//! The words that stand for times and for the types of reports in the database's columns.

use jiff::Timestamp;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Serialize};

/// The word of an enum's variant, as in the JSON report.
pub(super) fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// The variant of a word.
pub(super) fn of_word<T: for<'de> Deserialize<'de>>(word: &str) -> Option<T> {
    let deserializer: StrDeserializer<'_, Error> = word.into_deserializer();
    T::deserialize(deserializer).ok()
}

/// Nanoseconds since 1970.
pub(super) fn nanos(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}

/// The time of so many nanoseconds since 1970.
pub(super) fn time(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(nanos.into()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A number that fits into a column.
pub(super) fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{Impact, Mode};
    use crate::report::{Outcome, Severity, Unit};

    #[test]
    fn words_stand_for_what_they_are_of() {
        assert_eq!(
            (word(Outcome::OverBudget), of_word("over-budget")),
            ("over-budget".into(), Some(Outcome::OverBudget))
        );
        assert_eq!((word(Severity::Warning), of_word("warning")), ("warning".into(), Some(Severity::Warning)));
        assert_eq!((word(Unit::None), of_word("none")), ("none".into(), Some(Unit::None)));
        assert_eq!((word(Mode::Rehearse), of_word("rehearse")), ("rehearse".into(), Some(Mode::Rehearse)));
        assert_eq!((word(Impact::Destroy), of_word("destroy")), ("destroy".into(), Some(Impact::Destroy)));
        assert_eq!(of_word::<Outcome>("good"), None);
    }

    #[test]
    fn times_come_back_as_they_were() {
        for written in ["2026-03-10T12:00:00.123456789Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.5Z"] {
            let moment: Timestamp = written.parse().unwrap();
            assert_eq!(time(nanos(moment)), moment);
        }
    }
}
