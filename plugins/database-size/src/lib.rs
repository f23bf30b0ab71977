//! How large a database is and what makes it so, how fast it grows, and when it will reach a given size.
//!
//! Sizes come from the database's own figures. It must never call a size a trend: growth is told from earlier runs that it
//! remembers, and nothing is foretold from fewer than three.

mod judge;
mod sizes;

use taskhost_sdk::prelude::*;
use taskhost_sdk::state::{Sample, Trend, measured};
use taskhost_sdk::words::size;

use judge::{History, Limits};
use sizes::Part;

const DATABASE: sql::Slot = sql::Slot::new("database", "reads the sizes of tables and indexes").read();
const MEMORY: state::Slot =
    state::Slot::new("memory", "keeps the sizes from run to run, to tell growth").write().optional();

/// Series in the slot `memory`.
const WHOLE: &str = "bytes";
const TABLE: &str = "table-bytes";
/// The newest samples that a trend is told from: a year of daily runs.
const SAMPLES: u32 = 366;

/// What an operator may set.
#[derive(Parameters)]
struct Options {
    /// So many of the largest tables and indexes are named.
    #[parameter(default = 10, min = 1, max = 100)]
    top: u32,
    /// A size that the database must not reach, such as what its disk has.
    limit: Option<Size>,
    /// A warning when it will reach `limit` within this time.
    #[parameter(default = "30d", min = "1d", max = "520w")]
    warn_within: Duration,
    /// Critical when it will reach `limit` within this time.
    #[parameter(default = "7d", min = "1d", max = "520w")]
    critical_within: Duration,
    /// A warning when the database or a table grew by more since the last run, in per cent.
    #[parameter(default = 50, min = 1, max = 100_000)]
    jump_percent: u32,
    /// Growth by less than this is no jump.
    #[parameter(default = "64MiB")]
    floor: Size,
}

/// Measures, compares with earlier runs, and remembers.
#[task(summary = "says how large a database is, what makes it so, and when it will be full", slots = [DATABASE, MEMORY])]
async fn database_size(options: Options) -> Result<String> {
    let database = DATABASE.open()?;
    let server = database.server().await?;
    let name = server.database.clone();
    let (whole, mut parts) = sizes::read(&database, server.dialect).await?;
    parts.sort_by_key(|part| std::cmp::Reverse(part.bytes()));
    let top = usize::try_from(options.top).unwrap_or(usize::MAX);
    parts.truncate(top);

    let limits = Limits {
        full: options.limit.map(|limit| as_number(limit.0)),
        warn_days: days(options.warn_within),
        critical_days: days(options.critical_within),
        jump_percent: f64::from(options.jump_percent),
        floor: as_number(options.floor.0),
    };
    let metric = Metric::new("database_bytes", as_number(whole)).subject(&name).unit(Unit::Bytes);
    match limits.full {
        Some(full) => metric.crit_above(full).report(),
        None => metric.report(),
    }
    for part in &parts {
        Metric::new("table_bytes", as_number(part.table)).subject(&part.name).unit(Unit::Bytes).report();
        Metric::new("index_bytes", as_number(part.indexes)).subject(&part.name).unit(Unit::Bytes).report();
    }
    if !parts.is_empty() {
        let lines: Vec<String> = parts.iter().map(Part::line).collect();
        Finding::ok(&name, "largest tables").detail(lines.join("\n")).report();
    }

    let remembers = MEMORY.is_bound().await.context("recalling earlier sizes from slot `memory`")?;
    let history = recall(remembers, WHOLE, "", as_number(whole)).await?;
    let verdict = judge::whole(&name, &history, &limits);
    if let Some(trend) = &history.trend {
        Metric::new("database_growth_bytes_per_day", trend.per_day).subject(&name).unit(Unit::Bytes).report();
    }
    for finding in verdict.findings {
        finding.report();
    }
    let mut measurements = vec![measured(WHOLE, "", as_number(whole))];
    for part in &parts {
        let history = recall(remembers, TABLE, &part.name, as_number(part.bytes())).await?;
        if let Some(finding) = judge::jump(&part.name, &history, &limits) {
            finding.report();
        }
        measurements.push(measured(TABLE, &part.name, as_number(part.bytes())));
    }
    if remembers {
        MEMORY.append(measurements).await.context("keeping the sizes in slot `memory`")?;
    }
    Ok(format!("{name} has {}{}", size(whole), verdict.summary))
}

/// What earlier runs measured, where that is remembered, and `now`.
async fn recall(remembers: bool, series: &str, subject: &str, now: f64) -> Result<History> {
    let samples = if remembers {
        MEMORY.samples(series, subject, SAMPLES).await.context("recalling earlier sizes from slot `memory`")?
    } else {
        vec![]
    };
    let before = samples.last().map(|sample| sample.value);
    // This run's sample is the newest, taken when it is written.
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let trend = Trend::of(&[samples, vec![Sample { at: time, value: now }]].concat());
    Ok(History { now, before, trend })
}

#[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
fn as_number(bytes: u64) -> f64 {
    bytes as f64
}

fn days(time: Duration) -> f64 {
    time.as_secs_f64() / 86_400.0
}
