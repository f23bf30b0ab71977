//! SQLite. The file is opened by this process, so that what a server would do is done here: the authorizer stands in
//! for rights, the progress handler for time-outs.

mod authorizer;
mod upkeep;
mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::TryStreamExt as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteError};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Executor as _, Row as _, SqlSafeStr as _,
    SqliteConnection, Statement as _, TypeInfo as _,
};

use self::authorizer::Policy;
use super::{Dialect, Error, Limits, Purpose, RowSink, TableName, Target, check_count, csv, wit};
use crate::capability::stream::ByteReceiver;
use crate::gate::Refusal;

/// Steps of the virtual machine between two looks at the clock.
const STEPS: i32 = 10_000;
/// How long closing may take.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// One connection.
pub(crate) struct Connection {
    inner: SqliteConnection,
    target: Target,
    policy: Arc<Policy>,
    brake: Arc<Brake>,
    /// What the connection may do outside [`Self::begin_reading`].
    purpose: Purpose,
    open: bool,
}

/// Stops a statement from outside.
struct Brake {
    pulled: AtomicBool,
    start: Instant,
    /// Milliseconds after `start`; 0 for none.
    deadline: AtomicU64,
    /// Milliseconds that a statement may take; 0 for no limit.
    limit: AtomicU64,
}

impl Brake {
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn goes_on(&self) -> bool {
        let deadline = self.deadline.load(Ordering::Relaxed);
        !self.pulled.load(Ordering::Relaxed) && (deadline == 0 || self.now() < deadline)
    }

    /// A statement begins.
    fn release(&self) {
        let limit = self.limit.load(Ordering::Relaxed);
        let deadline = if limit == 0 { 0 } else { self.now().saturating_add(limit) };
        self.deadline.store(deadline, Ordering::Relaxed);
    }
}

impl Connection {
    pub(super) async fn connect(target: &Target, purpose: Purpose) -> Result<Self, Error> {
        // A directory or a missing file would be "unable to open database file".
        match std::fs::metadata(&target.path) {
            Ok(file) if !file.is_file() => return Err(target.unreachable("it is no regular file")),
            Ok(_) => {}
            Err(_) if purpose == Purpose::Scratch => {}
            Err(error) => return Err(target.unreachable(error)),
        }
        let options = SqliteConnectOptions::new()
            .filename(&target.path)
            .create_if_missing(purpose == Purpose::Scratch)
            .read_only(purpose == Purpose::Read)
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON")
            .disable_statement_logging();
        let options = match purpose {
            Purpose::Read => options.pragma("query_only", "ON"),
            // Nobody needs a scratch file after a crash.
            Purpose::Scratch => {
                options.pragma("synchronous", "OFF").pragma("journal_mode", "MEMORY").foreign_keys(false)
            }
            Purpose::Write | Purpose::Maintain => options,
        };
        let inner = options.connect().await.map_err(|error| match error {
            sqlx::Error::Database(error) => target.unreachable(error.message()),
            error => target.unreachable(error),
        })?;
        let policy = Arc::new(Policy::new(purpose));
        let brake = Arc::new(Brake {
            pulled: AtomicBool::new(false),
            start: Instant::now(),
            deadline: AtomicU64::new(0),
            limit: AtomicU64::new(0),
        });
        let mut connection =
            Self { inner, target: target.clone(), policy: Arc::clone(&policy), brake, purpose, open: false };
        // Reads the schema once, so that a file that is no database is said to be none.
        connection.command("PRAGMA schema_version").await?;
        let brake = Arc::clone(&connection.brake);
        let mut handle = connection.inner.lock_handle().await.map_err(|error| to_error(target, error))?;
        authorizer::install(&mut handle, &policy)?;
        if purpose == Purpose::Read {
            authorizer::bound_values(&mut handle);
        }
        handle.set_progress_handler(STEPS, move || {
            // Owned by the connection with this closure, for the authorizer, which only points to it.
            let _ = &policy;
            brake.goes_on()
        });
        drop(handle);
        Ok(connection)
    }

