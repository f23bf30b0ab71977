//! What runs left: outcomes, findings, metrics, effects, logs, next actions, and what people ticked; kept in a SQLite file,
//! or a PostgreSQL database, for the maintenance log and for whoever asks later.
//!
//! Nothing is kept unless an operator says where. A [`Recorder`] writes while runs go on, several processes at once; a
//! [`Reader`] reads meanwhile, and never writes. What was noted is chained by hashes ([`Reader::verify`]). The history must
//! never keep a run from its work, never call one interrupted that still runs, and never lose a record in silence.

mod alive;
pub mod calendar;
mod chain;
mod change;
mod checklist;
mod connect;
mod digest;
mod error;
mod issues;
pub mod log;
mod page;
mod past;
mod reader;
mod recorded;
mod recorder;
mod retain;
mod rows;
mod serving;
mod sql;
mod store;
mod target;
mod verify;
mod words;

use jiff::Timestamp;

pub use checklist::{Tick, Ticked};
pub use error::Error;
pub use page::{Page, Sample, Tally};
pub use past::{Changes, Issue, Listed, MOST, Next, Series};
pub use reader::{Filter, Reader, Run, with_none};
pub use recorder::Recorder;
pub use retain::{Keep, Removed};
pub use serving::{Beginning, Deed, Event, Note, Writer};
pub use target::Target;
pub use verify::Verdict;

use crate::bundle::ChecklistEntry;
use rows::RUNNING;
use store::Store;

/// One entry of a bundle's checklist, in one period, and who is at it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The bundle's name.
    pub bundle: &'a str,
    /// All that its checklist has.
    pub checklist: &'a [ChecklistEntry],
    /// Which of it.
    pub entry: &'a ChecklistEntry,
    /// The period's name.
    pub period: &'a str,
    /// Who.
    pub by: &'a str,
}

/// Ticks a checklist entry for a period.
///
/// # Errors
/// A history that cannot be written.
pub async fn tick(target: &Target, entry: Entry<'_>, note: Option<&str>) -> Result<Ticked, Error> {
    let Entry { bundle, checklist, entry, period, by } = entry;
    let store = Store::new(target.clone(), by);
    store.change(&checklist::Listing { bundle, entries: checklist }).await?;
    let ticked = store.change(&checklist::Ticking { bundle, entry, period, by, note }).await;
    store.close().await;
    ticked
}

/// Takes a tick back, and returns it if there was one.
///
/// # Errors
/// A history that cannot be written.
pub async fn untick(target: &Target, entry: Entry<'_>) -> Result<Option<Tick>, Error> {
    let Entry { bundle, entry, period, by, .. } = entry;
    let store = Store::new(target.clone(), by);
    let taken = store.change(&checklist::Unticking { bundle, entry, period, by }).await;
    store.close().await;
    taken
}

/// Removes what is older, or more, than is to be kept.
///
/// # Errors
/// A history that is not there, or cannot be written.
pub async fn prune(target: &Target, keep: Keep, by: &str) -> Result<Removed, Error> {
    // Opened for writing, it would be made.
    Reader::new(target.clone()).tasks().await?;
    let store = Store::new(target.clone(), by);
    let mut all = Removed::default();
    loop {
        let removed = store.change(&retain::Removing { keep, now: Timestamp::now() }).await?;
        all.runs += removed.runs;
        all.ticks += removed.ticks;
        if removed.runs == 0 {
            break;
        }
    }
    store.close().await;
    Ok(all)
}
