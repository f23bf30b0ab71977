//! The report as one HTML page: no script, nothing loaded, readable in the dark, on a telephone and on paper. Every text is
//! escaped, and the page's own policy lets no script run and nothing be loaded if one should ever not be. Pure.

use std::fmt::Write as _;

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};
use taskhost_sdk::history::{Change, Finding, NextAction, Tick};

use crate::figures::Figure;
use crate::markdown::is_hidden;
use crate::page::{LISTED, Page, amount, severity, took};
use crate::period::{date, moment, stood};
use crate::plot;
use crate::runs::{End, Task};

const STYLE: &str = include_str!("report.css");

/// The whole page.
pub(crate) fn render(page: &Page) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, page);
    out
}

/// A text in which nothing is HTML, in an element or an attribute.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(character)?,
                hidden if is_hidden(hidden) => {}
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

fn write(out: &mut String, page: &Page) -> std::fmt::Result {
    let policy = BASE64.encode(&Sha256::digest(STYLE));
    let (since, until) = (moment(page.time.since), moment(page.time.until));
    let (title, kind) = (Text(&page.title), page.time.name.to_lowercase());
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{policy}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>{title}: maintenance report, {kind}, {}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n\
         <p class=\"sub\">Maintenance report, {kind}: <time>{since}</time> to <time>{until}</time> \
         <span class=\"quiet\">(UTC)</span></p>\n<p class=\"sub\">Maintainer: {}</p>\n",
        date(page.time.until),
        Text(&page.maintainer)
    )?;
    write_totals(out, page)?;
    plot::bars(out, &page.ran.bars, &page.time)?;
    writeln!(out, "</header>\n<main>")?;
    write_tasks(out, page)?;
    write_issues(out, page)?;
    write_figures(out, page)?;
    write_list(out, "Next actions", &page.next, action_line)?;
    write_list(out, "What was changed", &page.changes, change_line)?;
    write_list(out, "Notes", &page.notes(), |note| Text(note).to_string())?;
    writeln!(out, "</main>\n</body>\n</html>")
}

fn write_totals(out: &mut String, page: &Page) -> std::fmt::Result {
    writeln!(out, "<ul class=\"totals\">")?;
    let mut cell = |count: u64, name: &str, class: &str| {
        let class = if count == 0 { "none" } else { class };
        writeln!(out, "<li class=\"{class}\"><b>{count}</b> {name}</li>")
    };
    let (runs, open) = (page.ran.ends.all(), page.open.len() as u64);
    cell(runs, if runs == 1 { "run" } else { "runs" }, "plain")?;
    for end in End::ALL {
        cell(page.ran.ends.of(end), end.name(), end.class())?;
    }
    cell(open, if open == 1 { "issue open" } else { "issues open" }, "warning")?;
    cell(page.resolved.len() as u64, "resolved", "ok")?;
    cell(page.effects(), "changes", "plain")?;
    writeln!(out, "</ul>")
}

/// A section of the template, with what stands in it, or that there is nothing.
fn write_section(out: &mut String, heading: &str, is_empty: bool) -> std::fmt::Result {
    let none = if is_empty { "<p class=\"quiet\">None</p>\n" } else { "" };
    write!(out, "<section>\n<h2>{heading}</h2>\n{none}")
}

fn write_more(out: &mut String, count: usize) -> std::fmt::Result {
    match count.checked_sub(LISTED) {
        Some(more) if more > 0 => writeln!(out, "<p class=\"quiet\">and {more} more</p>"),
        _ => Ok(()),
    }
}

fn write_list<T>(out: &mut String, heading: &str, items: &[T], line: impl Fn(&T) -> String) -> std::fmt::Result {
    write_section(out, heading, items.is_empty())?;
    if !items.is_empty() {
        writeln!(out, "<ul>")?;
        items.iter().take(LISTED).try_for_each(|item| writeln!(out, "<li>{}</li>", line(item)))?;
        writeln!(out, "</ul>")?;
    }
    write_more(out, items.len())?;
    writeln!(out, "</section>")
}

