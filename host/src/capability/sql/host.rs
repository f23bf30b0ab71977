//! The contract's functions: effect, gate, backend, error. Nothing else.
//!
//! A scratch database leaves nothing behind, and so is made and used in a rehearsal too: what is done in one is journaled
//! as observing.

mod call;
mod transaction;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Mutex, mpsc, oneshot};
use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

use self::call::{Checked, change};
use super::backend::{self, Job, Purpose, RowSource, ScratchDatabase, SharedLease, Slot, check_count, restore};
use super::bindings::taskhost::host::sql as wit;
use super::error::Error;
use super::grant::TableName;
use super::statement::ReadingKind;
use super::{Sql, State};
use crate::capability::load::bytes_of;
use crate::capability::stream::{Batches, ByteChunks, into_receiver};
use crate::capability::{Data, Room as _, View};
use crate::gate::{Effect, Impact, Permit, Refusal};

/// The database behind a slot, or a scratch one.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub struct Database {
    slot: Arc<Slot>,
    scratch: Option<Arc<ScratchDatabase>>,
}

/// A transaction under way.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub struct Transaction {
    database: Database,
    lease: SharedLease,
}

type Rows = (Vec<wit::Column>, StreamReader<wit::Row>, FutureReader<Result<u64, wit::Error>>);
type Csv = (StreamReader<u8>, FutureReader<Result<u64, wit::Error>>);

fn name(table: &wit::Table) -> TableName {
    TableName { schema: table.schema.clone(), name: table.name.clone() }
}

fn name_size(table: &wit::Table) -> usize {
    table.name.len() + table.schema.as_ref().map_or(0, String::len)
}

/// Bytes of the names in an operation.
fn operation_size(operation: &wit::Maintenance) -> usize {
    let table = match operation {
        wit::Maintenance::Vacuum(wit::Vacuum { table, .. })
        | wit::Maintenance::Analyze(table)
        | wit::Maintenance::Optimize(table) => table.as_ref(),
        wit::Maintenance::Checkpoint => None,
        wit::Maintenance::Reindex(wit::Reindex { target, .. }) => match target {
            wit::IndexTarget::Index(name) | wit::IndexTarget::Table(name) => Some(name),
        },
    };
    table.map_or(0, name_size)
}

/// An operation's impact, its words for people, and the table it is for.
fn describe(operation: &wit::Maintenance) -> (Impact, String, Option<TableName>) {
    let (words, table) = match operation {
        wit::Maintenance::Vacuum(vacuum) if vacuum.analyze => ("vacuum and analyze", vacuum.table.as_ref()),
        wit::Maintenance::Vacuum(vacuum) => ("vacuum", vacuum.table.as_ref()),
        wit::Maintenance::Analyze(table) => ("analyze", table.as_ref()),
        wit::Maintenance::Optimize(table) => ("optimize", table.as_ref()),
        wit::Maintenance::Checkpoint => ("checkpoint", None),
        wit::Maintenance::Reindex(reindex) => match &reindex.target {
            wit::IndexTarget::Index(index) => return (Impact::Change, format!("reindex index {}", name(index)), None),
            wit::IndexTarget::Table(table) => ("reindex table", Some(table)),
        },
    };
    let table = table.map(name);
    let shown = match &table {
        Some(table) => format!("{words} {table}"),
        None => format!("{words} (the whole database)"),
    };
    (Impact::Change, shown, table)
}

/// The database behind a handle.
fn database<T>(accessor: &Accessor<T, Data<Sql>>, handle: &Resource<Database>) -> Result<Database, Error> {
    accessor.with(|mut store| Ok(store.get().table.get(handle)?.clone()))
}

fn transaction<T>(accessor: &Accessor<T, Data<Sql>>, handle: &Resource<Transaction>) -> Result<Transaction, Error> {
    accessor.with(|mut store| Ok(store.get().table.get(handle)?.clone()))
}

