//! Figures of any size and unit as people read them, and names as machines do. Pure.

use taskhost_sdk::words::{count, span};

use crate::fields::Unit;
use crate::trend::Slope;

/// A count that may be too high by some.
pub(crate) fn about(number: u64, excess: u64) -> String {
    if excess == 0 { count(number) } else { format!("{} to {}", count(number - excess), count(number)) }
}

pub(crate) fn percents(percent: f64) -> String {
    match percent {
        0.0 => "0 %".into(),
        percent if percent < 0.01 => "less than 0.01 %".into(),
        percent if percent < 10.0 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}

/// With as many digits as tell something.
pub(crate) fn figure(value: f64) -> String {
    let text = match value.abs() {
        0.0 => "0".into(),
        large if large >= 1_000.0 => format!("{value:.0}"),
        medium if medium >= 1.0 => format!("{value:.2}"),
        small if small >= 0.001 => format!("{value:.4}"),
        _ => return format!("{value:.2e}"),
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

pub(crate) fn with_unit(value: f64, unit: Unit) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates; shown only")]
    match unit {
        Unit::Plain => figure(value),
        Unit::Time if value.abs() < 1.0 => format!("{} ms", figure(value * 1_000.0)),
        Unit::Time => format!("{} s", figure(value)),
        Unit::Size => taskhost_sdk::words::size(value.max(0.0) as u64),
        Unit::Percent => format!("{} %", figure(value)),
    }
}

/// `rises by 24 a day: 500 to 599 in 4 d 3 h`; less than one per cent is no trend.
pub(crate) fn goes(slope: &Slope, unit: Unit) -> String {
    let from_to =
        format!("{} to {} in {}", with_unit(slope.from, unit), with_unit(slope.to, unit), span(slope.seconds));
    if slope.percent().is_some_and(|percent| percent.abs() < 1.0) {
        return format!("steady: {from_to}");
    }
    let verb = if slope.per_day < 0.0 { "falls" } else { "rises" };
    format!("{verb} by {} a day: {from_to}", with_unit(slope.per_day.abs(), unit))
}

/// The name of a field as a metric has it.
pub(crate) fn metric_name(field: &str) -> String {
    let mut name = String::new();
    for character in field.chars() {
        match character {
            'a'..='z' | '0'..='9' => name.push(character),
            'A'..='Z' => name.push(character.to_ascii_lowercase()),
            _ if !name.is_empty() && !name.ends_with('_') => name.push('_'),
            _ => {}
        }
    }
    let name = name.trim_end_matches('_');
    if name.starts_with(|first: char| first.is_ascii_lowercase()) { name.into() } else { format!("column_{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_and_names_are_written_for_people_and_machines() {
        for (value, expected) in
            [(0.0, "0"), (12.0, "12"), (1.25, "1.25"), (0.0125, "0.0125"), (12_345.6, "12346"), (1e-5, "1.00e-5")]
        {
            assert_eq!(figure(value), expected);
        }
        for (field, expected) in
            [("response_time", "response_time"), ("Took-ms", "took_ms"), (":3", "column_3"), (":-1", "column_1")]
        {
            assert_eq!(metric_name(field), expected);
        }
        assert_eq!((about(5, 0), about(5, 2)), ("5".into(), "3 to 5".into()));
    }
}