fn write_tasks(out: &mut String, page: &Page) -> std::fmt::Result {
    let tasks = &page.ran.tasks;
    write_section(out, "Tasks completed", tasks.is_empty() && page.ticks.is_empty())?;
    if !tasks.is_empty() {
        writeln!(
            out,
            "<div class=\"wide\"><table>\n<thead><tr><th>Task</th><th>Runs</th><th>Last</th><th class=\"number\">Took</th></tr>\
             </thead>\n<tbody>"
        )?;
        tasks.iter().take(LISTED).try_for_each(|task| write_task(out, task))?;
        writeln!(out, "</tbody>\n</table></div>")?;
    }
    write_more(out, tasks.len())?;
    if !page.ticks.is_empty() {
        writeln!(out, "<ul>")?;
        page.ticks.iter().take(LISTED).try_for_each(|tick| writeln!(out, "<li>{}</li>", tick_line(tick)))?;
        writeln!(out, "</ul>")?;
    }
    write_more(out, page.ticks.len())?;
    writeln!(out, "</section>")
}

fn write_task(out: &mut String, task: &Task) -> std::fmt::Result {
    let (mark, done) = if task.is_done() { ("✓", "done") } else { ("✗", "not done") };
    let class = End::of(&task.outcome).class();
    write!(
        out,
        "<tr><td><span class=\"mark {class}\" title=\"{done}\">{mark}</span> <b>{}</b></td><td><span class=\"number\">{}</span> ",
        Text(&task.name),
        task.ends.all()
    )?;
    plot::strip(out, task)?;
    writeln!(
        out,
        "</td><td><span class=\"tag {class}\">{}</span> {} <span class=\"quiet\">{}</span></td><td class=\"number\">{}</td></tr>",
        Text(&task.outcome),
        Text(&task.summary),
        moment(task.started),
        task.duration().map(took).unwrap_or_default()
    )
}

fn tick_line(tick: &Tick) -> String {
    let note = tick.note.as_ref().map(|note| format!("<br>{}", Text(note))).unwrap_or_default();
    format!(
        "<span class=\"mark ok\" title=\"done\">✓</span> <b>{}</b> <span class=\"quiet\">for {}, by {}, {}</span>{note}",
        Text(&tick.title),
        Text(&tick.period),
        Text(&tick.by),
        moment(tick.at)
    )
}

fn write_issues(out: &mut String, page: &Page) -> std::fmt::Result {
    write_section(out, "Issues found", page.open.is_empty() && page.resolved.is_empty())?;
    for (state, issues) in [("open", &page.open), ("resolved", &page.resolved)] {
        if !issues.is_empty() {
            writeln!(out, "<h3>{} {state}</h3>\n<ul class=\"{state}\">", issues.len())?;
            issues.iter().take(LISTED).try_for_each(|issue| write_issue(out, issue))?;
            writeln!(out, "</ul>")?;
        }
        write_more(out, issues.len())?;
    }
    writeln!(out, "</section>")
}

fn write_issue(out: &mut String, issue: &Finding) -> std::fmt::Result {
    write!(
        out,
        "<li><span class=\"tag {0}\">{0}</span> <b>{1}</b>: {2} <span class=\"quiet\">{3}</span>",
        severity(issue),
        Text(&issue.subject),
        Text(&issue.title),
        Text(&issue.task)
    )?;
    let first = moment(issue.first_seen);
    match issue.resolved {
        Some(resolved) => write!(
            out,
            "<p class=\"resolution\">Resolved {}, after {}: run <code>{}</code> no longer found it</p>",
            moment(resolved),
            stood(resolved.saturating_sub(issue.first_seen)),
            Text(issue.resolved_run.as_deref().unwrap_or_default())
        )?,
        None => {
            if !issue.detail.is_empty() {
                write!(out, "<p class=\"detail\">{}</p>", Text(&issue.detail))?;
            }
            let remedy = issue.remedy.as_ref().map(|remedy| format!(": {}", Text(remedy))).unwrap_or_default();
            write!(out, "<p class=\"resolution\">Open since {first}{remedy}</p>")?;
        }
    }
    writeln!(out, "</li>")
}

