//! Figures as people read them, the same in every plugin.

use std::fmt::Write as _;

/// With a comma between thousands: `1,250,000`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 table`, `3 tables`.
pub fn counted(number: impl TryInto<u64>, thing: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// As the host writes it: `3.4 MiB`, `64 MiB`, `12 B`.
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
pub fn size(bytes: u64) -> String {
    let units = [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, factor)| bytes >= *factor) {
        Some((unit, factor)) if bytes.is_multiple_of(factor) => format!("{} {unit}", bytes / factor),
        Some((unit, factor)) => format!("{:.1} {unit}", bytes as f64 / factor as f64),
        None => format!("{bytes} B"),
    }
}

/// A span of time in its two largest units: `3 d 4 h`, `12 min`, `5 s`.
pub fn span(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, length) in units {
        if rest >= length && parts.len() < 2 {
            parts.push(format!("{} {unit}", rest / length));
        } else if !parts.is_empty() {
            break;
        }
        rest %= length;
    }
    if parts.is_empty() { "0 s".into() } else { parts.join(" ") }
}

/// A measured time: `0.12 s`, `34.5 s`, `12 min 5 s`.
pub fn took(seconds: f64) -> String {
    match seconds {
        0.0..1.0 => format!("{seconds:.2} s"),
        0.0..60.0 => format!("{seconds:.1} s"),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds are shown")]
        _ => span(seconds.max(0.0) as u64),
    }
}

/// The first of `names`, and how many more there are.
pub fn some_of(names: &[&str], shown: usize) -> String {
    let mut out = names.iter().take(shown).copied().collect::<Vec<_>>().join(", ");
    if names.len() > shown {
        let _ = write!(out, " and {} more", names.len() - shown);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_for_people() {
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), expected);
        }
        assert_eq!((counted(1_u64, "row"), counted(2_usize, "row")), ("1 row".into(), "2 rows".into()));
        for (bytes, expected) in [(1, "1 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 30, "3 GiB")] {
            assert_eq!(size(bytes), expected);
        }
        for (seconds, expected) in
            [(0, "0 s"), (60, "1 min"), (725, "12 min 5 s"), (3_601, "1 h"), (273_600, "3 d 4 h")]
        {
            assert_eq!(span(seconds), expected);
        }
        for (seconds, expected) in [(0.123, "0.12 s"), (1.25, "1.2 s"), (725.3, "12 min 5 s")] {
            assert_eq!(took(seconds), expected);
        }
        assert_eq!(some_of(&["a", "b", "c"], 2), "a, b and 1 more");
        assert_eq!(some_of(&["a"], 2), "a");
    }
}
