//! The `tls` room: looks at the certificates that a granted endpoint presents. It resolves, connects, shakes hands and
//! hangs up; no byte of a guest's choosing is ever sent, apart from the server name in the handshake.
//!
//! Granted with `--tls SLOT=HOST:PORT`, once for each endpoint or pattern of endpoints. A name must not lead into the
//! host's own network unless the grant says so (see [`Grant`]).

mod backend;
mod error;
mod grant;
mod host;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::component::Linker;

use super::{Data, Room, RunContext, View};
use crate::gate::Gate;

pub use grant::Grant;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package taskhost:tls-room;
            world room { import taskhost:host/tls@0.1.0; }
        ",
        world: "taskhost:tls-room/room",
        imports: { default: trappable },
        trappable_error_type: { "taskhost:host/tls.error" => super::error::Error },
    });
    pub(super) use self::taskhost::host::tls::*;
}

/// The room.
pub struct Tls;

/// The most connections that one run has open at a time; further ones wait.
const CONCURRENT: usize = 32;

/// One run's grants. There are no handles: a connection lives no longer than the call that makes it.
pub struct State {
    gate: Arc<Gate>,
    grants: BTreeMap<String, Arc<Grant>>,
    shared: Arc<backend::Shared>,
    places: Arc<Semaphore>,
}

impl Room for Tls {
    const NAME: &'static str = "tls";
    const ACCESS: &'static [&'static str] = &["connect"];
    const BUDGETS: &'static [&'static str] = &["connections"];
    const SEVERAL_TARGETS: bool = true;
    const TARGET: &'static str = "[smtp|imap|postgres://]HOST:PORT";
    const EXAMPLE: &'static str = "localhost:443";
    const PATHS: &'static [&'static str] = &["ca"];

    type Grant = Grant;
    type Shared = backend::Shared;
    type State = State;

    fn access(grant: &Grant) -> Vec<&'static str> {
        grant.access()
    }

    fn check(grant: &Grant) -> Result<(), String> {
        grant.check()
    }

    fn state(shared: Arc<backend::Shared>, grants: BTreeMap<String, Grant>, run: &RunContext) -> State {
        State {
            gate: Arc::clone(&run.gate),
            grants: grants.into_iter().map(|(slot, grant)| (slot, Arc::new(grant))).collect(),
            shared,
            places: Arc::new(Semaphore::new(CONCURRENT)),
        }
    }

    fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_, State>) -> wasmtime::Result<()> {
        bindings::add_to_linker::<T, Data<Self>>(linker, view)
    }

    /// Connections went with the calls that made them.
    async fn finish(_: State) {}
}
