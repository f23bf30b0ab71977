//! Streams, read in batches.

use std::pin::Pin;

use crate::bindings::taskhost::host::{files, sql, tls};
use wit_bindgen::rt::async_support::{FutureReader, StreamReader, StreamResult};

/// Bytes that come from the host, and how they ended. Passed on as they are (`database.restore_from(file)`), they do not
/// enter the plugin's memory.
pub struct ByteStream<E: 'static> {
    bytes: StreamReader<u8>,
    end: End<E>,
}

/// Bytes asked for at once.
pub(crate) const CHUNK: usize = 64 * 1024;
/// Items asked for at once.
pub(crate) const BATCH: usize = 1024;

impl<E> ByteStream<E> {
    pub(crate) fn new(bytes: StreamReader<u8>, end: FutureReader<Result<u64, E>>) -> Self {
        Self { bytes, end: End::new(end) }
    }

    /// The next bytes, in a buffer that is used again; none at the end. At the end the host is asked how it came, so that
    /// bytes that were cut short are an error.
    ///
    /// # Errors
    /// What cut the stream short.
    pub async fn next(&mut self, mut buffer: Vec<u8>) -> Result<Option<Vec<u8>>, E>
    where
        E: Clone,
    {
        buffer.clear();
        buffer.reserve(CHUNK);
        loop {
            let (result, read) = self.bytes.read(buffer).await;
            if !read.is_empty() {
                return Ok(Some(read));
            }
            if !matches!(result, StreamResult::Complete(_)) {
                return self.end.reach().await.map(|_| None);
            }
            buffer = read;
        }
    }

    /// All bytes, when there are at most `limit`; how they ended is checked.
    ///
    /// # Errors
    /// What cut the stream short, or more bytes than `limit`.
    pub async fn collect(mut self, limit: usize) -> Result<Vec<u8>, E>
    where
        E: From<ClosedEarly> + Clone,
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
        Ok(all)
    }

    /// How it ended, once all bytes were taken: their number.
    ///
    /// # Errors
    /// What cut the stream short.
    pub async fn finish(self) -> Result<u64, E> {
        drop(self.bytes);
        self.end.finish().await
    }

    /// The stream, to be passed on, and its end, to be awaited afterwards: a stream that was cut short looks like one
    /// that ended.
    pub fn split(self) -> (StreamReader<u8>, End<E>) {
        (self.bytes, self.end)
    }
}

impl<E> std::fmt::Debug for ByteStream<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByteStream").finish_non_exhaustive()
    }
}

/// How a stream that was passed on ended.
#[must_use = "a stream that was cut short looks like one that ended: `finish` tells them apart"]
pub struct End<E: 'static>(Ending<E>);

enum Ending<E> {
    // Boxed, to be waited for again by whoever comes after one that stopped waiting.
    Ahead(Pin<Box<dyn Future<Output = Result<u64, E>>>>),
    Reached(Result<u64, E>),
}

impl<E> End<E> {
    fn new(end: impl IntoFuture<Output = Result<u64, E>, IntoFuture: 'static>) -> Self {
        Self(Ending::Ahead(Box::pin(end.into_future())))
    }

    /// The number of bytes that the stream had.
    ///
    /// # Errors
    /// What cut it short.
    pub async fn finish(self) -> Result<u64, E> {
        match self.0 {
            Ending::Ahead(end) => end.await,
            Ending::Reached(end) => end,
        }
    }

    /// The same, as often as it is asked.
    async fn reach(&mut self) -> Result<u64, E>
    where
        E: Clone,
    {
        match &mut self.0 {
            Ending::Ahead(end) => {
                let end = end.await;
                self.0 = Ending::Reached(end.clone());
                end
            }
            Ending::Reached(end) => end.clone(),
        }
    }
}

impl<E> std::fmt::Debug for End<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("End").finish_non_exhaustive()
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
