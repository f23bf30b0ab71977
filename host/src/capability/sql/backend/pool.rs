//! Connections that all runs of the process share, by target. A lease is handed back only in a state that is known;
//! dropped in any other, what the server does for it is stopped and the connection closed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Connection, Error, Jobs, Limits, Purpose, Target};

/// The most connections to one target for one purpose.
const MOST: usize = 8;
/// Idle connections kept for one target and purpose.
const KEPT: usize = 4;
/// How long an idle connection is kept.
const KEPT_FOR: Duration = Duration::from_mins(1);
/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long setting a connection back may take.
const RESET_LIMIT: Duration = Duration::from_secs(5);

/// The pools of all targets.
#[derive(Default)]
pub struct Pools(Mutex<Vec<Arc<Pool>>>);

struct Pool {
    target: Target,
    purpose: Purpose,
    idle: Mutex<Vec<(Connection, Instant)>>,
    places: Arc<Semaphore>,
}

impl Pools {
    /// A connection with these limits, new or used before.
    pub(super) async fn lease(
        &self,
        target: &Target,
        purpose: Purpose,
        limits: &Limits,
        jobs: &Jobs,
    ) -> Result<Lease, Error> {
        let pool = self.pool(target, purpose);
        let place = tokio::time::timeout(limits.lock, Arc::clone(&pool.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(Error::TimedOut(format!("all {MOST} connections to {} are in use", target.shown)));
        };
        if let Some(connection) = pool.take_idle() {
            let mut lease = Lease::new(connection, &pool, jobs, place);
            if let Ok(Ok(())) = tokio::time::timeout(RESET_LIMIT, lease.connection()?.limit(limits)).await {
                return Ok(lease);
            }
            // The server was restarted, or ended the connection: the others are as dead.
            pool.lock().clear();
            return pool.open(limits, jobs, lease.into_place()?).await;
        }
        pool.open(limits, jobs, place).await
    }

    /// Closes the idle connections to one target.
    pub(super) async fn forget(&self, target: &Target) {
        let mut pools = Vec::new();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|pool| {
            let forgotten = pool.target == *target;
            if forgotten {
                pools.push(Arc::clone(pool));
            }
            !forgotten
        });
        for pool in pools {
            let idle = std::mem::take(&mut *pool.lock());
            for (connection, _) in idle {
                connection.close().await;
            }
        }
    }

    fn pool(&self, target: &Target, purpose: Purpose) -> Arc<Pool> {
        // To a server all purposes are alike.
        let purpose = if target.is_file() { purpose } else { Purpose::Read };
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.iter().find(|pool| pool.purpose == purpose && pool.target == *target) {
            return Arc::clone(pool);
        }
        let pool = Arc::new(Pool {
            target: target.clone(),
            purpose,
            idle: Mutex::default(),
            places: Arc::new(Semaphore::new(MOST)),
        });
        pools.push(Arc::clone(&pool));
        pool
    }
}

impl Pool {
    async fn open(self: &Arc<Self>, limits: &Limits, jobs: &Jobs, place: OwnedSemaphorePermit) -> Result<Lease, Error> {
        let connecting = Connection::connect(&self.target, self.purpose);
        let connection = tokio::time::timeout(CONNECT_LIMIT, connecting).await.map_err(|_| {
            self.target.unreachable(format_args!("nothing answered within {} s", CONNECT_LIMIT.as_secs()))
        })??;
        let mut lease = Lease::new(connection, self, jobs, place);
        lease.connection()?.limit(limits).await?;
        Ok(lease)
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.lock();
        idle.retain(|(_, since)| since.elapsed() < KEPT_FOR);
        idle.pop().map(|(connection, _)| connection)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Connection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection, for one piece of work at a time.
pub(crate) struct Lease {
    held: Option<(Connection, OwnedSemaphorePermit)>,
    /// Its place among those of its run, if it counts there.
    share: Option<OwnedSemaphorePermit>,
    pool: Arc<Pool>,
    jobs: Jobs,
    runtime: Handle,
}

impl Lease {
    fn new(connection: Connection, pool: &Arc<Pool>, jobs: &Jobs, place: OwnedSemaphorePermit) -> Self {
        Self {
            held: Some((connection, place)),
            share: None,
            pool: Arc::clone(pool),
            jobs: jobs.clone(),
            runtime: Handle::current(),
        }
    }

    /// The same, counted among the connections of a run until it ends.
    pub(super) fn of_share(mut self, share: OwnedSemaphorePermit) -> Self {
        self.share = Some(share);
        self
    }

    /// The connection itself.
    pub(crate) fn connection(&mut self) -> Result<&mut Connection, Error> {
        match &mut self.held {
            Some((connection, _)) => Ok(connection),
            None => Err(Error::Invalid("the connection was handed back".into())),
        }
    }

    /// Hands the connection back, rolled back.
    pub(crate) async fn give_back(mut self) {
        let reset = match self.connection() {
            Ok(connection) => tokio::time::timeout(RESET_LIMIT, connection.reset()).await,
            Err(error) => Ok(Err(error)),
        };
        if !matches!(reset, Ok(Ok(()))) {
            return;
        }
        let Some((connection, _place)) = self.held.take() else { return };
        let rest = {
            let mut idle = self.pool.lock();
            if idle.len() < KEPT {
                idle.push((connection, Instant::now()));
                None
            } else {
                Some(connection)
            }
        };
        if let Some(connection) = rest {
            connection.close().await;
        }
    }

    /// Closes the connection, whose session is not to be used again.
    pub(crate) async fn close(mut self) {
        if let Some((connection, _place)) = self.held.take() {
            connection.close().await;
        }
    }

    fn into_place(mut self) -> Result<OwnedSemaphorePermit, Error> {
        let (connection, place) = self.held.take().ok_or(Error::Abandoned)?;
        self.jobs.clean_up(&self.runtime, connection.abandon());
        Ok(place)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some((connection, place)) = self.held.take() {
            let share = self.share.take();
            self.jobs.clean_up(&self.runtime, async move {
                connection.abandon().await;
                drop((place, share));
            });
        }
    }
}
