//! `host serve`: a bundle's tasks at their times, for as long as the process lives.
//!
//! [`Engine`] is the one place where things happen: it tells the [`Scheduler`](crate::schedule::Scheduler) the time, starts
//! and stops runs, and hands everything that must not be forgotten to a clerk, which writes it in order. A [`Service`] is
//! what the page and the API hold: it asks and tells, and never reaches into the engine. No run begins before its start
//! is written, and no due time begins twice, however often the process is killed.

mod clerk;
mod engine;
mod live;
mod loaded;
mod obey;
mod reread;
mod words;

use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

pub use clerk::Ledger;
pub use engine::{Engine, HOST, Setup};
pub use live::{Live, Numbered, Said, Watch};
pub use loaded::{Armed, Loaded, Loader};

use crate::gate::Mode;
use crate::history::{Reader, Target};
use crate::meters::Queue;

/// A bundle that is served, for whoever asks or tells. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    loaded: Arc<RwLock<Arc<Loaded>>>,
    orders: mpsc::Sender<Order>,
    live: Live,
    target: Target,
    ledger: Arc<Ledger>,
}

/// A task as it stands.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Standing {
    /// The task's name.
    pub task: String,
    /// When it is due next; none when it is not.
    #[schemars(with = "Option<String>")]
    pub next: Option<Timestamp>,
    /// Nobody wants it to run for now.
    pub paused: bool,
    /// What waits to begin.
    pub waiting: Vec<Waits>,
    /// What runs.
    pub running: Option<Runs>,
}

/// A run that waits.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Waits {
    /// For which time.
    #[schemars(with = "String")]
    pub due: Timestamp,
    /// Who asked for it; none when its schedule did.
    pub by: Option<String>,
    /// The run's id, where it was asked for.
    pub run: Option<String>,
    /// 0 for the first; above, it is a repetition.
    pub attempt: u8,
}

/// A run that goes on.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Runs {
    /// Its id.
    pub run: String,
    /// Since when.
    #[schemars(with = "String")]
    pub started: Timestamp,
    /// Run or rehearsal.
    pub rehearsal: bool,
    /// Who asked for it; none when its schedule did.
    pub by: Option<String>,
}

/// What the engine is told, each with where its answer goes.
enum Order {
    Queue(oneshot::Sender<Queue>),
    Standing(oneshot::Sender<Vec<Standing>>),
    Run { task: String, by: String, mode: Mode, arguments: Vec<(String, String)>, answer: Answer<String> },
    Cancel { run: String, by: String, answer: Answer<()> },
    DropWaiting { task: String, by: String, answer: Answer<usize> },
    Pause { task: String, paused: bool, by: String, answer: Answer<bool> },
    Reload { by: String, answer: Answer<()> },
    SignedIn { by: String, detail: String },
}

type Answer<T> = oneshot::Sender<Result<T, String>>;

impl Service {
    /// The bundle as it is served now.
    pub fn loaded(&self) -> Arc<Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is recorded.
    pub fn reader(&self) -> Reader {
        Reader::new(self.target.clone())
    }

    /// Where that is.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What its runs say while they run.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// How it stands with writing the history.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// All tasks as they stand, in the bundle's order. None when the engine has ended.
    pub async fn standing(&self) -> Vec<Standing> {
        let (answer, answered) = oneshot::channel();
        let _ = self.orders.send(Order::Standing(answer)).await;
        answered.await.unwrap_or_default()
    }

    /// How long its queue is. None when the engine has ended.
    pub async fn queue(&self) -> Option<Queue> {
        let (answer, answered) = oneshot::channel();
        let _ = self.orders.send(Order::Queue(answer)).await;
        answered.await.ok()
    }

    /// Asks for a run now, and returns its id. Arguments take the place of the bundle's of the same names.
    ///
    /// # Errors
    /// A task that is not there, or arguments that it does not take.
    pub async fn run(
        &self,
        task: &str,
        by: &str,
        mode: Mode,
        arguments: Vec<(String, String)>,
    ) -> Result<String, String> {
        self.tell(|answer| Order::Run { task: task.into(), by: by.into(), mode, arguments, answer }).await
    }

    /// Stops a run, or takes back one that was asked for and has not begun.
    ///
    /// # Errors
    /// It does not run.
    pub async fn cancel(&self, run: &str, by: &str) -> Result<(), String> {
        self.tell(|answer| Order::Cancel { run: run.into(), by: by.into(), answer }).await
    }

    /// Drops everything that waits for a task, and returns how much it was.
    ///
    /// # Errors
    /// A task that is not there.
    pub async fn drop_waiting(&self, task: &str, by: &str) -> Result<usize, String> {
        self.tell(|answer| Order::DropWaiting { task: task.into(), by: by.into(), answer }).await
    }

    /// Has a task not run for now, or again. True when that is new.
    ///
    /// # Errors
    /// A task that is not there.
    pub async fn pause(&self, task: &str, paused: bool, by: &str) -> Result<bool, String> {
        self.tell(|answer| Order::Pause { task: task.into(), paused, by: by.into(), answer }).await
    }

    /// Reads the bundle anew.
    ///
    /// # Errors
    /// What is wrong with it: the bundle as it was stays.
    pub async fn reload(&self, by: &str) -> Result<(), String> {
        self.tell(|answer| Order::Reload { by: by.into(), answer }).await
    }

    /// Has it noted that somebody signed in.
    pub async fn signed_in(&self, by: &str, detail: &str) {
        // An engine that has ended notes nothing.
        let _ = self.orders.send(Order::SignedIn { by: by.into(), detail: detail.into() }).await;
    }

    async fn tell<T>(&self, order: impl FnOnce(Answer<T>) -> Order) -> Result<T, String> {
        let (answer, answered) = oneshot::channel();
        let ended = || "the host is ending".to_owned();
        self.orders.send(order(answer)).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }
}
