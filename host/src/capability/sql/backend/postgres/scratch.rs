//! Scratch databases on a PostgreSQL server.

use sqlx::Row as _;

use super::super::{Dialect, Error, quote, scratch::PREFIX};
use super::Connection;

impl Connection {
    /// Makes an empty database. This connection then shows its name to the server as its own, and while it lives nobody
    /// sweeps the database away: an idle connection ends with the host's process, however that ended.
    pub(in super::super) async fn create_scratch(&mut self, name: &str) -> Result<(), Error> {
        let quoted = quote::name(Dialect::Postgres, name);
        self.command(&format!("SET application_name = {}", quote::text(name))).await?;
        self.command(&format!("CREATE DATABASE {quoted} TEMPLATE template0")).await?;
        let comment = quote::text("a scratch database of taskhost, dropped when its run ends");
        self.command(&format!("COMMENT ON DATABASE {quoted} IS {comment}")).await
    }

    pub(in super::super) async fn drop_scratch(&mut self, name: &str) -> Result<(), Error> {
        let force = if self.version >= 130_000 { " WITH (FORCE)" } else { "" };
        self.command(&format!("DROP DATABASE IF EXISTS {}{force}", quote::name(Dialect::Postgres, name))).await
    }

    /// Scratch databases of this role whose maker is gone.
    pub(in super::super) async fn leftovers(&mut self) -> Result<Vec<String>, Error> {
        const ASK: &str = "SELECT d.datname::text FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba \
            WHERE r.rolname = current_user AND d.datname ~ ('^' || $1 || '[0-9a-f]{32}$') \
            AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.application_name = d.datname)";
        let rows = sqlx::query(ASK).bind(PREFIX).fetch_all(&mut self.inner).await;
        let rows = rows.map_err(|error| self.error(error))?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
    }
}
