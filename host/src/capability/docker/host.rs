//! The functions of `wit/docker.wit`: effect, gate, backend, error. Nothing else.

mod pruning;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};
use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

use super::backend::{Ceiling, Engine, Engines};
use super::bindings::{self as wit, Host, HostDaemon, HostDaemonWithStore};
use super::error::Error;
use super::grant::{Access, Labels, Patterns};
use super::reference::Reference;
use super::tasks::Ticket;
use super::{Docker, Grant, State};
use crate::capability::load::{Held, bytes_of};
use crate::capability::stream::{Batches, ByteChunks};
use crate::capability::{Data, Room as _, View};
use crate::gate::{Effect, Gate, Impact, Permit, Refusal, SlotName};

/// The engine behind a slot.
#[derive(Clone)]
pub struct Daemon {
    slot: Arc<str>,
    grant: Arc<Grant>,
}

type Streamed<T, R> = (StreamReader<T>, FutureReader<Result<R, wit::Error>>);

/// The longest that a container of `run` runs when its guest says nothing.
const RUN_TIME: Duration = Duration::from_mins(10);
const LONGEST_RUN: Duration = Duration::from_hours(24);

impl Host for View<'_, State> {
    fn open(&mut self, slot: String) -> Result<Resource<Daemon>, Error> {
        let Some(grant) = self.state.grants.get(&slot).cloned() else {
            let bind = self.state.gate.slot(Docker::NAME, &slot).bind(super::SOCKET, &[]);
            let refusal = Refusal::NotGranted(format!("slot `{slot}` is not bound; {bind}"));
            let effect = Effect::new(Docker::NAME, slot, "open", Impact::Observe, "");
            drop(self.state.gate.enter(effect, Err(refusal.clone())));
            return Err(refusal.into());
        };
        Ok(self.table.push(Daemon { slot: slot.into(), grant })?)
    }

    fn convert_error(&mut self, error: Error) -> wasmtime::Result<wit::Error> {
        error.for_guest()
    }
}

impl HostDaemon for View<'_, State> {
    fn drop(&mut self, daemon: Resource<Daemon>) -> wasmtime::Result<()> {
        self.table.delete(daemon)?;
        Ok(())
    }
}

/// What one call needs of the state, taken out of the store so that others may run meanwhile.
struct Call {
    slot: Arc<str>,
    grant: Arc<Grant>,
    gate: Arc<Gate>,
    engines: Arc<Engines>,
    places: Arc<Semaphore>,
    ticket: Ticket,
    /// Its arguments, counted.
    _held: Held,
}

