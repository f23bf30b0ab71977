//! Says whether what a Redis or Valkey server holds would survive a restart or the loss of the server.
//!
//! It reads INFO and a few settings, and nothing of any key. It must never start a save itself: that costs memory and disk
//! when there may be none to spare.

mod figures;
mod judge;

use std::time::SystemTime;

use taskhost_sdk::prelude::*;
use taskhost_sdk::report::{Severity, next_action_on};
use taskhost_sdk::words::{counted, size, span};

use figures::{Figures, Role, SETTINGS, Settings};
use judge::{CRITICAL, Limits};

const CACHE: redis::Slot =
    redis::Slot::new("cache", "its figures and settings of saving and replication are read").read();

#[derive(Parameters)]
struct Options {
    /// A warning when the last save is older, while there are changes.
    #[parameter(default = "1d", min = "1m")]
    max_age: Duration,
    /// A warning when a save or a rewrite runs for longer.
    #[parameter(default = "30m", min = "1s")]
    slow_save: Duration,
    /// A warning when the last fork stopped the server for so many milliseconds.
    #[parameter(default = 500, min = 1)]
    slow_fork_ms: u64,
    /// A warning when writes to the append-only file wait for the disk so many times an hour.
    #[parameter(default = 10, min = 1)]
    delays_per_hour: u64,
    /// How bad it is to save nothing at all.
    #[parameter(default = Severity::Warning)]
    unpersisted: Severity,
    /// A warning when a replica, or the master, was not heard of for this time.
    #[parameter(default = "30s", min = "2s")]
    max_silence: Duration,
    /// A warning when a replica is so many bytes behind.
    #[parameter(default = "16MiB")]
    max_lag: Size,
    /// Critical when fewer replicas are connected.
    #[parameter(default = 0, max = 1000)]
    min_replicas: u64,
}

#[task(summary = "says whether the data would survive: saves, append-only file, replicas", slots = [CACHE])]
async fn redis_persistence(options: Options) -> Result<String> {
    let limits = Limits {
        max_age: options.max_age.as_secs(),
        slow_save: options.slow_save.as_secs(),
        slow_fork: options.slow_fork_ms.saturating_mul(1_000),
        delays_per_hour: options.delays_per_hour,
        unpersisted: options.unpersisted,
        max_silence: options.max_silence.as_secs(),
        max_lag: options.max_lag.0,
        min_replicas: options.min_replicas,
    };
    let cache = CACHE.open()?;
    let info = cache.information(&[]).await?;
    let settings = settings(&cache).await?;
    let figures = Figures::new(&info, settings)
        .ok_or_else(|| Failure::new("INFO does not say whether the server is a master or a replica"))?;
    let now = figures.now.unwrap_or_else(now);

    let findings = judge::judge(&figures, now, &limits);
    let bad = findings.iter().filter(|finding| finding.severity() != Severity::Ok).count();
    measure(&figures, now, &limits);
    for finding in findings {
        if finding.severity() == Severity::Critical {
            next_action_on(finding.subject(), format!("see to it now: {}", finding.title()));
        }
        finding.report();
    }
    Ok(summary(&figures, now, bad))
}

/// The settings, as far as the server's user may ask: managed servers hide CONFIG, and the figures do without.
async fn settings(cache: &redis::Store) -> Result<Settings> {
    match cache.configuration(SETTINGS.map(Into::into).to_vec()).await {
        Ok(settings) => Ok(Settings::new(&settings)),
        Err(error @ (redis::Error::Server(_) | redis::Error::Unsupported(_))) => {
            log::warn(format!("settings are left out of it: {}", redis::message(&error)));
            Ok(Settings::default())
        }
        Err(error) => Err(error.into()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn measure(figures: &Figures, now: u64, limits: &Limits) {
    let above = |name: &str, value: u64, unit: Unit, limit: u64| {
        let critical = limit.saturating_mul(CRITICAL) as f64;
        Metric::new(name, value as f64).unit(unit).warn_above(limit as f64).crit_above(critical)
    };
    let age = now.saturating_sub(figures.rdb.last_save);
    if figures.rdb.changes > 0 {
        above("save_age", age, Unit::Seconds, limits.max_age).report();
    } else {
        Metric::new("save_age", age as f64).unit(Unit::Seconds).report();
    }
    Metric::new("changes_not_saved", figures.rdb.changes as f64).report();
    above("last_fork_ms", figures.fork_us / 1_000, Unit::None, limits.slow_fork / 1_000).report();
    if let Some(aof) = &figures.aof {
        Metric::new("append_only_size", aof.size as f64).unit(Unit::Bytes).report();
        Metric::new("append_only_delays", aof.delayed as f64).unit(Unit::Total).report();
    }
    match &figures.role {
        Role::Master => Metric::new("replicas", figures.replicas.len() as f64).report(),
        Role::Replica(link) => {
            Metric::new("master_link_up", f64::from(u8::from(link.up))).crit_below(1.0).report();
            if let Some(seconds) = link.silent {
                above("master_silence", seconds, Unit::Seconds, limits.max_silence).report();
            }
        }
    }
    Metric::new("full_syncs", figures.full_syncs as f64).unit(Unit::Total).report();
    for replica in &figures.replicas {
        let behind = figures.offset.saturating_sub(replica.offset);
        above("replica_behind", behind, Unit::Bytes, limits.max_lag).subject(&replica.address).report();
        if let Some(seconds) = replica.lag {
            above("replica_silence", seconds, Unit::Seconds, limits.max_silence).subject(&replica.address).report();
        }
    }
}

/// `master of 2 replicas; saved 5 min ago, 12 changes since; append-only file 1.0 MiB: in order`.
fn summary(figures: &Figures, now: u64, bad: usize) -> String {
    let role = match &figures.role {
        Role::Master if figures.replicas.is_empty() => "master without replicas".into(),
        Role::Master => format!("master of {}", counted(figures.replicas.len() as u64, "replica")),
        Role::Replica(link) => format!("replica of {}", link.master),
    };
    let age = span(now.saturating_sub(figures.rdb.last_save));
    // Until its first save a server gives the time of its start.
    let saved = if figures.rdb.saves == Some(0) { "not saved since it started" } else { "saved" };
    let changes = counted(figures.rdb.changes, "change");
    let aof =
        figures.aof.as_ref().map_or("no append-only file".into(), |aof| format!("append-only file {}", size(aof.size)));
    let verdict = if bad == 0 { "in order".into() } else { counted(bad as u64, "finding") };
    format!("{role}; {saved} {age} ago, {changes} since; {aof}: {verdict}")
}

/// Seconds since 1970, by the host's clock.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
