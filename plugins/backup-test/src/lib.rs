//! Tests a backup by restoring it: the newest dump is streamed into a scratch database, what came back is counted and
//! checked, and the database is dropped. When the newest is bad, older ones are tried, so that the operator knows which
//! one to rely on.
//!
//! It must never call a backup good that it did not restore to its end, nor bad for what the server or the grant did.

mod catalog;
mod judge;
mod reference;
mod selection;
mod trial;
mod verdict;

use std::time::SystemTime;

use taskhost_sdk::files::{Directory, Entry, Filter, Walked};
use taskhost_sdk::prelude::*;

use selection::Selected;
use taskhost_sdk::words::{count, counted, size, span, took};
use trial::{Bench, Restored, Verdict};

const BACKUPS: files::Slot =
    files::Slot::new("backups", "the dumps to test, and manifests beside them; only read").read();
const DATABASE: sql::Slot = sql::Slot::new(
    "database",
    "dumps are restored into a scratch database on its server, and their rows compared with the live tables",
)
.scratch();
const LIVE: sql::Slot =
    sql::Slot::new("live", "the live tables, where the role or server of `database` does not have them; only counted")
        .read()
        .optional();

/// Older backups that are tried when the newest is bad.
const OLDER_TRIES: usize = 3;
/// Judgements on one backup that get a finding each.
const FINDINGS: usize = 20;

#[derive(Parameters)]
struct Options {
    /// Test this file, by its path below the directory, not the newest.
    file: Option<String>,
    /// Which files are backups.
    #[parameter(default = "*.sql,*.sql.gz,*.sql.zst,*.dump,*.dump.gz,*.dump.zst")]
    pattern: Vec<String>,
    /// A newest backup that is older than this is a warning.
    #[parameter(default = "26h", min = "1m")]
    max_age: Duration,
    /// A backup that is smaller than the ones before it by more than this is a warning, in per cent.
    #[parameter(default = 50, min = 1, max = 100)]
    size_drop_percent: u64,
    /// How far row counts may be apart from the manifest's or the live tables', in per cent.
    #[parameter(default = 10.0, min = 0, max = 100)]
    tolerance_percent: f64,
    /// What restored rows are held against; auto is the manifest where there is one, else the live database.
    #[parameter(default = Compare::Auto)]
    compare: Compare,
    /// Tables that must be in the backup, with rows.
    #[parameter(default = "")]
    expect_tables: Vec<String>,
    /// Fewer rows than this in the whole backup are critical.
    #[parameter(default = 0)]
    minimum_rows: u64,
    /// When the newest backup is bad, try older ones, up to three, until one is good.
    #[parameter(default = true)]
    fallback: bool,
}

#[derive(Choice, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Auto,
    Manifest,
    Live,
    Nothing,
}

#[task(summary = "restores the newest backup into a scratch database and checks what came back", slots = [BACKUPS, DATABASE, LIVE])]
async fn backup_test(options: Options) -> Result<String> {
    let directory = BACKUPS.open()?;
    let (entries, walked) = backups(&directory, &options).await?;
    let Some(selected) = selection::select(entries, options.file.as_deref()) else {
        return Ok(report_nothing(&walked, &options));
    };
    let now = now();
    judge_series(&selected, &options, now);
    let database = DATABASE.open()?;
    let live = match LIVE.open() {
        Err(sql::Error::Refused(_)) => None,
        opened => Some(opened?),
    };
    let older = if options.fallback { OLDER_TRIES } else { 0 };
    let tries: Vec<&Entry> = std::iter::once(&selected.newest).chain(selected.earlier.iter().take(older)).collect();
    let mut bench = Bench {
        directory: &directory,
        database: &database,
        live: live.as_ref().unwrap_or(&database),
        dialect: database.server().await?.dialect,
        options: &options,
        step: (0, tries.len()),
        reference: None,
    };
    let mut tested = Tested::default();
    for entry in &tries {
        bench.say(format!("restoring {} ({})", entry.path, size(entry.size)));
        let verdict = match bench.test(entry).await {
            // What the newest one was found to be stands, and is not hidden behind what kept an older one untested.
            Err(failure) if bench.step.0 > 0 => {
                Verdict::Unfit(failure.message, "test it by itself with file=...".into())
            }
            verdict => verdict?,
        };
        report(entry, &verdict);
        match verdict {
            Verdict::Restored(restored) if restored.is_good() => {
                return Ok(report_good(entry, &restored, &tested, &options, now));
            }
            Verdict::Unfit(..) => tested.unfit.push(entry.path.clone()),
            Verdict::Broken(_) | Verdict::Restored(_) => tested.bad.push(entry.path.clone()),
        }
        bench.step.0 += 1;
    }
    Ok(report_none(&tested, options.fallback))
}

