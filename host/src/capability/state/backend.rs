//! The file: SQLite, opened when it is first needed, and known by its application id, so that no other database is
//! ever written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::TryStreamExt as _;
use serde::Serialize;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use tokio::sync::Mutex;

use super::bindings::{Entry, Measurement, Sample, Value};
use super::error::Error;

/// `Thst`, in the file's header.
const APPLICATION: i32 = 0x5468_7374;
/// Of the tables below.
const VERSION: i32 = 1;
const TABLES: &str = "
    CREATE TABLE entries (
        task TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL, value NOT NULL,
        version INTEGER NOT NULL, written INTEGER NOT NULL, PRIMARY KEY (task, key)
    ) WITHOUT ROWID;
    CREATE TABLE samples (
        id INTEGER PRIMARY KEY, task TEXT NOT NULL, series TEXT NOT NULL, subject TEXT NOT NULL,
        at INTEGER NOT NULL, value REAL NOT NULL
    );
    CREATE INDEX samples_by_subject ON samples (task, series, subject, id);
";

/// Bytes of a key, a series' name or a subject.
const NAME_LIMIT: usize = 512;
/// Bytes of a text.
const TEXT_LIMIT: usize = 64 * 1024;
/// Keys of one task.
const KEY_LIMIT: i64 = 10_000;
/// Series, by subject, of one task.
const SERIES_LIMIT: i64 = 10_000;
/// Samples that are kept of one subject's series.
const SAMPLE_LIMIT: i64 = 10_000;
/// Measurements of one call.
const MEASUREMENT_LIMIT: usize = 10_000;
/// How long another run that writes is waited for.
const BUSY: Duration = Duration::from_secs(5);

/// The files that runs of this process have open.
#[derive(Default)]
pub struct Files(Mutex<BTreeMap<PathBuf, SqliteConnection>>);

/// Whose state, and where.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) path: &'a Path,
    pub(super) task: &'a str,
}

impl Files {
    pub(super) async fn get(&self, scope: Scope<'_>, key: &str) -> Result<Option<Entry>, Error> {
        self.look(scope, async |connection| {
            let row = sqlx::query("SELECT kind, value, version, written FROM entries WHERE task = ? AND key = ?")
                .bind(scope.task)
                .bind(key)
                .fetch_optional(connection)
                .await?;
            row.map(|row| entry(&row)).transpose()
        })
        .await
    }

    pub(super) async fn put(
        &self,
        scope: Scope<'_>,
        key: &str,
        value: Value,
        expected: Option<u64>,
    ) -> Result<u64, Error> {
        self.change(scope, async |connection| {
            let now: i64 = sqlx::query_scalar("SELECT version FROM entries WHERE task = ? AND key = ?")
                .bind(scope.task)
                .bind(key)
                .fetch_optional(&mut *connection)
                .await?
                .unwrap_or(0);
            let version = next_version(key, now.unsigned_abs(), expected)?;
            if now == 0 {
                let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM entries WHERE task = ?")
                    .bind(scope.task)
                    .fetch_one(&mut *connection)
                    .await?;
                if keys >= KEY_LIMIT {
                    let full = format!("task `{}` keeps {KEY_LIMIT} values; remove some", scope.task);
                    return Err(Error::Full(full).into());
                }
            }
            let query = sqlx::query(
                "INSERT INTO entries (task, key, version, written, kind, value) VALUES (?, ?, ?, unixepoch(), ?, ?) \
                 ON CONFLICT DO UPDATE SET version = excluded.version, written = excluded.written, \
                 kind = excluded.kind, value = excluded.value",
            );
            let query = query.bind(scope.task).bind(key).bind(i64::try_from(version).unwrap_or(i64::MAX));
            let query = match value {
                Value::Text(text) => query.bind("text").bind(text),
                Value::Integer(number) => query.bind("integer").bind(number),
                Value::Number(number) => query.bind("number").bind(number),
                Value::Boolean(truth) => query.bind("boolean").bind(truth),
            };
            query.execute(connection).await?;
            Ok(version)
        })
        .await
    }

    pub(super) async fn remove(&self, scope: Scope<'_>, key: &str) -> Result<bool, Error> {
        self.change(scope, async |connection| {
            let removed = sqlx::query("DELETE FROM entries WHERE task = ? AND key = ?").bind(scope.task).bind(key);
            Ok(removed.execute(connection).await?.rows_affected() > 0)
        })
        .await
    }

    pub(super) async fn keys(&self, scope: Scope<'_>, prefix: &str) -> Result<Vec<String>, Error> {
        self.look(scope, async |connection| {
            let keys = sqlx::query_scalar(
                "SELECT key FROM entries WHERE task = ? AND substr(key, 1, length(?2)) = ?2 ORDER BY key",
            );
            Ok(keys.bind(scope.task).bind(prefix).fetch_all(connection).await?)
        })
        .await
    }

