//! `host run BUNDLE` and `host plan BUNDLE`: tasks of a bundle, and one report for the whole.

use std::path::Path;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::place::{recorder, say_lost};
use super::progress::TaskProgress;
use super::run::{Format, maintainer, stop_on_signal};
use super::{Global, check, fail, json, print, run};
use crate::bundle::{self, Accepted, Bundle, Kind, Order, Selection, Weight};
use crate::gate::Mode;
use crate::history::calendar::{self, Period};
use crate::history::{Reader, Target};
use crate::plugin::{did_you_mean, nearest_word};
use crate::report::Whole;
use crate::trace::Exporter;

/// Which tasks.
#[derive(Args)]
#[command(next_help_heading = "Bundles")]
pub(super) struct Tasks {
    /// Run this task of the bundle; repeat it for more.
    #[arg(long = "task", value_name = "NAME", conflicts_with_all = ["kind", "all"])]
    names: Vec<String>,
    /// Run the tasks of this part of the calendar.
    #[arg(long, value_enum, conflicts_with = "all")]
    kind: Option<Kind>,
    /// Run all tasks.
    #[arg(long)]
    all: bool,
    /// How many tasks run at a time [default: as the bundle's limits say, or 4].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

impl Tasks {
    pub(super) fn any(&self) -> bool {
        !self.names.is_empty() || self.kind.is_some() || self.all || self.jobs.is_some()
    }

    fn selection(&self, bundle: &Bundle) -> Result<Selection, String> {
        let known = || bundle.tasks.iter().map(|task| task.name.as_str());
        if let Some(unknown) = self.names.iter().find(|name| !known().any(|known| known == *name)) {
            let near = did_you_mean(nearest_word(unknown, known()));
            return Err(format!("{} has no task `{unknown}`{near}", bundle.name));
        }
        match (self.kind, self.all) {
            (Some(kind), _) => Ok(Selection::Kind(kind)),
            (None, true) => Ok(Selection::All),
            (None, false) if !self.names.is_empty() => Ok(Selection::Tasks(self.names.clone())),
            (None, false) => {
                let names = known().collect::<Vec<_>>().join(", ");
                Err(format!("say which tasks: --task NAME, --kind daily or --all; {} has {names}", bundle.name))
            }
        }
    }
}

pub(super) async fn execute(global: &Global, path: &Path, arguments: &run::Arguments, mode: Mode) -> u8 {
    let (text, accepted, host) = match check::text(path)
        .and_then(|text| Ok((text, Accepted::read(path)?)))
        .and_then(|(text, accepted)| Ok((text, accepted, global.host()?)))
    {
        Ok(read) => read,
        Err(error) => return fail(&error),
    };
    let Some(bundle) = check::bundle(path, &text) else { return 3 };
    let selection = match arguments.tasks.selection(&bundle) {
        Ok(selection) => selection,
        Err(error) => return fail(&error),
    };
    let checked = bundle.check(&global.plugins(&host), accepted.as_ref(), |task| selection.picks(task)).await;
    let wrong: Vec<_> = checked.problems.into_iter().filter(|problem| problem.weight == Weight::Error).collect();
    if !wrong.is_empty() {
        check::complain(path, &text, &wrong);
        return 3;
    }
    let operator = maintainer(arguments.maintainer());
    let (recorder, target) = match recorder(arguments.record(), Some(&bundle), &operator).await {
        Ok(recorder) => recorder,
        Err(error) => return fail(&error),
    };
    let count = checked.ready.iter().filter(|ready| selection.picks(ready.task)).count();
    let progress = TaskProgress::new(&bundle.name, count);
    let cancel = CancellationToken::new();
    let signals = tokio::spawn(stop_on_signal(cancel.clone()));
    let verbose = arguments.verbose();
    let exporter = Exporter::of_environment();
    let order = Order {
        selection: &selection,
        mode,
        jobs: arguments.tasks.jobs.unwrap_or(bundle.limits.runs),
        observer: &|task| progress.observer(&task.name, verbose),
        attempted: &|report| exporter.ended(Some(&bundle.name), &operator, report),
        ended: &|_, report| progress.ended(report),
        cancel,
        recorder: recorder.clone(),
    };
    let mut whole = bundle::run(&host, &bundle, &checked.ready, &order).await;
    signals.abort();
    progress.finish();
    if let Some(target) = target {
        mark_ticked(&mut whole, &bundle, target).await;
    }
    say_lost(&recorder.close().await);
    run::write_metrics(arguments.metrics_file(), &bundle.name, whole.runs.iter());
    print(&match arguments.format() {
        Format::Text => whole.text(verbose),
        Format::Json => json(&whole),
        Format::Nagios => whole.nagios(),
        Format::Markdown => whole.markdown(&maintainer(arguments.maintainer().or_else(|| bundle.maintainer.clone()))),
    });
    say_lost(&exporter.close().await);
    whole.outcome.exit_code()
}

/// Says of what people do that it is done, where it was ticked for its current period.
async fn mark_ticked(whole: &mut Whole, bundle: &Bundle, target: Target) {
    let today = calendar::day(whole.finished, &bundle.time_zone);
    let period = |kind| Period::of(kind, today).name;
    let periods: Vec<String> = whole.checklist.iter().map(|entry| period(entry.kind)).collect();
    if periods.is_empty() {
        return;
    }
    // What cannot be read was said to be lost, and is left open here.
    let ticks = Reader::new(target).ticked(&bundle.name, &periods).await.unwrap_or_default();
    for entry in &mut whole.checklist {
        let same = |tick: &&crate::history::Tick| {
            tick.title == entry.title && tick.kind == entry.kind && tick.period == period(entry.kind)
        };
        entry.done = ticks.iter().find(same).cloned();
    }
}
