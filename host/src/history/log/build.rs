//! From what was read to entries. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;

use super::super::calendar::{self, Period};
use super::super::{self as history, Listed, Run, Tick};
use super::load::Loaded;
use super::vital::{Sample, Which, choose};
use super::{Changes, Entry, ForPeople, Issue, Log, Metrics, Next, Part, Question, Task, TaskMetrics, Totals};
use crate::bundle::Kind;
use crate::report::{Finding, Outcome, Severity};

/// Days of the calendar that are looked through for what people should have done.
const MOST_PERIODS: usize = 1_000;

/// Makes the log.
pub(super) fn build(question: &Question<'_>, loaded: &Loaded) -> Log {
    let mut days: BTreeMap<(Date, Part), Vec<&Run>> = BTreeMap::new();
    for run in &loaded.runs {
        let day = calendar::day(run.started, &question.zone);
        days.entry((day, Part::of(run.kind))).or_default().push(run);
    }
    let mut people = people(question, loaded, &days);
    let dates: BTreeSet<(Date, Part)> = days.keys().chain(people.keys()).copied().collect();
    let entries: Vec<Entry> = dates
        .into_iter()
        .rev()
        .map(|(date, part)| {
            let runs = days.get(&(date, part)).map(Vec::as_slice).unwrap_or_default();
            entry(question, loaded, (date, part), runs, people.remove(&(date, part)).unwrap_or_default())
        })
        .collect();
    let open = open(question, loaded);
    Log {
        bundle: question.bundle.map(Into::into),
        since: question.since,
        until: question.until,
        time_zone: question.zone.iana_name().unwrap_or("UTC").into(),
        written: question.now,
        totals: totals(question, loaded, &entries, &open),
        open,
        entries,
        zone: question.zone.clone(),
    }
}

fn totals(question: &Question<'_>, loaded: &Loaded, entries: &[Entry], open: &[Issue]) -> Totals {
    let of = |code: u8| {
        let ended = loaded.runs.iter().filter_map(|run| run.outcome);
        ended.filter(|outcome| outcome.exit_code() == code).count() as u64
    };
    let end = end(question);
    Totals {
        runs: loaded.runs.len() as u64,
        ok: of(0),
        warning: of(1),
        critical: of(2),
        unknown: of(3),
        open: open.len() as u64,
        resolved: of_part(question, loaded)
            .filter(|issue| issue.resolved.is_some_and(|resolved| resolved < end))
            .count() as u64,
        changes: entries.iter().flat_map(|entry| &entry.changes).map(|changes| changes.effects).sum(),
    }
}

/// When the log's last day is over.
fn end(question: &Question<'_>) -> Timestamp {
    calendar::begin(question.until.tomorrow().unwrap_or(question.until), &question.zone)
}

/// The issues of the tasks that are asked for.
fn of_part<'a>(question: &Question<'_>, loaded: &'a Loaded) -> impl Iterator<Item = &'a history::Issue> {
    let any = question.part.is_none();
    loaded.issues.iter().filter(move |issue| any || loaded.runs.iter().any(|run| run.task == issue.task))
}

/// What stood when the last day was over.
fn open(question: &Question<'_>, loaded: &Loaded) -> Vec<Issue> {
    let end = end(question);
    let stands = |issue: &&history::Issue| issue.resolved.is_none_or(|resolved| resolved >= end);
    let mut open: Vec<Issue> = of_part(question, loaded).filter(stands).map(|issue| through(issue, true)).collect();
    open.sort_by_key(rank);
    open
}

/// An issue as it was last seen.
fn through(issue: &history::Issue, found: bool) -> Issue {
    Issue {
        task: issue.task.clone(),
        severity: issue.severity,
        subject: issue.subject.clone(),
        title: issue.title.clone(),
        detail: issue.detail.clone(),
        remedy: issue.remedy.clone().filter(|_| found),
        found,
        first_seen: issue.first_seen,
        resolved: issue.resolved,
        resolved_run: issue.resolved_run.clone(),
        open_seconds: open_seconds(issue),
    }
}

/// What was found before what was not any more, the worst first.
fn rank(issue: &Issue) -> impl Ord + use<> {
    let severity = match issue.severity {
        Severity::Critical => 0,
        Severity::Warning => 1,
        Severity::Ok => 2,
    };
    (!issue.found, severity, issue.task.clone(), issue.subject.clone(), issue.title.clone())
}

