//! `host show`: one run as it was recorded.

use clap::Args;
use serde::Serialize;

use super::history::Line;
use super::place::Place;
use super::{fail, json, print};
use crate::history::{Filter, Reader, Run, with_none};
use crate::plugin::{did_you_mean, nearest_word};
use crate::report::{Report, markdown, nagios, text};

#[derive(Args)]
pub(super) struct Arguments {
    /// A bundle that keeps a history (a path that ends with .toml), or a history: a file, `postgres://...` or `env:NAME`.
    #[arg(value_name = "BUNDLE|HISTORY")]
    of: String,
    /// A run's id, or a part of one that no other has; or a task's name, for its newest run.
    run: String,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also show the log, and every effect.
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// The whole report, and what the history knows beside; its schema is docs/history.schema.json.
    Json,
    /// One line and performance data, as monitoring plugins print it.
    Nagios,
    /// An entry for the maintenance log.
    Markdown,
}

pub(super) async fn execute(arguments: &Arguments) -> u8 {
    match show(arguments).await {
        Ok(code) | Err(code) => code,
    }
}

/// The exit code is 0: it is about showing, and the run had its own.
async fn show(arguments: &Arguments) -> Result<u8, u8> {
    let place = Place::find(&arguments.of).await?;
    let reader = place.reader();
    let run = find(&reader, place.bundle_name(), &arguments.run).await.map_err(|error| fail(&error))?;
    let report = reader.report(&run).await.map_err(|error| fail(&error.to_string()))?;
    let running = run.outcome.is_none();
    print(&match arguments.format {
        Format::Json => json(&Shown { history: Line::of(&run), report: (!running).then_some(&report) }),
        _ if running => format!("{}: running since {}, for {}\n", run.task, run.started, run.operator),
        Format::Text => {
            let kind = run.kind.map_or("on demand", crate::bundle::Kind::name);
            let bundle = run.bundle.as_ref().map(|bundle| format!("{bundle}, ")).unwrap_or_default();
            let plugin = run.plugin.as_ref();
            let plugin = plugin.map(|plugin| format!(", {} {}", plugin.name, plugin.version)).unwrap_or_default();
            let dim = anstyle::Style::new().dimmed();
            format!(
                "{dim}run {}, {bundle}{kind}, by {}{plugin}, {}{dim:#}\n{}",
                run.id,
                run.operator,
                run.started,
                text::render(&report, arguments.verbose)
            )
        }
        Format::Nagios => nagios::render(&report),
        Format::Markdown => markdown::render(&report, &run.operator),
    });
    Ok(0)
}

/// A run, for machines.
#[derive(Serialize)]
struct Shown<'a> {
    history: Line<'a>,
    /// None while it runs.
    report: Option<&'a Report>,
}

pub(super) async fn find(reader: &Reader, bundle: Option<&str>, named: &str) -> Result<Run, String> {
    let failed = |error: crate::history::Error| error.to_string();
    if let Some(run) = reader.run(named).await.map_err(failed)? {
        return Ok(run);
    }
    let filter = Filter { bundles: bundle.map(with_none), tasks: Some(vec![named.into()]), ..Filter::default() };
    if let Some(run) = reader.newest(&filter, 1).await.map_err(failed)?.pop() {
        return Ok(run);
    }
    let is_part = named.len() >= 4 && named.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let mut found = if is_part { reader.with_part(named).await.map_err(failed)? } else { vec![] };
    match (found.pop(), found.is_empty()) {
        (Some(run), true) => Ok(run),
        (Some(_), false) => Err(format!("several runs have `{named}` in their id; write more of it")),
        (None, _) => {
            let tasks = reader.tasks().await.map_err(failed)?;
            let near = did_you_mean(nearest_word(named, tasks.iter().map(String::as_str)));
            Err(format!("there is no run and no task `{named}`{near}; `host history` lists them"))
        }
    }
}
