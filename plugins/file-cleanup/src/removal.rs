//! Removing, batch by batch, and keeping count. What cannot be removed is a finding, and the rest goes on.

use taskhost_sdk::files::{self, Directory};
use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{count, counted, size};

use crate::selection::Directories;

/// Paths handed to the host at once.
pub(crate) const BATCH: usize = 500;
/// Failures that get a finding of their own.
const FINDINGS: u64 = 50;

/// What was removed so far, and what could not be.
pub(crate) struct Removal {
    directory: Directory,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) failed: u64,
    /// Empty directories.
    pub(crate) directories: u64,
    /// None: directories stay.
    left: Option<Directories>,
}

impl Removal {
    /// With `left`, the directories that this leaves empty go too.
    pub(crate) fn new(directory: Directory, left: Option<Directories>) -> Self {
        Self { directory, files: 0, bytes: 0, failed: 0, directories: 0, left }
    }

    pub(crate) async fn files(&mut self, paths: Vec<String>) -> Result<()> {
        let removed = self.directory.remove(paths.clone()).await;
        for (path, removed) in paths.iter().zip(removed) {
            match removed {
                Ok(removed) => {
                    self.files += 1;
                    self.bytes += removed.bytes;
                }
                // Someone else was faster: it is gone, which is what was wanted.
                Err(files::Error::NotFound(_)) => {}
                Err(error) => {
                    self.failed(path, error)?;
                    continue;
                }
            }
            if let Some(left) = &mut self.left {
                left.removed(path);
            }
        }
        Ok(())
    }

    /// Removes the directories that have nothing left in them.
    pub(crate) async fn empty_directories(&mut self) -> Result<()> {
        let directories = self.left.take().unwrap_or_default().emptied();
        for batch in directories.chunks(BATCH) {
            for (path, removed) in batch.iter().zip(self.directory.remove(batch.to_vec()).await) {
                match removed {
                    Ok(_) => self.directories += 1,
                    // Someone put something in it, or was faster.
                    Err(files::Error::WrongKind(_) | files::Error::NotFound(_)) => {}
                    Err(error) => self.failed(path, error)?,
                }
            }
        }
        Ok(())
    }

    fn failed(&mut self, path: &str, error: files::Error) -> Result<()> {
        if matches!(error, files::Error::OverBudget(_)) {
            // No other would fare better.
            return Err(error.into());
        }
        self.failed += 1;
        if self.failed <= FINDINGS {
            // A refusal says itself what would allow it.
            let remedy = match error {
                files::Error::Refused(_) => "leave it out with exclude=..., or widen the grant of the slot `directory`",
                _ => "see who owns it and its directory: the host's user must be able to write to the directory",
            };
            Finding::warning(path, "could not be removed").detail(files::message(&error)).remedy(remedy).report();
        }
        Ok(())
    }

    /// Sends what there is to send at the end, however the run ends.
    pub(crate) fn report(&self) {
        if self.failed > FINDINGS {
            Finding::warning("directory", "more could not be removed")
                .detail(format!("{} in all", count(self.failed)))
                .report();
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of files and bytes")]
        for (name, value, unit) in [
            ("files_removed", self.files as f64, Unit::None),
            ("bytes_freed", self.bytes as f64, Unit::Bytes),
            ("directories_removed", self.directories as f64, Unit::None),
            ("removals_failed", self.failed as f64, Unit::None),
        ] {
            Metric::new(name, value).unit(unit).report();
        }
    }

    /// `12 files, 3.4 MiB`.
    pub(crate) fn so_far(&self) -> String {
        format!("{}, {}", counted(self.files, "file"), size(self.bytes))
    }
}