impl Call {
    /// A call whose arguments have so many bytes.
    fn new<T: 'static>(
        accessor: &Accessor<T, Data<Docker>>,
        daemon: &Resource<Daemon>,
        bytes: usize,
    ) -> Result<Self, Error> {
        accessor.with(|mut access| {
            let View { state, table } = access.get();
            let daemon = table.get(daemon).map_err(wasmtime::Error::from)?;
            Ok(Self {
                slot: Arc::clone(&daemon.slot),
                grant: Arc::clone(&daemon.grant),
                gate: Arc::clone(&state.gate),
                engines: Arc::clone(&state.engines),
                places: Arc::clone(&state.places),
                ticket: state.tasks.ticket(),
                _held: state.load.hold(bytes)?,
            })
        })
    }

    fn enter(
        &self,
        operation: &'static str,
        impact: Impact,
        target: &str,
        verdict: Result<(), Refusal>,
    ) -> Result<Permit, Refusal> {
        self.gate.enter(Effect::new(Docker::NAME, Arc::clone(&self.slot), operation, impact, target), verdict)
    }

    fn named(&self) -> SlotName<'_> {
        self.gate.slot(Docker::NAME, &self.slot)
    }

    fn allows(&self, access: Access) -> Result<(), Refusal> {
        self.grant.allows(self.named(), access)
    }

    async fn engine(&self) -> Result<Engine, Error> {
        // The semaphore is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(wasmtime::Error::from)?;
        self.engines.engine(&self.grant, place).await
    }

    /// Something that is read at once, and the number of things it gives.
    async fn observe<R>(
        self,
        operation: &'static str,
        target: &str,
        read: impl AsyncFnOnce(Engine) -> Result<R, Error>,
        count: impl FnOnce(&R) -> u64,
    ) -> Result<R, Error> {
        let mut permit = self.enter(operation, Impact::Observe, target, self.allows(Access::Read))?;
        let found = async { read(self.engine().await?).await }.await;
        if let Ok(found) = &found {
            permit.rows(count(found));
        }
        permit.finish(found)
    }

    /// Something that is done to one container of the scope.
    async fn control(
        self,
        operation: &'static str,
        container: &str,
        act: impl AsyncFnOnce(Engine, String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut permit = self.enter(operation, Impact::Change, container, self.allows(Access::Control))?;
        let done = async {
            let engine = self.engine().await?;
            let found = engine.find_container(container).await?;
            permit.charge("containers", 1)?;
            if permit.rehearse() { Ok(()) } else { act(engine, found.id).await }
        };
        let done = done.await;
        permit.finish(done)
    }

    /// A reference as it was asked for, judged by the scope's repositories; one that is malformed is no matter of the grant.
    fn judge(&self, reference: &str, access: Access) -> (Result<Reference, Error>, Result<(), Refusal>) {
        match reference.parse::<Reference>() {
            Ok(reference) => {
                let verdict = self.allows(access).and_then(|()| self.grant.allows_repository(self.named(), &reference));
                (Ok(reference), verdict)
            }
            Err(error) => (Err(Error::Invalid(error)), self.allows(access)),
        }
    }
}

/// Gives a stream and its end to the guest.
fn hand_over<T, R, P>(
    accessor: &Accessor<T, Data<Docker>>,
    producer: P,
    end: oneshot::Receiver<Result<R, Error>>,
) -> Result<Streamed<P::Item, R>, Error>
where
    T: Send + 'static,
    R: wasmtime::component::Lower
        + wasmtime::component::Lift
        + wasmtime::component::ComponentType
        + Send
        + Sync
        + 'static,
    P: wasmtime::component::StreamProducer<T>,
    P::Item: wasmtime::component::Lower + wasmtime::component::Lift + Send + Sync + 'static,
{
    accessor.with(|mut store| {
        let stream = StreamReader::new(&mut store, producer)?;
        let end = async move {
            match end.await.unwrap_or(Err(Error::Abandoned)) {
                Ok(end) => Ok(Ok(end)),
                Err(error) => error.for_guest().map(Err),
            }
        };
        Ok((stream, FutureReader::new(&mut store, end)?))
    })
}

fn items<T>((pieces, end): (mpsc::Receiver<Vec<T>>, End)) -> (Batches<T>, End) {
    (Batches::new(pieces), end)
}

type End = oneshot::Receiver<Result<u64, Error>>;

fn filter_error(error: String) -> Error {
    Error::Invalid(error)
}

