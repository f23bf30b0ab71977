//! The lexical rules of the three dialects: where a string, a name and a comment end. What reads SQL text in this room
//! reads it through here first, so that the host and the server agree on that. It must never guess: a text whose tokens
//! depend on a session setting is an error.
//!
//! The rules assume the session settings of [`super::statement::session_settings`].

mod literal;

#[cfg(test)]
mod tests;

use super::grant::Dialect;

pub(super) use literal::plain_string;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword or a name without quotes.
    Word,
    /// A name in quotes.
    Quoted,
    /// A string, with its prefix.
    Text,
    /// A number.
    Number,
    /// `$1`, `?`, `:name`.
    Parameter,
    /// One character of punctuation or of an operator.
    Symbol,
}

/// One token of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// What it is.
    pub(crate) kind: Kind,
    /// As it is written.
    pub(crate) raw: &'a str,
    /// Whether white space or a comment stands before it.
    pub(crate) spaced: bool,
}

impl Token<'_> {
    /// Whether it is this keyword, in any case.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.raw.eq_ignore_ascii_case(keyword)
    }

    /// Whether it is this character.
    pub(crate) fn is_symbol(&self, symbol: char) -> bool {
        self.kind == Kind::Symbol && self.raw.starts_with(symbol)
    }

    /// What it names, as its dialect folds it; none for what is no name.
    pub(crate) fn name(&self, dialect: Dialect) -> Option<String> {
        match self.kind {
            Kind::Word if dialect == Dialect::Postgres => Some(self.raw.to_ascii_lowercase()),
            Kind::Word => Some(self.raw.to_owned()),
            Kind::Quoted => {
                let inner = self.raw.get(1..self.raw.len().saturating_sub(1)).unwrap_or_default();
                let quote = self.raw.get(..1).unwrap_or_default();
                Some(inner.replace(&quote.repeat(2), quote))
            }
            _ => None,
        }
    }
}

/// Why a text cannot be split into tokens for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LexisError {
    #[error("a {0} has no end")]
    Unterminated(&'static str),
    #[error(
        "a backslash stands before a quote, which ends the string on some servers and not on others; \
         double the quote, or pass the text as a parameter"
    )]
    BackslashQuote,
    #[error("a comment is code to the server (`/*!`, `/*+`); write the code without the comment")]
    CommentIsCode,
    #[error("`--` without white space after it is a comment on some servers only; write a space")]
    Dashes,
    #[error("U&'..' escapes are not read; write the characters themselves")]
    UnicodeEscapes,
    #[error("an escape in E'..' is malformed, or makes a zero byte; pass the text as a parameter")]
    Escape,
    #[error("there is a control character outside strings")]
    Control,
}

/// What comments that MySQL runs as code are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeComments {
    /// An error: who writes a statement can leave the comment out.
    Refuse,
    /// Code, as a dump means it.
    Code,
}

/// The tokens of a text. Allocates nothing; ends after the first error.
#[derive(Clone)]
pub(crate) struct Tokens<'a> {
    dialect: Dialect,
    code_comments: CodeComments,
    text: &'a str,
    at: usize,
    in_code_comment: bool,
    failed: bool,
}

impl<'a> Tokens<'a> {
    /// Splits `text`.
    pub(crate) fn new(dialect: Dialect, text: &'a str, code_comments: CodeComments) -> Self {
        Self { dialect, code_comments, text, at: 0, in_code_comment: false, failed: false }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Skips white space and comments; says whether there was any.
    fn skip_space(&mut self) -> Result<bool, LexisError> {
        let from = self.at;
        loop {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.at += 1,
                (b'-', b'-') if self.dialect != Dialect::Mysql => self.skip_line(),
                (b'-', b'-') if self.peek(2).is_ascii_whitespace() || self.at + 2 >= self.text.len() => {
                    self.skip_line();
                }
                (b'-', b'-') => return Err(LexisError::Dashes),
                (b'#', _) if self.dialect == Dialect::Mysql => self.skip_line(),
                (b'/', b'*') => self.skip_comment()?,
                (b'*', b'/') if self.in_code_comment => {
                    self.in_code_comment = false;
                    self.at += 2;
                }
                _ => return Ok(self.at > from),
            }
        }
    }

