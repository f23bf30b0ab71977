//! What a run left against what was expected of it. Pure: the texts of a case come with the parts of its world filled in.

use std::fmt::Write as _;

use super::file::{Bounds, Effect, Expect, FileCheckTable, Finding, NextActionTable};
use super::matching::unmatched;
use super::verdict::Mismatch;
use super::world::{Afterwards, Found};
use crate::capability::docker::Things;
use crate::gate::{Entry, Impact};
use crate::report::{self, Report, Severity};

/// Lines of one kind that are shown.
const SHOWN: usize = 20;
/// Bytes of a text that are shown.
const TEXT_LIMIT: usize = 200;

/// Everything that is not as expected.
pub(super) fn compare(
    expect: &Expect,
    report: &Report,
    afterwards: &Afterwards,
    filled: &dyn Fn(&str) -> String,
) -> Vec<Mismatch> {
    let mut all = Comparison { filled, mismatches: vec![] };
    if !all.ending(expect, report) {
        return all.mismatches;
    }
    if let Some(findings) = &expect.findings {
        all.findings(findings, report);
    }
    all.no_findings(&expect.no_findings, report);
    for (name, bounds) in &expect.metrics {
        all.metric(name, bounds.0, report);
    }
    all.next_actions(expect, report);
    if let Some(effects) = &expect.effects {
        all.effects(effects, report);
    }
    all.no_effects(&expect.no_effects, report);
    for (path, check) in &expect.files {
        all.file(path, &check.0, afterwards);
    }
    all.rows(expect, afterwards);
    all.replies(expect, afterwards);
    all.things(expect, afterwards);
    all.mismatches
}

struct Comparison<'a> {
    filled: &'a dyn Fn(&str) -> String,
    mismatches: Vec<Mismatch>,
}

