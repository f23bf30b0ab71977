//! How long the host takes for each view of the page when its history is long.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use jiff::{SignedDuration, Timestamp};
use taskhost::bundle::Kind;
use taskhost::gate::{Decision, Effect, EffectOutcome, Entry, Impact, Mode};
use taskhost::history::{Note, Writer};
use taskhost::meters::Meters;
use taskhost::plugin::{Host, HostConfig};
use taskhost::report::{Finding, Metric, Outcome, Report, Severity, Unit};
use taskhost::web::{Door, Gate, Site, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use crate::measure::{Comparison, median, shown};
use crate::serve::Served;

/// What is recorded, of how many tasks, over how long.
const RUNS: usize = 100_000;
const TASKS: usize = 50;
const DAYS: i64 = 90;
/// Runs that are written at a time.
const BATCH: usize = 500;
const ROUNDS: usize = 11;
const AIM: Duration = Duration::from_millis(100);

fn task(number: usize) -> String {
    format!("task-{number}")
}

fn kind(number: usize) -> Kind {
    [Kind::Daily, Kind::Weekly, Kind::Monthly, Kind::Quarterly].into_iter().cycle().nth(number).unwrap_or(Kind::Daily)
}

fn bundle(plugin: &Path, history: &str) -> String {
    let tasks = (0..TASKS).map(|number| {
        format!(
            "[tasks.{}]\nplugin = \"{}\"\nkind = \"{}\"\nschedule = \"0 0 1 1 *\"\n",
            task(number),
            plugin.display(),
            kind(number).name()
        )
    });
    format!("name = \"{}\"\nhistory = {history:?}\n{}", name(), tasks.collect::<String>())
}

fn name() -> String {
    format!("pages-{}", std::process::id())
}

/// As a plugin's own: some figures, two effects, now and then something that is wrong for a while.
fn report(id: &str, number: usize, started: Timestamp) -> Report {
    let outcome = match number % 10 {
        9 => Outcome::Warning,
        _ => Outcome::Ok,
    };
    let mut report = Report::not_begun(&task(number % TASKS), Mode::Perform, outcome, "");
    report.run.id = id.into();
    report.run.started = started;
    report.run.duration_us = 1_500_000;
    report.run.finished = started.saturating_add(SignedDuration::from_millis(1_500)).unwrap_or(started);
    report.error = None;
    report.summary = Some(format!("removed {} of 40 files", number % 40));
    if outcome == Outcome::Warning {
        report.findings.push(Finding {
            severity: Severity::Warning,
            subject: format!("/var/log/app-{}.log", number % 7),
            title: "grows fast".into(),
            detail: "It grew by 300 MiB since the last run.".into(),
            remedy: Some("Look at what writes to it.".into()),
        });
    }
    for (name, value) in [("files", 40.0), ("bytes", 1e6), ("seconds", 1.5)] {
        report.metrics.push(Metric {
            name: name.into(),
            subject: None,
            value,
            unit: Unit::None,
            warn: None,
            crit: None,
        });
    }
    for sequence in 0..2 {
        report.effects.push(Entry {
            sequence,
            effect: Effect::new("files", "logs", "remove", Impact::Destroy, "app.log.1"),
            decision: Decision::Perform,
            outcome: EffectOutcome::Done,
            rows: None,
            bytes: Some(4096),
            offset: Duration::ZERO,
            duration: Duration::from_millis(1),
        });
    }
    report
}

/// Writes a history of so many runs up to now; returns the id of one.
async fn fill(writer: &Writer) -> anyhow::Result<String> {
    let now = Timestamp::now();
    let step = SignedDuration::from_hours(24 * DAYS) / i32::try_from(RUNS)?;
    let mut id = String::new();
    for first in (0..RUNS).step_by(BATCH) {
        let mut notes = Vec::with_capacity(2 * BATCH);
        for number in first..first + BATCH {
            let started = now.checked_sub(step * i32::try_from(RUNS - number)?)?;
            id = uuid::Uuid::now_v7().to_string();
            let kind = Some(kind(number % TASKS));
            let beginning = writer.beginning(&id, &task(number % TASKS), kind, Mode::Perform, "bench", started);
            notes.push(Note::Began(beginning.clone()));
            notes.push(Note::Ended(beginning, Box::new(report(&id, number, started))));
        }
        writer.write(&notes.iter().collect::<Vec<_>>()).await?;
        if first % 10_000 == 0 {
            eprint!(".");
        }
    }
    eprintln!();
    Ok(id)
}

/// How long a GET takes, from connecting to the last byte.
async fn get(address: &str, path: &str) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    ensure!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{path}: {}",
        String::from_utf8_lossy(answer.get(..200).unwrap_or(&answer))
    );
    Ok(begun.elapsed())
}