    /// PostgreSQL ends a line comment at either kind of line end, the others at a newline.
    fn skip_line(&mut self) {
        let ends: &[u8] = if self.dialect == Dialect::Postgres { b"\n\r" } else { b"\n" };
        let end = self.rest().bytes().position(|byte| ends.contains(&byte));
        self.at = end.map_or(self.text.len(), |end| self.at + end);
    }

    fn skip_comment(&mut self) -> Result<(), LexisError> {
        if self.dialect == Dialect::Mysql {
            let marker = if self.peek(2) == b'M' { 3 } else { 2 };
            match (self.peek(marker), self.code_comments) {
                (b'!', CodeComments::Code) => {
                    self.at += marker + 1;
                    while self.peek(0).is_ascii_digit() {
                        self.at += 1;
                    }
                    self.in_code_comment = true;
                    return Ok(());
                }
                (b'!' | b'+', CodeComments::Refuse) => return Err(LexisError::CommentIsCode),
                _ => {}
            }
        }
        let mut depth = 0_usize;
        let bytes = self.rest().as_bytes();
        let mut index = 0;
        while let Some(pair) = bytes.get(index..index + 2) {
            match pair {
                b"/*" if depth == 0 || self.dialect == Dialect::Postgres => {
                    depth += 1;
                    index += 2;
                }
                b"*/" => {
                    depth -= 1;
                    index += 2;
                    if depth == 0 {
                        self.at += index;
                        return Ok(());
                    }
                }
                _ => index += 1,
            }
        }
        Err(LexisError::Unterminated("comment"))
    }

    /// Moves behind a string or name that `quote` ends and a doubled `quote` does not.
    fn skip_quoted(&mut self, quote: u8, escapes: Escapes, what: &'static str) -> Result<(), LexisError> {
        let mut backslashes = 0_usize;
        loop {
            if self.at_end() {
                return Err(LexisError::Unterminated(what));
            }
            let byte = self.peek(0);
            self.at += 1;
            if byte == b'\\' {
                backslashes += 1;
                continue;
            }
            let after_backslash = backslashes % 2 == 1;
            backslashes = 0;
            if byte != quote {
                continue;
            }
            match escapes {
                Escapes::Unsure if after_backslash => return Err(LexisError::BackslashQuote),
                Escapes::Backslash if after_backslash => {}
                _ if self.peek(0) == quote => self.at += 1,
                _ => return Ok(()),
            }
        }
    }

    fn skip_dollar_quoted(&mut self) -> Result<bool, LexisError> {
        let rest = self.rest();
        let Some(tag) = dollar_tag(rest.as_bytes()).and_then(|length| rest.get(..length)) else { return Ok(false) };
        let body = rest.get(tag.len()..).unwrap_or_default();
        let end = memchr::memmem::find(body.as_bytes(), tag.as_bytes())
            .ok_or(LexisError::Unterminated("dollar-quoted string"))?;
        self.at += tag.len() + end + tag.len();
        Ok(true)
    }

    fn skip_word(&mut self) {
        let rest = self.rest().as_bytes();
        self.at += rest.iter().position(|byte| !continues_word(*byte)).unwrap_or(rest.len());
    }