impl Comparison<'_> {
    fn add(&mut self, what: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) {
        self.mismatches.push(Mismatch::new(what, expected, found));
    }

    fn lines(&mut self, what: &str, mut expected: Vec<String>, mut found: Vec<String>) {
        for lines in [&mut expected, &mut found] {
            let more = lines.len().saturating_sub(SHOWN);
            lines.truncate(SHOWN);
            if more > 0 {
                lines.push(format!("and {more} more"));
            }
        }
        if !expected.is_empty() || !found.is_empty() {
            self.mismatches.push(Mismatch { what: what.into(), expected, found });
        }
    }

    /// Whether a text is the one that is written, if one is.
    fn is(&self, written: Option<&String>, text: &str) -> bool {
        written.is_none_or(|written| (self.filled)(written) == text)
    }

    /// Whether a text holds the one that is written, if one is.
    fn holds(&self, written: Option<&String>, text: &str) -> bool {
        written.is_none_or(|written| text.contains(&(self.filled)(written)))
    }

    /// Whether the rest is worth comparing: a run that did not end well where it should have explains itself.
    fn ending(&mut self, expect: &Expect, report: &Report) -> bool {
        let (expected, outcome) = (expect.outcome, report.run.outcome);
        if expected != outcome {
            let mut found = vec![outcome.name().to_owned()];
            found.extend(report.error.iter().flat_map(|error| error.lines()).map(|line| format!("  {line}")));
            self.mismatches.push(Mismatch { what: "outcome".into(), expected: vec![expected.name().into()], found });
        }
        let (ends_well, ended_well) = (expected.exit_code() < 3, outcome.exit_code() < 3);
        if ends_well != ended_well {
            return ended_well;
        }
        for (what, written, text) in
            [("summary", &expect.summary, &report.summary), ("error", &expect.error, &report.error)]
        {
            let text = text.as_deref().unwrap_or_default();
            if let Some(written) = written
                && !self.holds(Some(written), text)
            {
                self.add(what, format!("... {} ...", (self.filled)(written)), short(text));
            }
        }
        true
    }

    fn findings(&mut self, expected: &[Finding], report: &Report) {
        let fits = |one: usize, position: usize| match (expected.get(one), report.findings.get(position)) {
            (Some(written), Some(finding)) => self.is_finding(written, finding),
            _ => false,
        };
        let (missing, extra) = unmatched(expected.len(), report.findings.len(), fits);
        let missing: Vec<&Finding> = missing.iter().filter_map(|index| expected.get(*index)).collect();
        // What is in order may be said without being expected, unless it is what a missing one might have been.
        let near = |finding: &report::Finding| {
            missing.iter().any(|written| {
                self.is(written.subject.as_ref(), &finding.subject) && self.is(written.title.as_ref(), &finding.title)
            })
        };
        let extra = extra.iter().filter_map(|index| report.findings.get(*index));
        let extra: Vec<String> =
            extra.filter(|finding| finding.severity != Severity::Ok || near(finding)).map(finding_line).collect();
        let missing = missing.iter().map(|written| self.written_finding(written)).collect();
        self.lines("findings", missing, extra);
    }

    fn no_findings(&mut self, unwanted: &[Finding], report: &Report) {
        for written in unwanted {
            let there: Vec<String> =
                report.findings.iter().filter(|finding| self.is_finding(written, finding)).map(finding_line).collect();
            if !there.is_empty() {
                let expected = vec![format!("none like {}", self.written_finding(written))];
                self.lines("findings", expected, there);
            }
        }
    }

    fn is_finding(&self, written: &Finding, finding: &report::Finding) -> bool {
        written.severity.is_none_or(|severity| severity == finding.severity)
            && self.is(written.subject.as_ref(), &finding.subject)
            && self.is(written.title.as_ref(), &finding.title)
            && self.holds(written.detail.as_ref(), &finding.detail)
            && self.holds(written.remedy.as_ref(), finding.remedy.as_deref().unwrap_or_default())
    }

    fn written_finding(&self, written: &Finding) -> String {
        let severity = written.severity.map_or("any", Severity::name);
        let part = |part: &Option<String>| part.as_ref().map_or("*".into(), |text| (self.filled)(text));
        let mut line = format!("{severity:8}  {}: {}", part(&written.subject), part(&written.title));
        for (name, text) in [("detail", &written.detail), ("remedy", &written.remedy)] {
            if let Some(text) = text {
                let _ = write!(line, " ({name} ... {} ...)", short(&(self.filled)(text)));
            }
        }
        line
    }

    fn metric(&mut self, name: &str, bounds: Bounds, report: &Report) {
        let name = (self.filled)(name);
        let what = format!("metric {name}");
        let found: Vec<&report::Metric> = report.metrics.iter().filter(|metric| named(metric, &name)).collect();
        let shown = |metric: &report::Metric| format!("{} = {}", metric_name(metric), metric.value);
        let expected = written_bounds(bounds);
        match found.as_slice() {
            [] if bounds.absent => {}
            [] => {
                let others: Vec<String> = report.metrics.iter().map(shown).collect();
                let none = if others.is_empty() { vec!["no metric at all".into()] } else { others };
                self.lines(&what, vec![expected], none);
            }
            [metric] if !bounds.absent => {
                let low = bounds.min.is_none_or(|min| metric.value >= min || near(metric.value, min));
                let high = bounds.max.is_none_or(|max| metric.value <= max || near(metric.value, max));
                if !(low && high) {
                    self.add(what, expected, metric.value.to_string());
                }
            }
            several if bounds.absent => {
                self.lines(&what, vec![expected], several.iter().map(|metric| shown(metric)).collect());
            }
            several => {
                let found = several.iter().map(|metric| shown(metric)).collect();
                self.lines(&what, vec![format!("one, named with its subject, as {name}(...)")], found);
            }
        }
    }

    fn next_actions(&mut self, expect: &Expect, report: &Report) {
        let expected: Vec<&NextActionTable> = expect.next_actions.iter().map(|action| &action.0).collect();
        let fits = |one: usize, position: usize| match (expected.get(one), report.next_actions.get(position)) {
            (Some(written), Some(action)) => {
                self.holds(written.action.as_ref(), &action.action)
                    && self.is(written.subject.as_ref(), action.subject.as_deref().unwrap_or_default())
            }
            _ => false,
        };
        let (missing, extra) = unmatched(expected.len(), report.next_actions.len(), fits);
        if missing.is_empty() {
            return;
        }
        let part = |part: &Option<String>| part.as_ref().map_or("*".into(), |text| (self.filled)(text));
        let missing = missing.iter().filter_map(|index| expected.get(*index));
        let missing = missing.map(|action| match &action.subject {
            Some(_) => format!("{}: ... {} ...", part(&action.subject), part(&action.action)),
            None => format!("... {} ...", part(&action.action)),
        });
        let found = extra.iter().filter_map(|index| report.next_actions.get(*index));
        let found = found.map(|action| match &action.subject {
            Some(subject) => format!("{subject}: {}", action.action),
            None => action.action.clone(),
        });
        let (missing, found) = (missing.collect(), found.collect());
        self.lines("next actions", missing, found);
    }

    fn effects(&mut self, written: &[Effect], report: &Report) {
        let expected: Vec<&Effect> =
            written.iter().flat_map(|effect| std::iter::repeat_n(effect, effect.count.unwrap_or(1))).collect();
        let fits = |one: usize, position: usize| match (expected.get(one), report.effects.get(position)) {
            (Some(written), Some(entry)) => self.is_effect(written, entry),
            _ => false,
        };
        let (missing, extra) = unmatched(expected.len(), report.effects.len(), fits);
        let observes = missing.iter().filter_map(|index| expected.get(*index));
        let observes = observes.clone().any(|written| written.impact.is_none_or(|impact| impact == Impact::Observe));
        let missing = missing.iter().filter_map(|index| expected.get(*index));
        let missing = missing.map(|written| self.written_effect(written)).collect();
        // What only looks may be done without being expected.
        let extra = extra.iter().filter_map(|index| report.effects.get(*index));
        let extra = extra.filter(|entry| entry.effect.impact != Impact::Observe || observes).map(effect_line).collect();
        self.lines("effects", missing, extra);
    }

    fn no_effects(&mut self, unwanted: &[Effect], report: &Report) {
        for written in unwanted {
            let there: Vec<String> =
                report.effects.iter().filter(|entry| self.is_effect(written, entry)).map(effect_line).collect();
            if !there.is_empty() {
                let expected = vec![format!("none like {}", self.written_effect(written))];
                self.lines("effects", expected, there);
            }
        }
    }

    fn is_effect(&self, written: &Effect, entry: &Entry) -> bool {
        let effect = &entry.effect;
        self.is(written.capability.as_ref(), &effect.capability)
            && self.is(written.slot.as_ref(), &effect.slot)
            && self.is(written.operation.as_ref(), &effect.operation)
            && written.impact.is_none_or(|impact| impact == effect.impact)
            && self.holds(written.target.as_ref(), &effect.target)
            && written.decision.is_none_or(|decision| decision == entry.decision)
            && written.outcome.as_deref().is_none_or(|outcome| outcome == entry.outcome.name())
            && written.rows.is_none_or(|rows| Some(rows) == entry.rows)
            && written.bytes.is_none_or(|bytes| Some(bytes) == entry.bytes)
    }

    fn written_effect(&self, written: &Effect) -> String {
        let part = |part: &Option<String>| part.as_ref().map_or("*".into(), |text| (self.filled)(text));
        let mut line = format!("{} {} on {}", part(&written.capability), part(&written.operation), part(&written.slot));
        if let Some(target) = &written.target {
            let _ = write!(line, ": ... {} ...", (self.filled)(target));
        }
        let marks = [
            written.impact.map(|impact| impact.name().to_owned()),
            written.decision.map(|decision| decision.name().to_owned()),
            written.outcome.clone(),
            written.rows.map(|rows| format!("{rows} rows")),
            written.bytes.map(|bytes| format!("{bytes} bytes")),
        ];
        with_marks(line, marks.into_iter().flatten())
    }

    fn file(&mut self, path: &str, check: &FileCheckTable, afterwards: &Afterwards) {
        let what = format!("file {path}");
        let found = match afterwards.files.get(path).and_then(Option::as_ref) {
            Some(_) if check.gone => return self.add(what, "gone", "there"),
            None if check.gone => return,
            None => return self.add(what, "there", "gone"),
            Some(found) => found,
        };
        let text = String::from_utf8_lossy(&found.text);
        if let Some(content) = &check.content {
            let content = (self.filled)(content);
            if content != text {
                self.add(what.as_str(), short(&content), short(&text));
            }
        }
        if let Some(part) = &check.contains
            && !self.holds(Some(part), &text)
        {
            self.add(what.as_str(), format!("... {} ...", short(&(self.filled)(part))), short(&text));
        }
        if let Some(size) = check.size.filter(|size| size.0 != found.size) {
            self.add(what.as_str(), format!("{} bytes", size.0), format!("{} bytes", found.size));
        }
        if let Some(mode) = &check.mode
            && u32::from_str_radix(mode, 8).ok() != Some(found.mode)
        {
            self.add(what.as_str(), format!("mode {mode}"), format!("mode {:o}", found.mode));
        }
        if check.unchanged && afterwards.before.get(path) != Some(found) {
            let before = afterwards.before.get(path).map_or("it was not there before", |_| "changed");
            self.add(what, "unchanged", before);
        }
    }

    fn rows(&mut self, expect: &Expect, afterwards: &Afterwards) {
        for (database, queries) in &expect.rows {
            for (query, expected) in queries {
                let what = format!("rows of {database}: {query}");
                match afterwards.rows.get(&(database.clone(), query.clone())) {
                    Some(Ok(rows)) => {
                        let expected = written_rows(expected, self.filled);
                        let same = expected.len() == rows.len()
                            && expected.iter().zip(rows).all(|(one, other)| same_row(one, other));
                        if !same {
                            let shown = rows.iter().map(|row| row_line(row)).collect();
                            self.lines(&what, expected.iter().map(|row| row.join(", ")).collect(), shown);
                        }
                    }
                    Some(Err(error)) => self.add(what, "rows", error.clone()),
                    None => self.add(what, "rows", "no database"),
                }
            }
        }
    }

    fn replies(&mut self, expect: &Expect, afterwards: &Afterwards) {
        for (database, commands) in &expect.replies {
            for (command, expected) in commands {
                let expected = (self.filled)(&super::file::text(expected));
                let found = match afterwards.replies.get(&(database.clone(), command.clone())) {
                    Some(Ok(reply)) => reply.clone(),
                    Some(Err(error)) => error.clone(),
                    None => "no database".into(),
                };
                if found.replace(", ", ",") != expected.replace(", ", ",") {
                    self.add(format!("{database}: {command}"), expected, found);
                }
            }
        }
    }

    fn things(&mut self, expect: &Expect, afterwards: &Afterwards) {
        for (name, expected) in &expect.things {
            let (mut expected, found) = (Things::from(expected), afterwards.things.get(name).cloned());
            let found = found.unwrap_or_default();
            for (kind, expected, found) in [
                ("containers", &mut expected.containers, found.containers),
                ("images", &mut expected.images, found.images),
                ("networks", &mut expected.networks, found.networks),
                ("volumes", &mut expected.volumes, found.volumes),
            ] {
                expected.sort_unstable();
                if *expected != found {
                    self.add(format!("{kind} of {name}"), listed(expected), listed(&found));
                }
            }
        }
    }
}