fn entry(
    question: &Question<'_>,
    loaded: &Loaded,
    (date, part): (Date, Part),
    runs: &[&Run],
    checklist: Vec<ForPeople>,
) -> Entry {
    let mut operators: Vec<String> = runs.iter().map(|run| run.operator.clone()).collect();
    operators.sort();
    operators.dedup();
    let ticked = checklist.iter().filter_map(|entry| entry.by.clone());
    let maintainer = match question.maintainer {
        Some(maintainer) => maintainer.into(),
        None if operators.is_empty() => ticked.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", "),
        None => operators.join(", "),
    };
    let mut order: Vec<&str> = Vec::new();
    for run in runs {
        if !order.contains(&run.task.as_str()) {
            order.push(&run.task);
        }
    }
    let of_task = |task: &str| runs.iter().copied().filter(|run| run.task == task).collect::<Vec<_>>();
    let last = |task: &&str| of_task(task).last().copied();
    let tasks: Vec<Task> = order.iter().filter_map(|name| task(&of_task(name))).collect();
    let mut next_actions = Vec::new();
    let mut measured = Vec::new();
    let mut changes: Vec<Changes> = Vec::new();
    for run in order.iter().filter_map(last) {
        let next = loaded.next_actions.get(&run.id).into_iter().flatten();
        next_actions.extend(next.map(|next| Next {
            task: run.task.clone(),
            action: next.action.clone(),
            subject: next.subject.clone(),
        }));
        if let Some(metrics) = loaded.metrics.get(&run.id) {
            measured.push(TaskMetrics { task: run.task.clone(), metrics: metrics.clone() });
        }
    }
    for one in runs.iter().filter_map(|run| loaded.changes.get(&run.id)).flatten() {
        let same = |other: &&mut Changes| {
            (&other.task, &other.capability, &other.slot, &other.operation)
                == (&one.task, &one.capability, &one.slot, &one.operation)
        };
        match changes.iter_mut().find(same) {
            Some(sum) => {
                sum.effects += one.effects;
                sum.rows = sum.rows.saturating_add(one.rows);
                sum.bytes = sum.bytes.saturating_add(one.bytes);
            }
            None => changes.push(one.clone()),
        }
    }
    Entry {
        date,
        part,
        maintainer,
        checklist,
        issues: issues(loaded, runs),
        metrics: metrics(loaded, runs, measured),
        next_actions,
        changes,
        notes: notes(loaded, &tasks, runs),
        tasks,
        operators,
    }
}

/// A task, from its runs of one day.
fn task(runs: &[&Run]) -> Option<Task> {
    let last = runs.last()?;
    let ended = |run: &Run| run.outcome.is_some_and(|outcome| outcome.exit_code() < 3);
    Some(Task {
        task: last.task.clone(),
        plugin: last.plugin.as_ref().map(|plugin| format!("{} {}", plugin.name, plugin.version)),
        done: ended(last),
        outcome: last.outcome,
        summary: last.said().into(),
        runs: runs.len() as u64,
        broken: runs.iter().filter(|run| run.outcome.is_some() && !ended(run)).count() as u64,
        run: last.id.clone(),
        started: last.started,
        duration_us: last.duration_us,
    })
}

/// What the runs of a day found, and what they no longer did.
fn issues(loaded: &Loaded, runs: &[&Run]) -> Vec<Issue> {
    let mut found: BTreeMap<(&str, &str, &str), (&Run, &Finding)> = BTreeMap::new();
    for run in runs {
        for finding in loaded.findings.get(&run.id).into_iter().flatten() {
            // As it was last seen on that day.
            found.insert((&run.task, &finding.subject, &finding.title), (run, finding));
        }
    }
    let mut issues: Vec<Issue> = found
        .into_values()
        .map(|(run, finding)| {
            let through = loaded.issues.iter().find(|issue| stands(issue, run, finding));
            Issue {
                task: run.task.clone(),
                severity: finding.severity,
                subject: finding.subject.clone(),
                title: finding.title.clone(),
                detail: finding.detail.clone(),
                remedy: finding.remedy.clone(),
                found: true,
                first_seen: through.map_or(run.started, |issue| issue.first_seen),
                resolved: through.and_then(|issue| issue.resolved),
                resolved_run: through.and_then(|issue| issue.resolved_run.clone()),
                open_seconds: through.and_then(open_seconds),
            }
        })
        .collect();
    let ids: BTreeSet<&str> = runs.iter().map(|run| run.id.as_str()).collect();
    for issue in &loaded.issues {
        let here = issue.resolved_run.as_deref().is_some_and(|run| ids.contains(run));
        let listed = issues.iter().any(|found| {
            (&found.task, &found.subject, &found.title) == (&issue.task, &issue.subject, &issue.title)
                && found.resolved == issue.resolved
        });
        if here && !listed {
            issues.push(through(issue, false));
        }
    }
    issues.sort_by_key(rank);
    issues
}

/// Whether a finding of a run is that issue as it stood then.
fn stands(issue: &history::Issue, run: &Run, finding: &Finding) -> bool {
    let seen = run.finished.unwrap_or(run.started);
    issue.task == run.task
        && issue.bundle == run.bundle
        && issue.subject == finding.subject
        && issue.title == finding.title
        && issue.first_seen <= seen
        && seen <= issue.last_seen
}

fn open_seconds(issue: &history::Issue) -> Option<i64> {
    Some(issue.resolved?.duration_since(issue.first_seen).as_secs())
}

