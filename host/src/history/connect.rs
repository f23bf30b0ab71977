//! Opens a history: makes it or brings it up to date where it may be written, and knows it by its mark, so that no other
//! database is ever written.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, SqlSafeStr as _};

use super::Target;
use super::error::Fault;
use super::sql::Connection;

/// `ThHi`, in a SQLite file's header.
const APPLICATION: i32 = 0x5468_4869;
/// The schema in a PostgreSQL database.
const SCHEMA: &str = "taskhost";
const MIGRATIONS: [(i64, &str, &str); 3] = [
    (1, "history", include_str!("migrations/0001_history.sql")),
    (2, "serve", include_str!("migrations/0002_serve.sql")),
    (3, "outcomes", include_str!("migrations/0003_outcomes.sql")),
];
/// Where the migrations that were applied are listed.
const APPLIED: &str = "history_migrations";
/// How long another that writes is waited for.
const BUSY: Duration = Duration::from_secs(5);
/// How long a server may take to let us in.
const CONNECT: Duration = Duration::from_secs(10);

/// What is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Opens it.
pub(super) async fn connect(target: &Target, access: Access) -> Result<Connection, Fault> {
    match (target, access) {
        (Target::File(path), Access::Write) => Ok(Connection::Sqlite(make(path).await?)),
        (Target::File(path), Access::Read) => Ok(Connection::Sqlite(look(path).await?)),
        (Target::Server(url), access) => {
            let limit = CONNECT.as_secs();
            let opened = tokio::time::timeout(CONNECT, server(url.expose(), access)).await;
            let connection =
                opened.map_err(|_| Fault::Said(format!("the server did not let us in within {limit} s")))??;
            Ok(Connection::Postgres(connection))
        }
    }
}

fn migrator() -> Migrator {
    let migration = |(version, name, text): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(MIGRATIONS.map(migration).into());
    migrator.dangerous_set_table_name(APPLIED);
    migrator
}

fn newest() -> i64 {
    MIGRATIONS.iter().map(|(version, ..)| *version).max().unwrap_or(0)
}

async fn make(path: &Path) -> Result<SqliteConnection, Fault> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(BUSY)
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(|error| cannot_open(path, error))?;
    let fresh = match mark(&mut connection).await? {
        Mark::Ours => false,
        Mark::Empty => true,
        Mark::Other => return Err(foreign()),
    };
    if fresh || version(&mut connection).await? < newest() {
        // One at a time: within the lock, what another made meanwhile is seen.
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        if let Mark::Other = mark(&mut transaction).await? {
            return Err(foreign());
        }
        migrator().run_direct(None, &mut *transaction, false).await.map_err(migrate)?;
        let mark = format!("PRAGMA application_id = {APPLICATION}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(mark)).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    write_ahead(&mut connection).await?;
    // What was done to the world is to be on the disk when the machine's power fails.
    sqlx::query("PRAGMA synchronous = FULL").execute(&mut connection).await?;
    expect_version(version(&mut connection).await?)?;
    Ok(connection)
}

/// Lets others read while one writes. It is a property of the file, which can be set when nobody else is at it: SQLite
/// does not wait for that by itself.
async fn write_ahead(connection: &mut SqliteConnection) -> Result<(), Fault> {
    let begun = std::time::Instant::now();
    loop {
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
        if mode == "wal" {
            return Ok(());
        }
        match sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *connection).await {
            Err(error) if begun.elapsed() > BUSY => return Err(error.into()),
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn look(path: &Path) -> Result<SqliteConnection, Fault> {
    if !path.is_file() {
        return Err(Fault::Said("there is none yet; the first run that is recorded makes it".into()));
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY)
        .pragma("query_only", "ON")
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(|error| cannot_open(path, error))?;
    match mark(&mut connection).await? {
        Mark::Ours => expect_version(version(&mut connection).await?)?,
        Mark::Empty | Mark::Other => return Err(foreign()),
    }
    Ok(connection)
}

/// SQLite says of all that it cannot open that it cannot; what stands against it is looked for.
fn cannot_open(path: &Path, error: sqlx::Error) -> Fault {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (path.is_dir(), directory.is_dir()) {
        (true, _) => Fault::Said("it is a directory; name a file".into()),
        (false, false) => Fault::Said(format!("there is no directory {}", directory.display())),
        (false, true) => Fault::Sql(error),
    }
}

enum Mark {
    Ours,
    Empty,
    Other,
}

async fn mark(connection: &mut SqliteConnection) -> Result<Mark, Fault> {
    let application: i32 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await?;
    if application == APPLICATION {
        return Ok(Mark::Ours);
    }
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *connection).await?;
    Ok(if application == 0 && tables == 0 { Mark::Empty } else { Mark::Other })
}

fn foreign() -> Fault {
    Fault::Said("it is a database of something else; name another file".into())
}

async fn version(connection: &mut SqliteConnection) -> Result<i64, Fault> {
    let version = format!("SELECT coalesce(max(version), 0) FROM {APPLIED}");
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(version)).fetch_one(&mut *connection).await?)
}

fn expect_version(version: i64) -> Result<(), Fault> {
    match version.cmp(&newest()) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(Fault::Said(format!(
            "it is of version {version}; the next run that is recorded in it brings it to {}",
            newest()
        ))),
        std::cmp::Ordering::Greater => Err(newer()),
    }
}

fn newer() -> Fault {
    Fault::Said(format!("it was written by a newer host; this one knows version {}", newest()))
}

fn migrate(error: sqlx::migrate::MigrateError) -> Fault {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::VersionMissing(_) => newer(),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Fault::Sql(error),
        error => Fault::Said(format!("its tables could not be made: {error}")),
    }
}

async fn server(url: &str, access: Access) -> Result<PgConnection, Fault> {
    // What it says may quote the URL.
    let options: PgConnectOptions = url.parse().map_err(|_| "its URL is not understood".to_owned())?;
    let mut connection = options.application_name("taskhost").disable_statement_logging().connect().await?;
    let setup = match access {
        Access::Write => "SET lock_timeout = '10s'; SET statement_timeout = '30s'",
        Access::Read => "SET default_transaction_read_only = on; SET statement_timeout = '60s'",
    };
    sqlx::raw_sql(setup).execute(&mut connection).await?;
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
        .bind(SCHEMA)
        .fetch_one(&mut connection)
        .await?;
    if !there {
        if access == Access::Read {
            return Err(Fault::Said("there is none yet; the first run that is recorded makes it".into()));
        }
        // Asking for it where it is takes the right to make one, which a role need not have.
        let make = format!("CREATE SCHEMA IF NOT EXISTS {SCHEMA}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut connection).await?;
    }
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SET search_path = {SCHEMA}"))).execute(&mut connection).await?;
    let listed: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(format!("{SCHEMA}.{APPLIED}"))
        .fetch_one(&mut connection)
        .await?;
    if !listed && access == Access::Read {
        return Err(Fault::Said("there is none yet; the first run that is recorded makes it".into()));
    }
    if access == Access::Write && (!listed || server_version(&mut connection).await? < newest()) {
        migrator().run_direct(None, &mut connection, false).await.map_err(migrate)?;
    }
    expect_version(server_version(&mut connection).await?)?;
    Ok(connection)
}

async fn server_version(connection: &mut PgConnection) -> Result<i64, Fault> {
    let version = format!("SELECT coalesce(max(version), 0) FROM {APPLIED}");
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(version)).fetch_one(&mut *connection).await?)
}
