//! Comments of a dump: what is one, where it ends, and the one that says that the dump is whole.

use memchr::{memchr, memchr2};

use super::Dialect;
use super::scanner::{Dump, State, Step};

/// Bytes of a line that tell whether it is the closing one.
const TOLD_BY: usize = 64;

impl Dump {
    /// The comment that begins here, if one does.
    pub(super) fn comment(&mut self, first: u8, last: bool) -> Option<Step> {
        let kept = self.statement.begun;
        let line = match (first, self.peek(1), self.dialect) {
            (b'-', Some(b'-'), Dialect::Mysql) => self.peek(2).map_or(last, |next| next.is_ascii_whitespace()),
            (b'-', Some(b'-'), _) | (b'#', _, Dialect::Mysql) => true,
            _ => false,
        };
        if line {
            self.state = State::LineComment { kept };
            return Some(Step::Continue);
        }
        if first != b'/' || self.peek(1) != Some(b'*') {
            return None;
        }
        if self.dialect == Dialect::Mysql {
            // `/*!` is code, except for the mark that opens a MariaDB dump and that no server runs.
            const SANDBOX: &[u8] = b"/*M!999999\\-";
            let seen = self.rest().len().min(SANDBOX.len());
            if self.rest().get(..seen) == SANDBOX.get(..seen) && seen < SANDBOX.len() && !last {
                return Some(Step::NeedMore);
            }
            let code = self.peek(2) == Some(b'!') || (self.peek(2) == Some(b'M') && self.peek(3) == Some(b'!'));
            if code && !self.rest().starts_with(SANDBOX) {
                self.statement.begun = true;
                self.at += 3;
                return Some(Step::Continue);
            }
        }
        self.state = State::BlockComment { depth: 0, kept };
        Some(Step::Continue)
    }

    pub(super) fn line_comment(&mut self, kept: bool, last: bool) -> Step {
        let Some(length) = memchr(b'\n', self.rest()).or(last.then_some(self.rest().len())) else {
            // A comment between statements need not be held, beyond what tells the closing line.
            if !kept {
                self.pending.truncate(self.at + TOLD_BY);
            }
            return Step::NeedMore;
        };
        let closing: &[u8] = match self.dialect {
            Dialect::Postgres => b"-- PostgreSQL database dump complete",
            Dialect::Mysql => b"-- Dump completed",
            Dialect::Sqlite => b"\0",
        };
        if !kept && self.rest().starts_with(closing) {
            self.complete = true;
        }
        self.at += length;
        self.end_comment(kept)
    }

    pub(super) fn block_comment(&mut self, mut depth: usize, kept: bool, last: bool) -> Step {
        loop {
            let Some(next) = memchr2(b'/', b'*', self.rest()) else {
                self.at = self.pending.len();
                break;
            };
            self.at += next;
            match (self.peek(0), self.peek(1)) {
                (_, None) if !last => break,
                (Some(b'/'), Some(b'*')) if depth == 0 || self.dialect == Dialect::Postgres => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth = depth.saturating_sub(1);
                    self.at += 2;
                    if depth == 0 {
                        return self.end_comment(kept);
                    }
                }
                _ => self.at += 1,
            }
            self.state = State::BlockComment { depth, kept };
        }
        self.state = State::BlockComment { depth, kept };
        Step::NeedMore
    }

    fn end_comment(&mut self, kept: bool) -> Step {
        self.state = State::Code;
        if !kept {
            self.take();
        }
        Step::Continue
    }
}