/// Hands a read that runs in `job` to the guest: its columns, once they are known, its rows and its end. The permit is
/// journaled with the end.
async fn hand_over<T: Send + 'static>(
    accessor: &Accessor<T, Data<Sql>>,
    slot: &Slot,
    permit: Permit,
    job: Job<u64>,
    source: RowSource,
) -> Result<Rows, Error> {
    let Ok(columns) = source.columns.await else {
        // It failed before it had any.
        return permit.finish(job.await).and(Err(Error::Abandoned));
    };
    let (ended, end) = oneshot::channel();
    slot.jobs.follow(journal_end(permit, job, ended));
    accessor.with(|mut store| {
        let rows = StreamReader::new(&mut store, Batches::new(source.batches)).map_err(Error::Bug)?;
        let end = FutureReader::new(&mut store, async move { end_of(end).await }).map_err(Error::Bug)?;
        Ok((columns, rows, end))
    })
}

async fn journal_end(mut permit: Permit, job: Job<u64>, ended: oneshot::Sender<Result<u64, Error>>) {
    let result = job.await;
    match &result {
        Ok(rows) => {
            permit.rows(*rows);
            permit.succeed();
        }
        Err(Error::Abandoned) => drop(permit),
        Err(error) => permit.fail(error),
    }
    let _ = ended.send(result);
}

async fn end_of(end: oneshot::Receiver<Result<u64, Error>>) -> wasmtime::Result<Result<u64, wit::Error>> {
    match end.await.unwrap_or(Err(Error::Abandoned)) {
        Ok(rows) => Ok(Ok(rows)),
        Err(error) => error.into_guest().map(Err),
    }
}

impl wit::Host for View<'_, State> {
    fn open(&mut self, slot: String) -> Result<Resource<Database>, Error> {
        let Some(bound) = self.state.slots.get(&slot).cloned() else {
            let bind = self.state.gate.slot(Sql::NAME, &slot).bind("URL", &[]);
            let refusal = Refusal::NotGranted(format!("slot `{slot}` is not bound; {bind}"));
            let effect = Effect::new(Sql::NAME, slot, "open", Impact::Observe, "");
            drop(self.state.gate.enter(effect, Err(refusal.clone())));
            return Err(refusal.into());
        };
        Ok(self.table.push(Database { slot: bound, scratch: None })?)
    }

    fn convert_error(&mut self, error: Error) -> wasmtime::Result<wit::Error> {
        error.into_guest()
    }
}

impl wit::HostDatabase for View<'_, State> {
    fn drop(&mut self, handle: Resource<Database>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl wit::HostTransaction for View<'_, State> {
    /// Rolls back what was not committed: the lease is handed back, or stopped, with the last of its users.
    fn drop(&mut self, handle: Resource<Transaction>) -> wasmtime::Result<()> {
        let transaction = self.table.delete(handle)?;
        transaction.database.slot.jobs.follow(async move {
            if let Some(lease) = transaction.lease.lock().await.take() {
                lease.give_back().await;
            }
        });
        Ok(())
    }
}

