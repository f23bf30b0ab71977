//! Records runs as they go. A run's start is written before its first instruction, its end with all that it left after
//! the last. What stands against that stands against nothing else: the run goes on, and says in its report that its
//! record was lost; one that is lost never ends in `ok`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::Target;
use super::change::{Finished, Started};
use super::checklist::Listing;
use super::retain::{Keep, Removing};
use super::rows::Start;
use super::store::{Change, Store};
use crate::bundle::{ChecklistEntry, Kind};
use crate::gate::Mode;
use crate::plugin::{Host, Plugin, Request};
use crate::policy::text::clean_line;
use crate::report::{Outcome, PluginId, Report};

/// How often an end is tried to be written, and how long it is waited in between.
const ATTEMPTS: usize = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes of a name.
const NAME_LIMIT: usize = 512;
/// How often old runs are removed by one host: what is left goes next time.
const ROUNDS: usize = 20;

/// Where runs are recorded. The default records nothing.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    store: Store,
    bundle: String,
    operator: String,
    keep: Keep,
    lost: Mutex<Vec<String>>,
}

impl Recorder {
    /// Opens nothing yet. `operator` is who runs what is run.
    pub fn new(target: Target, bundle: Option<&str>, operator: &str, keep: Keep) -> Self {
        let operator = clean_line(operator, NAME_LIMIT);
        Self(Some(Arc::new(Inner {
            store: Store::new(target, &operator),
            bundle: clean_line(bundle.unwrap_or_default(), NAME_LIMIT),
            operator,
            keep,
            lost: Mutex::default(),
        })))
    }

    /// Runs a plugin, and records it.
    pub async fn run(&self, host: &Host, plugin: &Plugin, request: Request, kind: Option<Kind>) -> Report {
        let Some(inner) = &self.0 else { return host.run(plugin, request).await };
        let description = plugin.description();
        let task = request.task.as_deref().unwrap_or(&description.name);
        let start = inner.start(task, kind, request.mode, Some(plugin.id()));
        // What stands against it now may be gone when it ends: it is written then.
        if let Err(error) = inner.store.change(&Started(&start)).await {
            tracing::warn!("{task}: its start is not recorded: {error}");
        }
        let mut report = host.run(plugin, request).await;
        inner.finish(&start, &mut report).await;
        report
    }

    /// Records a run that has ended, or was not begun, at the time that its report says.
    pub async fn keep(&self, report: &mut Report, kind: Option<Kind>) {
        let Some(inner) = &self.0 else { return };
        let start = inner.start(&report.run.task, kind, report.run.mode, report.run.plugin.clone());
        let start = Start { id: report.run.id.clone(), started: report.run.started, ..start };
        inner.finish(&start, report).await;
    }

    /// Notes what people do.
    pub async fn list(&self, entries: &[ChecklistEntry]) {
        let Some(inner) = self.0.as_ref().filter(|_| !entries.is_empty()) else { return };
        if let Err(error) = inner.store.change(&Listing { bundle: &inner.bundle, entries }).await {
            tracing::warn!("the checklist is not recorded: {error}");
        }
    }

    /// Removes what is too old, closes it, and returns what was lost, a line each.
    pub async fn close(self) -> Vec<String> {
        let Some(inner) = &self.0 else { return vec![] };
        let mut lost = std::mem::take(&mut *inner.lost());
        // Where nothing can be written, nothing can be removed.
        for _ in 0..if lost.is_empty() { ROUNDS } else { 0 } {
            match inner.store.change(&Removing { keep: inner.keep, now: Timestamp::now() }).await {
                Ok(removed) if removed.runs > 0 => {}
                Ok(_) => break,
                Err(error) => {
                    lost.push(format!("what is too old stays in {error}"));
                    break;
                }
            }
        }
        inner.store.close().await;
        lost
    }
}

impl Inner {
    fn start(&self, task: &str, kind: Option<Kind>, mode: Mode, plugin: Option<PluginId>) -> Start {
        Start {
            id: uuid::Uuid::now_v7().to_string(),
            bundle: self.bundle.clone(),
            task: clean_line(task, NAME_LIMIT),
            kind,
            mode,
            operator: self.operator.clone(),
            plugin,
            process: self.store.process().into(),
            started: Timestamp::now(),
        }
    }

    async fn finish(&self, start: &Start, report: &mut Report) {
        report.run.id.clone_from(&start.id);
        report.run.started = start.started;
        if let Err(error) = self.patiently(&Finished { start, report }).await {
            let notice = clean_line(&format!("this run is not recorded: {error}"), 4096);
            self.lost().push(format!("{}: {notice}", start.task));
            report.notices.push(notice);
            if report.run.outcome == Outcome::Ok {
                report.run.outcome = Outcome::Warning;
            }
        }
    }

    async fn patiently<C: Change + Sync>(&self, change: &C) -> Result<C::Done, super::Error> {
        let mut attempt = 1;
        loop {
            match self.store.change(change).await {
                Err(error) if attempt < ATTEMPTS => {
                    tracing::warn!("to be tried again: {error}");
                    attempt += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    }

    fn lost(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
