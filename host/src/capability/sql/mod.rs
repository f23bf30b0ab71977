//! The `sql` room: PostgreSQL, MariaDB/MySQL and SQLite behind one interface.
//!
//! A text passes through `statement` before it runs, and what runs is what that wrote. Reads run in a transaction that
//! the database itself holds read-only, changes in one that is rolled back in a rehearsal. The room must never show a
//! target's password, never leave a statement running or a transaction open behind a run, and never hand a connection
//! on whose state it does not know.

mod backend;
pub(crate) mod dump;
mod error;
pub(crate) mod grant;
mod host;
pub(crate) mod lexis;
pub(crate) mod statement;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use wasmtime::component::Linker;

pub(crate) use self::backend::Throwaway;
use self::backend::{Jobs, Pools};
pub use self::grant::Grant;
use super::{Data, Room, RunContext, View};
use crate::gate::Gate;

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package taskhost:sql-room;
            world room { import taskhost:host/sql@0.1.0; }
        ",
        world: "taskhost:sql-room/room",
        imports: { default: trappable },
        with: {
            "taskhost:host/sql.database": super::host::Database,
            "taskhost:host/sql.transaction": super::host::Transaction,
        },
        trappable_error_type: { "taskhost:host/sql.error" => super::error::Error },
    });
}

/// The room.
pub struct Sql;

/// One run's slots and the work that is under way for it.
pub struct State {
    gate: Arc<Gate>,
    slots: BTreeMap<String, Arc<backend::Slot>>,
    jobs: Jobs,
}

impl Room for Sql {
    const NAME: &'static str = "sql";
    const ACCESS: &'static [&'static str] = grant::Access::WORDS;
    const BUDGETS: &'static [&'static str] = &["rows"];
    const TARGET: &'static str = "URL";
    const EXAMPLE: &'static str = "postgres://user@localhost/database";
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

    fn anchored(target: &str, base: &Path) -> String {
        match target.strip_prefix("sqlite:") {
            Some(path) => format!("sqlite:{}", base.join(path.strip_prefix("//").unwrap_or(path)).display()),
            None => target.into(),
        }
    }

    async fn excess(grant: &Grant) -> Result<Option<String>, String> {
        backend::ask_excess(grant).await.map_err(|error| error.to_string())
    }

    fn state(shared: Arc<Pools>, grants: BTreeMap<String, Grant>, run: &RunContext) -> State {
        let jobs = Jobs::default();
        let slots = grants
            .into_iter()
            .map(|(name, grant)| {
                let slot = backend::Slot::new(&name, grant, run.clone(), Arc::clone(&shared), jobs.clone());
                (name, Arc::new(slot))
            })
            .collect();
        State { gate: Arc::clone(&run.gate), slots, jobs }
    }

    fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_, State>) -> wasmtime::Result<()> {
        bindings::taskhost::host::sql::add_to_linker::<_, Data<Self>>(linker, view)
    }

    async fn finish(state: State) {
        drop(state.slots);
        state.jobs.finish().await;
    }
}
