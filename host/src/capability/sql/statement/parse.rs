//! From a text to a checked tree and back to the text that runs.

use sqlparser::ast::Statement;
use sqlparser::dialect::{Dialect as Grammar, MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::{Parser, ParserOptions};

use super::Dialect;
use super::functions::forbidden;
use crate::capability::sql::lexis::{CodeComments, Kind, LexisError, Token, Tokens, plain_string};
use crate::gate::Refusal;
use crate::policy::text::clean_line;

/// The longest statement that is read.
const LENGTH_LIMIT: usize = 1 << 20;
/// The most words and operators of a statement. Each may make the tree one level deeper; what a list of literals is made
/// of does not count.
const WEIGHT_LIMIT: usize = 8_000;
/// Up to this weight the calling thread's stack is deep enough.
const LIGHT: usize = 100;
/// Deep enough for a tree of [`WEIGHT_LIMIT`] levels, in a build without optimisation too. Only what is used is mapped.
const DEEP_STACK: usize = 64 << 20;

/// A text that is one statement as far as its tokens tell.
pub(super) struct Canonical {
    /// Without comments and closing semicolon; strings in their plain form.
    pub(super) text: String,
    /// What must be in the text that runs as it is in the one that came: strings, quoted names, numbers, parameters.
    literals: Vec<String>,
    weight: usize,
    /// How many parameters it takes.
    pub(super) parameters: usize,
    inner_semicolons: bool,
}

pub(super) fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::NotGranted(message.into()))
}

impl Canonical {
    /// Splits `text` into tokens and joins them again, without what hides their meaning.
    pub(super) fn new(dialect: Dialect, text: &str) -> Result<Self, Refusal> {
        let canonical = Self::whole(dialect, text)?;
        if canonical.inner_semicolons {
            return refuse("the text holds several statements; send them one at a time");
        }
        Ok(canonical)
    }

    /// As [`new`](Self::new), but semicolons may stand inside, as in a trigger's body.
    pub(super) fn whole(dialect: Dialect, text: &str) -> Result<Self, Refusal> {
        if text.len() > LENGTH_LIMIT {
            return refuse(format!(
                "the statement is {} bytes long, and the most is {LENGTH_LIMIT}; pass long values as parameters",
                text.len()
            ));
        }
        if text.contains('\0') {
            return refuse("the statement holds a zero byte; pass it as a parameter");
        }
        let mut canonical = Self {
            text: String::with_capacity(text.len()),
            literals: vec![],
            weight: 0,
            parameters: 0,
            inner_semicolons: false,
        };
        let mut ended = 0;
        for token in Tokens::new(dialect, text, CodeComments::Refuse) {
            let token = token.map_err(unclear)?;
            if token.is_symbol(';') {
                ended += 1;
                continue;
            }
            if ended > 0 {
                canonical.inner_semicolons = true;
                canonical.text.push_str(&";".repeat(ended));
                ended = 0;
            }
            canonical.push(dialect, &token)?;
        }
        if canonical.text.is_empty() {
            return refuse("the statement is empty");
        }
        if canonical.weight > WEIGHT_LIMIT {
            return refuse(format!("the statement has more than {WEIGHT_LIMIT} words and operators; split it"));
        }
        canonical.literals.sort_unstable();
        Ok(canonical)
    }

    fn push(&mut self, dialect: Dialect, token: &Token<'_>) -> Result<(), Refusal> {
        if token.spaced && !self.text.is_empty() {
            self.text.push(' ');
        }
        match token.kind {
            Kind::Text => {
                let plain = plain_string(token.raw).map_err(unclear)?;
                self.literals.push(literal(&plain));
                self.text.push_str(&plain);
            }
            Kind::Parameter => {
                self.parameter(dialect, token.raw)?;
                self.literals.push(token.raw.into());
                self.text.push_str(token.raw);
            }
            _ => {
                if self.text.is_empty() && token.is("table") && dialect != Dialect::Sqlite {
                    // What TABLE stands for; the parser does not know it at the front.
                    self.text.push_str("SELECT * FROM");
                    return Ok(());
                }
                if matches!(token.kind, Kind::Quoted | Kind::Number) {
                    self.literals.push(token.raw.to_ascii_lowercase());
                }
                if !matches!(token.raw, "," | "(" | ")") && token.kind != Kind::Number {
                    self.weight += 1;
                }
                self.text.push_str(token.raw);
            }
        }
        Ok(())
    }

