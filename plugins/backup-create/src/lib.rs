//! Makes backups: the dump of a database by a program that the operator wrote down, and an archive of a directory's files,
//! each compressed, under a name with its time, with a manifest beside it.
//!
//! It must never leave half a backup under a name that a backup has: the host writes it under another name, and it gets
//! its own when the last byte is stored and everything that can be told of it was found in order. It removes nothing.

mod archive;
mod counts;
mod dump;
mod ending;
mod manifest;
mod name;
mod outcome;
mod path;
mod room;
mod template;
mod told;

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use backup_files::series_of;
use taskhost_sdk::FailureKind;
use taskhost_sdk::files::{Directory, Entry, Filter, Written};
use taskhost_sdk::prelude::*;
use taskhost_sdk::sql::Database;
use taskhost_sdk::words::{counted, size};

use outcome::{NotMade, Wrong};

const BACKUPS: files::Slot =
    files::Slot::new("backups", "backups are written to it, and their manifests; none is changed or removed").write();
const DUMP: command::Slot =
    command::Slot::new("dump", "the program that writes a dump of the database to its standard output")
        .observe()
        .optional();
const SOURCE: files::Slot =
    files::Slot::new("source", "its files are put into an archive; only read").read().optional();
const DATABASE: sql::Slot = sql::Slot::new(
    "database",
    "the rows of its tables are counted before and after the dump, for the manifest; only read",
)
.read()
.optional();

#[derive(Parameters)]
struct Options {
    /// What backups are called: `NAME-20261123T031005Z.sql.zst`, or `.tar.zst` (UTC).
    name: String,
    /// The template of slot `dump` that makes the dump; not needed when there is one alone.
    template: Option<String>,
    /// NAME=VALUE for the placeholders of the template.
    #[parameter(default = "")]
    arguments: Vec<String>,
    /// Only files of slot `source` that match one of these globs; all when there are none.
    #[parameter(default = "")]
    include: Vec<String>,
    /// Leave out files and directories of slot `source` that match one of these globs.
    #[parameter(default = "")]
    exclude: Vec<String>,
    /// How a backup is compressed; a dump that its own program has compressed is left as it is.
    #[parameter(default = Compress::Zstd)]
    compress: Compress,
    /// A dump in which its program marks no end is no backup.
    #[parameter(default = true)]
    require_end: bool,
    /// Begin no backup that would leave less than this free, by the size of the last one.
    #[parameter(default = "0")]
    keep_free: Size,
}

/// How a backup is compressed.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
enum Compress {
    None,
    Gzip,
    Zstd,
}

/// Where backups go, and what is the same for all of a run.
struct Job<'a> {
    backups: Directory,
    options: &'a Options,
    /// Seconds since 1970.
    now: i64,
    stamp: String,
}

/// A backup that was made.
struct Made {
    path: String,
    written: Written,
    /// Bytes before compression.
    content: u64,
    /// What is in it, for people.
    what: String,
}

#[task(summary = "backs up a database by its dump, and directories: whole or not at all, with a manifest", slots = [BACKUPS, DUMP, SOURCE, DATABASE])]
async fn backup_create(options: Options) -> Result<String> {
    name::check(&options.name).map_err(Failure::invalid)?;
    let chosen = match DUMP.templates() {
        Err(command::Error::Refused(_)) => None,
        offered => Some(
            template::choose(&offered?, options.template.as_deref(), &options.arguments).map_err(Failure::invalid)?,
        ),
    };
    let source = match SOURCE.open() {
        Err(files::Error::Refused(_)) => None,
        opened => Some(opened?),
    };
    if chosen.is_none() && source.is_none() {
        return Err(Failure::invalid(
            "there is nothing to back up: bind slot `dump` to a command for a database, slot `source` to a directory for \
             files, or both",
        ));
    }
    let database = match DATABASE.open() {
        Err(sql::Error::Refused(_)) => None,
        opened => Some(opened?),
    };
    let now = now();
    let job = Job { backups: BACKUPS.open()?, options: &options, now, stamp: name::stamp(now) };
    let mut said = Vec::new();
    if let Some(chosen) = &chosen {
        let begun = Instant::now();
        let outcome = job.database(chosen, database.as_ref()).await;
        said.push(job.tell("database", outcome, begun)?);
    }
    if let Some(source) = &source {
        let begun = Instant::now();
        let outcome = job.files(source).await;
        said.push(job.tell("files", outcome, begun)?);
    }
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    let free = job.backups.space().await?.free as f64;
    Metric::new("backup_space_free", free).unit(Unit::Bytes).report();
    Ok(said.join("; "))
}

