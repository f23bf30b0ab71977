//! The programs that are at work for a run: they go on after their call has returned, and end with the run.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Programs that one run has at work at once.
pub(super) const AT_ONCE: usize = 16;

/// All of a run's programs.
#[derive(Debug)]
pub(super) struct Tasks {
    over: CancellationToken,
    places: Arc<Semaphore>,
    /// Held by each program until it has ended.
    working: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
}

impl Default for Tasks {
    fn default() -> Self {
        let (working, ended) = mpsc::channel(1);
        Self { over: CancellationToken::new(), places: Arc::new(Semaphore::new(AT_ONCE)), working, ended }
    }
}

/// Leave to start one program.
#[derive(Debug)]
pub(super) struct Ticket {
    over: CancellationToken,
    places: Arc<Semaphore>,
    working: mpsc::Sender<()>,
}

/// A program's place among the run's.
#[derive(Debug)]
pub(super) struct Place {
    /// The run is over.
    pub(super) over: CancellationToken,
    _permit: OwnedSemaphorePermit,
    _working: mpsc::Sender<()>,
}

impl Tasks {
    pub(super) fn ticket(&self) -> Ticket {
        Ticket { over: self.over.clone(), places: Arc::clone(&self.places), working: self.working.clone() }
    }

    /// Ends all of them, and waits until they have ended.
    pub(super) async fn finish(self) {
        let Self { over, working, mut ended, .. } = self;
        over.cancel();
        drop(working);
        // Nothing is ever sent: this is the moment when the last sender is gone.
        ended.recv().await;
    }
}

impl Ticket {
    /// A place, if there is one: nobody waits for another program, who may be the one that would have to end it.
    pub(super) fn place(self) -> Option<Place> {
        let permit = self.places.try_acquire_owned().ok()?;
        Some(Place { over: self.over, _permit: permit, _working: self.working })
    }
}
