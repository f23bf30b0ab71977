//! Verdicts for people: a line a case, and of each that failed what was expected and what was found.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Color, Style};

use super::verdict::{Mismatch, State, Verdict};
use crate::policy::text::clean_line;
use crate::report::text::render;

/// Bytes of one line that are shown.
const LINE_LIMIT: usize = 400;
/// Characters of a name that the times are set after.
const WIDEST: usize = 80;

const fn colour(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(colour)))
}

const GREEN: Style = colour(AnsiColor::Green);
const RED: Style = colour(AnsiColor::Red);
const YELLOW: Style = colour(AnsiColor::Yellow);

/// All of them. `verbose` shows the reports of each, too.
pub(crate) fn text(plugin: &str, verdicts: &[Verdict], seconds: f64, verbose: bool) -> String {
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    let mut out = format!("{bold}{}{bold:#}\n", clean_line(plugin, LINE_LIMIT));
    let name = |verdict: &Verdict| clean_line(&verdict.name, LINE_LIMIT);
    let width = verdicts.iter().map(|verdict| name(verdict).chars().count()).max().unwrap_or(0).min(WIDEST);
    let mut file = "";
    for verdict in verdicts {
        if verdict.file != file {
            file = &verdict.file;
            // Writing to a string cannot fail.
            let _ = writeln!(out, "\n{dim}{}{dim:#}", clean_line(file, LINE_LIMIT));
        }
        let style = match verdict.state {
            State::Passed => GREEN,
            State::Failed(_) => RED,
            State::NotRun(_) => YELLOW,
        };
        let _ = writeln!(
            out,
            "  {style}{:7}{style:#}  {:width$}  {dim}{} ms{dim:#}",
            verdict.word(),
            name(verdict),
            verdict.duration.as_millis()
        );
        details(&mut out, verdict);
        if verbose {
            for report in &verdict.reports {
                for line in render(report, true).lines() {
                    let _ = writeln!(out, "      {line}");
                }
            }
        }
    }
    let of = |word: &str| verdicts.iter().filter(|verdict| verdict.word() == word).count();
    let mut counts = vec![format!("{} passed", of("passed"))];
    for word in ["failed", "not run"] {
        if of(word) > 0 {
            counts.push(format!("{} {word}", of(word)));
        }
    }
    let _ = writeln!(out, "\n{bold}{}{bold:#} in {seconds:.1} s", counts.join(", "));
    out
}

fn details(out: &mut String, verdict: &Verdict) {
    let several = verdict.reports.len() > 1;
    let mut last = 0;
    for (run, mismatch) in verdict.mismatches() {
        if several && run != last {
            let _ = writeln!(out, "    run {run}");
            last = run;
        }
        difference(out, mismatch);
    }
    if matches!(verdict.state, State::Failed(_)) {
        let _ = writeln!(out, "      at {}:{}", clean_line(&verdict.file, LINE_LIMIT), verdict.line);
    }
    if let State::NotRun(reason) = &verdict.state {
        for line in reason.lines() {
            let _ = writeln!(out, "      {}", clean_line(line, LINE_LIMIT));
        }
    }
    for left in &verdict.left {
        let _ = writeln!(out, "      {YELLOW}left behind{YELLOW:#} {}", clean_line(left, LINE_LIMIT));
    }
}

fn difference(out: &mut String, mismatch: &Mismatch) {
    let _ = writeln!(out, "      {}", clean_line(&mismatch.what, LINE_LIMIT));
    for (sign, style, lines) in [('-', RED, &mismatch.expected), ('+', GREEN, &mismatch.found)] {
        for line in lines {
            let _ = writeln!(out, "        {style}{sign} {}{style:#}", clean_line(line, LINE_LIMIT));
        }
    }
}
