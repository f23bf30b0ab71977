//! Which statements take a database's time: the slowest, the most frequent, those that spill to disk, and those that have
//! become slower since the last run.
//!
//! It reads what the server counts of its statements. It must never show a value that a statement was called with: texts
//! are shown by their shape alone, or not at all.

mod judge;
mod mariadb;
mod memory;
mod postgres;
mod shape;
mod statement;

use taskhost_sdk::prelude::*;
use taskhost_sdk::report::Severity;

use judge::Limits;
use memory::Memory;
use statement::{Survey, float};

const DATABASE: sql::Slot = sql::Slot::new("database", "reads what the server counts of its statements").read();
const MEMORY: state::Slot =
    state::Slot::new("memory", "keeps the counters from run to run, to tell what became slower").write().optional();

/// What an operator may set.
#[derive(Parameters)]
struct Options {
    /// Statements in each of the three lists: by time in all, on average, and by calls.
    #[parameter(default = 10, min = 1, max = 20)]
    top: u32,
    /// A warning for a statement that takes so long on average, in milliseconds.
    #[parameter(default = 1000.0, min = 0, max = 86_400_000)]
    slow_ms: f64,
    /// Statements that were called less often are not judged.
    #[parameter(default = 5, min = 1)]
    min_calls: u64,
    /// Statements with a smaller share of all time are not judged, in per cent.
    #[parameter(default = 1.0, min = 0, max = 100)]
    min_share: f64,
    /// A warning for a statement that keeps so many sessions at work on average.
    #[parameter(default = 1.0, min = 0.001, max = 10_000)]
    busy: f64,
    /// A warning for a statement that writes so much to temporary files in a call (PostgreSQL).
    #[parameter(default = "64MiB")]
    temporary: Size,
    /// A warning when a statement got slower by so much since the last run, in per cent; needs the slot `memory`.
    #[parameter(default = 100, min = 1, max = 100_000)]
    regression_percent: u32,
    /// A difference of fewer milliseconds a call is none.
    #[parameter(default = 10.0, min = 0)]
    regression_floor_ms: f64,
    /// Show statements, without their values; else only what the server calls them.
    #[parameter(default = true)]
    text: bool,
    /// Characters of a statement that are shown.
    #[parameter(default = 200, min = 40, max = 1000)]
    text_length: u32,
    /// How far back the slow log is read (MariaDB without `performance_schema`).
    #[parameter(default = "7d", min = "1m", max = "52w")]
    log_window: Duration,
}

/// Reads, judges, compares with the last run, and remembers.
#[task(
    summary = "says which statements take the time, which spill to disk, and which became slower",
    slots = [DATABASE, MEMORY]
)]
async fn slow_queries(options: Options) -> Result<String> {
    let database = DATABASE.open()?;
    let server = database.server().await?;
    let survey = match server.dialect {
        sql::Dialect::Postgres => postgres::survey(&database).await?,
        sql::Dialect::Mariadb | sql::Dialect::Mysql => mariadb::survey(&database, options.log_window.as_secs()).await?,
        sql::Dialect::Sqlite => return Ok("SQLite keeps no statistics of statements".into()),
    };
    let Some(survey) = survey else {
        return Ok("the server does not count its statements, or does not tell this role".into());
    };
    let limits = Limits {
        top: usize::try_from(options.top).unwrap_or(usize::MAX),
        slow_ms: options.slow_ms,
        min_calls: options.min_calls,
        min_share: options.min_share,
        busy: options.busy,
        temporary: options.temporary.0,
        regression_percent: f64::from(options.regression_percent),
        regression_floor_ms: options.regression_floor_ms,
        text: options.text.then(|| usize::try_from(options.text_length).unwrap_or(usize::MAX)),
    };
    let key = format!("statements of {}", server.database);
    let memory = recall(&key).await?;
    measure(&survey, &limits);
    let findings = [judge::all(&survey, &memory, &limits), judge::caveats(&survey)].concat();
    let bad = findings.iter().filter(|finding| finding.severity() != Severity::Ok).count();
    for finding in judge::lists(&server.database, &survey, &limits).into_iter().chain(findings) {
        finding.report();
    }
    remember(&key, &memory.next(&survey)).await?;
    Ok(judge::summary(&survey, bad))
}

fn measure(survey: &Survey, limits: &Limits) {
    Metric::new("statements_calls", float(survey.calls)).unit(Unit::Total).report();
    Metric::new("statements_seconds", survey.total_ms / 1000.0).unit(Unit::Total).report();
    if let Some(age) = survey.age {
        Metric::new("statistics_age", float(age)).unit(Unit::Seconds).report();
    }
    if let Some(busy) = survey.busy(survey.total_ms) {
        Metric::new("sessions_at_work", busy).report();
    }
    if let Some(evictions) = survey.evictions {
        Metric::new("statements_evictions", float(evictions)).unit(Unit::Total).report();
    }
    for statement in judge::listed(survey, limits).into_iter().filter(|statement| !statement.nested) {
        let figures = &statement.figures;
        Metric::new("statement_mean", figures.mean_ms() / 1000.0)
            .subject(&statement.id)
            .unit(Unit::Seconds)
            .warn_above(limits.slow_ms / 1000.0)
            .report();
        Metric::new("statement_calls", float(figures.calls)).subject(&statement.id).unit(Unit::Total).report();
        Metric::new("statement_share", survey.share(figures.total_ms))
            .subject(&statement.id)
            .unit(Unit::Percent)
            .report();
    }
}

/// What the last run left; nothing where the slot is not bound.
async fn recall(key: &str) -> Result<Memory> {
    match MEMORY.get(key).await {
        Ok(None) | Err(state::Error::Refused(_)) => Ok(Memory::default()),
        Ok(Some(state::Entry { value: state::Value::Text(text), .. })) => match Memory::read(&text) {
            Some(memory) => Ok(memory),
            None => bail!("`{key}` in slot `memory` is not of slow-queries; remove it with `host state`"),
        },
        Ok(Some(_)) => bail!("`{key}` in slot `memory` is no text of slow-queries; remove it with `host state`"),
        Err(error) => Err(error).context("recalling the last run from slot `memory`"),
    }
}

async fn remember(key: &str, memory: &Memory) -> Result<()> {
    match MEMORY.put(key, memory.write()).await {
        Ok(_) | Err(state::Error::Refused(_)) => Ok(()),
        Err(error) => Err(error).context("keeping the counters in slot `memory`"),
    }
}
