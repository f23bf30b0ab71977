//! Bodies of answers, which are read on after their call has returned.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

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

/// Leave to work on after a call.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    over: CancellationToken,
    _working: mpsc::Sender<()>,
}

impl Tasks {
    pub(super) fn ticket(&self) -> Ticket {
        Ticket { over: self.over.clone(), _working: self.working.clone() }
    }

    /// Ends all work, and waits until it has.
    pub(super) async fn finish(self) {
        let Self { over, working, mut ended } = self;
        over.cancel();
        drop(working);
        // Nothing is ever sent: this is the moment when the last sender is gone.
        ended.recv().await;
    }
}

impl Ticket {
    /// What `work` comes to, unless the run ends first.
    pub(super) async fn until_over<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.over.cancelled() => None,
            done = work => Some(done),
        }
    }
}
