//! Writes what the engine hands it, in that order, many at once where many wait. What depends on it having been written
//! (that a run may begin, that one has ended) is told afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::live::Live;
use crate::history::{Keep, Note, Writer};
use crate::report::Outcome;
use crate::schedule::Ticket;

/// Something to write, and what follows from it.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) notes: Vec<Note>,
    /// Runs that may begin then.
    pub(super) begins: Vec<Ticket>,
    /// Runs that have ended then.
    pub(super) ends: Vec<(String, Outcome)>,
}

/// How it stands with writing.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Pages that could not be written, and are lost.
    pub lost: AtomicU64,
    /// Whether what was tried last was written.
    pub failing: std::sync::atomic::AtomicBool,
}

pub(super) struct Clerk {
    pub(super) writer: Arc<Writer>,
    pub(super) pages: mpsc::UnboundedReceiver<Page>,
    /// Told of the runs that may begin.
    pub(super) begun: mpsc::UnboundedSender<Vec<Ticket>>,
    pub(super) live: Live,
    pub(super) keep: Keep,
    pub(super) ledger: Arc<Ledger>,
}

/// Pages in one transaction.
const MANY: usize = 256;
/// How often a page is tried, and the wait in between.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_secs(1);
/// How often what is old is removed.
const REMOVE: Duration = Duration::from_hours(1);

impl Clerk {
    /// Until nobody hands it anything any more.
    pub(super) async fn work(mut self) {
        let mut removing = tokio::time::interval(REMOVE);
        removing.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut pages = Vec::new();
        loop {
            tokio::select! {
                biased;
                count = self.pages.recv_many(&mut pages, MANY) => {
                    if count == 0 {
                        break;
                    }
                    self.write(std::mem::take(&mut pages)).await;
                }
                _ = removing.tick() => self.remove().await,
            }
        }
        self.writer.close().await;
    }

    async fn write(&self, pages: Vec<Page>) {
        let all: Vec<&Note> = pages.iter().flat_map(|page| &page.notes).collect();
        if !all.is_empty() && self.writer.write(&all).await.is_err() {
            // One of them may be what is not taken.
            for page in &pages {
                self.write_one(page).await;
            }
        } else {
            self.ledger.failing.store(false, Ordering::Relaxed);
        }
        let begins: Vec<Ticket> = pages.iter().flat_map(|page| page.begins.iter().copied()).collect();
        if !begins.is_empty() {
            // It is not there any more when the host ends.
            let _ = self.begun.send(begins);
        }
        for (run, outcome) in pages.iter().flat_map(|page| &page.ends) {
            self.live.end(run, *outcome);
        }
    }

    /// A task that cannot be recorded is still better run than not.
    async fn write_one(&self, page: &Page) {
        let notes: Vec<&Note> = page.notes.iter().collect();
        for attempt in 1..=ATTEMPTS {
            match self.writer.write(&notes).await {
                Ok(()) => {
                    self.ledger.failing.store(false, Ordering::Relaxed);
                    return;
                }
                Err(error) if attempt == ATTEMPTS => {
                    tracing::error!("not recorded, and lost: {error}");
                    self.ledger.lost.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    self.ledger.failing.store(true, Ordering::Relaxed);
                    tracing::warn!("to be tried again: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn remove(&self) {
        loop {
            match self.writer.remove(self.keep).await {
                Ok(removed) if removed.runs > 0 => tracing::debug!("removed {} old runs", removed.runs),
                Ok(_) => return,
                Err(error) => return tracing::warn!("what is too old stays: {error}"),
            }
        }
    }
}
