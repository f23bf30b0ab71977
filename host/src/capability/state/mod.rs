//! The `state` room: what a task remembers between its runs, in a SQLite file of the host's.
//!
//! Granted with `--state SLOT=FILE`, which grants reading; `,write` grants remembering. A run sees what its own task
//! left, unless the grant names another (`,task=NAME`, for reading alone). The room must never open a file that is not
//! its own, and never lose what was written because two runs write at once.

mod backend;
mod error;
mod grant;
mod host;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use wasmtime::component::Linker;

use super::{Data, Load, Room, RunContext, View};
use crate::gate::Gate;

pub use backend::{Kept, read_all};
pub use grant::Grant;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package taskhost:state-room;
            world room { import taskhost:host/state@0.1.0; }
        ",
        world: "taskhost:state-room/room",
        imports: { default: trappable },
        trappable_error_type: { "taskhost:host/state.error" => super::error::Error },
    });
    pub(super) use self::taskhost::host::state::*;
}

/// The room.
pub struct State;

/// One run's grants. There are no handles.
pub struct RunState {
    gate: Arc<Gate>,
    load: Load,
    grants: BTreeMap<String, Arc<Grant>>,
    files: Arc<backend::Files>,
    task: Arc<str>,
}

impl Room for State {
    const NAME: &'static str = "state";
    const ACCESS: &'static [&'static str] = grant::Access::WORDS;
    const BUDGETS: &'static [&'static str] = &["entries"];
    const TARGET: &'static str = "FILE";
    const EXAMPLE: &'static str = "/state.db";

    type Grant = Grant;
    type Shared = backend::Files;
    type State = RunState;

    fn access(grant: &Grant) -> Vec<&'static str> {
        grant.words()
    }

    fn check(grant: &Grant) -> Result<(), String> {
        grant.check()
    }

    fn anchored(target: &str, base: &Path) -> String {
        base.join(target).to_string_lossy().into_owned()
    }

    fn state(shared: Arc<backend::Files>, grants: BTreeMap<String, Grant>, run: &RunContext) -> RunState {
        RunState {
            gate: Arc::clone(&run.gate),
            load: run.load.clone(),
            grants: grants.into_iter().map(|(slot, grant)| (slot, Arc::new(grant))).collect(),
            files: shared,
            task: Arc::clone(&run.task),
        }
    }

    fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_, RunState>) -> wasmtime::Result<()> {
        bindings::add_to_linker::<T, Data<Self>>(linker, view)
    }

    /// Each call is a transaction of its own: nothing is left open.
    async fn finish(_: RunState) {}
}