impl<T: Send + 'static> wit::HostDatabaseWithStore<T> for Data<Sql> {
    async fn server(accessor: &Accessor<T, Self>, this: Resource<Database>) -> Result<wit::Server, Error> {
        let database = database(accessor, &this)?;
        let verdict = if database.slot.grant.words().is_empty() {
            database.slot.grant.allows_read(database.slot.named())
        } else {
            Ok(())
        };
        let permit = database.slot.enter("server", Impact::Observe, "", verdict)?;
        let result = async {
            let purpose = if database.scratch.is_some() { Purpose::Scratch } else { Purpose::Read };
            let mut lease = database.lease(purpose).await?;
            let server = lease.connection()?.server().await;
            lease.give_back().await;
            server
        };
        permit.finish(result.await)
    }

    async fn query(
        accessor: &Accessor<T, Self>,
        this: Resource<Database>,
        statement: String,
        parameters: Vec<wit::Value>,
    ) -> Result<Rows, Error> {
        let database = database(accessor, &this)?;
        let held = database.slot.hold(statement.len() + backend::size_of_all(&parameters))?;
        let (permit, checked) = database.enter_reading("query", &statement)?;
        if let Err(error) = check_count(checked.parameters(), parameters.len()) {
            return permit.finish(Err(error));
        }
        let (mut sink, source) = backend::channel();
        let slot = Arc::clone(&database.slot);
        let job = slot.jobs.run(async move {
            let purpose = if database.scratch.is_some() { Purpose::Scratch } else { Purpose::Read };
            let mut lease = database.lease(purpose).await?;
            database.check_confined(&checked, &mut lease).await?;
            let read_only = database.scratch.is_none();
            let _held = held;
            backend::read(lease, read_only, checked.text(), &parameters, &mut sink).await
        });
        hand_over(accessor, &slot, permit, job, source).await
    }

    async fn execute(
        accessor: &Accessor<T, Self>,
        this: Resource<Database>,
        statement: String,
        parameters: Vec<wit::Value>,
    ) -> Result<u64, Error> {
        let database = database(accessor, &this)?;
        let _held = database.slot.hold(statement.len() + backend::size_of_all(&parameters))?;
        database.execute(&statement, &parameters).await
    }

    async fn begin(accessor: &Accessor<T, Self>, this: Resource<Database>) -> Result<Resource<Transaction>, Error> {
        let database = database(accessor, &this)?;
        let words = database.slot.grant.words();
        let verdict = match &database.scratch {
            None if !words.contains(&"write") => database.slot.grant.allows_read(database.slot.named()),
            _ => Ok(()),
        };
        let permit = database.slot.enter("begin", Impact::Observe, "", verdict)?;
        let writes = database.scratch.is_some() || words.contains(&"write");
        let result = async {
            let purpose = match (&database.scratch, writes) {
                (Some(_), _) => Purpose::Scratch,
                (None, true) => Purpose::Write,
                (None, false) => Purpose::Read,
            };
            let mut lease = database.lease(purpose).await?;
            lease.connection()?.begin(!writes).await?;
            Ok::<_, Error>(Arc::new(Mutex::new(Some(lease))))
        };
        let lease = permit.finish(result.await)?;
        accessor.with(|mut store| Ok(store.get().table.push(Transaction { database, lease })?))
    }

    async fn maintain(
        accessor: &Accessor<T, Self>,
        this: Resource<Database>,
        operation: wit::Maintenance,
    ) -> Result<(), Error> {
        let database = database(accessor, &this)?;
        let _held = database.slot.hold(operation_size(&operation))?;
        database.maintain(&operation).await
    }

    async fn scratch(accessor: &Accessor<T, Self>, this: Resource<Database>) -> Result<Resource<Database>, Error> {
        let database = database(accessor, &this)?;
        let slot = database.slot;
        let verdict = match database.scratch {
            Some(_) => Err(Refusal::NotGranted("a scratch database makes no further ones".into())),
            None => slot.grant.allows_scratch(slot.named()),
        };
        let permit = slot.enter("scratch", Impact::Observe, "a throw-away database", verdict)?;
        let scratch = permit.finish(ScratchDatabase::create(&slot).await)?;
        let scratch = Some(Arc::new(scratch));
        accessor.with(|mut store| Ok(store.get().table.push(Database { slot, scratch })?))
    }

    async fn restore(
        accessor: &Accessor<T, Self>,
        this: Resource<Database>,
        dump: StreamReader<u8>,
    ) -> Result<wit::Restored, Error> {
        let database = database(accessor, &this)?;
        let dump = accessor.with(|store| into_receiver(dump, store)).map_err(Error::Bug)?;
        let (mut permit, _scratch) = database.enter_scratch("restore")?;
        let slot = Arc::clone(&database.slot);
        let job = slot.jobs.run(async move {
            let mut lease = database.lease(Purpose::Scratch).await?;
            let restored = restore(&mut lease, database.slot.dialect(), dump).await;
            // A dump leaves its settings behind.
            if restored.is_ok() {
                lease.close().await;
            }
            restored
        });
        let result = job.await;
        if let Ok(restored) = &result {
            permit.rows(restored.rows);
            permit.bytes(restored.bytes);
        }
        permit.finish(result)
    }

    async fn discard(accessor: &Accessor<T, Self>, this: Resource<Database>) -> Result<(), Error> {
        let database = accessor.with(|mut store| store.get().table.delete(this))?;
        let (permit, scratch) = database.enter_scratch("discard")?;
        permit.finish(scratch.discard().await)
    }

    async fn copy_in(
        accessor: &Accessor<T, Self>,
        this: Resource<Database>,
        table: wit::Table,
        columns: Vec<String>,
        data: StreamReader<u8>,
    ) -> Result<u64, Error> {
        let database = database(accessor, &this)?;
        let data = accessor.with(|store| into_receiver(data, store)).map_err(Error::Bug)?;
        let slot = Arc::clone(&database.slot);
        let held = slot.hold(name_size(&table) + bytes_of(&columns))?;
        let target = name(&table);
        let is_scratch = database.scratch.is_some();
        let (impact, verdict) = match is_scratch {
            true if target.schema.is_some() && slot.dialect() == super::grant::Dialect::Mysql => (
                Impact::Observe,
                Err(Refusal::NotGranted("leave the database's name out in a scratch database".into())),
            ),
            true => (Impact::Observe, Ok(())),
            false => (Impact::Change, slot.grant.allows_write(slot.named(), std::slice::from_ref(&target))),
        };
        let mut permit = slot.enter("copy-in", impact, &target.to_string(), verdict)?;
        if columns.is_empty() {
            return permit.finish(Err(Error::Invalid("copy-in names no column".into())));
        }
        let job = slot.jobs.run(async move {
            let _held = held;
            let result = copy_in(&database, &target, &columns, data, &mut permit).await;
            permit.finish(result)
        });
        job.await
    }

    async fn copy_out(accessor: &Accessor<T, Self>, this: Resource<Database>, statement: String) -> Result<Csv, Error> {
        let database = database(accessor, &this)?;
        let held = database.slot.hold(statement.len())?;
        let (permit, checked) = database.enter_reading("copy-out", &statement)?;
        let (sender, receiver) = mpsc::channel::<Bytes>(4);
        let slot = Arc::clone(&database.slot);
        let job = slot.jobs.run(async move {
            check_count(checked.parameters(), 0)?;
            let purpose = if database.scratch.is_some() { Purpose::Scratch } else { Purpose::Read };
            let mut lease = database.lease(purpose).await?;
            database.check_confined(&checked, &mut lease).await?;
            let wraps = matches!(&checked, Checked::Reading(reading) if reading.kind == ReadingKind::Query);
            let _held = held;
            backend::copy_out(lease, checked.text(), wraps, &sender).await
        });
        let (ended, end) = oneshot::channel();
        slot.jobs.follow(journal_end(permit, job, ended));
        accessor.with(|mut store| {
            let bytes = StreamReader::new(&mut store, ByteChunks::new(receiver)).map_err(Error::Bug)?;
            let end = FutureReader::new(&mut store, async move { end_of(end).await }).map_err(Error::Bug)?;
            Ok((bytes, end))
        })
    }
}

/// In a transaction of its own, which a rehearsal takes back.
async fn copy_in(
    database: &Database,
    target: &TableName,
    columns: &[String],
    mut data: crate::capability::stream::ByteReceiver,
    permit: &mut Permit,
) -> Result<u64, Error> {
    let is_scratch = database.scratch.is_some();
    let mut lease = database.lease(if is_scratch { Purpose::Scratch } else { Purpose::Write }).await?;
    let connection = lease.connection()?;
    connection.begin(false).await?;
    let result = async {
        if !is_scratch {
            let default_schema = database.slot.grant.default_schema();
            connection.check_targets(std::slice::from_ref(target), &default_schema).await?;
        }
        let rows = connection.copy_in(target, columns, &mut data).await?;
        permit.rows(rows);
        if !is_scratch {
            permit.charge("rows", rows)?;
        }
        if !permit.rehearse() {
            connection.commit().await?;
        }
        Ok(rows)
    };
    let result = result.await;
    lease.give_back().await;
    result
}
