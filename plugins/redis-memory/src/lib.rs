//! Looks at where a Redis or Valkey server's memory is, how near it is to its limit, and what changed since the last run.
//!
//! It reads INFO and CLIENT LIST, and nothing of any key. It must never change the server.

mod figures;
mod judge;
mod snapshot;

use std::time::SystemTime;

use taskhost_sdk::prelude::*;
use taskhost_sdk::report::{Severity, next_action_on};
use taskhost_sdk::words::size;

use figures::{Figures, Holder};
use judge::{Limits, percent, ratio};
use snapshot::Snapshot;

const CACHE: redis::Slot = redis::Slot::new("cache", "its figures and its list of clients are read").read();

const MEMORY: state::Slot =
    state::Slot::new("memory", "keeps a few figures from run to run, to tell jumps").write().optional();

/// The key of the last run's figures.
const FIGURES: &str = "figures";

#[derive(Parameters)]
struct Options {
    /// A warning from this share of maxmemory, or of the machine's memory, in per cent.
    #[parameter(default = 80, min = 1, max = 100)]
    warn_percent: u32,
    /// Critical from this share.
    #[parameter(default = 95, min = 1, max = 100)]
    critical_percent: u32,
    /// How bad it is to have no maxmemory.
    #[parameter(default = Severity::Warning)]
    no_maxmemory: Severity,
    /// Used memory below which shares, ratios and jumps are not judged.
    #[parameter(default = "64MiB")]
    floor: Size,
    /// Resident for used memory from which it is fragmented.
    #[parameter(default = 1.5, min = 1, max = 100)]
    fragmentation: f64,
    /// A warning for a client that holds so much.
    #[parameter(default = "64MiB")]
    client_memory: Size,
    /// A warning when clients, or replication, hold this share of what is used, in per cent.
    #[parameter(default = 25, min = 1, max = 100)]
    buffers_percent: u32,
    /// A warning when so many keys are evicted an hour.
    #[parameter(default = 1000, min = 1)]
    evictions_per_hour: u64,
    /// A warning when used memory changed by so much since the last run, in per cent; needs the slot `memory`.
    #[parameter(default = 50, min = 1, max = 10_000)]
    jump_percent: u32,
    /// A warning when it will be full within this time at the rate since the last run; needs the slot `memory`.
    #[parameter(default = "1d")]
    full_within: Duration,
}

#[task(summary = "says where the memory is, how near the limit, and what changed", slots = [CACHE, MEMORY])]
async fn redis_memory(options: Options) -> Result<String> {
    let limits = limits(&options)?;
    let cache = CACHE.open()?;
    let (remembers, previous) = recall().await?;
    let info = cache.information(&[]).await?;
    let figures = Figures::new(&info).ok_or_else(|| Failure::new("INFO does not say how much memory is used"))?;
    let holders = holders(&cache).await?;
    let now = figures.now.unwrap_or_else(now);

    let findings = judge::judge(&figures, &holders, previous.as_ref(), now, &limits);
    let bad = findings.iter().filter(|finding| finding.severity() != Severity::Ok).count();
    measure(&figures, &holders, &limits);
    for finding in findings {
        if finding.severity() == Severity::Critical {
            next_action_on(finding.subject(), "make room now, before writes fail or the system ends the server");
        }
        finding.report();
    }
    if remembers {
        let text = Snapshot::of(&figures, now).write();
        MEMORY.put(FIGURES, text).await.context("keeping the figures in slot `memory`")?;
    }
    Ok(summary(&figures, bad))
}

fn limits(options: &Options) -> Result<Limits> {
    let (warn, critical) = (options.warn_percent, options.critical_percent);
    if warn > critical {
        return Err(Failure::invalid(format!(
            "warn-percent={warn} is more than critical-percent={critical}; it must not be"
        )));
    }
    Ok(Limits {
        warn_percent: warn.into(),
        critical_percent: critical.into(),
        floor: options.floor.0,
        fragmentation: options.fragmentation,
        no_maxmemory: options.no_maxmemory,
        client_memory: options.client_memory.0,
        buffers_percent: options.buffers_percent.into(),
        evictions_per_hour: options.evictions_per_hour,
        jump_percent: options.jump_percent.into(),
        full_within: options.full_within.as_secs(),
    })
}

/// Whether there is a place to remember in, and what the last run left there. What another version left in another form is
/// nothing.
async fn recall() -> Result<(bool, Option<Snapshot>)> {
    match MEMORY.get(FIGURES).await {
        Ok(Some(state::Entry { value: state::Value::Text(text), .. })) => Ok((true, Snapshot::read(&text))),
        Ok(_) => Ok((true, None)),
        // An optional slot that is not bound.
        Err(state::Error::Refused(_)) => Ok((false, None)),
        Err(error) => Err(error).context("recalling the figures from slot `memory`"),
    }
}

/// The clients, as far as the server's user may list them: the rest of the figures does not hang on it.
async fn holders(cache: &redis::Store) -> Result<Vec<Holder>> {
    match cache.clients().await {
        Ok(clients) => Ok(figures::holders(&clients)),
        Err(error @ (redis::Error::Server(_) | redis::Error::Unsupported(_))) => {
            Finding::warning("clients", "could not be listed")
                .detail(redis::message(&error))
                .remedy("let the user run CLIENT LIST (`+client|list`)")
                .report();
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures are shown with one decimal")]
fn measure(figures: &Figures, holders: &[Holder], limits: &Limits) {
    for (name, bytes) in [
        ("memory_used", figures.used),
        ("memory_peak", figures.peak),
        ("memory_resident", figures.rss),
        ("memory_dataset", figures.dataset),
        ("memory_overhead", figures.overhead),
        ("memory_clients", figures.clients),
        ("memory_largest_client", holders.first().map_or(0, |holder| holder.total)),
        ("memory_replication", figures.replication),
        ("memory_scripts", figures.scripts),
    ] {
        Metric::new(name, bytes as f64).unit(Unit::Bytes).report();
    }
    let limit = if figures.maxmemory > 0 { Some(figures.maxmemory) } else { figures.system };
    if let Some(limit) = limit {
        let metric = Metric::new("memory_percent", percent(figures.counted(), limit)).unit(Unit::Percent);
        // A server that evicts is full by design.
        let bounded = figures.maxmemory == 0 || figures.fails_when_full();
        let metric =
            if bounded { metric.warn_above(limits.warn_percent).crit_above(limits.critical_percent) } else { metric };
        metric.report();
    }
    let fragmentation = Metric::new("memory_fragmentation", ratio(figures.rss, figures.used));
    let judged = figures.used >= limits.floor;
    if judged { fragmentation.warn_above(limits.fragmentation) } else { fragmentation }.report();
    Metric::new("keys_evicted", figures.evicted as f64).unit(Unit::Total).report();
}

/// `1.2 GiB used of 2.0 GiB (60.0%), peak 1.3 GiB, resident 1.4 GiB`.
fn summary(figures: &Figures, bad: usize) -> String {
    let of = match (figures.maxmemory, figures.system) {
        (0, None) => " without a limit".into(),
        (0, Some(system)) => {
            format!(" of the machine's {} ({:.1}%), without a limit", size(system), percent(figures.used, system))
        }
        (limit, _) => format!(" of {} ({:.1}%)", size(limit), percent(figures.counted(), limit)),
    };
    let verdict = if bad == 0 { "in order".into() } else { taskhost_sdk::words::counted(bad as u64, "finding") };
    format!("{} used{of}, peak {}, resident {}: {verdict}", size(figures.used), size(figures.peak), size(figures.rss))
}

/// Seconds since 1970, by the host's clock.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
