//! One slot of a run: its grant, and the work done through it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Mutex, OnceCell, Semaphore, mpsc};

use super::{
    Connection, Dialect, Error, Jobs, Lease, Limits, Pools, Purpose, RowSink, ScratchDatabase, Target, csv, excess, wit,
};
use crate::capability::RunContext;
use crate::capability::load::Held;
use crate::capability::sql::grant::Grant;
use crate::gate::{Effect, Impact, Permit, Refusal, SlotName};

/// The most connections that one run has through one slot: half of the target's, so that a run that holds all it can
/// get leaves some for another.
const SHARE: usize = 4;

/// A slot's name, grant and ways out.
pub(crate) struct Slot {
    name: Arc<str>,
    pub(crate) grant: Grant,
    pub(super) run: RunContext,
    pub(super) pools: Arc<Pools>,
    pub(crate) jobs: Jobs,
    /// Of the connections that all runs share.
    places: Arc<Semaphore>,
    /// The role was looked at for powers beyond the grant.
    looked_at: OnceCell<()>,
    /// What earlier hosts left was removed.
    pub(super) swept: OnceCell<()>,
}

/// A lease that calls share: of a transaction.
pub(crate) type SharedLease = Arc<Mutex<Option<Lease>>>;

impl Slot {
    pub(crate) fn new(name: &str, grant: Grant, run: RunContext, pools: Arc<Pools>, jobs: Jobs) -> Self {
        let (looked_at, swept) = Default::default();
        let places = Arc::new(Semaphore::new(SHARE));
        Self { name: name.into(), grant, run, pools, jobs, places, looked_at, swept }
    }

    /// The grammar of the slot's texts. A grant of another kind is refused before.
    pub(crate) fn dialect(&self) -> Dialect {
        self.grant.dialect().unwrap_or(Dialect::Postgres)
    }

    /// For refusals.
    pub(crate) fn named(&self) -> SlotName<'_> {
        self.run.gate.slot("sql", &self.name)
    }

    /// Counts the bytes that a call brings, for as long as it may wait with them.
    pub(crate) fn hold(&self, bytes: usize) -> Result<Held, Error> {
        Ok(self.run.load.hold(bytes)?)
    }

    /// Enters the gate.
    pub(crate) fn enter(
        &self,
        operation: &'static str,
        impact: Impact,
        target: &str,
        verdict: Result<(), Refusal>,
    ) -> Result<Permit, Refusal> {
        let named = |text: String| format!("slot `{}`: {text}", self.name);
        let verdict = verdict.map_err(|refusal| match refusal {
            Refusal::NotGranted(text) => Refusal::NotGranted(named(text)),
            Refusal::OverBudget(text) => Refusal::OverBudget(named(text)),
        });
        self.run.gate.enter(Effect::new("sql", Arc::clone(&self.name), operation, impact, target), verdict)
    }

    /// A connection to the slot's database, or to a scratch one.
    pub(crate) async fn lease(&self, scratch: Option<&ScratchDatabase>, purpose: Purpose) -> Result<Lease, Error> {
        if let Some(scratch) = scratch {
            return self.lease_from(scratch.target()?, Purpose::Scratch).await;
        }
        let mut lease = self.lease_from(&Target::new(&self.grant)?, purpose).await?;
        let connection = lease.connection()?;
        self.looked_at
            .get_or_try_init(|| async {
                if let Some(excess) = excess::of(connection, &self.grant).await? {
                    self.run.notices.add(format!("slot `{}`: {excess}", self.name));
                }
                Ok::<_, Error>(())
            })
            .await?;
        Ok(lease)
    }

    pub(super) async fn lease_from(&self, target: &Target, purpose: Purpose) -> Result<Lease, Error> {
        let statement = match purpose {
            Purpose::Read | Purpose::Write => Some(self.grant.statement_timeout()),
            Purpose::Maintain | Purpose::Scratch => self.grant.maintenance_timeout(),
        };
        let application = format!("taskhost {}", self.name);
        let limits = Limits { statement, lock: self.grant.lock_timeout(), application };
        let share = tokio::time::timeout(limits.lock, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(share)) = share else {
            return Err(Error::TimedOut(format!(
                "this run has {SHARE} connections to {} in use; end a read or a transaction before the next",
                target.shown
            )));
        };
        Ok(self.pools.lease(target, purpose, &limits, &self.jobs).await?.of_share(share))
    }
}

/// Sends a statement's rows to `sink`, in a transaction that the database holds read-only. In a scratch database it is
/// not held, and is made lasting.
pub(crate) async fn read(
    mut lease: Lease,
    read_only: bool,
    text: &str,
    parameters: &[wit::Value],
    sink: &mut RowSink,
) -> Result<u64, Error> {
    let connection = lease.connection()?;
    if read_only {
        connection.begin(true).await?;
    }
    let abandoned = sink.abandoned();
    let result = tokio::select! {
        result = connection.read(text, parameters, sink) => result,
        () = abandoned => Err(Error::Abandoned),
    };
    // Nobody knows what the server still does for a read that was given up: that lease is not handed back.
    if !matches!(result, Err(Error::Abandoned)) {
        lease.give_back().await;
    }
    result
}

/// The same inside a transaction that may write.
pub(crate) async fn read_within(
    lease: &mut Lease,
    read_only: bool,
    text: &str,
    parameters: &[wit::Value],
    sink: &mut RowSink,
) -> Result<u64, Error> {
    let connection = lease.connection()?;
    if !read_only {
        return connection.read(text, parameters, sink).await;
    }
    connection.begin_reading().await?;
    let result = connection.read(text, parameters, sink).await;
    connection.end_reading().await?;
    result
}

/// Sends a statement's rows to `sink` as CSV. The server writes it where it can and the statement can be wrapped.
pub(crate) async fn copy_out(
    mut lease: Lease,
    text: &str,
    wraps: bool,
    sink: &mpsc::Sender<Bytes>,
) -> Result<u64, Error> {
    if wraps && let Connection::Postgres(connection) = lease.connection()? {
        connection.begin(true).await?;
        let result = tokio::select! {
            result = connection.copy_out(text, sink) => result,
            () = sink.closed() => Err(Error::Abandoned),
        };
        if !matches!(result, Err(Error::Abandoned)) {
            lease.give_back().await;
        }
        return result;
    }
    let (mut rows, mut source) = super::channel();
    // Owns the source, so that the read ends with a guest that lets go.
    let write = async move {
        while let Some(batch) = source.batches.recv().await {
            let mut out = Vec::new();
            for row in &batch {
                csv::write(row, &mut out);
            }
            sink.send(out.into()).await.map_err(|_| Error::Abandoned)?;
        }
        Ok(())
    };
    let read = async move { read(lease, true, text, &[], &mut rows).await };
    let (read, written) = tokio::join!(read, async {
        let written: Result<(), Error> = write.await;
        written
    });
    written.and(read)
}
