//! The log in the runbook's template. No text of a plugin's is Markdown in it.

use std::fmt::Write as _;

use super::{Changes, Entry, ForPeople, Issue, Log, Vital, span};
use crate::policy::units::Size;
use crate::report::markdown::escape;
use crate::report::{Severity, text};

/// Metrics of one task that are listed.
const METRICS: usize = 12;

/// The whole log.
pub(super) fn render(log: &Log) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, log);
    out
}

fn write(out: &mut String, log: &Log) -> std::fmt::Result {
    if log.entries.is_empty() {
        return writeln!(out, "Nothing was recorded from {} to {}.", log.since, log.until);
    }
    for (index, entry) in log.entries.iter().enumerate() {
        if index > 0 {
            writeln!(out, "\n---\n")?;
        }
        write_entry(out, log, entry)?;
    }
    Ok(())
}

fn write_entry(out: &mut String, log: &Log, entry: &Entry) -> std::fmt::Result {
    writeln!(out, "Date: {}", entry.date)?;
    writeln!(out, "Maintainer: {}", escape(&entry.maintainer))?;
    writeln!(out, "Type: {}", entry.part.name())?;

    writeln!(out, "\nTasks Completed:")?;
    for task in &entry.tasks {
        let done = if task.done { "x" } else { " " };
        let outcome = task.outcome.map_or("running", crate::report::Outcome::name);
        let said = if task.summary.is_empty() { String::new() } else { format!(": {}", escape(&task.summary)) };
        let runs = if task.runs > 1 { format!(", the last of {} runs", task.runs) } else { String::new() };
        writeln!(out, "- [{done}] {}{said} ({outcome}{runs})", escape(&task.task))?;
    }
    for person in &entry.checklist {
        writeln!(out, "{}", for_people(log, person))?;
    }
    if entry.tasks.is_empty() && entry.checklist.is_empty() {
        writeln!(out, "- None")?;
    }

    writeln!(out, "\nIssues Found:")?;
    for issue in &entry.issues {
        writeln!(out, "{}", issue_line(log, entry, issue))?;
    }
    if entry.issues.is_empty() {
        writeln!(out, "- None")?;
    }

    write_metrics(out, entry)?;

    writeln!(out, "\nNext Actions:")?;
    for next in &entry.next_actions {
        let subject = next.subject.as_ref().map(|subject| format!("{}: ", escape(subject))).unwrap_or_default();
        writeln!(out, "- {}: {subject}{}", escape(&next.task), escape(&next.action))?;
    }
    if entry.next_actions.is_empty() {
        writeln!(out, "- None")?;
    }

    writeln!(out, "\nNotes:")?;
    match (entry.changes.is_empty(), entry.tasks.is_empty()) {
        (true, true) if entry.notes.is_empty() => writeln!(out, "- None")?,
        (true, false) => writeln!(out, "- Nothing was changed.")?,
        _ => {}
    }
    for changes in &entry.changes {
        writeln!(out, "- {}.", change_line(changes))?;
    }
    if entry.operators.iter().any(|operator| *operator != entry.maintainer) {
        let operators: Vec<String> = entry.operators.iter().map(|operator| escape(operator)).collect();
        writeln!(out, "- Run by {}.", operators.join(", "))?;
    }
    entry.notes.iter().try_for_each(|note| writeln!(out, "- {}", escape(note)))
}

fn for_people(log: &Log, person: &ForPeople) -> String {
    let title = escape(&person.title);
    match (&person.by, person.at) {
        (Some(by), Some(at)) => {
            let note = person.note.as_ref().map(|note| format!(": {}", escape(note))).unwrap_or_default();
            format!("- [x] {title} ({}by {}, {}){note}", period(person), escape(by), log.moment(at))
        }
        _ => format!("- [ ] {title} ({}due {})", period(person), person.due),
    }
}

/// For which period, where that is more than the day.
fn period(person: &ForPeople) -> String {
    if person.period == person.due.to_string() { String::new() } else { format!("for {}, ", person.period) }
}

