//! Where the statements of a dump begin and end. Follows psql, the mysql client and the sqlite3 shell in what ends a
//! statement; chunks may be cut at any byte.

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr_iter, memchr2, memmem};

use super::progress::{Progress, Tail};
use super::{Dialect, DumpError, Event, Inside, STATEMENT_LIMIT, Summary};
use crate::capability::sql::lexis::{continues_word, dollar_tag, starts_word};

/// Reads a dump. Feed it with [`push`](Self::push), end it with [`finish`](Self::finish).
pub(crate) struct Dump {
    pub(super) dialect: Dialect,
    /// What was pushed and not yet given out.
    pub(super) pending: BytesMut,
    /// How far `pending` is scanned.
    pub(super) at: usize,
    pub(super) state: State,
    pub(super) statement: Progress,
    /// What ends a statement; MySQL's DELIMITER sets it.
    delimiter: Vec<u8>,
    bytes: u64,
    pub(super) lines: u64,
    pub(super) complete: bool,
    /// What is still to come of the mark of an archive; none when this is none.
    archive: Option<&'static [u8]>,
}

/// What the next byte is inside of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Code,
    Quoted {
        quote: u8,
        backslash: bool,
    },
    Bracket,
    /// The rest of a number, or of a word that is too long to mean anything here.
    Run {
        word: bool,
    },
    Dollar {
        tag: Vec<u8>,
    },
    LineComment {
        kept: bool,
    },
    BlockComment {
        depth: usize,
        kept: bool,
    },
    Copy {
        line_start: bool,
    },
}

/// A word that is longer is no keyword and no name that a server takes whole.
const LONG_WORD: usize = 256;

/// What a step of the scanner found.
pub(super) enum Step {
    Continue,
    /// The next bytes decide.
    NeedMore,
}

