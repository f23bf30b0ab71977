//! MariaDB and MySQL.

mod catalog;
mod scratch;
mod upkeep;
mod value;

use std::str::FromStr as _;
use std::time::Duration;

use futures::TryStreamExt as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlSslMode};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Executor as _, MySqlConnection, Row as _,
    SqlSafeStr as _, Statement as _,
};

use super::{Dialect, Error, Limits, RowSink, TableName, Target, check_count, csv, version_number, wit};
use crate::capability::sql::grant::Tls;
use crate::capability::sql::statement::session_settings;
use crate::capability::stream::ByteReceiver;

/// How long a server may take to stop what it does.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// Records in one INSERT of a copy.
const RECORDS: usize = 250;
/// The protocol's most parameters in a statement.
const PARAMETERS: usize = 65_535;

/// One connection.
pub(crate) struct Connection {
    inner: MySqlConnection,
    options: MySqlConnectOptions,
    target: Target,
    /// The server's thread for this connection.
    thread: u64,
    version: String,
    open: bool,
}

fn options(target: &Target) -> Result<MySqlConnectOptions, Error> {
    let options = MySqlConnectOptions::from_str(target.url.expose())
        .map_err(|_| Error::Invalid(format!("the URL of {} cannot be read", target.shown)))?
        .ssl_mode(match target.tls {
            Tls::Disable => MySqlSslMode::Disabled,
            Tls::Prefer => MySqlSslMode::Preferred,
            Tls::Require => MySqlSslMode::Required,
            Tls::VerifyCa => MySqlSslMode::VerifyCa,
            Tls::VerifyFull => MySqlSslMode::VerifyIdentity,
        })
        .charset("utf8mb4")
        .timezone(Some("+00:00".into()))
        // The whole mode is set below.
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .disable_statement_logging();
    let options = match &target.ca {
        Some(ca) => options.ssl_ca(ca),
        None => options,
    };
    Ok(match &target.database {
        Some(database) => options.database(database),
        None => options,
    })
}

impl Connection {
    pub(super) async fn connect(target: &Target) -> Result<Self, Error> {
        let options = options(target)?;
        let inner = options.connect().await.map_err(|error| target.unreachable(reason(&error)))?;
        let mut connection =
            Self { inner, options, target: target.clone(), thread: 0, version: String::new(), open: false };
        for (name, value) in session_settings(Dialect::Mysql) {
            connection.command(&format!("SET SESSION {name} = '{value}'")).await?;
        }
        let row = sqlx::query("SELECT CAST(CONNECTION_ID() AS UNSIGNED), VERSION()").fetch_one(&mut connection.inner);
        (connection.thread, connection.version) = row
            .await
            .and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .map_err(|error| to_error(target, error))?;
        Ok(connection)
    }

    fn is_mariadb(&self) -> bool {
        self.version.contains("MariaDB")
    }

    pub(super) async fn limit(&mut self, limits: &Limits) -> Result<(), Error> {
        let statement = limits.statement.unwrap_or_default();
        let statement = if self.is_mariadb() {
            format!("max_statement_time = {}", statement.as_secs_f64())
        } else {
            format!("max_execution_time = {}", statement.as_millis())
        };
        let lock = limits.lock.as_secs().max(1);
        self.command("SET SESSION TRANSACTION READ WRITE").await?;
        self.command(&format!("SET SESSION {statement}, lock_wait_timeout = {lock}, innodb_lock_wait_timeout = {lock}"))
            .await
    }

    pub(super) async fn reset(&mut self) -> Result<(), Error> {
        if self.open { self.rollback().await } else { self.inner.ping().await.map_err(|error| self.error(error)) }
    }

