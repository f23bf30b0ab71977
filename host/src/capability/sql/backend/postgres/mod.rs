//! PostgreSQL.

mod catalog;
mod parameter;
mod scratch;
mod upkeep;
mod value;

use std::str::FromStr as _;
use std::time::Duration;

use futures::TryStreamExt as _;
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgSslMode};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Executor as _, PgConnection, Row as _,
    SqlSafeStr as _, Statement as _,
};

use super::{DatabaseError, Error, Limits, RowSink, TableName, Target, quote, wit};
use crate::capability::sql::grant::{Dialect, Tls};
use crate::capability::stream::ByteReceiver;

/// How long a server may take to stop what it does.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// How long a transaction may sit between two statements.
const IDLE_LIMIT: Duration = Duration::from_mins(10);
/// Server version from which a backend notices by itself that its client is gone.
const CHECKS_CLIENT: u32 = 140_000;

/// One connection.
pub(crate) struct Connection {
    inner: PgConnection,
    options: PgConnectOptions,
    target: Target,
    /// The server's process for this connection.
    backend: i32,
    version: u32,
    /// A transaction was opened and not ended.
    open: bool,
}

fn options(target: &Target) -> Result<PgConnectOptions, Error> {
    let options = PgConnectOptions::from_str(target.url.expose())
        .map_err(|_| Error::Invalid(format!("the URL of {} cannot be read", target.shown)))?
        .ssl_mode(match target.tls {
            Tls::Disable => PgSslMode::Disable,
            Tls::Prefer => PgSslMode::Prefer,
            Tls::Require => PgSslMode::Require,
            Tls::VerifyCa => PgSslMode::VerifyCa,
            Tls::VerifyFull => PgSslMode::VerifyFull,
        })
        .disable_statement_logging();
    let options = match &target.ca {
        Some(ca) => options.ssl_root_cert(ca),
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
        let version = inner.server_version_num().unwrap_or_default();
        let mut connection = Self { inner, options, target: target.clone(), backend: 0, version, open: false };
        for (name, value) in super::super::statement::session_settings(Dialect::Postgres) {
            connection.command(&format!("SET {name} = {}", quote::text(value))).await?;
        }
        if version >= CHECKS_CLIENT {
            // Where the server's system cannot do it, it says so; a killed host is then noticed later.
            let _ = connection.command("SET client_connection_check_interval = '1s'").await;
        }
        let row = sqlx::query("SELECT pg_backend_pid()").fetch_one(&mut connection.inner).await;
        connection.backend = row.and_then(|row| row.try_get(0)).map_err(|error| connection.error(error))?;
        Ok(connection)
    }

    pub(super) async fn limit(&mut self, limits: &Limits) -> Result<(), Error> {
        let statement = limits.statement.map_or(0, |limit| limit.as_millis());
        let settings = format!(
            "SET statement_timeout = {statement}; SET lock_timeout = {}; \
             SET idle_in_transaction_session_timeout = {}; SET application_name = {}",
            limits.lock.as_millis(),
            limits.statement.unwrap_or(IDLE_LIMIT).max(IDLE_LIMIT).as_millis(),
            quote::text(&limits.application),
        );
        self.command(&settings).await
    }

    pub(super) async fn reset(&mut self) -> Result<(), Error> {
        if self.open { self.rollback().await } else { self.inner.ping().await.map_err(|error| self.error(error)) }
    }

    /// Closing the socket ends no statement that runs, so the server is told on another connection.
    pub(super) async fn abandon(self) {
        let stopped = tokio::time::timeout(STOP_LIMIT, async {
            let mut other = self.options.connect().await?;
            sqlx::query("SELECT pg_terminate_backend($1)").bind(self.backend).execute(&mut other).await?;
            loop {
                let gone = sqlx::query("SELECT 1 FROM pg_stat_activity WHERE pid = $1")
                    .bind(self.backend)
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
            tracing::warn!(target = self.target.shown, backend = self.backend, "could not stop an abandoned statement");
        }
        let _ = self.inner.close_hard().await;
    }

    pub(super) async fn close(self) {
        let _ = self.inner.close().await;
    }

    pub(super) async fn server(&mut self) -> Result<wit::Server, Error> {
        let row = sqlx::query("SELECT current_setting('server_version'), current_database()::text")
            .fetch_one(&mut self.inner)
            .await;
        let (version, database) =
            row.and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?))).map_err(|error| self.error(error))?;
        Ok(wit::Server { dialect: wit::Dialect::Postgres, version, version_number: self.version, database })
    }

    pub(super) async fn begin(&mut self, read_only: bool) -> Result<(), Error> {
        self.open = true;
        self.command(if read_only { "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" } else { "BEGIN" }).await
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

    /// A transaction inside the transaction may be made read-only, and leaves the outer one as it was.
    pub(super) async fn begin_reading(&mut self) -> Result<(), Error> {
        self.command("SAVEPOINT taskhost_reading; SET TRANSACTION READ ONLY").await
    }

    pub(super) async fn end_reading(&mut self) -> Result<(), Error> {
        self.command("ROLLBACK TO SAVEPOINT taskhost_reading; RELEASE SAVEPOINT taskhost_reading").await
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
        let arguments = parameter::arguments(&prepared, parameters)?;
        let columns = prepared.columns();
        sink.columns(columns.iter().map(|column| value::column(column.name(), column.type_info())).collect())?;
        let decoders: Vec<_> = columns.iter().map(|column| value::Decoder::new(column.type_info())).collect();
        let mut rows = sqlx::query_with(AssertSqlSafe(text), arguments).fetch(&mut self.inner);
        while let Some(row) = rows.try_next().await.map_err(fail)? {
            sink.push(value::row(&decoders, &row)?).await?;
        }
        sink.end().await
    }

    pub(super) async fn change(&mut self, text: &str, parameters: &[wit::Value]) -> Result<u64, Error> {
        let prepared = self.inner.prepare(AssertSqlSafe(text).into_sql_str()).await;
        let prepared = prepared.map_err(|error| self.error(error))?;
        let arguments = parameter::arguments(&prepared, parameters)?;
        let done = sqlx::query_with(AssertSqlSafe(text), arguments).execute(&mut self.inner).await;
        done.map(|done| done.rows_affected()).map_err(|error| self.error(error))
    }

    pub(super) async fn copy_in(
        &mut self,
        table: &TableName,
        columns: &[String],
        data: &mut ByteReceiver,
    ) -> Result<u64, Error> {
        let columns: Vec<_> = columns.iter().map(|column| quote::name(Dialect::Postgres, column)).collect();
        let table = quote::table(Dialect::Postgres, table);
        let statement = format!("COPY {table} ({}) FROM STDIN (FORMAT csv)", columns.join(", "));
        let target = self.target.clone();
        let fail = |error| to_error(&target, error);
        let mut copy = self.inner.copy_in_raw(&statement).await.map_err(fail)?;
        while let Some(chunk) = data.next().await {
            copy.send(chunk).await.map_err(fail)?;
        }
        copy.finish().await.map_err(fail)
    }

    /// The rows of a reading statement as the server's own CSV.
    pub(super) async fn copy_out(
        &mut self,
        text: &str,
        sink: &tokio::sync::mpsc::Sender<bytes::Bytes>,
    ) -> Result<u64, Error> {
        const CHUNK: usize = 128 * 1024;
        let target = self.target.clone();
        let fail = |error| to_error(&target, error);
        let statement = format!("COPY ({text}) TO STDOUT (FORMAT csv)");
        let mut lines = self.inner.copy_out_raw(&statement).await.map_err(fail)?;
        let (mut chunk, mut rows) = (bytes::BytesMut::with_capacity(CHUNK), 0);
        // The server sends one message a row.
        while let Some(line) = lines.try_next().await.map_err(fail)? {
            rows += 1;
            chunk.extend_from_slice(&line);
            if chunk.len() >= CHUNK {
                sink.send(chunk.split().freeze()).await.map_err(|_| Error::Abandoned)?;
                chunk.reserve(CHUNK);
            }
        }
        if !chunk.is_empty() {
            sink.send(chunk.freeze()).await.map_err(|_| Error::Abandoned)?;
        }
        Ok(rows)
    }

    /// One statement of a dump.
    pub(super) async fn run(&mut self, text: &str) -> Result<u64, Error> {
        let done = sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut self.inner).await;
        done.map(|done| done.rows_affected()).map_err(|error| self.error(error))
    }

    /// A COPY block of a dump.
    pub(super) async fn copy_block(&mut self, statement: &str) -> Result<CopyBlock<'_>, Error> {
        let target = self.target.clone();
        let copy = self.inner.copy_in_raw(statement).await.map_err(|error| to_error(&target, error))?;
        Ok(CopyBlock { copy, target })
    }

    async fn command(&mut self, text: &str) -> Result<(), Error> {
        self.run(text).await.map(|_| ())
    }

    fn error(&self, error: sqlx::Error) -> Error {
        to_error(&self.target, error)
    }
}

