//! Connections that all runs of the process share, by target. One is leased to one call at a time: a slow command, or a
//! guest that does not read its scan, holds nobody else up. A lease that is dropped in the middle of a command closes
//! its connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::{Cmd, Value};
use tokio::sync::OwnedSemaphorePermit;

use super::super::command::Described;
use super::super::error::Error;
use super::super::target::Target;
use super::connect::Connection;
use super::reply;

/// Idle connections kept for one target.
const KEPT: usize = 4;
/// How long an idle connection is kept.
const KEPT_FOR: Duration = Duration::from_mins(1);
/// The most bytes of the replies to what the host itself asks.
const OWN_LIMIT: u64 = 8 << 20;

/// The pools of all targets.
#[derive(Default)]
pub struct Pools(Mutex<Vec<Arc<Pool>>>);

/// The connections to one target, and what is known of its server.
pub(in super::super) struct Pool {
    target: Target,
    idle: Mutex<Vec<(Connection, Instant)>>,
    described: Mutex<HashMap<String, Option<Described>>>,
    rights: Mutex<Rights>,
}

/// What the slot's user may do on the server.
#[derive(Clone, Default)]
enum Rights {
    #[default]
    NotAsked,
    Some,
    /// Every command, by this name.
    All(String),
}

impl Pools {
    /// The pool of that target, in which there may be no connection yet.
    pub(in super::super) fn pool(&self, target: &Target) -> Arc<Pool> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.iter().find(|pool| pool.target == *target) {
            return Arc::clone(pool);
        }
        let pool = Arc::new(Pool {
            target: target.clone(),
            idle: Mutex::default(),
            described: Mutex::default(),
            rights: Mutex::default(),
        });
        pools.push(Arc::clone(&pool));
        pool
    }
}

impl Pool {
    pub(in super::super) fn target(&self) -> &Target {
        &self.target
    }

    /// A connection, new or used before, on which no command takes longer than `timeout`. It lives with `place`.
    pub(in super::super) async fn lease(
        self: &Arc<Self>,
        timeout: Duration,
        place: OwnedSemaphorePermit,
    ) -> Result<Lease, Error> {
        let mut lease = Lease { connection: None, pool: Arc::clone(self), timeout, busy: false, _place: place };
        if let Some(connection) = self.take_idle() {
            lease.connection = Some(connection);
            if lease.run(&[reply::command(&["PING"])], OWN_LIMIT).await.is_ok() {
                return Ok(lease);
            }
            // The server was restarted, or closed the connection: the others are as dead.
            lock(&self.idle).clear();
        }
        lease.connection = Some(Connection::open(&self.target, timeout).await?);
        lease.busy = false;
        // It can be another server by now, or another release.
        lock(&self.described).clear();
        Ok(lease)
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = lock(&self.idle);
        idle.retain(|(_, since)| since.elapsed() < KEPT_FOR);
        idle.pop().map(|(connection, _)| connection)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection, for one piece of work. Dropping it hands the connection back, unless a reply is still to come.
pub(in super::super) struct Lease {
    connection: Option<Connection>,
    pool: Arc<Pool>,
    timeout: Duration,
    busy: bool,
    _place: OwnedSemaphorePermit,
}

impl Lease {
    /// Sends `commands` together and gives the replies in their order, of which each can be an error of the server's.
    /// `limit` bounds the bytes of all replies together.
    pub(in super::super) async fn run(&mut self, commands: &[Cmd], limit: u64) -> Result<Vec<Value>, Error> {
        let target = &self.pool.target;
        let Some(connection) = self.connection.as_mut().filter(|_| !self.busy) else {
            return Err(Error::Unavailable(format!("the connection to {target} was lost")));
        };
        if commands.is_empty() {
            return Ok(vec![]);
        }
        self.busy = true;
        let replies = tokio::time::timeout(self.timeout, connection.send(target, commands, limit)).await;
        let replies = replies.map_err(|_| {
            Error::TimedOut(format!(
                "{target} did not answer within {} s; allow more with `,timeout=TIME`",
                self.timeout.as_secs()
            ))
        })??;
        self.busy = false;
        Ok(replies)
    }

    /// The same for what the host itself asks, whose replies are small.
    pub(in super::super) async fn ask(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, Error> {
        self.run(commands, OWN_LIMIT).await
    }

    /// The reply to a single command; an error of the server's is one.
    pub(in super::super) async fn ask_one(&mut self, words: &[&str]) -> Result<Value, Error> {
        let replies = self.ask(&[reply::command(words)]).await?;
        reply::good(replies.into_iter().next().unwrap_or(Value::Nil))
    }

    /// What the server says of a command, asked once; none where it has no such command.
    pub(in super::super) async fn describe(&mut self, name: &str, container: &str) -> Result<Option<Described>, Error> {
        if let Some(known) = lock(&self.pool.described).get(name) {
            return Ok(known.clone());
        }
        // Servers before 7 know no names of subcommands; where a subcommand is none, its container has others.
        let replies = self.ask(&[reply::command(&["COMMAND", "INFO", name, container])]).await?;
        let reply = reply::good(replies.into_iter().next().unwrap_or(Value::Nil))?;
        let described = reply::described(&reply, name != container);
        lock(&self.pool.described).insert(name.to_owned(), described.clone());
        Ok(described)
    }

    /// The name of the slot's user, if that may run every command; asked once.
    pub(in super::super) async fn almighty_user(&mut self) -> Option<String> {
        let known = lock(&self.pool.rights).clone();
        let rights = match known {
            Rights::NotAsked => {
                let user = self.ask_one(&["ACL", "WHOAMI"]).await.ok().and_then(|reply| reply::text(&reply));
                let rights = match &user {
                    Some(user) => self.ask_one(&["ACL", "GETUSER", user]).await.ok(),
                    None => None,
                };
                // Without the right to ask, a user is no almighty one.
                let all = user.filter(|_| rights.is_some_and(|rights| reply::has_every_right(&rights)));
                all.map_or(Rights::Some, Rights::All)
            }
            known => known,
        };
        *lock(&self.pool.rights) = rights.clone();
        match rights {
            Rights::All(user) => Some(user),
            Rights::Some | Rights::NotAsked => None,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.busy {
            return;
        }
        if let Some(connection) = self.connection.take() {
            let mut idle = lock(&self.pool.idle);
            if idle.len() < KEPT {
                idle.push((connection, Instant::now()));
            }
        }
    }
}