/// The slowest of all views, with the history in `target`.
pub(super) fn views(plugin: &Path, kind: &str, target: &dyn Fn(&Path) -> String) -> anyhow::Result<Comparison> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let directory = tempfile::tempdir()?;
        let config = HostConfig { cache: Some(directory.path().join("cache")), ..HostConfig::default() };
        let host = Arc::new(Host::new(config)?);
        let text = bundle(plugin, &target(directory.path()));
        // The first one makes the history.
        let (served, _) = Served::new(&host, directory.path(), &text).await?;
        let writer = Writer::new(served.service.target().clone(), &name(), "bench");
        let begun = Instant::now();
        let id = fill(&writer).await?;
        let filled = begun.elapsed();
        let stop = CancellationToken::new();
        let site =
            Site::new(vec![served.service.clone()], Meters::default(), Gate::new(None).map_err(anyhow::Error::msg)?, stop.clone());
        let door = Door::open("127.0.0.1:0".parse()?).await.map_err(anyhow::Error::msg)?;
        let url = door.url().map_err(anyhow::Error::msg)?;
        let address = url.strip_prefix("http://").context("plain HTTP")?.to_owned();
        let serving = tokio::spawn(serve(site, door, stop.clone()));
        let (now, name) = (Timestamp::now(), name());
        let since = |days: i64| {
            let since = now.checked_sub(SignedDuration::from_hours(24 * (days - 1)));
            since.map(|since| format!("/{name}/log?since={}", since.strftime("%F")))
        };
        let views = [
            ("Today", format!("/{name}/")),
            ("Calendar", format!("/{name}/calendar")),
            ("a task", format!("/{name}/tasks/task-0")),
            ("a run", format!("/{name}/runs/{id}")),
            ("Runs", format!("/{name}/runs")),
            ("Runs, of a rare outcome", format!("/{name}/runs?show=interrupted")),
            ("Grants", format!("/{name}/grants")),
            ("Events", format!("/{name}/events")),
            ("Log", format!("/{name}/log")),
            ("Log, of 7 days", since(7)?),
            ("Log, of 31 days", since(31)?),
            ("runs by the API", "/api/v1/runs".to_owned()),
            ("/metrics", "/metrics".to_owned()),
        ];
        let mut times = Vec::new();
        let mut bare = Vec::new();
        for (view, path) in &views {
            let mut samples = Vec::new();
            for round in 0..=ROUNDS {
                let (one, nothing) = (get(&address, path).await?, get(&address, "/assets/style.css").await?);
                if round > 0 {
                    samples.push(one);
                    bare.push(nothing);
                }
            }
            times.push((*view, median(samples)));
        }
        stop.cancel();
        serving.await?;
        served.end().await?;
        let (slowest, time) = times.iter().max_by_key(|(_, time)| *time).copied().context("there are views")?;
        let each: Vec<String> = times.iter().map(|(view, time)| format!("{view} {}", shown(*time))).collect();
        Ok(Comparison {
            title: format!("The slowest view of the page with {RUNS} runs in {kind}"),
            aim: "every view under 100 ms".into(),
            method: format!(
                "{RUNS} runs of {TASKS} tasks over {DAYS} days, one in ten with a warning, each with three metrics and two \
                 effects, written in {}; each view asked for over a new connection, to its last byte: {}.",
                shown(filled),
                each.join(", ")
            ),
            met: time < AIM,
            times: vec![(format!("Taskhost: {slowest}"), time), ("the style sheet".into(), median(bare))],
            rounds: ROUNDS,
            missed: "A maintenance log reads every run of its days. The page shows fewer days by itself where 2,500 runs are in \
                     less than a week; who asks for more waits for them."
                .into(),
        })
    })
}
