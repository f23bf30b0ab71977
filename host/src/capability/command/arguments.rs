//! The words of a template's argument vector: where its placeholders are, and what they come to with values. Pure.
//!
//! A placeholder is `{name}`. A brace that is doubled, or that stands before anything but a name, is meant as it is:
//! `{{.ID}}`, `{ print }`.

use std::collections::BTreeMap;

use super::placeholder::Placeholder;

/// One word of the argument vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Argument(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Placeholder(String),
}

/// Programs that take a text of their own language: with the letters of the option that it stands behind.
const INTERPRETERS: [(&str, char); 14] = [
    ("sh", 'c'),
    ("bash", 'c'),
    ("dash", 'c'),
    ("zsh", 'c'),
    ("ksh", 'c'),
    ("ash", 'c'),
    ("fish", 'c'),
    ("su", 'c'),
    ("python", 'c'),
    ("python3", 'c'),
    ("perl", 'e'),
    ("ruby", 'e'),
    ("node", 'e'),
    ("php", 'r'),
];

impl Argument {
    pub(super) fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            let (before, from) = rest.split_at(start);
            literal.push_str(before);
            let name = from.strip_prefix('{').and_then(|after| after.split_once('}')).filter(|(name, _)| is_name(name));
            if let Some(after) = from.strip_prefix("{{") {
                literal.push_str("{{");
                rest = after;
            } else if let Some((name, after)) = name {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Placeholder(name.into()));
                rest = after;
            } else {
                literal.push('{');
                rest = from.strip_prefix('{').unwrap_or_default();
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Self(pieces)
    }

    /// The placeholders in it.
    pub(super) fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Placeholder(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// What it comes to: none when it is left out, with a placeholder that is optional and was not given.
    pub(super) fn filled(
        &self,
        placeholders: &BTreeMap<String, Placeholder>,
        values: &BTreeMap<String, String>,
    ) -> Result<Option<String>, String> {
        let mut word = String::new();
        // Behind a `=` of the operator's a value is one, whatever it begins with.
        let mut after_equals = false;
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => {
                    after_equals |= text.contains('=');
                    word.push_str(text);
                }
                Piece::Placeholder(name) => {
                    let placeholder = placeholders.get(name);
                    let value = values.get(name).or_else(|| placeholder.and_then(|one| one.default.as_ref()));
                    let Some(value) = value else { return Ok(None) };
                    let spelt = placeholder.is_some_and(Placeholder::may_begin_with_dash);
                    if value.starts_with('-') && !after_equals && !spelt {
                        let shown = crate::policy::text::clean_line(value, 64);
                        return Err(format!("`{name}` is `{shown}`, which would be taken for an option"));
                    }
                    word.push_str(value);
                }
            }
        }
        Ok(Some(word))
    }

    /// As it is written.
    pub(super) fn written(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Placeholder(name) => format!("{{{name}}}"),
        };
        self.0.iter().map(piece).collect()
    }
}

