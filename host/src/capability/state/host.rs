//! The functions of `wit/state.wit`: effect, gate, backend, error.

use std::sync::Arc;

use wasmtime::component::Accessor;

use super::backend::{self, Files, Scope};
use super::bindings::{self, Entry, Host, HostWithStore, Measurement, Sample, Value};
use super::error::Error;
use super::grant::Access;
use super::{Grant, RunState, State};
use crate::capability::load::Held;
use crate::capability::{Data, Room as _, View};
use crate::gate::{Effect, Gate, Impact, Permit};

impl Host for View<'_, RunState> {
    fn convert_error(&mut self, error: Error) -> wasmtime::Result<bindings::Error> {
        Ok(error.for_guest())
    }
}

/// What one call needs of the state, taken out of the store so that others may run meanwhile.
struct Call {
    slot: String,
    gate: Arc<Gate>,
    grant: Arc<Grant>,
    files: Arc<Files>,
    task: Arc<str>,
    /// Its arguments, counted.
    _held: Held,
}

impl Call {
    /// A call whose arguments have so many bytes.
    fn new<T: Send>(accessor: &Accessor<T, Data<State>>, slot: String, bytes: usize) -> Result<Self, Error> {
        accessor.with(|mut access| {
            let state = access.get().state;
            Ok(Self {
                _held: state.load.hold(bytes + slot.len())?,
                gate: Arc::clone(&state.gate),
                grant: state.grants.get(&slot).cloned().unwrap_or_default(),
                files: Arc::clone(&state.files),
                task: Arc::clone(&state.task),
                slot,
            })
        })
    }

    fn enter(&self, operation: &'static str, impact: Impact, target: &str) -> Result<Permit, Error> {
        let access = if impact == Impact::Observe { Access::Read } else { Access::Write };
        let verdict = self.grant.allows(self.gate.slot(State::NAME, &self.slot), access);
        Ok(self.gate.enter(Effect::new(State::NAME, self.slot.as_str(), operation, impact, target), verdict)?)
    }

    fn scope(&self) -> Scope<'_> {
        Scope { path: self.grant.path(), task: self.grant.task(&self.task) }
    }
}

impl<T: Send> HostWithStore<T> for Data<State> {
    async fn get(accessor: &Accessor<T, Self>, slot: String, key: String) -> Result<Option<Entry>, Error> {
        let call = Call::new(accessor, slot, key.len())?;
        let permit = call.enter("get", Impact::Observe, &key)?;
        permit.finish(call.files.get(call.scope(), &key).await)
    }

    async fn put(
        accessor: &Accessor<T, Self>,
        slot: String,
        key: String,
        value: Value,
        expected: Option<u64>,
    ) -> Result<u64, Error> {
        let call = Call::new(accessor, slot, key.len() + value_size(&value))?;
        let mut permit = call.enter("put", Impact::Change, &key)?;
        let done = async {
            backend::check_value(&key, &value)?;
            permit.charge("entries", 1)?;
            if permit.rehearse() {
                let now = call.files.get(call.scope(), &key).await?.map_or(0, |entry| entry.version);
                return backend::next_version(&key, now, expected);
            }
            call.files.put(call.scope(), &key, value, expected).await
        }
        .await;
        permit.finish(done)
    }

    async fn remove(accessor: &Accessor<T, Self>, slot: String, key: String) -> Result<bool, Error> {
        let call = Call::new(accessor, slot, key.len())?;
        let mut permit = call.enter("remove", Impact::Destroy, &key)?;
        let done = async {
            permit.charge("entries", 1)?;
            if permit.rehearse() {
                return Ok(call.files.get(call.scope(), &key).await?.is_some());
            }
            call.files.remove(call.scope(), &key).await
        }
        .await;
        permit.finish(done)
    }

    async fn keys(accessor: &Accessor<T, Self>, slot: String, prefix: String) -> Result<Vec<String>, Error> {
        let call = Call::new(accessor, slot, prefix.len())?;
        let mut permit = call.enter("keys", Impact::Observe, &prefix)?;
        let keys = call.files.keys(call.scope(), &prefix).await;
        permit.rows(keys.as_ref().map_or(0, |keys| keys.len() as u64));
        permit.finish(keys)
    }

    async fn append(accessor: &Accessor<T, Self>, slot: String, measurements: Vec<Measurement>) -> Result<(), Error> {
        let call = Call::new(
            accessor,
            slot,
            measurements.iter().map(|one| one.series.len() + one.subject.len() + size_of::<Measurement>()).sum(),
        )?;
        let target = measurements.first().map(|first| first.series.clone()).unwrap_or_default();
        let mut permit = call.enter("append", Impact::Change, &target)?;
        let done = async {
            backend::check_measurements(&measurements)?;
            permit.charge("entries", measurements.len() as u64)?;
            permit.rows(measurements.len() as u64);
            if permit.rehearse() { Ok(()) } else { call.files.append(call.scope(), &measurements).await }
        }
        .await;
        permit.finish(done)
    }

    async fn samples(
        accessor: &Accessor<T, Self>,
        slot: String,
        series: String,
        subject: String,
        since: u64,
        limit: u32,
    ) -> Result<Vec<Sample>, Error> {
        let call = Call::new(accessor, slot, series.len() + subject.len())?;
        let mut permit = call.enter("samples", Impact::Observe, &series)?;
        let samples = call.files.samples(call.scope(), &series, &subject, since, limit).await;
        permit.rows(samples.as_ref().map_or(0, |samples| samples.len() as u64));
        permit.finish(samples)
    }

    async fn subjects(accessor: &Accessor<T, Self>, slot: String, series: String) -> Result<Vec<String>, Error> {
        let call = Call::new(accessor, slot, series.len())?;
        let mut permit = call.enter("subjects", Impact::Observe, &series)?;
        let subjects = call.files.subjects(call.scope(), &series).await;
        permit.rows(subjects.as_ref().map_or(0, |subjects| subjects.len() as u64));
        permit.finish(subjects)
    }
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => size_of::<Value>(),
    }
}
