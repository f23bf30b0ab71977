//! The loop: time passes, people ask, runs end, files change; the scheduler says what follows, and it is done.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::clerk::{Clerk, Ledger, Page};
use super::live::Live;
use super::loaded::{Loaded, Loader, Mark};
use super::reread::{Readers, Reread};
use super::words::{left_out, told};
use super::{Order, Service};
use crate::bundle::Task;
use crate::gate::Mode;
use crate::history::{Beginning, Deed, Event, Filter, Note, Writer};
use crate::meters::Meters;
use crate::plugin::Request;
use crate::policy::text::count;
use crate::report::{Outcome, Report};
use crate::schedule::{Action, Asked, Scheduler, Start, Ticket};
use crate::tell::{Delivered, Level, Teller};
use crate::trace::Exporter;

/// How long the loop sleeps at most: a clock may be put, and a file may change.
const NAP: Duration = Duration::from_secs(1);
/// How long runs that were stopped may take to clean up when the host ends.
const CLEAN_UP: Duration = Duration::from_secs(40);
/// What is told and not yet heard.
const ORDERS: usize = 256;
/// Who does what nobody asked for.
pub const HOST: &str = "host";

/// What an engine needs.
pub struct Setup {
    /// Reads the bundle.
    pub loader: Loader,
    /// Who runs the host.
    pub operator: String,
    /// Counts what ends.
    pub meters: Meters,
    /// Sends what ends as traces.
    pub exporter: Exporter,
    /// How long runs may go on when the host is told to end.
    pub grace: Duration,
    /// The host is told to end.
    pub stop: CancellationToken,
}

/// Serves one bundle.
pub struct Engine {
    pub(super) setup: Setup,
    pub(super) service: Service,
    pub(super) loaded: Arc<Loaded>,
    pub(super) scheduler: Scheduler,
    pub(super) writer: Arc<Writer>,
    pub(super) ledger: Arc<Ledger>,
    live: Live,
    pub(super) teller: Teller,
    delivered: mpsc::UnboundedReceiver<Delivered>,
    pub(super) readers: Readers,
    reread: mpsc::UnboundedReceiver<Reread>,
    /// When each channel is next told that the host lives.
    alive: BTreeMap<String, tokio::time::Instant>,
    pub(super) runs: BTreeMap<Ticket, Run>,
    orders: mpsc::Receiver<Order>,
    pages: mpsc::UnboundedSender<Page>,
    begun: mpsc::UnboundedReceiver<Vec<Ticket>>,
    ended: mpsc::UnboundedReceiver<(Ticket, Box<Report>)>,
    end: mpsc::UnboundedSender<(Ticket, Box<Report>)>,
    clerk: tokio::task::JoinHandle<()>,
    /// Of the bundle's file, as it was last looked at.
    pub(super) mark: Option<Mark>,
    /// What the scheduler was told to do, of which the time has not come.
    pub(super) page: Page,
}

/// A run that was started.
pub(super) struct Run {
    pub(super) start: Start,
    pub(super) beginning: Beginning,
    loaded: Arc<Loaded>,
    pub(super) cancel: CancellationToken,
    pub(super) stopped_by: Option<String>,
}

