//! The log as one HTML page: no script, nothing loaded, readable in the dark, on a telephone and on paper. Every text is
//! escaped, and the page's own policy lets no script run and nothing be loaded if one should ever not be.

use std::fmt::Write as _;

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};

use super::{Changes, Entry, ForPeople, Issue, Log, Task, Vital, span};
use crate::policy::units::Size;
use crate::report::{Metric, Outcome, Severity, text};

const STYLE: &str = include_str!("log.css");

/// The whole page.
pub(super) fn render(log: &Log) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, log);
    out
}

/// What is within the page's body, for a page that has a style of its own for it.
pub(super) fn fragment(log: &Log) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_body(&mut out, log);
    // That page has a main part already. In a text it would be escaped.
    out.replace("<main>", "<div>").replace("</main>", "</div>")
}

/// A text in which nothing is HTML, in an element or an attribute.
struct Text<'a>(&'a str);

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

fn write(out: &mut String, log: &Log) -> std::fmt::Result {
    let name = log.bundle.as_deref().unwrap_or("Taskhost");
    let title = format!("{name}: maintenance log, {} to {}", log.since, log.until);
    let policy = BASE64.encode(&Sha256::digest(STYLE));
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{policy}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        Text(&title)
    )?;
    write_body(out, log)?;
    writeln!(out, "</body>\n</html>")
}

fn write_body(out: &mut String, log: &Log) -> std::fmt::Result {
    let name = log.bundle.as_deref().unwrap_or("Taskhost");
    let (since, until) = (log.since, log.until);
    let zone = &log.time_zone;
    writeln!(
        out,
        "<header>\n<h1>{}</h1>\n<p class=\"sub\">Maintenance log, <time>{since}</time> to <time>{until}</time> \
         <span class=\"quiet\">({}, written {})</span></p>",
        Text(name),
        Text(zone),
        log.moment(log.written)
    )?;
    write_totals(out, log)?;
    write_contents(out, log)?;
    writeln!(out, "</header>\n<main>")?;
    if log.entries.is_empty() {
        writeln!(out, "<p>Nothing was recorded in this time.</p>")?;
    }
    write_open(out, log)?;
    log.entries.iter().try_for_each(|entry| write_entry(out, log, entry))?;
    writeln!(out, "</main>")
}

fn write_totals(out: &mut String, log: &Log) -> std::fmt::Result {
    let totals = &log.totals;
    writeln!(out, "<ul class=\"totals\">")?;
    let mut cell = |count: u64, name: &str, class: &str| {
        let class = if count == 0 { "none" } else { class };
        writeln!(out, "<li class=\"{class}\"><b>{count}</b> {name}</li>")
    };
    cell(totals.runs, if totals.runs == 1 { "run" } else { "runs" }, "plain")?;
    cell(totals.ok, "ok", "ok")?;
    cell(totals.warning, "with warnings", "warning")?;
    cell(totals.critical, "critical", "critical")?;
    cell(totals.unknown, "did not end well", "critical")?;
    cell(totals.open, if totals.open == 1 { "issue open" } else { "issues open" }, "warning")?;
    cell(totals.resolved, "resolved", "ok")?;
    cell(totals.changes, "changes", "plain")?;
    writeln!(out, "</ul>")
}

/// What stood at the end, before all days.
fn write_open(out: &mut String, log: &Log) -> std::fmt::Result {
    if log.open.is_empty() {
        return Ok(());
    }
    writeln!(out, "<article id=\"open\">\n<h2>Open at the end</h2>\n<section>\n<ul class=\"issues\">")?;
    log.open.iter().try_for_each(|issue| write_issue(out, log, issue))?;
    writeln!(out, "</ul>\n</section>\n</article>")
}

fn anchor(entry: &Entry) -> String {
    format!("d{}-{}", entry.date, entry.part.name().to_lowercase().replace(' ', "-"))
}

fn write_contents(out: &mut String, log: &Log) -> std::fmt::Result {
    if log.entries.len() < 2 {
        return Ok(());
    }
    writeln!(out, "<nav aria-label=\"Entries\"><details><summary>{} entries</summary><ul>", log.entries.len())?;
    for entry in &log.entries {
        let wrong = entry.tasks.iter().filter(|task| !matches!(task.outcome, Some(Outcome::Ok))).count();
        let said = if wrong == 0 { "all well".into() } else { format!("{wrong} not ok") };
        writeln!(
            out,
            "<li><a href=\"#{}\">{} {}</a> <span class=\"quiet\">{said}</span></li>",
            anchor(entry),
            entry.date,
            entry.part.name()
        )?;
    }
    writeln!(out, "</ul></details></nav>")
}