fn write_figures(out: &mut String, page: &Page) -> std::fmt::Result {
    write_section(out, "Performance metrics", page.figures.is_empty())?;
    if !page.figures.is_empty() {
        writeln!(out, "<ul class=\"figures\">")?;
        page.figures.iter().try_for_each(|figure| write_figure(out, page, figure))?;
        writeln!(out, "</ul>")?;
    }
    writeln!(out, "</section>")
}

fn write_figure(out: &mut String, page: &Page, figure: &Figure) -> std::fmt::Result {
    let class = figure.class();
    write!(
        out,
        "<li><p><b class=\"value {class}\">{}</b> {}</p><p class=\"quiet\">{}</p>",
        Text(&figure.shown(figure.value)),
        Text(&figure.name()),
        Text(&figure.source())
    )?;
    plot::line(out, figure, &page.time)?;
    let parts: Vec<String> = figure.range().into_iter().chain(figure.change()).collect();
    writeln!(out, "<p class=\"quiet\">{}</p></li>", Text(&parts.join(", ")))
}

fn action_line(next: &NextAction) -> String {
    let subject = next.subject.as_ref().map(|subject| format!("{}: ", Text(subject))).unwrap_or_default();
    format!("<span class=\"quiet\">{}</span> {subject}{}", Text(&next.task), Text(&next.action))
}

fn change_line(change: &Change) -> String {
    format!(
        "<b>{}</b> {} {} <span class=\"quiet\">{}</span>",
        Text(&change.task),
        Text(&change.capability),
        Text(&change.operation),
        Text(&amount(change))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::tests::{HOSTILE, week};

    #[test]
    fn no_text_of_another_s_is_markup() {
        let html = render(&week(HOSTILE));
        let body = html.split_once("<body>").unwrap().1;
        for part in body.split('<').skip(1) {
            let tag = part.split('>').next().unwrap();
            let name = tag.trim_start_matches('/').split(' ').next().unwrap();
            let known = [
                "body", "html", "header", "main", "h1", "h2", "h3", "p", "ul", "li", "b", "span", "time", "section",
                "code", "br", "div", "table", "thead", "tbody", "tr", "th", "td", "svg", "path", "circle", "rect", "g",
                "title",
            ];
            assert!(known.contains(&name), "<{tag}>");
            assert!(tag.matches('"').count() % 2 == 0 && !tag.contains('\''), "<{tag}>");
        }
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && html.contains("&amp;amp;"));
        assert!(!html.contains('\u{202e}') && !html.contains('\u{1b}'));
    }

    #[test]
    fn the_page_needs_nothing_beside_it() {
        let html = render(&week("x"));
        for word in ["http://", "https://", "src=", "@import", "url(", "javascript", "style=\""] {
            assert!(!html.contains(word), "{word}");
        }
        let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let digest = BASE64.encode(&Sha256::digest(style));
        assert!(html.contains(&format!("default-src 'none'; style-src 'sha256-{digest}'")));
        for class in html.split("class=\"").skip(1).flat_map(|part| part.split('"').next().unwrap().split(' ')) {
            let is_styled = style.contains(&format!(".{class}")) || ["plain", "value"].contains(&class);
            assert!(is_styled, "class {class} has no style");
        }
    }

    #[test]
    fn the_page_has_the_sections_of_the_template() {
        let html = render(&week("x"));
        let heading = |part: &str| part.split_once("</h2>").unwrap().0.to_owned();
        let headings: Vec<String> = html.split("<h2>").skip(1).map(heading).collect();
        let expected =
            ["Tasks completed", "Issues found", "Performance metrics", "Next actions", "What was changed", "Notes"];
        assert_eq!(headings, expected);
        assert!(!html.contains(">None<"));
    }
}
