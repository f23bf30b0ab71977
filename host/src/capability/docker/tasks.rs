//! Work that goes on after its call has returned: streams, and containers that run to their end.

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::error::Error;
use crate::gate::Permit;

/// Pieces of a stream that may wait for the guest.
const AHEAD: usize = 8;

/// All of a run's work.
#[derive(Debug)]
pub(super) struct Tasks {
    over: CancellationToken,
    /// Held by each piece of work until it has ended.
    working: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
}

impl Default for Tasks {
    fn default() -> Self {
        let (working, ended) = mpsc::channel(1);
        Self { over: CancellationToken::new(), working, ended }
    }
}

/// Leave to work, for one call.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    over: CancellationToken,
    working: mpsc::Sender<()>,
}

/// What a stream's work gives its pieces to.
pub(super) struct Sink<C> {
    sender: mpsc::Sender<C>,
    over: CancellationToken,
}

impl Tasks {
    pub(super) fn ticket(&self) -> Ticket {
        Ticket { over: self.over.clone(), working: self.working.clone() }
    }

    /// Ends all work, and waits until it has cleaned up.
    pub(super) async fn finish(self) {
        let Self { over, working, mut ended } = self;
        over.cancel();
        drop(working);
        // Nothing is ever sent: this is the moment when the last sender is gone.
        ended.recv().await;
    }
}

impl Ticket {
    /// Starts the work of a stream. The permit is journaled with its end, for which `note` sets the figures.
    pub(super) fn start<C, R, W>(
        self,
        mut permit: Permit,
        work: impl FnOnce(Sink<C>) -> W,
        note: impl FnOnce(&mut Permit, &R) + Send + 'static,
    ) -> (mpsc::Receiver<C>, oneshot::Receiver<Result<R, Error>>)
    where
        R: Send + 'static,
        W: Future<Output = Result<R, Error>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (ended, end) = oneshot::channel();
        let work = work(Sink { sender, over: self.over });
        let working = self.working;
        tokio::spawn(async move {
            let result = work.await;
            match &result {
                Ok(result) => {
                    note(&mut permit, result);
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

impl<C> Sink<C> {
    /// Gives the next piece to the guest.
    pub(super) async fn give(&self, piece: C) -> Result<(), Error> {
        self.unless_let_go(self.sender.send(piece)).await?.map_err(|_| Error::Abandoned)
    }

    /// What `waited` comes to, unless the guest lets go or the run ends first.
    pub(super) async fn unless_let_go<T>(&self, waited: impl Future<Output = T>) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = self.over.cancelled() => Err(Error::Abandoned),
            () = self.sender.closed() => Err(Error::Abandoned),
            done = waited => Ok(done),
        }
    }
}
