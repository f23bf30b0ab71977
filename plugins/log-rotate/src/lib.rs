//! Rotates logs: renames each, or copies and cuts it, when it is old or large enough; compresses or packs what was
//! rotated, and removes what is beyond what is kept. What `logrotate`, and `tar` and `rm` after it, do, with a list
//! first.
//!
//! It must never lose a line: nothing is overwritten, a file that a process still writes to is left alone, and what is
//! removed was compared with what it went into. A run that is killed between any two steps is gone on with by the next.
//! It signals no process: that is for whoever runs the writer.

mod due;
mod model;
mod pack;
mod plan;
mod recover;
mod survey;
mod work;

use std::time::SystemTime;

use taskhost_sdk::prelude::*;
use taskhost_sdk::words::count;

use log_names::Packing;
use model::{Keep, Settings, Way};
use pack::Shelf;
use work::{Done, Work};

const SLOT: &str = "logs";
const LOGS: files::Slot = files::Slot::new(
    SLOT,
    "its logs are renamed or copied, compressed and packed, and the oldest removed; links are never followed",
)
.write()
.delete();

/// A day, in seconds.
const DAY: u64 = 86_400;

#[derive(Parameters)]
struct Options {
    /// Which files are logs: `*.log` at any depth, `app/*.log` in a directory.
    #[parameter(default = "*.log")]
    pattern: Vec<String>,
    /// Leave out files and directories that match one of these globs.
    #[parameter(default = "")]
    exclude: Vec<String>,
    /// Rename the log, for writers that can be told to open it anew, or copy it and cut it, for those that cannot.
    #[parameter(default = Method::Rename)]
    method: Method,
    /// Rotate a log whose last rotation is this long ago; 1d when larger-than is not given either.
    #[parameter(min = "1m")]
    every: Option<Duration>,
    /// Rotate a log of at least this size, however young it is.
    larger_than: Option<Size>,
    /// Leave logs that are smaller than this, however old they are; empty ones are left in any case.
    #[parameter(default = "1")]
    at_least: Size,
    /// What rotated files are called: `app.log-20261123-031005` (UTC), or `app.log.1` and so on, 1 being the newest.
    #[parameter(default = Style::Dated)]
    names: Style,
    /// How rotated files, or archives of them, are compressed.
    #[parameter(default = Compress::Gzip)]
    compress: Compress,
    /// Leave the newest rotated file of each log as it is until the next rotation.
    #[parameter(default = true)]
    delay_compress: bool,
    /// Keep so many rotated files of each log, or archives; with neither this nor keep-for nothing is removed.
    #[parameter(min = 1, max = 100_000)]
    keep: Option<usize>,
    /// Keep rotated files, or archives, that are younger than this; with keep as well, what either keeps stays.
    #[parameter(min = "1m")]
    keep_for: Option<Duration>,
    /// Pack rotated files into an archive in this directory, one a run, and do not compress each by itself.
    archive: Option<String>,
    /// What archives are called: `logs-20261123-031005.tar.gz`.
    #[parameter(default = "logs")]
    archive_name: String,
    /// After a rename make an empty log with the mode and owner of the old one.
    #[parameter(default = false)]
    create: bool,
}

#[derive(Choice, Clone, Copy, PartialEq, Eq)]
enum Method {
    Rename,
    CopyTruncate,
}

/// What rotated files are called.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Dated,
    Numbered,
}

#[derive(Choice, Clone, Copy, PartialEq, Eq)]
enum Compress {
    None,
    Gzip,
    Zstd,
}

#[task(summary = "rotates logs by age and size, compresses or packs them, and loses no line", slots = [LOGS])]
async fn log_rotate(options: Options) -> Result<String> {
    let shelf = shelf(&options)?;
    let directory = LOGS.open()?;
    let survey = survey::survey(&directory, &options).await?;
    let settings = settings(&options, survey.unseen > 0);
    if survey.unseen > 0 {
        log::info(format!(
            "{} processes of other users could not be looked into: rotated files that changed within the hour count as \
             written to",
            count(survey.unseen)
        ));
    }
    let mut work = Work {
        directory: &directory,
        settings: &settings,
        create: options.create && options.method == Method::Rename,
        archived: survey.archives.first().map(|(at, _)| *at),
        to_pack: vec![],
        done: Done::default(),
    };
    let mut ended = Ok(());
    for log in survey.logs {
        ended = work.log(log).await;
        if ended.is_err() {
            break;
        }
    }
    if let (Ok(()), Some(shelf)) = (&ended, &shelf) {
        ended = pack::pack(&mut work, shelf, &survey.archives).await;
    }
    work.report();
    ended.context(format!("stopped after it {}", work.done.summary()))?;
    Ok(work.done.summary())
}

fn shelf(options: &Options) -> Result<Option<Shelf>> {
    let Some(directory) = &options.archive else { return Ok(None) };
    let name = options.archive_name.clone();
    if name.is_empty() || name.contains('/') {
        return Err(Failure::invalid(format!("archive-name=\"{name}\" is no name of a file; write one like logs")));
    }
    let directory = directory.trim_end_matches('/').to_owned();
    if directory.is_empty() || directory.split('/').any(|name| name.is_empty() || name == "." || name == "..") {
        return Err(Failure::invalid(
            "archive is no directory below the slot's; write one like archive or old/archive",
        ));
    }
    Ok(Some(Shelf { directory, name }))
}

fn settings(options: &Options, blind: bool) -> Settings {
    let every = options.every.map(|every| every.as_secs());
    Settings {
        way: if options.method == Method::Rename { Way::Rename } else { Way::Copy },
        style: options.names,
        every: if options.larger_than.is_none() { every.or(Some(DAY)) } else { every },
        larger_than: options.larger_than.map(|size| size.0),
        at_least: options.at_least.0,
        packing: match options.compress {
            Compress::None => Packing::Plain,
            Compress::Gzip => Packing::Gzip,
            Compress::Zstd => Packing::Zstd,
        },
        delay: options.delay_compress,
        keep: Keep { newest: options.keep, younger: options.keep_for.map(|time| time.as_secs()) },
        packs: options.archive.is_some(),
        now: now(),
        blind,
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
