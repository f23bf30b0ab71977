//! Verifies backups without restoring them: that there is one for each day, that the newest is young, whole to its last
//! byte and what its checksum is of, that it has not shrunk and does not stay the same, that nobody else may read it, and
//! that there is room for the next.
//!
//! It must never call a backup whole of which it did not read the end, nor good: that only a restore tells (backup-test).

mod check;
mod content;
mod memory;
mod series;
mod sums;

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use taskhost_sdk::files::{Directory, Entry, Filter, Walked};
use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{count, counted, size, some_of, span};

use memory::Seen;
use series::{Backup, Series, age, told};

const SLOT: &str = "backups";
const BACKUPS: files::Slot =
    files::Slot::new(SLOT, "the backups to verify, and checksums and manifests beside them; only read").read();
const MEMORY: state::Slot =
    state::Slot::new("memory", "remembers which backups were read to their last byte, so that each is read once")
        .write()
        .optional();

/// Names of files that are still being written, or were when their program ended.
const UNFINISHED: [&str; 6] = ["*.tmp", "*.part", "*.partial", "*.incomplete", "*.inprogress", "*.writing"];
/// Sizes of backups of the same content are at most so far apart.
const ALIKE: u64 = 64;

#[derive(Parameters)]
struct Options {
    /// Which files are backups.
    #[parameter(
        default = "*.sql,*.sql.gz,*.sql.zst,*.dump,*.dump.gz,*.dump.zst,*.tar,*.tar.gz,*.tgz,*.tar.zst,*.tzst,*.zip,*.tar.xz,*.sql.xz"
    )]
    pattern: Vec<String>,
    /// Leave out files and directories that match one of these globs.
    #[parameter(default = "")]
    exclude: Vec<String>,
    /// A backup of each series is due this often.
    #[parameter(default = "1d", min = "1m")]
    every: Duration,
    /// A newest backup older than this is a warning; every and a tenth, two hours at least, unless set.
    #[parameter(min = "1m")]
    max_age: Option<Duration>,
    /// A newest backup older than this is critical; twice every, and two hours, unless set.
    #[parameter(min = "1m")]
    critical_age: Option<Duration>,
    /// Missing backups are looked for so far back.
    #[parameter(default = "30d", min = "1h")]
    gaps_within: Duration,
    /// A newest backup that is smaller than the ones before it by more than this is a warning, in per cent.
    #[parameter(default = 50, min = 1, max = 100)]
    size_drop_percent: u64,
    /// So many of the newest backups of each series are read to their last byte.
    #[parameter(default = 1, min = 0, max = 10_000)]
    verify: usize,
    /// With a memory, one that was read is read again after this time.
    #[parameter(default = "30d", min = "1h")]
    verify_again: Duration,
    /// So many of the newest backups with the same content are a warning; 0 for never.
    #[parameter(default = 3, min = 0, max = 100)]
    unchanged: usize,
    /// A backup that others than its owner and group may read is a warning.
    #[parameter(default = true)]
    private: bool,
    /// A backup that was verified and has no checksum beside it is a warning.
    #[parameter(default = false)]
    require_checksum: bool,
}

/// What is the same for all series of a run.
struct Run<'a> {
    directory: &'a Directory,
    options: &'a Options,
    remembers: bool,
    now: i64,
}

/// Figures of a run.
#[derive(Default)]
struct Total {
    backups: u64,
    verified: u64,
    broken: Vec<String>,
    missing: u64,
    /// Bytes of the newest of each series.
    next: u64,
}

#[task(summary = "verifies backups: age, gaps, size, checksum, and every byte of the newest", slots = [BACKUPS, MEMORY])]
async fn backup_verify(options: Options) -> Result<String> {
    let directory = BACKUPS.open()?;
    let (entries, walked) = backups(&directory, &options).await?;
    let run = Run {
        directory: &directory,
        options: &options,
        remembers: MEMORY.is_bound().await.context("recalling from slot `memory`")?,
        now: now(),
    };
    run.unfinished().await?;
    if entries.is_empty() {
        return Ok(report_nothing(&walked, &options));
    }
    if run.remembers {
        memory::forget_others(&entries.iter().map(|entry| entry.path.as_str()).collect::<BTreeSet<_>>()).await?;
    }
    let all = series::series(entries);
    let mut total = Total::default();
    for series in &all {
        run.series(series, &mut total).await?;
    }
    run.room(&total).await?;
    Ok(summary(&all, &total))
}