fn write_entry(out: &mut String, log: &Log, entry: &Entry) -> std::fmt::Result {
    let weekday = entry.date.strftime("%A");
    writeln!(
        out,
        "<article id=\"{}\">\n<h2><time>{}</time> <span class=\"part\">{}</span></h2>\n<p class=\"sub\">{weekday}. \
         Maintainer: {}{}</p>",
        anchor(entry),
        entry.date,
        entry.part.name(),
        Text(&entry.maintainer),
        run_by(entry)
    )?;
    writeln!(out, "<section>\n<h3>Tasks completed</h3>\n<ul class=\"tasks\">")?;
    entry.tasks.iter().try_for_each(|task| write_task(out, log, task))?;
    entry.checklist.iter().try_for_each(|person| write_person(out, log, person))?;
    writeln!(out, "</ul>\n</section>")?;
    if entry.tasks.is_empty() {
        return writeln!(out, "</article>");
    }
    writeln!(out, "<section>\n<h3>Issues found</h3>")?;
    if entry.issues.is_empty() {
        writeln!(out, "<p class=\"quiet\">None</p>")?;
    } else {
        writeln!(out, "<ul class=\"issues\">")?;
        entry.issues.iter().try_for_each(|issue| write_issue(out, log, issue))?;
        writeln!(out, "</ul>")?;
    }
    writeln!(out, "</section>")?;
    write_metrics(out, entry)?;
    write_list(out, "Next actions", &entry.next_actions, |next| {
        let subject = next.subject.as_ref().map(|subject| format!("{}: ", Text(subject))).unwrap_or_default();
        format!("<span class=\"quiet\">{}</span> {subject}{}", Text(&next.task), Text(&next.action))
    })?;
    write_list(out, "What was changed", &entry.changes, change_line)?;
    if !entry.notes.is_empty() {
        write_list(out, "Notes", &entry.notes, |note| Text(note).to_string())?;
    }
    writeln!(out, "</article>")
}

fn run_by(entry: &Entry) -> String {
    if entry.operators.iter().all(|operator| *operator == entry.maintainer) {
        return String::new();
    }
    format!(" <span class=\"quiet\">(run by {})</span>", Text(&entry.operators.join(", ")))
}

fn write_list<T>(out: &mut String, heading: &str, items: &[T], line: impl Fn(&T) -> String) -> std::fmt::Result {
    writeln!(out, "<section>\n<h3>{heading}</h3>")?;
    if items.is_empty() {
        writeln!(out, "<p class=\"quiet\">None</p>")?;
    } else {
        writeln!(out, "<ul>")?;
        items.iter().try_for_each(|item| writeln!(out, "<li>{}</li>", line(item)))?;
        writeln!(out, "</ul>")?;
    }
    writeln!(out, "</section>")
}

/// The class of an outcome.
fn class(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Ok) => "ok",
        Some(Outcome::Warning) | None => "warning",
        Some(_) => "critical",
    }
}

fn write_task(out: &mut String, log: &Log, task: &Task) -> std::fmt::Result {
    let (mark, done) = if task.done { ("✓", "done") } else { ("✗", "not done") };
    let runs = if task.runs > 1 { format!(", the last of {} runs", task.runs) } else { String::new() };
    // Of an id the end: its beginning is the time.
    let id = task.run.rsplit('-').next().unwrap_or_default();
    writeln!(
        out,
        "<li><span class=\"mark {0}\" title=\"{done}\">{mark}</span> <b title=\"{1}\">{2}</b> <span class=\"tag {0}\">{3}\
         </span> {4} <span class=\"quiet\">{5}, {6} s{runs}, run <code title=\"{7}\">{8}</code></span></li>",
        class(task.outcome),
        Text(task.plugin.as_deref().unwrap_or_default()),
        Text(&task.task),
        task.outcome.map_or("running", Outcome::name),
        Text(&task.summary),
        log.time_of_day(task.started),
        super::markdown::seconds(task.duration_us),
        Text(&task.run),
        Text(id),
    )
}

fn write_person(out: &mut String, log: &Log, person: &ForPeople) -> std::fmt::Result {
    let title = Text(&person.title);
    // For a day it is the entry's own.
    let whole = person.period != person.due.to_string();
    let period = if whole { format!("for {}, ", Text(&person.period)) } else { String::new() };
    match (&person.by, person.at) {
        (Some(by), Some(at)) => {
            let note = person.note.as_ref().map(|note| format!("<br>{}", Text(note))).unwrap_or_default();
            writeln!(
                out,
                "<li><span class=\"mark ok\" title=\"done\">✓</span> <b>{title}</b> <span class=\"quiet\">{period}by \
                 {}, {}</span>{note}</li>",
                Text(by),
                log.moment(at)
            )
        }
        _ => writeln!(
            out,
            "<li><span class=\"mark open\" title=\"not done\">☐</span> <b>{title}</b> <span class=\"quiet\">{period}due \
             {}</span></li>",
            person.due
        ),
    }
}

