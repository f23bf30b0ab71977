//! The `command` room: programs that the operator wrote down whole, as templates. A plugin chooses one by name and fills
//! its placeholders; each value is checked against its type, and stays one argument.
//!
//! Granted with `--command SLOT=DIRECTORY,templates=FILE.toml`, which grants the templates that observe; `,run` grants
//! all of them (see [`Grant`]). The room must never pass anything through a shell, never give a program the host's
//! environment or descriptors, and never leave a process behind a run.

mod arguments;
mod backend;
mod environment;
mod error;
mod grant;
mod host;
mod placeholder;
mod settings;
mod tasks;
mod template;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use schemars::{Schema, SchemaGenerator};
use wasmtime::component::Linker;

use self::tasks::Tasks;
use super::{Data, Doubt, Load, Mistake, Notices, Room, RunContext, View};
use crate::gate::Gate;

pub use backend::supervise;
pub use grant::Grant;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package taskhost:command-room;
            world room { import taskhost:host/command@0.1.0; }
        ",
        world: "taskhost:command-room/room",
        imports: { default: trappable },
        trappable_error_type: { "taskhost:host/command.error" => super::error::Error },
    });
    pub(super) use self::taskhost::host::command::*;
}

/// The room.
pub struct Command;

/// One run's grants, and the programs at work for it. There are no handles.
pub struct State {
    gate: Arc<Gate>,
    load: Load,
    notices: Notices,
    grants: BTreeMap<String, Arc<Grant>>,
    tasks: Tasks,
}

impl Room for Command {
    const NAME: &'static str = "command";
    const ACCESS: &'static [&'static str] = grant::Access::WORDS;
    const BUDGETS: &'static [&'static str] = &["commands"];
    const TARGET: &'static str = "DIRECTORY";
    const EXAMPLE: &'static str = "/srv/app";
    const DESTROYS: &'static [&'static str] = &["run"];
    const PATHS: &'static [&'static str] = &["templates"];

    type Grant = Grant;
    type Shared = ();
    type State = State;

    fn access(grant: &Grant) -> Vec<&'static str> {
        grant.words()
    }

    fn check(grant: &Grant) -> Result<(), String> {
        grant.check()
    }

    fn anchored(target: &str, base: &Path) -> String {
        base.join(target).to_string_lossy().into_owned()
    }

    fn expand(settings: &mut toml::Table) -> Result<(), String> {
        settings::expand(settings)
    }

    fn examine(settings: &toml::Table) -> Vec<Mistake> {
        settings::examine(settings)
    }

    fn doubts(grant: &Grant) -> Vec<Doubt> {
        grant.doubts()
    }

    fn shown(settings: &toml::Table) -> Option<Vec<String>> {
        Some(settings::shown(settings))
    }

    fn schema(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
        settings::schema(generator)
    }

    fn state(_: Arc<()>, grants: BTreeMap<String, Grant>, run: &RunContext) -> State {
        State {
            gate: Arc::clone(&run.gate),
            load: run.load.clone(),
            notices: run.notices.clone(),
            grants: grants.into_iter().map(|(slot, grant)| (slot, Arc::new(grant))).collect(),
            tasks: Tasks::default(),
        }
    }

    fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_, State>) -> wasmtime::Result<()> {
        bindings::add_to_linker::<T, Data<Self>>(linker, view)
    }

    /// Every program that is still at work ends, with all that it started.
    async fn finish(state: State) {
        state.tasks.finish().await;
    }
}
