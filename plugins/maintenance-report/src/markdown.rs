//! The report in the runbook's template, worded as `host log` words it. No text of another's is Markdown in it. Pure.

use std::fmt::Write as _;

use taskhost_sdk::history::{Finding, Tick};

use crate::figures::Figure;
use crate::page::{LISTED, Page, amount, severity, took};
use crate::period::{date, moment, stood};
use crate::plot;

/// Blocks of a figure's line.
const BLOCKS: usize = 24;

/// The whole report.
pub(crate) fn render(page: &Page) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, page);
    out
}

/// A text in which nothing is Markdown or HTML, on one line.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => out.push(' '),
            hidden if is_hidden(hidden) => {}
            '\\' | '`' | '*' | '[' | ']' | '|' | '~' | '#' => out.extend(['\\', character]),
            '_' if !out.ends_with(|last: char| last.is_alphanumeric()) => out.push_str("\\_"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            other => out.push(other),
        }
    }
    out
}

/// What would change how the text around it is shown.
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn write(out: &mut String, page: &Page) -> std::fmt::Result {
    writeln!(out, "# {}: maintenance report, {}\n", escape(&page.title), page.time.name.to_lowercase())?;
    writeln!(out, "Date: {}", date(page.time.until))?;
    writeln!(out, "Maintainer: {}", escape(&page.maintainer))?;
    writeln!(out, "Type: {}", page.time.name)?;
    writeln!(out, "\nFrom {} to {} (UTC): {}.", moment(page.time.since), moment(page.time.until), page.totals())?;

    writeln!(out, "\n## Tasks Completed\n")?;
    for task in page.ran.tasks.iter().take(LISTED) {
        let done = if task.is_done() { "x" } else { " " };
        let said = if task.summary.is_empty() { String::new() } else { format!(": {}", escape(&task.summary)) };
        let runs = if task.ends.all() > 1 { format!(", the last of {} runs", task.ends.all()) } else { String::new() };
        writeln!(out, "- [{done}] {}{said} ({}{runs})", escape(&task.name), escape(&task.outcome))?;
    }
    page.ticks.iter().take(LISTED).try_for_each(|tick| writeln!(out, "{}", tick_line(tick)))?;
    write_end(out, page.ran.tasks.len().max(page.ticks.len()))?;

    writeln!(out, "\n## Issues Found\n")?;
    for finding in page.open.iter().take(LISTED).chain(page.resolved.iter().take(LISTED)) {
        writeln!(out, "{}", issue_line(finding))?;
    }
    write_end(out, page.open.len().max(page.resolved.len()))?;

    writeln!(out, "\n## Performance Metrics\n")?;
    page.figures.iter().try_for_each(|figure| writeln!(out, "{}", figure_line(figure)))?;
    for task in page.ran.tasks.iter().take(LISTED) {
        if let Some(duration) = task.duration() {
            writeln!(out, "- {}: Duration: {}", escape(&task.name), took(duration))?;
        }
    }
    write_end(out, page.ran.tasks.len().max(page.figures.len()))?;

    writeln!(out, "\n## Next Actions\n")?;
    for next in page.next.iter().take(LISTED) {
        let subject = next.subject.as_ref().map(|subject| format!("{}: ", escape(subject))).unwrap_or_default();
        writeln!(out, "- {}: {subject}{}", escape(&next.task), escape(&next.action))?;
    }
    write_end(out, page.next.len())?;

    writeln!(out, "\n## Notes\n")?;
    for change in page.changes.iter().take(LISTED) {
        let (task, capability) = (escape(&change.task), escape(&change.capability));
        writeln!(out, "- {task}: {capability} {} {}.", escape(&change.operation), escape(&amount(change)))?;
    }
    if page.changes.is_empty() {
        writeln!(out, "- Nothing was changed.")?;
    } else {
        write_end(out, page.changes.len())?;
    }
    page.notes().iter().try_for_each(|note| writeln!(out, "- {}", escape(note)))
}

/// That there is nothing, or more than was written.
fn write_end(out: &mut String, count: usize) -> std::fmt::Result {
    match count.checked_sub(LISTED) {
        _ if count == 0 => writeln!(out, "- None"),
        Some(more) if more > 0 => writeln!(out, "- and {more} more"),
        _ => Ok(()),
    }
}

