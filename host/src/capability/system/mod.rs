//! The `system` room: how the machine that the host runs on is doing. Everything is looked at, nothing is changed.
//!
//! Granted with `--system SLOT=local`, which grants figures; `,processes` grants the list of processes. `,mount=GLOB` and
//! `,interface=GLOB` say which disks and networks are seen. The room must never show an argument or the environment of a
//! process, and never wait for a mount whose server is gone.

mod backend;
mod error;
mod grant;
mod host;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::component::Linker;

use super::{Data, Notices, Room, RunContext, View};
use crate::gate::Gate;

pub use grant::Grant;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package taskhost:system-room;
            world room { import taskhost:host/system@0.1.0; }
        ",
        world: "taskhost:system-room/room",
        imports: { default: trappable },
        trappable_error_type: { "taskhost:host/system.error" => super::error::Error },
    });
    pub(super) use self::taskhost::host::system::*;
}

/// The room.
pub struct System;

/// The most measurements that one run has under way at a time; further ones wait. Each holds what it saw first.
const CONCURRENT: usize = 4;

/// One run's grants. There are no handles: a measurement lives no longer than the call that asks for it.
pub struct State {
    gate: Arc<Gate>,
    grants: BTreeMap<String, Arc<Grant>>,
    machine: Arc<backend::Machine>,
    places: Arc<Semaphore>,
    notices: Notices,
}

impl Room for System {
    const NAME: &'static str = "system";
    const ACCESS: &'static [&'static str] = grant::Access::WORDS;
    const BUDGETS: &'static [&'static str] = &["measurements"];
    const TARGET: &'static str = "local";
    const EXAMPLE: &'static str = "local";

    type Grant = Grant;
    type Shared = backend::Machine;
    type State = State;

    fn access(grant: &Grant) -> Vec<&'static str> {
        grant.words()
    }

    fn check(grant: &Grant) -> Result<(), String> {
        grant.check()
    }

    fn state(shared: Arc<backend::Machine>, grants: BTreeMap<String, Grant>, run: &RunContext) -> State {
        State {
            gate: Arc::clone(&run.gate),
            grants: grants.into_iter().map(|(slot, grant)| (slot, Arc::new(grant))).collect(),
            machine: shared,
            places: Arc::new(Semaphore::new(CONCURRENT)),
            notices: run.notices.clone(),
        }
    }

    fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_, State>) -> wasmtime::Result<()> {
        bindings::add_to_linker::<T, Data<Self>>(linker, view)
    }

    /// A measurement ends with the call that asked for it.
    async fn finish(_: State) {}
}
