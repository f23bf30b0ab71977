//! `host run PLUGIN` and `host plan PLUGIN`: the same but for the gate's mode. For a bundle in its place, see
//! [`super::tasks`].

use std::path::{Path, PathBuf};

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::ending::Ending;
use super::place::{recorder, say_lost};
use super::progress::Progress;
use super::{Global, fail, json, options, print};
use crate::gate::Mode;
use crate::history::Recorder;
use crate::meters::{Form, Meters, render};
use crate::plugin::{DEFAULT_TIMEOUT, Request};
use crate::policy::units::{Seconds, Size};
use crate::report::{Outcome, Report, markdown, nagios, text};
use crate::trace::Exporter;

/// What `run` and `plan` take.
#[derive(Args)]
pub(super) struct Arguments {
    /// A path, or a name on the plugin path; or a bundle, as a path that ends with .toml.
    #[arg(value_name = "PLUGIN|BUNDLE")]
    plugin: String,
    /// Parameters; `host inspect PLUGIN` lists them.
    #[arg(value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    #[command(flatten)]
    pub(super) tasks: super::tasks::Tasks,
    #[command(flatten)]
    bindings: options::Bindings,
    /// The most that a slot may change, such as database.rows=500 or logs.bytes=2GiB.
    #[arg(long, value_name = "SLOT.WHAT=N", help_heading = "Limits")]
    budget: Vec<String>,
    /// Stop the run after this time.
    #[arg(long, value_name = "TIME", default_value_t = Seconds(DEFAULT_TIMEOUT.as_secs()), help_heading = "Limits")]
    timeout: Seconds,
    /// How much memory the plugin may use [default: 64MiB, or what the plugin asks for].
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    memory: Option<Size>,
    /// How the report is printed.
    #[arg(long, value_enum, default_value_t = Format::Text, help_heading = "Output")]
    format: Format,
    /// Also show the log as it comes, and every effect.
    #[arg(long, short, help_heading = "Output")]
    verbose: bool,
    /// Record what the run leaves in this history: a file, `postgres://...` or `env:NAME`. A bundle says itself where its
    /// runs are recorded. Without either, nothing is kept.
    #[arg(long, value_name = "FILE|URL", help_heading = "Output")]
    record: Option<String>,
    /// Also write how it stands with what ran to this file, in place of what it said before, as the node exporter's
    /// textfile collector reads it; a file for each command.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    metrics_file: Option<PathBuf>,
    /// The maintainer's name, for the maintenance log and the history [default: the user's name].
    #[arg(long, value_name = "NAME", env = "TASKHOST_MAINTAINER", help_heading = "Output")]
    maintainer: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// The whole report; its schema is docs/report.schema.json.
    Json,
    /// One line and performance data, as monitoring plugins print it.
    Nagios,
    /// An entry for the maintenance log.
    Markdown,
}

impl Arguments {
    /// The bundle that is meant, if it is one.
    fn bundle(&self) -> Option<&Path> {
        let path = Path::new(&self.plugin);
        path.extension().is_some_and(|extension| extension == "toml").then_some(path)
    }

    /// The first word that only a plugin on its own takes.
    fn for_plugin_alone(&self) -> Option<String> {
        let parameter = self.parameters.first().cloned();
        parameter
            .or_else(|| self.bindings.first())
            .or_else(|| self.budget.first().map(|_| "--budget".into()))
            .or_else(|| self.memory.map(|_| "--memory".into()))
    }

    pub(super) fn maintainer(&self) -> Option<String> {
        self.maintainer.clone()
    }

    pub(super) fn metrics_file(&self) -> Option<&Path> {
        self.metrics_file.as_deref()
    }

    pub(super) fn record(&self) -> Option<&str> {
        self.record.as_deref()
    }

    pub(super) fn verbose(&self) -> bool {
        self.verbose
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }
}

