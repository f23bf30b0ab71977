//! Removes rows of a table that are older than a time, or whose parent is gone, in batches.
//!
//! It counts first, so that a rehearsal says what would go. Each batch is a statement of its own, so that locks are held
//! for one batch and what was removed stays removed when the run is stopped. It must never remove a row that the
//! condition, as it was counted, does not cover.

mod condition;

use std::time::Duration as Pause;

use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{count, counted};

use condition::{Condition, Name};

const DATABASE: sql::Slot = sql::Slot::new("database", "its old or orphaned rows are counted and removed").write();

/// What an operator may set.
#[derive(Parameters)]
struct Options {
    /// The table, as `table` or `schema.table`.
    table: String,
    /// The column that is looked at: a date, a time, or seconds since 1970; with `parent`, the one that names the parent.
    column: String,
    /// Remove rows whose `column` is older.
    older_than: Option<Duration>,
    /// Remove rows whose `column` is not in this table: `table` or `schema.table`.
    #[parameter(default = "")]
    parent: String,
    /// The column of `parent`.
    #[parameter(default = "id")]
    parent_key: String,
    /// Rows of one statement.
    #[parameter(default = 1000, min = 1, max = 100_000)]
    batch: u32,
    /// Rest between two statements, in milliseconds.
    #[parameter(default = 100, max = 60_000)]
    pause_ms: u64,
    /// The most rows of one run.
    #[parameter(default = 1_000_000, min = 1)]
    limit: u64,
}

/// Counts, then removes batch by batch.
#[task(summary = "removes rows by age, or without their parent, in batches", slots = [DATABASE])]
async fn row_retention(options: Options) -> Result<String> {
    let database = DATABASE.open()?;
    let dialect = database.server().await?.dialect;
    let table = Name::parse(&options.table, dialect)?;
    let condition = match (options.older_than, options.parent.as_str()) {
        (Some(age), "") => condition::older(&database, dialect, &table, &options.column, age).await?,
        (None, parent) if !parent.is_empty() => {
            let parent = Name::parse(parent, dialect)?;
            condition::orphaned(&database, dialect, &table, &options.column, &parent, &options.parent_key).await?
        }
        _ => bail!("say which rows: older-than=30d, or parent=TABLE for rows whose parent is gone"),
    };
    let due = unsigned(database.query_one(&condition.count(&table), &condition.values).await?.get(0)?);
    Metric::new("rows_due", figure(due)).subject(&options.table).report();
    if due == 0 {
        return Ok(format!("{} has no rows that are {}", options.table, condition.words));
    }
    let goal = due.min(options.limit);
    if rehearsing() {
        // One batch is tried: its number is real, and triggers and foreign keys have their say.
        remove(&database, &condition, &table, dialect, u64::from(options.batch).min(goal)).await?;
        let batches = goal.div_ceil(u64::from(options.batch));
        let what = counted(goal, "row");
        return Ok(format!(
            "would remove {what} of {} that are {}, in {batches} batches",
            options.table, condition.words
        ));
    }
    let removed = work(&database, &condition, &table, dialect, goal, &options).await?;
    Metric::new("rows_removed", figure(removed)).subject(&options.table).report();
    if due > removed {
        let left = count(due - removed);
        Finding::warning(&options.table, "rows are left")
            .detail(format!("{left} of {} that are {}", count(due), condition.words))
            .remedy("run it again, or raise `limit`")
            .report();
    }
    Ok(format!("removed {} of {} that were {}", counted(removed, "row"), options.table, condition.words))
}

/// Removes up to `goal` rows; a batch that has to wait for a lock too long ends it, and what was removed stays so.
async fn work(
    database: &sql::Database,
    condition: &Condition,
    table: &Name,
    dialect: sql::Dialect,
    goal: u64,
    options: &Options,
) -> Result<u64> {
    let mut removed = 0;
    while removed < goal {
        let batch = u64::from(options.batch).min(goal - removed);
        let done = match remove(database, condition, table, dialect, batch).await {
            Ok(done) => done,
            Err(sql::Error::TimedOut(reason)) => {
                Finding::warning(&options.table, "rows are locked").detail(reason).report();
                break;
            }
            Err(error) if removed > 0 => {
                return Err(error).context(format!("after {} were removed", counted(removed, "row")));
            }
            Err(error) => return Err(error.into()),
        };
        // Someone else was faster.
        if done == 0 {
            break;
        }
        removed += done;
        progress(removed, Some(goal), "rows removed");
        if removed < goal && options.pause_ms > 0 {
            std::thread::sleep(Pause::from_millis(options.pause_ms));
        }
    }
    Ok(removed)
}

async fn remove(
    database: &sql::Database,
    condition: &Condition,
    table: &Name,
    dialect: sql::Dialect,
    rows: u64,
) -> std::result::Result<u64, sql::Error> {
    database.change(&condition.delete(dialect, table, rows), &condition.values).await
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn figure(rows: u64) -> f64 {
    rows as f64
}

/// A count is not below nothing.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