    pub(super) async fn append(&self, scope: Scope<'_>, measurements: &[Measurement]) -> Result<(), Error> {
        self.change(scope, async |connection| {
            for measurement in measurements {
                sqlx::query("INSERT INTO samples (task, series, subject, at, value) VALUES (?, ?, ?, unixepoch(), ?)")
                    .bind(scope.task)
                    .bind(&measurement.series)
                    .bind(&measurement.subject)
                    .bind(measurement.value)
                    .execute(&mut *connection)
                    .await?;
                // The ones that are too many are the oldest.
                sqlx::query(
                    "DELETE FROM samples WHERE task = ?1 AND series = ?2 AND subject = ?3 AND id <= (SELECT id FROM \
                     samples WHERE task = ?1 AND series = ?2 AND subject = ?3 ORDER BY id DESC LIMIT 1 OFFSET ?4)",
                )
                .bind(scope.task)
                .bind(&measurement.series)
                .bind(&measurement.subject)
                .bind(SAMPLE_LIMIT)
                .execute(&mut *connection)
                .await?;
            }
            let series: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM (SELECT DISTINCT series, subject FROM samples WHERE task = ?)",
            )
            .bind(scope.task)
            .fetch_one(connection)
            .await?;
            if series > SERIES_LIMIT {
                let full = format!("task `{}` keeps {SERIES_LIMIT} series; measure fewer subjects", scope.task);
                return Err(Error::Full(full).into());
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn samples(
        &self,
        scope: Scope<'_>,
        series: &str,
        subject: &str,
        since: u64,
        limit: u32,
    ) -> Result<Vec<Sample>, Error> {
        self.look(scope, async |connection| {
            let rows = sqlx::query(
                "SELECT at, value FROM (SELECT id, at, value FROM samples WHERE task = ? AND series = ? AND \
                 subject = ? AND at >= ? ORDER BY id DESC LIMIT ?) ORDER BY id",
            );
            let rows = rows.bind(scope.task).bind(series).bind(subject);
            let rows = rows.bind(i64::try_from(since).unwrap_or(i64::MAX)).bind(limit);
            let sample = |row: sqlx::sqlite::SqliteRow| {
                Ok(Sample { at: row.try_get::<i64, _>(0)?.unsigned_abs(), value: row.try_get(1)? })
            };
            Ok(rows.fetch(connection).and_then(async |row| sample(row)).try_collect().await?)
        })
        .await
    }

    pub(super) async fn subjects(&self, scope: Scope<'_>, series: &str) -> Result<Vec<String>, Error> {
        self.look(scope, async |connection| {
            let rows = sqlx::query_scalar(
                "SELECT DISTINCT subject FROM samples WHERE task = ? AND series = ? ORDER BY subject",
            );
            Ok(rows.bind(scope.task).bind(series).fetch_all(connection).await?)
        })
        .await
    }

    /// Looks at a file; one that is not there holds nothing.
    async fn look<T: Default>(
        &self,
        scope: Scope<'_>,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, Failed>,
    ) -> Result<T, Error> {
        let mut files = self.0.lock().await;
        if !files.contains_key(scope.path) && !scope.path.exists() {
            return Ok(T::default());
        }
        let connection = Self::connection(&mut files, scope.path).await?;
        work(connection).await.map_err(|error| error.at(scope.path))
    }

    /// Changes a file, whole or not at all. The lock is held from the first look on, so that two runs do not both find
    /// what only one may change.
    async fn change<T>(
        &self,
        scope: Scope<'_>,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, Failed>,
    ) -> Result<T, Error> {
        let mut files = self.0.lock().await;
        let connection = Self::connection(&mut files, scope.path).await?;
        let done = async {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            let done = work(&mut transaction).await?;
            transaction.commit().await?;
            Ok(done)
        };
        done.await.map_err(|error: Failed| error.at(scope.path))
    }

    async fn connection<'a>(
        files: &'a mut BTreeMap<PathBuf, SqliteConnection>,
        path: &Path,
    ) -> Result<&'a mut SqliteConnection, Error> {
        if !files.contains_key(path) {
            let connection = open(path, true).await?;
            files.insert(path.into(), connection);
        }
        files.get_mut(path).ok_or_else(|| Error::Unavailable("the file was closed".into()))
    }
}

/// What went wrong with a file: what the room itself says, or what SQLite says.
enum Failed {
    Own(Error),
    Sqlite(sqlx::Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Own(error)
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failed {
    fn at(self, path: &Path) -> Error {
        match self {
            Self::Own(error) => error,
            Self::Sqlite(error) => Error::Unavailable(format!("the state file {}: {error}", path.display())),
        }
    }
}

async fn open(path: &Path, create: bool) -> Result<SqliteConnection, Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(create)
        .busy_timeout(BUSY)
        // A run's last words may be lost with the machine's power; what was written before them is not.
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging();
    let prepared = async {
        let mut connection = options.connect().await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let application: i32 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *transaction).await?;
        let version: i32 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await?;
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *transaction).await?;
        match (application, version, tables) {
            (APPLICATION, VERSION, _) => {}
            (0, 0, 0) => {
                let mark = format!("{TABLES}; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}");
                sqlx::raw_sql(sqlx::AssertSqlSafe(mark)).execute(&mut *transaction).await?;
            }
            (APPLICATION, newer, _) => {
                let wrong = format!("{} is of version {newer}; this host knows {VERSION}", path.display());
                return Err(Error::Unavailable(wrong).into());
            }
            _ => {
                let wrong = format!("{} is a database of something else; name another file", path.display());
                return Err(Error::Unavailable(wrong).into());
            }
        }
        transaction.commit().await?;
        Ok(connection)
    };
    prepared.await.map_err(|error: Failed| error.at(path))
}

