//! What is wrong with a bundle, or merely unwise, and where.

use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};
use regex::Regex;
use serde::Serialize;

use crate::capability::binding::parted;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Nothing of the bundle runs before it is mended.
    Error,
    /// It runs, and should be thought about.
    Warning,
}

/// One thing that is wrong or unwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How much it matters.
    pub weight: Weight,
    /// What it is.
    pub message: String,
    /// What to do about it, where the message does not say it.
    pub help: Option<String>,
    /// Where it is in the file, in bytes.
    pub place: Option<Range<usize>>,
}

impl Problem {
    pub(crate) fn error(message: impl Into<String>, place: Range<usize>) -> Self {
        Self { weight: Weight::Error, message: message.into(), help: None, place: Some(place) }
    }

    pub(super) fn warning(message: impl Into<String>, place: Range<usize>) -> Self {
        Self { weight: Weight::Warning, ..Self::error(message, place) }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// A file's problems, the first in the file first.
#[derive(Debug)]
pub struct Problems<'a> {
    /// The file's name, as it is shown.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// What was found.
    pub problems: &'a [Problem],
}

/// A problem with its place as people and editors count it.
#[derive(Debug, Serialize)]
pub struct Placed<'a> {
    /// How much it matters.
    pub severity: Weight,
    /// What it is.
    pub message: &'a str,
    /// What to do about it.
    pub help: Option<&'a str>,
    /// The file.
    pub file: &'a str,
    /// From 1; none when it is the file as a whole.
    pub line: Option<usize>,
    /// From 1, in characters.
    pub column: Option<usize>,
}

impl<'a> Problems<'a> {
    /// For machines.
    pub fn placed(&self) -> Vec<Placed<'a>> {
        let place = |problem: &Problem| {
            let before = self.text.get(..problem.place.as_ref()?.start)?;
            let line = before.rsplit('\n').next().unwrap_or_default();
            Some((before.matches('\n').count() + 1, line.chars().count() + 1))
        };
        let placed = |problem: &'a Problem| Placed {
            severity: problem.weight,
            message: &problem.message,
            help: problem.help.as_deref(),
            file: self.name,
            line: place(problem).map(|(line, _)| line),
            column: place(problem).map(|(_, column)| column),
        };
        self.problems.iter().map(placed).collect()
    }

    /// For people: each with the lines that it is about. Colours are escape sequences.
    pub fn shown(&self, coloured: bool) -> String {
        let theme = if coloured { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(110).with_context_lines(1);
        let text = without_secrets(&without_credentials(&without_passwords(self.text)));
        let mut shown = String::new();
        for problem in self.problems {
            let source = miette::NamedSource::new(self.name, text.clone());
            let pointed = Pointed { problem, source };
            if handler.render_report(&mut shown, &pointed).is_err() {
                shown.push_str(&problem.message);
            }
            shown.push('\n');
        }
        shown
    }
}

/// The text, in which every password of a URL is stars, byte for byte: the lines around a mistake are shown.
fn without_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        out.extend([before, "://"]);
        let end = after.find(|c: char| c.is_whitespace() || c == '"' || c == '\'').unwrap_or(after.len());
        let (url, tail) = after.split_at(end);
        // What a password may not hold unescaped, it may hold all the same: the last `@` ends it.
        match url.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?, host))) {
            Some(((user, password), host)) => out.extend([user, ":", &"*".repeat(password.len()), "@", host]),
            None => out.push_str(url),
        }
        rest = tail;
    }
    out + rest
}

/// The text, in which what is written for a setting that holds a credential is stars, byte for byte. It need not be TOML:
/// that may be the mistake.
fn without_credentials(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let secrets: Vec<&str> = crate::capability::ROOMS.iter().flat_map(|room| room.secrets).copied().collect();
    while let Some((before, after)) = rest.split_once('=') {
        out.extend([before, "="]);
        let key = before.trim_end().trim_end_matches(['"', '\'']);
        let start = key.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).map_or(0, |at| at + 1);
        rest = after;
        if key.get(start..).is_some_and(|key| secrets.contains(&key)) {
            let (value, tail) = value(after);
            out += &starred(value);
            rest = tail;
        }
    }
    out + rest
}

/// What stands after a key's `=`: a text, a list, or what is left of the line.
fn value(text: &str) -> (&str, &str) {
    let trimmed = text.trim_start();
    let indent = text.len() - trimmed.len();
    let long = ["\"\"\"", "'''"].iter().find_map(|quotes| Some(trimmed.strip_prefix(quotes)?.find(quotes)? + 6));
    let end = long.or_else(|| match trimmed.chars().next() {
        Some('[') => trimmed.find(']'),
        // What a program is called with is no secret.
        Some('{') => Some(0),
        Some(quote @ ('"' | '\'')) => trimmed.lines().next()?.get(1..)?.find(quote).map(|end| end + 2),
        _ => None,
    });
    let end = end.or_else(|| trimmed.find('\n')).unwrap_or(trimmed.len());
    text.split_at(indent + end)
}