    pub(super) async fn limit(&mut self, limits: &Limits) -> Result<(), Error> {
        let millis = limits.statement.map_or(0, |limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        self.brake.limit.store(millis, Ordering::Relaxed);
        self.own(&format!("PRAGMA busy_timeout = {}", limits.lock.as_millis())).await
    }

    pub(super) async fn reset(&mut self) -> Result<(), Error> {
        if self.open { self.rollback().await } else { self.own("PRAGMA schema_version").await }
    }

    pub(super) async fn abandon(self) {
        self.brake.pulled.store(true, Ordering::Relaxed);
        self.close().await;
    }

    pub(super) async fn close(self) {
        if tokio::time::timeout(STOP_LIMIT, self.inner.close()).await.is_err() {
            tracing::warn!(target = self.target.shown, "a statement did not stop");
        }
    }

    pub(super) async fn server(&mut self) -> Result<wit::Server, Error> {
        let row = sqlx::query("SELECT sqlite_version()").fetch_one(&mut self.inner).await;
        let version: String = row.and_then(|row| row.try_get(0)).map_err(|error| self.error(error))?;
        let database = self.target.path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(wit::Server {
            dialect: wit::Dialect::Sqlite,
            version_number: super::version_number(&version),
            version,
            database: database.unwrap_or_default(),
        })
    }

    /// A file gives whoever opens it everything; the authorizer is what holds this process back.
    #[expect(clippy::unused_async, reason = "the servers need it")]
    pub(super) async fn powers(&mut self) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// The authorizer lets a scratch file's session reach nothing else.
    #[expect(clippy::unused_async, reason = "the servers need it")]
    pub(super) async fn is_confined(&mut self) -> Result<bool, Error> {
        Ok(true)
    }

    pub(super) async fn begin(&mut self, read_only: bool) -> Result<(), Error> {
        self.open = true;
        self.own(if read_only { "BEGIN" } else { "BEGIN IMMEDIATE" }).await
    }

    pub(super) async fn commit(&mut self) -> Result<(), Error> {
        self.own("COMMIT").await?;
        self.open = false;
        Ok(())
    }

    pub(super) async fn rollback(&mut self) -> Result<(), Error> {
        // Some errors roll back by themselves, and then there is nothing to roll back.
        match self.own("ROLLBACK").await {
            Err(Error::Database(error)) if error.code == "1" && error.message.contains("no transaction") => {}
            result => result?,
        }
        self.open = false;
        Ok(())
    }

    pub(super) async fn begin_reading(&mut self) -> Result<(), Error> {
        self.own("PRAGMA query_only = ON").await?;
        self.policy.set(Purpose::Read);
        Ok(())
    }

    pub(super) async fn end_reading(&mut self) -> Result<(), Error> {
        self.own("PRAGMA query_only = OFF").await?;
        self.policy.set(self.purpose);
        Ok(())
    }

    pub(super) async fn read(
        &mut self,
        text: &str,
        parameters: &[wit::Value],
        sink: &mut RowSink,
    ) -> Result<u64, Error> {
        self.brake.release();
        let target = self.target.clone();
        let fail = |error| to_error(&target, error);
        let prepared = self.inner.prepare(AssertSqlSafe(text).into_sql_str()).await.map_err(fail)?;
        let arguments = arguments(&prepared, parameters)?;
        let columns = prepared.columns().iter().map(|column| wit::Column {
            name: column.name().into(),
            type_name: column.type_info().name().to_ascii_lowercase(),
        });
        sink.columns(columns.collect())?;
        let width = prepared.columns().len();
        let mut rows = sqlx::query_with(AssertSqlSafe(text), arguments).fetch(&mut self.inner);
        while let Some(row) = rows.try_next().await.map_err(fail)? {
            let row = value::row(width, &row)?;
            sink.push(row).await?;
        }
        sink.end().await
    }

    pub(super) async fn change(&mut self, text: &str, parameters: &[wit::Value]) -> Result<u64, Error> {
        self.brake.release();
        let prepared = self.inner.prepare(AssertSqlSafe(text).into_sql_str()).await;
        let prepared = prepared.map_err(|error| self.error(error))?;
        let arguments = arguments(&prepared, parameters)?;
        let done = sqlx::query_with(AssertSqlSafe(text), arguments).execute(&mut self.inner).await;
        done.map(|done| done.rows_affected()).map_err(|error| self.error(error))
    }

    pub(super) async fn check_targets(&mut self, tables: &[TableName], _: &str) -> Result<(), Error> {
        for table in tables {
            let kind =
                sqlx::query("SELECT type FROM main.sqlite_schema WHERE name = ? COLLATE NOCASE AND type <> 'index'")
                    .bind(&table.name)
                    .fetch_optional(&mut self.inner)
                    .await
                    .map_err(|error| self.error(error))?
                    .and_then(|row| row.try_get::<String, _>(0).ok());
            if kind.is_some_and(|kind| kind != "table") {
                let wrong = format!("`{table}` is no base table; change the tables behind it");
                return Err(Refusal::NotGranted(wrong).into());
            }
        }
        Ok(())
    }

    pub(super) async fn copy_in(
        &mut self,
        table: &TableName,
        columns: &[String],
        data: &mut ByteReceiver,
    ) -> Result<u64, Error> {
        let (mut reader, mut records, mut rows) = (csv::Reader::default(), Vec::new(), 0);
        let statement = csv::insert(Dialect::Sqlite, table, columns, 1);
        loop {
            let chunk = data.next().await;
            match &chunk {
                Some(bytes) => reader.push(bytes, &mut records)?,
                None => reader.end(&mut records)?,
            }
            for record in records.drain(..) {
                csv::check_width(&record, columns.len(), rows + 1)?;
                let mut query = sqlx::query(AssertSqlSafe(statement.as_str()));
                for field in record {
                    query = query.bind(field);
                }
                self.brake.release();
                query.execute(&mut self.inner).await.map_err(|error| to_error(&self.target, error))?;
                rows += 1;
            }
            if chunk.is_none() {
                return Ok(rows);
            }
        }
    }

    /// One statement of a dump.
    pub(super) async fn run(&mut self, text: &str) -> Result<u64, Error> {
        self.brake.release();
        let done = sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut self.inner).await;
        done.map(|done| done.rows_affected()).map_err(|error| self.error(error))
    }