impl Job<'_> {
    async fn database(&self, chosen: &template::Chosen, database: Option<&Database>) -> Result<Made, NotMade> {
        self.room(false, None).await?;
        let mut uncounted = Vec::new();
        let before = self.count(database, &mut uncounted).await?;
        let made = dump::dump(self, chosen).await?;
        let Some(before) = before else {
            manifest::write(self, &made, BTreeMap::new()).await?;
            return Ok(made);
        };
        let tables = match self.count(database, &mut uncounted).await? {
            Some(after) => counts::steady(&before, &after),
            None => BTreeMap::new(),
        };
        counts::report(&self.options.name, &uncounted);
        let what = format!("{}, {} counted", made.what, counted(tables.len(), "table"));
        manifest::write(self, &made, tables).await?;
        Ok(Made { what, ..made })
    }

    /// The rows of each table. A database that cannot be counted is backed up all the same.
    async fn count(
        &self,
        database: Option<&Database>,
        uncounted: &mut Vec<String>,
    ) -> Result<Option<BTreeMap<String, u64>>, NotMade> {
        let Some(database) = database else { return Ok(None) };
        match counts::count(database, uncounted).await {
            Ok(counts) => Ok(Some(counts)),
            Err(failure) if failure.kind == FailureKind::OverBudget => Err(NotMade::Stopped(failure)),
            Err(failure) => {
                Finding::warning(&self.options.name, "rows could not be counted")
                    .detail(failure.message)
                    .remedy("see the grant of slot `database`; the dump itself is made without it")
                    .report();
                Ok(None)
            }
        }
    }

    async fn files(&self, source: &Directory) -> Result<Made, NotMade> {
        let measured = archive::measure(source, self.options).await?;
        self.room(true, Some(measured.bytes)).await?;
        let made = archive::archive(self, source, &measured).await?;
        manifest::write(self, &made, BTreeMap::new()).await?;
        Ok(made)
    }

    /// Whether there is room for another of that kind.
    async fn room(&self, of_files: bool, content: Option<u64>) -> Result<(), NotMade> {
        let filter = Filter::new().include(format!("{}-*", self.options.name)).max_depth(1);
        let entries = async { self.backups.entries(filter).await?.collect().await };
        let (entries, _): (Vec<Entry>, _) = entries.await.map_err(|error| NotMade::Stopped(error.into()))?;
        let expected = room::expected(&entries, &self.options.name, of_files, content);
        let free = self.backups.space().await.map_err(|error| NotMade::Stopped(error.into()))?.free;
        Ok(room::check(free, self.options.keep_free.0, expected)?)
    }

    /// Reports what came of a backup; the words for the summary.
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    fn tell(&self, kind: &str, outcome: Result<Made, NotMade>, begun: Instant) -> Result<String> {
        let made = match outcome {
            Ok(made) => made,
            Err(NotMade::Stopped(failure)) => {
                return Err(Failure { message: format!("no backup of the {kind}: {}", failure.message), ..failure });
            }
            Err(NotMade::Wrong(Wrong { title, detail, remedy })) => {
                Finding::critical(&self.options.name, title).detail(detail).remedy(remedy).report();
                return Ok(format!("no backup of the {kind}: {title}"));
            }
        };
        let series = series_of(&made.path);
        let bytes = made.written.bytes;
        for (name, value, unit) in [
            ("backup_size", bytes as f64, Unit::Bytes),
            ("backup_content", made.content as f64, Unit::Bytes),
            ("backup_time", begun.elapsed().as_secs_f64(), Unit::Seconds),
        ] {
            Metric::new(name, value).subject(&series).unit(unit).report();
        }
        let would = if rehearsing() { "would make " } else { "" };
        Ok(format!("{would}{} of {}: {}", made.path, size(bytes), made.what))
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
