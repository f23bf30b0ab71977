//! Values in a line, by the name of a field or by a column. Pure.
//!
//! A name is looked for wherever a log may have it: `"name": 1`, `name=1`, `name="a b"`, `name: 1`, `name 1`.

use memchr::memmem::Finder;

/// What an operator names: `response_time`, `:3`, `:-1`, `memory_usage:3`.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// As it was written.
    pub(crate) written: String,
    finder: Option<Finder<'static>>,
    name: Vec<u8>,
    column: Option<i32>,
}

impl Field {
    /// Understands what was written.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(written: &str) -> Result<Self, String> {
        let (name, column) = match written.rsplit_once(':') {
            Some((name, column)) => {
                let column: i32 =
                    column.parse().ok().filter(|column| *column != 0 && i32::abs(*column) <= 1_000).ok_or_else(
                        || format!("`{written}` has no column after its `:`; write one like 1, or -1 for the last"),
                    )?;
                (name, Some(column))
            }
            None => (written, None),
        };
        if name.is_empty() && column.is_none() {
            return Err("a field has no name; write one like response_time, or a column like :3".into());
        }
        let finder = (!name.is_empty()).then(|| Finder::new(name.as_bytes()).into_owned());
        Ok(Self { written: written.into(), finder, name: name.as_bytes().to_vec(), column })
    }

    /// The name, where it is no more than one.
    pub(crate) fn plain_name(&self) -> Option<&[u8]> {
        self.column.is_none().then_some(&self.name)
    }

    /// Its value in a line.
    pub(crate) fn find<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        let Some(column) = self.column else { return self.named(line) };
        if let Some(finder) = &self.finder {
            finder.find(line)?;
        }
        nth(line, column)
    }

    fn named<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        let finder = self.finder.as_ref()?;
        let mut from = 0;
        while let Some(found) = finder.find(line.get(from..)?) {
            let (start, end) = (from + found, from + found + self.name.len());
            let before = start.checked_sub(1).and_then(|before| line.get(before));
            if !before.is_some_and(|before| is_part_of_a_name(*before))
                && let Some(value) = value(line.get(end..)?)
            {
                return Some(value);
            }
            from = end;
        }
        None
    }
}

/// The value of the first of some names that a line has.
pub(crate) fn first_of<'a>(fields: &[Field], line: &'a [u8]) -> Option<&'a [u8]> {
    fields.iter().find_map(|field| field.find(line))
}

fn is_part_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// The value that follows a name.
fn value(after: &[u8]) -> Option<&[u8]> {
    let first = after.first()?;
    if is_part_of_a_name(*first) {
        return None;
    }
    // The quote that closes the name.
    let unquoted = if *first == b'"' || *first == b'\'' { after.get(1..)? } else { after };
    let spaced = unquoted.trim_ascii_start();
    let value = match spaced.split_first()? {
        (b'=' | b':', rest) => rest.trim_ascii_start(),
        // `name 12`, and no other word.
        (digit, _) if digit.is_ascii_digit() && spaced.len() < unquoted.len() => spaced,
        _ => return None,
    };
    match value.split_first()? {
        (quote @ (b'"' | b'\''), rest) => {
            let mut escaped = false;
            let end = rest.iter().position(|byte| {
                let closes = !escaped && byte == quote;
                escaped = !escaped && *byte == b'\\';
                closes
            });
            Some(rest.get(..end.unwrap_or(rest.len())).unwrap_or_default())
        }
        _ => {
            let ends = |byte: &u8| {
                byte.is_ascii_whitespace() || matches!(byte, b',' | b';' | b'}' | b']' | b')' | b'&' | b'"')
            };
            let end = value.iter().position(ends).unwrap_or(value.len());
            Some(value.get(..end).unwrap_or_default()).filter(|value| !value.is_empty())
        }
    }
}

/// A column, as awk counts: 1 is the first, -1 the last.
fn nth(line: &[u8], column: i32) -> Option<&[u8]> {
    let words = || line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let place = usize::try_from(column.unsigned_abs()).ok()?.checked_sub(1)?;
    if column > 0 {
        return words().nth(place);
    }
    words().rev().nth(place)
}

/// What a number is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Plain,
    /// In seconds.
    Time,
    /// In bytes.
    Size,
    Percent,
}

