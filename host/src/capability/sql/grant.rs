//! What an operator binds to a `sql` slot, and what that allows. Pure: nothing here opens a connection, and no message
//! here shows the target's password.
//!
//! ```toml
//! target = "postgres://task@db.internal/shop"   # or mysql://, mariadb://, sqlite:PATH
//! access = ["write", "maintain"]                # read always; scratch for throw-away databases
//! table = ["orders", "audit.*"]                 # what write may change; when given, also what maintain may touch
//! function = "shop.stock_level"                 # functions beyond the harmless ones that statements may call
//! lock-timeout = "5s"                           # the default
//! statement-timeout = "10m"                     # the default for queries and changes; see `maintenance_timeout`
//! ca = "/etc/ssl/db-ca.pem"                     # a root to trust beside the system's
//! ```
//!
//! The budget `rows` counts the rows that `execute` and `copy-in` change, before they are made lasting. Rows that are
//! read, rows of scratch databases and upkeep are not counted.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::capability::Secret;
use crate::capability::binding::OneOrMany;
use crate::gate::{Refusal, SlotName};
use crate::policy::units::Seconds;

/// What an operator bound to a slot. The default grants nothing.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Grant {
    /// The database's URL, or `sqlite:PATH`.
    pub(crate) target: Secret,
    /// What may be done.
    #[serde(default)]
    access: BTreeSet<Access>,
    /// Tables that may be changed: `name` or `schema.name`, with `*` for any run of characters in either part.
    #[serde(default)]
    table: OneOrMany,
    /// Functions that statements may call beside the harmless ones: `name` or `schema.name`.
    #[serde(default)]
    function: OneOrMany,
    /// How long a statement waits for a lock; 5 seconds when absent.
    lock_timeout: Option<Seconds>,
    /// How long a statement runs; see [`Grant::statement_timeout`] and [`Grant::maintenance_timeout`].
    statement_timeout: Option<Seconds>,
    /// A PEM file of roots to trust beside the system's.
    ca: Option<PathBuf>,
}

/// One word of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Access {
    /// `query` and `copy-out`.
    Read,
    /// `execute` and `copy-in` on the granted tables.
    Write,
    /// `maintain`.
    Maintain,
    /// Throw-away databases.
    Scratch,
}

impl Access {
    /// Every word, the one that binding a slot grants first.
    pub(crate) const WORDS: &'static [&'static str] = &["read", "write", "maintain", "scratch"];

    /// As it is written in a grant.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Scratch => "scratch",
        }
    }
}

/// Which of the three grammars a target speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// SQLite.
    Sqlite,
}

/// How far a connection to a server is secured: the words of libpq's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Never.
    Disable,
    /// Where the server offers it.
    Prefer,
    /// Always, whoever the server is.
    Require,
    /// Always, and a trusted root signed the server's certificate.
    VerifyCa,
    /// As `VerifyCa`, and the certificate is for the host that the URL names.
    VerifyFull,
}

/// A table as a statement or an operation names it: folded as its dialect folds it, without quotes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TableName {
    /// The schema (MySQL: the database; SQLite: the attached file) when it was written.
    pub(crate) schema: Option<String>,
    /// The table.
    pub(crate) name: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// How long a statement waits for a lock unless the grant says otherwise: less than a writer behind it would notice.
const LOCK_TIMEOUT: Seconds = Seconds(5);
/// How long a query or a change runs unless the grant says otherwise.
const STATEMENT_TIMEOUT: Seconds = Seconds(600);

const TARGETS: &str = "write it as postgres://USER@HOST/DATABASE, mysql://USER@HOST/DATABASE or sqlite:PATH";

impl Grant {
    /// The grammar that the target speaks; none for a target of another kind.
    pub(crate) fn dialect(&self) -> Option<Dialect> {
        match self.target.expose().split_once(':')?.0 {
            "postgres" | "postgresql" => Some(Dialect::Postgres),
            "mysql" | "mariadb" => Some(Dialect::Mysql),
            "sqlite" => Some(Dialect::Sqlite),
            _ => None,
        }
    }

    /// The file of a SQLite target.
    pub(crate) fn sqlite_path(&self) -> Option<&Path> {
        let path = self.target.expose().strip_prefix("sqlite:")?;
        Some(Path::new(path.strip_prefix("//").unwrap_or(path)))
    }

