//! Scratch databases on a MariaDB or MySQL server.

use sqlx::Row as _;

use super::super::{Dialect, Error, quote, scratch::PREFIX};
use super::Connection;

impl Connection {
    /// Makes an empty database. While this connection lives it holds a lock of the database's name, and nobody sweeps the
    /// database away; the lock ends with the host's process, however that ended.
    pub(in super::super) async fn create_scratch(&mut self, name: &str) -> Result<(), Error> {
        if !self.lock(name).await? {
            return Err(Error::Unavailable(format!("another host works on {name}")));
        }
        let quoted = quote::name(Dialect::Mysql, name);
        self.command(&format!("CREATE DATABASE {quoted} CHARACTER SET utf8mb4")).await
    }

    pub(in super::super) async fn drop_scratch(&mut self, name: &str) -> Result<(), Error> {
        self.command(&format!("DROP DATABASE IF EXISTS {}", quote::name(Dialect::Mysql, name))).await
    }

    /// Scratch databases whose maker is gone. Their locks are held from now on.
    pub(in super::super) async fn leftovers(&mut self) -> Result<Vec<String>, Error> {
        const ASK: &str = "SELECT CAST(schema_name AS CHAR) FROM information_schema.schemata \
            WHERE schema_name REGEXP CONCAT('^', ?, '[0-9a-f]{32}$')";
        let rows = sqlx::query(ASK).bind(PREFIX).fetch_all(&mut self.inner).await;
        let rows = rows.map_err(|error| self.error(error))?;
        let mut left = Vec::new();
        for row in rows {
            let name: String = row.try_get(0).map_err(|error| self.error(error))?;
            if self.lock(&name).await? {
                left.push(name);
            }
        }
        Ok(left)
    }

    async fn lock(&mut self, name: &str) -> Result<bool, Error> {
        let row =
            sqlx::query("SELECT CAST(COALESCE(GET_LOCK(?, 0), 0) AS SIGNED)").bind(name).fetch_one(&mut self.inner);
        let taken: i64 = row.await.and_then(|row| row.try_get(0)).map_err(|error| self.error(error))?;
        Ok(taken == 1)
    }
}
