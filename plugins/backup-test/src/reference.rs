//! The live database, as what a backup is held against. It is only read, and counted once a run.

use std::collections::BTreeMap;

use taskhost_sdk::prelude::*;
use taskhost_sdk::sql::{Database, Error};

use crate::catalog::Catalog;
use crate::judge::{self, Live};

/// What is live now.
pub(crate) struct Reference {
    /// None where the database could not be read; a finding says why.
    tables: Option<BTreeMap<String, Live>>,
    /// How many tables there are, when none of them is in the backup: they are not counted then.
    strangers: Option<usize>,
    objects: BTreeMap<String, u64>,
}

impl Reference {
    /// Counts what is live. What it may not read is a finding, and not compared.
    pub(crate) async fn of(database: &Database, restored: &[judge::Restored]) -> Result<Self> {
        match Self::count(database, restored).await {
            Ok(reference) => Ok(reference),
            Err(failure) => {
                unread("database", &failure.message);
                Ok(Self { tables: None, strangers: None, objects: BTreeMap::new() })
            }
        }
    }

    async fn count(database: &Database, restored: &[judge::Restored]) -> Result<Self> {
        let catalog = Catalog::live(database).await?;
        let tables = catalog.tables().await?;
        let mut live = BTreeMap::new();
        if !tables.iter().any(|table| restored.iter().any(|restored| restored.name == table.label())) {
            return Ok(Self { tables: Some(live), strangers: Some(tables.len()), objects: BTreeMap::new() });
        }
        for table in &tables {
            let counted = match catalog.count(table).await {
                Ok(rows) => Some((rows, false)),
                // Too big to count in the time that the grant allows.
                Err(Error::TimedOut(_)) => table.estimate.map(|rows| (rows, true)),
                Err(error) => {
                    unread(&table.label(), &sql::message(&error));
                    None
                }
            };
            if let Some((rows, estimated)) = counted {
                live.insert(table.label(), Live { rows, estimated, has_primary_key: table.has_primary_key });
            }
        }
        Ok(Self { tables: Some(live), strangers: None, objects: catalog.objects().await? })
    }

    /// The live tables, by their label.
    pub(crate) fn tables(&self) -> Option<&BTreeMap<String, Live>> {
        self.tables.as_ref()
    }

    /// How many tables there are, when none of them is in the backup.
    pub(crate) fn strangers(&self) -> Option<usize> {
        self.strangers
    }

    /// The number of live indexes, views ..., by kind.
    pub(crate) fn objects(&self) -> &BTreeMap<String, u64> {
        &self.objects
    }
}

fn unread(subject: &str, why: &str) {
    Finding::warning(subject, "backup was not compared with the live database")
        .detail(why)
        .remedy("let the slot's role read the live tables, write a manifest beside the backup, or say compare=nothing")
        .report();
}
