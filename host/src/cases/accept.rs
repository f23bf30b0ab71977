//! Writes what was found into a file of cases as what to expect from now on, where it was not what was expected. What a
//! case expects and was found stays as it is written, and so do comments. A person reads the difference before it is kept.

use std::io::Write as _;

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::Origin;
use super::file::{Effect, Expect, Finding};
use super::verdict::{Mismatch, State, Verdict};
use super::world::{Afterwards, Found};
use crate::gate::Impact;
use crate::report::{Report, Severity, Unit};

/// Bytes of a file that are written as its content; of a larger one only that it is there.
const CONTENT_LIMIT: usize = 1024;

/// What one run should say from now on, key by key; none takes a key away. A key of two parts is in a table of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Proposal(Vec<(Vec<String>, Option<Value>)>);

impl Proposal {
    fn set(&mut self, key: &[&str], value: impl Into<Value>) {
        self.0.push((key.iter().map(ToString::to_string).collect(), Some(value.into())));
    }

    fn unset(&mut self, key: &[&str]) {
        self.0.push((key.iter().map(ToString::to_string).collect(), None));
    }

    /// For telling whether two servers gave the same.
    fn shown(&self) -> Vec<(Vec<String>, Option<String>)> {
        self.0.iter().map(|(key, value)| (key.clone(), value.as_ref().map(ToString::to_string))).collect()
    }
}

/// What to change in what is expected of a run; without an expectation, one to begin with.
pub(super) fn propose(
    expect: Option<&Expect>,
    mismatches: &[Mismatch],
    report: &Report,
    afterwards: &Afterwards,
    emptied: &dyn Fn(&str) -> String,
) -> Proposal {
    let mut proposal = Proposal::default();
    let differs = |what: &str| mismatches.iter().any(|mismatch| mismatch.what == what);
    let new = expect.is_none();
    if new || differs("outcome") {
        proposal.set(&["outcome"], word(report.run.outcome));
    }
    for (key, text, was) in [
        ("summary", &report.summary, expect.is_some_and(|expect| expect.summary.is_some())),
        ("error", &report.error, expect.is_some_and(|expect| expect.error.is_some())),
    ] {
        match text {
            Some(text) if new || differs(key) => proposal.set(&[key], emptied(text)),
            None if was => proposal.unset(&[key]),
            Some(_) | None => {}
        }
    }
    if new || differs("findings") {
        proposal.set(&["findings"], findings(expect, report, emptied));
        // What should not be there and is.
        if expect.is_some_and(|expect| !expect.no_findings.is_empty()) {
            proposal.unset(&["no-findings"]);
        }
    }
    metrics(&mut proposal, expect, mismatches, report, emptied);
    if new || differs("effects") {
        let effects = effects(expect, report, emptied);
        if !new || !effects.is_empty() {
            proposal.set(&["effects"], effects);
        }
        if expect.is_some_and(|expect| !expect.no_effects.is_empty()) {
            proposal.unset(&["no-effects"]);
        }
    }
    if differs("next actions") {
        let actions = report.next_actions.iter().map(|action| Value::from(emptied(&action.action)));
        proposal.set(&["next-actions"], actions.collect::<Array>());
    }
    if let Some(expect) = expect {
        world(&mut proposal, expect, mismatches, afterwards, emptied);
    }
    proposal
}

/// An outcome as a file has it.
fn word(outcome: crate::report::Outcome) -> String {
    serde_json::to_value(outcome).ok().and_then(|word| word.as_str().map(Into::into)).unwrap_or_default()
}

fn findings(expect: Option<&Expect>, report: &Report, emptied: &dyn Fn(&str) -> String) -> Array {
    let written = expect.and_then(|expect| expect.findings.as_deref()).unwrap_or_default();
    let mut all = Array::new();
    for finding in &report.findings {
        let near = |written: &&Finding| {
            written.subject.as_ref().is_none_or(|subject| *subject == emptied(&finding.subject))
                && written.title.as_ref().is_none_or(|title| *title == emptied(&finding.title))
        };
        let earlier = written.iter().find(near);
        if finding.severity == Severity::Ok && expect.is_some() && earlier.is_none() {
            continue;
        }
        let mut table = InlineTable::new();
        table.insert("severity", finding.severity.name().into());
        table.insert("subject", emptied(&finding.subject).into());
        table.insert("title", emptied(&finding.title).into());
        // Figures stay out of it, unless the case is about them.
        if earlier.is_some_and(|written| written.detail.is_some()) {
            table.insert("detail", emptied(&finding.detail).into());
        }
        push(&mut all, table);
    }
    end(&mut all);
    all
}

