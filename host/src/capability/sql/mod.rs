//! Placeholder of the `sql` room.

#[allow(dead_code, unused_imports, reason = "called by the room")]
pub(crate) mod dump;
#[allow(dead_code, unused_imports, reason = "called by the room")]
pub(crate) mod grant;
#[allow(dead_code, unused_imports, reason = "called by the room")]
pub(crate) mod lexis;
#[allow(dead_code, unused_imports, reason = "called by the room")]
pub(crate) mod statement;

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::Linker;

use super::{Room, RunContext, View};

/// The room.
pub struct Sql;

/// Grants nothing.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Grant {}

/// One run's state.
pub struct State;

impl Room for Sql {
    const NAME: &'static str = "sql";
    const ACCESS: &'static [&'static str] = &["read"];
    const BUDGETS: &'static [&'static str] = &["rows"];
    const TARGET: &'static str = "URL";
    type Grant = Grant;
    type Shared = ();
    type State = State;

    fn access(_: &Grant) -> Vec<&'static str> {
        vec![]
    }

    fn check(_: &Grant) -> Result<(), String> {
        Ok(())
    }

    fn state(_: Arc<()>, _: BTreeMap<String, Grant>, _: &RunContext) -> State {
        State
    }

    fn link<T: Send + 'static>(_: &mut Linker<T>, _: fn(&mut T) -> View<'_, State>) -> wasmtime::Result<()> {
        Ok(())
    }

    async fn finish(_: State) {}
}
