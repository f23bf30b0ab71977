//! A report as an entry of the maintenance log, in the template that the team's runbook uses.

use std::fmt::Write as _;

use super::{Outcome, Report, Severity};
use crate::gate::{Impact, Mode};
use crate::policy::units::Size;

/// What stands above the tasks.
pub(super) struct Heading<'a> {
    pub(super) started: jiff::Timestamp,
    pub(super) maintainer: &'a str,
    /// On demand, daily ...
    pub(super) kind: &'a str,
    /// What people do, and whether it is done.
    pub(super) people: &'a [(bool, &'a str)],
}

/// The report as an entry of the maintenance log, by `maintainer`.
pub fn render(report: &Report, maintainer: &str) -> String {
    let kind = if report.run.mode == Mode::Rehearse { "Rehearsal" } else { "On demand" };
    entry(&[report], &Heading { started: report.run.started, maintainer, kind, people: &[] })
}

/// One entry for several runs.
pub(super) fn entry(reports: &[&Report], heading: &Heading<'_>) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, reports, heading);
    out
}

fn write(out: &mut String, reports: &[&Report], heading: &Heading<'_>) -> std::fmt::Result {
    // Among several, what a line is about is said before it.
    let about =
        |report: &Report| if reports.len() > 1 { format!("{}: ", escape(&report.run.task)) } else { String::new() };
    let date = heading.started.to_zoned_datetime(jiff::tz::TimeZone::system());
    writeln!(out, "Date: {}", date.strftime("%Y-%m-%d"))?;
    writeln!(out, "Maintainer: {}", escape(heading.maintainer))?;
    writeln!(out, "Type: {}", escape(heading.kind))?;

    writeln!(out, "\nTasks Completed:")?;
    for report in reports {
        let run = &report.run;
        let done = if run.outcome.exit_code() < 3 { "x" } else { " " };
        let said = report.summary.as_deref().or(report.error.as_deref()).unwrap_or_default();
        writeln!(out, "- [{done}] {}: {} ({})", escape(&run.task), escape(said), run.outcome.name())?;
    }
    for (done, title) in heading.people {
        writeln!(out, "- [{}] {}", if *done { "x" } else { " " }, escape(title))?;
    }

    writeln!(out, "\nIssues Found:")?;
    let mut issues = 0;
    for report in reports {
        for finding in report.worst_first().into_iter().filter(|finding| finding.severity != Severity::Ok) {
            issues += 1;
            let severity = if finding.severity == Severity::Critical { "critical" } else { "warning" };
            let (subject, title) = (escape(&finding.subject), escape(&finding.title));
            write!(out, "- **{severity}** {}{subject}: {title}.", about(report))?;
            if !finding.detail.is_empty() {
                let stop = if finding.detail.ends_with(['.', '!', '?']) { "" } else { "." };
                write!(out, " {}{stop}", escape(&finding.detail))?;
            }
            match &finding.remedy {
                Some(remedy) => writeln!(out, " Open: {}", escape(remedy))?,
                None => writeln!(out, " Open.")?,
            }
        }
    }
    if issues == 0 {
        writeln!(out, "- None")?;
    }

    writeln!(out, "\nPerformance Metrics:")?;
    for report in reports {
        for metric in &report.metrics {
            let subject = metric.subject.as_ref().map(|subject| format!(" ({})", escape(subject))).unwrap_or_default();
            let (name, value) = (escape(&metric.name), super::text::value(metric));
            writeln!(out, "- {}{name}{subject}: {value}", about(report))?;
        }
        #[expect(clippy::cast_precision_loss, reason = "shown with three decimals")]
        let seconds = super::text::number(report.run.duration_us as f64 / 1e6);
        writeln!(out, "- {}Duration: {seconds} s", about(report))?;
    }

    writeln!(out, "\nNext Actions:")?;
    for report in reports {
        for next in &report.next_actions {
            let subject = next.subject.as_ref().map(|subject| format!("{}: ", escape(subject))).unwrap_or_default();
            writeln!(out, "- {}{subject}{}", about(report), escape(&next.action))?;
        }
    }
    if reports.iter().all(|report| report.next_actions.is_empty()) {
        writeln!(out, "- None")?;
    }

    writeln!(out, "\nNotes:")?;
    for report in reports {
        let bullet = if reports.len() > 1 { "- " } else { "" };
        write!(out, "{bullet}{}", about(report))?;
        write_notes(out, report)?;
    }
    Ok(())
}

/// What was changed, by which run of which plugin.
fn write_notes(out: &mut String, report: &Report) -> std::fmt::Result {
    let run = &report.run;
    let changes: Vec<_> = report.effects.iter().filter(|entry| entry.effect.impact != Impact::Observe).collect();
    let bytes: u64 = changes.iter().filter_map(|entry| entry.bytes).sum();
    let rows: u64 = changes.iter().filter_map(|entry| entry.rows).sum();
    let verb = if run.mode == Mode::Rehearse { "would be made" } else { "made" };
    write!(out, "{} changes {verb}", changes.len())?;
    if rows > 0 {
        write!(out, ", {rows} rows")?;
    }
    if bytes > 0 {
        write!(out, ", {}", Size(bytes))?;
    }
    writeln!(out, ".")?;
    for notice in &report.notices {
        writeln!(out, "{}", escape(notice))?;
    }
    if let Some(plugin) = &run.plugin {
        writeln!(out, "Run {} of {} {}, {}.", run.id, plugin.name, escape(&plugin.version), plugin.digest)?;
    }
    if run.outcome == Outcome::Invalid {
        writeln!(out, "The run was not begun.")?;
    }
    Ok(())
}

/// Text in which nothing is Markdown or HTML, on one line.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' => out.push(' '),
            '\\' | '`' | '*' | '[' | ']' | '|' | '~' => out.extend(['\\', character]),
            '_' if !out.ends_with(|last: char| last.is_alphanumeric()) => out.push_str("\\_"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_becomes_markup() {
        for (text, escaped) in [
            ("dead_rows in `t`", "dead_rows in \\`t\\`"),
            ("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
            ("a\n# Heading", "a # Heading"),
            ("[x](http://y)", "\\[x\\](http://y)"),
            ("_a_", "\\_a_"),
        ] {
            assert_eq!(escape(text), escaped);
        }
    }
}
