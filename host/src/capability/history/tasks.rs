//! Streams that go on after their call has returned.

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::error::Error;
use crate::gate::Permit;

/// Batches of a stream that may wait for the guest.
const AHEAD: usize = 2;

/// All of a run's streams.
#[derive(Debug)]
pub(super) struct Tasks {
    over: CancellationToken,
    /// Held by each until it has ended.
    working: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
}

impl Default for Tasks {
    fn default() -> Self {
        let (working, ended) = mpsc::channel(1);
        Self { over: CancellationToken::new(), working, ended }
    }
}

/// Leave to stream, for one call.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    over: CancellationToken,
    working: mpsc::Sender<()>,
}

impl Tasks {
    pub(super) fn ticket(&self) -> Ticket {
        Ticket { over: self.over.clone(), working: self.working.clone() }
    }

    /// Ends all streams, and waits until they are gone.
    pub(super) async fn finish(self) {
        let Self { over, working, mut ended } = self;
        over.cancel();
        drop(working);
        // Nothing is ever sent: this is the moment when the last sender is gone.
        ended.recv().await;
    }
}

impl Ticket {
    /// Starts a stream, whose end is the number of its items. The permit is journaled with it.
    pub(super) fn start<I: Send + 'static, W>(
        self,
        mut permit: Permit,
        work: impl FnOnce(mpsc::Sender<Vec<I>>) -> W,
    ) -> (mpsc::Receiver<Vec<I>>, oneshot::Receiver<Result<u64, Error>>)
    where
        W: Future<Output = Result<u64, Error>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (ended, end) = oneshot::channel();
        let let_go = sender.clone();
        let work = work(sender);
        let Self { over, working } = self;
        tokio::spawn(async move {
            let result = tokio::select! {
                biased;
                () = over.cancelled() => Err(Error::Abandoned),
                () = let_go.closed() => Err(Error::Abandoned),
                done = work => done,
            };
            match &result {
                Ok(count) => {
                    permit.rows(*count);
                    permit.succeed();
                }
                Err(Error::Abandoned) => drop(permit),
                Err(error) => permit.fail(error),
            }
            let _ = ended.send(result);
            drop(working);
        });
        (receiver, end)
    }
}