    fn skip_number(&mut self) {
        let digits = |tokens: &mut Self| {
            while tokens.peek(0).is_ascii_digit() {
                tokens.at += 1;
            }
        };
        if self.peek(0) == b'0' && matches!(self.peek(1), b'x' | b'X') && self.peek(2).is_ascii_hexdigit() {
            self.at += 2;
            while self.peek(0).is_ascii_hexdigit() {
                self.at += 1;
            }
            return;
        }
        digits(self);
        if self.peek(0) == b'.' {
            self.at += 1;
            digits(self);
        }
        if matches!(self.peek(0), b'e' | b'E') {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + sign).is_ascii_digit() {
                self.at += 1 + sign;
                digits(self);
            }
        }
    }

    /// The plain strings of MySQL and PostgreSQL follow session settings; SQLite knows no escapes.
    fn plain_escapes(&self) -> Escapes {
        match self.dialect {
            Dialect::Sqlite => Escapes::None,
            // A dump says how it was written: mysqldump escapes with backslashes, pg_dump does not.
            Dialect::Mysql if self.code_comments == CodeComments::Code => Escapes::Backslash,
            Dialect::Postgres if self.code_comments == CodeComments::Code => Escapes::None,
            Dialect::Mysql | Dialect::Postgres => Escapes::Unsure,
        }
    }

    fn token(&mut self) -> Result<Kind, LexisError> {
        let first = self.peek(0);
        match (first, self.dialect) {
            (b'\'', _) => {
                self.at += 1;
                self.skip_quoted(b'\'', self.plain_escapes(), "string")?;
                Ok(Kind::Text)
            }
            (b'"', Dialect::Mysql) => {
                self.at += 1;
                self.skip_quoted(b'"', self.plain_escapes(), "string")?;
                Ok(Kind::Text)
            }
            (b'"', _) | (b'`', Dialect::Mysql | Dialect::Sqlite) => {
                self.at += 1;
                self.skip_quoted(first, Escapes::None, "quoted name")?;
                Ok(Kind::Quoted)
            }
            (b'[', Dialect::Sqlite) => {
                let end = self.rest().find(']').ok_or(LexisError::Unterminated("quoted name"))?;
                self.at += end + 1;
                Ok(Kind::Quoted)
            }
            (b'$', Dialect::Postgres | Dialect::Mysql) if self.peek(1).is_ascii_digit() => {
                self.at += 1;
                self.skip_word();
                Ok(Kind::Parameter)
            }
            (b'$', Dialect::Postgres) if self.skip_dollar_quoted()? => Ok(Kind::Text),
            (b'?', Dialect::Mysql | Dialect::Sqlite) | (b'$' | b'@' | b':', Dialect::Sqlite) => {
                self.at += 1;
                self.skip_word();
                Ok(Kind::Parameter)
            }
            (b'0'..=b'9', _) => {
                self.skip_number();
                Ok(Kind::Number)
            }
            _ if starts_word(first) => self.word(),
            (0..=0x1f | 0x7f, _) => Err(LexisError::Control),
            _ => {
                self.at += 1;
                Ok(Kind::Symbol)
            }
        }
    }

    /// A word, or the string that it is the prefix of.
    fn word(&mut self) -> Result<Kind, LexisError> {
        let prefix = self.peek(0).to_ascii_lowercase();
        if self.dialect == Dialect::Postgres
            && prefix == b'u'
            && self.peek(1) == b'&'
            && matches!(self.peek(2), b'\'' | b'"')
        {
            return Err(LexisError::UnicodeEscapes);
        }
        let escapes = match (prefix, self.dialect) {
            (b'e', Dialect::Postgres) => Some(Escapes::Backslash),
            (b'x' | b'b' | b'n', Dialect::Postgres | Dialect::Mysql) => Some(self.plain_escapes()),
            (b'x', Dialect::Sqlite) => Some(Escapes::None),
            _ => None,
        };
        if let (Some(escapes), b'\'') = (escapes, self.peek(1)) {
            self.at += 2;
            self.skip_quoted(b'\'', escapes, "string")?;
            return Ok(Kind::Text);
        }
        self.skip_word();
        Ok(Kind::Word)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Result<Token<'a>, LexisError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let token = self.skip_space().and_then(|spaced| {
            if self.at_end() {
                return Ok(None);
            }
            let start = self.at;
            let kind = self.token()?;
            Ok(Some(Token { kind, raw: self.text.get(start..self.at).unwrap_or_default(), spaced }))
        });
        self.failed = token.is_err();
        token.transpose()
    }
}

/// How a string treats a backslash.
#[derive(Clone, Copy)]
enum Escapes {
    /// As any other character.
    None,
    /// It escapes the next character.
    Backslash,
    /// By a setting of the session: where it matters for the string's end, the text is refused.
    Unsure,
}

/// Whether a name can begin with this byte.
pub(crate) fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// Whether a name can go on with this byte.
pub(crate) fn continues_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// The length of the `$tag$` that `bytes` begins with.
pub(crate) fn dollar_tag(bytes: &[u8]) -> Option<usize> {
    let inner = bytes.get(1..)?;
    let length = inner.iter().position(|byte| *byte == b'$')?;
    let tag = inner.get(..length)?;
    let named = tag.first().is_none_or(|first| starts_word(*first));
    (named && tag.iter().all(|byte| continues_word(*byte))).then_some(length + 2)
}
