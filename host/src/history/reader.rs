//! A history that is read, while others may write it. It never writes: a file is opened for reading alone, and in a
//! server's session every transaction is.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::Target;
use super::alive::is_alive;
use super::connect::{Access, connect};
use super::error::{Error, Fault};
use super::sql::{Connection, Row, Statement, Value, places, values};
use super::words::{nanos, of_word, time};
use crate::bundle::Kind;
use crate::gate::Mode;
use crate::report::{Outcome, PluginId};

/// How long one query may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A history that is read.
#[derive(Debug)]
pub struct Reader {
    target: Target,
    connection: Mutex<Option<Connection>>,
}

/// Which runs. The default is all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Begun then or later.
    pub since: Option<Timestamp>,
    /// Begun before.
    pub until: Option<Timestamp>,
    /// Of these bundles; a run of none has an empty one.
    pub bundles: Option<Vec<String>>,
    /// Of these tasks.
    pub tasks: Option<Vec<String>>,
    /// No rehearsals, and only those that have ended.
    pub performed: bool,
}

/// The facts of a run.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "report::RunFacts says it")]
pub struct Run {
    pub id: String,
    /// In the order in which they began.
    pub number: i64,
    pub bundle: Option<String>,
    pub task: String,
    /// None when it is on demand.
    pub kind: Option<Kind>,
    pub mode: Mode,
    /// Who ran it.
    pub operator: String,
    pub plugin: Option<PluginId>,
    pub started: Timestamp,
    /// None of one that runs, or was interrupted.
    pub finished: Option<Timestamp>,
    pub duration_us: u64,
    /// None of one that runs.
    pub outcome: Option<Outcome>,
    pub summary: Option<String>,
    pub error: Option<String>,
    /// Effects that changed or destroyed something, and what they counted.
    pub changes: u64,
    pub rows: u64,
    pub bytes: u64,
    /// Findings.
    pub warnings: u64,
    pub criticals: u64,
    /// The process that runs it.
    pub(super) process: String,
}

impl Run {
    /// What the run said of itself, or why it did not end well.
    pub fn said(&self) -> &str {
        self.summary.as_deref().or(self.error.as_deref()).unwrap_or_default()
    }
}

pub(super) const RUN: &str = "id, number, bundle, task, kind, mode, operator, plugin, plugin_version, plugin_digest, started, \
                   finished, duration_us, outcome, summary, error, changes, changed_rows, changed_bytes, process";

pub(super) fn run(row: &Row) -> Result<Run, sqlx::Error> {
    let text = |column| Ok::<_, sqlx::Error>(row.text(column)?.map(String::from));
    let plugin = text(7)?.zip(text(8)?).zip(text(9)?);
    Ok(Run {
        id: row.get(0)?,
        number: row.get(1)?,
        bundle: text(2)?.filter(|bundle| !bundle.is_empty()),
        task: row.get(3)?,
        kind: row.text(4)?.and_then(of_word),
        mode: row.text(5)?.and_then(of_word).unwrap_or(Mode::Perform),
        operator: row.get(6)?,
        plugin: plugin.map(|((name, version), digest)| PluginId { name, version, digest }),
        started: time(row.get(10)?),
        finished: row.get::<Option<i64>>(11)?.map(time),
        duration_us: row.get::<Option<i64>>(12)?.map_or(0, i64::unsigned_abs),
        // What it says that no outcome is, is a run still under way.
        outcome: row.text(13)?.and_then(of_word),
        summary: text(14)?,
        error: text(15)?,
        changes: row.count(16)?,
        rows: row.count(17)?,
        bytes: row.count(18)?,
        process: row.get(19)?,
        warnings: 0,
        criticals: 0,
    })
}

/// The conditions of a query with their values.
pub(super) struct Conditions<'a> {
    text: Vec<String>,
    pub(super) values: Vec<Value<'a>>,
}

impl<'a> Conditions<'a> {
    /// None yet, behind these values.
    pub(super) fn new(values: Vec<Value<'a>>) -> Self {
        Self { text: vec![], values }
    }

