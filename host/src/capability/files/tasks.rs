//! Work on threads that may block, which ends soon when nobody waits for it any more.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::backend::Wanted;
use super::error::Error;

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

impl Tasks {
    /// Leave to work, for one call.
    pub(super) fn ticket(&self) -> Ticket {
        Ticket { given_up: self.over.child_token(), working: self.working.clone() }
    }

    /// Ends all work, and waits until it has ended.
    pub(super) async fn finish(self) {
        let Self { over, working, mut ended } = self;
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
    working: mpsc::Sender<()>,
}

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
        let ticket = Self { given_up: self.given_up.child_token(), working: self.working.clone() };
        let _let_go = ticket.given_up.clone().drop_guard();
        let done = tokio::task::spawn_blocking(move || work(&ticket)).await;
        done.map_err(|error| Error::Trap(wasmtime::Error::from(error)))?
    }

    /// Does `work` on a thread that may block, and does not wait.
    pub(super) fn start(self, work: impl FnOnce(&Self) + Send + 'static) {
        tokio::task::spawn_blocking(move || work(&self));
    }
}
