//! Whether a Prometheus server watches what it should, and has its configuration loaded anew where that is asked for.
//!
//! It asks the server's API. It must never call a server well whose answers it did not get: what cannot be read ends the
//! run.

mod api;
mod figures;
mod judge;

use std::time::{SystemTime, UNIX_EPOCH};

use taskhost_sdk::http::Error;
use taskhost_sdk::prelude::*;
use taskhost_sdk::words::counted;

use api::{Alertmanagers, Build, Configuration, Rules, Runtime, Targets};
use figures::Figures;
use judge::targets::ByTarget;
use judge::{rules, server, targets};

const PROMETHEUS: http::Slot = http::Slot::new("prometheus", "its API is asked for targets, rules and its own state");
const CONTROL: http::Slot =
    http::Slot::new("control", "with reload=true its configuration is loaded anew").and_post().optional();

/// Times that a query looks at, of each target.
const POINTS: u64 = 2_000;

/// What an operator may set.
#[derive(Parameters)]
struct Options {
    /// A target that is down for longer is critical, for less a warning.
    #[parameter(default = "10m", min = "0s", max = "52w")]
    critical_after: Duration,
    /// How far back a target is looked for that was up.
    #[parameter(default = "7d", min = "1h", max = "52w")]
    look_back: Duration,
    /// Over which time scrapes and failures are counted.
    #[parameter(default = "1h", min = "1m", max = "7d")]
    window: Duration,
    /// A warning when more of a target's scrapes are missing, in per cent.
    #[parameter(default = 10, min = 1, max = 100)]
    gap_percent: u32,
    /// Jobs that must have targets.
    #[parameter(default = "")]
    jobs: Vec<String>,
    /// Alerts that are not looked at.
    #[parameter(default = "InfoInhibitor")]
    ignore_alerts: Vec<String>,
    /// An alert that must fire, where there is a rule of that name.
    #[parameter(default = "Watchdog")]
    watchdog: String,
    /// Have the configuration loaded anew before it is looked at.
    #[parameter(default = false)]
    reload: bool,
}

/// Asks, judges and tells.
#[task(summary = "says whether a Prometheus server watches what it should", slots = [PROMETHEUS, CONTROL])]
async fn prometheus_check(options: Options) -> Result<String> {
    let reloaded = if options.reload { reload().await? } else { "" };
    if PROMETHEUS.get("-/ready").await?.status() == 503 {
        Finding::critical("server", "not ready").detail("it starts, or replays its write-ahead log").report();
        return Ok(format!("{reloaded}it is not ready"));
    }
    let build: Build = api::get(&PROMETHEUS, "status/buildinfo").await?;
    let runtime: Runtime = api::get(&PROMETHEUS, "status/runtimeinfo").await?;
    let now = now();
    let mut findings: Vec<Finding> = Vec::new();
    findings.extend(server::configuration(&runtime, now));
    findings.extend(server::corruptions(&runtime));

    let figures = api::page(&PROMETHEUS, "metrics").await?.map(|text| Figures::read(&text)).unwrap_or_default();
    findings.extend(own_figures(&figures, &runtime, &options, now).await?);
    let (up, all) = watched(&runtime, &options, now, &mut findings).await?;
    let counts = ruled(&options, now, &mut findings).await?;
    for finding in findings {
        finding.report();
    }
    Ok(format!(
        "{reloaded}Prometheus {}: {up} of {} up, {} firing of {}",
        build.version,
        counted(all, "target"),
        counted(counts.firing, "alert"),
        counted(counts.rules, "rule")
    ))
}

/// Has the configuration loaded, and says so.
async fn reload() -> Result<&'static str> {
    let answer = match CONTROL.post("-/reload").await {
        Ok(None) => return Ok("its configuration would be loaded anew; "),
        Ok(Some(answer)) => answer,
        Err(Error::Refused(reason)) => {
            return Err(Failure::from(Error::Refused(reason))).context("reload=true takes the slot `control`");
        }
        Err(error) => return Err(error.into()),
    };
    let (status, line) = (answer.status(), answer.status_line());
    let said = answer.text(64 * 1024).await?;
    match status {
        200 => {
            Finding::ok("configuration", "configuration was loaded anew").report();
            Ok("its configuration was loaded anew; ")
        }
        403 | 405 => Err(Failure::new(format!(
            "the server does not let its configuration be loaded ({line}); start it with --web.enable-lifecycle"
        ))),
        // What is wrong with the file. That the old one is in use is found below.
        _ => {
            Finding::critical("configuration", "configuration cannot be loaded")
                .detail(said.trim())
                .remedy("mend the file; `promtool check config` says the same without a server")
                .report();
            Ok("its configuration cannot be loaded; ")
        }
    }
}

