//! What serving costs: runs through the whole path with their history, and ten thousand tasks of which a thousand are due
//! in the same moment.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use jiff::Timestamp;
use taskhost::gate::Mode;
use taskhost::meters::Meters;
use taskhost::plugin::{Host, HostConfig};
use taskhost::serve::{Engine, Loader, Service, Setup};
use taskhost::trace::Exporter;
use tokio_util::sync::CancellationToken;

use crate::crowd::resident;
use crate::inprocess::request;
use crate::measure::{Comparison, median};

/// Runs of one round, by so many tasks, so many at a time.
const RUNS: u32 = 2_000;
const TASKS: usize = 50;
const AT_ONCE: usize = 16;
/// Tasks that are scheduled, and those of them that are due together.
const SCHEDULED: usize = 10_000;
const TOGETHER: u32 = 1_000;

pub(crate) struct Served {
    pub(crate) service: Service,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Served {
    /// Serves that bundle, and how long it took until it did.
    pub(crate) async fn new(host: &Arc<Host>, directory: &Path, bundle: &str) -> anyhow::Result<(Self, Duration)> {
        let path = directory.join("bundle.toml");
        std::fs::write(&path, bundle)?;
        let begun = Instant::now();
        let stop = CancellationToken::new();
        let setup = Setup {
            loader: Loader { path, host: host.clone(), directories: vec![] },
            operator: "bench".into(),
            meters: Meters::default(),
            exporter: Exporter::default(),
            grace: Duration::from_secs(10),
            stop: stop.clone(),
        };
        let engine = Engine::new(setup).await.map_err(anyhow::Error::msg)?;
        let service = engine.service();
        Ok((Self { service, stop, running: tokio::spawn(engine.run(|| {})) }, begun.elapsed()))
    }

    /// Until nothing runs or waits.
    async fn idle(&self) -> anyhow::Result<()> {
        loop {
            let queue = self.service.queue().await.context("the engine has ended")?;
            if queue.running + queue.waiting == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        Ok(self.running.await?)
    }
}

fn tasks(plugin: &Path, count: usize, schedule: impl Fn(usize) -> &'static str) -> String {
    let mut text = String::new();
    for number in 0..count {
        let (plugin, schedule) = (plugin.display(), schedule(number));
        let _ = write!(text, "[tasks.task-{number}]\nplugin = \"{plugin}\"\nschedule = \"{schedule}\"\n");
    }
    text
}

/// Runs a second through the whole path, the history in `target`, beside runs that nothing records.
pub(super) fn served(plugin: &Path, kind: &str, target: &dyn Fn(&Path) -> String) -> anyhow::Result<Comparison> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let directory = tempfile::tempdir()?;
        let config = HostConfig { cache: Some(directory.path().join("cache")), ..HostConfig::default() };
        let host = Arc::new(Host::new(config)?);
        let loaded = host.load(plugin).await?;
        let bundle = format!(
            "name = \"bench-{}\"\nhistory = {:?}\nlimits.runs = {AT_ONCE}\n{}",
            std::process::id(),
            target(directory.path()),
            tasks(plugin, TASKS, |_| "0 0 1 1 *")
        );
        let (served, _) = Served::new(&host, directory.path(), &bundle).await?;
        let rounds = 5;
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for round in 0..=rounds {
            let begun = Instant::now();
            for number in 0..RUNS as usize {
                let task = format!("task-{}", number % TASKS);
                let asked = served.service.run(&task, "bench", Mode::Perform, vec![]).await;
                asked.map_err(anyhow::Error::msg)?;
            }
            served.idle().await?;
            let whole = begun.elapsed() / RUNS;
            let begun = Instant::now();
            for _ in 0..RUNS {
                host.run(&loaded, request()).await;
            }
            if round > 0 {
                ours.push(whole);
                bare.push(begun.elapsed() / RUNS);
            }
        }
        served.end().await?;
        let (ours, bare) = (median(ours), median(bare));
        Ok(Comparison {
            title: format!("Runs through the whole path, with their history in {kind}, a run"),
            aim: "at least 500 a second".into(),
            method: format!(
                "{RUNS} runs of the fixture `empty` asked for one by one, of {TASKS} tasks, {AT_ONCE} at a time: queued, \
                 recorded before they begin and when they end, chained by hashes, on the disk when they are said to be. \
                 {:.0} a second.",
                1.0 / ours.as_secs_f64()
            ),
            met: ours < Duration::from_millis(2),
            times: vec![("Taskhost".into(), ours), ("the same run, recorded nowhere".into(), bare)],
            rounds,
            missed: String::new(),
        })
    })
}

/// Ten thousand tasks, a thousand of them due together.
pub(super) fn scheduled(plugin: &Path) -> anyhow::Result<Comparison> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let directory = tempfile::tempdir()?;
        let config = HostConfig { cache: Some(directory.path().join("cache")), ..HostConfig::default() };
        let host = Arc::new(Host::new(config)?);
        let loaded = host.load(plugin).await?;
        let history = directory.path().join("history.db");
        let each = SCHEDULED / TOGETHER as usize;
        let bundle = format!(
            "name = \"bench\"\nhistory = \"history.db\"\nlimits.runs = {AT_ONCE}\n{}",
            tasks(plugin, SCHEDULED, |number| if number % each == 0 { "* * * * *" } else { "0 0 1 1 *" })
        );
        let before = resident();
        let (served, ready) = Served::new(&host, directory.path(), &bundle).await?;
        let grown = resident().saturating_sub(before);
        let rounds = 3;
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        let mut grew = 0;
        for _ in 0..rounds {
            served.idle().await?;
            let size = || ["history.db", "history.db-wal"].iter().map(|name| {
                directory.path().join(name).metadata().map_or(0, |file| file.len())
            }).sum::<u64>();
            let empty = size();
            let now = Timestamp::now();
            let minute = Timestamp::from_second(now.as_second() / 60 * 60 + 60)?;
            tokio::time::sleep(Duration::try_from(minute.duration_since(now))?).await;
            let begun = Instant::now();
            // It is seen when the first waits.
            while served.service.queue().await.is_some_and(|queue| queue.waiting == 0) && begun.elapsed().as_secs() < 5 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            served.idle().await?;
            ours.push(begun.elapsed() / TOGETHER);
            grew = size().saturating_sub(empty) / u64::from(TOGETHER);
            let begun = Instant::now();
            for _ in 0..TOGETHER {
                host.run(&loaded, request()).await;
            }
            bare.push(begun.elapsed() / TOGETHER);
        }
        served.end().await?;
        let file = history.metadata()?.len() / u64::from(TOGETHER) / rounds as u64;
        let (ours, bare) = (median(ours), median(bare));
        Ok(Comparison {
            title: format!("{TOGETHER} of {SCHEDULED} scheduled tasks due in the same second, a run"),
            aim: "at least 500 a second".into(),
            method: format!(
                "`host serve` in-process, {AT_ONCE} runs at a time, from the full minute until the last had ended and was \
                 recorded. Reading and checking the bundle took {:.2} s, {} KiB of memory a task. A run takes {file} \
                 bytes of the history's file ({grew} with its journal).",
                ready.as_secs_f64(),
                grown / SCHEDULED as u64 / 1024
            ),
            met: ours < Duration::from_millis(2),
            times: vec![("Taskhost".into(), ours), ("the same runs, recorded nowhere".into(), bare)],
            rounds,
            missed: String::new(),
        })
    })
}
