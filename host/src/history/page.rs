//! What the page and the API ask of a history: always of one bundle, always a piece, and each question answered by an index
//! however long the history is.

use jiff::Timestamp;

use super::error::Error;
use super::past::{ISSUE, issue};
use super::reader::{Conditions, RUN, run};
use super::recorded::metric;
use super::rows::METRICS;
use super::sql::{Value, places, values};
use super::words::{nanos, of_word, time, word};
use super::{Issue, MOST, Next, RUNNING, Reader, Run};
use crate::gate::Mode;
use crate::report::{Metric, Outcome};

/// How many things one statement may name.
const MANY: usize = 100;

/// A piece of a bundle's runs, the newest first.
#[derive(Clone, Debug, Default)]
pub struct Page<'a> {
    /// Of which bundle.
    pub bundle: &'a str,
    /// Of that task alone.
    pub task: Option<&'a str>,
    /// Those that ended so.
    pub outcome: Option<Outcome>,
    /// Those that go on. Not together with an outcome.
    pub running: bool,
    /// Only runs, or only rehearsals.
    pub mode: Option<Mode>,
    /// Those that began before the one with that number.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// A measurement of a run.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When the run ended.
    pub at: Timestamp,
    /// What was measured.
    pub metric: Metric,
}

/// How many runs of a task ended so within a span of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The task.
    pub task: String,
    /// The place of the span among those that were asked for.
    pub span: usize,
    /// None of those that go on.
    pub outcome: Option<Outcome>,
    /// How many.
    pub runs: u64,
}

impl Reader {
    /// What became of the runs of these tasks that began in each of these spans of time, rehearsals left out.
    ///
    /// # Errors
    /// A history that cannot be read.
    pub async fn tally(
        &self,
        bundle: &str,
        tasks: &[String],
        spans: &[(Timestamp, Timestamp)],
    ) -> Result<Vec<Tally>, Error> {
        let mut tallies = Vec::new();
        if spans.is_empty() {
            return Ok(tallies);
        }
        let of_spans = (0..spans.len()).map(|place| {
            let number = 2 * place + 2;
            let until = number + 1;
            format!(
                "SELECT CAST({place} AS BIGINT) AS place, CAST(${number} AS BIGINT) AS since, \
                 CAST(${until} AS BIGINT) AS until"
            )
        });
        let of_spans = of_spans.collect::<Vec<_>>().join(" UNION ALL ");
        for some in tasks.chunks(MANY) {
            let statement = format!(
                "SELECT r.task, s.place, r.outcome, count(*) FROM ({of_spans}) s JOIN runs r \
                 ON r.started >= s.since AND r.started < s.until \
                 WHERE r.bundle = $1 AND r.mode = 'perform' AND r.task IN ({}) GROUP BY r.task, s.place, r.outcome",
                places(2 * spans.len() + 2, some.len())
            );
            let mut values: Vec<Value<'_>> = values![bundle].into();
            values.extend(spans.iter().flat_map(|(since, until)| [*since, *until]).map(|time| nanos(time).into()));
            values.extend(some.iter().map(Value::from));
            let tally = |row: &super::sql::Row| {
                let span = usize::try_from(row.count(1)?).unwrap_or_default();
                Ok(Tally { task: row.get(0)?, span, outcome: row.text(2)?.and_then(of_word), runs: row.count(3)? })
            };
            tallies.extend(self.list(statement, &values, tally).await?);
        }
        Ok(tallies)
    }

    /// A piece of the runs.
    ///
    /// # Errors
    /// A history that cannot be read.
    pub async fn page(&self, page: &Page<'_>) -> Result<Vec<Run>, Error> {
        let mut conditions = Conditions::new(vec![]);
        conditions.add("bundle = ?", page.bundle);
        if let Some(task) = page.task {
            conditions.add("task = ?", task);
        }
        if page.running {
            conditions.add("outcome = ?", RUNNING);
        } else if let Some(outcome) = page.outcome {
            conditions.add("outcome = ?", word(outcome));
        }
        // Spelled out, so that the index of rehearsals is known to serve.
        match page.mode {
            Some(Mode::Rehearse) => conditions.plain("mode = 'rehearse'"),
            Some(Mode::Perform) => conditions.plain("mode = 'perform'"),
            None => {}
        }
        if let Some(before) = page.before {
            conditions.add("number < ?", before);
        }
        let statement = format!(
            "SELECT {RUN} FROM runs WHERE {} ORDER BY number DESC LIMIT {}",
            conditions.text(),
            page.limit.min(MOST)
        );
        self.completed(self.list(statement, &conditions.values, run).await?).await
    }