impl Dump {
    /// A dump of this dialect.
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            pending: BytesMut::new(),
            at: 0,
            state: State::Code,
            statement: Progress::default(),
            delimiter: b";".to_vec(),
            bytes: 0,
            lines: 0,
            complete: false,
            archive: Some(b"PGDMP"),
        }
    }

    /// The line that the next byte stands on, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.lines + 1
    }

    /// Reads on, and gives what has become whole to `emit`.
    ///
    /// # Errors
    /// A dump that cannot be read on; nothing more must be pushed then.
    pub(crate) fn push(&mut self, chunk: Bytes, emit: &mut impl FnMut(Event)) -> Result<(), DumpError> {
        self.refuse_archive(&chunk)?;
        self.bytes += chunk.len() as u64;
        let chunk = match &self.state {
            State::Copy { .. } if self.pending.is_empty() => match self.copy(chunk, emit) {
                Some(rest) => rest,
                None => return Ok(()),
            },
            _ => chunk,
        };
        self.pending.extend_from_slice(&chunk);
        self.scan(false, emit)?;
        if self.pending.len() > STATEMENT_LIMIT {
            return Err(DumpError::TooLong { line: self.line() });
        }
        Ok(())
    }

    /// The archive formats of `pg_dump` begin with this; it may come in pieces.
    fn refuse_archive(&mut self, chunk: &[u8]) -> Result<(), DumpError> {
        let Some(rest) = self.archive else { return Ok(()) };
        let seen = rest.len().min(chunk.len());
        let (expected, rest) = rest.split_at(seen);
        if chunk.get(..seen) != Some(expected) {
            self.archive = None;
            return Ok(());
        }
        self.archive = Some(rest);
        if rest.is_empty() { Err(DumpError::Archive) } else { Ok(()) }
    }

    /// Ends the dump.
    ///
    /// # Errors
    /// A dump that ends inside of something.
    pub(crate) fn finish(mut self, emit: &mut impl FnMut(Event)) -> Result<Summary, DumpError> {
        self.scan(true, emit)?;
        let inside = match &self.state {
            State::Quoted { quote: b'\'', .. } => Some(Inside::String),
            State::Quoted { quote: b'"', .. } if self.dialect == Dialect::Mysql => Some(Inside::String),
            State::Quoted { .. } | State::Bracket => Some(Inside::Name),
            State::Dollar { .. } => Some(Inside::DollarString),
            State::BlockComment { .. } => Some(Inside::Comment),
            State::Copy { .. } => Some(Inside::Copy),
            _ if self.statement.begun => Some(Inside::Statement),
            State::Code | State::Run { .. } | State::LineComment { .. } => None,
        };
        let line = self.line() + memchr_iter(b'\n', &self.pending).count() as u64;
        match inside {
            Some(inside) => Err(DumpError::Truncated { byte: self.bytes, line, inside }),
            None => Ok(Summary { bytes: self.bytes, complete: self.complete }),
        }
    }

    /// Scans `pending` as far as its bytes decide. `last` says that no more will come.
    fn scan(&mut self, last: bool, emit: &mut impl FnMut(Event)) -> Result<(), DumpError> {
        while self.at < self.pending.len() {
            if let State::Copy { .. } = self.state {
                let rows = self.pending.split().freeze();
                self.at = 0;
                let Some(rest) = self.copy(rows, emit) else { return Ok(()) };
                self.pending.extend_from_slice(&rest);
                continue;
            }
            let step = match self.state.clone() {
                State::Code => self.code(last, emit)?,
                State::Quoted { quote, backslash } => self.quoted(quote, backslash, last),
                State::Bracket => self.until(b"]", last),
                State::Run { word } => self.run(word),
                State::Dollar { tag } => self.until(&tag, last),
                State::LineComment { kept } => self.line_comment(kept, last),
                State::BlockComment { depth, kept } => self.block_comment(depth, kept, last),
                State::Copy { .. } => Step::Continue,
            };
            if let Step::NeedMore = step {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn rest(&self) -> &[u8] {
        self.pending.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<u8> {
        self.pending.get(self.at + ahead).copied()
    }

    /// Gives away everything up to `at`, which is behind the statement.
    pub(super) fn take(&mut self) -> BytesMut {
        let taken = self.pending.split_to(self.at);
        self.at = 0;
        self.lines += memchr_iter(b'\n', &taken).count() as u64;
        taken
    }

    fn text(&self, bytes: &[u8]) -> Result<String, DumpError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.trim_end().to_owned()),
            Err(_) => Err(DumpError::Encoding { line: self.line() }),
        }
    }

    fn code(&mut self, last: bool, emit: &mut impl FnMut(Event)) -> Result<Step, DumpError> {
        if !self.statement.begun {
            let blank = self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            // A byte-order mark may stand before the first line.
            let mark = if self.rest().starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            if blank + mark > 0 {
                self.at += blank.max(mark);
                self.take();
                return Ok(Step::Continue);
            }
            if let Some(step) = self.client_line(last, emit)? {
                return Ok(step);
            }
        }
        let Some(first) = self.peek(0) else { return Ok(Step::NeedMore) };
        if let Some(step) = self.delimiter(last, emit)? {
            return Ok(step);
        }
        // Two bytes decide between an operator and a comment, three whether MySQL runs it.
        if matches!(first, b'-' | b'/') && self.rest().len() < 3 && !last {
            return Ok(Step::NeedMore);
        }
        if let Some(comment) = self.comment(first, last) {
            return Ok(comment);
        }
        match (first, self.dialect) {
            (b'\'', _) => self.enter(State::Quoted { quote: b'\'', backslash: self.dialect == Dialect::Mysql }, 1),
            (b'"', _) => self.enter(State::Quoted { quote: b'"', backslash: self.dialect == Dialect::Mysql }, 1),
            (b'`', Dialect::Mysql | Dialect::Sqlite) => {
                self.enter(State::Quoted { quote: b'`', backslash: false }, 1);
            }
            (b'[', Dialect::Sqlite) => self.enter(State::Bracket, 1),
            (b'$', Dialect::Postgres) => return Ok(self.dollar(last)),
            (b'\\', Dialect::Postgres) => return Err(DumpError::Meta { line: self.line() }),
            _ if starts_word(first) => return Ok(self.word(last)),
            _ => {
                match first {
                    b'(' => self.statement.parentheses += 1,
                    b')' => self.statement.parentheses = self.statement.parentheses.saturating_sub(1),
                    _ => {}
                }
                if !first.is_ascii_whitespace() {
                    self.statement.begun = true;
                    self.statement.tail = Tail::Other;
                }
                // The letters in a number are no word: 1e5, 0x27.
                if first.is_ascii_digit() {
                    self.state = State::Run { word: false };
                }
                self.at += 1;
            }
        }
        Ok(Step::Continue)
    }

    fn enter(&mut self, state: State, length: usize) {
        self.statement.begun = true;
        self.statement.tail = Tail::Other;
        self.state = state;
        self.at += length;
    }

    /// A line for the client, which stands between statements: `\connect`, `.mode`, `DELIMITER`.
    fn client_line(&mut self, last: bool, emit: &mut impl FnMut(Event)) -> Result<Option<Step>, DumpError> {
        const DELIMITER: &[u8] = b"delimiter";
        let rest = self.rest();
        let meta = match (rest.first(), self.dialect) {
            (Some(b'\\'), _) | (Some(b'.'), Dialect::Sqlite) => true,
            (Some(b'd' | b'D'), Dialect::Mysql) => {
                let seen = rest.len().min(DELIMITER.len());
                let expected = DELIMITER.get(..seen).unwrap_or_default();
                if !rest.get(..seen).unwrap_or_default().eq_ignore_ascii_case(expected) {
                    return Ok(None);
                }
                match rest.get(DELIMITER.len()) {
                    None if last => return Ok(None),
                    None => return Ok(Some(Step::NeedMore)),
                    Some(next) if !next.is_ascii_whitespace() => return Ok(None),
                    Some(_) => false,
                }
            }
            _ => return Ok(None),
        };
        let Some(length) = memchr(b'\n', rest).map(|end| end + 1).or(last.then_some(rest.len())) else {
            return Ok(Some(Step::NeedMore));
        };
        self.at += length;
        let line = self.take();
        let line = self.text(&line)?;
        if meta {
            emit(Event::Meta(line));
        } else if let Some(delimiter) = line.split_ascii_whitespace().nth(1) {
            self.delimiter = delimiter.as_bytes().to_vec();
        }
        Ok(Some(Step::Continue))
    }

    /// What ends the statement, unless it stands in a body.
    fn delimiter(&mut self, last: bool, emit: &mut impl FnMut(Event)) -> Result<Option<Step>, DumpError> {
        let rest = self.rest();
        let seen = rest.len().min(self.delimiter.len());
        if rest.get(..seen) != self.delimiter.get(..seen) {
            return Ok(None);
        }
        if seen < self.delimiter.len() {
            return Ok(if last { None } else { Some(Step::NeedMore) });
        }
        let inside = match self.dialect {
            Dialect::Postgres => self.statement.parentheses > 0 || self.statement.blocks > 0,
            Dialect::Sqlite => self.statement.is_trigger() && self.statement.tail != Tail::End,
            Dialect::Mysql => false,
        };
        if inside {
            self.statement.tail = Tail::Semicolon;
            self.at += seen;
            return Ok(Some(Step::Continue));
        }
        let copies = self.statement.copies(self.dialect, self.pending.get(..self.at).unwrap_or_default());
        let end = self.at;
        if copies {
            // The rows begin behind the line's end.
            let line = rest.get(seen..).unwrap_or_default();
            let Some(length) = memchr(b'\n', line) else {
                if line.iter().all(u8::is_ascii_whitespace) {
                    return Ok(Some(Step::NeedMore));
                }
                return Err(DumpError::CopyLine { line: self.line() });
            };
            if !line.get(..length).unwrap_or_default().iter().all(u8::is_ascii_whitespace) {
                return Err(DumpError::CopyLine { line: self.line() });
            }
            self.at += seen + length + 1;
        } else {
            self.at += seen;
        }
        let statement = self.take();
        let statement = self.text(statement.get(..end).unwrap_or_default())?;
        let begun = std::mem::take(&mut self.statement).begun;
        if copies {
            emit(Event::CopyBegin(statement));
            self.state = State::Copy { line_start: true };
        } else if begun {
            if self.dialect == Dialect::Sqlite {
                self.complete = statement.eq_ignore_ascii_case("commit");
            }
            emit(Event::Statement(statement));
        }
        Ok(Some(Step::Continue))
    }

    fn quoted(&mut self, quote: u8, backslash: bool, last: bool) -> Step {
        let found = if backslash { memchr2(quote, b'\\', self.rest()) } else { memchr(quote, self.rest()) };
        let Some(found) = found else {
            self.at = self.pending.len();
            return Step::NeedMore;
        };
        self.at += found;
        match (self.peek(0) == Some(quote), self.peek(1)) {
            (_, None) if !last => return Step::NeedMore,
            (true, Some(next)) if next == quote => self.at += 2,
            (true, _) => {
                self.state = State::Code;
                self.at += 1;
            }
            (false, _) => self.at = (self.at + 2).min(self.pending.len()),
        }
        Step::Continue
    }

    fn run(&mut self, word: bool) -> Step {
        let goes_on = |byte: &u8| if word { continues_word(*byte) } else { byte.is_ascii_alphanumeric() };
        let length = self.rest().iter().take_while(|byte| goes_on(byte)).count();
        self.at += length;
        if self.at < self.pending.len() {
            self.state = State::Code;
        }
        Step::Continue
    }

    /// Moves behind `end`.
    fn until(&mut self, end: &[u8], last: bool) -> Step {
        if let Some(found) = memmem::find(self.rest(), end) {
            self.at += found + end.len();
            self.state = State::Code;
            return Step::Continue;
        }
        let kept = if last { 0 } else { end.len().saturating_sub(1) };
        self.at = self.at.max(self.pending.len().saturating_sub(kept));
        Step::NeedMore
    }

    fn dollar(&mut self, last: bool) -> Step {
        let rest = self.rest();
        if let Some(tag) = dollar_tag(rest).and_then(|length| rest.get(..length)).map(<[u8]>::to_vec) {
            let length = tag.len();
            self.enter(State::Dollar { tag }, length);
            return Step::Continue;
        }
        let could_be = rest.iter().skip(1).all(|byte| continues_word(*byte));
        if could_be && !last {
            return Step::NeedMore;
        }
        self.at += 1;
        Step::Continue
    }

    fn word(&mut self, last: bool) -> Step {
        let rest = self.rest();
        let length = rest.iter().position(|byte| !continues_word(*byte)).unwrap_or(rest.len());
        if length > LONG_WORD {
            self.statement.word(self.dialect, b"");
            self.state = State::Run { word: true };
            return Step::Continue;
        }
        if length == rest.len() && !last {
            return Step::NeedMore;
        }
        let word = rest.get(..length).unwrap_or_default();
        // E'..' of PostgreSQL takes backslashes.
        if self.dialect == Dialect::Postgres && word.eq_ignore_ascii_case(b"e") && rest.get(1) == Some(&b'\'') {
            self.enter(State::Quoted { quote: b'\'', backslash: true }, 2);
            return Step::Continue;
        }
        let word = word.to_vec();
        self.statement.word(self.dialect, &word);
        self.at += length;
        Step::Continue
    }
}