/// A text on one line, cut.
fn short(text: &str) -> String {
    if text.is_empty() {
        return "nothing".into();
    }
    crate::policy::text::clean_line(text, TEXT_LIMIT)
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn finding_line(finding: &report::Finding) -> String {
    let mut line = format!("{:8}  {}: {}", finding.severity.name(), finding.subject, finding.title);
    if !finding.detail.is_empty() {
        let _ = write!(line, " ({})", short(&finding.detail));
    }
    line
}

fn metric_name(metric: &report::Metric) -> String {
    let subject = metric.subject.as_ref().map(|subject| format!("({subject})")).unwrap_or_default();
    format!("{}{subject}", metric.name)
}

/// Whether a metric is called so, with its subject or without.
fn named(metric: &report::Metric, name: &str) -> bool {
    metric.name == name || metric_name(metric) == name
}

/// Equal but for the last digits of a float.
fn near(value: f64, bound: f64) -> bool {
    (value - bound).abs() <= bound.abs() * 1e-9
}

fn written_bounds(bounds: Bounds) -> String {
    match (bounds.min, bounds.max) {
        _ if bounds.absent => "none".into(),
        (Some(min), Some(max)) if near(min, max) => min.to_string(),
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("{min} or more"),
        (None, Some(max)) => format!("{max} or less"),
        (None, None) => "any".into(),
    }
}

fn with_marks(line: String, marks: impl Iterator<Item = String>) -> String {
    let marks: Vec<String> = marks.collect();
    if marks.is_empty() { line } else { format!("{line} [{}]", marks.join(", ")) }
}

fn effect_line(entry: &Entry) -> String {
    let effect = &entry.effect;
    let line = format!("{} {} on {}: {}", effect.capability, effect.operation, effect.slot, short(&effect.target));
    let marks = [
        Some(effect.impact.name().to_owned()),
        Some(entry.decision.name().to_owned()),
        Some(entry.outcome.name().to_owned()),
        entry.rows.map(|rows| format!("{rows} rows")),
        entry.bytes.map(|bytes| format!("{bytes} bytes")),
    ];
    with_marks(line, marks.into_iter().flatten())
}

/// One value, a list of values (a row each), or a list of rows.
fn written_rows(value: &toml::Value, filled: &dyn Fn(&str) -> String) -> Vec<Vec<String>> {
    let text = |value: &toml::Value| filled(&super::file::text(value));
    match value {
        toml::Value::Array(rows) => rows
            .iter()
            .map(|row| match row {
                toml::Value::Array(values) => values.iter().map(text).collect(),
                single => vec![text(single)],
            })
            .collect(),
        single => vec![vec![text(single)]],
    }
}

/// Compared as texts; NULL is written so, and databases write truths in their own ways.
fn same_row(written: &[String], row: &[Option<String>]) -> bool {
    let same = |written: &str, value: Option<&str>| match (written, value) {
        (written, None) => written == "NULL",
        ("true", Some(value)) => matches!(value, "true" | "t" | "1"),
        ("false", Some(value)) => matches!(value, "false" | "f" | "0"),
        (written, Some(value)) => written == value,
    };
    written.len() == row.len() && written.iter().zip(row).all(|(written, value)| same(written, value.as_deref()))
}

fn row_line(row: &[Option<String>]) -> String {
    let values: Vec<&str> = row.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
    short(&values.join(", "))
}

impl Found {
    /// Whether it holds text.
    pub(super) fn is_text(&self) -> bool {
        std::str::from_utf8(&self.text).is_ok()
    }
}
