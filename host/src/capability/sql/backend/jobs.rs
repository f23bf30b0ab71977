//! What is under way for one run. A run's end stops its work and waits for what has to be cleaned up after it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};

use super::Error;

/// How long a run's end waits for servers to give up what they were doing.
const CLEAN_UP_LIMIT: Duration = Duration::from_secs(20);

/// One run's tasks.
#[derive(Clone, Default)]
pub(crate) struct Jobs(Arc<Mutex<Tasks>>);

#[derive(Default)]
struct Tasks {
    work: Vec<AbortHandle>,
    /// Of both kinds: each ends soon once the work is aborted.
    ends: Vec<JoinHandle<()>>,
}

impl Jobs {
    /// Runs `work` in a task of its own, so that it goes on while the guest computes. Dropping the job ends it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Job<T> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let _ = sender.send(work.await);
        });
        let abort = task.abort_handle();
        self.with(|tasks| {
            tasks.work.retain(|work| !work.is_finished());
            tasks.work.push(abort.clone());
            tasks.ends.push(task);
        });
        Job { receiver, abort }
    }

    /// Runs what ends by itself once the work is over.
    pub(crate) fn follow(&self, end: impl Future<Output = ()> + Send + 'static) {
        self.clean_up(&Handle::current(), end);
    }

    /// Runs what must be done even when the run is over.
    pub(super) fn clean_up(&self, runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) {
        let task = runtime.spawn(work);
        self.with(|tasks| tasks.ends.push(task));
    }

    /// Stops the work and waits for the clean-up.
    pub(crate) async fn finish(self) {
        let ended = tokio::time::timeout(CLEAN_UP_LIMIT, async {
            loop {
                // A task that is aborted may leave a clean-up behind: again, until none is left.
                let (work, ends) =
                    self.with(|tasks| (std::mem::take(&mut tasks.work), std::mem::take(&mut tasks.ends)));
                if ends.is_empty() {
                    return;
                }
                work.iter().for_each(AbortHandle::abort);
                for end in ends {
                    let _ = end.await;
                }
            }
        });
        if ended.await.is_err() {
            tracing::warn!("a database did not give up its work within {} s", CLEAN_UP_LIMIT.as_secs());
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Tasks) -> T) -> T {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.ends.retain(|end| !end.is_finished());
        act(&mut tasks)
    }
}

/// Work in a task of its own; a future of its result.
pub(crate) struct Job<T> {
    receiver: tokio::sync::oneshot::Receiver<Result<T, Error>>,
    abort: AbortHandle,
}

impl<T> Future for Job<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver).poll(context).map(|result| result.unwrap_or(Err(Error::Abandoned)))
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        self.abort.abort();
    }
}
