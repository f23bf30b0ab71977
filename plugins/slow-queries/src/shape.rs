//! A statement's shape: its text without what it says. Pure; it must never let a literal or a comment through, whatever
//! the server left in the text.
//!
//! The servers put marks for values themselves, but not everywhere: `PostgreSQL` leaves comments, passwords in utility
//! statements before 16 and the text of a statement whose entry was evicted meanwhile; `MariaDB`'s slow log is as it was
//! written. What is left here are keywords, and names of tables, columns and functions.

/// Which quotes are whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grammar {
    Postgres,
    Mysql,
}

/// A statement without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// For people.
    pub(crate) text: String,
    /// Of all that differ in values, spaces, comments, case and the lengths of lists alone.
    pub(crate) id: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A word, or a quoted name.
    Word(String),
    /// A literal or a parameter.
    Value,
    /// Several of them, with commas between.
    Values,
    /// Repeated as often as one likes.
    Again,
    Sign(char),
}

/// A token, and whether there was space before it.
type Spaced = (bool, Token);

/// The shape of a statement.
pub(crate) fn shape(text: &str, grammar: Grammar) -> Shape {
    let mut tokens = fold_rows(fold_lists(Scanner { rest: text, grammar }.scan()));
    while tokens.last().is_some_and(|(_, token)| *token == Token::Sign(';')) {
        tokens.pop();
    }
    hide_setting(&mut tokens);
    let mut shown = String::new();
    let mut key = String::new();
    for (spaced, token) in &tokens {
        let close = matches!(token, Token::Sign(',' | ')')) || shown.ends_with('(');
        if *spaced && !close && !shown.is_empty() {
            shown.push(' ');
        }
        key.push(' ');
        match token {
            Token::Word(word) => {
                shown.push_str(word);
                key.push_str(&word.to_lowercase());
            }
            Token::Value => both(&mut shown, &mut key, "?"),
            // The same statement with one value in its list is of the same shape.
            Token::Values => {
                shown.push_str("?, ...");
                key.push('?');
            }
            Token::Again => shown.push_str(", ..."),
            Token::Sign(sign) => both(&mut shown, &mut key, sign.encode_utf8(&mut [0; 4])),
        }
    }
    Shape { text: shown, id: format!("{:012x}", digest(&key) >> 16) }
}

/// The first so many characters.
pub(crate) fn cut(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn both(one: &mut String, other: &mut String, text: &str) {
    one.push_str(text);
    other.push_str(text);
}

/// FNV-1a: the same on every machine and in every version, which a name that is remembered must be.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// `?, ?, ?` is `?, ...`.
fn fold_lists(tokens: Vec<Spaced>) -> Vec<Spaced> {
    let mut folded: Vec<Spaced> = Vec::with_capacity(tokens.len());
    for token in tokens {
        if let (_, Token::Value) = token
            && let [.., (_, Token::Value | Token::Values), (_, Token::Sign(','))] = folded.as_slice()
        {
            folded.pop();
            if let Some((_, last)) = folded.last_mut() {
                *last = Token::Values;
            }
            continue;
        }
        folded.push(token);
    }
    folded
}

/// `(...), (...)` of values alone is `(...), ...`: the rows of an INSERT.
fn fold_rows(tokens: Vec<Spaced>) -> Vec<Spaced> {
    let mut folded: Vec<Spaced> = Vec::with_capacity(tokens.len());
    for token in tokens {
        folded.push(token);
        let end = folded.len();
        // (?) , (?)   or   (?), ... , (?)
        let [
            ..,
            (_, Token::Sign(',')),
            (_, Token::Sign('(')),
            (_, Token::Value | Token::Values),
            (_, Token::Sign(')')),
        ] = folded.as_slice()
        else {
            continue;
        };
        match folded.get(..end - 4) {
            Some([.., (_, Token::Again)]) => folded.truncate(end - 4),
            Some([.., (_, Token::Sign('(')), (_, Token::Value | Token::Values), (_, Token::Sign(')'))]) => {
                folded.truncate(end - 4);
                folded.push((false, Token::Again));
            }
            _ => {}
        }
    }
    folded
}

/// `SET name = word`: the word may be the secret.
fn hide_setting(tokens: &mut Vec<Spaced>) {
    let is = |token: &Token, word: &str| matches!(token, Token::Word(own) if own.eq_ignore_ascii_case(word));
    if !tokens.first().is_some_and(|(_, token)| is(token, "set")) {
        return;
    }
    let assigned = tokens.iter().position(|(_, token)| *token == Token::Sign('=') || is(token, "to"));
    if let Some(assigned) = assigned {
        tokens.truncate(assigned + 1);
        tokens.push((true, Token::Value));
    }
}

/// Reads a text once, from its start to its end.
struct Scanner<'a> {
    rest: &'a str,
    grammar: Grammar,
}

