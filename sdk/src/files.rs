//! A directory behind a slot.

mod lines;
mod writer;

use std::time::Duration;

use crate::bindings::exports::taskhost::host::task;
use crate::bindings::taskhost::host::files as wit;
use crate::parameters::{Size, is_kebab};
use crate::stream::Batched;
use crate::{ByteStream, Failure, FailureKind, Result};

pub use lines::TextLines;
pub use wit::{
    Codec, Cut, Details, Digest, Directory, Entry, Error, Examined, Filter, Holder, Kind, Line, Problem, Range,
    ReadOptions, Removed, SearchOptions, Searched, Space, Walked, WriteMode, Written,
};
pub use writer::Writer;

/// A slot for a directory. Make it a constant and name it in `#[task(slots = [...])]`.
#[derive(Clone, Copy, Debug)]
#[must_use = "name the slot in `#[task(slots = [...])]`"]
pub struct Slot {
    name: &'static str,
    why: &'static str,
    write: bool,
    delete: bool,
    optional: bool,
}

impl Slot {
    /// `why` is shown to the operator who decides.
    ///
    /// # Panics
    /// While compiling, if the name is not kebab-case.
    pub const fn new(name: &'static str, why: &'static str) -> Self {
        assert!(is_kebab(name), "a slot's name is kebab-case: a to z, 0 to 9 and `-`, and a letter first");
        Self { name, why, write: false, delete: false, optional: false }
    }

    /// Asks for reading, which is all that binding grants.
    pub const fn read(self) -> Self {
        self
    }

    /// Asks for creating, replacing, renaming, compressing and archiving.
    pub const fn write(self) -> Self {
        Self { write: true, ..self }
    }

    /// Asks for removing.
    pub const fn delete(self) -> Self {
        Self { delete: true, ..self }
    }

    /// The run can do without it.
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The directory behind the slot.
    ///
    /// # Errors
    /// An optional slot that is not bound, and a directory that is not there.
    pub fn open(&self) -> Result<Directory, Error> {
        wit::open(self.name)
    }

    #[doc(hidden)]
    pub fn describe(&self) -> task::Slot {
        let words = [(true, "read"), (self.write, "write"), (self.delete, "delete")];
        task::Slot {
            name: self.name.into(),
            capability: "files".into(),
            access: words.iter().filter(|(asked, _)| *asked).map(|(_, word)| (*word).into()).collect(),
            optional: self.optional,
            why: self.why.into(),
        }
    }
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Filter {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            kinds: Vec::new(),
            older_than: None,
            newer_than: None,
            larger_than: None,
            smaller_than: None,
            max_depth: None,
            closed_only: false,
        }
    }
}

/// ```
/// use taskhost_sdk::prelude::*;
///
/// let old_logs = files::Filter::new().include("*.log").exclude("audit").older_than(Duration::from_secs(86_400));
/// ```
impl Filter {
    /// All files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a glob of what is wanted: `**/*.log` over the path, or without a `/` over the name at any depth.
    #[must_use]
    pub fn include(mut self, glob: impl Into<String>) -> Self {
        self.include.push(glob.into());
        self
    }

    /// Adds a glob of what is left out; a directory that matches is not entered.
    #[must_use]
    pub fn exclude(mut self, glob: impl Into<String>) -> Self {
        self.exclude.push(glob.into());
        self
    }

    /// Adds a kind of entry; with none it is files only.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kinds.push(kind);
        self
    }

    /// Only what was last changed longer ago than this.
    #[must_use]
    pub fn older_than(mut self, age: Duration) -> Self {
        self.older_than = Some(age.as_secs());
        self
    }

    /// Only what was changed since.
    #[must_use]
    pub fn newer_than(mut self, age: Duration) -> Self {
        self.newer_than = Some(age.as_secs());
        self
    }

    /// Only what has at least this size.
    #[must_use]
    pub fn larger_than(mut self, size: Size) -> Self {
        self.larger_than = Some(size.0);
        self
    }

    /// Only what has at most this size.
    #[must_use]
    pub fn smaller_than(mut self, size: Size) -> Self {
        self.smaller_than = Some(size.0);
        self
    }

    /// Goes down so many levels; 1 is the directory's own entries.
    #[must_use]
    pub fn max_depth(mut self, levels: u32) -> Self {
        self.max_depth = Some(levels);
        self
    }

    /// Leaves out files that a process has open now.
    #[must_use]
    pub fn closed_only(mut self) -> Self {
        self.closed_only = true;
        self
    }
}

