//! The `docker` room: what a Docker engine holds, as far as a slot's scope reaches, and upkeep of it. It never hands out
//! the engine's socket, never makes a container with privileges, a mount of the host's or its network, and never removes
//! what is in use.
//!
//! Granted with `--docker SLOT=unix:///var/run/docker.sock`, which grants reading; `,pull`, `,prune`, `,control` and
//! `,run` grant more, and `label=`, `name=` and `image=` less (see [`Grant`]).

mod backend;
mod error;
mod grant;
mod host;
mod prune;
mod reference;
mod tasks;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::component::Linker;

use self::tasks::Tasks;
use super::{Data, Load, Room, RunContext, View};
use crate::gate::Gate;

pub use backend::Engines;
pub(crate) use backend::{Things, Throwaway};
pub use grant::Grant;
pub use host::Daemon;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package taskhost:docker-room;
            world room { import taskhost:host/docker@0.1.0; }
        ",
        world: "taskhost:docker-room/room",
        imports: { default: trappable },
        with: { "taskhost:host/docker.daemon": super::Daemon },
        trappable_error_type: { "taskhost:host/docker.error" => super::error::Error },
    });
    pub(super) use self::taskhost::host::docker::*;
}

/// Where an engine is, unless it is elsewhere.
const SOCKET: &str = "unix:///var/run/docker.sock";

/// The room.
pub struct Docker;

/// One run's grants, and what works for it. The handles are in the table of handles.
pub struct State {
    gate: Arc<Gate>,
    load: Load,
    grants: BTreeMap<String, Arc<Grant>>,
    engines: Arc<Engines>,
    places: Arc<Semaphore>,
    tasks: Tasks,
}

/// Calls and streams that one run has under way at a time, each with a connection of its own; further ones wait.
const CONCURRENT: usize = 64;

impl Room for Docker {
    const NAME: &'static str = "docker";
    const ACCESS: &'static [&'static str] = &["read", "pull", "prune", "control", "run"];
    const BUDGETS: &'static [&'static str] = &["images", "containers", "networks", "volumes", "bytes"];
    const TARGET: &'static str = "unix:///PATH|tcp://HOST:PORT";
    const EXAMPLE: &'static str = SOCKET;
    const DESTROYS: &'static [&'static str] = &["prune"];
    const PATHS: &'static [&'static str] = &["ca", "cert", "key", "docker-config"];

    type Grant = Grant;
    type Shared = Engines;
    type State = State;

    fn access(grant: &Grant) -> Vec<&'static str> {
        grant.access()
    }

    fn check(grant: &Grant) -> Result<(), String> {
        grant.check()
    }

    fn state(shared: Arc<Engines>, grants: BTreeMap<String, Grant>, run: &RunContext) -> State {
        State {
            gate: Arc::clone(&run.gate),
            load: run.load.clone(),
            grants: grants.into_iter().map(|(slot, grant)| (slot, Arc::new(grant))).collect(),
            engines: shared,
            places: Arc::new(Semaphore::new(CONCURRENT)),
            tasks: Tasks::default(),
        }
    }

    fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_, State>) -> wasmtime::Result<()> {
        bindings::add_to_linker::<T, Data<Self>>(linker, view)
    }

    /// Streams end, and a container that still runs for the run is killed and removed.
    async fn finish(state: State) {
        state.tasks.finish().await;
    }
}
