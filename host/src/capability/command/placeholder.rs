//! What may stand for a placeholder: its type, its bounds, and the check of a value against them. Pure.

use std::fmt;

use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::text::clean_line;

/// A placeholder as it is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "TemplatePlaceholder")]
pub(super) struct Written {
    /// What may stand for it.
    #[serde(rename = "type")]
    kind: Kind,
    /// Of an integer, inclusive.
    min: Option<i64>,
    /// Of an integer, inclusive.
    max: Option<i64>,
    /// Of a choice: the words.
    choices: Option<Vec<String>>,
    /// Of a name, path or text: bytes.
    max_length: Option<usize>,
    /// Of a name, path, text or version: a regular expression that the whole value must match.
    pattern: Option<String>,
    /// Used when the plugin gives none.
    default: Option<String>,
    /// When the plugin gives none, the argument that it is part of is left out.
    #[serde(default)]
    optional: bool,
}

/// The types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "TemplatePlaceholderType")]
enum Kind {
    /// Letters, digits, `.`, `_` and `-`; a letter, digit or `_` first.
    Name,
    /// A whole number.
    Integer,
    /// A relative path that stays below the working directory.
    Path,
    /// A day, as 2026-11-23.
    Date,
    /// One of the words listed.
    Choice,
    /// Any text on one line.
    Text,
    /// A version, as 1.2.3, v1.2.3-rc.1 or 2026.11.
    Version,
}

/// A placeholder that makes sense.
#[derive(Clone, Debug)]
pub(super) struct Placeholder {
    kind: Kind,
    min: i64,
    max: i64,
    choices: Vec<String>,
    max_length: usize,
    pattern: Option<Regex>,
    pub(super) default: Option<String>,
    pub(super) optional: bool,
}

/// Bytes of a value, where nothing else is said.
const LENGTH: usize = 256;
/// The most that can be said.
const MOST_LENGTH: usize = 64 * 1024;
/// Bytes that a compiled pattern may take.
const PATTERN_SIZE: usize = 1 << 20;
/// Bytes of a value that a message shows.
const SHOWN: usize = 64;

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Integer => "integer",
            Self::Path => "path",
            Self::Date => "date",
            Self::Choice => "choice",
            Self::Text => "text",
            Self::Version => "version",
        }
    }
}

impl TryFrom<Written> for Placeholder {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let kind = written.kind;
        let word = kind.word();
        let only = |there: bool, key: &str, kinds: &[Kind]| {
            if there && !kinds.contains(&kind) {
                let all = kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(", ");
                return Err(format!("`{key}` is for {all}, not for type {word}"));
            }
            Ok(())
        };
        only(written.min.is_some(), "min", &[Kind::Integer])?;
        only(written.max.is_some(), "max", &[Kind::Integer])?;
        only(written.choices.is_some(), "choices", &[Kind::Choice])?;
        only(written.max_length.is_some(), "max-length", &[Kind::Name, Kind::Path, Kind::Text])?;
        only(written.pattern.is_some(), "pattern", &[Kind::Name, Kind::Path, Kind::Text, Kind::Version])?;
        let choices = written.choices.unwrap_or_default();
        if kind == Kind::Choice {
            if choices.is_empty() {
                return Err("a choice names its words: choices = [\"daily\", \"weekly\"]".into());
            }
            if let Some(choice) = choices.iter().find(|choice| choice.is_empty() || choice.contains(char::is_control)) {
                return Err(format!("`{}` is no word to choose", clean_line(choice, SHOWN)));
            }
        }
        let (min, max) = (written.min.unwrap_or(i64::MIN), written.max.unwrap_or(i64::MAX));
        if min > max {
            return Err(format!("no number is between {min} and {max}"));
        }
        let max_length = written.max_length.unwrap_or(LENGTH);
        if max_length == 0 || max_length > MOST_LENGTH {
            return Err(format!("max-length is from 1 to {MOST_LENGTH}"));
        }
        let pattern = written.pattern.as_ref().map(|pattern| {
            let whole = format!("^(?:{pattern})$");
            regex::RegexBuilder::new(&whole).size_limit(PATTERN_SIZE).build().map_err(|_| {
                format!("`{}` is no regular expression of the Rust regex crate", clean_line(pattern, SHOWN))
            })
        });
        if written.optional && written.default.is_some() {
            return Err("one with a default is always there: leave out `optional`, or `default`".into());
        }
        let placeholder = Self {
            kind,
            min,
            max,
            choices,
            max_length,
            pattern: pattern.transpose()?,
            default: written.default,
            optional: written.optional,
        };
        if let Some(default) = &placeholder.default {
            placeholder.check(default).map_err(|error| format!("its default {error}"))?;
        }
        Ok(placeholder)
    }
}

