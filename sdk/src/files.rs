//! A directory behind a slot.

use crate::bindings::exports::taskhost::host::task;
use crate::bindings::taskhost::host::files as wit;
use crate::stream::Batched;
use crate::{ByteStream, Failure, FailureKind, Result};

pub use wit::{
    Codec, Digest, Directory, Entry, Error, Filter, Kind, Line, Problem, Range, ReadOptions, Removed, SearchOptions,
    Searched, Space, Walked, WriteMode, Written,
};

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
    pub const fn new(name: &'static str, why: &'static str) -> Self {
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
        Ok(ByteStream { bytes, end })
    }

    /// A small file whole.
    ///
    /// # Errors
    /// As [`open_read`](Self::open_read), and a file of more than `limit` bytes.
    pub async fn read_small(&self, path: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let mut files = self.read_all(vec![path.into()], limit).await;
        files.pop().unwrap_or_else(|| Err(Error::Io("the host returned nothing".into())))
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
        let (mut writer, reader) = crate::bindings::wit_stream::new();
        let written = self.write(path.into(), WriteMode::Replace, Codec::None, reader);
        let fill = async move {
            writer.write_all(bytes).await;
            drop(writer);
        };
        both(written, fill).await
    }
}

/// Awaits both, and returns what the first gives.
async fn both<T>(first: impl Future<Output = T>, second: impl Future<Output = ()>) -> T {
    let (mut first, mut second) = (std::pin::pin!(first), std::pin::pin!(second));
    let (mut value, mut filled) = (None, false);
    std::future::poll_fn(|context| {
        if !filled && second.as_mut().poll(context).is_ready() {
            filled = true;
        }
        if value.is_none()
            && let std::task::Poll::Ready(ready) = first.as_mut().poll(context)
        {
            value = Some(ready);
        }
        match value.take() {
            Some(ready) if filled => std::task::Poll::Ready(ready),
            waiting => {
                value = waiting;
                std::task::Poll::Pending
            }
        }
    })
    .await
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