/// A COPY under way.
pub(super) struct CopyBlock<'a> {
    copy: sqlx::postgres::PgCopyIn<&'a mut PgConnection>,
    target: Target,
}

impl CopyBlock<'_> {
    pub(super) async fn send(&mut self, data: &[u8]) -> Result<(), Error> {
        self.copy.send(data).await.map(|_| ()).map_err(|error| to_error(&self.target, error))
    }

    pub(super) async fn finish(self) -> Result<u64, Error> {
        let target = self.target;
        self.copy.finish().await.map_err(|error| to_error(&target, error))
    }
}

/// Why a connection was not made, without the library's words around it.
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
    let Some(error) = error.try_downcast_ref::<PgDatabaseError>() else { return target.lost(error) };
    let message = error.message();
    match error.code() {
        "57014" => Error::TimedOut(format!("{message}; the grant's statement-timeout= sets how long it may take")),
        "55P03" => Error::TimedOut(format!("{message}; the grant's lock-timeout= sets how long to wait for a lock")),
        "25P03" | "57P01" | "57P02" | "57P03" => target.lost(message),
        code if code.starts_with("08") => target.lost(message),
        code => Error::Database(Box::new(DatabaseError {
            code: code.into(),
            message: message.into(),
            detail: match (error.detail(), error.hint()) {
                (Some(detail), Some(hint)) => Some(format!("{detail} ({hint})")),
                (detail, hint) => detail.or(hint).map(Into::into),
            },
            constraint: error.constraint().map(Into::into),
        })),
    }
}