    /// Closing the socket ends no statement that runs, so the server is told on another connection.
    pub(super) async fn abandon(self) {
        let stopped = tokio::time::timeout(STOP_LIMIT, async {
            let mut other = self.options.connect().await?;
            match sqlx::raw_sql(AssertSqlSafe(format!("KILL {}", self.thread))).execute(&mut other).await {
                // It is gone already.
                Err(sqlx::Error::Database(error)) if number(&*error) == 1094 => {}
                result => {
                    result?;
                }
            }
            loop {
                let gone = sqlx::query("SELECT 1 FROM information_schema.processlist WHERE id = ?")
                    .bind(self.thread)
                    .fetch_optional(&mut other)
                    .await?
                    .is_none();
                if gone {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            other.close().await
        });
        if !matches!(stopped.await, Ok(Ok(()))) {
            tracing::warn!(target = self.target.shown, thread = self.thread, "could not stop an abandoned statement");
        }
        let _ = self.inner.close_hard().await;
    }

    pub(super) async fn close(self) {
        let _ = self.inner.close().await;
    }

    pub(super) async fn server(&mut self) -> Result<wit::Server, Error> {
        let row = sqlx::query("SELECT COALESCE(DATABASE(), '')").fetch_one(&mut self.inner).await;
        let database = row.and_then(|row| row.try_get(0)).map_err(|error| self.error(error))?;
        let dialect = if self.is_mariadb() { wit::Dialect::Mariadb } else { wit::Dialect::Mysql };
        let version = self.version.clone();
        Ok(wit::Server { dialect, version_number: version_number(&version), version, database })
    }

    pub(super) async fn begin(&mut self, read_only: bool) -> Result<(), Error> {
        self.open = true;
        if !read_only {
            return self.command("START TRANSACTION READ WRITE").await;
        }
        // DDL commits the transaction before it looks whether it may; then the session's setting is what refuses it.
        self.command("SET SESSION TRANSACTION READ ONLY").await?;
        self.command("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await
    }

    pub(super) async fn commit(&mut self) -> Result<(), Error> {
        self.command("COMMIT").await?;
        self.open = false;
        Ok(())
    }

    pub(super) async fn rollback(&mut self) -> Result<(), Error> {
        self.command("ROLLBACK").await?;
        self.open = false;
        Ok(())
    }

    /// The server has nothing read-only inside a transaction that writes; that is left to the check of the text.
    #[expect(clippy::unused_async, reason = "the others need it")]
    pub(super) async fn begin_reading(&mut self) -> Result<(), Error> {
        Ok(())
    }

    #[expect(clippy::unused_async, reason = "the others need it")]
    pub(super) async fn end_reading(&mut self) -> Result<(), Error> {
        Ok(())
    }

    pub(super) async fn read(
        &mut self,
        text: &str,
        parameters: &[wit::Value],
        sink: &mut RowSink,
    ) -> Result<u64, Error> {
        let target = self.target.clone();
        let fail = |error| to_error(&target, error);
        let prepared = self.inner.prepare(AssertSqlSafe(text).into_sql_str()).await.map_err(fail)?;
        let arguments = arguments(&prepared, parameters)?;
        // What the server said when it prepared the statement is a guess: the columns of most SHOW statements, and the
        // types of what is worked out from parameters, come with the rows.
        let mut decoders = Vec::new();
        let mut rows = sqlx::query_with(AssertSqlSafe(text), arguments).fetch(&mut self.inner);
        while let Some(row) = rows.try_next().await.map_err(fail)? {
            if decoders.is_empty() {
                sink.columns(describe(row.columns()))?;
                let kinds = row.columns().iter().map(|column| value::type_name(column.type_info()));
                decoders = kinds.map(value::Decoder::new).collect();
            }
            sink.push(value::row(&decoders, &row)?).await?;
        }
        sink.columns(describe(prepared.columns()))?;
        sink.end().await
    }

    pub(super) async fn change(&mut self, text: &str, parameters: &[wit::Value]) -> Result<u64, Error> {
        let prepared = self.inner.prepare(AssertSqlSafe(text).into_sql_str()).await;
        let prepared = prepared.map_err(|error| self.error(error))?;
        let arguments = arguments(&prepared, parameters)?;
        let done = sqlx::query_with(AssertSqlSafe(text), arguments).execute(&mut self.inner).await;
        done.map(|done| done.rows_affected()).map_err(|error| self.error(error))
    }

    pub(super) async fn copy_in(
        &mut self,
        table: &TableName,
        columns: &[String],
        data: &mut ByteReceiver,
    ) -> Result<u64, Error> {
        let most = RECORDS.min(PARAMETERS / columns.len().max(1)).max(1);
        let (mut reader, mut records, mut rows) = (csv::Reader::default(), Vec::new(), 0_u64);
        loop {
            let chunk = data.next().await;
            match &chunk {
                Some(bytes) => reader.push(bytes, &mut records)?,
                None => reader.end(&mut records)?,
            }
            while records.len() >= most || (chunk.is_none() && !records.is_empty()) {
                let rest = records.split_off(records.len().min(most));
                let batch = std::mem::replace(&mut records, rest);
                let statement = csv::insert(Dialect::Mysql, table, columns, batch.len());
                let mut query = sqlx::query(AssertSqlSafe(statement)).persistent(batch.len() == most);
                for record in batch {
                    rows += 1;
                    csv::check_width(&record, columns.len(), rows)?;
                    for field in record {
                        query = query.bind(field);
                    }
                }
                query.execute(&mut self.inner).await.map_err(|error| to_error(&self.target, error))?;
            }
            if chunk.is_none() {
                return Ok(rows);
            }
        }
    }

    /// One statement of a dump.
    pub(super) async fn run(&mut self, text: &str) -> Result<u64, Error> {
        let done = sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut self.inner).await;
        done.map(|done| done.rows_affected()).map_err(|error| self.error(error))
    }

    async fn command(&mut self, text: &str) -> Result<(), Error> {
        self.run(text).await.map(|_| ())
    }

    fn error(&self, error: sqlx::Error) -> Error {
        to_error(&self.target, error)
    }
}

fn describe(columns: &[sqlx::mysql::MySqlColumn]) -> Vec<wit::Column> {
    columns.iter().map(|column| value::column(column.name(), column.type_info())).collect()
}

fn arguments(
    statement: &sqlx::mysql::MySqlStatement,
    values: &[wit::Value],
) -> Result<sqlx::mysql::MySqlArguments, Error> {
    let wanted = match statement.parameters() {
        Some(sqlx::Either::Right(count)) => count,
        _ => 0,
    };
    check_count(wanted, values.len())?;
    let mut arguments = sqlx::mysql::MySqlArguments::default();
    for (index, value) in values.iter().enumerate() {
        value::bind(&mut arguments, value)
            .map_err(|error| Error::Invalid(format!("parameter {}: {error}", index + 1)))?;
    }
    Ok(arguments)
}

fn number(error: &dyn sqlx::error::DatabaseError) -> u16 {
    error.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number)
}

fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error) => format!("TLS: {error}"),
        error => error.to_string(),
    }
}

fn to_error(target: &Target, error: sqlx::Error) -> Error {
    let sqlx::Error::Database(error) = error else { return target.lost(reason(&error)) };
    let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() else { return target.lost(error) };
    let message = error.message();
    match error.number() {
        1205 => Error::TimedOut(format!("{message}; the grant's lock-timeout= sets how long to wait for a lock")),
        1969 | 3024 => Error::TimedOut(format!("{message}; the grant's statement-timeout= sets how long it may take")),
        1053 | 1317 | 1927 => target.lost(message),
        _ => Error::database(error.code().unwrap_or("HY000"), message),
    }
}