    /// A statement of the host's own, which the authorizer lets pass.
    async fn own(&mut self, text: &str) -> Result<(), Error> {
        self.brake.release();
        self.policy.host(true);
        let result = self.command(text).await;
        self.policy.host(false);
        result
    }

    async fn command(&mut self, text: &str) -> Result<(), Error> {
        self.run(text).await.map(|_| ())
    }

    fn error(&self, error: sqlx::Error) -> Error {
        to_error(&self.target, error)
    }
}

/// The values, as SQLite stores them.
fn arguments(
    statement: &sqlx::sqlite::SqliteStatement,
    values: &[wit::Value],
) -> Result<sqlx::sqlite::SqliteArguments, Error> {
    let wanted = match statement.parameters() {
        Some(sqlx::Either::Right(count)) => count,
        _ => 0,
    };
    check_count(wanted, values.len())?;
    let mut arguments = sqlx::sqlite::SqliteArguments::default();
    for (index, value) in values.iter().enumerate() {
        value::bind(&mut arguments, value)
            .map_err(|error| Error::Invalid(format!("parameter {}: {error}", index + 1)))?;
    }
    Ok(arguments)
}

fn to_error(target: &Target, error: sqlx::Error) -> Error {
    let sqlx::Error::Database(error) = error else { return target.lost(error) };
    let Some(error) = error.try_downcast_ref::<SqliteError>() else { return target.lost(error) };
    let (code, message) = (sqlx::error::DatabaseError::code(error), sqlx::error::DatabaseError::message(error));
    let code = code.unwrap_or_default();
    // The low byte is the primary code.
    match code.parse::<u32>().unwrap_or_default() & 0xff {
        5 | 6 => Error::TimedOut(format!("{message}; another program holds {}", target.shown)),
        9 => Error::TimedOut("the statement took longer than the grant's statement-timeout= allows".into()),
        14 => target.unreachable(message),
        26 => target.unreachable("the file is no SQLite database"),
        _ => Error::database(code, message),
    }
}
