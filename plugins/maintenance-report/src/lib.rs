//! What a period's runs did, found, changed and measured, as one page: in the sections of the runbook's maintenance log, as
//! Markdown and as HTML with small plots.
//!
//! It reads the history and nothing else, and every text in that is somebody else's: none becomes markup.

mod figures;
mod html;
mod markdown;
mod page;
mod period;
mod plot;
mod runs;

use std::time::{SystemTime, UNIX_EPOCH};

use taskhost_sdk::history::Span;
use taskhost_sdk::prelude::*;

use page::Page;
use period::{Period, Time};
use runs::{End, Ran};

const PAST: history::Slot = history::Slot::new("past", "the report is of what earlier runs left").read();
const REPORTS: files::Slot = files::Slot::new("reports", "the page is written into it").write().optional();

/// Samples of one figure: as many as an answer may have.
const SAMPLES: u32 = 10_000;

/// In which form the page is written.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Both,
    Html,
    Markdown,
}

/// What an operator may set.
#[derive(Parameters)]
struct Options {
    /// How far back from now: a day, 7, 30 or 91 of them.
    #[parameter(default = Period::Weekly)]
    period: Period,
    /// How far back, in place of a period.
    #[parameter(min = "1h", max = "3650d")]
    since: Option<Duration>,
    /// Tasks that the report is of; * stands for anything.
    #[parameter(default = "*")]
    tasks: Vec<String>,
    /// Metrics that are shown beside CPU, memory, disk, response time and what is near its bounds.
    #[parameter(default = "")]
    metrics: Vec<String>,
    /// How many metrics are shown.
    #[parameter(default = 16, min = 0, max = 100)]
    figures: u32,
    /// In which form the page is written.
    #[parameter(default = Form::Both)]
    form: Form,
    /// Who answers for the system; who ran the tasks when empty.
    #[parameter(default = "")]
    maintainer: String,
    /// What the page is called; the bundle's name when empty.
    #[parameter(default = "")]
    title: String,
}

/// Reads, writes down, tells.
#[task(summary = "writes a period's runs down as one page", slots = [PAST, REPORTS])]
async fn maintenance_report(options: Options) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let time = Time::new(options.period, options.since, now);
    let page = gather(&options, time).await?;
    for (name, value) in [
        ("runs", page.ran.ends.all()),
        ("runs_broken", page.ran.ends.of(End::Unknown)),
        ("issues_open", page.open.len() as u64),
        ("issues_resolved", page.resolved.len() as u64),
        ("changes", page.effects()),
    ] {
        #[expect(clippy::cast_precision_loss, reason = "counts, far below 2^52")]
        Metric::new(name, value as f64).report();
    }
    let written = write(&options, &page).await?;
    let totals = page.totals();
    Ok(if written.is_empty() { totals } else { format!("{totals}; written to {}", written.join(" and ")) })
}

/// All that the page tells.
async fn gather(options: &Options, time: Time) -> Result<Page> {
    // What begins while this reads is the next report's.
    let end = time.until.saturating_add(1);
    // What people ticked is of no task: where tasks are named, even as `*`, there is none of it.
    let tasks = if options.tasks == ["*"] { vec![] } else { options.tasks.clone() };
    let span = |since: u64| Span { since, until: Some(end), tasks: tasks.clone() };
    let mut ran = Ran::new(&time);
    let mut runs = PAST.runs(span(time.since)).await?;
    while let Some(run) = runs.next().await? {
        ran.add(run, &time);
    }
    let found = PAST.findings(span(time.since)).await?;
    let (resolved, open) = found.into_iter().partition(|finding| finding.resolved.is_some_and(|at| at < end));
    let series = PAST.series(span(time.since)).await?;
    let mut figures = Vec::new();
    for (vital, series) in figures::choose(&series, &options.metrics, options.figures as usize) {
        let both = Span { tasks: vec![], ..span(time.before()) };
        let samples = PAST.samples(series, both, SAMPLES).await?;
        figures.extend(figures::figure(vital, series, &samples, time.since));
    }
    let mut page = Page {
        title: title(options, &ran),
        maintainer: maintainer(options, &ran),
        ran,
        ticks: PAST.ticks(span(time.since)).await?,
        open,
        resolved,
        figures,
        next: PAST.next_actions(span(time.since)).await?,
        changes: PAST.changes(span(time.since)).await?,
        time,
    };
    page.sort();
    Ok(page)
}

fn title(options: &Options, ran: &Ran) -> String {
    let mut bundles = ran.bundles.iter();
    match (options.title.trim(), bundles.next(), bundles.next()) {
        ("", Some(only), None) => only.clone(),
        ("", ..) => "Taskhost".into(),
        (title, ..) => title.into(),
    }
}

fn maintainer(options: &Options, ran: &Ran) -> String {
    let operators: Vec<&str> = ran.operators.iter().map(String::as_str).collect();
    match options.maintainer.trim() {
        "" => taskhost_sdk::words::some_of(&operators, 5),
        maintainer => maintainer.into(),
    }
}

/// Writes the page where it may; the names of its files. Without a place it is told in the report, as far as that takes it.
async fn write(options: &Options, page: &Page) -> Result<Vec<String>> {
    let directory = match REPORTS.open() {
        Ok(directory) => directory,
        Err(files::Error::Refused(_)) => {
            Finding::ok("report", "is written nowhere")
                .detail(markdown::render(page))
                .remedy("bind `reports` for the whole page")
                .report();
            return Ok(vec![]);
        }
        Err(error) => return Err(error.into()),
    };
    let stem =
        format!("maintenance-{}-{}", page.time.name.to_lowercase().replace(' ', "-"), period::date(page.time.until));
    let mut names = Vec::new();
    for (form, ending, render) in
        [(Form::Html, "html", html::render as fn(&Page) -> String), (Form::Markdown, "md", markdown::render)]
    {
        if options.form == Form::Both || options.form == form {
            let name = format!("{stem}.{ending}");
            directory.replace(&name, render(page).into_bytes()).await?;
            names.push(name);
        }
    }
    Ok(names)
}