    /// When the last run began that has so many newer ones; none when no run has.
    ///
    /// # Errors
    /// A history that cannot be read.
    pub async fn since(&self, bundle: &str, runs: u32) -> Result<Option<Timestamp>, Error> {
        let statement =
            format!("SELECT started FROM runs WHERE bundle = $1 ORDER BY number DESC LIMIT 1 OFFSET {runs}");
        let started = self.list(statement, &values![bundle], |row| Ok(time(row.get(0)?))).await?;
        Ok(started.into_iter().next())
    }

    /// The newest run of each of these tasks, rehearsals left out.
    ///
    /// # Errors
    /// A history that cannot be read.
    pub async fn newest_of(&self, bundle: &str, tasks: &[String]) -> Result<Vec<Run>, Error> {
        let mut newest = Vec::new();
        for some in tasks.chunks(MANY) {
            let of_one = (0..some.len()).map(|place| {
                format!(
                    "(SELECT id FROM runs WHERE bundle = $1 AND task = ${} AND mode = 'perform' \
                     ORDER BY number DESC LIMIT 1)",
                    place + 2
                )
            });
            let of_one: Vec<String> = of_one.collect();
            let statement = format!("SELECT {RUN} FROM runs WHERE id IN ({})", of_one.join(", "));
            let mut values: Vec<Value<'_>> = values![bundle].into();
            values.extend(some.iter().map(Value::from));
            newest.extend(self.list(statement, &values, run).await?);
        }
        self.completed(newest).await
    }

    /// What is found and not yet gone, the worst first.
    ///
    /// # Errors
    /// A history that cannot be read.
    pub async fn open_issues(&self, bundle: &str, task: Option<&str>, limit: u32) -> Result<Vec<Issue>, Error> {
        let mut conditions = Conditions::new(vec![]);
        conditions.add("bundle = ?", bundle);
        conditions.plain("resolved IS NULL");
        if let Some(task) = task {
            conditions.add("task = ?", task);
        }
        // `critical` comes before `warning` in the alphabet too.
        let statement = format!(
            "SELECT {ISSUE} FROM issues WHERE {} ORDER BY severity, first_seen DESC, id LIMIT {limit}",
            conditions.text()
        );
        self.list(statement, &conditions.values, issue).await
    }

    /// What these runs left for people to do.
    ///
    /// # Errors
    /// A history that cannot be read.
    pub async fn left_by(&self, runs: &[String]) -> Result<Vec<Next>, Error> {
        let mut left = Vec::new();
        for some in runs.chunks(MANY) {
            let statement = format!(
                "SELECT r.task, n.action, n.subject, r.started FROM next_actions n JOIN runs r ON r.id = n.run \
                 WHERE n.run IN ({}) ORDER BY r.number DESC, n.position LIMIT {MOST}",
                places(1, some.len())
            );
            let values: Vec<Value<'_>> = some.iter().map(Value::from).collect();
            let next = self.list(statement, &values, |row| {
                Ok(Next { task: row.get(0)?, action: row.get(1)?, subject: row.get(2)?, at: time(row.get(3)?) })
            });
            left.extend(next.await?);
        }
        Ok(left)
    }

    /// What the newest runs of a task measured, the oldest run first; rehearsals left out.
    ///
    /// # Errors
    /// A history that cannot be read.
    pub async fn trend(&self, bundle: &str, task: &str, runs: u32) -> Result<Vec<Sample>, Error> {
        let columns: Vec<String> = METRICS.columns.iter().map(|(name, _)| format!("m.{name}")).collect();
        let statement = format!(
            "SELECT {}, r.started FROM (SELECT id, number, started FROM runs WHERE bundle = $1 AND task = $2 \
             AND mode = 'perform' ORDER BY number DESC LIMIT {runs}) r JOIN metrics m ON m.run = r.id \
             ORDER BY r.number DESC, m.position DESC LIMIT {MOST}",
            columns.join(", ")
        );
        let width = columns.len();
        let sample = |row: &super::sql::Row| Ok(Sample { metric: metric(row)?, at: time(row.get(width)?) });
        let mut samples = self.list(statement, &values![bundle, task], sample).await?;
        samples.reverse();
        Ok(samples)
    }
}