/// A number, with the unit that may be written behind it: `12`, `0.5s`, `250ms`, `64MiB`, `80%`.
pub(crate) fn number(text: &[u8]) -> Option<(f64, Unit)> {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"\"").map_or(text, |text| text.strip_suffix(b"\"").unwrap_or(text));
    let mut length = 0;
    for (at, byte) in text.iter().enumerate() {
        let exponent =
            matches!(byte, b'e' | b'E') && text.get(at + 1).is_some_and(|next| next.is_ascii_digit() || *next == b'-');
        let sign = matches!(byte, b'-' | b'+') && (at == 0 || matches!(text.get(at - 1), Some(b'e' | b'E')));
        if !(byte.is_ascii_digit() || *byte == b'.' || exponent || sign) {
            break;
        }
        length = at + 1;
    }
    let (digits, unit) = text.split_at(length);
    let value = decimal(digits)?;
    let (factor, unit) = match unit.trim_ascii() {
        b"" => (1.0, Unit::Plain),
        b"ns" => (1e-9, Unit::Time),
        b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => (1e-6, Unit::Time),
        b"ms" | b"msec" => (1e-3, Unit::Time),
        b"s" | b"sec" | b"secs" | b"seconds" => (1.0, Unit::Time),
        b"m" | b"min" => (60.0, Unit::Time),
        b"h" => (3_600.0, Unit::Time),
        b"B" | b"bytes" => (1.0, Unit::Size),
        b"kB" | b"KB" => (1e3, Unit::Size),
        b"MB" => (1e6, Unit::Size),
        b"GB" => (1e9, Unit::Size),
        b"KiB" | b"K" => (1_024.0, Unit::Size),
        b"MiB" | b"M" => (1_048_576.0, Unit::Size),
        b"GiB" | b"G" => (1_073_741_824.0, Unit::Size),
        b"%" => (1.0, Unit::Percent),
        _ => return None,
    };
    Some((value * factor, unit))
}

/// A decimal number. Short ones, as nearly all are, are read without the standard library's care for the last bit.
fn decimal(digits: &[u8]) -> Option<f64> {
    let (mut whole, mut scale, mut point) = (0_u32, 1_u32, false);
    if digits.len() <= 9 && !digits.is_empty() {
        for byte in digits {
            match byte {
                b'0'..=b'9' => {
                    whole = whole * 10 + u32::from(byte - b'0');
                    scale *= if point { 10 } else { 1 };
                }
                b'.' if !point => point = true,
                _ => return std::str::from_utf8(digits).ok()?.parse().ok(),
            }
        }
        return (digits != b".").then(|| f64::from(whole) / f64::from(scale));
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(field: &str, line: &str) -> Option<String> {
        let value = Field::parse(field).unwrap();
        value.find(line.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    #[test]
    fn a_field_is_found_however_the_log_writes_it() {
        for (field, line, expected) in [
            ("response_time", "{\"response_time\": 0.25, \"x\": 1}", Some("0.25")),
            ("response_time", "{\"response_time\":0.25}", Some("0.25")),
            ("msg", "{\"level\":\"error\",\"msg\":\"it \\\"broke\\\"\"}", Some("it \\\"broke\\\"")),
            ("msg", "level=info msg=\"two words\" n=1", Some("two words")),
            ("n", "level=info msg=\"n=2\" n=1", Some("2")),
            ("dur", "dur=12ms next", Some("12ms")),
            ("memory_usage", "INFO memory_usage: 512 MiB", Some("512")),
            ("memory_usage", "INFO memory_usage 512 MiB", Some("512")),
            ("memory_usage", "memory_usage is high", None),
            ("time", "response_time=3 time=4", Some("4")),
            ("time", "time_total=3 (time=4)", Some("4")),
            ("time", "no such", None),
            ("time", "time", None),
            ("time", "time=", None),
            ("user", "user=eve&pw=x", Some("eve")),
            (":1", "203.0.113.9 - - [x]", Some("203.0.113.9")),
            (":-1", "a b  c\t", Some("c")),
            (":4", "a b c", None),
            ("memory_usage:3", "x memory_usage 512 y", Some("512")),
            ("memory_usage:3", "x other 512 y", None),
            ("response_time:-1", "GET / response_time 0.3", Some("0.3")),
        ] {
            assert_eq!(found(field, line).as_deref(), expected, "{field} in {line}");
        }
    }

    #[test]
    fn a_field_that_makes_no_sense_is_refused() {
        for field in ["", ":", ":0", "a:", "a:x", ":1001", "a:1.5"] {
            assert!(Field::parse(field).is_err(), "{field}");
        }
    }

    #[test]
    fn numbers_are_read_with_their_units() {
        for (text, expected) in [
            ("12", Some((12.0, Unit::Plain))),
            ("0.5", Some((0.5, Unit::Plain))),
            ("-3.25", Some((-3.25, Unit::Plain))),
            ("\"7\"", Some((7.0, Unit::Plain))),
            ("1e3", Some((1_000.0, Unit::Plain))),
            ("123456789.125", Some((123_456_789.125, Unit::Plain))),
            ("250ms", Some((0.25, Unit::Time))),
            ("2 s", Some((2.0, Unit::Time))),
            ("1.5\u{b5}s", Some((1.5e-6, Unit::Time))),
            ("64MiB", Some((67_108_864.0, Unit::Size))),
            ("80%", Some((80.0, Unit::Percent))),
            ("", None),
            (".", None),
            ("-", None),
            ("1.2.3", None),
            ("12 apples", None),
            ("fast", None),
            ("1e999999", Some((f64::INFINITY, Unit::Plain))),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text}");
        }
    }
}