fn metrics(
    proposal: &mut Proposal,
    expect: Option<&Expect>,
    mismatches: &[Mismatch],
    report: &Report,
    emptied: &dyn Fn(&str) -> String,
) {
    let name = |metric: &crate::report::Metric| {
        let subject = metric.subject.as_ref().map(|subject| format!("({subject})")).unwrap_or_default();
        emptied(&format!("{}{subject}", metric.name))
    };
    let Some(expect) = expect else {
        // Times are never the same again.
        for metric in report.metrics.iter().filter(|metric| metric.unit != Unit::Seconds) {
            proposal.set(&["metrics", &name(metric)], number(metric.value));
        }
        return;
    };
    for written in expect.metrics.keys() {
        let found = report.metrics.iter().find(|metric| name(metric) == *written || metric.name == *written);
        let differs = mismatches.iter().any(|mismatch| {
            mismatch.what.strip_prefix("metric ").is_some_and(|what| what == written || emptied(what) == *written)
        });
        match found {
            Some(metric) if differs => proposal.set(&["metrics", written], number(metric.value)),
            None if differs => proposal.unset(&["metrics", written]),
            Some(_) | None => {}
        }
    }
}

fn effects(expect: Option<&Expect>, report: &Report, emptied: &dyn Fn(&str) -> String) -> Array {
    let written = expect.and_then(|expect| expect.effects.as_deref()).unwrap_or_default();
    let mut counted: Vec<(Vec<(&str, String)>, i64)> = Vec::new();
    for entry in &report.effects {
        let effect = &entry.effect;
        let near = |written: &Effect| written.operation.as_deref() == Some(&*effect.operation);
        if effect.impact == Impact::Observe && !written.iter().any(near) {
            continue;
        }
        let key = vec![
            ("operation", effect.operation.to_string()),
            ("impact", effect.impact.name().to_owned()),
            ("target", emptied(&effect.target)),
            ("decision", entry.decision.name().to_owned()),
        ];
        match counted.iter_mut().find(|(other, _)| *other == key) {
            Some((_, count)) => *count += 1,
            None => counted.push((key, 1)),
        }
    }
    let mut all = Array::new();
    for (key, count) in counted {
        let mut table: InlineTable = key.into_iter().map(|(name, text)| (name, Value::from(text))).collect();
        if count > 1 {
            table.insert("count", count.into());
        }
        push(&mut all, table);
    }
    end(&mut all);
    all
}

fn world(
    proposal: &mut Proposal,
    expect: &Expect,
    mismatches: &[Mismatch],
    afterwards: &Afterwards,
    emptied: &dyn Fn(&str) -> String,
) {
    let differs = |what: &str| mismatches.iter().any(|mismatch| mismatch.what == what);
    for path in expect.files.keys().filter(|path| differs(&format!("file {path}"))) {
        let value = match afterwards.files.get(path).and_then(Option::as_ref) {
            None => Value::from(false),
            Some(found) => content(found, emptied),
        };
        proposal.set(&["files", path], value);
    }
    for (name, queries) in &expect.rows {
        for query in queries.keys().filter(|query| differs(&format!("rows of {name}: {query}"))) {
            if let Some(Ok(rows)) = afterwards.rows.get(&(name.clone(), query.clone())) {
                proposal.set(&["rows", name, query], row_values(rows, emptied));
            }
        }
    }
    for (name, commands) in &expect.replies {
        for command in commands.keys().filter(|command| differs(&format!("{name}: {command}"))) {
            if let Some(Ok(reply)) = afterwards.replies.get(&(name.clone(), command.clone())) {
                proposal.set(&["replies", name, command], emptied(reply));
            }
        }
    }
    for (name, things) in &afterwards.things {
        for (kind, names) in [
            ("containers", &things.containers),
            ("images", &things.images),
            ("networks", &things.networks),
            ("volumes", &things.volumes),
        ] {
            if differs(&format!("{kind} of {name}")) {
                proposal.set(&["things", name, kind], names.iter().collect::<Array>());
            }
        }
    }
}

fn content(found: &Found, emptied: &dyn Fn(&str) -> String) -> Value {
    if found.is_text() && found.text.len() <= CONTENT_LIMIT {
        return emptied(&String::from_utf8_lossy(&found.text)).into();
    }
    let mut table = InlineTable::new();
    table.insert("size", i64::try_from(found.size).unwrap_or(i64::MAX).into());
    table.into()
}