/// Counters that should be zero, and sizes.
async fn own_figures(figures: &Figures, runtime: &Runtime, options: &Options, now: f64) -> Result<Vec<Finding>> {
    let uptime = now - runtime.start_time.0;
    Metric::new("prometheus_uptime_seconds", uptime).unit(Unit::Seconds).report();
    for (metric, name, unit) in [
        ("prometheus_head_series", "prometheus_tsdb_head_series", Unit::None),
        ("prometheus_storage_bytes", "prometheus_tsdb_storage_blocks_bytes", Unit::Bytes),
    ] {
        if let Some(value) = figures.sum(name) {
            Metric::new(metric, value).unit(unit).report();
        }
    }
    let mut findings: Vec<Finding> = server::discovery(figures).into_iter().collect();
    for counter in &server::COUNTERS {
        let Some(total) = figures.sum(counter.name).filter(|total| *total > 0.0) else { continue };
        // A server that watches itself knows when it was.
        let window = options.window.as_secs();
        let lately = api::instant(&PROMETHEUS, &format!("sum(increase({}[{window}s]))", counter.name)).await?;
        let lately = lately.first().map(api::Sample::value);
        findings.extend(server::counter(counter, total, lately, options.window.as_secs_f64(), uptime));
    }
    Ok(findings)
}

/// Targets: how many are up, and how many there are.
async fn watched(
    runtime: &Runtime,
    options: &Options,
    now: f64,
    findings: &mut Vec<Finding>,
) -> Result<(usize, usize)> {
    let targets: Targets = api::get(&PROMETHEUS, "targets?state=active").await?;
    let targets = targets.active_targets;
    let limits = targets::Limits {
        now,
        loaded: runtime.start_time.0.max(runtime.last_config_time.0),
        critical_after: options.critical_after.as_secs_f64(),
        look_back: options.look_back.as_secs_f64(),
        window: options.window.as_secs_f64(),
        gap_percent: options.gap_percent.into(),
        jobs: options.jobs.clone(),
    };
    let up = targets.iter().filter(|target| target.health == "up").count();
    let down = targets.iter().filter(|target| target.health == "down").count();
    let mut last_up = Vec::new();
    if down > 0 {
        // Closely, and then far back: a server bounds what one query may load.
        for far in [options.window, options.look_back] {
            let (far, step) = (far.as_secs(), (far.as_secs() / POINTS).max(1));
            let expression =
                format!("max_over_time(timestamp(up == 1)[{far}s:{step}s]) and on (job, instance) (up == 0)");
            last_up.extend(api::instant(&PROMETHEUS, &expression).await?);
        }
    }
    findings.extend(targets::down(&targets, &ByTarget::new(&last_up), &limits));
    let window = options.window.as_secs();
    let counts = api::instant(&PROMETHEUS, &format!("count_over_time(up[{window}s])")).await?;
    let step = (window / 500).max(1);
    let first = format!("min_over_time(timestamp(up)[{window}s:{step}s])");
    let first = api::instant(&PROMETHEUS, &first).await?;
    findings.extend(targets::scrapes(&targets, &ByTarget::new(&counts), &ByTarget::new(&first), &limits));
    let configuration: Configuration = api::get(&PROMETHEUS, "status/config").await?;
    findings.extend(targets::jobs(&targets, &targets::configured(&configuration.yaml), &limits));
    Metric::new("prometheus_targets", number(targets.len())).report();
    Metric::new("prometheus_targets_down", number(down)).warn_above(0.0).report();
    Ok((up, targets.len()))
}

/// Rules and alerts.
async fn ruled(options: &Options, now: f64, findings: &mut Vec<Finding>) -> Result<rules::Counts> {
    let groups: Rules = api::get(&PROMETHEUS, "rules").await?;
    let alertmanagers: Alertmanagers = api::get(&PROMETHEUS, "alertmanagers").await?;
    let limits = rules::Limits {
        now,
        ignored: options.ignore_alerts.clone(),
        watchdog: options.watchdog.clone(),
        alertmanagers: alertmanagers.active_alertmanagers.len(),
    };
    let (counts, found) = rules::judge(&groups.groups, &limits);
    findings.extend(found);
    Metric::new("prometheus_alerts_firing", number(counts.firing)).report();
    Metric::new("prometheus_alerts_pending", number(counts.pending)).report();
    Metric::new("prometheus_rules_failing", number(counts.failing)).warn_above(0.0).report();
    Ok(counts)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn number(count: usize) -> f64 {
    count as f64
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