/// The number of the word that an interpreter would run as a program of its own and that a placeholder is part of: a
/// value in it would be code.
pub(super) fn interpreted(words: &[Argument]) -> Option<(usize, &'static str)> {
    let texts: Vec<String> = words.iter().map(Argument::written).collect();
    let mut interpreter: Option<(&'static str, char)> = None;
    for (index, text) in texts.iter().enumerate() {
        let name =
            text.rsplit('/').next().unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        if let Some(found) = INTERPRETERS.iter().find(|(known, _)| *known == name) {
            interpreter = Some(*found);
        }
        let Some((program, letter)) = interpreter else { continue };
        let is_option =
            text.strip_prefix('-').is_some_and(|letters| !letters.starts_with('-') && letters.ends_with(letter));
        let code = words.get(index + 1).filter(|_| is_option || text == "--eval" || text == "--command");
        if code.is_some_and(|code| code.placeholders().next().is_some()) {
            return Some((index + 1, program));
        }
    }
    None
}

/// Words for people, each recognisable as one: those with a space or a quote in them are quoted as a shell would take them.
pub(super) fn shown<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,{}~^".contains(c);
    let word = |word: &str| {
        if !word.is_empty() && word.chars().all(plain) {
            word.into()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    words.into_iter().map(word).collect::<Vec<String>>().join(" ")
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Whether a text may be a placeholder's or a template's name.
pub(super) fn check_name(text: &str) -> Result<(), String> {
    if is_name(text) && text.len() <= 64 {
        return Ok(());
    }
    Err(format!(
        "`{}` is no name: a to z, 0 to 9 and `-`, and a letter first",
        crate::policy::text::clean_line(text, 64)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placeholders(of: &[(&str, &str)]) -> BTreeMap<String, Placeholder> {
        let one = |text: &str| toml::from_str::<super::super::placeholder::Written>(text).unwrap().try_into().unwrap();
        of.iter().map(|(name, text)| ((*name).into(), one(text))).collect()
    }

    #[test]
    fn braces_are_placeholders_only_around_a_name() {
        for (text, names) in [
            ("--lint", &[][..]),
            ("{version}", &["version"]),
            ("--a={a}-{b-2}", &["a", "b-2"]),
            ("{{.ID}}", &[]),
            ("{{version}}", &[]),
            ("{{{version}}}", &["version"]),
            ("{ print }", &[]),
            ("{}", &[]),
            ("{A}", &[]),
            ("{a", &[]),
            ("a}", &[]),
            ("{1a}{b}", &["b"]),
            ("", &[]),
        ] {
            let argument = Argument::parse(text);
            assert_eq!(argument.placeholders().collect::<Vec<_>>(), names, "{text}");
            assert_eq!(argument.written(), text);
        }
    }

    #[test]
    fn a_value_stays_one_argument_and_becomes_no_option() {
        let known = placeholders(&[
            ("a", "type = 'text'"),
            ("n", "type = 'integer'\nmin = -9"),
            ("d", "type = 'name'\ndefault = 'main'"),
            ("o", "type = 'name'\noptional = true"),
        ]);
        for (argument, given, expected) in [
            ("{a}", &[("a", "x y; rm -rf / --z")][..], Ok(Some("x y; rm -rf / --z"))),
            ("{a}", &[("a", "-rf")], Err("taken for an option")),
            ("{a}", &[("a", "--rf=x")], Err("taken for an option")),
            ("x{a}", &[("a", "-rf")], Err("taken for an option")),
            ("--opt={a}", &[("a", "-rf")], Ok(Some("--opt=-rf"))),
            ("{a}={a}", &[("a", "-rf")], Err("taken for an option")),
            ("{a}={a}", &[("a", "rf")], Ok(Some("rf=rf"))),
            ("{n}", &[("n", "-5")], Ok(Some("-5"))),
            ("{d}", &[], Ok(Some("main"))),
            ("{d}", &[("d", "next")], Ok(Some("next"))),
            ("--x={o}", &[], Ok(None)),
            ("--x={o}", &[("o", "1")], Ok(Some("--x=1"))),
            // What a value brings is never read again.
            ("{a}", &[("a", "{o}")], Ok(Some("{o}"))),
        ] {
            let values = given.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            let filled = Argument::parse(argument).filled(&known, &values);
            match (filled, expected) {
                (Ok(word), Ok(expected)) => assert_eq!(word.as_deref(), expected, "{argument} {given:?}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{argument} {given:?}: {error}"),
                (filled, _) => panic!("{argument} {given:?}: {filled:?}"),
            }
        }
    }

    #[test]
    fn a_placeholder_in_the_text_of_an_interpreter_is_found() {
        for (words, found) in [
            (&["sh", "-c", "echo {a}"][..], true),
            (&["/bin/bash", "-euo", "pipefail", "-c", "x {a}"], true),
            (&["bash", "-ec", "{a}"], true),
            (&["sudo", "-u", "app", "sh", "-c", "{a}"], true),
            (&["python3.11", "-c", "{a}"], true),
            (&["node", "--eval", "{a}"], true),
            (&["sh", "-c", "cat -- \"$1\"", "sh", "{a}"], false),
            (&["sh", "./build.sh", "{a}"], false),
            (&["psql", "--file", "{a}"], false),
            (&["./sh-like", "-c", "{a}"], false),
            (&["git", "-c", "{a}"], false),
        ] {
            let words: Vec<Argument> = words.iter().map(|word| Argument::parse(word)).collect();
            assert_eq!(interpreted(&words).is_some(), found, "{words:?}");
        }
    }

    #[test]
    fn words_are_shown_so_that_each_is_one() {
        assert_eq!(shown(["git", "log", "--format=%H", "a b", "", "it's"]), "git log --format=%H 'a b' '' 'it'\\''s'");
    }
}
