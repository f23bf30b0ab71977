//! The bundle read anew, beside the loop: plugins may have to be compiled, and a program that hands out a credential may
//! take its time. What is wrong changes nothing.

use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::engine::Engine;
use super::loaded::Loaded;
use super::{Answer, HOST};
use crate::history::{Deed, Target};
use crate::policy::text::count;

/// A bundle that was read anew.
pub(super) struct Reread {
    by: String,
    answer: Option<Answer<()>>,
    loaded: Result<Loaded, String>,
}

/// Those that read, one after another, and where what they read goes.
pub(super) struct Readers {
    turn: Arc<tokio::sync::Mutex<()>>,
    done: mpsc::UnboundedSender<Reread>,
}

impl Readers {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Reread>) {
        let (done, reread) = mpsc::unbounded_channel();
        (Self { turn: Arc::default(), done }, reread)
    }
}

impl Engine {
    /// Has the bundle read; [`take_up`](Self::take_up) follows.
    pub(super) fn read_anew(&mut self, by: String, answer: Option<Answer<()>>) {
        let (loader, writer) = (self.setup.loader.clone(), self.writer.clone());
        let (turn, done) = (self.readers.turn.clone(), self.readers.done.clone());
        let (name, target) = (self.loaded.bundle.name.clone(), self.service.target().clone());
        tokio::spawn(async move {
            let _turn = turn.lock().await;
            let loaded = async {
                let loaded = loader.load().await?;
                same_place(&loaded, &name, &target).await?;
                if let Err(error) = writer.list(&loaded.bundle.checklist).await {
                    tracing::warn!("the checklist is not recorded: {error}");
                }
                Ok(loaded)
            };
            let loaded = loaded.await;
            // The engine may have ended meanwhile.
            let _ = done.send(Reread { by, answer, loaded });
        });
    }

    /// Another bundle in the place of this one, or the same as before and why.
    pub(super) fn take_up(&mut self, reread: Reread) {
        let Reread { by, answer, loaded } = reread;
        let done = match loaded {
            Ok(loaded) => {
                let loaded = Arc::new(loaded);
                self.setup.meters.keep(&loaded.bundle.name, |task| loaded.task(task).is_some());
                self.teller.replace(loaded.channels.clone());
                self.scheduler.replace(loaded.bundle.limits.clone(), loaded.timings(), Timestamp::now());
                *self.service.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded.clone();
                let detail = count(loaded.bundle.tasks.len(), "task");
                tracing::info!("the bundle was read anew: {detail}");
                self.loaded = loaded;
                self.note(&by, Deed::Reloaded, None, None, detail);
                Ok(())
            }
            Err(error) => {
                tracing::error!("the bundle as it was stays: {error}");
                self.note(&by, Deed::ReloadRefused, None, None, error.clone());
                Err(error)
            }
        };
        self.advance();
        if let Some(answer) = answer {
            // Who asked may have gone.
            let _ = answer.send(done);
        }
    }

    /// Looks whether the bundle's file, or what was accepted, is another.
    pub(super) fn look(&mut self) {
        let mark = self.setup.loader.mark();
        // A file that is being replaced is not there for a moment.
        if mark.is_some() && mark != self.mark {
            self.mark = mark;
            self.read_anew(HOST.into(), None);
        }
    }
}

/// A bundle that is called otherwise, or is recorded elsewhere, is another.
async fn same_place(loaded: &Loaded, name: &str, target: &Target) -> Result<(), String> {
    let now = match &loaded.bundle.history {
        Some(history) => Some(history.target(&loaded.bundle.directory).await?),
        None => None,
    };
    if loaded.bundle.name != name || now.as_ref() != Some(target) {
        return Err("its name or its history is another; start the host anew for that".into());
    }
    Ok(())
}
