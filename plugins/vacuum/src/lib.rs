//! Vacuums what needs it, the worst first, and says what keeps dead rows from going.
//!
//! It reads the database's own figures first and touches only tables over the thresholds, one typed operation each, so
//! that a locked table costs its lock time-out and no more. It must never wait on one table at the others' cost, and
//! never stay silent about what it left.

mod judge;
mod mariadb;
mod postgres;
mod sqlite;
mod upkeep;

use taskhost_sdk::prelude::*;

/// What it works on.
const DATABASE: sql::Slot = sql::Slot::new("database", "reads dead rows and free space, and vacuums").maintain();

/// What an operator may set.
#[derive(Parameters)]
struct Options {
    /// Share of dead rows, or of free space, from which a table or file is vacuumed, in per cent.
    #[parameter(default = 10, min = 0, max = 100)]
    dead_percent: u32,
    /// Dead rows from which a PostgreSQL table is vacuumed.
    #[parameter(default = 1000, min = 0, max = 1_000_000_000)]
    dead_rows: u64,
    /// Free space from which a MariaDB table (default 16MiB) or a SQLite file (default 64KiB) is written anew.
    free_space: Option<Size>,
    /// MariaDB tables not in `tables`, and SQLite files, with more than this to copy are not written anew.
    #[parameter(default = "10GiB")]
    rewrite_limit: Size,
    /// Age from which a transaction that holds dead rows back is a warning.
    #[parameter(default = "15m", min = "1s", max = "52w")]
    long_transaction: Duration,
    /// Refresh the planner's statistics of what is vacuumed.
    #[parameter(default = true)]
    analyze: bool,
    /// Only these tables, as `table` or `schema.table`; all when absent.
    #[parameter(default = "")]
    tables: Vec<String>,
}

/// Vacuums what is over the thresholds.
#[task(summary = "vacuums tables with many dead rows, and names what keeps dead rows alive", slots = [DATABASE])]
async fn vacuum(options: Options) -> Result<String> {
    let database = DATABASE.open()?;
    let server = match database.server().await {
        Ok(server) => server,
        // The first page is damaged: no connection gets as far as to say what it is connected to.
        Err(sql::Error::Database(error)) if sqlite::is_damage(&error.code) => {
            sqlite::report_damage("database", &[error.message]);
            return Ok("not vacuumed: the file is damaged".into());
        }
        Err(error) => return Err(error.into()),
    };
    match server.dialect {
        sql::Dialect::Postgres => postgres::run(&database, &server, &options).await,
        sql::Dialect::Mariadb | sql::Dialect::Mysql => mariadb::run(&database, &server, &options).await,
        sql::Dialect::Sqlite => sqlite::run(&database, &server, &options).await,
    }
}
