//! The `history` room: what earlier runs left, read from a history that the host records.
//!
//! Granted with `--history SLOT=FILE|URL`, which grants reading; `,task=GLOB` names the tasks whose runs are seen, and
//! `,bundle=NAME` whose tasks these are. The room must never write, and never show a run of another task.

mod backend;
mod error;
mod grant;
mod host;
mod tasks;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::component::Linker;

use self::tasks::Tasks;
use super::{Data, Load, Room, RunContext, View};
use crate::gate::Gate;

pub use grant::Grant;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package taskhost:history-room;
            world room { import taskhost:host/history@0.1.0; }
        ",
        world: "taskhost:history-room/room",
        imports: { default: trappable },
        trappable_error_type: { "taskhost:host/history.error" => super::error::Error },
    });
    pub(super) use self::taskhost::host::history::*;
}

/// The room.
pub struct History;

/// One run's grants and streams. There are no handles.
pub struct RunState {
    gate: Arc<Gate>,
    load: Load,
    grants: BTreeMap<String, Arc<Grant>>,
    readers: Arc<backend::Readers>,
    places: Arc<Semaphore>,
    tasks: Tasks,
}

/// Answers and streams that one run has under way at a time; further ones wait.
const CONCURRENT: usize = 4;

impl Room for History {
    const NAME: &'static str = "history";
    const ACCESS: &'static [&'static str] = grant::READ;
    const BUDGETS: &'static [&'static str] = &[];
    const TARGET: &'static str = "FILE|URL";
    const EXAMPLE: &'static str = "/history.db";

    type Grant = Grant;
    type Shared = backend::Readers;
    type State = RunState;

    fn access(grant: &Grant) -> Vec<&'static str> {
        grant.words()
    }

    fn check(grant: &Grant) -> Result<(), String> {
        grant.check()
    }

    fn anchored(target: &str, base: &Path) -> String {
        // A URL is no path.
        if target.contains("://") { target.into() } else { base.join(target).to_string_lossy().into_owned() }
    }

    fn state(shared: Arc<backend::Readers>, grants: BTreeMap<String, Grant>, run: &RunContext) -> RunState {
        RunState {
            gate: Arc::clone(&run.gate),
            load: run.load.clone(),
            grants: grants.into_iter().map(|(slot, grant)| (slot, Arc::new(grant))).collect(),
            readers: shared,
            places: Arc::new(Semaphore::new(CONCURRENT)),
            tasks: Tasks::default(),
        }
    }

    fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_, RunState>) -> wasmtime::Result<()> {
        bindings::add_to_linker::<T, Data<Self>>(linker, view)
    }

    /// Each answer is a query of its own; streams end.
    async fn finish(state: RunState) {
        state.tasks.finish().await;
    }
}