impl Placeholder {
    /// Whether a plugin must give it.
    pub(super) fn required(&self) -> bool {
        !self.optional && self.default.is_none()
    }

    /// Whether it stands for a path.
    pub(super) fn is_path(&self) -> bool {
        self.kind == Kind::Path
    }

    /// Whether the type itself says that a value may begin with `-`: the operator wrote such a value down.
    pub(super) fn may_begin_with_dash(&self) -> bool {
        match self.kind {
            Kind::Integer => self.min < 0 && self.min != i64::MIN,
            Kind::Choice => self.choices.iter().any(|choice| choice.starts_with('-')),
            _ => false,
        }
    }

    /// Whether a value fits; the error goes on after its name.
    pub(super) fn check(&self, value: &str) -> Result<(), String> {
        let shown = clean_line(value, SHOWN);
        if value.is_empty() {
            return Err(format!("is empty; it takes: {self}"));
        }
        if value.contains(char::is_control) {
            return Err(format!("is `{shown}`, which holds a control character; it takes: {self}"));
        }
        let fits = match self.kind {
            Kind::Name => is_name(value),
            Kind::Integer => integer(value).is_some_and(|number| (self.min..=self.max).contains(&number)),
            Kind::Path => is_path_below(value),
            Kind::Date => is_date(value),
            Kind::Choice => self.choices.iter().any(|choice| choice == value),
            Kind::Text => true,
            Kind::Version => is_version(value),
        };
        let of_length = !matches!(self.kind, Kind::Name | Kind::Path | Kind::Text) || value.len() <= self.max_length;
        if !fits || !of_length || self.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(value)) {
            return Err(format!("is `{shown}`; it takes: {self}"));
        }
        Ok(())
    }
}

/// For people: what may stand for it.
impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Name => f.write_str("name (letters, digits, `.`, `_`, `-`)")?,
            Kind::Integer => match (self.min, self.max) {
                (i64::MIN, i64::MAX) => f.write_str("integer")?,
                (i64::MIN, max) => write!(f, "integer up to {max}")?,
                (min, i64::MAX) => write!(f, "integer from {min}")?,
                (min, max) => write!(f, "integer {min}..{max}")?,
            },
            Kind::Path => f.write_str("relative path below the working directory")?,
            Kind::Date => f.write_str("date (2026-11-23)")?,
            Kind::Choice => write!(f, "choice of {}", self.choices.join(", "))?,
            Kind::Text => write!(f, "text of at most {} bytes", self.max_length)?,
            Kind::Version => f.write_str("version (1.2.3)")?,
        }
        match &self.pattern {
            Some(pattern) => write!(f, " that matches {pattern}"),
            None => Ok(()),
        }
    }
}

