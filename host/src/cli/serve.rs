//! `host serve`: bundles at their times, until it is told to end.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Global, fail};
use crate::meters::Meters;
use crate::policy::units::Seconds;
use crate::serve::{Engine, HOST, Loader, Service, Setup};
use crate::trace::Exporter;

#[derive(Args)]
pub(super) struct Arguments {
    /// The bundle files. Each keeps a history of its own or shares one.
    #[arg(value_name = "BUNDLE", required = true)]
    bundles: Vec<PathBuf>,
    /// How long runs may go on when the host is told to end (SIGTERM or Ctrl-C); then they are stopped, and clean up.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    grace: Seconds,
    /// Who runs the host, for the history [default: the user's name].
    #[arg(long, value_name = "NAME", env = "TASKHOST_MAINTAINER")]
    maintainer: Option<String>,
}

/// 0 when it ended in order, 3 when it could not begin.
pub(super) async fn execute(global: &Global, arguments: Arguments) -> u8 {
    match serve(global, arguments).await {
        Ok(()) => 0,
        Err(error) => fail(&error),
    }
}

async fn serve(global: &Global, arguments: Arguments) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("failed to listen for signals: {error}");
    let (terminate, hang_up) =
        (signal(SignalKind::terminate()).map_err(failed)?, signal(SignalKind::hangup()).map_err(failed)?);
    let host = Arc::new(global.host()?);
    let stop = CancellationToken::new();
    let (meters, exporter) = (Meters::default(), Exporter::of_environment());
    let mut engines = Vec::new();
    for path in arguments.bundles {
        let setup = Setup {
            loader: Loader { path, host: host.clone(), directories: global.plugin_path() },
            operator: super::run::maintainer(arguments.maintainer.clone()),
            meters: meters.clone(),
            exporter: exporter.clone(),
            grace: arguments.grace.into(),
            stop: stop.clone(),
        };
        engines.push(Engine::new(setup).await?);
    }
    let services: Vec<Service> = engines.iter().map(Engine::service).collect();
    if let Some(twice) = twice(&services) {
        return Err(format!("two bundles are called `{twice}`; give each a `name` of its own"));
    }
    tokio::spawn(end_on_signal(terminate, stop));
    tokio::spawn(reload_on_signal(hang_up, services.clone()));
    let mut running = JoinSet::new();
    let count = engines.len();
    for (number, engine) in engines.into_iter().enumerate() {
        let mut watchdog = Watchdog::new(number == 0);
        running.spawn(engine.run(move || watchdog.beat()));
    }
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("serving {count} bundles"))]);
    for service in &services {
        let bundle = &service.loaded().bundle;
        tracing::info!("serving {}: {} tasks", bundle.name, bundle.tasks.len());
    }
    while let Some(ended) = running.join_next().await {
        // Where one breaks, the others are not told; they go on.
        if let Err(error) = ended {
            tracing::error!("a bundle is served no more: {error}");
        }
    }
    tell(&[NotifyState::Stopping]);
    for lost in exporter.close().await {
        tracing::warn!("{lost}");
    }
    Ok(())
}

/// A name that two bundles have.
fn twice(services: &[Service]) -> Option<String> {
    let names: Vec<String> = services.iter().map(|service| service.loaded().bundle.name.clone()).collect();
    names
        .iter()
        .enumerate()
        .find(|(place, name)| names.iter().take(*place).any(|other| other == *name))
        .map(|(_, name)| name.clone())
}

/// The first Ctrl-C or SIGTERM ends the host in order; the second at once.
async fn end_on_signal(mut terminate: Signal, stop: CancellationToken) {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("told to end; once more to leave at once");
    tell(&[NotifyState::Stopping]);
    stop.cancel();
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    std::process::exit(3);
}

async fn reload_on_signal(mut hang_up: Signal, services: Vec<Service>) {
    while hang_up.recv().await.is_some() {
        for service in &services {
            // The engine says what is wrong.
            let _ = service.reload(HOST).await;
        }
    }
}

/// Tells systemd, where it asks.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("systemd was not told: {error}");
    }
}

/// Tells systemd that the loop goes round, where it asks for that.
struct Watchdog {
    every: Option<std::time::Duration>,
    last: std::time::Instant,
}

impl Watchdog {
    fn new(used: bool) -> Self {
        // Twice as often as it must be.
        let every = sd_notify::watchdog_enabled().filter(|_| used).map(|limit| limit / 2);
        Self { every, last: std::time::Instant::now() }
    }

    fn beat(&mut self) {
        if self.every.is_some_and(|every| self.last.elapsed() >= every) {
            self.last = std::time::Instant::now();
            tell(&[NotifyState::Watchdog]);
        }
    }
}
