//! Upkeep in SQLite's words.

use sqlx::Row as _;

use super::super::{Dialect, Error, TableName, quote, wit};
use super::Connection;

impl Connection {
    pub(in super::super) async fn maintain(
        &mut self,
        operation: &wit::Maintenance,
        rehearsal: bool,
    ) -> Result<(), Error> {
        let statement = match operation {
            wit::Maintenance::Vacuum(wit::Vacuum { table: Some(_), .. }) => {
                return Err(Error::Unsupported("SQLite vacuums the whole file only; leave the table out".into()));
            }
            wit::Maintenance::Vacuum(vacuum) => {
                self.check_space().await?;
                if vacuum.analyze { "VACUUM; ANALYZE".into() } else { "VACUUM".into() }
            }
            wit::Maintenance::Analyze(None) => "ANALYZE".into(),
            wit::Maintenance::Analyze(Some(table)) => format!("ANALYZE {}", self.known(table, "table").await?),
            wit::Maintenance::Reindex(wit::Reindex { concurrently: true, .. }) => {
                return Err(Error::Unsupported("SQLite cannot reindex without blocking writers".into()));
            }
            wit::Maintenance::Reindex(reindex) => match &reindex.target {
                wit::IndexTarget::Index(index) => format!("REINDEX {}", self.known(index, "index").await?),
                wit::IndexTarget::Table(table) => format!("REINDEX {}", self.known(table, "table").await?),
            },
            wit::Maintenance::Checkpoint => return self.checkpoint(rehearsal).await,
            wit::Maintenance::Optimize(None) => "PRAGMA optimize".into(),
            wit::Maintenance::Optimize(Some(_)) => {
                return Err(Error::Unsupported("SQLite optimizes the whole file only; leave the table out".into()));
            }
        };
        if rehearsal { Ok(()) } else { self.own(&statement).await }
    }

    pub(in super::super) async fn table_of_index(&mut self, index: &wit::Table) -> Result<TableName, Error> {
        let row =
            sqlx::query("SELECT tbl_name FROM main.sqlite_schema WHERE type = 'index' AND name = ? COLLATE NOCASE")
                .bind(&index.name)
                .fetch_optional(&mut self.inner)
                .await
                .map_err(|error| self.error(error))?;
        let name = row.and_then(|row| row.try_get(0).ok());
        let name = name.ok_or_else(|| Error::database("1", format!("no such index: {}", index.name)))?;
        Ok(TableName { schema: None, name })
    }

    /// A busy reader or writer leaves the checkpoint half done, and SQLite says so in a row, not as an error.
    async fn checkpoint(&mut self, rehearsal: bool) -> Result<(), Error> {
        if rehearsal {
            return Ok(());
        }
        self.brake.release();
        self.policy.host(true);
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut self.inner).await;
        self.policy.host(false);
        let busy: i64 = row.and_then(|row| row.try_get(0)).map_err(|error| self.error(error))?;
        if busy == 0 {
            return Ok(());
        }
        Err(Error::TimedOut(format!(
            "another program reads or writes {}; not all of the log was moved",
            self.target.shown
        )))
    }

    /// The quoted name of what exists.
    async fn known(&mut self, table: &wit::Table, kind: &'static str) -> Result<String, Error> {
        if table.schema.as_deref().is_some_and(|schema| !schema.eq_ignore_ascii_case("main")) {
            return Err(Error::Invalid(format!(
                "SQLite has no schema `{}` here; leave it out",
                table.schema.clone().unwrap_or_default()
            )));
        }
        let found = sqlx::query("SELECT 1 FROM main.sqlite_schema WHERE name = ? COLLATE NOCASE AND type = ?")
            .bind(&table.name)
            .bind(kind)
            .fetch_optional(&mut self.inner)
            .await
            .map_err(|error| self.error(error))?;
        if found.is_none() {
            return Err(Error::database("1", format!("no such {kind}: {}", table.name)));
        }
        let name = TableName { schema: Some("main".into()), name: table.name.clone() };
        Ok(quote::table(Dialect::Sqlite, &name))
    }

    /// VACUUM writes a copy and then a log of the whole file: twice its size, in the worst case.
    async fn check_space(&mut self) -> Result<(), Error> {
        let size = std::fs::metadata(&self.target.path).map_or(0, |file| file.len());
        let folder = self.target.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(std::path::Path::new(".")).to_owned();
        let free = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&folder).ok());
        let free = free.await.ok().flatten().map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        if free >= size.saturating_mul(2) {
            return Ok(());
        }
        Err(Error::database(
            "13",
            format!(
                "VACUUM may need {} and the disk has {} free",
                crate::policy::units::Size(size.saturating_mul(2)),
                crate::policy::units::Size(free)
            ),
        ))
    }
}