impl Scanner<'_> {
    fn scan(mut self) -> Vec<Spaced> {
        let mut tokens: Vec<Spaced> = Vec::new();
        let mut spaced = false;
        while let Some(first) = self.rest.chars().next() {
            if self.skip_space_or_comment(first) {
                spaced = true;
                continue;
            }
            let token = match first {
                '\'' => {
                    let prefix = if spaced { None } else { prefix(&mut tokens) };
                    spaced = prefix.as_ref().map_or(spaced, |(spaced, _)| *spaced);
                    let escapes = self.grammar == Grammar::Mysql
                        || prefix.is_some_and(|(_, word)| word.eq_ignore_ascii_case("e"));
                    self.skip_quoted('\'', escapes);
                    Token::Value
                }
                '"' if self.grammar == Grammar::Mysql => {
                    self.skip_quoted('"', true);
                    Token::Value
                }
                '"' | '`' => Token::Word(self.skip_quoted(first, false)),
                '$' if self.skip_dollar_quoted() => Token::Value,
                '?' => self.one(first, Token::Value),
                '$' if self.rest.get(1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) => {
                    self.take(|character| character == '$' || character.is_ascii_digit());
                    Token::Value
                }
                '0'..='9' => {
                    self.skip_number();
                    Token::Value
                }
                '.' if self.rest.get(1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
                    && !matches!(tokens.last(), Some((_, Token::Word(_))) if !spaced) =>
                {
                    self.skip_number();
                    Token::Value
                }
                first if is_word(first) => Token::Word(self.take(is_word)),
                sign => self.one(sign, Token::Sign(sign)),
            };
            tokens.push((spaced, token));
            spaced = false;
        }
        tokens
    }

    fn one(&mut self, character: char, token: Token) -> Token {
        self.skip(character.len_utf8());
        token
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|character| !wanted(character)).unwrap_or(self.rest.len());
        let taken = self.rest.get(..end).unwrap_or_default().to_owned();
        self.skip(end);
        taken
    }

    fn skip_space_or_comment(&mut self, first: char) -> bool {
        if first.is_whitespace() {
            self.skip(first.len_utf8());
            return true;
        }
        let line = self.rest.starts_with("--") || (first == '#' && self.grammar == Grammar::Mysql);
        if line {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.skip(end);
            return true;
        }
        if !self.rest.starts_with("/*") {
            return false;
        }
        self.skip(2);
        let mut depth = 1;
        while depth > 0 && !self.rest.is_empty() {
            if self.rest.starts_with("*/") {
                depth -= 1;
                self.skip(2);
            } else if self.grammar == Grammar::Postgres && self.rest.starts_with("/*") {
                depth += 1;
                self.skip(2);
            } else {
                self.skip(self.rest.chars().next().map_or(1, char::len_utf8));
            }
        }
        true
    }

    /// Past a quoted text, whose quotes are doubled or escaped inside it; one that does not end is the rest. Gives it.
    fn skip_quoted(&mut self, quote: char, escapes: bool) -> String {
        let mut characters = self.rest.char_indices().skip(1).peekable();
        let mut end = self.rest.len();
        while let Some((at, character)) = characters.next() {
            if character == '\\' && escapes {
                characters.next();
            } else if character == quote {
                if characters.peek().is_some_and(|(_, next)| *next == quote) {
                    characters.next();
                } else {
                    end = at + quote.len_utf8();
                    break;
                }
            }
        }
        let taken = self.rest.get(..end).unwrap_or_default().to_owned();
        self.skip(end);
        taken
    }

    /// Past `$tag$ ... $tag$`, if it is one.
    fn skip_dollar_quoted(&mut self) -> bool {
        let Some(tag) = self.rest.get(1..).and_then(|rest| rest.find('$')).map(|length| length + 2) else {
            return false;
        };
        let tag = self.rest.get(..tag).unwrap_or_default();
        let name = tag.trim_matches('$');
        let is_tag = name.chars().all(is_word) && !name.starts_with(|character: char| character.is_ascii_digit());
        if self.grammar != Grammar::Postgres || !is_tag {
            return false;
        }
        let body = self.rest.get(tag.len()..).unwrap_or_default();
        let end = body.find(tag).map_or(self.rest.len(), |length| tag.len() + length + tag.len());
        self.skip(end);
        true
    }

    fn skip_number(&mut self) {
        let number = self.take(|character| character.is_ascii_alphanumeric() || character == '.' || character == '_');
        let hexadecimal = number.starts_with("0x") || number.starts_with("0X");
        if number.ends_with(['e', 'E']) && !hexadecimal && self.rest.starts_with(['+', '-']) {
            self.skip(1);
            self.take(|character| character.is_ascii_digit() || character == '_');
        }
    }
}

