//! What to do with each statement of a dump. One allow-list a dialect; what all of them share is here.

use super::{Dialect, mysql, postgres, sqlite};
use crate::capability::sql::lexis::{CodeComments, Kind, LexisError, Token, Tokens};
use crate::capability::sql::statement::forbidden;

/// What to do with a statement in a scratch database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Run it.
    Run,
    /// Run it where the session's role can reach nothing but the scratch database, else refuse it: why.
    Confined(&'static str),
    /// Leave it out and count it: a scratch database does not need it.
    Skip(Skipped),
    /// It leaves the scratch database, or is not known: why.
    Refuse(String),
}

/// Kinds of statements that a restore leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Skipped {
    /// Who owns an object.
    Ownership,
    /// GRANT, REVOKE, default privileges, security labels.
    Privileges,
    /// What the scratch database has already, or is itself: CREATE DATABASE, `\connect`, a comment on an extension.
    Database,
    /// Time-outs, which are the grant's to say, and settings of the whole server.
    Settings,
}

impl Skipped {
    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ownership => "ownership",
            Self::Privileges => "privileges",
            Self::Database => "database",
            Self::Settings => "settings",
        }
    }
}

/// Where a statement comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From a dump: transactions and settings as the tools write them.
    Dump,
    /// From a plugin: one statement at a time, no settings.
    Plugin,
}

/// Tells what `statement`, without its delimiter, would do.
pub(crate) fn classify(dialect: Dialect, origin: Origin, statement: &str) -> Verdict {
    let scanned = match Scanned::new(dialect, origin, statement) {
        Ok(scanned) => scanned,
        Err(error) => return Verdict::Refuse(format!("it cannot be read for certain: {error}")),
    };
    if let Some(name) = scanned.forbidden {
        return Verdict::Refuse(format!("it calls `{name}`, which acts outside the scratch database"));
    }
    let sets_path = origin == Origin::Dump && postgres::sets_search_path(&Words { words: &scanned.lead });
    if scanned.set_configs > usize::from(sets_path) {
        return refuse("set_config changes the session");
    }
    let words = Words { words: &scanned.lead };
    match dialect {
        Dialect::Postgres => postgres::classify(&words, origin, statement),
        Dialect::Mysql => mysql::classify(&words, origin),
        Dialect::Sqlite => sqlite::classify(&words, origin),
    }
}

/// Tells what a line for the command-line client would do.
pub(crate) fn classify_meta(line: &str) -> Verdict {
    match line.split_whitespace().next().unwrap_or_default() {
        "\\restrict" | "\\unrestrict" | "\\connect" | "\\c" | "\\encoding" => Verdict::Skip(Skipped::Database),
        other => Verdict::Refuse(format!("`{other}` is a command of the command-line client, and may do anything")),
    }
}

pub(super) fn refuse(message: impl Into<String>) -> Verdict {
    Verdict::Refuse(message.into())
}

/// A statement that is not on the dialect's list.
pub(super) fn unknown(words: &Words<'_>) -> Verdict {
    let head: Vec<_> = words.words.iter().take(3).map(String::as_str).collect();
    refuse(format!(
        "`{} ..` is none of the statements that a dump of one database holds",
        head.join(" ").to_uppercase()
    ))
}

/// What one pass over a statement's tokens finds.
struct Scanned {
    /// The first tokens: names and keywords folded to lower case, quoted names in double quotes, strings as `'`.
    lead: Vec<String>,
    /// The first forbidden function that is called.
    forbidden: Option<String>,
    /// How many times `set_config` is called; `pg_dump` sets the search path with it.
    set_configs: usize,
}

/// Tokens kept at the front. CREATE FUNCTION is read to its end, for its LANGUAGE.
const LEAD: usize = 24;
const LONG_LEAD: usize = 100_000;

impl Scanned {
    fn new(dialect: Dialect, origin: Origin, statement: &str) -> Result<Self, LexisError> {
        let comments = if origin == Origin::Dump { CodeComments::Code } else { CodeComments::Refuse };
        let mut scanned = Self { lead: vec![], forbidden: None, set_configs: 0 };
        let mut previous: Option<Token<'_>> = None;
        let mut limit = LONG_LEAD;
        for token in Tokens::new(dialect, statement, comments) {
            let token = token?;
            if token.is_symbol('(')
                && let Some(previous) = previous
                && matches!(previous.kind, Kind::Word | Kind::Quoted)
                && let Some(name) = previous.name(dialect)
                && (forbidden(dialect, &name) || name == "set_config")
            {
                if name == "set_config" {
                    scanned.set_configs += 1;
                } else {
                    scanned.forbidden.get_or_insert(name);
                }
            }
            if scanned.lead.len() < limit {
                scanned.lead.push(shown(dialect, &token));
                if matches!(scanned.lead.first().map(String::as_str), Some("insert" | "replace")) {
                    limit = LEAD;
                }
            }
            previous = Some(token);
        }
        Ok(scanned)
    }
}

fn shown(dialect: Dialect, token: &Token<'_>) -> String {
    match token.kind {
        Kind::Word => token.raw.to_ascii_lowercase(),
        Kind::Quoted => format!("\"{}\"", token.name(dialect).unwrap_or_default()),
        Kind::Text => format!("'{}", token.raw),
        Kind::Number | Kind::Parameter | Kind::Symbol => token.raw.to_owned(),
    }
}

/// A statement's first tokens, folded.
pub(super) struct Words<'a> {
    words: &'a [String],
}

impl<'a> Words<'a> {
    /// The token at `index`; empty behind the end.
    pub(super) fn at(&self, index: usize) -> &'a str {
        self.words.get(index).map_or("", String::as_str)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a str> {
        self.words.iter().map(String::as_str)
    }

    /// Whether it has `pair` somewhere, one after the other.
    pub(super) fn has_pair(&self, pair: [&str; 2]) -> bool {
        self.words.windows(2).any(|two| two.iter().map(String::as_str).eq(pair))
    }

    /// Whether it has `word` somewhere.
    pub(super) fn has(&self, word: &str) -> bool {
        self.iter().any(|other| other == word)
    }

    /// The token after the first `word`.
    pub(super) fn after(&self, word: &str) -> &'a str {
        self.iter().skip_while(|other| *other != word).nth(1).unwrap_or_default()
    }

    /// The first of `kinds` and its index.
    pub(super) fn first_of(&self, kinds: &[&str]) -> Option<(usize, &'a str)> {
        self.iter().enumerate().find(|(_, word)| kinds.contains(word))
    }
}
