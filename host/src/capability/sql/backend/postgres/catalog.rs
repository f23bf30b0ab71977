//! What the catalogues say about tables, indexes and the role.

use sqlx::Row as _;

use super::super::{Dialect, Error, TableName, quote, wit};
use super::Connection;
use crate::gate::Refusal;

/// A table and whether the role may keep it up.
pub(super) struct Known {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) may_maintain: bool,
    /// And its indexes: until 16, the owner of the database may vacuum its tables, and not reindex them.
    pub(super) may_reindex: bool,
}

impl Connection {
    pub(in super::super) async fn powers(&mut self) -> Result<Option<String>, Error> {
        const ASK: &str = "SELECT rolsuper, rolcreaterole, \
            EXISTS (SELECT FROM pg_roles m WHERE m.rolname IN ('pg_write_server_files', 'pg_execute_server_program', \
            'pg_read_server_files') AND pg_has_role(r.oid, m.oid, 'MEMBER')) \
            FROM pg_roles r WHERE rolname = current_user";
        let row = sqlx::query(ASK).fetch_optional(&mut self.inner).await;
        let Some(row) = row.map_err(|error| self.error(error))? else { return Ok(None) };
        let is = |index: usize| row.try_get::<bool, _>(index).unwrap_or_default();
        Ok(if is(0) {
            Some("is a superuser".into())
        } else if is(2) {
            Some("can reach the server's files or programs".into())
        } else if is(1) {
            Some("can create roles".into())
        } else {
            None
        })
    }

    /// What a function's body could do beyond the database is what the role could.
    pub(in super::super) async fn is_confined(&mut self) -> Result<bool, Error> {
        self.powers().await.map(|powers| powers.is_none())
    }

    /// A target that the server does not find is left to the statement's own error.
    pub(in super::super) async fn check_targets(
        &mut self,
        tables: &[TableName],
        default_schema: &str,
    ) -> Result<(), Error> {
        const ASK: &str = "SELECT n.nspname::text, c.relkind::text, c.relhasrules FROM pg_class c \
            JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)";
        for table in tables {
            let row = sqlx::query(ASK)
                .bind(quote::table(Dialect::Postgres, table))
                .fetch_optional(&mut self.inner)
                .await
                .map_err(|error| self.error(error))?;
            let Some(row) = row else { continue };
            let text = |index: usize| row.try_get::<String, _>(index).unwrap_or_default();
            let (schema, kind) = (text(0), text(1));
            let wrong = if table.schema.is_none() && schema != default_schema {
                format!("`{table}` is the one in schema {schema}; write `{schema}.{table}`, and grant that")
            } else if !matches!(kind.as_str(), "r" | "p") {
                format!("`{table}` is no base table; change the tables behind it")
            } else if row.try_get::<bool, _>(2).unwrap_or(true) {
                format!("`{table}` has rules that rewrite a change of it into something else")
            } else {
                continue;
            };
            return Err(Refusal::NotGranted(wrong).into());
        }
        Ok(())
    }

    pub(in super::super) async fn table_of_index(&mut self, index: &wit::Table) -> Result<TableName, Error> {
        const ASK: &str = "SELECT n.nspname::text, c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
            JOIN pg_namespace n ON n.oid = c.relnamespace WHERE i.indexrelid = to_regclass($1)";
        let index = TableName { schema: index.schema.clone(), name: index.name.clone() };
        let row = sqlx::query(ASK)
            .bind(quote::table(Dialect::Postgres, &index))
            .fetch_optional(&mut self.inner)
            .await
            .map_err(|error| self.error(error))?;
        let row = row.ok_or_else(|| Error::database("42704", format!("index \"{index}\" does not exist")))?;
        let text = |at: usize| row.try_get::<String, _>(at).map_err(|error| self.error(error));
        Ok(TableName { schema: Some(text(0)?), name: text(1)? })
    }

    /// An error where CHECKPOINT would be denied.
    pub(super) async fn may_checkpoint(&mut self) -> Result<(), Error> {
        const ASK: &str = "SELECT FROM pg_roles r LEFT JOIN pg_roles c ON c.rolname = 'pg_checkpoint' \
            WHERE r.rolname = current_user AND (r.rolsuper OR pg_has_role(r.oid, c.oid, 'USAGE'))";
        let row = sqlx::query(ASK).fetch_optional(&mut self.inner).await.map_err(|error| self.error(error))?;
        match row {
            Some(_) => Ok(()),
            None => Err(Error::database("42501", "permission denied: CHECKPOINT needs a superuser or pg_checkpoint")),
        }
    }

    /// The tables that upkeep of `table`, or of the whole database, touches.
    pub(super) async fn tables(&mut self, table: Option<&wit::Table>) -> Result<Vec<Known>, Error> {
        let (may, reindex) = if self.version >= 170_000 {
            ("has_table_privilege(c.oid, 'MAINTAIN')", "has_table_privilege(c.oid, 'MAINTAIN')")
        } else {
            (
                "pg_has_role(c.relowner, 'USAGE') OR (NOT c.relisshared AND pg_has_role(d.datdba, 'USAGE'))",
                "pg_has_role(c.relowner, 'USAGE')",
            )
        };
        let which = match table {
            Some(_) => "c.oid = to_regclass($1)",
            None => "$1::text IS NULL AND c.relkind IN ('r', 'm') AND c.relpersistence <> 't'",
        };
        let ask = format!(
            "SELECT n.nspname::text, c.relname::text, {may}, {reindex} FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace, pg_database d WHERE d.datname = current_database() AND {which} ORDER BY 1, 2"
        );
        let name = table.map(|table| {
            quote::table(Dialect::Postgres, &TableName { schema: table.schema.clone(), name: table.name.clone() })
        });
        let rows = sqlx::query(sqlx::AssertSqlSafe(ask)).bind(name).fetch_all(&mut self.inner).await;
        let rows = rows.map_err(|error| self.error(error))?;
        let known = |row: &sqlx::postgres::PgRow| {
            Ok(Known {
                schema: row.try_get(0)?,
                name: row.try_get(1)?,
                may_maintain: row.try_get(2)?,
                may_reindex: row.try_get(3)?,
            })
        };
        let tables: Vec<Known> =
            rows.iter().map(known).collect::<Result<_, _>>().map_err(|error: sqlx::Error| self.error(error))?;
        match table {
            Some(table) if tables.is_empty() => {
                Err(Error::database("42P01", format!("relation \"{}\" does not exist", table.name)))
            }
            _ => Ok(tables),
        }
    }
}
