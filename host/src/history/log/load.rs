//! What the log is made of, out of the database: the runs of its days and what belongs to them.

use std::collections::BTreeMap;

use jiff::Span;

use super::super::change::MANY;
use super::super::past::whole;
use super::super::recorded;
use super::super::rows::{FINDINGS, METRICS, NEXT_ACTIONS, NOTICES, Table};
use super::super::sql::{Row, Value, places};
use super::super::{Error, Filter, Issue, Listed, Reader, Run, Tick, calendar, with_none};
use super::{Changes, Part, Question, vital};
use crate::gate::Mode;
use crate::report::{Finding, Metric, NextAction};

/// Everything, by run.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// Those that began in that time, rehearsals left out, the oldest first.
    pub(super) runs: Vec<Run>,
    pub(super) findings: BTreeMap<String, Vec<Finding>>,
    /// Of each task's last run on a day.
    pub(super) metrics: BTreeMap<String, Vec<Metric>>,
    pub(super) next_actions: BTreeMap<String, Vec<NextAction>>,
    pub(super) notices: BTreeMap<String, Vec<String>>,
    /// What the template asks for, of all runs.
    pub(super) vitals: BTreeMap<String, Vec<Metric>>,
    pub(super) changes: BTreeMap<String, Vec<Changes>>,
    pub(super) issues: Vec<Issue>,
    /// Of all periods that the days are in.
    pub(super) ticks: Vec<Tick>,
    pub(super) listed: Vec<Listed>,
}

/// Runs read at once.
const PAGE: u32 = 5_000;

pub(super) async fn load(reader: &Reader, question: &Question<'_>) -> Result<Loaded, Error> {
    let since = calendar::begin(question.since, &question.zone);
    let until = calendar::begin(question.until.saturating_add(Span::new().days(1)), &question.zone);
    let filter =
        Filter { since: Some(since), until: Some(until), bundles: question.bundle.map(with_none), ..Filter::default() };
    let mut loaded = Loaded::default();
    let mut after = -1;
    loop {
        let page = reader.after(&filter, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.number;
        let wanted = |run: &Run| question.part.is_none_or(|part| part == Part::of(run.kind));
        loaded.runs.extend(page.into_iter().filter(|run| run.mode == Mode::Perform && wanted(run)));
    }
    let all: Vec<&str> = loaded.runs.iter().map(|run| run.id.as_str()).collect();
    let last: Vec<&str> = last_of_days(&loaded.runs, question).into_values().collect();
    let findings = of_runs(reader, &all, &FINDINGS, "severity <> 'ok'", recorded::finding).await?;
    let metrics = of_runs(reader, &last, &METRICS, ANY, recorded::metric).await?;
    let next_actions = of_runs(reader, &last, &NEXT_ACTIONS, ANY, recorded::next_action).await?;
    let notices = of_runs(reader, &last, &NOTICES, ANY, |row| row.get(0)).await?;
    let vitals = of_runs(reader, &all, &METRICS, vital::LIKELY, recorded::metric).await?;
    let changes = changes(reader, &all).await?;
    loaded = Loaded { findings, metrics, next_actions, notices, vitals, changes, ..loaded };
    loaded.issues = reader.issues(&filter).await?;
    // A tick for a period may be of a day before these, or after.
    let wide = Filter { since: None, until: None, ..filter };
    loaded.ticks = reader.ticks(&wide).await?;
    loaded.listed = reader.listed(question.bundle).await?;
    Ok(loaded)
}

/// Of each task on each day the last run.
fn last_of_days<'a>(runs: &'a [Run], question: &Question<'_>) -> BTreeMap<(String, Part, &'a str), &'a str> {
    let key = |run: &'a Run| {
        let day = calendar::day(run.started, &question.zone).to_string();
        ((day, Part::of(run.kind), run.task.as_str()), run.id.as_str())
    };
    runs.iter().map(key).collect()
}

const ANY: &str = "1 = 1";

/// Rows of a table that belong to these runs.
async fn of_runs<T>(
    reader: &Reader,
    runs: &[&str],
    table: &Table,
    condition: &str,
    read: impl Fn(&Row) -> Result<T, sqlx::Error>,
) -> Result<BTreeMap<String, Vec<T>>, Error> {
    let mut all: BTreeMap<String, Vec<T>> = BTreeMap::new();
    let width = table.columns.len();
    for some in runs.chunks(MANY) {
        let statement = format!(
            "SELECT {}, run FROM {} WHERE run IN ({}) AND ({condition}) ORDER BY run, position",
            table.names(),
            table.name,
            places(1, some.len())
        );
        let values: Vec<Value<'_>> = some.iter().map(|run| Value::from(*run)).collect();
        for (run, value) in reader.list(statement, &values, |row| Ok((row.get(width)?, read(row)?))).await? {
            all.entry(run).or_default().push(value);
        }
    }
    Ok(all)
}

/// What these runs changed, by run.
async fn changes(reader: &Reader, runs: &[&str]) -> Result<BTreeMap<String, Vec<Changes>>, Error> {
    let mut all: BTreeMap<String, Vec<Changes>> = BTreeMap::new();
    for some in runs.chunks(MANY) {
        let statement = format!(
            "SELECT e.run, r.task, e.capability, e.slot, e.operation, count(*), \
             coalesce(sum(CAST(e.affected_rows AS DOUBLE PRECISION)), 0.0), \
             coalesce(sum(CAST(e.affected_bytes AS DOUBLE PRECISION)), 0.0) FROM effects e JOIN runs r ON r.id = e.run \
             WHERE e.run IN ({}) AND e.impact <> 'observe' AND e.decision = 'perform' AND e.outcome = 'done' \
             GROUP BY e.run, r.task, e.capability, e.slot, e.operation ORDER BY min(e.position)",
            places(1, some.len())
        );
        let changes = |row: &Row| {
            let changes = Changes {
                task: row.get(1)?,
                capability: row.get(2)?,
                slot: row.get(3)?,
                operation: row.get(4)?,
                effects: row.count(5)?,
                rows: whole(row.get(6)?),
                bytes: whole(row.get(7)?),
            };
            Ok((row.get(0)?, changes))
        };
        let values: Vec<Value<'_>> = some.iter().map(|run| Value::from(*run)).collect();
        for (run, changes) in reader.list(statement, &values, changes).await? {
            all.entry(run).or_default().push(changes);
        }
    }
    Ok(all)
}
