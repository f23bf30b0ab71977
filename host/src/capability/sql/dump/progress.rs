//! What tells that a semicolon does not end a statement: the words it began with, and what is open.

use super::{Dialect, postgres};

/// What is known of the statement that is being scanned.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// Whether anything but white space and comments was seen.
    pub(super) begun: bool,
    /// The first words, in lower case.
    pub(super) lead: Vec<String>,
    /// Open parentheses: a rule's body may hold semicolons in them.
    pub(super) parentheses: usize,
    /// Open BEGIN ATOMIC and CASE of a PostgreSQL routine.
    pub(super) blocks: usize,
    /// For a SQLite trigger: what of `; END` was just seen.
    pub(super) tail: Tail,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tail {
    #[default]
    Other,
    Semicolon,
    End,
}

/// Words of a statement that tell how it ends: CREATE OR REPLACE TEMPORARY TRIGGER.
const LEAD: usize = 5;

impl Progress {
    /// Takes notice of a word, in whatever case.
    pub(super) fn word(&mut self, dialect: Dialect, word: &[u8]) {
        self.begun = true;
        let word = String::from_utf8_lossy(word).to_ascii_lowercase();
        if dialect == Dialect::Postgres && self.is_routine() {
            match word.as_str() {
                "begin" => self.blocks += 1,
                "case" if self.blocks > 0 => self.blocks += 1,
                "end" => self.blocks = self.blocks.saturating_sub(1),
                _ => {}
            }
        }
        self.tail = if self.tail == Tail::Semicolon && word == "end" { Tail::End } else { Tail::Other };
        if self.lead.len() < LEAD {
            self.lead.push(word);
        }
    }

    fn creates(&self, kinds: &[&str]) -> bool {
        let mut words = self.lead.iter().map(String::as_str);
        words.next() == Some("create")
            && words
                .find(|word| !matches!(*word, "or" | "replace" | "temp" | "temporary"))
                .is_some_and(|word| kinds.contains(&word))
    }

    fn is_routine(&self) -> bool {
        self.creates(&["function", "procedure"])
    }

    pub(super) fn is_trigger(&self) -> bool {
        self.creates(&["trigger"])
    }

    /// Whether the statement is `COPY .. FROM stdin`.
    pub(super) fn copies(&self, dialect: Dialect, statement: &[u8]) -> bool {
        dialect == Dialect::Postgres
            && self.lead.first().is_some_and(|word| word == "copy")
            && std::str::from_utf8(statement).is_ok_and(postgres::copies_from_stdin)
    }
}
