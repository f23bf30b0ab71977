//! The `files` room: a directory a slot. It lists, reads, searches, writes and removes below that directory, and never
//! touches anything that is not below it, whatever path is asked for and whatever happens to the tree meanwhile.
//!
//! Granted with `--files SLOT=DIRECTORY`, which grants reading; `,write` and `,delete` grant more, and `include=GLOB`
//! and `exclude=GLOB` less; `mode=0600` makes new files private (see [`Grant`]).

mod backend;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod grant;
mod host;
mod tasks;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use wasmtime::component::Linker;

use self::tasks::Tasks;
use super::{Data, Load, Room, RunContext, View};
use crate::gate::Gate;

pub use backend::staged::Swept;
pub use grant::Grant;
pub use host::Directory;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package taskhost:files-room;
            world room { import taskhost:host/files@0.1.0; }
        ",
        world: "taskhost:files-room/room",
        imports: { default: trappable },
        with: { "taskhost:host/files.directory": super::Directory },
        trappable_error_type: { "taskhost:host/files.error" => super::error::Error },
    });
    pub(super) use self::taskhost::host::files::*;
}

/// The room.
pub struct Files;

/// One run's grants, and what works for it. The open directories are in the table of handles.
pub struct State {
    gate: Arc<Gate>,
    grants: BTreeMap<String, Arc<Grant>>,
    /// The directories of the slots that were opened: one descriptor a slot, however many handles the guest has.
    roots: BTreeMap<String, Arc<backend::root::Root>>,
    load: Load,
    swept: Arc<Swept>,
    rehearsed: Arc<backend::rehearsed::Rehearsed>,
    tasks: Tasks,
}

impl Room for Files {
    const NAME: &'static str = "files";
    const ACCESS: &'static [&'static str] = &["read", "write", "delete"];
    const BUDGETS: &'static [&'static str] = &["files", "bytes"];
    const TARGET: &'static str = "DIRECTORY";
    const EXAMPLE: &'static str = "/";
    const DESTROYS: &'static [&'static str] = &["delete"];

    type Grant = Grant;
    type Shared = Swept;
    type State = State;

    fn access(grant: &Grant) -> Vec<&'static str> {
        grant.access()
    }

    fn check(grant: &Grant) -> Result<(), String> {
        grant.check()
    }

    fn anchored(target: &str, base: &Path) -> String {
        base.join(target).to_string_lossy().into_owned()
    }

    fn state(shared: Arc<Swept>, grants: BTreeMap<String, Grant>, run: &RunContext) -> State {
        State {
            gate: Arc::clone(&run.gate),
            grants: grants.into_iter().map(|(slot, grant)| (slot, Arc::new(grant))).collect(),
            roots: BTreeMap::new(),
            load: run.load.clone(),
            swept: shared,
            rehearsed: Arc::default(),
            tasks: Tasks::default(),
        }
    }

    fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_, State>) -> wasmtime::Result<()> {
        bindings::add_to_linker::<T, Data<Self>>(linker, view)
    }

    /// Work that is still under way ends, and takes its half-written files with it.
    async fn finish(state: State) {
        state.tasks.finish().await;
    }
}