fn write_issue(out: &mut String, log: &Log, issue: &Issue) -> std::fmt::Result {
    let severity = if issue.severity == Severity::Critical { "critical" } else { "warning" };
    let state = if issue.resolved.is_some() { "resolved" } else { "open" };
    write!(
        out,
        "<li class=\"{state}\"><span class=\"tag {severity}\">{severity}</span> <b>{}</b>: {} <span class=\"quiet\">{}\
         </span>",
        Text(&issue.subject),
        Text(&issue.title),
        Text(&issue.task)
    )?;
    if issue.found && !issue.detail.is_empty() {
        write!(out, "<p class=\"detail\">{}</p>", Text(&issue.detail))?;
    }
    match (issue.resolved, issue.open_seconds) {
        (Some(resolved), Some(seconds)) => write!(
            out,
            "<p class=\"resolution\">Resolved {}, after {}: run <code>{}</code> no longer found it</p>",
            log.moment(resolved),
            span(seconds),
            Text(issue.resolved_run.as_deref().unwrap_or_default())
        )?,
        _ => {
            let remedy = issue.remedy.as_ref().map(|remedy| format!(": {}", Text(remedy))).unwrap_or_default();
            write!(out, "<p class=\"resolution\">Open since {}{remedy}</p>", log.moment(issue.first_seen))?;
        }
    }
    writeln!(out, "</li>")
}

fn write_metrics(out: &mut String, entry: &Entry) -> std::fmt::Result {
    writeln!(out, "<section>\n<h3>Performance metrics</h3>")?;
    let metrics = &entry.metrics;
    let percent = |value: f64| format!("{}%", text::number((value * 10.0).round() / 10.0));
    let milliseconds = |value: f64| format!("{} ms", text::number((value * 1000.0).round()));
    let vitals = [("CPU", &metrics.cpu), ("Memory", &metrics.memory), ("Disk", &metrics.disk)];
    let cells: Vec<String> = vitals
        .into_iter()
        .filter_map(|(name, vital)| Some(vital_cell(name, vital.as_ref()?, percent)))
        .chain(metrics.response_time.iter().map(|vital| vital_cell("Response time", vital, milliseconds)))
        .collect();
    if !cells.is_empty() {
        writeln!(out, "<ul class=\"vitals\">{}</ul>", cells.concat())?;
    }
    if metrics.tasks.iter().all(|task| task.metrics.is_empty()) {
        if cells.is_empty() {
            writeln!(out, "<p class=\"quiet\">None</p>")?;
        }
        return writeln!(out, "</section>");
    }
    let count: usize = metrics.tasks.iter().map(|task| task.metrics.len()).sum();
    writeln!(out, "<details><summary>{count} measured by the tasks</summary><div class=\"wide\"><table>")?;
    writeln!(
        out,
        "<thead><tr><th>Task</th><th>Metric</th><th>Of</th><th class=\"number\">Value</th></tr></thead><tbody>"
    )?;
    for task in &metrics.tasks {
        task.metrics.iter().try_for_each(|metric| write_metric(out, &task.task, metric))?;
    }
    writeln!(out, "</tbody></table></div></details>\n</section>")
}

fn write_metric(out: &mut String, task: &str, metric: &Metric) -> std::fmt::Result {
    let outside = |bounds: Option<crate::report::Bounds>| {
        bounds.is_some_and(|bounds| {
            bounds.low.is_some_and(|low| metric.value < low) || bounds.high.is_some_and(|high| metric.value > high)
        })
    };
    let class = match (outside(metric.crit), outside(metric.warn)) {
        (true, _) => " critical",
        (false, true) => " warning",
        (false, false) => "",
    };
    writeln!(
        out,
        "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"number{class}\">{}</td></tr>",
        Text(task),
        Text(&metric.name),
        Text(metric.subject.as_deref().unwrap_or_default()),
        Text(&text::value(metric))
    )
}

fn vital_cell(name: &str, vital: &Vital, shown: impl Fn(f64) -> String) -> String {
    let subject = vital.subject.as_ref().map(|subject| format!(" of {}", Text(subject))).unwrap_or_default();
    let range = if vital.highest > vital.lowest {
        format!("<br>{} to {} in {} runs", shown(vital.lowest), shown(vital.highest), vital.samples)
    } else {
        String::new()
    };
    let (value, task) = (shown(vital.value), Text(&vital.task));
    format!("<li><b>{value}</b> {name}<span class=\"quiet\">{task}{subject}{range}</span></li>")
}

fn change_line(changes: &Changes) -> String {
    let Changes { task, capability, slot, operation, effects, rows, bytes } = changes;
    let mut line = format!(
        "<b>{}</b> {} {} <span class=\"quiet\">on {}, {effects} x",
        Text(task),
        Text(capability),
        Text(operation),
        Text(slot)
    );
    if *rows > 0 {
        line += &format!(", {rows} rows");
    }
    if *bytes > 0 {
        line += &format!(", {}", Size(*bytes));
    }
    line + "</span>"
}