    /// `condition`, in which `?` stands for the value.
    pub(super) fn add(&mut self, condition: &str, value: impl Into<Value<'a>>) {
        self.values.push(value.into());
        self.text.push(condition.replace('?', &format!("${}", self.values.len())));
    }

    pub(super) fn plain(&mut self, condition: &str) {
        self.text.push(condition.into());
    }

    pub(super) fn among(&mut self, column: &str, names: &'a [String]) {
        if names.is_empty() {
            self.text.push("1 = 0".into());
            return;
        }
        self.text.push(format!("{column} IN ({})", places(self.values.len() + 1, names.len())));
        self.values.extend(names.iter().map(Value::from));
    }

    /// As what follows WHERE.
    pub(super) fn text(&self) -> String {
        if self.text.is_empty() { "1 = 1".into() } else { self.text.join(" AND ") }
    }
}

impl Filter {
    /// Over the table `runs`, called `alias`.
    pub(super) fn conditions<'a>(&'a self, alias: &str, before: Vec<Value<'a>>) -> Conditions<'a> {
        let mut conditions = Conditions::new(before);
        if let Some(since) = self.since {
            conditions.add(&format!("{alias}.started >= ?"), nanos(since));
        }
        if let Some(until) = self.until {
            conditions.add(&format!("{alias}.started < ?"), nanos(until));
        }
        self.whose(alias, &mut conditions);
        if self.performed {
            conditions.plain(&format!("{alias}.mode = 'perform' AND {alias}.finished IS NOT NULL"));
        }
        conditions
    }

    /// Of which bundle and tasks.
    pub(super) fn whose<'a>(&'a self, alias: &str, conditions: &mut Conditions<'a>) {
        if let Some(bundles) = &self.bundles {
            conditions.among(&format!("{alias}.bundle"), bundles);
        }
        if let Some(tasks) = &self.tasks {
            conditions.among(&format!("{alias}.task"), tasks);
        }
    }
}

/// That bundle, and what ran without one.
pub fn with_none(bundle: &str) -> Vec<String> {
    vec![bundle.to_owned(), String::new()]
}

impl Reader {
    /// Opens nothing yet.
    pub fn new(target: Target) -> Self {
        Self { target, connection: Mutex::default() }
    }

    /// Where it is kept.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The rows of a query.
    pub(super) async fn rows(&self, statement: impl Into<Statement>, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        let mut held = self.connection.lock().await;
        let read = async {
            if held.is_none() {
                *held = Some(connect(&self.target, Access::Read).await?);
            }
            let connection = held.as_mut().ok_or_else(|| "the connection was closed".to_owned())?;
            Ok(connection.session().rows(statement, values).await?)
        };
        let read: Result<_, Fault> = tokio::time::timeout(PATIENCE, read)
            .await
            .unwrap_or_else(|_| Err(Fault::Said(format!("it did not answer within {} s", PATIENCE.as_secs()))));
        if read.is_err() {
            *held = None;
        }
        read.map_err(|fault| fault.at(&self.target))
    }

