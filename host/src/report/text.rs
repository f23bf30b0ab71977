//! A report for people, at a terminal. Colours are ANSI styles; the writer takes them out where they do not belong.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::{Bounds, Finding, Metric, Outcome, Report, Severity, Unit};
use crate::gate::{Decision, Entry, Impact, Mode};
use crate::policy::units::Size;

/// Effects of one kind that are listed before the rest is only counted.
const LISTED: usize = 20;
/// Findings that are listed, the worst first.
const FINDINGS: usize = 50;
/// Metrics that are listed.
const METRICS: usize = 30;

/// The report as text. `verbose` lists every effect and the log.
pub fn render(report: &Report, verbose: bool) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, report, verbose);
    out
}

/// Of a report among several, what a person must know: nothing where all is well and nothing was changed.
pub(super) fn brief(report: &Report) -> String {
    let mut out = String::new();
    let _ = write_brief(&mut out, report);
    out
}

fn write_brief(out: &mut String, report: &Report) -> std::fmt::Result {
    let changed = report.effects.iter().any(|entry| entry.effect.impact != Impact::Observe);
    let quiet = report.run.outcome == Outcome::Ok && !changed && report.notices.is_empty();
    if quiet && report.next_actions.is_empty() {
        return Ok(());
    }
    headline(out, report)?;
    for finding in report.worst_first().into_iter().filter(|finding| finding.severity != Severity::Ok).take(FINDINGS) {
        write_finding(out, finding)?;
    }
    if changed {
        effects(out, report, false)?;
    }
    write_next(out, report)?;
    write_notices(out, report)
}

fn headline(out: &mut String, report: &Report) -> std::fmt::Result {
    let bold = Style::new().bold();
    let outcome = report.run.outcome;
    let style = outcome_style(outcome);
    let rehearsed = if report.run.mode == Mode::Rehearse { " (rehearsal)" } else { "" };
    write!(out, "{bold}{}{bold:#}{rehearsed}: {style}{}{style:#}", report.run.task, outcome.name())?;
    match (&report.summary, &report.error) {
        (Some(summary), _) if !summary.is_empty() => writeln!(out, " - {summary}"),
        (_, Some(error)) if !error.contains('\n') => writeln!(out, " - {error}"),
        (_, Some(error)) => {
            writeln!(out)?;
            error.lines().try_for_each(|line| writeln!(out, "  - {line}"))
        }
        _ => writeln!(out),
    }
}

fn write_finding(out: &mut String, finding: &Finding) -> std::fmt::Result {
    let bold = Style::new().bold();
    let (name, style) = match finding.severity {
        Severity::Critical => ("critical", outcome_style(Outcome::Critical)),
        Severity::Warning => ("warning ", outcome_style(Outcome::Warning)),
        Severity::Ok => ("ok      ", outcome_style(Outcome::Ok)),
    };
    writeln!(out, "\n  {style}{name}{style:#}  {bold}{}{bold:#}: {}", finding.subject, finding.title)?;
    for line in finding.detail.lines() {
        writeln!(out, "            {line}")?;
    }
    if let Some(remedy) = &finding.remedy {
        for (index, line) in remedy.lines().enumerate() {
            writeln!(out, "          {} {line}", if index == 0 { "→" } else { " " })?;
        }
    }
    Ok(())
}

fn write_next(out: &mut String, report: &Report) -> std::fmt::Result {
    let bold = Style::new().bold();
    if !report.next_actions.is_empty() {
        writeln!(out, "\n{bold}Next{bold:#}")?;
        for next in &report.next_actions {
            let subject = next.subject.as_ref().map(|subject| format!("{subject}: ")).unwrap_or_default();
            writeln!(out, "  - {subject}{}", next.action)?;
        }
    }
    Ok(())
}

fn write_notices(out: &mut String, report: &Report) -> std::fmt::Result {
    for notice in &report.notices {
        let style = outcome_style(Outcome::Warning);
        writeln!(out, "\n{style}note:{style:#} {notice}")?;
    }
    Ok(())
}

fn write(out: &mut String, report: &Report, verbose: bool) -> std::fmt::Result {
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    let outcome = report.run.outcome;
    headline(out, report)?;
    let findings = report.worst_first();
    let shown = if verbose { findings.len() } else { FINDINGS };
    for finding in findings.iter().take(shown) {
        write_finding(out, finding)?;
    }

    if findings.len() > shown {
        let more = findings.len() - shown;
        writeln!(out, "\n  {dim}and {more} more findings; --verbose or --format json shows them{dim:#}")?;
    }

    if !report.metrics.is_empty() {
        writeln!(out, "\n{bold}Metrics{bold:#}")?;
        let shown = if verbose { report.metrics.len() } else { METRICS };
        for metric in report.metrics.iter().take(shown) {
            let subject = metric.subject.as_ref().map(|subject| format!(" ({subject})")).unwrap_or_default();
            write!(out, "  {}{subject}: {}", metric.name, value(metric))?;
            writeln!(out, "{dim}{}{dim:#}", thresholds(metric))?;
        }
        if report.metrics.len() > shown {
            writeln!(
                out,
                "  {dim}and {} more; --verbose or --format json shows them{dim:#}",
                report.metrics.len() - shown
            )?;
        }
    }

    effects(out, report, verbose)?;

    write_next(out, report)?;
    if verbose && !report.log.is_empty() {
        writeln!(out, "\n{bold}Log{bold:#}")?;
        for line in &report.log {
            writeln!(out, "  {dim}{:5}{dim:#} {}", line.level, line.message)?;
        }
    }
    let broke = matches!(outcome, Outcome::Trapped | Outcome::Failed);
    if !verbose && broke && !report.log.is_empty() {
        writeln!(out, "\n{bold}End of its log{bold:#}")?;
        for line in report.log.iter().skip(report.log.len().saturating_sub(5)) {
            writeln!(out, "  {dim}{:5}{dim:#} {}", line.level, line.message)?;
        }
    }
    write_notices(out, report)
}

