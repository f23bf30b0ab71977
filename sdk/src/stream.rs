//! Streams, read in batches.

use crate::bindings::taskhost::host::{files, sql, tls};
use wit_bindgen::rt::async_support::{FutureReader, StreamReader, StreamResult};

/// Bytes that come from the host, and how they ended. Passed on as they are (`database.restore(file)`), they do not
/// enter the plugin's memory.
pub struct ByteStream<E: 'static> {
    pub(crate) bytes: StreamReader<u8>,
    pub(crate) end: FutureReader<Result<u64, E>>,
}

/// Bytes asked for at once.
const CHUNK: usize = 64 * 1024;
/// Items asked for at once.
pub(crate) const BATCH: usize = 1024;

impl<E> ByteStream<E> {
    /// The next bytes, in a buffer that is used again; none at the end.
    ///
    /// # Errors
    /// What cut the stream short.
    pub async fn next(&mut self, buffer: Vec<u8>) -> Result<Option<Vec<u8>>, E>
    where
        E: From<ClosedEarly>,
    {
        let mut buffer = buffer;
        buffer.clear();
        buffer.reserve(CHUNK);
        loop {
            let (result, read) = self.bytes.read(buffer).await;
            match result {
                StreamResult::Complete(_) if read.is_empty() => buffer = read,
                StreamResult::Complete(_) => return Ok(Some(read)),
                StreamResult::Dropped if !read.is_empty() => return Ok(Some(read)),
                StreamResult::Dropped | StreamResult::Cancelled => return Ok(None),
            }
        }
    }

    /// All bytes, when there are at most `limit`; how they ended is checked.
    ///
    /// # Errors
    /// What cut the stream short, or more bytes than `limit`.
    pub async fn collect(mut self, limit: usize) -> Result<Vec<u8>, E>
    where
        E: From<ClosedEarly>,
    {
        let mut all = Vec::new();
        let mut buffer = Vec::new();
        while let Some(chunk) = self.next(buffer).await? {
            all.extend_from_slice(&chunk);
            if all.len() > limit {
                return Err(ClosedEarly(format!("there are more than {limit} bytes")).into());
            }
            buffer = chunk;
        }
        self.finish().await?;
        Ok(all)
    }

    /// How it ended, once all bytes were taken: their number.
    ///
    /// # Errors
    /// What cut the stream short.
    pub async fn finish(self) -> Result<u64, E> {
        drop(self.bytes);
        self.end.await
    }

    /// The stream, to be passed on, and its end, to be awaited afterwards: a stream that was cut short looks like one
    /// that ended.
    pub fn split(self) -> (StreamReader<u8>, End<E>) {
        (self.bytes, End(self.end))
    }
}

/// How a stream that was passed on ended.
pub struct End<E: 'static>(FutureReader<Result<u64, E>>);

impl<E> End<E> {
    /// The number of bytes that the stream had.
    ///
    /// # Errors
    /// What cut it short.
    pub async fn finish(self) -> Result<u64, E> {
        self.0.await
    }
}

/// A stream that the reader gave up.
#[derive(Debug)]
pub struct ClosedEarly(pub(crate) String);

impl From<ClosedEarly> for files::Error {
    fn from(error: ClosedEarly) -> Self {
        Self::Invalid(error.0)
    }
}

impl From<ClosedEarly> for sql::Error {
    fn from(error: ClosedEarly) -> Self {
        Self::Invalid(error.0)
    }
}

impl From<ClosedEarly> for tls::Error {
    fn from(error: ClosedEarly) -> Self {
        Self::Invalid(error.0)
    }
}

/// Items that come from the host in batches, and how they ended.
pub(crate) struct Batched<T: 'static, S: 'static, E: 'static> {
    items: Option<StreamReader<T>>,
    end: Option<FutureReader<Result<S, E>>>,
    batch: std::vec::IntoIter<T>,
    /// What the end said, once it was reached.
    pub(crate) summary: Option<S>,
}

impl<T, S, E> Batched<T, S, E> {
    pub(crate) fn new(items: StreamReader<T>, end: FutureReader<Result<S, E>>) -> Self {
        Self { items: Some(items), end: Some(end), batch: Vec::new().into_iter(), summary: None }
    }

    /// The next item. At the end of the stream its end is awaited, so that items that were cut short are an error.
    pub(crate) async fn next(&mut self) -> Result<Option<T>, E> {
        loop {
            if let Some(item) = self.batch.next() {
                return Ok(Some(item));
            }
            let Some(items) = &mut self.items else { return Ok(None) };
            let (result, batch) = items.read(Vec::with_capacity(BATCH)).await;
            let ended = !matches!(result, StreamResult::Complete(_));
            self.batch = batch.into_iter();
            if ended {
                self.items = None;
                if let Some(end) = self.end.take() {
                    self.summary = Some(end.await?);
                }
            }
        }
    }
}
