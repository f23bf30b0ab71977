//! What the server says about tables and the role.

use sqlx::{AssertSqlSafe, Row as _};

use super::super::scratch::PREFIX;
use super::super::{Error, TableName, wit};
use super::Connection;
use crate::gate::Refusal;

/// Privileges that reach beyond the databases.
const POWERS: &[&str] = &["ALL PRIVILEGES", "SUPER", "FILE", "CREATE USER", "SHUTDOWN"];

impl Connection {
    pub(in super::super) async fn powers(&mut self) -> Result<Option<String>, Error> {
        let grants = self.grants().await?;
        let everywhere = grants.iter().filter_map(|grant| grant.split_once(" ON *.* "));
        let has = |privileges: &str, power: &str| {
            privileges.trim_start_matches("GRANT ").split(", ").any(|privilege| privilege == power)
        };
        Ok(everywhere
            .flat_map(|(privileges, _)| POWERS.iter().filter(move |power| has(privileges, power)))
            .next()
            .map(|power| format!("has {power} on the whole server")))
    }

    /// Triggers and routines run with the role's rights.
    pub(in super::super) async fn is_confined(&mut self) -> Result<bool, Error> {
        let grants = self.grants().await?;
        let scratch = format!(" ON `{}", PREFIX.replace('_', "\\_"));
        Ok(grants.iter().all(|grant| grant.starts_with("GRANT USAGE ON *.*") || grant.contains(&scratch)))
    }

    pub(in super::super) async fn check_targets(&mut self, tables: &[TableName], _: &str) -> Result<(), Error> {
        for table in tables {
            let kind = self.kind(table).await?;
            if kind.is_some_and(|kind| !kind.contains("BASE TABLE")) {
                let wrong = format!("`{table}` is no base table; change the tables behind it");
                return Err(Refusal::NotGranted(wrong).into());
            }
        }
        Ok(())
    }

    #[expect(clippy::unused_async, reason = "the other drivers need it")]
    pub(in super::super) async fn table_of_index(&mut self, _: &wit::Table) -> Result<TableName, Error> {
        Err(Error::Unsupported("an index is rebuilt with its table here; name the table".into()))
    }

    /// BASE TABLE, VIEW and the like; none for what does not exist.
    pub(super) async fn kind(&mut self, table: &TableName) -> Result<Option<String>, Error> {
        const ASK: &str = "SELECT CAST(table_type AS CHAR) FROM information_schema.tables \
            WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?";
        let row = sqlx::query(ASK).bind(&table.schema).bind(&table.name).fetch_optional(&mut self.inner).await;
        let row = row.map_err(|error| self.error(error))?;
        row.map(|row| row.try_get(0)).transpose().map_err(|error| self.error(error))
    }

    /// All base tables of the database in use.
    pub(super) async fn tables(&mut self) -> Result<Vec<String>, Error> {
        const ASK: &str = "SELECT CAST(table_name AS CHAR) FROM information_schema.tables \
            WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY 1";
        let rows = sqlx::query(ASK).fetch_all(&mut self.inner).await.map_err(|error| self.error(error))?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(|error| self.error(error))
    }

    async fn grants(&mut self) -> Result<Vec<String>, Error> {
        let rows = sqlx::raw_sql(AssertSqlSafe("SHOW GRANTS")).fetch_all(&mut self.inner).await;
        let rows = rows.map_err(|error| self.error(error))?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(|error| self.error(error))
    }
}