/// The word that belongs to the quote behind it, as in `E'...'` and `_utf8'...'`, taken away.
fn prefix(tokens: &mut Vec<Spaced>) -> Option<(bool, String)> {
    let Some((_, Token::Word(word))) = tokens.last() else { return None };
    let is_prefix = (word.len() == 1 && "eEnNbBxX".contains(word.as_str())) || word.starts_with('_');
    if !is_prefix {
        return None;
    }
    match tokens.pop() {
        Some((spaced, Token::Word(word))) => Some((spaced, word)),
        _ => None,
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$' | '@') || !character.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Grammar::{Mysql, Postgres};

    #[test]
    fn what_a_statement_says_is_left_out() {
        for (grammar, text, expected) in [
            (Postgres, "SELECT  *\nFROM t WHERE a = $1", "SELECT * FROM t WHERE a = ?"),
            (Postgres, "select 'it''s \\' || b, 1.5e-3, .5, 0xFF, t1.c2", "select ? || b, ?, ..., t1.c2"),
            (Postgres, r"select E'it\'s' from t", "select ? from t"),
            (Postgres, "select /* a /* b */ 'c' */ 1 -- 'd\n, \"My 'col\"", "select ?, \"My 'col\""),
            (Postgres, "DO $body$ begin perform 'x'; end $body$;", "DO ?"),
            (Postgres, "select $$a$$, $1, $t$ $$ $t$", "select ?, ..."),
            (Postgres, "alter role app password 'hunter2'", "alter role app password ?"),
            (Postgres, "ALTER ROLE app PASSWORD 'hunter2", "ALTER ROLE app PASSWORD ?"),
            (Postgres, "set app.token to hunter2", "set app.token to ?"),
            (Postgres, "SET app.token = hunter2;", "SET app.token = ?"),
            (Postgres, "update t set a = b", "update t set a = b"),
            (Postgres, "select a from t where b in ($1,$2, $3)", "select a from t where b in (?, ...)"),
            (Postgres, "insert into t values ($1, $2), ($3, $4),($5, $6)", "insert into t values (?, ...), ..."),
            (Postgres, "insert into t values ($1), ($2) returning a", "insert into t values (?), ... returning a"),
            (Postgres, "select f(1), g(2), (3)", "select f(?), g(?), ..."),
            (Postgres, "select 'ä', größe from \"Tür\"", "select ?, größe from \"Tür\""),
            (Postgres, "select b'1', x'ff', n'a', a.b", "select ?, ..., a.b"),
            (Mysql, "select \"it\\\"s\", 'a\\'b', `a b` # c\nfrom t", "select ?, ..., `a b` from t"),
            (Mysql, "select _utf8'x', @@a, @b, 1", "select ?, @@a, @b, ?"),
            (Mysql, "create user a identified by 'hunter2'", "create user a identified by ?"),
            (Mysql, "SELECT * FROM `t` WHERE `a` IN (...)", "SELECT * FROM `t` WHERE `a` IN (...)"),
            (Mysql, "select /*! 'x' */ 1", "select ?"),
            (Postgres, "", ""),
            (Postgres, "/*", ""),
            (Postgres, "'", "?"),
            (Postgres, "$", "$"),
            (Postgres, "select $x", "select $x"),
        ] {
            assert_eq!(shape(text, grammar).text, expected, "{text}");
        }
    }

    #[test]
    fn statements_that_differ_in_values_alone_are_one() {
        let id = |text| shape(text, Postgres).id;
        let same = [
            "select a from t where b in ($1)",
            "SELECT a FROM t\nWHERE b IN ($1,$2,$3)",
            "select a from t /* trace 7 */ where b in (1, 2);",
        ];
        assert!(same.iter().all(|text| id(text) == id(same[0])));
        assert_ne!(id("select a from t"), id("select b from t"));
        assert_eq!(id("select a from t").len(), 12);
        // It is remembered from run to run: no version may make another of it.
        assert_eq!(id("select ?"), "f32f48330845");
    }

    #[test]
    fn no_text_however_broken_lets_its_quoted_part_through() {
        let parts =
            ["'", "''", "\\", "\"", "`", "$$", "$a$", "--", "\n", "/*", "*/", "e", "E", " ", "1", "ä", ";", "("];
        let mut state = 7_u64;
        for _ in 0..20_000 {
            let mut text = String::from("select ");
            for _ in 0..6 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(parts[usize::try_from(state >> 33).unwrap() % parts.len()]);
            }
            // Whatever came before, a literal on a line of its own after all was closed is not shown.
            let _ = shape(&text, Postgres);
            let shown = shape(&format!("select a, 'hunter2' {text}"), Mysql).text;
            assert!(!shown.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_text_is_cut_at_a_character() {
        assert_eq!(cut("größe", 3), "grö…");
        assert_eq!(cut("größe", 5), "größe");
    }
}