fn tick_line(tick: &Tick) -> String {
    let note = tick.note.as_ref().map(|note| format!(": {}", escape(note))).unwrap_or_default();
    let (title, period, by) = (escape(&tick.title), escape(&tick.period), escape(&tick.by));
    format!("- [x] {title} (for {period}, by {by}, {}){note}", moment(tick.at))
}

fn issue_line(finding: &Finding) -> String {
    let (task, subject, title) = (escape(&finding.task), escape(&finding.subject), escape(&finding.title));
    let mut line = format!("- **{}** {task}: {subject}: {title}.", severity(finding));
    if let Some(resolved) = finding.resolved {
        let run = escape(finding.resolved_run.as_deref().unwrap_or_default());
        let open = stood(resolved.saturating_sub(finding.first_seen));
        return line + &format!(" Resolved {}, after {open}: run {run} no longer found it.", moment(resolved));
    }
    if !finding.detail.is_empty() {
        let stop = if finding.detail.ends_with(['.', '!', '?']) { "" } else { "." };
        line += &format!(" {}{stop}", escape(&finding.detail));
    }
    let remedy = finding.remedy.as_ref().map_or(".".into(), |remedy| format!(": {}", escape(remedy)));
    line + &format!(" Open since {}{remedy}", moment(finding.first_seen))
}

fn figure_line(figure: &Figure) -> String {
    let source = escape(&figure.source());
    let parts: Vec<String> = [Some(source), figure.range(), figure.change()].into_iter().flatten().collect();
    let outside = if figure.class().is_empty() { String::new() } else { format!(" **{}**", figure.class()) };
    let shape =
        if figure.points.len() > 1 { format!(" {}", plot::text(&figure.points, BLOCKS)) } else { String::new() };
    format!("- {}: {}{outside}{shape} ({})", escape(&figure.name()), figure.shown(figure.value), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::tests::{HOSTILE, week};

    #[test]
    fn the_report_has_the_sections_of_the_template() {
        let text = render(&week("it's"));
        let expected = "# it's: maintenance report, weekly

Date: 2026-03-14
Maintainer: ops
Type: Weekly

From 2026-03-07 12:00 to 2026-03-14 12:00 (UTC): 4 runs of 2 tasks: 2 ok, 1 with warnings, 1 did not end well; 2 issues open, 1 \
                        resolved; 3 changes.

## Tasks Completed

- [x] size: it was warning (warning, the last of 3 runs)
- [x] clean: it's (ok)
- [x] it's (for 2026-Q1, by Ann, 2026-03-14 12:00): it's

## Issues Found

- **critical** size: orders: it grew. 9 GiB. Open since 2026-03-11 12:00: look
- **warning** size: it's: it grew. 9 GiB. Open since 2026-03-11 12:00: look
- **warning** size: old: it grew. Resolved 2026-03-13 12:00, after 2 days: run r1 no longer found it.

## Performance Metrics

- Disk: 60% ▁█ (size: disk (it's), 50% to 60% in 2 runs, up 10 points on the period before)
- size: Duration: 2.0 s
- clean: Duration: 2.0 s

## Next Actions

- size: x: it's

## Notes

- clean: files remove on it's, 3 x, 1 row, 2 KiB.
- size ran 3 times, of which 1 did not come to an end.
- Run by alice.
";
        assert_eq!(text, expected);
    }

    #[test]
    fn no_text_of_another_s_is_markup() {
        let text = render(&week(HOSTILE));
        for mark in ["<script", "</li>", " `code", " **b**", "[x](", " | ", "\n# h", "\u{202e}", "\u{1b}"] {
            assert!(!text.contains(mark), "{mark:?}: {text}");
        }
        assert!(
            text.contains("&lt;script&gt;alert(1)&lt;/script&gt; \\`code\\` \\| \\*\\*b\\*\\* \\[x\\](y)"),
            "{text}"
        );
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        let mut page = week("x");
        page.ran = crate::runs::Ran::new(&page.time);
        (page.ticks, page.open, page.resolved) = (vec![], vec![], vec![]);
        (page.figures, page.next, page.changes) = (vec![], vec![], vec![]);
        let text = render(&page);
        assert_eq!((text.matches("- None").count(), text.matches("- Nothing was changed.").count()), (4, 1), "{text}");
    }
}
