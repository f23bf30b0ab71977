//! What can be asked of a history over a span of time: series of measurements, findings through time, what was changed,
//! what is to be done next, and what people ticked.

use jiff::Timestamp;
use serde::Serialize;

use super::checklist::{self, Tick};
use super::error::Error;
use super::reader::{Conditions, Filter, Reader};
use super::recorded::bounds;
use super::sql::{Row, values};
use super::words::{nanos, of_word, time};
use crate::bundle::Kind;
use crate::report::{Bounds, Severity, Unit};

/// The most rows of one answer; one more says that there were more.
pub const MOST: u32 = 10_000;
/// What is asked for, to tell.
const ROWS: u32 = MOST + 1;

/// A metric of a task through time.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "wit/history.wit says it")]
pub struct Series {
    pub task: String,
    pub metric: String,
    pub subject: Option<String>,
    pub samples: u64,
    pub first: Timestamp,
    pub last: Timestamp,
    /// The newest.
    pub value: f64,
    pub unit: Unit,
    pub warn: Option<Bounds>,
    pub crit: Option<Bounds>,
}

/// A finding through time.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "wit/history.wit says it")]
pub struct Issue {
    pub bundle: Option<String>,
    pub task: String,
    pub severity: Severity,
    pub subject: String,
    pub title: String,
    pub detail: String,
    pub remedy: Option<String>,
    pub first_seen: Timestamp,
    pub first_run: String,
    pub last_seen: Timestamp,
    pub last_run: String,
    pub runs: u64,
    pub resolved: Option<Timestamp>,
    pub resolved_run: Option<String>,
}

/// What a task did to the world, added up.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "wit/history.wit says it")]
pub struct Changes {
    pub task: String,
    pub capability: String,
    pub slot: String,
    pub operation: String,
    pub effects: u64,
    pub rows: u64,
    pub bytes: u64,
    pub runs: u64,
}

/// What the last run of a task left for people.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "wit/history.wit says it")]
pub struct Next {
    pub task: String,
    pub action: String,
    pub subject: Option<String>,
    pub at: Timestamp,
}

/// A checklist entry that a bundle had, and while it had it.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "their names say it")]
pub struct Listed {
    pub bundle: String,
    pub title: String,
    pub kind: Kind,
    pub detail: Option<String>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
}

impl Reader {
    /// The series with samples in that time, by task, metric and subject.
    pub async fn series(&self, filter: &Filter) -> Result<Vec<Series>, Error> {
        let conditions = filter.conditions("r", vec![]);
        // The values are of each one's newest run.
        let statement = format!(
            "WITH g AS (SELECT r.task AS task, m.name AS name, m.subject AS subject, count(*) AS samples, \
             min(r.finished) AS oldest, max(r.number) AS newest FROM metrics m JOIN runs r ON r.id = m.run \
             WHERE {} GROUP BY r.task, m.name, m.subject) \
             SELECT g.task, g.name, g.subject, g.samples, g.oldest, r.finished, m.value, m.unit, m.warn_low, m.warn_high, \
             m.crit_low, m.crit_high FROM g JOIN runs r ON r.number = g.newest JOIN metrics m ON m.run = r.id \
             AND m.name = g.name AND (m.subject = g.subject OR (m.subject IS NULL AND g.subject IS NULL)) \
             ORDER BY r.number DESC, m.position LIMIT {ROWS}",
            conditions.text()
        );
        let series = |row: &Row| {
            Ok(Series {
                task: row.get(0)?,
                metric: row.get(1)?,
                subject: row.get(2)?,
                samples: row.count(3)?,
                first: time(row.get(4)?),
                last: time(row.get(5)?),
                value: row.get(6)?,
                unit: row.text(7)?.and_then(of_word).unwrap_or(Unit::None),
                warn: bounds(row, 8)?,
                crit: bounds(row, 10)?,
            })
        };
        let mut all = self.list(statement, &conditions.values, series).await?;
        let key = |series: &Series| (series.task.clone(), series.metric.clone(), series.subject.clone());
        // One that a run measured twice is there twice; its last word counts.
        all.reverse();
        all.sort_by_key(key);
        all.dedup_by_key(|series| key(series));
        Ok(all)
    }

