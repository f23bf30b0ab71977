//! A database for one trial of a plugin: a scratch database of a server that whoever tries it names, or a SQLite file.
//! It is filled by plain statements and looked at afterwards, as that server's administrator; a plugin never comes here.
//! It is dropped with [`Throwaway::discard`], and what a host that was killed left is swept as scratch databases are.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize as _;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, MySqlConnection, PgConnection, SqlSafeStr as _,
    SqliteConnection,
};

use super::{Dialect, Error, Jobs, Pools, ScratchDatabase, Slot};
use crate::capability::sql::Grant;
use crate::capability::{Load, Notices, RunContext, Secret};
use crate::gate::{Budgets, Gate, Mode};

/// One database, while this is.
pub(crate) struct Throwaway {
    dialect: Dialect,
    target: Secret,
    name: String,
    /// None for a file.
    scratch: Option<ScratchDatabase>,
}

/// Rows of values as the database writes them; none is NULL.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// The same on whichever driver it is, with a connection of its own.
macro_rules! connected {
    ($self:expr, $connection:ident => $call:expr) => {
        match $self.dialect {
            Dialect::Postgres => {
                let mut $connection = PgConnection::connect($self.target.expose()).await?;
                let result = $call;
                $connection.close().await?;
                result
            }
            Dialect::Mysql => {
                let mut $connection = MySqlConnection::connect($self.target.expose()).await?;
                let result = $call;
                $connection.close().await?;
                result
            }
            Dialect::Sqlite => {
                let file = $self.target.expose().strip_prefix("sqlite:").unwrap_or_default();
                let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
                let mut $connection: SqliteConnection = options.connect().await?;
                let result = $call;
                $connection.close().await?;
                result
            }
        }
    };
}

macro_rules! texts {
    ($connection:expr, $query:expr) => {{
        let rows = sqlx::raw_sql($query).fetch_all(&mut $connection).await?;
        let texts = |row: &_| (0..sqlx::Row::len(row)).map(|column| row_text(row, column)).collect();
        rows.iter().map(texts).collect::<Result<Rows, sqlx::Error>>()?
    }};
}

fn row_text<R: sqlx::Row>(row: &R, column: usize) -> Result<Option<String>, sqlx::Error>
where
    usize: sqlx::ColumnIndex<R>,
    for<'r> Option<String>: sqlx::Decode<'r, R::Database>,
{
    // In the protocol without parameters every value comes as a text, whatever its type.
    row.try_get_unchecked(column)
}

impl Throwaway {
    /// A new, empty database on the server of that URL.
    pub(crate) async fn on_server(url: &Secret) -> Result<Self, String> {
        // An error could quote the URL.
        let mut own = url::Url::parse(url.expose()).map_err(|_| "the URL makes no sense".to_owned())?;
        // Whatever database it names is not worked in, and MariaDB's own is none that a grant may have.
        own.set_path(if own.scheme().starts_with("postgres") { "/postgres" } else { "/information_schema" });
        let mut grant = toml::Table::new();
        grant.insert("target".into(), own.as_str().into());
        grant.insert("access".into(), toml::Value::Array(vec!["scratch".into()]));
        let grant = Grant::deserialize(toml::Value::Table(grant)).map_err(|_| "the URL makes no sense".to_owned())?;
        grant.check()?;
        let dialect = grant.dialect().filter(|dialect| *dialect != Dialect::Sqlite);
        let dialect = dialect.ok_or_else(|| "the URL names no server".to_owned())?;
        let gate = Gate::new(Mode::Perform, Budgets::default(), Instant::now);
        let (notices, load) = (Notices::default(), Load::default());
        let run = RunContext { gate, notices, load, task: "trial".into() };
        let slot = Slot::new("trial", grant, run, Arc::new(Pools::default()), Jobs::default());
        let scratch = ScratchDatabase::create(&Arc::new(slot)).await.map_err(|error| error.to_string())?;
        let name = scratch.name.clone();
        own.set_path(&name);
        Ok(Self { dialect, target: Secret::new(own), name, scratch: Some(scratch) })
    }

    /// A new, empty SQLite database at a path where nothing is.
    pub(crate) async fn in_file(path: &Path) -> Result<Self, String> {
        let target = Secret::new(format!("sqlite:{}", path.display()));
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let made = Self { dialect: Dialect::Sqlite, target, name, scratch: None };
        made.run("PRAGMA user_version = 0").await?;
        Ok(made)
    }

    /// What a slot is bound to.
    pub(crate) fn target(&self) -> &Secret {
        &self.target
    }

    /// The database's name; of a file, the file's.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements, one after the other.
    pub(crate) async fn run(&self, statements: &str) -> Result<(), String> {
        self.run_all(statements).await.map_err(|error| error.to_string())
    }

    async fn run_all(&self, statements: &str) -> Result<(), sqlx::Error> {
        let statements = AssertSqlSafe(statements).into_sql_str();
        connected!(self, connection => sqlx::raw_sql(statements).execute(&mut connection).await.map(drop))
    }

    /// The rows of a query.
    pub(crate) async fn rows(&self, query: &str) -> Result<Rows, String> {
        self.rows_of(query).await.map_err(|error| error.to_string())
    }

    async fn rows_of(&self, query: &str) -> Result<Rows, sqlx::Error> {
        let query = AssertSqlSafe(query).into_sql_str();
        Ok(connected!(self, connection => texts!(connection, query)))
    }

    /// Drops it.
    pub(crate) async fn discard(self) -> Result<(), String> {
        let Some(scratch) = self.scratch else { return Ok(()) };
        scratch.discard().await.map_err(|error: Error| error.to_string())
    }
}
