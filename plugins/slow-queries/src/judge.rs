//! Which statements are worth a look, and why. Pure: figures in, findings out.

use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{count, counted, size, span, took};

use crate::memory::{Memory, Past};
use crate::shape::cut;
use crate::statement::{Figures, Statement, Survey, float, sort_by};

/// Rows looked at for a call without an index, from which one is missed.
const EXAMINED: u64 = 10_000;
/// A new statement with this share of all time is named, in per cent.
const NEW_SHARE: f64 = 5.0;
/// As often as this, everything has been forgotten once: the server drops a twentieth at a time.
const EVICTIONS: u64 = 20;
/// Bytes of one detail that the host keeps, less some for what is not a statement.
const DETAIL: usize = 3_800;

/// From where something is said.
pub(crate) struct Limits {
    pub(crate) top: usize,
    pub(crate) slow_ms: f64,
    pub(crate) min_calls: u64,
    /// In per cent of all time.
    pub(crate) min_share: f64,
    /// Sessions at work with one statement, on average.
    pub(crate) busy: f64,
    /// Bytes of temporary files a call.
    pub(crate) temporary: u64,
    pub(crate) regression_percent: f64,
    pub(crate) regression_floor_ms: f64,
    /// Characters of a text that are shown; none where it is not.
    pub(crate) text: Option<usize>,
}

impl Limits {
    fn matters(&self, statement: &Statement, survey: &Survey) -> bool {
        statement.figures.calls >= self.min_calls && survey.share(statement.figures.total_ms) >= self.min_share
    }
}

/// What a list is sorted by.
type Figure = fn(&Figures) -> f64;

/// The titles of the lists, and their orders.
const LISTS: [(&str, Figure); 3] = [
    ("most time in all", |figures| figures.total_ms),
    ("slowest on average", Figures::mean_ms),
    ("called most", |figures| float(figures.calls)),
];

/// The statements of the three lists, each once.
pub(crate) fn listed<'a>(survey: &'a Survey, limits: &Limits) -> Vec<&'a Statement> {
    let mut found: Vec<&Statement> = Vec::new();
    for (_, figure) in LISTS {
        let mut sorted = survey.statements.clone();
        sort_by(&mut sorted, figure);
        for one in sorted.iter().take(limits.top) {
            let own = survey.statements.iter().find(|own| own.id == one.id && own.nested == one.nested);
            found.extend(own.filter(|own| !found.iter().any(|seen| std::ptr::eq(*seen, *own))));
        }
    }
    found
}

/// The three lists, for people.
pub(crate) fn lists(name: &str, survey: &Survey, limits: &Limits) -> Vec<Finding> {
    let list = |(title, figure): (&str, Figure)| {
        let mut sorted = survey.statements.clone();
        sort_by(&mut sorted, figure);
        let room = DETAIL / limits.top.max(1);
        let lines: Vec<String> = sorted.iter().take(limits.top).map(|one| line(one, survey, limits, room)).collect();
        Finding::ok(name, title).detail(lines.join("\n"))
    };
    if survey.statements.is_empty() { vec![] } else { LISTS.into_iter().map(list).collect() }
}

/// What is wrong with the statements.
pub(crate) fn all(survey: &Survey, memory: &Memory, limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    for statement in &survey.statements {
        findings.extend(regressed(statement, survey, memory, limits));
        if limits.matters(statement, survey) {
            findings.extend(slow(statement, survey, limits));
            findings.extend(busy(statement, survey, limits));
            findings.extend(spills(statement, survey, limits));
            findings.extend(without_index(statement, survey, limits));
        }
    }
    findings
}

/// What of the figures is not to be trusted.
pub(crate) fn caveats(survey: &Survey) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(evictions) = survey.evictions.filter(|evictions| *evictions >= EVICTIONS) {
        let detail = format!(
            "it made room {} times by dropping the statements that were called least: the rare ones are not seen",
            count(evictions)
        );
        let remedy = "alter system set pg_stat_statements.max = 20000; and restart the server; for MariaDB \
                      performance_schema_digests_size";
        findings.push(Finding::warning(survey.source, "it forgets statements").detail(detail).remedy(remedy));
    }
    if let Some(only) = &survey.only {
        findings.push(Finding::ok(survey.source, "not all statements are in it").detail(only.clone()));
    }
    findings
}

fn slow(statement: &Statement, survey: &Survey, limits: &Limits) -> Option<Finding> {
    if statement.figures.mean_ms() < limits.slow_ms {
        return None;
    }
    Some(about(statement, survey, limits, "slow on average").remedy(
        "look at its plan with values of the application's: explain (analyze, buffers) ...; index-usage names indexes \
         that are missing",
    ))
}

fn busy(statement: &Statement, survey: &Survey, limits: &Limits) -> Option<Finding> {
    let busy = survey.busy(statement.figures.total_ms).filter(|_| !statement.nested)?;
    if busy < limits.busy {
        return None;
    }
    let finding = about(statement, survey, limits, "it keeps sessions busy");
    Some(finding.remedy(format!(
        "{busy:.1} sessions are at work with it on average, all day: call it less often, or make it faster"
    )))
}

fn spills(statement: &Statement, survey: &Survey, limits: &Limits) -> Option<Finding> {
    let temporary = statement.figures.temporary? / statement.figures.calls.max(1);
    if temporary < limits.temporary {
        return None;
    }
    let remedy = format!(
        "each call writes {} to temporary files, for sorts or hashes that do not fit work_mem: an index in the order \
         that is asked for, fewer rows, or for its role alone: alter role ... set work_mem = ...",
        size(temporary)
    );
    Some(about(statement, survey, limits, "it spills to disk").remedy(remedy))
}