pub(super) async fn execute(global: &Global, arguments: Arguments, mode: Mode) -> u8 {
    if let Some(bundle) = arguments.bundle() {
        return match arguments.for_plugin_alone() {
            Some(word) => {
                fail(&format!("{word}: a bundle says itself what its tasks are given; change {}", bundle.display()))
            }
            None => super::tasks::execute(global, bundle, &arguments, mode).await,
        };
    }
    if arguments.tasks.any() {
        return fail("--task, --kind, --all and --jobs are for a bundle: a path that ends with .toml");
    }
    let format = arguments.format;
    let verbose = arguments.verbose;
    let maintainer = maintainer(arguments.maintainer.clone());
    let recorder = match recorder(arguments.record(), None, &maintainer).await {
        Ok((recorder, _)) => recorder,
        Err(error) => return fail(&error),
    };
    let metrics_file = arguments.metrics_file.clone();
    let exporter = Exporter::of_environment();
    let report = run(global, arguments, mode, &recorder).await;
    exporter.ended(None, &maintainer, &report);
    say_lost(&recorder.close().await);
    write_metrics(metrics_file.as_deref(), "", [&report]);
    print(&match format {
        Format::Text => text::render(&report, verbose),
        Format::Json => json(&report),
        Format::Nagios => nagios::render(&report),
        Format::Markdown => markdown::render(&report, &maintainer),
    });
    say_lost(&exporter.close().await);
    report.run.outcome.exit_code()
}

/// Writes how it stands with these runs, where that is wanted. What stands against it is said, and fails no run.
pub(super) fn write_metrics<'a>(file: Option<&Path>, bundle: &str, reports: impl IntoIterator<Item = &'a Report>) {
    let Some(file) = file else { return };
    let meters = Meters::default();
    // What is rehearsed did not happen.
    for report in reports.into_iter().filter(|report| report.run.mode == Mode::Perform) {
        meters.ended(bundle, report);
    }
    if let Err(error) = super::write_whole(file, &render(Form::Prometheus, &meters.all(), &[])) {
        say_lost(&[format!("{}: the metrics are not written: {error}", file.display())]);
    }
}

/// The name that was given, else the user's.
pub(super) fn maintainer(given: Option<String>) -> String {
    given.or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "unknown".into())
}

async fn run(global: &Global, arguments: Arguments, mode: Mode, recorder: &Recorder) -> Report {
    let stem = std::path::Path::new(&arguments.plugin).file_stem().and_then(std::ffi::OsStr::to_str);
    let task = stem.unwrap_or(&arguments.plugin).to_owned();
    let invalid = async |error: String| {
        let mut report = Report::not_begun(&task, mode, Outcome::Invalid, &error);
        recorder.keep(&mut report, None).await;
        report
    };
    let mut wrong = Vec::new();
    let grants = arguments.bindings.grants().unwrap_or_else(|errors| {
        wrong.extend(errors);
        crate::capability::Grants::default()
    });
    let budgets = options::budgets(&arguments.budget).unwrap_or_else(|errors| {
        wrong.extend(errors);
        crate::gate::Budgets::default()
    });
    let parameters = options::arguments(&arguments.parameters).unwrap_or_else(|errors| {
        wrong.extend(errors);
        Vec::new()
    });
    if !wrong.is_empty() {
        return invalid(wrong.join("\n")).await;
    }
    let (host, plugin) = match options::load(global, &arguments.plugin).await {
        Ok(loaded) => loaded,
        Err(error) => return invalid(error).await,
    };
    let progress = Progress::new(&plugin.description().name);
    let cancel = CancellationToken::new();
    let signals = tokio::spawn(stop_on_signal(cancel.clone()));
    let request = Request {
        task: None,
        mode,
        arguments: parameters,
        grants,
        budgets,
        timeout: arguments.timeout.into(),
        memory: arguments.memory.map(|size| size.0),
        observer: progress.observer(arguments.verbose),
        cancel,
    };
    let report = recorder.run(&host, &plugin, request, None).await;
    signals.abort();
    progress.finish();
    report
}

/// The first Ctrl-C or SIGTERM stops the run, which cleans up; the second ends the process at once.
pub(super) async fn stop_on_signal(cancel: CancellationToken) {
    let Ok(mut ending) = Ending::listen() else { return };
    ending.told().await;
    eprintln!("stopping: cleaning up; once more to leave at once");
    cancel.cancel();
    ending.told().await;
    std::process::exit(3);
}