impl SearchOptions {
    /// All lines that a regular expression matches, in the syntax of the Rust regex crate; a compressed file is looked
    /// into. The fields say what else there is: `SearchOptions { ignore_case: true, ..SearchOptions::new("error") }`.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self {
            pattern: pattern.into(),
            ignore_case: false,
            invert: false,
            max_matches: None,
            count_only: false,
            tail_bytes: None,
            range: None,
            decode: Codec::Auto,
        }
    }
}

impl Directory {
    /// The entries that pass the filter, as they are found.
    ///
    /// # Errors
    /// A bad pattern, and a directory that cannot be read.
    pub async fn entries(&self, filter: Filter) -> Result<Entries, Error> {
        let (entries, end) = self.walk(filter).await?;
        Ok(Entries(Batched::new(entries, end)))
    }

    /// The bytes of a file, as they come; `decode` undoes a compression on the way.
    ///
    /// # Errors
    /// A path that is not there, no plain file, or out of bounds.
    pub async fn open_read(&self, path: &str, decode: Codec) -> Result<ByteStream<Error>, Error> {
        let (bytes, end) = self.read(path.into(), ReadOptions { range: None, decode }).await?;
        Ok(ByteStream::new(bytes, end))
    }

    /// A part of a file, by bytes as they are stored, as it comes.
    ///
    /// # Errors
    /// As [`open_read`](Self::open_read).
    pub async fn open_read_part(&self, path: &str, range: Range, decode: Codec) -> Result<ByteStream<Error>, Error> {
        let (bytes, end) = self.read(path.into(), ReadOptions { range: Some(range), decode }).await?;
        Ok(ByteStream::new(bytes, end))
    }

    /// A small file whole.
    ///
    /// # Errors
    /// As [`open_read`](Self::open_read), and a file of more than `limit` bytes.
    pub async fn read_small(&self, path: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let mut files = self.read_all(vec![path.into()], limit).await;
        files.pop().unwrap_or_else(|| Err(Error::Io("the host returned nothing".into())))
    }