impl Engine {
    /// Takes the bundle for this process.
    ///
    /// # Errors
    /// A bundle that is wrong, keeps no history, or is served by another.
    pub async fn new(setup: Setup) -> Result<Self, String> {
        let loaded = Arc::new(setup.loader.load().await?);
        let bundle = &loaded.bundle;
        let history = bundle.history.as_ref().ok_or_else(|| {
            format!(
                "{} keeps no history, by which `host serve` knows what has run; add `history = \"history.db\"` to it",
                setup.loader.path.display()
            )
        })?;
        let target = history.target(&bundle.directory).await?;
        let writer = Arc::new(Writer::new(target.clone(), &bundle.name, &setup.operator));
        let (past, told) = writer.claim().await.map_err(|error| error.to_string())?;
        writer.list(&bundle.checklist).await.map_err(|error| error.to_string())?;
        let (sender, orders) = mpsc::channel(ORDERS);
        let (pages, received) = mpsc::unbounded_channel();
        let (begins, begun) = mpsc::unbounded_channel();
        let (end, ended) = mpsc::unbounded_channel();
        let (live, ledger) = (Live::default(), Arc::new(Ledger::default()));
        let clerk = Clerk {
            writer: writer.clone(),
            pages: received,
            begun: begins,
            live: live.clone(),
            keep: history.keep,
            ledger: ledger.clone(),
        };
        let service = Service {
            loaded: Arc::new(RwLock::new(loaded.clone())),
            orders: sender,
            live: live.clone(),
            target,
            ledger: ledger.clone(),
        };
        let (teller, delivered) = Teller::new(loaded.channels.clone(), told);
        let (readers, reread) = Readers::new();
        let mut engine = Self {
            scheduler: Scheduler::new(bundle.limits.clone(), loaded.timings(), past, Timestamp::now()),
            mark: setup.loader.mark(),
            clerk: tokio::spawn(clerk.work()),
            page: Page::default(),
            teller,
            delivered,
            readers,
            reread,
            alive: BTreeMap::new(),
            runs: BTreeMap::new(),
            setup,
            service,
            loaded,
            writer,
            ledger,
            live,
            orders,
            pages,
            begun,
            ended,
            end,
        };
        tokio::spawn(recall(engine.service.clone(), engine.setup.meters.clone()));
        engine.note(HOST, Deed::Served, None, None, count(engine.loaded.bundle.tasks.len(), "task"));
        Ok(engine)
    }

    /// For whoever asks or tells.
    pub fn service(&self) -> Service {
        self.service.clone()
    }