fn issue_line(log: &Log, entry: &Entry, issue: &Issue) -> String {
    let severity = if issue.severity == Severity::Critical { "critical" } else { "warning" };
    let about = if entry.tasks.len() > 1 { format!("{}: ", escape(&issue.task)) } else { String::new() };
    let (subject, title) = (escape(&issue.subject), escape(&issue.title));
    let mut line = format!("- **{severity}** {about}{subject}: {title}.");
    if !issue.detail.is_empty() && issue.found {
        let stop = if issue.detail.ends_with(['.', '!', '?']) { "" } else { "." };
        line += &format!(" {}{stop}", escape(&issue.detail));
    }
    match (issue.resolved, issue.open_seconds) {
        (Some(resolved), Some(seconds)) => {
            let run = issue.resolved_run.as_deref().unwrap_or_default();
            line +=
                &format!(" Resolved {}, after {}: run {run} no longer found it.", log.moment(resolved), span(seconds));
        }
        _ => {
            line += &format!(" Open since {}", log.moment(issue.first_seen));
            line += &issue.remedy.as_ref().map_or(".".into(), |remedy| format!(": {}", escape(remedy)));
        }
    }
    line
}

fn write_metrics(out: &mut String, entry: &Entry) -> std::fmt::Result {
    writeln!(out, "\nPerformance Metrics:")?;
    let metrics = &entry.metrics;
    if entry.tasks.is_empty() {
        writeln!(out, "- None")?;
    }
    let percent = |value: f64| format!("{}%", text::number((value * 10.0).round() / 10.0));
    let vitals = [("CPU", &metrics.cpu), ("Memory", &metrics.memory), ("Disk", &metrics.disk)];
    for (name, vital) in vitals {
        if let Some(vital) = vital {
            writeln!(out, "- {name}: {}", vital_line(vital, percent))?;
        }
    }
    if let Some(vital) = &metrics.response_time {
        let milliseconds = |value: f64| format!("{}ms", text::number((value * 1000.0).round()));
        writeln!(out, "- Response Time: {}", vital_line(vital, milliseconds))?;
    }
    let several = entry.tasks.len() > 1;
    for task in &metrics.tasks {
        let about = if several { format!("{}: ", escape(&task.task)) } else { String::new() };
        for metric in task.metrics.iter().take(METRICS) {
            let subject = metric.subject.as_ref().map(|subject| format!(" ({})", escape(subject))).unwrap_or_default();
            writeln!(out, "- {about}{}{subject}: {}", escape(&metric.name), text::value(metric))?;
        }
        if let Some(more) = task.metrics.len().checked_sub(METRICS).filter(|more| *more > 0) {
            writeln!(out, "- {about}and {more} more; `host show` lists them")?;
        }
    }
    for task in &entry.tasks {
        writeln!(out, "- {}: Duration: {} s", escape(&task.task), seconds(task.duration_us))?;
    }
    Ok(())
}

/// Microseconds as seconds, for people.
#[expect(clippy::cast_precision_loss, reason = "shown with three decimals")]
pub(super) fn seconds(microseconds: u64) -> String {
    text::number(microseconds as f64 / 1e6)
}

fn vital_line(vital: &Vital, shown: impl Fn(f64) -> String) -> String {
    let range = if vital.highest > vital.lowest {
        format!(", {} to {} in {} runs", shown(vital.lowest), shown(vital.highest), vital.samples)
    } else {
        String::new()
    };
    let subject = vital.subject.as_ref().map(|subject| format!(" of {}", escape(subject))).unwrap_or_default();
    format!("{} ({}{subject}{range})", shown(vital.value), escape(&vital.task))
}

/// `old-logs: files remove on directory, 12 x, 12 rows, 34 MiB`.
fn change_line(changes: &Changes) -> String {
    let Changes { task, capability, slot, operation, effects, rows, bytes } = changes;
    let mut line =
        format!("{}: {} {} on {}, {effects} x", escape(task), escape(capability), escape(operation), escape(slot));
    if *rows > 0 {
        line += &format!(", {rows} rows");
    }
    if *bytes > 0 {
        line += &format!(", {}", Size(*bytes));
    }
    line
}