fn is_name(value: &str) -> bool {
    let first = value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    first && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

/// In its one form: no `+`, no zeros before it.
fn integer(value: &str) -> Option<i64> {
    value.parse::<i64>().ok().filter(|number| number.to_string() == value)
}

fn is_path_below(value: &str) -> bool {
    value.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

fn is_date(value: &str) -> bool {
    value.len() == 10 && value.parse::<jiff::civil::Date>().is_ok_and(|date| date.to_string() == value)
}

fn is_version(value: &str) -> bool {
    let rest = value.strip_prefix('v').unwrap_or(value);
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '~' | '_');
    let separator = |c: char| matches!(c, '.' | '-' | '+' | '~' | '_');
    rest.starts_with(|c: char| c.is_ascii_digit())
        && rest.len() <= 128
        && rest.chars().all(part)
        && rest.split(separator).all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn placeholder(text: &str) -> Result<Placeholder, String> {
        toml::from_str::<Written>(text).map_err(|error| error.message().to_owned())?.try_into()
    }

    #[test]
    fn a_value_fits_its_type_or_is_named() {
        for (kind, good, bad) in [
            (
                "type = 'name'",
                &["a", "main", "v1.2_x-y", "_x", "7"][..],
                &["", "-a", ".a", "a b", "a/b", "ä", "a\0b"][..],
            ),
            (
                "type = 'integer'",
                &["0", "-7", "9223372036854775807"],
                &["+1", "01", "1.0", "9223372036854775808", " 1", "1e3"],
            ),
            ("type = 'integer'\nmin = 1\nmax = 9", &["1", "9"], &["0", "10", "-1"]),
            (
                "type = 'path'",
                &["a", "a/b.c", "a b", ".env", "-x", "..."],
                &["", "/a", "a//b", "a/", "..", "a/../b", "./a", "a\0", "a\nb"],
            ),
            (
                "type = 'date'",
                &["2026-02-28", "2028-02-29"],
                &["2026-02-29", "2026-2-8", "20260228", "2026-02-28T00:00", "26-02-28"],
            ),
            ("type = 'choice'\nchoices = ['a', '-b']", &["a", "-b"], &["b", "A", "a ", ""]),
            (
                "type = 'text'",
                &["a b; rm -rf / $(x) `y` 'z'", "ä", "-x"],
                &["", "a\nb", "a\0b", "\u{1b}[2J", "\u{9b}x"],
            ),
            ("type = 'text'\nmax-length = 3", &["abc", "ä"], &["abcd", "ää"]),
            ("type = 'text'\npattern = '[a-c]+|x'", &["abc", "x"], &["abcd", "xx", "a\n"]),
            (
                "type = 'version'",
                &["1", "1.2.3", "v1.2.3-rc.1+x", "2026.11"],
                &["", "v", "a1", "1..2", "1.", "-1", "1 2", "1/2", "$1"],
            ),
        ] {
            let placeholder = placeholder(kind).unwrap();
            for value in good {
                assert_eq!(placeholder.check(value), Ok(()), "{kind}: {value:?}");
            }
            for value in bad {
                let error = placeholder.check(value).unwrap_err();
                assert!(error.contains("; it takes: "), "{kind}: {value:?}: {error}");
                assert!(!error.contains(['\n', '\0', '\u{1b}']), "{error:?}");
            }
        }
    }

    #[test]
    fn a_placeholder_that_makes_no_sense_says_what_to_write() {
        for (text, message) in [
            ("type = 'text'\nmin = 1", "`min` is for integer, not for type text"),
            ("type = 'name'\nchoices = ['a']", "`choices` is for choice"),
            ("type = 'date'\npattern = 'x'", "`pattern` is for name, path, text, version"),
            ("type = 'integer'\nmax-length = 3", "`max-length` is for"),
            ("type = 'integer'\nmin = 2\nmax = 1", "no number is between 2 and 1"),
            ("type = 'choice'", "a choice names its words"),
            ("type = 'choice'\nchoices = ['']", "is no word to choose"),
            ("type = 'text'\nmax-length = 0", "max-length is from 1"),
            ("type = 'text'\npattern = '('", "is no regular expression"),
            ("type = 'text'\npattern = '((a{1000}){1000}){1000}'", "is no regular expression"),
            ("type = 'integer'\ndefault = 'x'", "its default is `x`; it takes: integer"),
            ("type = 'name'\ndefault = 'x'\noptional = true", "leave out `optional`"),
            ("type = 'word'", "unknown variant `word`"),
            ("type = 'name'\nsize = 1", "unknown field `size`"),
        ] {
            let error = placeholder(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_dash_is_allowed_by_a_type_that_spells_it() {
        for (text, allowed) in [
            ("type = 'integer'", false),
            ("type = 'integer'\nmin = -5", true),
            ("type = 'integer'\nmin = 0", false),
            ("type = 'choice'\nchoices = ['a', '-b']", true),
            ("type = 'choice'\nchoices = ['a']", false),
            ("type = 'text'", false),
        ] {
            assert_eq!(placeholder(text).unwrap().may_begin_with_dash(), allowed, "{text}");
        }
    }
}
