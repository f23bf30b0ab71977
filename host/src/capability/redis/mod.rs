//! The `redis` room: Redis (6 and later) and Valkey.
//!
//! Granted with `--redis SLOT=redis://HOST:PORT/DATABASE`, which grants reading; `,write,key=PATTERN` grants changes to
//! keys, `,admin,command=NAME` administrative commands (see [`Grant`]). What a command does is taken from the server's
//! own description of it. The room must never show a URL's password, never send a command whose keys it cannot tell,
//! and never leave a connection in a state that the next one does not expect.

mod backend;
mod bindings;
mod command;
mod error;
mod grant;
mod host;
mod info;
mod pattern;
mod shown;
mod target;
mod tasks;

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::Linker;

pub(crate) use self::backend::Throwaway;
use self::backend::{Pools, Rehearsed};
use self::tasks::Tasks;
use super::{Data, Load, Notices, Room, RunContext, View};
use crate::gate::Gate;

pub use grant::Grant;
pub use host::Store;

/// The room.
pub struct Redis;

/// One run's grants, and what works for it. The open stores are in the table of handles.
pub struct State {
    gate: Arc<Gate>,
    load: Load,
    notices: Notices,
    grants: BTreeMap<String, Arc<Grant>>,
    pools: Arc<Pools>,
    rehearsed: Arc<Rehearsed>,
    tasks: Tasks,
}

impl Room for Redis {
    const NAME: &'static str = "redis";
    const ACCESS: &'static [&'static str] = grant::Access::WORDS;
    const BUDGETS: &'static [&'static str] = &["keys", "bytes"];
    const TARGET: &'static str = "URL";
    const EXAMPLE: &'static str = "redis://localhost";
    const DESTROYS: &'static [&'static str] = &["write"];
    const PATHS: &'static [&'static str] = &["ca"];

    type Grant = Grant;
    type Shared = Pools;
    type State = State;

    fn access(grant: &Grant) -> Vec<&'static str> {
        grant.words()
    }

    fn check(grant: &Grant) -> Result<(), String> {
        grant.check()
    }

    fn state(shared: Arc<Pools>, grants: BTreeMap<String, Grant>, run: &RunContext) -> State {
        State {
            gate: Arc::clone(&run.gate),
            load: run.load.clone(),
            notices: run.notices.clone(),
            grants: grants.into_iter().map(|(slot, grant)| (slot, Arc::new(grant))).collect(),
            pools: shared,
            rehearsed: Arc::default(),
            tasks: Tasks::default(),
        }
    }

    fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_, State>) -> wasmtime::Result<()> {
        bindings::add_to_linker::<T, Data<Self>>(linker, view)
    }

    /// Scans that are still under way end, and their connections with them.
    async fn finish(state: State) {
        state.tasks.finish().await;
    }
}
