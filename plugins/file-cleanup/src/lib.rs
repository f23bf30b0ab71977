//! Removes old files below a directory: what `find DIR -mtime +N -delete` does, with a list first, a budget, and the
//! newest kept.

mod removal;
mod selection;

use std::time::SystemTime;

use taskhost_sdk::files::{Directory, Filter, Kind, Walked};
use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{count, counted, size};

use removal::{BATCH, Removal};
use selection::{Directories, Selection};

const DIRECTORY: files::Slot =
    files::Slot::new("directory", "its old files are listed and removed; links are never followed").delete();

#[derive(Parameters)]
struct Options {
    /// Remove files that were last changed longer ago than this.
    #[parameter(min = "1m")]
    older_than: Duration,
    /// Only files that match one of these globs: `*.log` at any depth, `temp/**` below a directory.
    #[parameter(default = "")]
    pattern: Vec<String>,
    /// Leave out files and directories that match one of these globs.
    #[parameter(default = "")]
    exclude: Vec<String>,
    /// Only files of at least this size.
    larger_than: Option<Size>,
    /// In each directory keep this many of the newest matching files, however old they are.
    #[parameter(default = 0, min = 0, max = 100_000)]
    keep_newest: usize,
    /// Also remove the directories that this leaves empty.
    #[parameter(default = false)]
    remove_empty_directories: bool,
}

#[task(summary = "removes old files, and says how many bytes that frees", slots = [DIRECTORY])]
async fn file_cleanup(options: Options) -> Result<String> {
    let directory = DIRECTORY.open()?;
    let left = if options.remove_empty_directories { Some(count_entries(&directory).await?) } else { None };
    let entries = directory.entries(filter(&options)).await.map_err(|error| match error {
        files::Error::Invalid(message) => Failure::invalid(format!("`pattern` or `exclude`: {message}")),
        error => error.into(),
    })?;
    let mut removal = Removal::new(directory, left);
    let swept = sweep(entries, &options, &mut removal).await;
    removal.report();
    let (walked, kept) = swept.context(format!("stopped after {}", removal.so_far()))?;
    report_walk(&walked, kept);
    Ok(summary(&removal, kept, walked.open))
}

/// What to walk over: the host leaves out the rest.
fn filter(options: &Options) -> Filter {
    Filter {
        include: options.pattern.clone(),
        exclude: options.exclude.clone(),
        larger_than: options.larger_than.map(|size| size.0),
        closed_only: true,
        // With newest files to keep, the young ones must be seen too: they are the newest.
        older_than: (options.keep_newest == 0).then_some(options.older_than.as_secs()),
        ..Filter::new()
    }
}

/// How much there is in each directory, whatever it is and whoever it belongs to.
async fn count_entries(directory: &Directory) -> Result<Directories> {
    let kinds = vec![Kind::File, Kind::Directory, Kind::Symlink, Kind::Other];
    let mut entries = directory.entries(Filter { kinds, ..Filter::new() }).await?;
    let mut directories = Directories::default();
    while let Some(entry) = entries.next().await? {
        directories.add(&entry.path);
    }
    Ok(directories)
}

/// Removes while it walks; returns what the walk says at its end, and how many old files are kept as the newest.
async fn sweep(mut entries: files::Entries, options: &Options, removal: &mut Removal) -> Result<(Walked, u64)> {
    let mut selection = Selection::new(options.keep_newest, seconds_ago(options.older_than));
    let mut seen = 0;
    while let Some(entry) = entries.next().await? {
        selection.add(entry);
        seen += 1;
        if seen % BATCH as u64 == 0 {
            progress(seen, None, format!("files looked at, {} removed", count(removal.files)));
        }
        if let Some(batch) = selection.take_certain(BATCH) {
            removal.files(batch).await?;
        }
    }
    let (rest, kept) = selection.finish();
    removal.files(rest).await?;
    removal.empty_directories().await?;
    let walked = entries.walked().cloned().ok_or_else(|| Failure::new("the walk did not say how it ended"))?;
    Ok((walked, kept))
}

fn report_walk(walked: &Walked, kept: u64) {
    for problem in &walked.problems {
        Finding::warning(&problem.path, "could not be read")
            .detail(&problem.message)
            .remedy("give the host's user the right to read it, or leave it out with exclude=...")
            .report();
    }
    if walked.problem_count > walked.problems.len() as u64 {
        Finding::warning("directory", "more could not be read")
            .detail(format!("{} in all", count(walked.problem_count)))
            .report();
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of files")]
    for (name, value) in [("files_kept", kept as f64), ("files_open", walked.open as f64)] {
        Metric::new(name, value).report();
    }
}

/// `removed 12 files, freed 3.4 MiB; skipped 1 open file`.
fn summary(removal: &Removal, kept: u64, open: u64) -> String {
    let (removed, freed) = if rehearsing() { ("would remove", "freeing") } else { ("removed", "freed") };
    let mut text = format!("{removed} {}, {freed} {}", counted(removal.files, "file"), size(removal.bytes));
    if removal.directories > 0 {
        let plural = if removal.directories == 1 { "y" } else { "ies" };
        text += &format!("; {removed} {} empty director{plural}", count(removal.directories));
    }
    if kept > 0 {
        text += &format!("; kept {} as the newest", counted(kept, "old file"));
    }
    if open > 0 {
        text += &format!("; skipped {}", counted(open, "open file"));
    }
    if removal.failed > 0 {
        text += &format!("; {} could not be removed", count(removal.failed));
    }
    text
}

/// The time that long ago, in seconds since 1970.
fn seconds_ago(age: Duration) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs().saturating_sub(age.as_secs())).unwrap_or(i64::MAX)
}
