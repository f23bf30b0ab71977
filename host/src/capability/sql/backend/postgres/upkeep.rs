//! Upkeep in PostgreSQL's words. The lock time-out holds for each, so that none queues behind a long transaction and
//! blocks the writers behind itself.

use super::super::{Dialect, Error, TableName, quote, wit};
use super::Connection;
use super::catalog::Known;

impl Connection {
    pub(in super::super) async fn maintain(
        &mut self,
        operation: &wit::Maintenance,
        rehearsal: bool,
    ) -> Result<(), Error> {
        match operation {
            wit::Maintenance::Vacuum(vacuum) => {
                let words = if vacuum.analyze { "VACUUM (ANALYZE)" } else { "VACUUM" };
                self.each_table(words, vacuum.table.as_ref(), rehearsal).await
            }
            wit::Maintenance::Analyze(table) => self.each_table("ANALYZE", table.as_ref(), rehearsal).await,
            wit::Maintenance::Reindex(reindex) => self.reindex(reindex, rehearsal).await,
            wit::Maintenance::Checkpoint if rehearsal => self.may_checkpoint().await,
            wit::Maintenance::Checkpoint => self.command("CHECKPOINT").await,
            wit::Maintenance::Optimize(_) => {
                Err(Error::Unsupported("PostgreSQL has no optimize; use vacuum and reindex".into()))
            }
        }
    }

    /// One table after another, each with its own locks and transaction. The server passes over what the role may not
    /// touch with a warning that nobody sees, so that is found out before.
    async fn each_table(&mut self, words: &str, table: Option<&wit::Table>, rehearsal: bool) -> Result<(), Error> {
        let tables = self.tables(table).await?;
        if let Some(refused) = tables.first().filter(|_| tables.iter().all(|table| !table.may_maintain)) {
            return Err(Error::database(
                "42501",
                format!("permission denied for table {}: the role must own it or the database", refused.name),
            ));
        }
        let mut in_use = Vec::new();
        for Known { schema, name, .. } in tables.iter().filter(|table| table.may_maintain && !rehearsal) {
            let full = TableName { schema: Some(schema.clone()), name: name.clone() };
            match self.command(&format!("{words} {}", quote::table(Dialect::Postgres, &full))).await {
                Ok(()) => {}
                Err(Error::TimedOut(_)) if table.is_none() => in_use.push(full.to_string()),
                // It was dropped since it was listed.
                Err(Error::Database(error)) if table.is_none() && error.code == "42P01" => {}
                Err(error) => return Err(error),
            }
        }
        if in_use.is_empty() {
            return Ok(());
        }
        Err(Error::TimedOut(format!(
            "{} of {} tables were in use longer than the time-outs allow, and were passed over: {}",
            in_use.len(),
            tables.len(),
            in_use.join(", ")
        )))
    }

    async fn reindex(&mut self, reindex: &wit::Reindex, rehearsal: bool) -> Result<(), Error> {
        let (kind, target, table) = match &reindex.target {
            wit::IndexTarget::Index(index) => {
                let table = self.table_of_index(index).await?;
                ("INDEX", index, wit::Table { schema: table.schema, name: table.name })
            }
            wit::IndexTarget::Table(table) => ("TABLE", table, table.clone()),
        };
        let known = self.tables(Some(&table)).await?;
        if rehearsal && known.iter().any(|table| table.may_reindex) {
            return Ok(());
        }
        if rehearsal {
            return Err(Error::database(
                "42501",
                format!("permission denied for the indexes of {}: the role must own the table", table.name),
            ));
        }
        let concurrently = if reindex.concurrently { " CONCURRENTLY" } else { "" };
        let name = TableName { schema: target.schema.clone(), name: target.name.clone() };
        self.command(&format!("REINDEX {kind}{concurrently} {}", quote::table(Dialect::Postgres, &name))).await
    }
}
