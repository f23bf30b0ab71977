//! `host history`: the runs that were recorded, whether the record is what was written, and how much of it stays.

use anstyle::Style;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;

use super::place::{Place, When};
use super::{fail, json, print, run};
use crate::gate::Mode;
use crate::history::{Filter, Keep, Run, Verdict, prune, with_none};
use crate::policy::glob::Globs;
use crate::policy::text::clean_line;
use crate::policy::units::Seconds;
use crate::report::{Outcome, PluginId, text};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Subcommand)]
enum Command {
    /// Say whether a history is what was written: finds what was changed, taken out or moved.
    Verify(Verify),
    /// Remove what is old. What a bundle or `host run --record` keeps is removed by them.
    Prune(Prune),
}

#[derive(Args)]
struct List {
    /// A bundle that keeps a history (a path that ends with .toml), or a history: a file, `postgres://...` or `env:NAME`.
    #[arg(value_name = "BUNDLE|HISTORY", required = true)]
    of: Option<String>,
    /// Only runs of these tasks; a name, or a pattern such as `old-*`. Repeat it for more.
    #[arg(long = "task", value_name = "GLOB")]
    tasks: Vec<String>,
    /// Begun on this day or later: 2026-03-14, yesterday, or 30d for days ago.
    #[arg(long, value_name = "DATE")]
    since: Option<When>,
    /// Begun on this day or before.
    #[arg(long, value_name = "DATE")]
    until: Option<When>,
    /// The newest of them.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Args)]
struct Verify {
    /// A bundle that keeps a history, or a history.
    #[arg(value_name = "BUNDLE|HISTORY")]
    of: String,
    /// A link of the chain that was noted elsewhere, as this command printed it: whoever makes the whole chain anew has not
    /// that one.
    #[arg(long, value_name = "NUMBER:HASH")]
    head: Option<String>,
    /// How the verdict is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Args)]
struct Prune {
    /// A bundle that keeps a history, or a history.
    #[arg(value_name = "BUNDLE|HISTORY")]
    of: String,
    /// What is older goes, such as 365d.
    #[arg(long, value_name = "TIME", required_unless_present = "keep_runs")]
    keep: Option<Seconds>,
    /// Of more runs, the oldest go.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    keep_runs: Option<u64>,
    /// Who does it, for the chain [default: the user's name].
    #[arg(long, value_name = "NAME", env = "TASKHOST_MAINTAINER")]
    by: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For machines; its schema is docs/history.schema.json.
    Json,
}

pub(super) async fn execute(arguments: &Arguments) -> u8 {
    let done = match &arguments.command {
        Some(Command::Verify(arguments)) => verify(arguments).await,
        Some(Command::Prune(arguments)) => remove(arguments).await,
        None => list(&arguments.list).await,
    };
    done.unwrap_or_else(|code| code)
}

/// 0 when it holds, 2 when it does not, 3 when it cannot be told.
async fn verify(arguments: &Verify) -> Result<u8, u8> {
    let place = Place::find(&arguments.of).await?;
    let verdict = place.reader().verify(arguments.head.as_deref()).await;
    let verdict = verdict.map_err(|error| fail(&error.to_string()))?;
    let Verdict { links, runs, head, problems } = &verdict;
    if arguments.format == Format::Json {
        print(&json(&verdict));
    } else if problems.is_empty() {
        print(&format!("{}: whole, {runs} runs in {links} links\nhead {head}\n", place.target.shown()));
    } else {
        let bad = Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
        print(&format!("{}: {bad}does not hold{bad:#}, {runs} runs in {links} links\n", place.target.shown()));
        for problem in problems {
            print(&format!("  - {}\n", clean_line(problem, 1000)));
        }
    }
    Ok(if problems.is_empty() { 0 } else { 2 })
}

async fn remove(arguments: &Prune) -> Result<u8, u8> {
    let place = Place::find(&arguments.of).await?;
    let age = arguments.keep.map_or(std::time::Duration::MAX, Into::into);
    let keep = Keep { age, runs: arguments.keep_runs.unwrap_or(u64::MAX) };
    let by = run::maintainer(arguments.by.clone());
    let removed = prune(&place.target, keep, &by).await.map_err(|error| fail(&error.to_string()))?;
    print(&format!("{}: removed {} runs and {} ticks\n", place.target.shown(), removed.runs, removed.ticks));
    Ok(0)
}

async fn list(arguments: &List) -> Result<u8, u8> {
    let Some(of) = &arguments.of else { return Err(3) };
    let place = Place::find(of).await?;
    let (reader, zone, now) = (place.reader(), place.zone(), Timestamp::now());
    let known = if arguments.tasks.is_empty() {
        None
    } else {
        let globs = Globs::new(arguments.tasks.clone()).map_err(|error| fail(&error))?;
        let mut known = reader.tasks().await.map_err(|error| fail(&error.to_string()))?;
        known.retain(|name| globs.matches(name.as_bytes(), name.len()));
        Some(known)
    };
    let filter = Filter {
        since: arguments.since.map(|when| when.begin(&zone, now)),
        until: arguments.until.map(|when| when.end(&zone, now)),
        bundles: place.bundle_name().map(with_none),
        tasks: known,
        performed: false,
    };
    let runs = reader.newest(&filter, arguments.limit).await.map_err(|error| fail(&error.to_string()))?;
    print(&match arguments.format {
        Format::Json => json(&runs.iter().map(Line::of).collect::<Vec<_>>()),
        Format::Text => table(&runs, &zone),
    });
    Ok(0)
}

/// A run, for machines.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    id: &'a str,
    bundle: Option<&'a str>,
    task: &'a str,
    kind: Option<crate::bundle::Kind>,
    operator: &'a str,
    plugin: Option<&'a PluginId>,
    mode: Mode,
    /// None while it runs.
    outcome: Option<Outcome>,
    started: Timestamp,
    /// None while it runs, and when it was interrupted.
    finished: Option<Timestamp>,
    duration_us: u64,
    summary: Option<&'a str>,
    error: Option<&'a str>,
    warnings: u64,
    criticals: u64,
    changes: u64,
    rows: u64,
    bytes: u64,
}

impl<'a> Line<'a> {
    pub(super) fn of(run: &'a Run) -> Self {
        Self {
            id: &run.id,
            bundle: run.bundle.as_deref(),
            task: &run.task,
            kind: run.kind,
            operator: &run.operator,
            plugin: run.plugin.as_ref(),
            mode: run.mode,
            outcome: run.outcome,
            started: run.started,
            finished: run.finished,
            duration_us: run.duration_us,
            summary: run.summary.as_deref(),
            error: run.error.as_deref(),
            warnings: run.warnings,
            criticals: run.criticals,
            changes: run.changes,
            rows: run.rows,
            bytes: run.bytes,
        }
    }
}

fn table(runs: &[Run], zone: &jiff::tz::TimeZone) -> String {
    if runs.is_empty() {
        return "no run is recorded\n".into();
    }
    let dim = Style::new().dimmed();
    let width = runs.iter().map(|run| run.task.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for run in runs {
        let started = run.started.to_zoned_datetime(zone.clone()).strftime("%F %H:%M:%S").to_string();
        let (name, style) = match run.outcome {
            Some(outcome) => (outcome.name(), text::outcome_style(outcome)),
            None => ("running", dim),
        };
        let rehearsed = if run.mode == Mode::Rehearse { "(rehearsal) " } else { "" };
        let said = clean_line(run.said().lines().next().unwrap_or_default(), 100);
        // Of an id the end: its beginning is the time.
        let id = run.id.rsplit('-').next().unwrap_or_default();
        out += &format!(
            "{started}  {style}{name:11}{style:#}  {:width$}  {dim}{id}{dim:#}  {rehearsed}{said}\n",
            clean_line(&run.task, 100)
        );
    }
    out
}