    /// Serves until it is told to end, and then until its runs have ended. `beat` is called each time round.
    pub async fn run(mut self, mut beat: impl FnMut()) {
        let stop = self.setup.stop.clone();
        let mut looked = tokio::time::Instant::now();
        loop {
            self.advance();
            self.teller.beat(&mut self.alive);
            beat();
            let nap = self.nap();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some((ticket, report)) = self.ended.recv() => self.take_end(ticket, report),
                Some(tickets) = self.begun.recv() => self.begin(&tickets),
                Some(order) = self.orders.recv() => self.obey(order),
                Some(reread) = self.reread.recv() => self.take_up(reread),
                Some(told) = self.delivered.recv() => self.take_told(told),
                () = tokio::time::sleep(nap) => {}
            }
            // Many may have ended at once; they are written together.
            while let Ok((ticket, report)) = self.ended.try_recv() {
                self.take_end(ticket, report);
            }
            if looked.elapsed() >= NAP {
                looked = tokio::time::Instant::now();
                self.look();
            }
        }
        self.drain(&mut beat).await;
    }

    fn nap(&self) -> Duration {
        let now = Timestamp::now();
        let until = self.scheduler.wakes(now).map(|time| time.duration_since(now));
        until.and_then(|until| Duration::try_from(until).ok()).map_or(NAP, |until| until.min(NAP))
    }

    /// Does what is due now.
    pub(super) fn advance(&mut self) {
        let actions = self.scheduler.advance(Timestamp::now());
        self.take(actions);
    }

    pub(super) fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start(start) => self.start(start),
                Action::Stop(ticket) => {
                    if let Some(run) = self.runs.get_mut(&ticket) {
                        run.stopped_by = Some("its next time came".into());
                        run.cancel.cancel();
                    }
                }
                Action::LeaveOut { task, waiting, count, why } => {
                    let (by, run) = waiting.asked.map_or((HOST.to_owned(), None), |asked| (asked.by, Some(asked.run)));
                    let detail = left_out(waiting.due, count, &why);
                    tracing::warn!(task, "left out: {detail}");
                    if let Some(run) = &run {
                        self.page.ends.push((run.clone(), Outcome::Cancelled));
                    }
                    self.note(&by, Deed::LeftOut, Some(task), run, detail);
                }
            }
        }
        self.flush();
    }

    /// Hands on what is to be written, with what the scheduler must not forget.
    pub(super) fn flush(&mut self) {
        let mut page = std::mem::take(&mut self.page);
        page.notes.extend(self.scheduler.changed().into_iter().map(|(task, past)| Note::Past(task, past)));
        if !page.notes.is_empty() || !page.ends.is_empty() {
            // The clerk goes when the engine does.
            let _ = self.pages.send(page);
        }
    }

    pub(super) fn note(&mut self, by: &str, what: Deed, task: Option<String>, run: Option<String>, detail: String) {
        let event = Event { at: Timestamp::now(), by: by.into(), what, task, run, detail };
        self.page.notes.push(Note::Event(event));
    }

    /// A run is to start: that is written first.
    fn start(&mut self, start: Start) {
        let loaded = self.loaded.clone();
        let task = loaded.task(&start.task);
        let asked = start.waiting.asked.as_ref();
        let id = asked.map(|asked| asked.run.clone()).filter(|run| !run.is_empty());
        let id = id.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        let by = asked.map_or(self.setup.operator.as_str(), |asked| asked.by.as_str());
        let mode = asked.map_or(Mode::Perform, |asked| asked.mode);
        let kind = task.and_then(|(task, _)| task.kind);
        let beginning = self.writer.beginning(&id, &start.task, kind, mode, by, Timestamp::now());
        let beginning = beginning.with_plugin(task.map(|(_, armed)| armed.plugin.id()));
        self.page.notes.push(Note::Began(beginning.clone()));
        self.page.begins.push(start.ticket);
        let cancel = CancellationToken::new();
        let run = Run { start, beginning, loaded: loaded.clone(), cancel, stopped_by: None };
        self.runs.insert(run.start.ticket, run);
    }

    /// Their starts are written: they begin.
    fn begin(&mut self, tickets: &[Ticket]) {
        for ticket in tickets {
            let Some(run) = self.runs.get(ticket) else { continue };
            let (task, id) = (&run.start.task, run.beginning.id().to_owned());
            // As it was when it was started, whatever was read since.
            let loaded = run.loaded.clone();
            let asked = run.start.waiting.asked.as_ref();
            let mode = asked.map_or(Mode::Perform, |asked| asked.mode);
            let (end, ticket) = (self.end.clone(), *ticket);
            let Some((task, armed)) = loaded.task(task) else {
                let report = Report::not_begun(task, mode, Outcome::Invalid, "the bundle has no such task any more");
                let _ = end.send((ticket, Box::new(report)));
                continue;
            };
            tracing::info!(task = task.name, run = id, "begins");
            if mode == Mode::Perform {
                self.teller.began(&loaded.bundle.name, &task.name, &id);
            }
            let request = Request {
                task: Some(task.name.clone()),
                mode,
                arguments: with_asked(task, asked),
                grants: armed.grants.clone(),
                budgets: task.budgets.clone(),
                timeout: task.timeout,
                memory: task.memory,
                observer: self.live.begin(&id),
                cancel: run.cancel.clone(),
            };
            let (host, plugin, name) = (self.setup.loader.host.clone(), armed.plugin.clone(), task.name.clone());
            tokio::spawn(async move {
                let run = tokio::spawn(async move { host.run(&plugin, request).await });
                let report = run.await.unwrap_or_else(|error| {
                    Report::not_begun(&name, mode, Outcome::HostFault, &format!("the host broke: {error}"))
                });
                // The engine goes when all have ended.
                let _ = end.send((ticket, Box::new(report)));
            });
        }
    }

    fn take_end(&mut self, ticket: Ticket, mut report: Box<Report>) {
        let Some(run) = self.runs.remove(&ticket) else { return };
        report.run.id = run.beginning.id().into();
        report.run.started = run.beginning.started();
        if run.start.waiting.attempt > 0 {
            report.notices.push(format!("this was attempt {}", u32::from(run.start.waiting.attempt) + 1));
        }
        if let Some(why) = run.stopped_by.filter(|_| report.run.outcome == Outcome::Cancelled) {
            report.error = Some(format!("it was stopped before its end: {why}"));
        }
        let outcome = report.run.outcome;
        let said = report.summary.as_deref().or(report.error.as_deref()).unwrap_or_default();
        let said = said.lines().next().unwrap_or_default();
        let (task, id) = (&run.start.task, report.run.id.clone());
        if outcome.exit_code() == 0 {
            tracing::info!(task, run = id, outcome = outcome.name(), "{said}");
        } else {
            tracing::warn!(task, run = id, outcome = outcome.name(), "{said}");
        }
        let by = run.start.waiting.asked.as_ref().map_or(self.setup.operator.as_str(), |asked| asked.by.as_str());
        self.setup.exporter.ended(Some(&self.loaded.bundle.name), by, &report);
        let again = self.scheduler.ended(ticket, outcome, Timestamp::now());
        // What was rehearsed did not happen.
        if report.run.mode == Mode::Perform {
            self.setup.meters.ended(&self.loaded.bundle.name, &report);
        }
        if report.run.mode == Mode::Perform
            && let Some(level) = Level::of(outcome)
        {
            let ended = told(&self.loaded.bundle.name, task, level, again, &report);
            self.teller.ended(&ended);
        }
        self.page.notes.push(Note::Ended(run.beginning, report));
        self.page.ends.push((id, outcome));
    }

    /// Remembers what people were told.
    fn take_told(&mut self, (channel, task, level): Delivered) {
        self.page.notes.push(Note::Told(channel, task, level));
    }

    /// Nothing begins any more; what runs may end by itself for a while, and is then stopped.
    async fn drain(mut self, beat: &mut impl FnMut()) {
        self.scheduler.drain();
        let count = self.runs.len();
        self.note(HOST, Deed::Drained, None, None, format!("{count} runs go on"));
        self.flush();
        if count > 0 {
            tracing::info!("ending: {count} runs may go on for {} s", self.setup.grace.as_secs());
        }
        let stop_at = tokio::time::Instant::now() + self.setup.grace;
        let leave_at = stop_at + CLEAN_UP;
        let mut stopped = false;
        while !self.runs.is_empty() {
            beat();
            let until = if stopped { leave_at } else { stop_at };
            tokio::select! {
                Some((ticket, report)) = self.ended.recv() => {
                    self.take_end(ticket, report);
                    self.flush();
                }
                Some(tickets) = self.begun.recv() => self.begin(&tickets),
                Some(order) = self.orders.recv() => self.obey(order),
                () = tokio::time::sleep(NAP) => {}
                () = tokio::time::sleep_until(until) => {
                    if stopped {
                        tracing::error!("{} runs did not end; they will be marked as interrupted", self.runs.len());
                        break;
                    }
                    stopped = true;
                    for run in self.runs.values_mut() {
                        run.stopped_by.get_or_insert_with(|| "the host was told to end".into());
                        run.cancel.cancel();
                    }
                }
            }
        }
        for told in self.teller.close(&mut self.delivered).await {
            self.take_told(told);
        }
        self.flush();
        let Self { pages, clerk, ledger, .. } = self;
        drop(pages);
        // What it holds is written, or said to be lost.
        let _ = clerk.await;
        let lost = ledger.lost.load(Ordering::Relaxed);
        if lost > 0 {
            tracing::error!("{lost} entries of the history are lost");
        }
    }
}

/// What is watched is known from the start, by what was recorded before.
async fn recall(service: Service, meters: Meters) {
    let (loaded, reader) = (service.loaded(), service.reader());
    for task in &loaded.bundle.tasks {
        let bundle = &loaded.bundle.name;
        let filter = Filter {
            bundles: Some(vec![bundle.clone()]),
            tasks: Some(vec![task.name.clone()]),
            performed: true,
            ..Filter::default()
        };
        let last = match reader.newest(&filter, 1).await {
            Ok(mut runs) => runs.pop(),
            // There may be none yet; a run that ends says more.
            Err(_) => return,
        };
        let Some(last) = last else { continue };
        if let Ok(report) = reader.report(&last).await {
            meters.recall(bundle, &report);
        }
    }
}

/// The bundle's parameters, with those in place of the same names that were asked for.
pub(super) fn with_asked(task: &Task, asked: Option<&Asked>) -> Vec<(String, String)> {
    let given = asked.map(|asked| asked.arguments.as_slice()).unwrap_or_default();
    let own = task.arguments.iter().filter(|(name, _)| !given.iter().any(|(other, _)| other == name));
    own.chain(given).cloned().collect()
}