/// The backups that were tried before a good one, the newest first.
#[derive(Default)]
struct Tested {
    bad: Vec<String>,
    unfit: Vec<String>,
}

/// The files that the pattern names, with the file that the operator names, and what the walk said.
async fn backups(directory: &Directory, options: &Options) -> Result<(Vec<Entry>, Walked)> {
    let filter = Filter {
        include: options.pattern.clone(),
        exclude: vec![selection::NOT_BACKUPS.into()],
        // One that is being written now is no backup yet.
        closed_only: true,
        ..Filter::default()
    };
    let (mut entries, walked) = directory.entries(filter).await?.collect().await?;
    for problem in &walked.problems {
        Finding::warning(&problem.path, "could not be read")
            .detail(&problem.message)
            .remedy("give the host's user the right to read it: the newest backup may be in there")
            .report();
    }
    if let Some(file) = &options.file
        && !entries.iter().any(|entry| entry.path == *file)
    {
        let entry = directory.stat(file.clone()).await.map_err(|error| {
            let message = files::message(&error);
            Failure::invalid(format!("file={file}: {message}; give its path below the directory of the slot `backups`"))
        })?;
        entries.push(entry);
    }
    if walked.open > 0 {
        log::info(format!(
            "{} that a process has open are left out: they may be being written",
            counted_files(walked.open)
        ));
    }
    Ok((entries, walked))
}

fn counted_files(number: u64) -> String {
    counted(number, "file")
}

/// Reports that there is nothing to test.
fn report_nothing(walked: &Walked, options: &Options) -> String {
    let mut detail = format!("{} looked at, no file is named {}", count(walked.visited), options.pattern.join(" or "));
    if walked.open > 0 {
        detail =
            format!("{detail}, but {} that a process has open, and may be writing now", counted_files(walked.open));
    }
    Finding::critical("backups", "there is no backup")
        .detail(detail)
        .remedy("see that backups are made and land here; pattern=... says how they are named")
        .report();
    "there is no backup to test".into()
}

/// Holds the newest backup against the clock and the ones before it.
fn judge_series(selected: &Selected, options: &Options, now: i64) {
    let newest = &selected.newest;
    let seconds = selection::age(newest, now);
    let max_age = options.max_age.as_secs();
    #[expect(clippy::cast_precision_loss, reason = "ages and sizes")]
    {
        let metric = Metric::new("backup_age", seconds as f64).unit(Unit::Seconds);
        // A file that is named may be of any age.
        if options.file.is_some() { metric } else { metric.warn_above(max_age as f64) }.report();
        Metric::new("backup_size", newest.size as f64).unit(Unit::Bytes).report();
    }
    if options.file.is_none() && seconds > max_age {
        Finding::warning(&newest.path, "newest backup is old")
            .detail(format!("{} old; max-age is {}", span(seconds), span(max_age)))
            .remedy("see why no newer one was made: the backup job, its schedule, the disk")
            .report();
    }
    if let Some(usual) = selection::shrunk_from(newest, &selected.earlier, options.size_drop_percent) {
        Finding::warning(&newest.path, "backup is much smaller than the ones before it")
            .detail(format!("{}; the ones before it have {}", size(newest.size), size(usual)))
            .remedy("see what is no longer in it, or whether it was cut short; a purge of old rows explains it too")
            .report();
    }
    if !selected.others.is_empty() {
        log::warn(format!(
            "not tested: other backups in the directory, {}; test them by pattern=...",
            selected.others.join(", ")
        ));
    }
}

