//! Doing what was planned, log by log, and keeping count. What fails is a finding, and the rest goes on; a spent budget ends
//! the run.

use taskhost_sdk::files::{self, Codec, Directory};
use taskhost_sdk::prelude::*;
use taskhost_sdk::report::next_action_on;
use taskhost_sdk::words::{count, counted, size, some_of};

use crate::due::{Stays, due};
use crate::model::{Live, Log, Settings, Way};
use crate::plan::{Step, plan};
use crate::{SLOT, recover};

/// Failures that get a finding of their own, and lines of the list of what was rotated.
const SHOWN: usize = 50;
/// A log that may be all blanks: what a cut leaves of one block.
const BLANKS: u64 = 64 * 1024;

/// What was done so far.
pub(crate) struct Work<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) settings: &'a Settings,
    /// An empty log is made where one was renamed.
    pub(crate) create: bool,
    /// When rotated files were last packed away.
    pub(crate) archived: Option<i64>,
    /// Rotated files that are to be packed.
    pub(crate) to_pack: Vec<String>,
    pub(crate) done: Done,
}

/// The figures of a run.
#[derive(Default)]
pub(crate) struct Done {
    rotated: Vec<String>,
    rotated_bytes: u64,
    compressed: u64,
    saved: u64,
    pub(crate) packed: u64,
    pub(crate) removed: u64,
    pub(crate) freed: u64,
    /// Rotated files that a process still writes to.
    open: u64,
    failed: u64,
}

