//! The functions of `wit/redis.wit`: effect, gate, backend, error.

mod call;
mod commands;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

use super::backend::{self, Expiry, Pool};
use super::bindings::{
    self, Entry, ExpireWhen, Facts, Host, HostStore, HostStoreWithStore, InfoField, Node, ScanOptions, Scanned, Server,
    SlowCall,
};
use super::error::Error;
use super::grant::{Access, Grant};
use super::{Redis, State, shown};
use crate::capability::load::bytes_of;
use crate::capability::stream::Batches;
use crate::capability::{Data, Room as _, View};
use crate::gate::{Effect, Impact, Refusal};
use call::{Call, settle};

/// The server behind a slot, as a guest holds it.
pub struct Store {
    slot: Arc<str>,
    grant: Arc<Grant>,
    pool: Arc<Pool>,
}

/// A guest's stream of entries, and the future of how it ended.
type Streamed = (StreamReader<Entry>, FutureReader<Result<Scanned, bindings::Error>>);

/// Batches that wait for a guest.
const AHEAD: usize = 2;

impl Host for View<'_, State> {
    fn convert_error(&mut self, error: Error) -> wasmtime::Result<bindings::Error> {
        error.for_guest()
    }

    fn open(&mut self, slot: String, database: Option<u32>) -> Result<Resource<Store>, Error> {
        let grant = self.state.grants.get(&slot).cloned().unwrap_or_default();
        let slot: Arc<str> = slot.into();
        let target = grant.target().map(|mut target| {
            let own = target.database;
            target.database = database.unwrap_or(own);
            (target, own)
        });
        let named = self.state.gate.slot(Redis::NAME, &slot);
        let verdict = grant.allows(named, Access::Read).and_then(|()| match &target {
            Ok((target, own)) => grant.allows_database(named, target.database, *own),
            Err(reason) => Err(Refusal::NotGranted(reason.clone())),
        });
        let shown = target.as_ref().map(|(target, _)| target.to_string()).unwrap_or_default();
        let effect = Effect::new(Redis::NAME, Arc::clone(&slot), "open", Impact::Observe, &shown);
        let permit = self.state.gate.enter(effect, verdict)?;
        let (target, _) = permit.finish(target.map_err(Error::Invalid))?;
        let store = Store { slot, grant, pool: self.state.pools.pool(&target) };
        Ok(self.table.push(store).map_err(wasmtime::Error::from)?)
    }
}

impl HostStore for View<'_, State> {
    fn drop(&mut self, store: Resource<Store>) -> wasmtime::Result<()> {
        self.table.delete(store)?;
        Ok(())
    }
}