fn entry(row: &sqlx::sqlite::SqliteRow) -> Result<Entry, Failed> {
    let value = match row.try_get::<&str, _>(0)? {
        "integer" => Value::Integer(row.try_get(1)?),
        "number" => Value::Number(row.try_get(1)?),
        "boolean" => Value::Boolean(row.try_get(1)?),
        _ => Value::Text(row.try_get(1)?),
    };
    let number = |column| Ok::<_, sqlx::Error>(row.try_get::<i64, _>(column)?.unsigned_abs());
    Ok(Entry { value, version: number(2)?, written: number(3)? })
}

/// The version that a value gets, if it may be written.
pub(super) fn next_version(key: &str, now: u64, expected: Option<u64>) -> Result<u64, Error> {
    match expected {
        Some(expected) if expected != now => {
            Err(Error::Changed(format!("`{key}` is of version {now}, not {expected}: another run wrote it")))
        }
        _ => Ok(now + 1),
    }
}

/// Whether a value may be kept.
pub(super) fn check_value(key: &str, value: &Value) -> Result<(), Error> {
    check_name("key", key)?;
    match value {
        Value::Text(text) if text.len() > TEXT_LIMIT => {
            Err(Error::Invalid(format!("a text of {} bytes is longer than {TEXT_LIMIT}", text.len())))
        }
        Value::Number(number) if !number.is_finite() => Err(Error::Invalid(format!("{number} is no number to keep"))),
        _ => Ok(()),
    }
}

/// Whether measurements may be kept.
pub(super) fn check_measurements(measurements: &[Measurement]) -> Result<(), Error> {
    if measurements.len() > MEASUREMENT_LIMIT {
        let many = measurements.len();
        return Err(Error::Invalid(format!("{many} measurements at once are more than {MEASUREMENT_LIMIT}")));
    }
    for measurement in measurements {
        check_name("series", &measurement.series)?;
        if measurement.subject.len() > NAME_LIMIT {
            return Err(Error::Invalid(format!("a subject is longer than {NAME_LIMIT} bytes")));
        }
        if !measurement.value.is_finite() {
            return Err(Error::Invalid(format!("{} is no measurement", measurement.value)));
        }
    }
    Ok(())
}

fn check_name(what: &str, name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > NAME_LIMIT {
        return Err(Error::Invalid(format!("a {what} has 1 to {NAME_LIMIT} bytes, not {}", name.len())));
    }
    Ok(())
}

/// One thing that a task remembers.
#[derive(Debug, Serialize)]
pub struct Kept {
    /// The task.
    pub task: String,
    /// `value` or `series`.
    pub kind: &'static str,
    /// A key, or a series' name.
    pub name: String,
    /// Of a series.
    pub subject: Option<String>,
    /// The value, or the newest sample.
    pub value: String,
    /// The version of a value, the number of samples of a series.
    pub count: i64,
    /// When it was last written, in seconds since 1970-01-01 UTC.
    pub written: i64,
}

/// Everything that a file holds, by task.
///
/// # Errors
/// A file that is not there, or is none of this room's.
pub async fn read_all(path: &Path) -> Result<Vec<Kept>, Error> {
    if !path.is_file() {
        return Err(Error::Unavailable(format!("there is no state file {}", path.display())));
    }
    let mut connection = open(path, false).await?;
    let read = async {
        let mut kept = Vec::new();
        let mut rows = sqlx::query(
            // A bare column beside `max()` is of the row that has it.
            "SELECT task, 'value', key, NULL, CAST(CASE kind WHEN 'boolean' THEN iif(value, 'true', 'false') ELSE value \
             END AS TEXT), version, written, 0 FROM entries \
             UNION ALL \
             SELECT task, 'series', series, subject, CAST(value AS TEXT), count(*), at, max(id) FROM samples \
             GROUP BY task, series, subject \
             ORDER BY 1, 2 DESC, 3, 4",
        )
        .fetch(&mut connection);
        while let Some(row) = rows.try_next().await? {
            kept.push(Kept {
                task: row.try_get(0)?,
                kind: if row.try_get::<&str, _>(1)? == "value" { "value" } else { "series" },
                name: row.try_get(2)?,
                subject: row.try_get(3)?,
                value: row.try_get(4)?,
                count: row.try_get(5)?,
                written: row.try_get(6)?,
            });
        }
        Ok(kept)
    };
    read.await.map_err(|error: Failed| error.at(path))
}