/// What was, or would be, changed.
fn effects(out: &mut String, report: &Report, verbose: bool) -> std::fmt::Result {
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    let changes = report.effects.iter().filter(|entry| verbose || entry.effect.impact != Impact::Observe);
    let mut groups: BTreeMap<(u64, &str, &str, &str), Vec<&Entry>> = BTreeMap::new();
    let mut order = BTreeMap::new();
    for entry in changes {
        let key = (&*entry.effect.capability, &*entry.effect.slot, &*entry.effect.operation);
        let first = *order.entry(key).or_insert(entry.sequence);
        groups.entry((first, key.0, key.1, key.2)).or_default().push(entry);
    }
    if groups.is_empty() {
        if report.run.mode == Mode::Rehearse && report.run.outcome.exit_code() < 3 {
            writeln!(out, "\nNothing would be changed.")?;
        }
        return Ok(());
    }
    let heading = if report.run.mode == Mode::Rehearse { "Would be done" } else { "Done" };
    writeln!(out, "\n{bold}{heading}{bold:#}")?;
    for ((_, capability, slot, operation), entries) in groups {
        let bytes: u64 = entries.iter().filter_map(|entry| entry.bytes).sum();
        let rows: u64 = entries.iter().filter_map(|entry| entry.rows).sum();
        let mut totals = vec![format!("{} x", entries.len())];
        if rows > 0 {
            totals.push(format!("{rows} rows"));
        }
        if bytes > 0 {
            totals.push(Size(bytes).to_string());
        }
        writeln!(out, "  {capability} {operation} on `{slot}` {dim}({}){dim:#}", totals.join(", "))?;
        let shown = if verbose { entries.len() } else { LISTED };
        for entry in entries.iter().take(shown) {
            let mut notes = Vec::new();
            if let Some(rows) = entry.rows {
                notes.push(format!("{rows} rows"));
            }
            if let Some(bytes) = entry.bytes {
                notes.push(Size(bytes).to_string());
            }
            if entry.decision == Decision::Refuse || entry.outcome.name() != "done" {
                let reason = entry.outcome.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
                notes.push(format!("{}{reason}", entry.outcome.name()));
            }
            let notes = if notes.is_empty() { String::new() } else { format!("  {}", notes.join(", ")) };
            writeln!(out, "    {}{dim}{notes}{dim:#}", entry.effect.target)?;
        }
        if entries.len() > shown {
            writeln!(out, "    {dim}and {} more; --verbose or --format json lists them{dim:#}", entries.len() - shown)?;
        }
    }
    Ok(())
}

pub(crate) fn outcome_style(outcome: Outcome) -> Style {
    let colour = match outcome {
        Outcome::Ok => AnsiColor::Green,
        Outcome::Warning => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    Style::new().bold().fg_color(Some(colour.into()))
}

/// A metric's value with its unit, for people.
pub(crate) fn value(metric: &Metric) -> String {
    let number = number(metric.value);
    match metric.unit {
        Unit::None | Unit::Total => number,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates; shown only")]
        Unit::Bytes if metric.value >= 0.0 => Size(metric.value as u64).to_string(),
        Unit::Bytes => format!("{number} B"),
        Unit::Seconds => format!("{number} s"),
        Unit::Percent => format!("{number} %"),
        Unit::Days => format!("{number} days"),
    }
}

/// At most three decimals, and none that say nothing.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn thresholds(metric: &Metric) -> String {
    let shown = |name: &str, bounds: Bounds| {
        let low = bounds.low.map(|low| format!("{name} below {}", number(low)));
        let high = bounds.high.map(|high| format!("{name} above {}", number(high)));
        low.into_iter().chain(high).collect::<Vec<_>>().join(", ")
    };
    let parts: Vec<String> = metric
        .warn
        .map(|bounds| shown("warning", bounds))
        .into_iter()
        .chain(metric.crit.map(|bounds| shown("critical", bounds)))
        .filter(|part| !part.is_empty())
        .collect();
    if parts.is_empty() { String::new() } else { format!("  [{}]", parts.join(", ")) }
}