impl<T: Send + 'static> HostDaemonWithStore<T> for Data<Docker> {
    async fn info(accessor: &Accessor<T, Self>, daemon: Resource<Daemon>) -> Result<wit::Engine, Error> {
        Call::new(accessor, &daemon, 0)?.observe("info", "", async |engine| engine.info().await, |_| 1).await
    }

    async fn containers(
        accessor: &Accessor<T, Self>,
        daemon: Resource<Daemon>,
        filter: wit::ContainerFilter,
    ) -> Result<Vec<wit::Container>, Error> {
        let bytes = bytes_of(filter.names.iter().chain(&filter.labels).chain(&filter.images));
        let shown = [filter.names.join(" "), filter.labels.join(" "), filter.images.join(" ")].join(" ");
        let read = async |engine: Engine| {
            let names = Patterns::new(filter.names).map_err(filter_error)?;
            let images = Patterns::new(filter.images).map_err(filter_error)?;
            let labels = Labels::new(&filter.labels).map_err(filter_error)?;
            let mut found = engine.containers(filter.sizes).await?;
            found.retain(|container| {
                names.matches_any(&container.name)
                    && (filter.states.is_empty() || filter.states.contains(&container.state))
                    && labels.hold(|name| label_value(&container.labels, name))
                    && (images.is_empty()
                        || super::reference::repository(&container.image).is_some_and(|name| images.matches(name)))
            });
            Ok(found)
        };
        Call::new(accessor, &daemon, bytes)?.observe("containers", shown.trim(), read, |found| found.len() as u64).await
    }

    async fn container(
        accessor: &Accessor<T, Self>,
        daemon: Resource<Daemon>,
        name: String,
    ) -> Result<wit::ContainerDetails, Error> {
        let read = async |engine: Engine| engine.container(&name).await;
        Call::new(accessor, &daemon, name.len())?.observe("container", &name, read, |_| 1).await
    }

    async fn images(
        accessor: &Accessor<T, Self>,
        daemon: Resource<Daemon>,
        filter: wit::ImageFilter,
    ) -> Result<Vec<wit::Image>, Error> {
        let bytes = bytes_of(filter.repositories.iter().chain(&filter.labels));
        let shown = [filter.repositories.join(" "), filter.labels.join(" ")].join(" ");
        let read = async |engine: Engine| {
            let repositories = Patterns::new(filter.repositories).map_err(filter_error)?;
            let labels = Labels::new(&filter.labels).map_err(filter_error)?;
            let mut found = engine.images().await?;
            found.retain(|image| {
                let mut names = image.tags.iter().chain(&image.digests);
                labels.hold(|name| label_value(&image.labels, name))
                    && (!filter.dangling || image.tags.is_empty())
                    && (repositories.is_empty()
                        || names.any(|name| {
                            super::reference::repository(name).is_some_and(|name| repositories.matches(name))
                        }))
            });
            Ok(found)
        };
        Call::new(accessor, &daemon, bytes)?.observe("images", shown.trim(), read, |found| found.len() as u64).await
    }

    async fn image(accessor: &Accessor<T, Self>, daemon: Resource<Daemon>, name: String) -> Result<wit::Image, Error> {
        let read = async |engine: Engine| engine.image(&name).await;
        Call::new(accessor, &daemon, name.len())?.observe("image", &name, read, |_| 1).await
    }

    async fn networks(accessor: &Accessor<T, Self>, daemon: Resource<Daemon>) -> Result<Vec<wit::Network>, Error> {
        let read = async |engine: Engine| engine.networks().await;
        Call::new(accessor, &daemon, 0)?.observe("networks", "", read, |found| found.len() as u64).await
    }

    async fn volumes(accessor: &Accessor<T, Self>, daemon: Resource<Daemon>) -> Result<Vec<wit::Volume>, Error> {
        let read = async |engine: Engine| engine.volumes().await;
        Call::new(accessor, &daemon, 0)?.observe("volumes", "", read, |found| found.len() as u64).await
    }

    async fn disk_usage(accessor: &Accessor<T, Self>, daemon: Resource<Daemon>) -> Result<wit::DiskUsage, Error> {
        let read = async |engine: Engine| engine.disk_usage().await;
        Call::new(accessor, &daemon, 0)?.observe("disk-usage", "", read, |_| 1).await
    }

    async fn remote_digest(
        accessor: &Accessor<T, Self>,
        daemon: Resource<Daemon>,
        reference: String,
    ) -> Result<String, Error> {
        let call = Call::new(accessor, &daemon, reference.len())?;
        let (parsed, verdict) = call.judge(&reference, Access::Read);
        let permit = call.enter("remote-digest", Impact::Observe, &reference, verdict)?;
        let digest = async { call.engine().await?.remote_digest(&parsed?).await };
        permit.finish(digest.await)
    }

    async fn stats(
        accessor: &Accessor<T, Self>,
        daemon: Resource<Daemon>,
        container: String,
        samples: Option<u32>,
    ) -> Result<Streamed<wit::Sample, u64>, Error> {
        let call = Call::new(accessor, &daemon, container.len())?;
        let permit = call.enter("stats", Impact::Observe, &container, call.allows(Access::Read))?;
        let (engine, id, permit) = call.found(permit, &container).await?;
        let (producer, end) = items(call.ticket.start(
            permit,
            |sink| engine.stats(id, samples, sink),
            |permit, given| permit.rows(*given),
        ));
        hand_over(accessor, producer, end)
    }

    async fn logs(
        accessor: &Accessor<T, Self>,
        daemon: Resource<Daemon>,
        container: String,
        options: wit::LogOptions,
    ) -> Result<Streamed<u8, u64>, Error> {
        let call = Call::new(accessor, &daemon, container.len())?;
        let permit = call.enter("logs", Impact::Observe, &container, call.allows(Access::Read))?;
        let (engine, id, permit) = call.found(permit, &container).await?;
        let (pieces, end): (mpsc::Receiver<Bytes>, End) =
            call.ticket.start(permit, |sink| engine.logs(id, options, sink), |permit, given| permit.bytes(*given));
        hand_over(accessor, ByteChunks::new(pieces), end)
    }

    async fn events(
        accessor: &Accessor<T, Self>,
        daemon: Resource<Daemon>,
        filter: wit::EventFilter,
    ) -> Result<Streamed<wit::Event, u64>, Error> {
        let call = Call::new(accessor, &daemon, bytes_of(filter.kinds.iter().chain(&filter.actions)))?;
        let shown = [filter.kinds.join(" "), filter.actions.join(" ")].join(" ");
        let permit = call.enter("events", Impact::Observe, shown.trim(), call.allows(Access::Read))?;
        let engine = match call.engine().await {
            Ok(engine) => engine,
            Err(error) => return permit.finish(Err(error)),
        };
        let (producer, end) =
            items(call.ticket.start(permit, |sink| engine.events(filter, sink), |permit, given| permit.rows(*given)));
        hand_over(accessor, producer, end)
    }

    async fn pull(
        accessor: &Accessor<T, Self>,
        daemon: Resource<Daemon>,
        reference: String,
    ) -> Result<Streamed<wit::PullProgress, wit::Pulled>, Error> {
        let call = Call::new(accessor, &daemon, reference.len())?;
        let (parsed, verdict) = call.judge(&reference, Access::Pull);
        let mut permit = call.enter("pull", Impact::Change, &reference, verdict)?;
        let ready = async {
            let parsed = parsed?;
            permit.charge("images", 1)?;
            Ok((call.engine().await?, parsed))
        };
        let (engine, parsed) = match ready.await {
            Ok(ready) => ready,
            Err(error) => return permit.finish(Err(error)),
        };
        let rehearse = permit.rehearse();
        let work = |sink| async move {
            if rehearse { engine.would_pull(&parsed).await } else { engine.pull(parsed, sink).await }
        };
        let (pieces, end) = call.ticket.start(permit, work, |_, _: &wit::Pulled| ());
        hand_over(accessor, Batches::new(pieces), end)
    }

    async fn prune(
        accessor: &Accessor<T, Self>,
        daemon: Resource<Daemon>,
        what: wit::Prune,
    ) -> Result<wit::Pruned, Error> {
        Call::new(accessor, &daemon, prune_size(&what))?.prune(&what).await
    }

    async fn start(accessor: &Accessor<T, Self>, daemon: Resource<Daemon>, container: String) -> Result<(), Error> {
        let act = async |engine: Engine, id: String| engine.start(&id).await;
        Call::new(accessor, &daemon, container.len())?.control("start", &container, act).await
    }

    async fn stop(
        accessor: &Accessor<T, Self>,
        daemon: Resource<Daemon>,
        container: String,
        grace: u32,
    ) -> Result<(), Error> {
        let act = async |engine: Engine, id: String| engine.stop(&id, grace).await;
        Call::new(accessor, &daemon, container.len())?.control("stop", &container, act).await
    }

    async fn restart(
        accessor: &Accessor<T, Self>,
        daemon: Resource<Daemon>,
        container: String,
        grace: u32,
    ) -> Result<(), Error> {
        let act = async |engine: Engine, id: String| engine.restart(&id, grace).await;
        Call::new(accessor, &daemon, container.len())?.control("restart", &container, act).await
    }

    async fn run(
        accessor: &Accessor<T, Self>,
        daemon: Resource<Daemon>,
        image: String,
        options: wit::RunOptions,
    ) -> Result<Streamed<u8, i64>, Error> {
        let call = Call::new(accessor, &daemon, image.len() + bytes_of(&options.command))?;
        let parsed = image.parse::<Reference>().map_err(Error::Invalid);
        let verdict = match &parsed {
            Ok(reference) => call.grant.allows_run(call.named(), reference),
            Err(_) => call.allows(Access::Run),
        };
        let shown = format!("{image} {}", options.command.join(" "));
        let mut permit = call.enter("run", Impact::Change, shown.trim(), verdict)?;
        let ready = async {
            let parsed = parsed?;
            let ceiling = call.ceiling(&options)?;
            permit.charge("containers", 1)?;
            Ok((call.engine().await?, parsed, ceiling))
        };
        let (engine, parsed, ceiling) = match ready.await {
            Ok(ready) => ready,
            Err(error) => return permit.finish(Err(error)),
        };
        let rehearse = permit.rehearse();
        let work =
            |sink| async move { if rehearse { Ok(0) } else { engine.run(parsed, options, ceiling, sink).await } };
        let (pieces, end) = call.ticket.start(permit, work, |_, _: &i64| ());
        hand_over(accessor, ByteChunks::new(pieces), end)
    }
}

