//! The databases themselves: the only part of the room that imports sqlx. Three drivers of one shape, told apart by
//! [`Connection`]; [`Slot`] is what the room's functions talk to.
//!
//! A text that comes here has been checked. What is added here to make statements (names of tables, CSV columns) is
//! quoted by [`quote`].

mod civil;
mod csv;
mod excess;
mod jobs;
mod mysql;
mod pool;
mod postgres;
mod quote;
mod restore;
mod rows;
mod scratch;
mod slot;
mod sqlite;
mod target;
mod throwaway;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use self::excess::ask as ask_excess;
pub(crate) use self::jobs::{Job, Jobs};
pub(crate) use self::pool::{Lease, Pools};
pub(crate) use self::restore::{restore, unconfined};
pub(crate) use self::rows::{RowSink, RowSource, channel, size_of_all};
pub(crate) use self::scratch::ScratchDatabase;
pub(crate) use self::slot::{SharedLease, Slot, copy_out, read, read_within};
pub(crate) use self::target::Target;
pub(crate) use self::throwaway::Throwaway;
pub(super) use super::bindings::taskhost::host::sql as wit;
pub(super) use super::error::{DatabaseError, Error};
pub(super) use super::grant::{Dialect, TableName};
use crate::capability::stream::ByteReceiver;

/// What a connection is leased for. SQLite opens another file handle for each; a server sets other time-outs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// Reads only; the database holds it to that.
    Read,
    /// Changes rows.
    Write,
    /// Upkeep.
    Maintain,
    /// Anything, in a scratch database.
    Scratch,
}

/// The time-outs of one lease, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// How long a statement runs; none: until the run's end.
    pub(crate) statement: Option<Duration>,
    /// How long a statement waits for a lock.
    pub(crate) lock: Duration,
    /// What the server shows as the connection's user.
    pub(crate) application: String,
}

/// One connection to a database.
pub(crate) enum Connection {
    /// PostgreSQL.
    Postgres(Box<postgres::Connection>),
    /// MariaDB or MySQL.
    Mysql(Box<mysql::Connection>),
    /// SQLite.
    Sqlite(Box<sqlite::Connection>),
}

/// The same call on whichever driver it is.
macro_rules! each {
    ($connection:expr, $name:ident => $call:expr) => {
        match $connection {
            Connection::Postgres($name) => $call,
            Connection::Mysql($name) => $call,
            Connection::Sqlite($name) => $call,
        }
    };
}

impl Connection {
    async fn connect(target: &Target, purpose: Purpose) -> Result<Self, Error> {
        Ok(match target.dialect {
            Dialect::Postgres => Self::Postgres(Box::new(postgres::Connection::connect(target).await?)),
            Dialect::Mysql => Self::Mysql(Box::new(mysql::Connection::connect(target).await?)),
            Dialect::Sqlite => Self::Sqlite(Box::new(sqlite::Connection::connect(target, purpose).await?)),
        })
    }

    /// Sets the time-outs.
    async fn limit(&mut self, limits: &Limits) -> Result<(), Error> {
        each!(self, connection => connection.limit(limits).await)
    }

    /// Rolls back what is open; an error when the connection's state is not known.
    async fn reset(&mut self) -> Result<(), Error> {
        each!(self, connection => connection.reset().await)
    }

    /// Stops what the server does for this connection, and closes it.
    async fn abandon(self) {
        each!(self, connection => connection.abandon().await);
    }

    /// Closes it in good order.
    async fn close(self) {
        each!(self, connection => connection.close().await);
    }

    /// What is behind the slot.
    pub(crate) async fn server(&mut self) -> Result<wit::Server, Error> {
        each!(self, connection => connection.server().await)
    }

    /// What the role can do beyond any grant, in words; none when that is little.
    async fn powers(&mut self) -> Result<Option<String>, Error> {
        each!(self, connection => connection.powers().await)
    }

    /// Whether the session's role can reach nothing but a scratch database that it is connected to.
    pub(crate) async fn is_confined(&mut self) -> Result<bool, Error> {
        each!(self, connection => connection.is_confined().await)
    }

    /// Opens a transaction, which the database holds read-only where `read_only`.
    pub(crate) async fn begin(&mut self, read_only: bool) -> Result<(), Error> {
        each!(self, connection => connection.begin(read_only).await)
    }

    /// Makes the open transaction's changes lasting.
    pub(crate) async fn commit(&mut self) -> Result<(), Error> {
        each!(self, connection => connection.commit().await)
    }

    /// Makes what follows read-only inside a transaction that may write, until [`Self::end_reading`].
    async fn begin_reading(&mut self) -> Result<(), Error> {
        each!(self, connection => connection.begin_reading().await)
    }

    /// Ends what [`Self::begin_reading`] began; after an error too.
    async fn end_reading(&mut self) -> Result<(), Error> {
        each!(self, connection => connection.end_reading().await)
    }

    /// Sends a statement's columns and rows to `sink`; gives the number of rows.
    async fn read(&mut self, text: &str, parameters: &[wit::Value], sink: &mut RowSink) -> Result<u64, Error> {
        each!(self, connection => connection.read(text, parameters, sink).await)
    }

    /// Runs a statement; gives the number of rows it changed.
    pub(crate) async fn change(&mut self, text: &str, parameters: &[wit::Value]) -> Result<u64, Error> {
        each!(self, connection => connection.change(text, parameters).await)
    }

    /// Refuses what is no base table, and names that mean another schema's table.
    pub(crate) async fn check_targets(&mut self, tables: &[TableName], default_schema: &str) -> Result<(), Error> {
        each!(self, connection => connection.check_targets(tables, default_schema).await)
    }

    /// Carries out upkeep; in a `rehearsal` only finds out whether it could.
    pub(crate) async fn maintain(&mut self, operation: &wit::Maintenance, rehearsal: bool) -> Result<(), Error> {
        each!(self, connection => connection.maintain(operation, rehearsal).await)
    }

    /// The table of an index.
    pub(crate) async fn table_of_index(&mut self, index: &wit::Table) -> Result<TableName, Error> {
        each!(self, connection => connection.table_of_index(index).await)
    }

    /// CSV into a table's columns, in the open transaction; gives the number of rows.
    pub(crate) async fn copy_in(
        &mut self,
        table: &TableName,
        columns: &[String],
        data: &mut ByteReceiver,
    ) -> Result<u64, Error> {
        each!(self, connection => connection.copy_in(table, columns, data).await)
    }

    /// Runs the text of one statement of a dump; gives the number of rows that it is about.
    async fn run(&mut self, text: &str) -> Result<u64, Error> {
        each!(self, connection => connection.run(text).await)
    }
}

/// Refuses a wrong number of parameters.
pub(crate) fn check_count(wanted: usize, given: usize) -> Result<(), Error> {
    if wanted == given {
        return Ok(());
    }
    Err(Error::Invalid(format!("the statement takes {wanted} parameters and was given {given}")))
}

/// `10.11.6-MariaDB` as 101106, by the rule in the contract.
fn version_number(version: &str) -> u32 {
    let mut parts = version.split(|character: char| !character.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0_u32);
    part().saturating_mul(10_000).saturating_add(part().saturating_mul(100)).saturating_add(part())
}

/// A text that may be none: bytes then.
fn text_or_blob(bytes: &[u8]) -> wit::Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => wit::Value::Text(text.to_owned()),
        Err(_) => wit::Value::Blob(bytes.to_owned()),
    }
}
