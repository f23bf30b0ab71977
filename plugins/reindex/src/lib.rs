//! Rebuilds the indexes that are bloated, the largest gain first, without keeping writers out, and names what earlier
//! rebuilds left behind.
//!
//! It looks before it acts: an estimate chooses, a lock that is not had costs the lock time-out and no more, an old
//! transaction is not waited for. It must never drop an index, nor add a second invalid one to a first.

mod choice;
mod estimate;
mod mariadb;
mod memory;
mod postgres;
mod sqlite;
mod turn;

use taskhost_sdk::prelude::*;

const DATABASE: sql::Slot =
    sql::Slot::new("database", "reads how large indexes are and should be, and rebuilds them").maintain();
const MEMORY: state::Slot =
    state::Slot::new("memory", "keeps what rebuilds came to, so that none is repeated for nothing").write().optional();

/// What an operator may set.
#[derive(Parameters)]
struct Options {
    /// Share of an index that a rebuild would give back, from which it is rebuilt, in per cent.
    #[parameter(default = 30, min = 1, max = 99)]
    bloat_percent: u32,
    /// And so many bytes.
    #[parameter(default = "16MiB")]
    bloat_size: Size,
    /// Rebuild these whatever the estimate, as `index` or `schema.index`; in MariaDB tables.
    #[parameter(default = "")]
    indexes: Vec<String>,
    /// Measure with pgstattuple where it is installed, which reads the indexes that are worth it (PostgreSQL).
    #[parameter(default = true)]
    measure: bool,
    /// No rebuild is begun after this time.
    #[parameter(default = "2h", min = "0s", max = "52w")]
    stop_after: Duration,
    /// Age of a transaction from which no rebuild is begun that would wait for it (PostgreSQL).
    #[parameter(default = "1m", min = "0s", max = "52w")]
    long_transaction: Duration,
}

/// Rebuilds what is over the thresholds.
#[task(
    summary = "rebuilds bloated indexes without blocking writers, and names what failed rebuilds left",
    slots = [DATABASE, MEMORY]
)]
async fn reindex(options: Options) -> Result<String> {
    let database = DATABASE.open()?;
    let server = database.server().await?;
    match server.dialect {
        sql::Dialect::Postgres => postgres::run(&database, &server, &options).await,
        sql::Dialect::Mariadb | sql::Dialect::Mysql => mariadb::run(&database, &server, &options).await,
        sql::Dialect::Sqlite => sqlite::run(&database, &server, &options).await,
    }
}
