//! Strings that are written in other forms than '..'.

use std::borrow::Cow;

use super::{LexisError, dollar_tag};

/// A string in the plain form '..': what E'..' and $$..$$ say is spelled out, other forms stay.
///
/// # Errors
/// An escape that makes no character.
pub(crate) fn plain_string(raw: &str) -> Result<Cow<'_, str>, LexisError> {
    let inner = if let Some(inner) = raw.strip_prefix(['e', 'E']) {
        unescape(inner.get(1..inner.len().saturating_sub(1)).unwrap_or_default())?
    } else if let Some(length) = raw.starts_with('$').then(|| dollar_tag(raw.as_bytes())).flatten() {
        raw.get(length..raw.len().saturating_sub(length)).unwrap_or_default().to_owned()
    } else {
        return Ok(Cow::Borrowed(raw));
    };
    Ok(Cow::Owned(format!("'{}'", inner.replace('\'', "''"))))
}

/// What stands between the quotes of E'..', without its escapes
/// (<https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS-ESCAPE>).
fn unescape(inner: &str) -> Result<String, LexisError> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut characters = inner.chars().peekable();
    while let Some(character) = characters.next() {
        let byte = |value: u32| u8::try_from(value).map_err(|_| LexisError::Escape);
        match character {
            '\'' => {
                bytes.push(b'\'');
                characters.next();
            }
            '\\' => match characters.next().ok_or(LexisError::Escape)? {
                'b' => bytes.push(8),
                'f' => bytes.push(12),
                'n' => bytes.push(b'\n'),
                'r' => bytes.push(b'\r'),
                't' => bytes.push(b'\t'),
                'x' => bytes.push(byte(number_of(&mut characters, 16, 2, None)?.0)?),
                length @ ('u' | 'U') => {
                    let digits = if length == 'u' { 4 } else { 8 };
                    let (value, count) = number_of(&mut characters, 16, digits, None)?;
                    let character = char::from_u32(value).filter(|_| count == digits).ok_or(LexisError::Escape)?;
                    bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                digit @ '0'..='7' => {
                    bytes.push(byte(number_of(&mut characters, 8, 3, digit.to_digit(8))?.0)?);
                }
                other => bytes.extend(other.encode_utf8(&mut [0; 4]).as_bytes()),
            },
            other => bytes.extend(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).ok_or(LexisError::Escape)
}

/// The number that the next digits make, `most` of them at most, and how many there were.
fn number_of(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    radix: u32,
    most: usize,
    first: Option<u32>,
) -> Result<(u32, usize), LexisError> {
    let mut value = first;
    let mut count = usize::from(first.is_some());
    while let Some(digit) = characters.peek().filter(|_| count < most).and_then(|next| next.to_digit(radix)) {
        value = Some(value.unwrap_or(0) * radix + digit);
        count += 1;
        characters.next();
    }
    value.map(|value| (value, count)).ok_or(LexisError::Escape)
}