impl<T: Send + 'static> HostStoreWithStore<T> for Data<Redis> {
    async fn server(accessor: &Accessor<T, Self>, store: Resource<Store>) -> Result<Server, Error> {
        let call = Call::new(accessor, &store, 0)?;
        let database = call.pool.target().database;
        call.look("server", "", async |lease, _| backend::server(lease, database).await).await
    }

    async fn info(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        sections: Vec<String>,
    ) -> Result<Vec<InfoField>, Error> {
        let call = Call::new(accessor, &store, bytes_of(&sections))?;
        call.look("info", &sections.join(" "), async |lease, _| backend::info(lease, &sections).await).await
    }

    async fn size(accessor: &Accessor<T, Self>, store: Resource<Store>) -> Result<u64, Error> {
        Call::new(accessor, &store, 0)?.look("size", "", async |lease, _| backend::size(lease).await).await
    }

    async fn scan(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        options: ScanOptions,
    ) -> Result<Streamed, Error> {
        let call = Call::new(accessor, &store, options.pattern.as_ref().map_or(0, Vec::len))?;
        let target = options.pattern.as_deref().map(shown::key).unwrap_or_default();
        let mut permit = call.enter("scan", Impact::Observe, &target, call.grant.allows(call.named(), Access::Read))?;
        let scan = call.scan(options);
        let place = match scan.check() {
            Ok(()) => scan.place().await,
            Err(error) => Err(error),
        };
        let place = match place {
            Ok(place) => place,
            Err(error) => return settle(permit, Err(error)),
        };
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (done, ended) = oneshot::channel();
        call.ticket.clone().start(async move {
            let give = |batch| async { sender.send(batch).await.map_err(|_| Error::GivenUp) };
            let scanned = tokio::select! {
                (scanned, ended) = backend::scan(scan, place, give) => {
                    permit.rows(scanned.matched);
                    settle(permit, ended.map(|()| scanned))
                }
                // The guest let go while the server was at work.
                () = sender.closed() => settle(permit, Err(Error::GivenUp)),
            };
            // Before the stream ends, so that the guest finds it.
            let _ = done.send(scanned.map_err(|error| {
                let message = error.to_string();
                error.for_guest().unwrap_or(bindings::Error::Unavailable(message))
            }));
            drop(sender);
        });
        Ok(accessor.with(|mut access| {
            let stream = StreamReader::new(&mut access, Batches::new(receiver))?;
            wasmtime::error::Ok((stream, FutureReader::new(&mut access, ended)?))
        })?)
    }

    async fn measure(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        keys: Vec<Vec<u8>>,
        facts: Facts,
    ) -> Result<Vec<Option<Entry>>, Error> {
        let call = Call::new(accessor, &store, size(&keys))?;
        call.look_at("measure", keys, async |lease, permit, keys| {
            let entries = backend::measure(lease, keys, facts).await?;
            permit.rows(entries.iter().flatten().count() as u64);
            Ok(entries)
        })
        .await
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        keys: Vec<Vec<u8>>,
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let call = Call::new(accessor, &store, size(&keys))?;
        call.look_at("get", keys, async |lease, permit, keys| {
            let values = backend::get(lease, &keys).await?;
            permit.rows(values.iter().flatten().count() as u64);
            permit.bytes(values.iter().flatten().map(|value| value.len() as u64).sum());
            Ok(values)
        })
        .await
    }

    async fn unlink(accessor: &Accessor<T, Self>, store: Resource<Store>, keys: Vec<Vec<u8>>) -> Result<u64, Error> {
        Call::new(accessor, &store, size(&keys))?.unlink(keys).await
    }

    async fn expire(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        keys: Vec<Vec<u8>>,
        milliseconds: u64,
        when: ExpireWhen,
    ) -> Result<u64, Error> {
        Call::new(accessor, &store, size(&keys))?.expire(keys, Expiry { milliseconds, when }).await
    }

    async fn configuration(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        patterns: Vec<String>,
    ) -> Result<Vec<(String, String)>, Error> {
        let call = Call::new(accessor, &store, bytes_of(&patterns))?;
        let target = patterns.join(" ");
        call.look("configuration", &target, async |lease, _| backend::configuration(lease, &patterns).await).await
    }

    async fn slowlog(accessor: &Accessor<T, Self>, store: Resource<Store>, count: u32) -> Result<Vec<SlowCall>, Error> {
        let call = Call::new(accessor, &store, 0)?;
        let with_arguments = call.grant.has(Access::Admin);
        call.look("slowlog", "", async |lease, _| backend::slowlog(lease, count, with_arguments).await).await
    }

    async fn clients(accessor: &Accessor<T, Self>, store: Resource<Store>) -> Result<Vec<bindings::Client>, Error> {
        Call::new(accessor, &store, 0)?.look("clients", "", async |lease, _| backend::clients(lease).await).await
    }

    async fn last_save(accessor: &Accessor<T, Self>, store: Resource<Store>) -> Result<i64, Error> {
        Call::new(accessor, &store, 0)?.look("last-save", "", async |lease, _| backend::last_save(lease).await).await
    }

    async fn background_save(accessor: &Accessor<T, Self>, store: Resource<Store>) -> Result<(), Error> {
        Call::new(accessor, &store, 0)?.background_save().await
    }

    async fn command(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        arguments: Vec<Vec<u8>>,
    ) -> Result<Vec<Node>, Error> {
        Call::new(accessor, &store, size(&arguments))?.command(arguments).await
    }
}

/// Bytes of several keys or words.
fn size(words: &[Vec<u8>]) -> usize {
    words.iter().map(|word| word.len() + size_of::<Vec<u8>>()).sum()
}