    /// The newest samples of a metric, the oldest first.
    pub async fn samples(
        &self,
        filter: &Filter,
        metric: &str,
        subject: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(Timestamp, f64)>, Error> {
        let mut conditions = filter.conditions("r", vec![]);
        conditions.add("m.name = ?", metric);
        match subject {
            Some(subject) => conditions.add("m.subject = ?", subject),
            None => conditions.plain("m.subject IS NULL"),
        }
        let statement = format!(
            "SELECT r.finished, m.value FROM runs r JOIN metrics m ON m.run = r.id WHERE {} \
             ORDER BY r.number DESC, m.position DESC LIMIT {}",
            conditions.text(),
            limit.min(MOST)
        );
        let mut samples = self.list(statement, &conditions.values, |row| Ok((time(row.get(0)?), row.get(1)?))).await?;
        samples.reverse();
        Ok(samples)
    }

    /// The findings that stood at some time in it, those that were resolved in it included; the newest first.
    pub async fn issues(&self, filter: &Filter) -> Result<Vec<Issue>, Error> {
        let mut conditions = Conditions::new(vec![]);
        if let Some(since) = filter.since {
            conditions.add("(i.resolved IS NULL OR i.resolved >= ?)", nanos(since));
        }
        if let Some(until) = filter.until {
            conditions.add("i.first_seen < ?", nanos(until));
        }
        filter.whose("i", &mut conditions);
        let statement = format!(
            "SELECT {ISSUE} FROM issues i WHERE {} ORDER BY first_seen DESC, id DESC LIMIT {ROWS}",
            conditions.text()
        );
        self.list(statement, &conditions.values, issue).await
    }

    /// What tasks did to the world, added up by operation.
    pub async fn changes(&self, filter: &Filter) -> Result<Vec<Changes>, Error> {
        let conditions = filter.conditions("r", vec![]);
        // As floating point, in which a sum cannot overflow.
        let statement = format!(
            "SELECT r.task, e.capability, e.slot, e.operation, count(*), \
             coalesce(sum(CAST(e.affected_rows AS DOUBLE PRECISION)), 0.0), \
             coalesce(sum(CAST(e.affected_bytes AS DOUBLE PRECISION)), 0.0), count(DISTINCT r.id) \
             FROM effects e JOIN runs r ON r.id = e.run WHERE {} AND e.impact <> 'observe' AND e.decision = 'perform' \
             AND e.outcome = 'done' GROUP BY r.task, e.capability, e.slot, e.operation LIMIT {ROWS}",
            conditions.text()
        );
        let changes = |row: &Row| {
            Ok(Changes {
                task: row.get(0)?,
                capability: row.get(1)?,
                slot: row.get(2)?,
                operation: row.get(3)?,
                effects: row.count(4)?,
                rows: whole(row.get(5)?),
                bytes: whole(row.get(6)?),
                runs: row.count(7)?,
            })
        };
        let mut all = self.list(statement, &conditions.values, changes).await?;
        all.sort_by(|one, other| {
            let key = |changes: &Changes| {
                (changes.task.clone(), changes.capability.clone(), changes.slot.clone(), changes.operation.clone())
            };
            key(one).cmp(&key(other))
        });
        Ok(all)
    }

    /// What each task's last run in that time left to do.
    pub async fn next_actions(&self, filter: &Filter) -> Result<Vec<Next>, Error> {
        let conditions = filter.conditions("r", vec![]);
        let statement = format!(
            "SELECT r.task, n.action, n.subject, r.finished FROM (SELECT max(r.number) AS number FROM runs r WHERE {} \
             GROUP BY r.bundle, r.task) newest JOIN runs r ON r.number = newest.number \
             JOIN next_actions n ON n.run = r.id ORDER BY r.number, n.position LIMIT {ROWS}",
            conditions.text()
        );
        let next = |row: &Row| {
            Ok(Next { task: row.get(0)?, action: row.get(1)?, subject: row.get(2)?, at: time(row.get(3)?) })
        };
        self.list(statement, &conditions.values, next).await
    }

    /// What people ticked in that time, and did not take back.
    pub async fn ticks(&self, filter: &Filter) -> Result<Vec<Tick>, Error> {
        let mut conditions = Conditions::new(vec![]);
        conditions.plain("t.undone IS NULL");
        if let Some(since) = filter.since {
            conditions.add("t.ticked >= ?", nanos(since));
        }
        if let Some(until) = filter.until {
            conditions.add("t.ticked < ?", nanos(until));
        }
        if let Some(bundles) = &filter.bundles {
            conditions.among("t.bundle", bundles);
        }
        let statement = format!(
            "SELECT {} FROM ticks t WHERE {} ORDER BY ticked, id LIMIT {ROWS}",
            checklist::COLUMNS,
            conditions.text()
        );
        self.list(statement, &conditions.values, Tick::read).await
    }

    /// What is ticked for a period of a bundle's calendar.
    pub async fn ticked(&self, bundle: &str, periods: &[String]) -> Result<Vec<Tick>, Error> {
        let mut conditions = Conditions::new(values![bundle].into());
        conditions.among("period", periods);
        let statement = format!(
            "SELECT {} FROM ticks WHERE bundle = $1 AND undone IS NULL AND {} ORDER BY ticked, id",
            checklist::COLUMNS,
            conditions.text()
        );
        self.list(statement, &conditions.values, Tick::read).await
    }

    /// What bundles had people do.
    pub async fn listed(&self, bundle: Option<&str>) -> Result<Vec<Listed>, Error> {
        let mut conditions = Conditions::new(vec![]);
        if let Some(bundle) = bundle {
            conditions.add("bundle = ?", bundle);
        }
        let statement = format!(
            "SELECT bundle, title, kind, detail, first_seen, last_seen FROM checklist WHERE {} \
             ORDER BY first_seen, bundle, title",
            conditions.text()
        );
        let listed = |row: &Row| {
            Ok(Listed {
                bundle: row.get(0)?,
                title: row.get(1)?,
                kind: row.text(2)?.and_then(of_word).unwrap_or(Kind::Daily),
                detail: row.get(3)?,
                first_seen: time(row.get(4)?),
                last_seen: time(row.get(5)?),
            })
        };
        self.list(statement, &conditions.values, listed).await
    }
}

/// The columns of an issue, in the order in which [`issue`] takes them.
pub(super) const ISSUE: &str = "bundle, task, severity, subject, title, detail, remedy, first_seen, first_run, \
                                last_seen, last_run, runs, resolved, resolved_run";

pub(super) fn issue(row: &Row) -> Result<Issue, sqlx::Error> {
    Ok(Issue {
        bundle: row.text(0)?.filter(|bundle| !bundle.is_empty()).map(String::from),
        task: row.get(1)?,
        severity: row.text(2)?.and_then(of_word).unwrap_or(Severity::Warning),
        subject: row.get(3)?,
        title: row.get(4)?,
        detail: row.get(5)?,
        remedy: row.get(6)?,
        first_seen: time(row.get(7)?),
        first_run: row.get(8)?,
        last_seen: time(row.get(9)?),
        last_run: row.get(10)?,
        runs: row.count(11)?,
        resolved: row.get::<Option<i64>>(12)?.map(time),
        resolved_run: row.get(13)?,
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
pub(super) fn whole(number: f64) -> u64 {
    number as u64
}