/// The files that are backups, and what the walk said.
async fn backups(directory: &Directory, options: &Options) -> Result<(Vec<Entry>, Walked)> {
    let mut exclude = options.exclude.clone();
    exclude.extend(sums::BESIDE.iter().chain(&UNFINISHED).map(|glob| (*glob).to_owned()));
    let filter = Filter {
        include: options.pattern.clone(),
        exclude,
        // One that is being written now is no backup yet.
        closed_only: true,
        ..Filter::default()
    };
    let entries = directory.entries(filter).await.map_err(|error| match error {
        files::Error::Invalid(message) => Failure::invalid(format!("`pattern` or `exclude`: {message}")),
        error => error.into(),
    })?;
    let (entries, walked) = entries.collect().await?;
    for problem in &walked.problems {
        Finding::warning(&problem.path, "could not be read")
            .detail(&problem.message)
            .remedy("give the host's user the right to read it: the newest backup may be in there")
            .report();
    }
    if walked.open > 0 {
        log::info(format!("{} that a process has open are left out: they may be being written", files_of(walked.open)));
    }
    Ok((entries, walked))
}

fn files_of(number: u64) -> String {
    counted(number, "file")
}

fn report_nothing(walked: &Walked, options: &Options) -> String {
    let mut detail = format!("{} looked at, no file is named {}", count(walked.visited), options.pattern.join(" or "));
    if walked.open > 0 {
        detail = format!("{detail}, but {} that a process has open, and may be writing now", files_of(walked.open));
    }
    Finding::critical(SLOT, "there is no backup")
        .detail(detail)
        .remedy("see that backups are made and land here; pattern=... says how they are named")
        .report();
    "there is no backup to verify".into()
}

