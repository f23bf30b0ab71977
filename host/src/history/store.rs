//! A history that is written. Every change is one transaction that holds the end of the chain, whole or not at all; a
//! connection that breaks is made anew for the next.

use std::time::Duration;

use tokio::sync::Mutex;

use super::alive::{Sign, forget, is_alive};
use super::chain::Chain;
use super::change::{Interrupted, marked};
use super::connect::{Access, connect};
use super::error::{Error, Fault};
use super::sql::{Connection, Session, values};
use super::{RUNNING, Target};

/// How long one change may take, waiting for others included.
const PATIENCE: Duration = Duration::from_secs(40);

/// A history that is written by this process.
#[derive(Debug)]
pub(super) struct Store {
    target: Target,
    operator: String,
    process: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Connection>,
    sign: Option<Sign>,
    /// What earlier processes left was looked through.
    swept: bool,
}

/// Something that is added to a history.
pub(super) trait Change {
    /// What becomes of it.
    type Done: Send;

    /// Makes it, within a transaction.
    fn apply(
        &self,
        session: &mut Session<'_>,
        chain: &mut Chain,
    ) -> impl Future<Output = Result<Self::Done, Fault>> + Send;
}

impl Store {
    /// Opens nothing yet. `operator` is who is said to have done what is done.
    pub(super) fn new(target: Target, operator: &str) -> Self {
        let process = uuid::Uuid::now_v7().to_string();
        Self { target, operator: operator.into(), process, state: Mutex::default() }
    }

    /// This process, by a name of its own.
    pub(super) fn process(&self) -> &str {
        &self.process
    }

    /// Makes a change lasting.
    pub(super) async fn change<C: Change + Sync>(&self, change: &C) -> Result<C::Done, Error> {
        let mut state = self.state.lock().await;
        let done = tokio::time::timeout(PATIENCE, self.attempt(&mut state, change)).await;
        let done = done.unwrap_or_else(|_| {
            Err(Fault::Said(format!("it did not take what was to be written within {} s", PATIENCE.as_secs())))
        });
        if done.is_err() {
            // Whatever it was, a new connection knows nothing of it. The sign of life stays.
            state.connection = None;
        }
        done.map_err(|fault| fault.at(&self.target))
    }

    /// Where it is kept.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Whether a process that wrote here lives. Where nothing is open, that cannot be told, and it does.
    pub(super) async fn lives(&self, process: &str) -> Result<bool, Error> {
        let mut state = self.state.lock().await;
        let Some(connection) = state.connection.as_mut() else { return Ok(true) };
        is_alive(&self.target, connection, process).await.map_err(|fault| fault.at(&self.target))
    }

    async fn attempt<C: Change + Sync>(&self, state: &mut State, change: &C) -> Result<C::Done, Fault> {
        if state.connection.is_none() {
            let mut connection = connect(&self.target, Access::Write).await?;
            // In a file it lasts as long as the process; in a server, as long as the session.
            if state.sign.is_none() || matches!(self.target, Target::Server(_)) {
                state.sign = Some(Sign::give(&self.target, &mut connection, &self.process).await?);
            }
            if !state.swept {
                self.sweep(&mut connection).await?;
                state.swept = true;
            }
            state.connection = Some(connection);
        }
        let connection = state.connection.as_mut().ok_or_else(|| "the connection was closed".to_owned())?;
        self.apply(connection, change).await
    }

    async fn apply<C: Change + Sync>(&self, connection: &mut Connection, change: &C) -> Result<C::Done, Fault> {
        let mut transaction = connection.begin().await?;
        let mut session = transaction.session();
        let mut chain = Chain::hold(&mut session, &self.operator).await?;
        let done = change.apply(&mut session, &mut chain).await?;
        chain.settle(&mut session).await?;
        transaction.commit().await?;
        Ok(done)
    }

    /// Marks the runs of processes that are gone.
    async fn sweep(&self, connection: &mut Connection) -> Result<(), Fault> {
        let left = connection
            .session()
            .rows("SELECT DISTINCT process FROM runs WHERE outcome = $1", &values![RUNNING])
            .await?;
        for row in left {
            let process: String = row.get(0)?;
            if process == self.process || is_alive(&self.target, connection, &process).await? {
                continue;
            }
            self.apply(connection, &Interrupted { process: &process, error: marked() }).await?;
            forget(&self.target, &process);
        }
        Ok(())
    }

    /// Closes it in order.
    pub(super) async fn close(&self) {
        let mut state = self.state.lock().await;
        if let Some(connection) = state.connection.take() {
            connection.close().await;
        }
        state.sign = None;
    }
}