    fn parameter(&mut self, dialect: Dialect, raw: &str) -> Result<(), Refusal> {
        let number = raw.get(1..).unwrap_or_default();
        match (dialect, raw.starts_with('?'), number.parse::<u16>()) {
            (Dialect::Mysql | Dialect::Sqlite, true, _) if number.is_empty() => self.parameters += 1,
            (Dialect::Postgres, false, Ok(number @ 1..)) | (Dialect::Sqlite, true, Ok(number @ 1..)) => {
                self.parameters = self.parameters.max(number.into());
            }
            (Dialect::Postgres, ..) => return refuse(format!("`{raw}` is no parameter; write $1, $2 ...")),
            _ => return refuse(format!("`{raw}` is no parameter; write ?")),
        }
        Ok(())
    }

    /// Parses it, lets `rules` judge the tree, and gives what they found with the text that is to run.
    pub(super) fn judge<T: Send>(
        &self,
        dialect: Dialect,
        rules: impl FnOnce(&Statement) -> Result<T, Refusal> + Send,
    ) -> Result<(T, String), Refusal> {
        let judge = || {
            let statement = parse(dialect, &self.text)?;
            let verdict = rules(&statement)?;
            let text = statement.to_string();
            self.check_round_trip(dialect, &statement, &text)?;
            Ok((verdict, text))
        };
        if self.weight > LIGHT { stacker::grow(DEEP_STACK, judge) } else { judge() }
    }

    /// What was checked is what runs: `text` must mean `statement`, and hold the names and literals that came in.
    fn check_round_trip(&self, dialect: Dialect, statement: &Statement, text: &str) -> Result<(), Refusal> {
        let again = parse(dialect, text).ok();
        let same_tree = again.as_ref() == Some(statement);
        let mut literals = Vec::new();
        let mut previous: Option<Token<'_>> = None;
        for token in Tokens::new(dialect, text, CodeComments::Refuse) {
            let token = token.map_err(unclear)?;
            check_words(dialect, previous.as_ref(), &token)?;
            match token.kind {
                Kind::Text => literals.push(literal(token.raw)),
                Kind::Quoted | Kind::Number => literals.push(token.raw.to_ascii_lowercase()),
                // In `SELECT$x` SQLite sees one word and the parser two.
                Kind::Parameter => literals.push(token.raw.into()),
                _ => {}
            }
            previous = Some(token);
        }
        literals.sort_unstable();
        // The parser passes over what is no word in a SHOW that it does not know.
        let whole = !matches!(statement, Statement::ShowVariable { .. })
            || Tokens::new(dialect, &self.text, CodeComments::Refuse).flatten().all(|token| token.kind != Kind::Symbol);
        if same_tree && whole && literals == self.literals {
            return Ok(());
        }
        refuse(
            "the statement changes its meaning when it is written out again, so it is not run; write it in plainer SQL",
        )
    }
}

/// The one statement that `text` is.
fn parse(dialect: Dialect, text: &str) -> Result<Statement, Refusal> {
    let grammar: &dyn Grammar = match dialect {
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::Mysql => &MySqlDialect {},
        Dialect::Sqlite => &SQLiteDialect {},
    };
    let options = ParserOptions::new().with_unescape(false);
    let statements = Parser::new(grammar)
        .with_options(options)
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| {
            Refusal::NotGranted(format!(
                "the statement cannot be checked, so it is not run ({}); write it in plainer SQL",
                clean_line(&error.to_string(), 200)
            ))
        })?;
    match <[Statement; 1]>::try_from(statements) {
        Ok([statement]) => Ok(statement),
        Err(_) => refuse("the text holds several statements; send them one at a time"),
    }
}

/// A second look at the final text, which knows nothing of grammar: a call of a forbidden function, in whatever form,
/// has its name before a parenthesis.
fn check_words(dialect: Dialect, previous: Option<&Token<'_>>, token: &Token<'_>) -> Result<(), Refusal> {
    if token.is_symbol('(')
        && let Some(name) = previous.and_then(|previous| previous.name(dialect))
        && forbidden(dialect, &name)
    {
        return refuse(format!("the function `{name}` acts outside tables, and no grant allows it"));
    }
    if token.is("outfile") || token.is("dumpfile") {
        return refuse("INTO OUTFILE writes files of the server; use copy-out");
    }
    Ok(())
}

/// A string for comparing: the prefix in lower case.
fn literal(raw: &str) -> String {
    match raw.find('\'') {
        Some(at @ 1..) => {
            let (prefix, rest) = raw.split_at(at);
            prefix.to_ascii_lowercase() + rest
        }
        _ => raw.to_owned(),
    }
}

fn unclear(error: LexisError) -> Refusal {
    Refusal::NotGranted(format!("the statement cannot be read for certain: {error}"))
}
