//! Upkeep in MariaDB's and MySQL's words. Each answers with rows, in which a failure is a row as well.

use sqlx::{AssertSqlSafe, Row as _};

use super::super::{Dialect, Error, TableName, quote, wit};
use super::Connection;

impl Connection {
    pub(in super::super) async fn maintain(
        &mut self,
        operation: &wit::Maintenance,
        rehearsal: bool,
    ) -> Result<(), Error> {
        let (words, table): (&[&str], _) = match operation {
            wit::Maintenance::Vacuum(vacuum) if vacuum.analyze => {
                (&["OPTIMIZE TABLE", "ANALYZE TABLE"], vacuum.table.as_ref())
            }
            wit::Maintenance::Vacuum(vacuum) => (&["OPTIMIZE TABLE"], vacuum.table.as_ref()),
            wit::Maintenance::Optimize(table) => (&["OPTIMIZE TABLE"], table.as_ref()),
            wit::Maintenance::Analyze(table) => (&["ANALYZE TABLE"], table.as_ref()),
            wit::Maintenance::Reindex(reindex) => match &reindex.target {
                wit::IndexTarget::Index(_) => {
                    return Err(Error::Unsupported("an index is rebuilt with its table here; name the table".into()));
                }
                // InnoDB rebuilds a table with its indexes, and lets writers go on.
                wit::IndexTarget::Table(table) => (&["OPTIMIZE TABLE"], Some(table)),
            },
            wit::Maintenance::Checkpoint => {
                return Err(Error::Unsupported("MariaDB and MySQL have no checkpoint statement".into()));
            }
        };
        let tables = match table {
            Some(table) => vec![TableName { schema: table.schema.clone(), name: table.name.clone() }],
            None => self.tables().await?.into_iter().map(|name| TableName { schema: None, name }).collect(),
        };
        for table in &tables {
            match self.kind(table).await? {
                None => return Err(Error::database("42S02", format!("table '{table}' does not exist"))),
                Some(kind) if !kind.contains("BASE TABLE") => {
                    return Err(Error::Unsupported(format!("`{table}` is no base table")));
                }
                Some(_) if rehearsal => {}
                Some(_) => {
                    for words in words {
                        self.checked(&format!("{words} {}", quote::table(Dialect::Mysql, table))).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Runs a statement that answers with rows (table, operation, type of message, message).
    async fn checked(&mut self, text: &str) -> Result<(), Error> {
        let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(&mut self.inner).await;
        let rows = rows.map_err(|error| self.error(error))?;
        for row in rows {
            let text = |index: usize| row.try_get::<String, _>(index).unwrap_or_default();
            if text(2).eq_ignore_ascii_case("error") {
                let message = text(3);
                return Err(if message.contains("Lock wait timeout") || message.contains("max_statement_time") {
                    Error::TimedOut(format!(
                        "{}: {message}; see the grant's lock-timeout= and statement-timeout=",
                        text(0)
                    ))
                } else {
                    Error::database("HY000", format!("{}: {message}", text(0)))
                });
            }
        }
        Ok(())
    }
}
