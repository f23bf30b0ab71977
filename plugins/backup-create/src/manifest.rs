//! The manifest beside a backup: its checksum and size as it is stored, and the rows of its tables.

use std::collections::BTreeMap;

use backup_files::Manifest;
use taskhost_sdk::FailureKind;
use taskhost_sdk::files::{Codec, WriteMode};
use taskhost_sdk::prelude::*;

use crate::outcome::NotMade;
use crate::{Job, Made, name};

/// Writes it. A backup is one without it, too: that it has none is a warning.
pub(crate) async fn write(job: &Job<'_>, made: &Made, tables: BTreeMap<String, u64>) -> Result<(), NotMade> {
    let manifest = Manifest {
        created: Some(name::moment(job.now)),
        tables,
        sha256: Some(made.written.sha256.clone()),
        bytes: Some(made.written.bytes),
    };
    let path = format!("{}.manifest.json", made.path);
    let text = match serde_json::to_vec_pretty(&manifest) {
        Ok(text) => text,
        Err(error) => return Err(NotMade::Stopped(Failure::new(error.to_string()))),
    };
    let written = job.backups.write_with(&path, WriteMode::Create, Codec::None, async |file| {
        file.write([text, b"\n".to_vec()].concat()).await?;
        Ok(())
    });
    match written.await {
        Ok(_) => Ok(()),
        Err(failure) if failure.kind == FailureKind::Failed => {
            Finding::warning(&job.options.name, "backup has no manifest")
                .detail(format!("{}: {}", made.path, failure.message))
                .remedy("the backup is whole; see the disk of the backups, and make the next one")
                .report();
            Ok(())
        }
        Err(failure) => Err(NotMade::Stopped(failure)),
    }
}
