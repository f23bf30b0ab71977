//! Rows on their way to a guest: gathered into batches, over a bounded channel, so that a slow guest holds the server
//! back and a guest that lets go ends the read.

use tokio::sync::{mpsc, oneshot};

use super::Error;
use super::wit::{Column, Row, Value};

/// The most rows in a batch.
const BATCH_ROWS: usize = 1024;
/// About the most bytes in a batch.
const BATCH_BYTES: usize = 256 * 1024;
/// Batches that may wait for the guest.
const BATCHES: usize = 4;

/// The sending end.
pub(crate) struct RowSink {
    columns: Option<oneshot::Sender<Vec<Column>>>,
    batches: mpsc::Sender<Vec<Row>>,
    batch: Vec<Row>,
    bytes: usize,
    sent: u64,
}

/// The receiving end.
pub(crate) struct RowSource {
    /// Comes before the first row.
    pub(crate) columns: oneshot::Receiver<Vec<Column>>,
    /// Ends when the sink is dropped.
    pub(crate) batches: mpsc::Receiver<Vec<Row>>,
}

/// Both ends.
pub(crate) fn channel() -> (RowSink, RowSource) {
    let (columns, columns_receiver) = oneshot::channel();
    let (batches, batches_receiver) = mpsc::channel(BATCHES);
    let sink = RowSink { columns: Some(columns), batches, batch: Vec::new(), bytes: 0, sent: 0 };
    (sink, RowSource { columns: columns_receiver, batches: batches_receiver })
}

impl RowSink {
    /// What the rows are made of. Once, before the first row.
    pub(super) fn columns(&mut self, columns: Vec<Column>) -> Result<(), Error> {
        match self.columns.take() {
            Some(sender) => sender.send(columns).map_err(|_| Error::Abandoned),
            None => Ok(()),
        }
    }

    /// One row.
    pub(super) async fn push(&mut self, row: Row) -> Result<(), Error> {
        self.bytes += row.iter().map(size).sum::<usize>();
        self.batch.push(row);
        if self.batch.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Sends what is gathered; the number of rows so far.
    pub(super) async fn end(&mut self) -> Result<u64, Error> {
        self.flush().await?;
        Ok(self.sent)
    }

    /// Resolves when nobody receives any more.
    pub(super) fn abandoned(&self) -> impl Future<Output = ()> + Send + 'static {
        let batches = self.batches.clone();
        async move { batches.closed().await }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let capacity = self.batch.len();
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(capacity));
        self.bytes = 0;
        self.sent += batch.len() as u64;
        if batch.is_empty() {
            return Ok(());
        }
        self.batches.send(batch).await.map_err(|_| Error::Abandoned)
    }
}

/// Bytes of memory that parameters take.
pub(crate) fn size_of_all(parameters: &[Value]) -> usize {
    parameters.iter().map(size).sum()
}

fn size(value: &Value) -> usize {
    let payload = match value {
        Value::Text(text)
        | Value::Json(text)
        | Value::Numeric(text)
        | Value::Uuid(text)
        | Value::Timestamp(text)
        | Value::Date(text)
        | Value::Time(text)
        | Value::Unsupported(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Unsigned(_) | Value::Float(_) => 0,
    };
    size_of::<Value>() + payload
}
