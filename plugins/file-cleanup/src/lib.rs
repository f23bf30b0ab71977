//! Removes old files below a directory: what `find DIR -mtime +N -delete` does, with a list first, a budget, and the
//! newest kept.

mod selection;

use std::time::SystemTime;

use taskhost_sdk::files::{self, Directory, Entry, Filter, Kind, Removed};
use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{counted, size};

use selection::Selection;

const DIRECTORY: files::Slot =
    files::Slot::new("directory", "its old files are listed and removed; links are never followed").delete();

/// Files handed to the host at once.
const BATCH: usize = 500;
/// Failures that get a finding of their own.
const FAILURES: u64 = 50;

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
    /// Also remove directories that the removal left empty.
    #[parameter(default = false)]
    remove_empty_directories: bool,
}

/// What was done so far.
#[derive(Default)]
struct Done {
    files: u64,
    bytes: u64,
    failed: u64,
    directories: u64,
}

#[task(summary = "removes old files, and says how many bytes that frees", slots = [DIRECTORY])]
async fn file_cleanup(options: Options) -> Result<String> {
    let directory = DIRECTORY.open()?;
    let filter = Filter {
        include: options.pattern.clone(),
        exclude: options.exclude.clone(),
        kinds: vec![Kind::File],
        larger_than: options.larger_than.map(|size| size.0),
        closed_only: true,
        // With newest files to keep, the young ones must be seen too: they are the newest.
        older_than: (options.keep_newest == 0).then_some(options.older_than.as_secs()),
        ..Filter::default()
    };
    let mut entries = directory.entries(filter).await?;
    let mut selection = Selection::new(options.keep_newest, seconds_ago(options.older_than));
    let mut done = Done::default();
    let mut emptied = Vec::new();
    let mut seen = 0;
    while let Some(entry) = entries.next().await? {
        seen += 1;
        if options.remove_empty_directories {
            emptied.extend(selection::parent(&entry.path).map(str::to_owned));
            emptied.dedup();
        }
        selection.add(entry);
        if seen % BATCH as u64 == 0 {
            progress(seen, None, "files looked at");
        }
        // The walk holds nothing back that may be removed already: a tree of any size fits.
        while let Some(batch) = selection.take_certain(BATCH) {
            remove(&directory, batch, &mut done).await?;
        }
    }
    let (old, kept) = selection.finish();
    let total = old.len() as u64;
    for (index, batch) in old.chunks(BATCH).enumerate() {
        progress((index * BATCH) as u64, Some(total), "removing");
        remove(&directory, batch.to_vec(), &mut done).await?;
    }
    if options.remove_empty_directories {
        remove_empty(&directory, emptied, &mut done).await;
    }
    let walked = entries.walked().cloned();
    let (open, problems) = walked.as_ref().map_or((0, 0), |walked| (walked.open, walked.problem_count));
    for problem in walked.iter().flat_map(|walked| &walked.problems) {
        Finding::warning(&problem.path, "could not be read")
            .detail(&problem.message)
            .remedy("give the host's user the right to read it, or exclude it with exclude=...")
            .report();
    }
    if problems > 100 {
        Finding::warning("directory", "more could not be read").detail(format!("{problems} entries in all")).report();
    }
    if done.failed > FAILURES {
        Finding::warning("directory", "more could not be removed")
            .detail(format!("{} files in all", done.failed))
            .report();
    }
    report_metrics(&done, kept, open);
    Ok(summary(&done, kept, open))
}

/// Removes one batch; what cannot be removed is a finding, and the rest goes on.
async fn remove(directory: &Directory, batch: Vec<Entry>, done: &mut Done) -> Result<()> {
    let paths: Vec<String> = batch.into_iter().map(|entry| entry.path).collect();
    for (path, removed) in paths.iter().zip(directory.remove(paths.clone()).await) {
        match removed {
            Ok(Removed { bytes, .. }) => {
                done.files += 1;
                done.bytes += bytes;
            }
            // Someone else was faster: it is gone, which is what was wanted.
            Err(files::Error::NotFound(_)) => {}
            // The rest would be refused too.
            Err(error @ (files::Error::OverBudget(_) | files::Error::Refused(_))) => {
                report_metrics(done, 0, 0);
                return Err(Failure::from(error)).context(format!(
                    "stopped after {}, {}",
                    counted(done.files, "file"),
                    size(done.bytes)
                ));
            }
            Err(error) => {
                done.failed += 1;
                if done.failed <= FAILURES {
                    Finding::warning(path, "could not be removed")
                        .detail(files::message(&error))
                        .remedy("see who owns the file and its directory; the host's user must be able to write there")
                        .report();
                }
            }
        }
    }
    Ok(())
}

/// Tries the directories that lost a file, the deepest first; one that is not empty stays.
async fn remove_empty(directory: &Directory, mut emptied: Vec<String>, done: &mut Done) {
    if rehearsing() {
        // Nothing was removed: none of them is empty.
        return;
    }
    emptied.sort_by_key(|path| std::cmp::Reverse(path.matches('/').count()));
    emptied.dedup();
    for removed in directory.remove(emptied).await {
        done.directories += u64::from(removed.is_ok());
    }
}

fn report_metrics(done: &Done, kept: u64, open: u64) {
    #[expect(clippy::cast_precision_loss, reason = "counts of files and bytes")]
    for (name, value, unit) in [
        ("files_removed", done.files as f64, Unit::None),
        ("bytes_freed", done.bytes as f64, Unit::Bytes),
        ("files_kept", kept as f64, Unit::None),
        ("files_open", open as f64, Unit::None),
        ("files_failed", done.failed as f64, Unit::None),
    ] {
        Metric::new(name, value).unit(unit).report();
    }
}

fn summary(done: &Done, kept: u64, open: u64) -> String {
    let (removed, freed) = if rehearsing() { ("would remove", "freeing") } else { ("removed", "freed") };
    let mut text = format!("{removed} {}, {freed} {}", counted(done.files, "file"), size(done.bytes));
    for (count, what) in
        [(kept, "kept as the newest"), (open, "skipped because open"), (done.failed, "could not be removed")]
    {
        if count > 0 {
            text += &format!("; {count} {what}");
        }
    }
    if done.directories > 0 {
        text += &format!("; {} empty directories removed", done.directories);
    }
    text
}

/// The time that long ago, in seconds since 1970.
fn seconds_ago(age: Duration) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs().saturating_sub(age.as_secs())).unwrap_or(i64::MAX)
}
