//! Scans that go on beside their guest, and the connections that one run has at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::error::Error;

/// Connections that one run has at a time, each with a command or a scan under way.
const CONNECTIONS: usize = 8;

/// All of a run's work.
#[derive(Debug)]
pub(super) struct Tasks {
    over: CancellationToken,
    /// Held by each piece of work until it has ended.
    working: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
    places: Arc<Semaphore>,
}

impl Default for Tasks {
    fn default() -> Self {
        let (working, ended) = mpsc::channel(1);
        Self { over: CancellationToken::new(), working, ended, places: Arc::new(Semaphore::new(CONNECTIONS)) }
    }
}

impl Tasks {
    /// Leave to work, for one call.
    pub(super) fn ticket(&self) -> Ticket {
        Ticket { over: self.over.clone(), working: self.working.clone(), places: Arc::clone(&self.places) }
    }

    /// Ends all work, and waits until it has ended.
    pub(super) async fn finish(self) {
        let Self { over, working, mut ended, places: _ } = self;
        over.cancel();
        drop(working);
        // Nothing is ever sent: this is the moment when the last sender is gone.
        ended.recv().await;
    }
}

/// Leave to work for one call.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    over: CancellationToken,
    working: mpsc::Sender<()>,
    places: Arc<Semaphore>,
}

impl Ticket {
    /// A place for one more connection.
    pub(super) async fn place(&self, patience: Duration) -> Result<OwnedSemaphorePermit, Error> {
        let place = tokio::time::timeout(patience, Arc::clone(&self.places).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(|| {
            Error::TimedOut(format!(
                "this run uses {CONNECTIONS} connections at once and none became free; end a scan before the next begins"
            ))
        })
    }

    /// Does `work` beside the guest. It is dropped when the run ends.
    pub(super) fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        let (over, working) = (self.over.clone(), self.working.clone());
        tokio::spawn(async move {
            over.run_until_cancelled(work).await;
            drop(working);
        });
    }
}