impl Call {
    /// The container that a stream is of; the permit goes on with the stream.
    async fn found(&self, permit: Permit, container: &str) -> Result<(Engine, String, Permit), Error> {
        let found = async {
            let engine = self.engine().await?;
            let found = engine.find_container(container).await?;
            Ok((engine, found.id))
        };
        match found.await {
            Ok((engine, id)) => Ok((engine, id, permit)),
            Err(error) => permit.finish(Err(error)),
        }
    }

    /// What a container of `run` may use: what its guest asks for, within the grant.
    fn ceiling(&self, options: &wit::RunOptions) -> Result<Ceiling, Error> {
        let (memory, cpus) = self.grant.run_limits();
        let over = |what: &str, key: &str, value: &str| {
            let slot = self.named();
            let set = slot.set(key, value);
            Refusal::NotGranted(format!("slot `{slot}` does not grant so much {what} to a container; {set}"))
        };
        if let Some(asked) = options.memory.filter(|asked| *asked > memory) {
            let asked = crate::policy::units::Size(asked);
            return Err(over("memory", "memory", &asked.to_string().replace(' ', "")).into());
        }
        if options.cpus.is_some_and(|asked| asked.is_nan() || asked > cpus) {
            return Err(over("CPU", "cpus", "N").into());
        }
        if options.memory.is_some_and(|asked| asked < 6 << 20) || options.cpus.is_some_and(|asked| asked < 0.01) {
            return Err(Error::Invalid("a container needs 6 MiB of memory and a hundredth of a CPU at least".into()));
        }
        let time = options.timeout.map_or(RUN_TIME, Duration::from_secs).min(LONGEST_RUN);
        Ok(Ceiling { memory: options.memory.unwrap_or(memory), cpus: options.cpus.unwrap_or(cpus), time })
    }
}

fn label_value<'a>(labels: &'a [wit::Label], name: &str) -> Option<&'a str> {
    labels.iter().find(|label| label.name == name).map(|label| label.value.as_deref().unwrap_or_default())
}

fn prune_size(what: &wit::Prune) -> usize {
    match what {
        wit::Prune::Images(images) => {
            bytes_of(images.labels.iter().chain(&images.without_labels).chain(&images.repositories))
        }
        wit::Prune::Containers(containers) => bytes_of(containers.labels.iter().chain(&containers.without_labels)),
        wit::Prune::Networks(networks) => bytes_of(networks.labels.iter().chain(&networks.without_labels)),
        wit::Prune::Volumes(volumes) => bytes_of(volumes.labels.iter().chain(&volumes.without_labels)),
        wit::Prune::BuildCache(_) => 0,
    }
}