    /// A small text file whole; bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// As [`read_small`](Self::read_small).
    pub async fn read_text(&self, path: &str, limit: u64) -> Result<String, Error> {
        let bytes = self.read_small(path, limit).await?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// The lines of a file of any size, as text. To look for something in it, [`find_lines`](Self::find_lines) is much
    /// quicker: the host does the looking.
    ///
    /// # Errors
    /// As [`open_read`](Self::open_read).
    pub async fn read_lines(&self, path: &str, decode: Codec) -> Result<TextLines, Error> {
        Ok(TextLines::new(self.open_read(path, decode).await?))
    }

    /// The lines of a file that a regular expression finds.
    ///
    /// # Errors
    /// A bad expression, and a file that cannot be read.
    pub async fn find_lines(&self, path: &str, options: SearchOptions) -> Result<Lines, Error> {
        let (lines, end) = self.search(path.into(), options).await?;
        Ok(Lines(Batched::new(lines, end)))
    }

    /// Writes `bytes` as a whole file, atomically.
    ///
    /// # Errors
    /// A path that is out of bounds, and a full disk: the old file is then untouched.
    pub async fn replace(&self, path: &str, bytes: Vec<u8>) -> Result<Written, Error> {
        let write = |bytes| self.write(path.into(), WriteMode::Replace, Codec::None, bytes);
        writer::fill(write, async |file| file.write(bytes).await.map(drop)).await
    }

    /// Writes a file piece by piece: `fill` is given the file to write to. When it fails, a file that is not appended to
    /// is left as it was.
    ///
    /// ```no_run
    /// # use taskhost_sdk::{files::{Codec, Directory, WriteMode}, prelude::*};
    /// # async fn example(directory: Directory, mut lines: files::TextLines) -> Result<()> {
    /// directory
    ///     .write_with("errors.log.gz", WriteMode::Replace, Codec::Auto, async |file| {
    ///         while let Some(line) = lines.next().await? {
    ///             file.write((line + "\n").into_bytes()).await?;
    ///         }
    ///         Ok(())
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What `fill` says; a path that is out of bounds, and a full disk.
    pub async fn write_with(
        &self,
        path: &str,
        mode: WriteMode,
        encode: Codec,
        fill: impl AsyncFnOnce(&mut Writer) -> Result<()>,
    ) -> Result<Written> {
        writer::fill(|bytes| self.write(path.into(), mode, encode, bytes), fill).await
    }
}

/// The entries of a walk.
pub struct Entries(Batched<Entry, Walked, Error>);

impl Entries {
    /// The next one. Entries are read from the host 1,024 at a time.
    ///
    /// # Errors
    /// What cut the walk short.
    pub async fn next(&mut self) -> Result<Option<Entry>, Error> {
        self.0.next().await
    }

    /// All entries, and what the walk says at its end.
    ///
    /// # Errors
    /// What cut the walk short.
    pub async fn collect(mut self) -> Result<(Vec<Entry>, Walked), Error> {
        let mut entries = Vec::new();
        while let Some(entry) = self.next().await? {
            entries.push(entry);
        }
        let walked = self.0.summary.ok_or_else(|| Error::Io("the walk did not end".into()))?;
        Ok((entries, walked))
    }

    /// What the walk says at its end; none before.
    pub fn walked(&self) -> Option<&Walked> {
        self.0.summary.as_ref()
    }
}

/// The lines of a search.
pub struct Lines(Batched<Line, Searched, Error>);

impl Lines {
    /// The next one.
    ///
    /// # Errors
    /// What cut the search short.
    pub async fn next(&mut self) -> Result<Option<Line>, Error> {
        self.0.next().await
    }

    /// What the search says at its end; none before.
    pub fn searched(&self) -> Option<&Searched> {
        self.0.summary.as_ref()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Refused(_) => FailureKind::Refused,
            Error::OverBudget(_) => FailureKind::OverBudget,
            _ => FailureKind::Failed,
        };
        Self { kind, message: message(&error) }
    }
}

/// An error for people.
pub fn message(error: &Error) -> String {
    match error {
        Error::Refused(message)
        | Error::OverBudget(message)
        | Error::NotFound(message)
        | Error::AlreadyExists(message)
        | Error::WrongKind(message)
        | Error::NoSpace(message)
        | Error::Invalid(message)
        | Error::Io(message) => message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_asks_for_all_that_it_was_told_to() {
        let described = Slot::new("logs", "old ones are removed").delete().write().describe();
        assert_eq!((described.capability.as_str(), described.optional), ("files", false));
        assert_eq!(described.access, ["read", "write", "delete"]);
        assert_eq!(Slot::new("logs", "they are read").read().describe().access, ["read"]);
    }

    #[test]
    fn every_error_ends_the_run_in_its_outcome() {
        for (error, kind) in [
            (Error::Refused("no".into()), FailureKind::Refused),
            (Error::OverBudget("no".into()), FailureKind::OverBudget),
            (Error::NotFound("no".into()), FailureKind::Failed),
            (Error::NoSpace("no".into()), FailureKind::Failed),
            (Error::Io("no".into()), FailureKind::Failed),
        ] {
            assert_eq!(Failure::from(error), Failure { kind, message: "no".into() });
        }
    }
}