fn without_index(statement: &Statement, survey: &Survey, limits: &Limits) -> Option<Finding> {
    let Figures { calls, without_index, examined, .. } = statement.figures;
    let (without, examined) = (without_index?, examined? / calls.max(1));
    if without.saturating_mul(2) < calls || examined < EXAMINED {
        return None;
    }
    let remedy = format!("{} rows are looked at for each call: explain it, and give it an index", count(examined));
    Some(about(statement, survey, limits, "it uses no index").remedy(remedy))
}

/// Slower since the last run than it used to be, or new and costly.
fn regressed(statement: &Statement, survey: &Survey, memory: &Memory, limits: &Limits) -> Option<Finding> {
    if statement.nested || memory.is_empty() {
        return None;
    }
    let Some(past) = memory.of(&statement.id) else {
        let share = survey.share(statement.figures.total_ms);
        return (share >= NEW_SHARE).then(|| {
            let finding = Finding::ok(subject(statement), "new among the costliest");
            finding.detail(line(statement, survey, limits, DETAIL))
        });
    };
    let (calls, mean, usual) = slower(past, &statement.figures, limits)?;
    let detail = format!(
        "{} a call in {} since the last run, {} before\n{}",
        time(mean),
        counted(calls, "call"),
        time(usual),
        line(statement, survey, limits, DETAIL)
    );
    let remedy = "compare its plan with what it was: statistics (table-stats), an index that is gone, more rows, locks";
    Some(Finding::warning(subject(statement), "slower than it was").detail(detail).remedy(remedy))
}

/// Calls since the last run, how long one took, and how long it used to; none where it is no slower.
fn slower(past: &Past, now: &Figures, limits: &Limits) -> Option<(u64, f64, f64)> {
    let (calls, ms) = past.since(now);
    let usual = past.usual_ms()?;
    if calls < limits.min_calls.max(1) {
        return None;
    }
    let mean = ms / float(calls);
    let is_slower = mean >= usual * (1.0 + limits.regression_percent / 100.0);
    (is_slower && mean - usual >= limits.regression_floor_ms).then_some((calls, mean, usual))
}

fn about(statement: &Statement, survey: &Survey, limits: &Limits, title: &str) -> Finding {
    let mut detail = line(statement, survey, limits, DETAIL);
    if limits.text.is_some() && !statement.keys.is_empty() {
        detail += &format!("\nthe server calls it {}", statement.keys.join(", "));
    }
    Finding::warning(subject(statement), title).detail(detail)
}

fn subject(statement: &Statement) -> String {
    let inside = if statement.nested { " (in a function)" } else { "" };
    format!("statement {}{inside}", statement.id)
}

/// `3f9a2c1b4d5e: 12.5 ms a call, 4,300 calls, 53.8 s (34.2 %), ...: select ...`, of about `room` bytes.
fn line(statement: &Statement, survey: &Survey, limits: &Limits, room: usize) -> String {
    let figures = &statement.figures;
    let inside = if statement.nested { " in a function" } else { "" };
    let mut line = format!(
        "{}{inside}: {} a call (at most {}), {}, {} in all ({:.1} %), {:.0} rows a call",
        statement.id,
        time(figures.mean_ms()),
        time(figures.max_ms),
        counted(figures.calls, "call"),
        time(figures.total_ms),
        survey.share(figures.total_ms),
        float(figures.rows) / float(figures.calls.max(1)),
    );
    if let Some(examined) = figures.examined {
        line += &format!(" of {:.0} looked at", float(examined) / float(figures.calls.max(1)));
    }
    if let Some(read) = figures.read.filter(|read| *read > 0) {
        let all = float(read.saturating_add(figures.hit.unwrap_or(0)));
        line += &format!(", {} read ({:.0} % from memory)", size(read), 100.0 - float(read) * 100.0 / all);
        if let Some(io) = figures.io_ms.filter(|io| *io > 0.0) {
            line += &format!(" in {}", time(io));
        }
    }
    if let Some(temporary) = figures.temporary.filter(|temporary| *temporary > 0) {
        line += &format!(", {} to temporary files", size(temporary));
    }
    if let Some(tables) = figures.temporary_tables.filter(|tables| *tables > 0) {
        line += &format!(", {} on disk", counted(tables, "temporary table"));
    }
    if statement.variants > 1 {
        line += &format!(", {} variants", count(statement.variants));
    }
    let keys = if statement.keys.is_empty() { String::new() } else { format!(" [{}]", statement.keys.join(" ")) };
    match limits.text {
        Some(length) => {
            let left = room.saturating_sub(line.len() + 4).min(length);
            line + ": " + &cut(&statement.text, left)
        }
        None => line + &keys,
    }
}

/// A time for people.
pub(crate) fn time(ms: f64) -> String {
    match ms {
        0.0..10.0 => format!("{ms:.2} ms"),
        0.0..1_000.0 => format!("{ms:.0} ms"),
        _ => took(ms / 1000.0),
    }
}

/// The whole in one line.
pub(crate) fn summary(survey: &Survey, bad: usize) -> String {
    let age = survey.age.map(|age| format!(" in {}", span(age))).unwrap_or_default();
    let busy = survey.busy(survey.total_ms).map(|busy| format!(", {busy:.2} sessions at work")).unwrap_or_default();
    let verdict = if bad == 0 { "in order".to_owned() } else { counted(bad, "finding") };
    format!(
        "{} in {} took {}{age}{busy}: {verdict}",
        counted(survey.calls, "call"),
        counted(survey.statements.len(), "shape"),
        time(survey.total_ms)
    )
}

#[cfg(test)]
mod tests;
