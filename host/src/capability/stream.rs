//! Streams between rooms and guests: items and bytes travel in batches over bounded channels, so that a slow guest holds
//! the backend back, and a guest that lets go ends it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;
use wasmtime::StoreContextMut;
use wasmtime::component::{Destination, Source, StreamConsumer, StreamProducer, StreamResult, VecBuffer};

/// Gives a guest the batches that come over a channel; the stream ends when the sender is dropped.
pub struct Batches<T> {
    receiver: mpsc::Receiver<Vec<T>>,
}

impl<T> Batches<T> {
    /// From the receiving end of a channel.
    pub fn new(receiver: mpsc::Receiver<Vec<T>>) -> Self {
        Self { receiver }
    }
}

impl<D, T: Send + Sync + 'static> StreamProducer<D> for Batches<T> {
    type Item = T;
    type Buffer = VecBuffer<T>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, T, VecBuffer<T>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        loop {
            match self.receiver.poll_recv(context) {
                Poll::Ready(Some(batch)) if batch.is_empty() => {}
                Poll::Ready(Some(batch)) => {
                    destination.set_buffer(batch.into());
                    return Poll::Ready(Ok(StreamResult::Completed));
                }
                Poll::Ready(None) => return Poll::Ready(Ok(StreamResult::Dropped)),
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Gives a guest the bytes that come over a channel, copied straight into its buffer. Handed back to the host by the
/// guest, the channel itself is taken out (see [`into_receiver`]), and no byte passes through the guest.
pub struct ByteChunks {
    receiver: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

impl ByteChunks {
    /// From the receiving end of a channel.
    pub fn new(receiver: mpsc::Receiver<Bytes>) -> Self {
        Self { receiver, rest: Bytes::new() }
    }
}

impl<D> StreamProducer<D> for ByteChunks {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        destination: Destination<'a, u8, VecBuffer<u8>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        while self.rest.is_empty() {
            match self.receiver.poll_recv(context) {
                Poll::Ready(Some(chunk)) => self.rest = chunk,
                Poll::Ready(None) => return Poll::Ready(Ok(StreamResult::Dropped)),
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
            }
        }
        let capacity = self.rest.len();
        let mut direct = destination.as_direct(store, capacity);
        let room = direct.remaining();
        let count = room.len().min(self.rest.len());
        let (room, _) = room.split_at_mut(count);
        self.rest.copy_to_slice(room);
        direct.mark_written(count);
        Poll::Ready(Ok(StreamResult::Completed))
    }

    fn try_into(me: Pin<Box<Self>>, kind: std::any::TypeId) -> Result<Box<dyn std::any::Any>, Pin<Box<Self>>> {
        if kind != std::any::TypeId::of::<Self>() {
            return Err(me);
        }
        let chunks: Box<Self> = Pin::into_inner(me);
        Ok(chunks)
    }
}

/// Sends the bytes that a guest writes over a channel; dropping the channel's receiver ends the stream.
pub struct ByteSink {
    sender: PollSender<Bytes>,
}

impl ByteSink {
    /// To the sending end of a channel.
    pub fn new(sender: mpsc::Sender<Bytes>) -> Self {
        Self { sender: PollSender::new(sender) }
    }
}

/// The most bytes taken from a guest at once.
const SINK_CHUNK: usize = 256 * 1024;

impl<D> StreamConsumer<D> for ByteSink {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut direct = source.as_direct(store);
        if direct.remaining().is_empty() {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match self.sender.poll_reserve(context) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
        }
        let bytes = direct.remaining();
        let count = bytes.len().min(SINK_CHUNK);
        let chunk = Bytes::copy_from_slice(bytes.split_at(count).0);
        direct.mark_read(count);
        Poll::Ready(Ok(match self.sender.send_item(chunk) {
            Ok(()) => StreamResult::Completed,
            Err(_) => StreamResult::Dropped,
        }))
    }
}

/// The bytes of a stream that a guest handed over, as a channel. A stream that a room gave out and the guest passes on
/// untouched is short-circuited.
///
/// # Errors
/// A stream that was closed already: a bug of the host.
pub fn into_receiver(
    stream: wasmtime::component::StreamReader<u8>,
    mut store: impl wasmtime::AsContextMut,
) -> wasmtime::Result<ByteReceiver> {
    match stream.try_into::<ByteChunks>(&mut store) {
        Ok(chunks) => Ok(ByteReceiver { receiver: chunks.receiver, rest: chunks.rest }),
        Err(stream) => {
            let (sender, receiver) = mpsc::channel(4);
            stream.pipe(store, ByteSink::new(sender))?;
            Ok(ByteReceiver { receiver, rest: Bytes::new() })
        }
    }
}

/// Bytes from a guest, chunk by chunk; also an [`AsyncRead`](tokio::io::AsyncRead).
pub struct ByteReceiver {
    receiver: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

impl ByteReceiver {
    /// The next chunk, or none at the end of the stream.
    pub async fn next(&mut self) -> Option<Bytes> {
        if !self.rest.is_empty() {
            return Some(std::mem::take(&mut self.rest));
        }
        self.receiver.recv().await
    }

    /// The next chunk, from a thread that may block.
    pub fn blocking_next(&mut self) -> Option<Bytes> {
        if !self.rest.is_empty() {
            return Some(std::mem::take(&mut self.rest));
        }
        self.receiver.blocking_recv()
    }
}

impl tokio::io::AsyncRead for ByteReceiver {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.receiver.poll_recv(context)) {
                Some(chunk) => self.rest = chunk,
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl From<mpsc::Receiver<Bytes>> for ByteReceiver {
    fn from(receiver: mpsc::Receiver<Bytes>) -> Self {
        Self { receiver, rest: Bytes::new() }
    }
}
