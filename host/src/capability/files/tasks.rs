//! Work on threads that may block, which ends soon when nobody waits for it any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::backend::Wanted;
use super::error::Error;

/// Streams that one run has open at once. Each holds a thread while its guest lets it wait, and the threads are shared
/// by all runs of the process.
const STREAMS: usize = 64;
/// How long one more waits for another to end, such as one that the guest let go of a moment ago.
const PATIENCE: Duration = Duration::from_secs(2);

/// Calls that one run has at work at once; others wait for their turn. Each may hold a thread, descriptors and what it
/// returns.
const CALLS: usize = 16;
/// Of them those that return the contents of files: up to 64 MiB each.
const READ_ALLS: usize = 4;

/// All of a run's work.
#[derive(Debug)]
pub(super) struct Tasks {
    over: CancellationToken,
    /// Held by each piece of work until it has ended.
    working: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
    streams: Arc<Semaphore>,
    calls: Arc<Semaphore>,
    read_alls: Arc<Semaphore>,
}

impl Default for Tasks {
    fn default() -> Self {
        let (working, ended) = mpsc::channel(1);
        let places = |count| Arc::new(Semaphore::new(count));
        let (streams, calls, read_alls) = (places(STREAMS), places(CALLS), places(READ_ALLS));
        Self { over: CancellationToken::new(), working, ended, streams, calls, read_alls }
    }
}

impl Tasks {
    /// Leave to work, for one call.
    pub(super) fn ticket(&self) -> Ticket {
        let given_up = self.over.child_token();
        let (streams, read_alls) = (Arc::clone(&self.streams), Arc::clone(&self.read_alls));
        Ticket { given_up, _working: self.working.clone(), streams, read_alls }
    }

    /// The places of the run's calls.
    pub(super) fn places(&self) -> Arc<Semaphore> {
        Arc::clone(&self.calls)
    }

    /// Ends all work, and waits until it has ended.
    pub(super) async fn finish(self) {
        let Self { over, working, mut ended, .. } = self;
        over.cancel();
        drop(working);
        // Nothing is ever sent: this is the moment when the last sender is gone.
        ended.recv().await;
    }
}

/// Leave to work for one call; shared between the call and its thread.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    given_up: CancellationToken,
    /// [`Tasks`] waits until the last is gone.
    _working: mpsc::Sender<()>,
    streams: Arc<Semaphore>,
    read_alls: Arc<Semaphore>,
}

/// A call's place among those of its run, until it returns.
pub(super) type CallPlace = OwnedSemaphorePermit;

/// A stream's place among those of its run, for as long as it lasts.
pub(super) type StreamPlace = OwnedSemaphorePermit;

impl Wanted for Ticket {
    fn wanted(&self) -> Result<(), Error> {
        if self.given_up.is_cancelled() { Err(Error::GivenUp) } else { Ok(()) }
    }
}

impl Ticket {
    /// Does `work` on a thread that may block and waits for it; when the waiting is given up, so is the work.
    pub(super) async fn wait<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let ticket = Self { given_up: self.given_up.child_token(), ..self.clone() };
        let _let_go = ticket.given_up.clone().drop_guard();
        let done = tokio::task::spawn_blocking(move || work(&ticket)).await;
        done.map_err(|error| Error::Trap(wasmtime::Error::from(error)))?
    }

    /// A place for one more call that returns the contents of files. None only when the run is over.
    pub(super) async fn read_all_place(&self) -> Option<CallPlace> {
        Arc::clone(&self.read_alls).acquire_owned().await.ok()
    }

    /// A place for one more stream to or from the guest.
    pub(super) async fn stream_place(&self) -> Result<StreamPlace, Error> {
        let place = tokio::time::timeout(PATIENCE, Arc::clone(&self.streams).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(|| {
            Error::Io(format!("EMFILE: this run has {STREAMS} streams open; end one before the next is opened"))
        })
    }

    /// Does `work` on a thread that may block, and does not wait. The work is a stream's, which has its `place` until
    /// it ends.
    pub(super) fn start(self, place: StreamPlace, work: impl FnOnce(&Self) + Send + 'static) {
        tokio::task::spawn_blocking(move || {
            work(&self);
            drop(place);
        });
    }
}
