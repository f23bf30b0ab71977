//! The functions of `wit/system.wit`: effect, gate, backend, error.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::component::Accessor;

use super::bindings::{self, Host, HostWithStore, Process, Snapshot};
use super::error::Error;
use super::grant::Access;
use super::{Grant, State, System, backend};
use crate::capability::{Data, Notices, Room as _, View};
use crate::gate::{Effect, Gate, Impact, Permit};

/// Milliseconds that may be measured over.
const SPAN: RangeInclusive<u32> = 100..=60_000;
/// Processes of one list.
const PROCESSES: RangeInclusive<u32> = 1..=1_000;

impl Host for View<'_, State> {
    fn convert_error(&mut self, error: Error) -> wasmtime::Result<bindings::Error> {
        error.for_guest()
    }
}

/// What one call needs of the state, taken out of the store so that others may run meanwhile.
struct Call {
    slot: String,
    gate: Arc<Gate>,
    grant: Arc<Grant>,
    machine: Arc<backend::Machine>,
    places: Arc<Semaphore>,
    notices: Notices,
}

impl Call {
    fn new<T: Send>(accessor: &Accessor<T, Data<System>>, slot: String) -> Self {
        accessor.with(|mut access| {
            let state = access.get().state;
            Self {
                gate: Arc::clone(&state.gate),
                grant: state.grants.get(&slot).cloned().unwrap_or_default(),
                machine: Arc::clone(&state.machine),
                places: Arc::clone(&state.places),
                notices: state.notices.clone(),
                slot,
            }
        })
    }

    fn enter(&self, operation: &'static str, access: Access, over_ms: u32) -> Result<Permit, Error> {
        let verdict = self.grant.allows(self.gate.slot(System::NAME, &self.slot), access);
        let over = format!("over {over_ms} ms");
        let effect = Effect::new(System::NAME, self.slot.as_str(), operation, Impact::Observe, &over);
        Ok(self.gate.enter(effect, verdict)?)
    }
}

impl<T: Send> HostWithStore<T> for Data<System> {
    async fn measure(accessor: &Accessor<T, Self>, slot: String, over_ms: u32) -> Result<Snapshot, Error> {
        let call = Call::new(accessor, slot);
        let mut permit = call.enter("measure", Access::Read, over_ms)?;
        let measured = async {
            let over = span(over_ms)?;
            permit.charge("measurements", 1)?;
            // The semaphore is never closed.
            let _place = call.places.acquire().await.map_err(wasmtime::Error::from)?;
            call.machine.measure(&call.grant, over, &call.notices).await
        }
        .await;
        permit.finish(measured)
    }

    async fn processes(
        accessor: &Accessor<T, Self>,
        slot: String,
        over_ms: u32,
        limit: u32,
    ) -> Result<Vec<Process>, Error> {
        let call = Call::new(accessor, slot);
        let mut permit = call.enter("processes", Access::Processes, over_ms)?;
        let listed = async {
            let over = span(over_ms)?;
            if !PROCESSES.contains(&limit) {
                let (least, most) = (PROCESSES.start(), PROCESSES.end());
                return Err(Error::Invalid(format!("a list has {least} to {most} processes, not {limit}")));
            }
            permit.charge("measurements", 1)?;
            let _place = call.places.acquire().await.map_err(wasmtime::Error::from)?;
            call.machine.processes(over, usize::try_from(limit).unwrap_or(usize::MAX)).await
        }
        .await;
        permit.rows(listed.as_ref().map_or(0, |listed| listed.len() as u64));
        permit.finish(listed)
    }
}

fn span(over_ms: u32) -> Result<Duration, Error> {
    if SPAN.contains(&over_ms) {
        return Ok(Duration::from_millis(over_ms.into()));
    }
    let (least, most) = (SPAN.start(), SPAN.end());
    Err(Error::Invalid(format!("what is measured is measured over {least} ms to {most} ms, not {over_ms} ms")))
}
