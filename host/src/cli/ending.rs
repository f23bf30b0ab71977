//! Being told to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C and SIGTERM; none that comes is missed.
pub(super) struct Ending([Signal; 2]);

impl Ending {
    /// From now on neither ends the process by itself.
    ///
    /// # Errors
    /// The system lets no more signals be handled.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?]))
    }

    /// Waits for the next of either.
    pub(super) async fn told(&mut self) {
        let [interrupt, terminate] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}