impl Work<'_> {
    /// Rotates one log if it is due, and sees to its rotated files.
    pub(crate) async fn log(&mut self, mut log: Log) -> Result<()> {
        if !recover::recover(self, &mut log).await? {
            return Ok(());
        }
        log.sort();
        let why = self.due(&log).await?;
        let live = log.live.clone().filter(|_| why.is_some());
        for step in plan(&log, live.as_ref(), self.settings) {
            if !self.step(&log, step, why.as_deref().unwrap_or_default()).await? {
                break;
            }
        }
        self.say_what_is_open(&log);
        Ok(())
    }

    /// Why the log is to be rotated now.
    async fn due(&mut self, log: &Log) -> Result<Option<String>> {
        let Some(live) = &log.live else { return Ok(None) };
        let why = match due(log, live, self.archived, self.settings) {
            Ok(why) => why,
            Err(Stays::Empty | Stays::Small | Stays::NotYet | Stays::Unchanged) => return Ok(None),
        };
        if live.size <= BLANKS && self.is_blank(log).await {
            return Ok(None);
        }
        if self.settings.way == Way::Copy && !live.not_appending.is_empty() {
            Finding::warning(&log.path, "cannot be cut while it is written in this way")
                .detail(format!(
                    "{} writes at a place of its own and not to the file's end: after a cut it would go on at its old \
                     place, and leave a hole of {} before it",
                    holders(&live.not_appending),
                    size(live.size)
                ))
                .remedy("have it open its log for appending (O_APPEND, `>>`), or rotate with method=rename")
                .report();
            return Ok(None);
        }
        Ok(Some(why))
    }

    /// Whether a small log has nothing but the line of blanks that a cut leaves.
    async fn is_blank(&self, log: &Log) -> bool {
        // One that has grown, or cannot be read, is not: the next step says what keeps it from being read.
        let content = self.directory.read_small(&log.path, BLANKS).await;
        content.is_ok_and(|content| content.iter().all(u8::is_ascii_whitespace))
    }

    /// Carries a step out; whether the next can follow.
    async fn step(&mut self, log: &Log, step: Step, why: &str) -> Result<bool> {
        match step {
            Step::Shift { from, to } => match self.directory.rename(from.clone(), to).await {
                Ok(()) => Ok(true),
                Err(error) => self.stops(&from, "could not be renamed", error),
            },
            Step::Rotate { to } => self.rotate(log, to, why).await,
            Step::Copy { by, to } => self.copy(log, by, to, why).await,
            Step::Compress { from, to } => self.compress(log, from, to).await,
            Step::Pack { path } => {
                self.to_pack.push(path);
                Ok(true)
            }
            Step::Remove { path, why } => {
                self.remove(&path, &why).await?;
                Ok(true)
            }
        }
    }

    async fn rotate(&mut self, log: &Log, to: String, why: &str) -> Result<bool> {
        match self.directory.rename(log.path.clone(), to.clone()).await {
            Ok(()) => {}
            // Someone else was faster.
            Err(files::Error::NotFound(_)) => return Ok(false),
            Err(error) => return self.stops(&log.path, "could not be rotated", error),
        }
        let live = log.live.clone().unwrap_or_default();
        self.note(log, &live, &to, why);
        if !live.writers.is_empty() {
            self.done.open += 1;
            let holders = holders(&live.writers);
            next_action_on(&to, format!("have {holders} open its log anew: until then its lines go to this file"));
        }
        if self.create {
            match self.directory.create_like(log.path.clone(), to).await {
                // The writer has made it.
                Ok(()) | Err(files::Error::AlreadyExists(_)) => {}
                Err(error) => self.failed(&log.path, "could not be made anew", error)?,
            }
        }
        Ok(true)
    }

    async fn copy(&mut self, log: &Log, by: String, to: String, why: &str) -> Result<bool> {
        let copied = self.directory.compress(log.path.clone(), by.clone(), Codec::None, false).await;
        let copied = match copied {
            Ok(copied) => copied,
            Err(files::Error::NotFound(_)) => return Ok(false),
            Err(error) => return self.stops(&log.path, "could not be copied", error),
        };
        match self.directory.cut(log.path.clone(), copied.bytes, copied.sha256).await {
            Ok(cut) => say_what_is_lost(&log.path, &cut),
            Err(error) => {
                // All of it is still in the log. What cannot be removed is seen to by the next run.
                drop(self.directory.remove(vec![by]).await);
                return match error {
                    files::Error::Invalid(why) => {
                        log::warn(format!("{}: {why}; someone else rotates it", log.path));
                        Ok(false)
                    }
                    error => self.stops(&log.path, "could not be cut", error),
                };
            }
        }
        if let Err(error) = self.directory.rename(by.clone(), to.clone()).await {
            return self.stops(&by, "could not be renamed", error);
        }
        let live = Live { size: copied.bytes, ..log.live.clone().unwrap_or_default() };
        self.note(log, &live, &to, why);
        Ok(true)
    }

    fn note(&mut self, log: &Log, live: &Live, to: &str, why: &str) {
        self.done.rotated.push(format!("{} -> {to} ({}; {why})", log.path, size(live.size)));
        self.done.rotated_bytes += live.size;
        let done = self.done.rotated.len() as u64;
        progress(done, None, format!("rotated {}", log.path));
    }

    async fn compress(&mut self, log: &Log, from: String, to: String) -> Result<bool> {
        let rotated = log.rotated.iter().find(|old| old.path == from).map(|old| old.size);
        if rotated.is_none() && self.is_written(&from).await? {
            return Ok(true);
        }
        let before = rotated.or_else(|| log.live.as_ref().map(|live| live.size)).unwrap_or_default();
        match self.directory.compress(from.clone(), to, Codec::Auto, true).await {
            Ok(written) => {
                self.done.compressed += 1;
                self.done.saved += before.saturating_sub(written.bytes);
            }
            Err(files::Error::NotFound(_)) => {}
            // It was written to meanwhile: the next run compresses it.
            Err(files::Error::Io(why)) if why.contains("changed while it was compressed") => log::info(why),
            Err(error) => self.failed(&from, "could not be compressed", error)?,
        }
        Ok(true)
    }

    /// Whether a file that was rotated just now is written after all: until then its writer may have been about to open
    /// it. Under its new name nobody will.
    async fn is_written(&mut self, path: &str) -> Result<bool> {
        let examined = self.directory.examine(vec![path.into()]).await?;
        let holders = examined.files.into_iter().flatten().flat_map(|details| details.holders);
        let written = holders.filter(|holder| holder.writes).count() > 0;
        self.done.open += u64::from(written);
        Ok(written)
    }

    /// Removes a file, and counts it.
    pub(crate) async fn remove(&mut self, path: &str, why: &str) -> Result<bool> {
        log::info(format!("{path} goes: {why}"));
        match self.directory.remove(vec![path.into()]).await.pop() {
            Some(Ok(removed)) => {
                self.done.removed += 1;
                self.done.freed += removed.bytes;
                Ok(true)
            }
            Some(Err(files::Error::NotFound(_))) | None => Ok(true),
            Some(Err(error)) => self.stops(path, "could not be removed", error),
        }
    }

    /// As [`failed`](Self::failed): the next step of the log cannot follow.
    fn stops(&mut self, path: &str, title: &str, error: files::Error) -> Result<bool> {
        self.failed(path, title, error).map(|()| false)
    }

    /// Reports what could not be done.
    ///
    /// # Errors
    /// A spent budget: no other log would fare better.
    pub(crate) fn failed(&mut self, path: &str, title: &str, error: files::Error) -> Result<()> {
        if matches!(error, files::Error::OverBudget(_)) {
            return Err(error.into());
        }
        self.done.failed += 1;
        if self.done.failed <= SHOWN as u64 {
            let remedy = match error {
                files::Error::Refused(_) => "leave it out with exclude=..., or widen the grant of the slot `logs`",
                files::Error::AlreadyExists(_) => "see what is there, and move it away",
                files::Error::NoSpace(_) => "make room, or have more removed with keep=...",
                _ => "see who owns it and its directory: the host's user must be able to write to both",
            };
            Finding::warning(path, title).detail(files::message(&error)).remedy(remedy).report();
        }
        Ok(())
    }

    fn say_what_is_open(&mut self, log: &Log) {
        for old in log.rotated.iter().filter(|old| !old.writers.is_empty()) {
            self.done.open += 1;
            Finding::warning(&old.path, "rotated, and still written to")
                .detail(format!("by {}: it is neither compressed nor removed", holders(&old.writers)))
                .remedy(format!(
                    "have that open its log anew after each rotation (a signal, a restart), or rotate {} with \
                     method=copy-truncate",
                    log.path
                ))
                .report();
        }
    }

    /// Sends what there is to send at the end, however the run ends.
    pub(crate) fn report(&self) {
        let done = &self.done;
        if !done.rotated.is_empty() {
            let mut lines: Vec<&str> = done.rotated.iter().take(SHOWN).map(String::as_str).collect();
            let more = done.rotated.len().saturating_sub(SHOWN);
            let rest = format!("and {} more", count(more as u64));
            if more > 0 {
                lines.push(&rest);
            }
            let title = if rehearsing() { "would be rotated" } else { "rotated" };
            Finding::ok(SLOT, title).detail(lines.join("\n")).report();
        }
        if done.failed > SHOWN as u64 {
            Finding::warning(SLOT, "more could not be done").detail(format!("{} in all", count(done.failed))).report();
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of files and bytes")]
        for (name, value, unit) in [
            ("logs_rotated", done.rotated.len() as f64, Unit::None),
            ("bytes_rotated", done.rotated_bytes as f64, Unit::Bytes),
            ("files_compressed", done.compressed as f64, Unit::None),
            ("bytes_saved", done.saved as f64, Unit::Bytes),
            ("files_packed", done.packed as f64, Unit::None),
            ("files_removed", done.removed as f64, Unit::None),
            ("bytes_freed", done.freed as f64, Unit::Bytes),
            ("files_still_written", done.open as f64, Unit::None),
            ("steps_failed", done.failed as f64, Unit::None),
        ] {
            Metric::new(name, value).unit(unit).report();
        }
    }
}

