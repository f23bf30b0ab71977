//! Placeholder of the `tls` room.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::Linker;

use super::{Room, RunContext, View};

/// The room.
pub struct Tls;

/// Grants nothing.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Grant {}

/// One run's state.
pub struct State;

impl Room for Tls {
    const NAME: &'static str = "tls";
    const ACCESS: &'static [&'static str] = &["connect"];
    const BUDGETS: &'static [&'static str] = &["connections"];
    const TARGET: &'static str = "HOST:PORT";
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