impl Run<'_> {
    /// Reports files that a program left half-written.
    async fn unfinished(&self) -> Result<()> {
        let filter = Filter {
            include: UNFINISHED.map(Into::into).into(),
            exclude: self.options.exclude.clone(),
            older_than: Some(self.options.every.as_secs()),
            closed_only: true,
            ..Filter::default()
        };
        let (left, _) = self.directory.entries(filter).await?.collect().await?;
        if !left.is_empty() {
            let mut names: Vec<&str> = left.iter().map(|entry| entry.path.as_str()).collect();
            names.sort_unstable();
            let bytes: u64 = left.iter().map(|entry| entry.size).sum();
            Finding::warning(SLOT, "files are left half-written")
                .detail(format!("{}, {}: {}", files_of(left.len() as u64), size(bytes), some_of(&names, 5)))
                .remedy("see why the run that wrote them ended, and remove them")
                .report();
        }
        Ok(())
    }

    async fn series(&self, series: &Series, total: &mut Total) -> Result<()> {
        let Some(newest) = series.newest() else { return Ok(()) };
        total.backups += series.backups.len() as u64;
        total.next += newest.entry.size;
        self.age(series, newest);
        self.size(series, newest);
        total.missing += self.gaps(series);
        self.modes(series);
        let mut sums = BTreeMap::new();
        for backup in series.backups.iter().take(self.options.verify) {
            progress(total.verified, None, format!("reading {} ({})", backup.entry.path, size(backup.entry.size)));
            if let Some(sum) = self.verify(&backup.entry, total).await? {
                sums.insert(backup.entry.path.clone(), sum);
            }
        }
        if sums.contains_key(&newest.entry.path) {
            self.unchanged(series, sums).await?;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of files")]
        Metric::new("backups", series.backups.len() as f64).subject(&series.name).report();
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "ages are far below 2^52")]
    fn age(&self, series: &Series, newest: &Backup) {
        let every = self.options.every.as_secs();
        let max = self.options.max_age.map_or(every + (every / 10).max(7_200), |age| age.as_secs());
        let critical = self.options.critical_age.map_or(2 * every + 7_200, |age| age.as_secs()).max(max);
        let old = age(newest, self.now);
        let metric = Metric::new("backup_age", old as f64).subject(&series.name).unit(Unit::Seconds);
        metric.warn_above(max as f64).crit_above(critical as f64).report();
        if newest.entry.modified > self.now + 3_600 {
            Finding::warning(&newest.entry.path, "newest backup is dated in the future")
                .detail(format!("by {}", span(newest.entry.modified.abs_diff(self.now))))
                .remedy("set the clock of the machine that wrote it: its age says nothing")
                .report();
        }
        if old > max {
            let finding = if old > critical { Finding::critical } else { Finding::warning };
            finding(&series.name, "newest backup is old")
                .detail(format!("{} is {} old; one is due every {}", newest.entry.path, span(old), span(every)))
                .remedy("see why no newer one was made: the backup job, its schedule, the disk")
                .report();
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    fn size(&self, series: &Series, newest: &Backup) {
        let bytes = newest.entry.size;
        Metric::new("backup_size", bytes as f64).subject(&series.name).unit(Unit::Bytes).report();
        if let Some(usual) = series.shrunk(self.options.size_drop_percent) {
            Finding::warning(&newest.entry.path, "backup is much smaller than the ones before it")
                .detail(format!("{}; the ones before it have {}", size(bytes), size(usual)))
                .remedy("see what is no longer in it, or whether it was cut short; a purge of old rows explains it too")
                .report();
        }
    }

    /// Reports missing backups; how many there are.
    fn gaps(&self, series: &Series) -> u64 {
        let since = self.now.saturating_sub(i64::try_from(self.options.gaps_within.as_secs()).unwrap_or(i64::MAX));
        let gaps = series.gaps(self.options.every.as_secs(), since);
        let missing: u64 = gaps.iter().map(|gap| gap.missing).sum();
        if missing > 0 {
            Finding::warning(&series.name, "backups are missing")
                .detail(format!("{} in the last {}:\n{}", count(missing), span(self.options.gaps_within.as_secs()), told(&gaps)))
                .remedy("see the log of the backup job on these days; what changed then can be restored to no time in between")
                .report();
        }
        missing
    }

    fn modes(&self, series: &Series) {
        if !self.options.private {
            return;
        }
        let (readable, writable) = series.open_to_others();
        let who = [
            (writable, "backups can be changed by others", "chmod go-w, and see that nobody has changed them"),
            (
                readable,
                "backups can be read by everyone",
                "chmod o-r, and set the umask of the job that makes them to 077",
            ),
        ];
        for (files, title, remedy) in who {
            if !files.is_empty() {
                let number = files_of(files.len() as u64);
                Finding::warning(&series.name, title)
                    .detail(format!("{number}: {}", some_of(&files, 3)))
                    .remedy(remedy)
                    .report();
            }
        }
    }

    /// Reads a backup to its last byte, unless that was done; its SHA-256 if it is whole.
    async fn verify(&self, entry: &Entry, total: &mut Total) -> Result<Option<String>> {
        let seen = if self.remembers { memory::recall(&entry.path).await? } else { None };
        let seen = seen.filter(|seen| seen.is_of(entry));
        if let Some(seen) = seen.as_ref().filter(|seen| self.is_fresh(seen)) {
            total.verified += 1;
            let ago = span(u64::try_from(self.now).unwrap_or_default().saturating_sub(seen.at));
            self.report_whole(entry, &seen.what, seen.sealed, &format!("; read {ago} ago, and unchanged since"));
            return Ok(Some(seen.sha256.clone()));
        }
        let found = match check::check(self.directory, entry).await {
            Ok(found) => found,
            Err(failure) => {
                Finding::warning(&entry.path, "backup could not be verified").detail(failure.message).report();
                return Ok(None);
            }
        };
        let found = match found {
            Ok(found) if seen.as_ref().is_none_or(|seen| seen.sha256 == found.sha256) => found,
            Ok(found) => {
                Finding::critical(&entry.path, "backup has changed, though nobody wrote it")
                    .detail(format!("its size and time are as they were, and its SHA-256 is {} now", found.sha256))
                    .remedy("the disk that it lies on loses bits: check it, and copy the backups elsewhere")
                    .report();
                total.broken.push(entry.path.clone());
                return Ok(None);
            }
            Err(broken) => {
                Finding::critical(&entry.path, broken.title).detail(broken.detail).remedy(broken.remedy).report();
                total.broken.push(entry.path.clone());
                return Ok(None);
            }
        };
        total.verified += 1;
        let sum = if found.sealed { ", as its checksum says" } else { "" };
        self.report_whole(entry, &found.what, found.sealed, sum);
        if self.remembers {
            memory::keep(entry, &found).await?;
        }
        Ok(Some(found.sha256))
    }

    fn is_fresh(&self, seen: &Seen) -> bool {
        let now = u64::try_from(self.now).unwrap_or_default();
        now.saturating_sub(seen.at) < self.options.verify_again.as_secs()
    }

    fn report_whole(&self, entry: &Entry, what: &str, sealed: bool, more: &str) {
        Finding::ok(&entry.path, "backup is readable to its last byte").detail(format!("{what}{more}")).report();
        if self.options.require_checksum && !sealed {
            Finding::warning(&entry.path, "backup has no checksum")
                .detail("neither a manifest nor a file of SHA-256 lies beside it")
                .remedy("have one written when it is made: sha256sum FILE > FILE.sha256")
                .report();
        }
    }

    /// Reports a series whose newest backups are all of the same content; `sums` are those that are known.
    async fn unchanged(&self, series: &Series, sums: BTreeMap<String, String>) -> Result<()> {
        let wanted = self.options.unchanged;
        let Some(newest) = series.newest().filter(|_| wanted >= 2) else { return Ok(()) };
        let candidates: Vec<&Backup> = series.backups.iter().take(wanted).collect();
        let alike = |backup: &&Backup| backup.entry.size.abs_diff(newest.entry.size) <= ALIKE;
        if candidates.len() < wanted || !candidates.iter().all(alike) {
            return Ok(());
        }
        if !self.same_bytes(&candidates, &sums).await? && !self.same_content(&candidates).await? {
            return Ok(());
        }
        let oldest = candidates.last().map_or(newest.at, |backup| backup.at);
        Finding::warning(&series.name, "backups do not change")
            .detail(format!(
                "the newest {wanted} have the same content, since {} at least: {}",
                series::day(oldest),
                some_of(&candidates.iter().map(|backup| backup.entry.path.as_str()).collect::<Vec<_>>(), 3)
            ))
            .remedy("see that it is the live data that is backed up; unchanged=0 where it really rests")
            .report();
        Ok(())
    }

    async fn same_bytes(&self, backups: &[&Backup], sums: &BTreeMap<String, String>) -> Result<bool> {
        let mut first = None;
        for backup in backups {
            let path = &backup.entry.path;
            let sum = match sums.get(path) {
                // One that was just read is not read again.
                Some(sum) => sum.clone(),
                None => match self.directory.digest(path.clone()).await {
                    Ok(digest) => digest.sha256,
                    Err(_) => return Ok(false),
                },
            };
            if *first.get_or_insert_with(|| sum.clone()) != sum {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn same_content(&self, backups: &[&Backup]) -> Result<bool> {
        let mut first = None;
        for backup in backups {
            let Ok(Some(sum)) = check::content(self.directory, &backup.entry.path).await else { return Ok(false) };
            if *first.get_or_insert(sum) != sum {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reports a disk that the next backups do not fit on.
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    async fn room(&self, total: &Total) -> Result<()> {
        let space = self.directory.space().await?;
        let (free, next) = (space.free, total.next);
        let metric = Metric::new("backup_space_free", free as f64).unit(Unit::Bytes);
        metric.warn_below(2.0 * next as f64).crit_below(next as f64).report();
        if free < next.saturating_mul(2) {
            let (finding, title) = if free < next {
                (Finding::critical as fn(_, _) -> _, "there is no room for the next backups")
            } else {
                (Finding::warning as fn(_, _) -> _, "there is little room for the next backups")
            };
            let finding: Finding = finding(SLOT, title);
            finding
                .detail(format!("{} free, and the newest of each series have {} together", size(free), size(next)))
                .remedy("remove old ones (file-cleanup with keep-newest), or give them a larger disk")
                .report();
        }
        Ok(())
    }
}

/// `3 series, 42 backups: the newest are whole; 2 are missing`.
fn summary(all: &[Series], total: &Total) -> String {
    let number = format!("{} series, {}", count(all.len() as u64), counted(total.backups, "backup"));
    let whole = match (total.broken.as_slice(), total.verified) {
        ([], 0) => "none was read".into(),
        ([], verified) => format!("{} read to the last byte", count(verified)),
        ([one], _) => format!("{one} is broken"),
        ([one, more @ ..], _) => format!("{one} and {} more are broken", more.len()),
    };
    let missing = match total.missing {
        0 => String::new(),
        1 => "; 1 is missing".into(),
        missing => format!("; {} are missing", count(missing)),
    };
    format!("{number}: {whole}{missing}")
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
