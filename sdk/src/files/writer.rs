//! Writing a file piece by piece, while the host takes the pieces.

use std::pin::pin;
use std::task::Poll;

use wit_bindgen::rt::async_support::{StreamReader, StreamWriter};

use super::{Error, Written};
use crate::Result;

/// A file that is being written.
pub struct Writer {
    bytes: StreamWriter<u8>,
    /// The host takes no more: why, its own answer says.
    let_go: bool,
}

impl Writer {
    /// Writes all of `bytes`, and hands the buffer back, empty, to be used again. Pieces of some 64 KiB are quickest.
    ///
    /// # Errors
    /// The host takes no more of this file. What `write_with` returns then says why.
    pub async fn write(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        let mut rest = self.bytes.write_all(bytes).await;
        if rest.is_empty() {
            rest.clear();
            return Ok(rest);
        }
        self.let_go = true;
        Err(Error::Io("the host takes no more of the file".into()))
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// Lets `fill` write while `write` has the host take it. When `fill` fails the call is taken back before the stream ends:
/// a stream that just ended would look whole to the host.
pub(super) async fn fill<W, E>(
    write: impl FnOnce(StreamReader<u8>) -> W,
    fill: impl AsyncFnOnce(&mut Writer) -> Result<(), E>,
) -> Result<Written, E>
where
    W: Future<Output = Result<Written, Error>>,
    E: From<Error>,
{
    let (bytes, reader) = crate::bindings::wit_stream::new();
    let mut writer = Writer { bytes, let_go: false };
    let mut write = Box::pin(write(reader));
    let filled = {
        let mut fill = pin!(fill(&mut writer));
        let mut written = None;
        let filled = std::future::poll_fn(|context| {
            if written.is_none()
                && let Poll::Ready(ended) = write.as_mut().poll(context)
            {
                written = Some(ended);
            }
            fill.as_mut().poll(context)
        });
        let filled = filled.await;
        match written {
            // The host was done first, which it only is when it refuses or fails.
            Some(written) => return Ok(written?),
            None => filled,
        }
    };
    match filled {
        Err(failure) if !writer.let_go => {
            drop(write);
            Err(failure)
        }
        _ => {
            drop(writer);
            Ok(write.await?)
        }
    }
}
