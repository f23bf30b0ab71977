//! Durations and sizes as people write them.

use std::fmt;
use std::str::FromStr;

use serde::de;

/// A number of bytes: `500`, `64KiB`, `2GiB`, `10MB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A length of time in whole seconds: `90`, `90s`, `30m`, `12h`, `30d`, `2w`, or several of these after one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(pub u64);

impl From<Seconds> for std::time::Duration {
    fn from(seconds: Seconds) -> Self {
        Self::from_secs(seconds.0)
    }
}

const SIZES: [(&str, u64); 10] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

const SPANS: [(&str, u64); 6] = [("", 1), ("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800)];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_number(text.trim());
        let factor = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim())).map(|(_, factor)| *factor);
        let bytes = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
        bytes.map(Self).ok_or_else(|| format!("`{text}` is not a size; write it like 500, 64KiB, 2GiB or 10MB"))
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a duration; write it like 90s, 30m, 12h, 30d or 2w");
        let mut rest = text.trim();
        let mut total = 0_u64;
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let (number, tail) = split_number(rest);
            let end = tail.find(|character: char| character.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, next) = tail.split_at(end);
            let factor = SPANS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor).ok_or_else(wrong)?;
            let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(wrong)?;
            total = total.checked_add(part).ok_or_else(wrong)?;
            rest = next;
        }
        Ok(Self(total))
    }
}

fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len()))
}

impl fmt::Display for Size {
    /// In the largest binary unit that leaves at least one whole, with one decimal where it says something: `1.5 GiB`,
    /// `64 MiB`.
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        match unit.into_iter().find(|(_, factor)| self.0 >= *factor) {
            Some((name, factor)) if self.0.is_multiple_of(factor) => write!(f, "{} {name}", self.0 / factor),
            Some((name, factor)) => write!(f, "{:.1} {name}", self.0 as f64 / factor as f64),
            None => write!(f, "{} B", self.0),
        }
    }
}

impl fmt::Display for Seconds {
    /// In the largest unit that divides it: `30d`, `90s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = SPANS.iter().rev().find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor));
        let (name, factor) = unit.copied().filter(|(name, _)| !name.is_empty()).unwrap_or(("s", 1));
        write!(f, "{}{name}", self.0 / factor)
    }
}

/// From a text as people write it, or a plain number.
macro_rules! deserialize_from_text {
    ($type:ident, $expecting:literal) => {
        impl<'de> de::Deserialize<'de> for $type {
            fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_u64<E: de::Error>(self, number: u64) -> Result<$type, E> {
                        Ok($type(number))
                    }
                    fn visit_i64<E: de::Error>(self, number: i64) -> Result<$type, E> {
                        u64::try_from(number).map($type).map_err(E::custom)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_any(Visitor)
            }
        }
    };
}

deserialize_from_text!(Size, "a size like 64KiB");
deserialize_from_text!(Seconds, "a duration like 30m");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [("0", 0), ("500", 500), ("64KiB", 65_536), ("2gib", 2 << 30), ("10 MB", 10_000_000)] {
            assert_eq!(text.parse::<Size>(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "KiB", "1.5GiB", "-1", "10 parsecs", "99999999999TiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("30m", 1_800), ("1h30m", 5_400), ("2w", 1_209_600)] {
            assert_eq!(text.parse::<Seconds>(), Ok(Seconds(seconds)), "{text}");
        }
        for text in ["", "m", "30 m", "-1s", "3y", "99999999999999w"] {
            assert!(text.parse::<Seconds>().is_err(), "{text}");
        }
    }

    #[test]
    fn they_are_shown_in_the_largest_fitting_unit() {
        assert_eq!(Size(1_610_612_736).to_string(), "1.5 GiB");
        assert_eq!(Size(64 << 20).to_string(), "64 MiB");
        assert_eq!(Size(12).to_string(), "12 B");
        assert_eq!(Seconds(2_592_000).to_string(), "30d");
        assert_eq!(Seconds(0).to_string(), "0s");
        assert_eq!(Seconds(61).to_string(), "61s");
    }
}