/// Reports what is wrong with one backup.
fn report(entry: &Entry, verdict: &Verdict) {
    match verdict {
        Verdict::Broken(broken) => {
            Finding::critical(&entry.path, broken.title).detail(&broken.detail).remedy(&broken.remedy).report();
        }
        Verdict::Unfit(what, remedy) => {
            Finding::warning(&entry.path, "backup cannot be tested").detail(what).remedy(remedy).report();
        }
        Verdict::Restored(restored) => {
            for judgement in restored.judgements.iter().take(FINDINGS) {
                // The subject may be a table: the file is named too.
                let detail = if judgement.subject == entry.path {
                    judgement.detail.clone()
                } else {
                    format!("{}: {}", entry.path, judgement.detail)
                };
                Finding::new(judgement.severity, &judgement.subject, judgement.title)
                    .detail(detail)
                    .remedy(judgement.remedy)
                    .report();
            }
            if let Some(more) = restored.judgements.len().checked_sub(FINDINGS).filter(|more| *more > 0) {
                Finding::warning(&entry.path, "more is wrong with what was restored")
                    .detail(format!("{} further findings of these kinds", count(more as u64)))
                    .report();
            }
        }
    }
}

/// Reports the backup that can be relied on, what its restore took, and what was wrong with newer ones.
fn report_good(entry: &Entry, restored: &Restored, newer: &Tested, options: &Options, now: i64) -> String {
    let old = selection::age(entry, now);
    #[expect(clippy::cast_precision_loss, reason = "ages, sizes and counts")]
    {
        let recovery = Metric::new("recovery_point_age", old as f64).unit(Unit::Seconds);
        // A file that is named may be of any age.
        let recovery =
            if options.file.is_some() { recovery } else { recovery.warn_above(options.max_age.as_secs() as f64) };
        recovery.report();
        let rate = restored.bytes as f64 / restored.seconds.max(0.001);
        for (name, value, unit) in [
            ("restore_time", restored.seconds, Unit::Seconds),
            ("restored_bytes", restored.bytes as f64, Unit::Bytes),
            ("restored_rows", restored.rows as f64, Unit::None),
            ("restored_tables", restored.tables as f64, Unit::None),
            ("restore_bytes_per_second", rate, Unit::Bytes),
        ] {
            Metric::new(name, value).unit(unit).report();
        }
    }
    let figures = format!(
        "{}, {} in {}",
        counted(restored.tables, "table"),
        counted(restored.rows, "row"),
        took(restored.seconds)
    );
    Finding::ok(&entry.path, "backup restores")
        .detail(format!("{figures}, {} old; {}", span(old), restored.compared))
        .report();
    let summary = format!("restored {}: {figures}", entry.path);
    match (newer.bad.first(), newer.unfit.first()) {
        (Some(bad), _) => {
            next_action(format!(
                "make a new backup now: the last good one is {}, {} old, and what changed since is in no backup",
                entry.path,
                span(old)
            ));
            format!("{bad} is bad; the last good one: {summary}")
        }
        (None, Some(unfit)) => format!("{unfit} could not be tested; an older one: {summary}"),
        (None, None) => summary,
    }
}

/// No backup that was tried can be relied on.
fn report_none(tested: &Tested, fallback: bool) -> String {
    let beyond = if fallback { "" } else { "; older ones were not tried (fallback=false)" };
    let tries = tested.bad.len() + tested.unfit.len();
    let Some(newest) = tested.bad.first() else {
        let detail = format!("{} tried{beyond}", counted(tries as u64, "backup"));
        Finding::warning("backups", "no backup could be tested")
            .detail(&detail)
            .remedy("keep dumps in plain SQL, alone or with gzip or zstd, or name such ones with pattern=...")
            .report();
        return format!("no backup could be tested, {detail}");
    };
    let detail = match tries {
        1 if fallback => format!("{newest} is bad, and there is no older backup of its series"),
        1 => format!("{newest} is bad{beyond}"),
        tries => format!("none of the newest {} is good, {newest} among them", counted(tries as u64, "backup")),
    };
    Finding::critical("backups", "no good backup was found")
        .detail(&detail)
        .remedy("make a new backup now and test it; to look further back, name older ones with file=...")
        .report();
    next_action("make a new backup now and test it: none that was tried can be relied on");
    detail
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