/// Stars for all but quotes, and for what only says where a credential is.
fn starred(value: &str) -> String {
    let mut out = String::new();
    for piece in value.split_inclusive(['"', '\'']) {
        let (text, quote) = piece.split_at(piece.trim_end_matches(['"', '\'']).len());
        let (plain, rest) = parted(text);
        if !plain.is_empty() || rest.starts_with("env:") || rest.starts_with("file:") {
            out += text;
        } else {
            let hide = |c: char| {
                if c.is_whitespace() || "[],".contains(c) { c.to_string() } else { "*".repeat(c.len_utf8()) }
            };
            out.extend(text.chars().map(hide));
        }
        out += quote;
    }
    out
}

/// The text, in which the value of every variable that is named for a secret is stars, byte for byte.
fn without_secrets(text: &str) -> String {
    static VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r#"([A-Z0-9_]*(?:PASS|SECRET|TOKEN|KEY|CREDENTIAL|DSN|AUTH)[A-Z0-9_]*\s*=\s*)("(?:[^"\\]|\\.)*"|'[^']*')"#,
        )
        .ok()
    });
    let Some(variable) = &*VARIABLE else { return text.into() };
    variable
        .replace_all(text, |found: &regex::Captures<'_>| {
            let (name, value) =
                (found.get(1).map_or("", |name| name.as_str()), found.get(2).map_or("", |value| value.as_str()));
            let inner = value.len().saturating_sub(2);
            let quote = value.get(..1).unwrap_or_default();
            if ["env:", "file:"].iter().any(|word| value.get(1..).is_some_and(|inner| inner.starts_with(word))) {
                return format!("{name}{value}");
            }
            format!("{name}{quote}{}{quote}", "*".repeat(inner))
        })
        .into_owned()
}

#[derive(Debug)]
struct Pointed<'a> {
    problem: &'a Problem,
    source: miette::NamedSource<String>,
}

impl fmt::Display for Pointed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Pointed<'_> {}

impl Diagnostic for Pointed<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.weight {
            Weight::Error => miette::Severity::Error,
            Weight::Warning => miette::Severity::Warning,
        })
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.problem.place.is_some().then_some(&self.source as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.problem.place.clone()?;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, place))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown_and_every_place_stays() {
        for (text, shown) in [
            ("sql = \"postgres://u:hunter2@h/d\"", "sql = \"postgres://u:*******@h/d\""),
            ("'redis://:p@s/s@h' # ok", "'redis://:*****@h' # ok"),
            ("a = 'http://h:80/x' b = 'mysql://u:ä@h'", "a = 'http://h:80/x' b = 'mysql://u:**@h'"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(without_passwords(text), shown);
        }
    }

    #[test]
    fn no_credential_of_a_setting_is_shown_and_every_place_stays() {
        for (text, shown) in [
            ("bearer = \"hunter2\" # ok", "bearer = \"*******\" # ok"),
            ("a = { http = 'h', bearer='ä', timeout = 1 }", "a = { http = 'h', bearer='**', timeout = 1 }"),
            ("grants.api.bearer = 'x'\nplugin = 'p'", "grants.api.bearer = '*'\nplugin = 'p'"),
            ("\"basic\" = 'u:p'", "\"basic\" = '***'"),
            ("header = [\n 'X-A:b',\n 'X-C:env:D',\n]\nb = 'c'", "header = [\n '*****',\n 'X-C:env:D',\n]\nb = 'c'"),
            ("bearer = '''a\nb'''\nb = 'c'", "bearer = '''*\n*'''\nb = 'c'"),
            ("bearer = 'unclosed\nb = 'c'", "bearer = '********\nb = 'c'"),
            ("bearer = 12345\nb = 'c'", "bearer = *****\nb = 'c'"),
            ("bearer = \"env:TOKEN\"", "bearer = \"env:TOKEN\""),
            ("bearer = { command = [\"pass\"] }", "bearer = { command = [\"pass\"] }"),
            ("the-bearer = 'x'", "the-bearer = 'x'"),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
    }

    #[test]
    fn no_secret_of_a_programs_environment_is_shown_and_every_place_stays() {
        for (text, shown) in [
            (
                "environment = { PGPASSWORD = \"hunter2\", MODE = 'x' }",
                "environment = { PGPASSWORD = \"*******\", MODE = 'x' }",
            ),
            ("API_TOKEN='ä\\' # ok", "API_TOKEN='***' # ok"),
            ("A_KEY = \"a\\\"b\" # ok", "A_KEY = \"****\" # ok"),
            ("DB_PASS = \"env:DB_PASS\"", "DB_PASS = \"env:DB_PASS\""),
            ("key = \"client.pem\"", "key = \"client.pem\""),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }
}
