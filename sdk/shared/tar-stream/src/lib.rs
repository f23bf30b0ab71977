//! Walks a tar archive as its bytes come by, for plugins that must know whether one is whole and what is in it: members
//! with their names and kinds, their content, and the mark at the end.
//!
//! It holds one header at a time, whatever the archive's size, and takes nothing on trust: the archive may be cut short,
//! damaged or made to harm. It must never call an archive whole of which it did not see the end.
//!
//! What it takes to write one is in [`mod@write`].
//!
//! Formats read: v7, ustar, pax (POSIX.1-2001) and GNU, with long names and sparse files.

mod header;
pub mod write;

use header::{BLOCK, Entry, Header, Word};

/// The longest name or set of pax records.
const EXTENSION_LIMIT: u64 = 1 << 20;

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A plain file, whose content follows.
    File,
    /// A directory.
    Directory,
    /// A symbolic or hard link.
    Link,
    /// A device or pipe, a file stored with holes, or something of a kind that is not known.
    Other,
}

/// One member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// As it is stored, in bytes.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Bytes of content that follow.
    pub size: u64,
    /// Seconds since 1970 of the last change.
    pub modified: i64,
}

/// What comes next in an archive.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A member begins.
    Member(Member),
    /// More of its content.
    Content(&'a [u8]),
    /// All of its content was there.
    MemberEnd,
}

/// Why an archive is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The byte of the archive, decompressed, at or before which it shows.
    pub at: u64,
    /// What is wrong, for people.
    pub what: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

/// What an archive was, once all of it went by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Members of all kinds.
    pub members: u64,
    /// Bytes of their content.
    pub content: u64,
}

/// Takes an archive in, piece by piece.
#[derive(Debug, Default)]
pub struct Walker {
    /// Bytes taken in.
    at: u64,
    state: State,
    block: Vec<u8>,
    /// What extension headers said of the next member.
    words: Vec<Word>,
    summary: Summary,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Header,
    /// A header's own extension: more of its map of holes.
    SparseMap(Member),
    /// A long name, or pax records.
    Extension {
        kind: u8,
        size: u64,
        left: u64,
        text: Vec<u8>,
    },
    Content {
        left: u64,
        padding: u64,
    },
    Padding(u64),
    /// After one block of zeros.
    Ending,
    Ended,
}

impl Walker {
    /// Nothing was seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes from the front of `input` until there is something to tell; none when all were taken.
    ///
    /// # Errors
    /// Where the archive is damaged; nothing after that can be told.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, Damage> {
        while !input.is_empty() || matches!(self.state, State::Content { left: 0, .. }) {
            if let Some(event) = self.step(input)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Whether the mark at the end was seen: what comes after it is no part of the archive.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// What the archive was, once all bytes were taken in.
    ///
    /// # Errors
    /// An archive that has no end.
    pub fn finish(self) -> Result<Summary, Damage> {
        let what = match &self.state {
            // One block of zeros is an end that some programs write.
            State::Ended | State::Ending if self.block.is_empty() => return Ok(self.summary),
            State::Header if self.block.is_empty() && self.at > 0 => "the archive ends without its end mark",
            State::Header if self.at == 0 => "the archive is empty",
            _ => "the archive is cut short",
        };
        Err(Damage { at: self.at, what: what.into() })
    }

    fn step<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, Damage> {
        match &mut self.state {
            State::Header | State::Ending | State::SparseMap(_) => {
                if !self.fill_block(input) {
                    return Ok(None);
                }
                let block = std::mem::take(&mut self.block);
                match std::mem::take(&mut self.state) {
                    State::SparseMap(member) => Ok(self.sparse_map(&block, member)),
                    State::Ending => self.after_zeros(&block),
                    _ => self.header(&block),
                }
            }
            State::Extension { left, text, .. } => {
                let taken = take(input, left);
                text.extend_from_slice(taken);
                self.at += taken.len() as u64;
                if let State::Extension { kind, size, left: 0, text } = &self.state {
                    let size = *size;
                    let words = header::words(*kind, text)
                        .ok_or_else(|| Damage { at: self.at, what: "an extended header that cannot be read".into() })?;
                    self.words.extend(words);
                    self.state = State::Padding(padding(size));
                }
                Ok(None)
            }
            State::Content { left: 0, padding } => {
                self.state = State::Padding(*padding);
                Ok(Some(Event::MemberEnd))
            }
            State::Content { left, .. } => {
                let taken = take(input, left);
                self.at += taken.len() as u64;
                self.summary.content += taken.len() as u64;
                Ok(Some(Event::Content(taken)))
            }
            State::Padding(left) => {
                self.at += take(input, left).len() as u64;
                if *left == 0 {
                    self.state = State::Header;
                }
                Ok(None)
            }
            State::Ended => {
                self.at += input.len() as u64;
                *input = &[];
                Ok(None)
            }
        }
    }

    /// Whether a whole block is there.
    fn fill_block(&mut self, input: &mut &[u8]) -> bool {
        let mut room = (BLOCK - self.block.len()) as u64;
        let taken = take(input, &mut room);
        self.block.extend_from_slice(taken);
        self.at += taken.len() as u64;
        room == 0
    }

    fn damaged(&self, what: &str) -> Damage {
        Damage { at: self.at, what: what.into() }
    }

    fn after_zeros<'a>(&mut self, block: &[u8]) -> Result<Option<Event<'a>>, Damage> {
        if block.iter().all(|byte| *byte == 0) {
            self.state = State::Ended;
            return Ok(None);
        }
        Err(self.damaged("something follows a block of zeros that is no end mark"))
    }

    fn header<'a>(&mut self, block: &[u8]) -> Result<Option<Event<'a>>, Damage> {
        if block.iter().all(|byte| *byte == 0) {
            self.state = State::Ending;
            return Ok(None);
        }
        let header = Header::read(block).map_err(|what| self.damaged(what))?;
        match header.entry {
            Entry::Extension(_) if header.size > EXTENSION_LIMIT => {
                Err(self.damaged("an extended header of more than 1 MiB"))
            }
            Entry::Extension(_) if header.size == 0 => {
                self.state = State::Header;
                Ok(None)
            }
            Entry::Extension(kind) => {
                self.state = State::Extension { kind, size: header.size, left: header.size, text: Vec::new() };
                Ok(None)
            }
            Entry::Member { .. } => {
                let map_goes_on = header.map_goes_on;
                let member = header.member(std::mem::take(&mut self.words));
                if map_goes_on {
                    self.state = State::SparseMap(member);
                    return Ok(None);
                }
                Ok(Some(self.begin(member)))
            }
        }
    }

    fn sparse_map<'a>(&mut self, block: &[u8], member: Member) -> Option<Event<'a>> {
        // 21 pairs of numbers, and whether another block follows.
        if block.get(504).is_some_and(|more| *more != 0) {
            self.state = State::SparseMap(member);
            return None;
        }
        Some(self.begin(member))
    }

    fn begin<'a>(&mut self, member: Member) -> Event<'a> {
        self.summary.members += 1;
        self.state = State::Content { left: member.size, padding: padding(member.size) };
        Event::Member(member)
    }
}

/// At most `left` bytes from the front.
fn take<'a>(input: &mut &'a [u8], left: &mut u64) -> &'a [u8] {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    let (taken, rest) = input.split_at(count);
    *input = rest;
    *left -= count as u64;
    taken
}

/// Zeros after so many bytes of content.
fn padding(size: u64) -> u64 {
    (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64
}

#[cfg(test)]
mod tests;
