//! One report for several runs of a bundle: the worst outcome counts, and what is wrong comes before what went well.

use std::fmt::Write as _;

use anstyle::Style;
use jiff::Timestamp;
use serde::Serialize;

use super::{Outcome, Report, Severity, markdown, nagios, text};
use crate::bundle::Kind;
use crate::gate::Mode;
use crate::history::Tick;

/// What a bundle's tasks left, run together.
#[derive(Clone, Debug, Serialize)]
pub struct Whole {
    /// The bundle's name.
    pub bundle: String,
    /// Which of its tasks: `daily`, `all`, or their names.
    pub selection: String,
    /// Run or rehearsal.
    pub mode: Mode,
    /// The worst of all runs.
    pub outcome: Outcome,
    /// When the first began.
    pub started: Timestamp,
    /// When the last ended.
    pub finished: Timestamp,
    /// One for each task, in the order of the file.
    pub runs: Vec<Report>,
    /// What is left for people.
    pub checklist: Vec<ForPeople>,
}

/// Something that a person does.
#[derive(Clone, Debug, Serialize)]
pub struct ForPeople {
    /// In one line.
    pub title: String,
    /// How to do it.
    pub detail: Option<String>,
    /// Which part of the calendar it belongs to.
    pub kind: Kind,
    /// The tick of its period, where a history has one.
    pub done: Option<Tick>,
}

impl Whole {
    /// The worst outcome of several: what could not be told weighs most, as its exit code does.
    pub fn worst<'a>(runs: impl IntoIterator<Item = &'a Report>) -> Outcome {
        runs.into_iter()
            .map(|report| report.run.outcome)
            .max_by_key(|outcome| outcome.exit_code())
            .unwrap_or(Outcome::Ok)
    }

    /// For people at a terminal: what is wrong, task by task, then a line for each task. `verbose` shows each report whole.
    pub fn text(&self, verbose: bool) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out, verbose);
        out
    }

    fn write(&self, out: &mut String, verbose: bool) -> std::fmt::Result {
        let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
        for report in &self.runs {
            let text = if verbose { text::render(report, true) } else { text::brief(report) };
            if !text.is_empty() {
                writeln!(out, "{text}")?;
            }
        }
        let outcome = text::outcome_style(self.outcome);
        let rehearsed = if self.mode == Mode::Rehearse { " (rehearsal)" } else { "" };
        let count = self.runs.len();
        let seconds = self.finished.duration_since(self.started).as_secs_f64();
        writeln!(
            out,
            "{bold}{}, {}{bold:#}{rehearsed}: {outcome}{}{outcome:#} - {count} task{} in {} s\n",
            self.bundle,
            self.selection,
            self.outcome.name(),
            if count == 1 { "" } else { "s" },
            text::number((seconds * 100.0).round() / 100.0)
        )?;
        let width = self.runs.iter().map(|report| report.run.task.chars().count()).max().unwrap_or(0);
        for report in &self.runs {
            let style = text::outcome_style(report.run.outcome);
            let name = report.run.outcome.name();
            let said = report.summary.as_deref().or(report.error.as_deref()).unwrap_or_default();
            let said = said.lines().next().unwrap_or_default();
            writeln!(out, "  {style}{name:11}{style:#}  {:width$}  {dim}{said}{dim:#}", report.run.task)?;
        }
        if !self.checklist.is_empty() {
            writeln!(out, "\n{bold}For people{bold:#}")?;
            for entry in &self.checklist {
                match &entry.done {
                    Some(tick) => {
                        writeln!(out, "  [x] {}{dim}, by {} for {}{dim:#}", entry.title, tick.by, tick.period)?;
                    }
                    None => {
                        let detail = entry.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
                        writeln!(out, "  [ ] {}{dim}{detail}{dim:#}", entry.title)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// One line for monitoring, and a line for each task.
    pub fn nagios(&self) -> String {
        let of = |code: u8| self.runs.iter().filter(|report| report.run.outcome.exit_code() == code).count();
        let counts = [(0, "ok"), (1, "warning"), (2, "critical"), (3, "unknown")];
        let counts: Vec<String> = counts.iter().map(|(code, name)| format!("{} {name}", of(*code))).collect();
        let state = nagios::state(self.outcome);
        let mut out = format!("{} {state} - {}: {}\n", self.bundle.to_uppercase(), self.selection, counts.join(", "));
        for report in &self.runs {
            // Performance data belongs to the first line, and what is ours is each task's own check's.
            let line = nagios::render(report);
            let first = line.lines().next().unwrap_or_default();
            let _ = writeln!(out, "{}", first.split(" | ").next().unwrap_or_default());
        }
        out
    }

    /// An entry of the maintenance log.
    pub fn markdown(&self, maintainer: &str) -> String {
        let kind = match self.mode {
            Mode::Rehearse => format!("Rehearsal, {}", self.selection),
            Mode::Perform => self.selection.clone(),
        };
        let runs: Vec<&Report> = self.runs.iter().collect();
        let people: Vec<(bool, &str)> =
            self.checklist.iter().map(|entry| (entry.done.is_some(), entry.title.as_str())).collect();
        markdown::entry(&runs, &markdown::Heading { started: self.started, maintainer, kind: &kind, people: &people })
    }

    /// Findings of all runs of that severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.runs.iter().map(|report| report.count(severity)).sum()
    }
}