fn row_values(rows: &[Vec<Option<String>>], emptied: &dyn Fn(&str) -> String) -> Value {
    let value = |value: &Option<String>| match value {
        None => Value::from("NULL"),
        // A number that is written as one.
        Some(text) => match text.parse::<i64>() {
            Ok(number) if number.to_string() == *text => number.into(),
            _ => emptied(text).into(),
        },
    };
    if let [row] = rows
        && let [one] = row.as_slice()
    {
        return value(one);
    }
    let row = |row: &Vec<Option<String>>| Value::from(row.iter().map(value).collect::<Array>());
    rows.iter().map(row).collect::<Array>().into()
}

#[expect(clippy::cast_possible_truncation, reason = "only a whole number is written as one")]
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { Value::from(value as i64) } else { Value::from(value) }
}

/// A table in a list, on a line of its own.
fn push(all: &mut Array, table: InlineTable) {
    let mut value = Value::from(table);
    value.decor_mut().set_prefix("\n    ");
    all.push_formatted(value);
}

fn end(all: &mut Array) {
    if !all.is_empty() {
        all.set_trailing_comma(true);
        all.set_trailing("\n");
    }
}

/// Writes what was found into the file, of each of its cases that failed; gives their names.
///
/// # Errors
/// A file that cannot be written, or a case that differs from server to server.
pub(crate) fn accept(origin: &Origin, verdicts: &[Verdict]) -> Result<Vec<String>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("failed to write {}: {error}", origin.name);
    let mut document: DocumentMut = origin.text.parse().map_err(|error: toml_edit::TomlError| failed(&error))?;
    let of_file: Vec<&Verdict> = verdicts.iter().filter(|verdict| verdict.file == origin.name).collect();
    let mut names = Vec::new();
    for verdict in &of_file {
        if !matches!(verdict.state, State::Failed(_)) {
            continue;
        }
        let shown = |verdict: &Verdict| verdict.proposed.iter().map(Proposal::shown).collect::<Vec<_>>();
        let differs = of_file.iter().any(|other| {
            other.index == verdict.index && !matches!(other.state, State::NotRun(_)) && shown(other) != shown(verdict)
        });
        if differs {
            return Err(format!(
                "`{}` ends differently from server to server, and one expectation cannot hold for all; part it into \
                 cases of their own",
                verdict.name
            ));
        }
        let cases = document.get_mut("case").and_then(Item::as_array_of_tables_mut);
        let Some(case) = cases.and_then(|cases| cases.get_mut(verdict.index)) else { continue };
        for (step, proposal) in verdict.proposed.iter().enumerate() {
            if let Some(expect) = expectation(case, step) {
                for (key, value) in &proposal.0 {
                    put(expect, key, value.as_ref());
                }
            }
        }
        names.push(verdict.name.clone());
    }
    if names.is_empty() {
        return Ok(names);
    }
    let directory = origin.directory();
    let mut file = tempfile::Builder::new()
        .prefix(".cases-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(|error| failed(&error))?;
    file.write_all(document.to_string().as_bytes()).map_err(|error| failed(&error))?;
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    file.persist(&origin.path).map_err(|error| failed(&error))?;
    Ok(names)
}

/// What is expected of a case's run, by its number from 0; made where there is none.
fn expectation(case: &mut Table, step: usize) -> Option<&mut dyn TableLike> {
    let run: &mut dyn TableLike = match step.checked_sub(1) {
        None => case,
        Some(index) => match case.get_mut("then")? {
            Item::ArrayOfTables(steps) => steps.get_mut(index)?,
            Item::Value(Value::Array(steps)) => steps.get_mut(index)?.as_inline_table_mut()?,
            _ => return None,
        },
    };
    run.entry("expect").or_insert_with(|| Item::Table(Table::new())).as_table_like_mut()
}

fn put(table: &mut dyn TableLike, key: &[String], value: Option<&Value>) {
    let Some((first, rest)) = key.split_first() else { return };
    if rest.is_empty() {
        match value {
            // In its place, with the comments around it.
            Some(value) => match table.get_mut(first).and_then(Item::as_value_mut) {
                Some(old) => {
                    let mut value = value.clone();
                    *value.decor_mut() = old.decor().clone();
                    *old = value;
                }
                None => drop(table.insert(first, Item::Value(value.clone()))),
            },
            None => drop(table.remove(first)),
        }
        return;
    }
    let inner = table.entry(first).or_insert_with(|| Item::Value(InlineTable::new().into()));
    if let Some(inner) = inner.as_table_like_mut() {
        put(inner, rest, value);
    }
}