fn metrics(loaded: &Loaded, runs: &[&Run], tasks: Vec<TaskMetrics>) -> Metrics {
    let samples: Vec<Sample<'_>> = runs
        .iter()
        .flat_map(|run| {
            let metrics = loaded.vitals.get(&run.id).into_iter().flatten();
            metrics.map(|metric| Sample { task: &run.task, metric })
        })
        .collect();
    Metrics {
        cpu: choose(Which::Cpu, &samples),
        memory: choose(Which::Memory, &samples),
        disk: choose(Which::Disk, &samples),
        response_time: choose(Which::ResponseTime, &samples),
        tasks,
    }
}

/// What else there is to say: runs that broke, that still run, and what the host had to say of the last ones.
fn notes(loaded: &Loaded, tasks: &[Task], runs: &[&Run]) -> Vec<String> {
    let mut notes = Vec::new();
    for Task { task: name, runs: count, broken, .. } in tasks {
        let of_task = || runs.iter().filter(|run| run.task == *name);
        if of_task().any(|run| run.outcome.is_none()) {
            notes.push(format!("{name} still runs."));
        }
        for run in of_task().filter(|run| run.outcome == Some(Outcome::Interrupted)) {
            notes.push(format!("{name} was interrupted: {}.", run.said()));
        }
        if *broken > 0 && *count > 1 {
            notes.push(format!("{name} ran {count} times, of which {broken} did not come to an end."));
        }
    }
    let mut said: BTreeSet<(&str, &str)> = BTreeSet::new();
    for run in runs {
        for notice in loaded.notices.get(&run.id).into_iter().flatten() {
            if said.insert((&run.task, notice)) {
                notes.push(format!("{}: {notice}", run.task));
            }
        }
    }
    notes
}

/// What people do, on the day on which it was ticked; what was not, on the last day of its period that has an entry, or
/// on which it is due.
fn people(
    question: &Question<'_>,
    loaded: &Loaded,
    days: &BTreeMap<(Date, Part), Vec<&Run>>,
) -> BTreeMap<(Date, Part), Vec<ForPeople>> {
    let mut people: BTreeMap<(Date, Part), Vec<ForPeople>> = BTreeMap::new();
    let today = calendar::day(question.now, &question.zone);
    let mut ticked: BTreeSet<(&str, &str, &str)> = BTreeSet::new();
    for tick in &loaded.ticks {
        ticked.insert((&tick.title, tick.kind.name(), &tick.period));
        let (day, part) = (calendar::day(tick.at, &question.zone), Part::of(Some(tick.kind)));
        let wanted = question.part.is_none_or(|wanted| wanted == part);
        if wanted && (question.since..=question.until).contains(&day) {
            people.entry((day, part)).or_default().push(done(tick, day));
        }
    }
    for Due { title, kind, first, last } in due(question, &loaded.listed) {
        let part = Part::of(Some(kind));
        if question.part.is_some_and(|wanted| wanted != part) {
            continue;
        }
        let end = last.min(question.until).min(today);
        let mut period = Period::of(kind, first.max(question.since));
        for _ in 0..MOST_PERIODS {
            if period.first > end {
                break;
            }
            let (from, to) = (period.first.max(question.since), period.last().min(end));
            if !ticked.contains(&(title.as_str(), kind.name(), period.name.as_str())) && from <= to {
                let entry = days.range((from, Part::Daily)..=(to, Part::OnDemand)).rev();
                let entry = entry.map(|(key, _)| *key).find(|(_, of)| *of == part);
                let open = ForPeople {
                    title: title.clone(),
                    period: period.name.clone(),
                    done: false,
                    by: None,
                    at: None,
                    note: None,
                    due: period.last(),
                };
                people.entry(entry.unwrap_or((to, part))).or_default().push(open);
            }
            period = period.following(kind);
        }
    }
    people
}

fn done(tick: &Tick, day: Date) -> ForPeople {
    ForPeople {
        title: tick.title.clone(),
        period: tick.period.clone(),
        done: true,
        by: Some(tick.by.clone()),
        at: Some(tick.at),
        note: tick.note.clone(),
        due: Period::of(tick.kind, day).last(),
    }
}

/// What people had to do, from one day to another.
struct Due {
    title: String,
    kind: Kind,
    first: Date,
    last: Date,
}

/// By what the bundle says now, and by what it said when its runs were recorded.
fn due(question: &Question<'_>, listed: &[Listed]) -> Vec<Due> {
    let day = |time| calendar::day(time, &question.zone);
    let mut due: Vec<Due> = listed
        .iter()
        .map(|entry| Due {
            title: entry.title.clone(),
            kind: entry.kind,
            first: day(entry.first_seen),
            last: day(entry.last_seen),
        })
        .collect();
    for entry in question.checklist {
        let title = super::super::checklist::title(&entry.title);
        match due.iter_mut().find(|due| due.title == title && due.kind == entry.kind) {
            Some(due) => due.last = Date::MAX,
            // It was not there when the newest run was recorded, and is from now on.
            None => due.push(Due { title, kind: entry.kind, first: day(question.now), last: Date::MAX }),
        }
    }
    due
}
