//! The `http` room: requests to the addresses that a slot's grant names. What is sent is the request that was judged:
//! its place in the one form that is compared, its address the one that was looked at, its credentials the host's own.
//! It must never send a credential to another server, follow a redirect without judging it as a request, or show what
//! the grant holds.
//!
//! Granted with `--http SLOT=URL`, which grants GET and HEAD of all that is at the URL or below it; `,post`, `,put`,
//! `,patch` and `,delete` grant more (see [`Grant`]).

mod backend;
mod error;
mod grant;
mod header;
mod host;
pub(crate) mod location;
mod tasks;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
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
            package taskhost:http-room;
            world room { import taskhost:host/http@0.1.0; }
        ",
        world: "taskhost:http-room/room",
        imports: { default: trappable },
        trappable_error_type: { "taskhost:host/http.error" => super::error::Error },
    });
    pub(super) use self::taskhost::host::http::*;
}

/// The room.
pub struct Http;

/// Requests that one run has under way at a time, the bodies of their answers included; further ones wait.
const CONCURRENT: usize = 32;
/// The most bytes of an answer's body where the grant does not say.
const MOST_BODY: u64 = 64 << 20;

/// One run's slots, and what works for it. There are no handles.
pub struct State {
    gate: Arc<Gate>,
    load: Load,
    slots: BTreeMap<String, Arc<Slot>>,
    shared: Arc<backend::Shared>,
    places: Arc<Semaphore>,
    tasks: Tasks,
}

/// A grant, and what is made of it when it is first needed.
#[derive(Default)]
struct Slot {
    grant: Grant,
    tls: backend::Tls,
}

impl Room for Http {
    const NAME: &'static str = "http";
    const ACCESS: &'static [&'static str] = &["get", "post", "put", "patch", "delete"];
    const BUDGETS: &'static [&'static str] = &["requests", "bytes"];
    const SEVERAL_TARGETS: bool = true;
    const TARGET: &'static str = "http[s]://HOST[:PORT][/PATH]";
    const EXAMPLE: &'static str = "https://localhost";
    const DESTROYS: &'static [&'static str] = &["delete"];
    const PATHS: &'static [&'static str] = &["ca", "cert", "key"];
    const SECRETS: &'static [&'static str] = &["bearer", "basic", "header"];

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
        let slot = |grant| Arc::new(Slot { grant, tls: backend::Tls::default() });
        State {
            gate: Arc::clone(&run.gate),
            load: run.load.clone(),
            slots: grants.into_iter().map(|(name, grant)| (name, slot(grant))).collect(),
            shared,
            places: Arc::new(Semaphore::new(CONCURRENT)),
            tasks: Tasks::default(),
        }
    }

    fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_, State>) -> wasmtime::Result<()> {
        bindings::add_to_linker::<T, Data<Self>>(linker, view)
    }

    /// Answers that are still read end, and their connections close.
    async fn finish(state: State) {
        state.tasks.finish().await;
    }
}
