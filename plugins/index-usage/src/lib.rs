//! Which indexes of a database nothing uses, which do what another does, which are not valid, and where one is missing.
//!
//! It reads the catalogue and what the server counts. It must never drop anything, and never call an index unused that
//! keeps a promise (unique, of a constraint, of a foreign key, a replica's identity) or that a standby may use.

mod catalog;
mod index;
mod judge;
mod mariadb;
mod postgres;
mod sqlite;

use taskhost_sdk::prelude::*;

use judge::Limits;

const DATABASE: sql::Slot = sql::Slot::new("database", "reads the catalogue and the uses of indexes").read();
const REPLICA: sql::Slot =
    sql::Slot::new("replica", "a PostgreSQL standby, which counts the uses of indexes by itself").read().optional();

/// What an operator may set.
#[derive(Parameters)]
struct Options {
    /// An index is unused when nothing used it for so long; uses must have been counted for as long.
    #[parameter(default = "30d", min = "1s", max = "520w")]
    unused_for: Duration,
    /// Smaller indexes are not called unused, and foreign keys of smaller tables need none.
    #[parameter(default = "1MiB")]
    min_size: Size,
    /// Tables from this size on are named when they are read from end to end.
    #[parameter(default = "64MiB")]
    table_size: Size,
    /// So often a day.
    #[parameter(default = 24, min = 1)]
    scans_per_day: u64,
}

/// Reads and judges.
#[task(
    summary = "says which indexes could go, which are not valid, and where one is missing",
    slots = [DATABASE, REPLICA]
)]
async fn index_usage(options: Options) -> Result<String> {
    let database = DATABASE.open()?;
    let dialect = database.server().await?.dialect;
    let catalog = match dialect {
        sql::Dialect::Postgres => {
            let replica = match REPLICA.open() {
                Ok(replica) => Some(replica),
                // It is not bound.
                Err(sql::Error::Refused(_)) => None,
                Err(error) => return Err(error.into()),
            };
            postgres::read(&database, replica.as_ref()).await?
        }
        sql::Dialect::Mariadb | sql::Dialect::Mysql => mariadb::read(&database, dialect).await?,
        sql::Dialect::Sqlite => sqlite::read(&database).await?,
    };
    let limits = Limits {
        unused_for: options.unused_for.as_secs(),
        min_size: options.min_size.0,
        table_size: options.table_size.0,
        scans_per_day: options.scans_per_day,
    };
    let verdict = judge::all(&catalog, &limits);
    for (name, value, unit) in [
        ("indexes", catalog.indexes.len() as u64, Unit::None),
        ("indexes_unused", verdict.unused, Unit::None),
        ("indexes_unused_bytes", verdict.unused_bytes, Unit::Bytes),
        ("indexes_superfluous", verdict.covered, Unit::None),
        ("indexes_superfluous_bytes", verdict.covered_bytes, Unit::Bytes),
        ("indexes_invalid", verdict.invalid, Unit::None),
        ("indexes_missing", verdict.missing, Unit::None),
    ] {
        Metric::new(name, float(value)).unit(unit).report();
    }
    if let Some(observed) = catalog.observed {
        Metric::new("statistics_age", float(observed)).unit(Unit::Seconds).report();
    }
    let summary = judge::summary(&catalog, &verdict);
    for finding in verdict.findings {
        finding.report();
    }
    Ok(summary)
}

/// Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts and bytes, for metrics")]
fn float(number: u64) -> f64 {
    number as f64
}