impl Done {
    /// `rotated 3 logs (34 MiB), compressed 2 files (20 MiB less), packed 1, removed 1 (4 MiB)`.
    pub(crate) fn summary(&self) -> String {
        let would = if rehearsing() { "would have " } else { "" };
        let mut parts = vec![];
        if !self.rotated.is_empty() {
            let logs = counted(self.rotated.len() as u64, "log");
            parts.push(format!("rotated {logs} ({})", size(self.rotated_bytes)));
        }
        if self.compressed > 0 {
            parts.push(format!("compressed {} ({} less)", counted(self.compressed, "file"), size(self.saved)));
        }
        if self.packed > 0 {
            parts.push(format!("packed {}", counted(self.packed, "file")));
        }
        if self.removed > 0 {
            parts.push(format!("removed {} ({})", counted(self.removed, "file"), size(self.freed)));
        }
        let mut text = if parts.is_empty() { "nothing to do".into() } else { format!("{would}{}", parts.join(", ")) };
        if self.open > 0 {
            let verb = if self.open == 1 { "is" } else { "are" };
            text += &format!("; {} {verb} still written to", counted(self.open, "rotated file"));
        }
        if self.failed > 0 {
            text += &format!("; {} failed", counted(self.failed, "step"));
        }
        text
    }
}

/// Some of those who hold a file.
fn holders(all: &[String]) -> String {
    some_of(&all.iter().map(String::as_str).collect::<Vec<_>>(), 3)
}

/// Reports lines that a cut has lost, or may have.
pub(crate) fn say_what_is_lost(path: &str, cut: &files::Cut) {
    let remedy = "rotate with method=rename, or have the log on ext4 or XFS, where nothing can be lost";
    if cut.lost > 0 {
        Finding::critical(path, "lines were lost in the cut")
            .detail(format!("{} were written in the moment before it", size(cut.lost)))
            .remedy(remedy)
            .report();
    } else if !cut.whole {
        Finding::warning(path, "a line may have been lost in the cut")
            .detail("the file system cannot take off the front of a file: what was written in the microseconds before it went")
            .remedy(remedy)
            .report();
    }
}