    /// The words of access that it holds.
    pub(crate) fn words(&self) -> Vec<&'static str> {
        self.access.iter().map(|access| access.word()).collect()
    }

    /// How long a statement waits for a lock.
    pub(crate) fn lock_timeout(&self) -> Duration {
        self.lock_timeout.unwrap_or(LOCK_TIMEOUT).into()
    }

    /// How long a query or a change runs.
    pub(crate) fn statement_timeout(&self) -> Duration {
        self.statement_timeout.unwrap_or(STATEMENT_TIMEOUT).into()
    }

    /// How long upkeep or a statement of a restore runs. A vacuum of a big table takes hours by right, so that only
    /// the run's deadline ends it unless the operator said a time.
    pub(crate) fn maintenance_timeout(&self) -> Option<Duration> {
        self.statement_timeout.map(Into::into)
    }

    /// The functions beside the harmless ones that statements may call.
    pub(crate) fn functions(&self) -> &[String] {
        &self.function.0
    }

    /// Roots to trust beside the system's.
    pub(crate) fn ca(&self) -> Option<&Path> {
        self.ca.as_deref()
    }

    /// How far the connection is secured: the URL's `sslmode` (or MySQL's `ssl-mode`); without it `verify-full` where
    /// the grant names a `ca`, else `prefer`.
    ///
    /// # Errors
    /// A word that is none of libpq's.
    pub(crate) fn tls(&self) -> Result<Tls, String> {
        let url = self.url().ok();
        let asked = url.as_ref().and_then(|url| {
            url.query_pairs().find(|(key, _)| key == "sslmode" || key == "ssl-mode").map(|(_, value)| value.to_string())
        });
        match asked.map(|word| word.to_ascii_lowercase().replace('_', "-")).as_deref() {
            None if self.ca.is_some() => Ok(Tls::VerifyFull),
            None | Some("prefer" | "preferred" | "allow") => Ok(Tls::Prefer),
            Some("disable" | "disabled") => Ok(Tls::Disable),
            Some("require" | "required") => Ok(Tls::Require),
            Some("verify-ca") => Ok(Tls::VerifyCa),
            Some("verify-full" | "verify-identity") => Ok(Tls::VerifyFull),
            Some(_) => Err("sslmode is one of disable, prefer, require, verify-ca and verify-full".into()),
        }
    }

    /// The target for people: without the password and the options.
    pub(crate) fn shown_target(&self) -> String {
        if let Some(path) = self.sqlite_path() {
            return format!("sqlite:{}", path.display());
        }
        let Ok(url) = self.url() else { return "an unreadable target".into() };
        let user = if url.username().is_empty() { String::new() } else { format!("{}@", url.username()) };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{user}{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
    }

    /// The schema that a name without one stands in.
    pub(crate) fn default_schema(&self) -> String {
        match self.dialect() {
            Some(Dialect::Postgres) | None => "public".into(),
            Some(Dialect::Sqlite) => "main".into(),
            Some(Dialect::Mysql) => {
                self.url().map(|url| url.path().trim_start_matches('/').to_owned()).unwrap_or_default()
            }
        }
    }

    /// What of the grant cannot be told from its form.
    ///
    /// # Errors
    /// What is wrong and what to write instead, without the target's secrets.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Some(dialect) = self.dialect() else { return Err(format!("that target is no database; {TARGETS}")) };
        if dialect == Dialect::Sqlite {
            self.check_file()?;
        } else {
            self.check_server(dialect)?;
        }
        for (name, time) in [("lock-timeout", self.lock_timeout), ("statement-timeout", self.statement_timeout)] {
            if time == Some(Seconds(0)) {
                return Err(format!("{name}=0 would wait for ever; write a time like 5s or 2h"));
            }
        }
        for (key, names) in [("table", &self.table.0), ("function", &self.function.0)] {
            if let Some(name) = names.iter().find(|name| !is_name(name)) {
                return Err(format!("{key}={name}: write it as {key}=NAME or {key}=SCHEMA.NAME"));
            }
        }
        if !self.table.0.is_empty() && !self.has(Access::Write) && !self.has(Access::Maintain) {
            return Err("table= narrows write and maintain, and neither is granted; add `,write` or `,maintain`".into());
        }
        Ok(())
    }

    fn check_file(&self) -> Result<(), String> {
        match self.sqlite_path().and_then(Path::to_str) {
            None | Some("" | ":memory:" | ":memory") => {
                Err("a sqlite target is a file; write it as sqlite:PATH".into())
            }
            Some(_) if self.ca.is_some() => Err("ca= is for servers; a sqlite target is a file".into()),
            Some(_) => Ok(()),
        }
    }

    fn check_server(&self, dialect: Dialect) -> Result<(), String> {
        let url = self.url().map_err(|error| {
            format!("the target's URL is malformed ({error}); {TARGETS}, with @ : / # in a password percent-encoded")
        })?;
        if url.path().trim_start_matches('/').is_empty() {
            return Err(format!("the target names no database; {TARGETS}"));
        }
        if dialect == Dialect::Mysql && self.default_schema().eq_ignore_ascii_case("mysql") {
            return Err("the target is the server's own database `mysql`, which holds passwords; name another".into());
        }
        if dialect == Dialect::Mysql && url.host_str().unwrap_or_default().is_empty() {
            return Err(format!("the target names no host; {TARGETS}"));
        }
        self.tls()?;
        Ok(())
    }

    fn url(&self) -> Result<Url, url::ParseError> {
        Url::parse(self.target.expose())
    }

    fn has(&self, access: Access) -> bool {
        self.access.contains(&access)
    }

    /// Whether `query` and `copy-out` are granted.
    ///
    /// # Errors
    /// What would allow it.
    pub(crate) fn allows_read(&self, slot: SlotName<'_>) -> Result<(), Refusal> {
        self.needs(slot, Access::Read)
    }

    /// Whether every one of `tables` may be changed.
    ///
    /// # Errors
    /// What would allow it.
    pub(crate) fn allows_write(&self, slot: SlotName<'_>, tables: &[TableName]) -> Result<(), Refusal> {
        self.needs(slot, Access::Write)?;
        tables.iter().try_for_each(|table| self.grants_table(slot, table, "write"))
    }

    /// Whether upkeep of `table`, or of the whole database, is granted. Without any `table=` it is granted on all.
    ///
    /// # Errors
    /// What would allow it.
    pub(crate) fn allows_maintain(&self, slot: SlotName<'_>, table: Option<&TableName>) -> Result<(), Refusal> {
        self.needs(slot, Access::Maintain)?;
        match table {
            _ if self.table.0.is_empty() => Ok(()),
            Some(table) => self.grants_table(slot, table, "maintain"),
            None => refused(
                "the grant's table= narrows upkeep to single tables, and this is for the whole database; \
                 name a table, or leave table= out",
            ),
        }
    }

    /// Whether throw-away databases are granted.
    ///
    /// # Errors
    /// What would allow it.
    pub(crate) fn allows_scratch(&self, slot: SlotName<'_>) -> Result<(), Refusal> {
        self.needs(slot, Access::Scratch)
    }

    fn needs(&self, slot: SlotName<'_>, access: Access) -> Result<(), Refusal> {
        if self.has(access) {
            return Ok(());
        }
        refused(format!("the grant has no {} access; {}", access.word(), slot.with(&[access.word()])))
    }

    fn grants_table(&self, slot: SlotName<'_>, table: &TableName, access: &str) -> Result<(), Refusal> {
        if self.is_system_table(table) {
            return refused(format!("`{table}` belongs to the database system, and no grant reaches it"));
        }
        if self.table.0.iter().any(|granted| self.covers(granted, table)) {
            return Ok(());
        }
        let add = slot.with(&[&format!("table={table}")]);
        refused(format!("the grant names no table `{table}` for {access}; {add}"))
    }

    /// A name without a schema stands in the default one, on both sides.
    fn covers(&self, granted: &str, table: &TableName) -> bool {
        let default = self.default_schema();
        let (schema, name) = granted.split_once('.').unwrap_or((&default, granted));
        let folded = |text: &str| match self.dialect() {
            Some(Dialect::Sqlite) => text.to_ascii_lowercase(),
            _ => text.to_owned(),
        };
        wildcard(&folded(schema), &folded(table.schema.as_deref().unwrap_or(&default)))
            && wildcard(&folded(name), &folded(&table.name))
    }

    fn is_system_table(&self, table: &TableName) -> bool {
        let schema = table.schema.as_deref().unwrap_or_default().to_ascii_lowercase();
        let name = table.name.to_ascii_lowercase();
        match self.dialect() {
            Some(Dialect::Postgres) => {
                matches!(schema.as_str(), "information_schema")
                    || schema.starts_with("pg_")
                    || (schema.is_empty() && name.starts_with("pg_"))
            }
            Some(Dialect::Mysql) => {
                let schema = if schema.is_empty() { self.default_schema().to_ascii_lowercase() } else { schema };
                matches!(schema.as_str(), "mysql" | "sys" | "information_schema" | "performance_schema")
            }
            Some(Dialect::Sqlite) | None => name.starts_with("sqlite_"),
        }
    }
}

fn refused(message: impl Into<String>) -> Result<(), Refusal> {
    Err(Refusal::NotGranted(message.into()))
}

fn is_name(name: &str) -> bool {
    let parts: Vec<_> = name.split('.').collect();
    parts.len() <= 2 && parts.iter().all(|part| !part.is_empty() && !part.contains(char::is_control))
}

/// Whether `text` is `pattern`, in which `*` stands for any run of characters. Greedy with one step back, so that no
/// pattern takes longer than the product of the lengths.
fn wildcard(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