    /// [`rows`](Self::rows), each read into something.
    pub(super) async fn list<T>(
        &self,
        statement: impl Into<Statement>,
        values: &[Value<'_>],
        read: impl Fn(&Row) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, Error> {
        let rows = self.rows(statement, values).await?;
        let all: Result<Vec<T>, sqlx::Error> = rows.iter().map(read).collect();
        all.map_err(|error| Fault::from(error).at(&self.target))
    }

    /// Sees what is there now and nothing of what others write from now on, until [`thaw`](Self::thaw).
    pub(super) async fn freeze(&self) -> Result<(), Error> {
        let begin = match self.target {
            Target::File(_) => "BEGIN",
            Target::Server(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        self.rows(begin, &[]).await?;
        // In a file it is the first look that holds what is there.
        self.rows("SELECT seq FROM head", &[]).await.map(drop)
    }

    /// Sees what others write again.
    pub(super) async fn thaw(&self) {
        // One that was broken by an error is gone, and its transaction with it.
        if self.connection.lock().await.is_some() {
            let _ = self.rows("COMMIT", &[]).await;
        }
    }

    /// The names of all tasks.
    pub async fn tasks(&self) -> Result<Vec<String>, Error> {
        let mut names: Vec<String> = self.list("SELECT DISTINCT task FROM runs", &[], |row| row.get(0)).await?;
        names.sort();
        Ok(names)
    }

    /// The newest runs, the newest first.
    pub async fn newest(&self, filter: &Filter, limit: u32) -> Result<Vec<Run>, Error> {
        let conditions = filter.conditions("runs", vec![]);
        let statement =
            format!("SELECT {RUN} FROM runs WHERE {} ORDER BY number DESC LIMIT {limit}", conditions.text());
        self.completed(self.list(statement, &conditions.values, run).await?).await
    }

    /// The runs that began after the one with that number, the oldest first.
    pub async fn after(&self, filter: &Filter, number: i64, limit: u32) -> Result<Vec<Run>, Error> {
        let mut conditions = filter.conditions("runs", vec![]);
        conditions.add("number > ?", number);
        let statement = format!("SELECT {RUN} FROM runs WHERE {} ORDER BY number LIMIT {limit}", conditions.text());
        self.completed(self.list(statement, &conditions.values, run).await?).await
    }

    /// The run with that id.
    pub async fn run(&self, id: &str) -> Result<Option<Run>, Error> {
        let statement = format!("SELECT {RUN} FROM runs WHERE id = $1");
        let runs = self.list(statement, &values![id], run).await?;
        Ok(self.completed(runs).await?.into_iter().next())
    }

    /// Those whose id has this in it, at most two.
    pub async fn with_part(&self, part: &str) -> Result<Vec<Run>, Error> {
        let statement = format!("SELECT {RUN} FROM runs WHERE id LIKE $1 ORDER BY number DESC LIMIT 2");
        let escaped: String = part.chars().filter(|c| c.is_ascii_hexdigit() || *c == '-').collect();
        let runs = self.list(statement, &values![format!("%{escaped}%")], run).await?;
        self.completed(runs).await
    }

    /// With the number of their findings, and whether those that run still do.
    pub(super) async fn completed(&self, mut runs: Vec<Run>) -> Result<Vec<Run>, Error> {
        let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
        let ids: Vec<String> = runs.iter().map(|run| run.id.clone()).collect();
        for some in ids.chunks(super::change::MANY) {
            let statement = format!(
                "SELECT run, severity, count(*) FROM findings WHERE severity <> 'ok' AND run IN ({}) \
                 GROUP BY run, severity",
                places(1, some.len())
            );
            let values: Vec<Value<'_>> = some.iter().map(Value::from).collect();
            let count = |row: &Row| Ok(((row.get(0)?, row.get(1)?), row.count(2)?));
            counted.extend(self.list(statement, &values, count).await?);
        }
        let mut of = |id: &str, severity: &str| counted.remove(&(id.to_owned(), severity.to_owned())).unwrap_or(0);
        let mut alive = BTreeMap::new();
        for run in &mut runs {
            run.warnings = of(&run.id, "warning");
            run.criticals = of(&run.id, "critical");
            if run.outcome.is_none() {
                let lives = match alive.get(&run.process) {
                    Some(lives) => *lives,
                    None => self.is_alive(&run.process).await?,
                };
                alive.insert(run.process.clone(), lives);
                if !lives {
                    // The next that writes will mark it so.
                    run.outcome = Some(Outcome::Interrupted);
                    run.error = Some(super::change::unmarked());
                }
            }
        }
        Ok(runs)
    }

    async fn is_alive(&self, process: &str) -> Result<bool, Error> {
        let mut held = self.connection.lock().await;
        let Some(connection) = held.as_mut() else { return Ok(true) };
        is_alive(&self.target, connection, process).await.map_err(|fault| fault.at(&self.target))
    }
}
