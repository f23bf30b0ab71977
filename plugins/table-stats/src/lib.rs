//! How a database's tables are looked after: planner statistics that are stale or missing, autovacuum that never comes or
//! is off, updates that are not HOT, dead rows, and rows that are not frozen in time.
//!
//! It reads what the server counts. It must never change anything: what it names is for `vacuum`, or for a person.

mod judge;
mod mariadb;
mod postgres;
mod sqlite;
mod table;

use taskhost_sdk::prelude::*;

use judge::Limits;

const DATABASE: sql::Slot = sql::Slot::new("database", "reads what the server counts of its tables").read();

/// What an operator may set.
#[derive(Parameters)]
struct Options {
    /// Tables in the list and in the metrics, the largest first.
    #[parameter(default = 10, min = 1, max = 30)]
    top: u32,
    /// Tables with fewer rows, or fewer of them concerned, are not judged.
    #[parameter(default = 1000, min = 1)]
    min_rows: u64,
    /// Rows changed since the statistics were made, from which they are stale, in per cent.
    #[parameter(default = 20, min = 1, max = 1000)]
    stale_percent: u32,
    /// Dead rows, from which a table is named, in per cent (PostgreSQL).
    #[parameter(default = 20, min = 1, max = 100)]
    dead_percent: u32,
    /// Updates that should be HOT, which need no entry in an index, in per cent (PostgreSQL).
    #[parameter(default = 50, min = 0, max = 100)]
    hot_percent: u32,
    /// Tables with fewer updates are not judged by that.
    #[parameter(default = 10_000, min = 1)]
    min_updates: u64,
    /// Statistics of a table that changes are old after this (MariaDB).
    #[parameter(default = "30d", min = "1s", max = "520w")]
    stale_after: Duration,
}

/// Reads and judges.
#[task(
    summary = "says whose statistics are stale, where autovacuum does not come, and which updates are dear",
    slots = [DATABASE]
)]
async fn table_stats(options: Options) -> Result<String> {
    let database = DATABASE.open()?;
    let server = database.server().await?;
    let limits = Limits {
        min_rows: options.min_rows,
        stale_percent: f64::from(options.stale_percent),
        dead_percent: f64::from(options.dead_percent),
        hot_percent: f64::from(options.hot_percent),
        min_updates: options.min_updates,
    };
    let top = usize::try_from(options.top).unwrap_or(usize::MAX);
    match server.dialect {
        sql::Dialect::Postgres => postgres::run(&database, server.version_number, &limits, top).await,
        sql::Dialect::Mariadb | sql::Dialect::Mysql => {
            mariadb::run(&database, server.dialect, &limits, top, options.stale_after.as_secs()).await
        }
        sql::Dialect::Sqlite => sqlite::run(&database, &limits, top).await,
    }
}
