//! Reads logs of any size and says what is in them: errors by kind, how values are spread and where they go, who asks most,
//! who tries passwords; of what came since the last run, when it may remember that.
//!
//! It holds a line at a time and a bounded number of kinds and names. It must never call a count exact that is not, nor
//! show what looks like a secret; and a line that was rotated away unread is said, not passed over.

mod access;
mod clock;
mod fields;
mod figures;
mod format;
mod judge;
mod logins;
mod memory;
mod position;
mod read;
mod secrets;
mod sketch;
mod sources;
mod splitter;
mod spread;
mod tally;
mod template;
mod trend;

use std::time::SystemTime;

use taskhost_sdk::files::Directory;
use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{count, counted, size};

use fields::Field;
use format::Format;
use judge::{Limits, Telling};
use memory::Remembered;
use position::{HEAD, Position, hash};
use read::Searches;
use secrets::Secrets;
use sources::{Part, Reading, Source};
use tally::{Tally, Wanted};

const SLOT: &str = "logs";
const LOGS: files::Slot =
    files::Slot::new(SLOT, "its logs are read, rotated and compressed ones too; samples of lines are shown").read();
const MEMORY: state::Slot = state::Slot::new(
    "memory",
    "remembers how far each log was read and how many errors it had, so that a run reads what is new",
)
.write()
.optional();

/// What counts as an error where the operator does not say.
const ERRORS: &str = r#"\b(ERROR|CRITICAL|FATAL|PANIC|EMERG|ALERT|SEVERE)\b|\[(error|crit|alert|emerg)\]|\b(level|lvl|severity|levelname)["']?\s*[=:]\s*["']?(?i:error|err|critical|crit|fatal|panic|emerg|alert)\b"#;

/// What an operator may set.
#[derive(Parameters)]
struct Options {
    /// Which files are logs: `*.log` at any depth; rotated and compressed ones count to the log that they were.
    #[parameter(default = "*.log")]
    pattern: Vec<String>,
    /// Leave out files and directories that match one of these globs.
    #[parameter(default = "")]
    exclude: Vec<String>,
    /// The form of the lines; auto tells it for each log.
    #[parameter(default = Format::Auto)]
    format: Format,
    /// A regular expression for lines that are errors; in an access log, unless this is set, they are answers of 5xx.
    errors: Option<String>,
    /// Numbers whose percentiles and trend are told: `response_time` for a field, `:-1` for the last column,
    /// `memory_usage:3` for the third on lines that name it.
    #[parameter(default = "")]
    field: Vec<String>,
    /// Fields or columns whose most frequent values are told; in an access log address, user, method, path, status,
    /// referer and agent; address there unless set.
    #[parameter(default = "")]
    top_by: Vec<String>,
    /// So many kinds of errors, addresses and the like are shown.
    #[parameter(default = 10, min = 1, max = 100)]
    top: usize,
    /// Count failed authentications by address and user.
    #[parameter(default = false)]
    logins: bool,
    /// Failed authentications from one address that are a warning.
    #[parameter(default = 20, min = 1)]
    warn_logins: u64,
    /// Errors among all lines that are a warning, in per cent.
    #[parameter(min = 0, max = 100)]
    warn_error_percent: Option<f64>,
    /// Errors among all lines that are critical, in per cent.
    #[parameter(min = 0, max = 100)]
    critical_error_percent: Option<f64>,
    /// A warning when errors come faster than at earlier runs by more than this, in per cent.
    #[parameter(default = 100, min = 1, max = 100_000)]
    jump_percent: u32,
    /// Fewer errors than this are no jump.
    #[parameter(default = 10, min = 1)]
    floor: u64,
    /// The percentile of the first field that the limits are for.
    #[parameter(default = 95.0, min = 0, max = 100)]
    percentile: f64,
    /// A warning when that percentile is above this; times in seconds, sizes in bytes.
    warn_above: Option<f64>,
    /// Critical when that percentile is above this.
    critical_above: Option<f64>,
    /// A warning when the first field rises by more than this over what is read, in per cent.
    #[parameter(min = 0)]
    warn_rise_percent: Option<f64>,
    /// Regular expressions of what is masked in samples besides what looks like a secret; `\x2c` for a comma.
    #[parameter(default = "")]
    mask: Vec<String>,
    /// Only lines of this time until now; compressed files are read whole if they changed since.
    #[parameter(min = "1s")]
    since: Option<Duration>,
    /// Read everything, also what an earlier run has read.
    #[parameter(default = false)]
    whole: bool,
}

/// What is the same for all logs of a run.
struct Run<'a> {
    directory: &'a Directory,
    options: &'a Options,
    fields: Vec<Field>,
    top_by: Vec<Field>,
    limits: Limits,
    secrets: Secrets,
    remembers: bool,
    now: i64,
}

/// What of a log was read, over all logs.
#[derive(Default)]
struct Total {
    logs: u64,
    lines: u64,
    bytes: u64,
    errors: u64,
    logins: u64,
    /// Values of each field.
    values: Vec<u64>,
}

/// Reads each log, tells what is in it, and remembers how far it was read.
#[task(summary = "says what is in logs: errors by kind, percentiles, who asks most, since the last run", slots = [LOGS, MEMORY])]
async fn log_analyze(options: Options) -> Result<String> {
    let parse = |names: &[String]| {
        let parsed: Result<Vec<_>, _> = names.iter().map(|name| Field::parse(name)).collect();
        parsed.map_err(Failure::invalid)
    };
    let directory = LOGS.open()?;
    let run = Run {
        directory: &directory,
        options: &options,
        fields: parse(&options.field)?,
        top_by: parse(&options.top_by)?,
        limits: limits(&options),
        secrets: Secrets::new(&options.mask).map_err(Failure::invalid)?,
        remembers: MEMORY.is_bound().await.context("recalling from slot `memory`")?,
        now: now(),
    };
    let sources = sources::survey(&directory, &options, run.remembers).await?;
    check_pattern(&directory, &options, &sources).await?;
    let mut total = Total { values: vec![0; run.fields.len()], ..Total::default() };
    for (done, source) in sources.iter().enumerate() {
        progress(done as u64, Some(sources.len() as u64), format!("reading {}", source.log));
        run.log(source, &mut total).await?;
    }
    for (field, values) in run.fields.iter().zip(&total.values) {
        if *values == 0 && total.lines > 0 {
            Finding::warning(SLOT, format!("no values of {}", field.written))
                .detail(format!("none of {} has it", counted(total.lines, "line")))
                .remedy("see how the log writes it: NAME for a field, NAME:3 for a column of the lines with a name")
                .report();
        }
    }
    Ok(summary(&total, sources.len() as u64, run.options.logins))
}

fn limits(options: &Options) -> Limits {
    Limits {
        warn_error_percent: options.warn_error_percent,
        critical_error_percent: options.critical_error_percent,
        jump_percent: f64::from(options.jump_percent),
        floor: options.floor,
        percentile: options.percentile,
        warn_above: options.warn_above,
        critical_above: options.critical_above,
        warn_rise_percent: options.warn_rise_percent,
        warn_logins: options.warn_logins,
        top: options.top,
    }
}

/// A pattern that is none is said before anything is read.
async fn check_pattern(directory: &Directory, options: &Options, sources: &[Source]) -> Result<()> {
    let (Some(pattern), Some(path)) = (&options.errors, sources.iter().find_map(Source::any_path)) else {
        return Ok(());
    };
    let none = files::SearchOptions {
        max_matches: Some(0),
        count_only: true,
        decode: files::Codec::None,
        ..files::SearchOptions::new(pattern)
    };
    match directory.find_lines(path, none).await {
        Err(files::Error::Invalid(message)) => {
            // The parser points at the place in lines of its own.
            let why = message.lines().last().unwrap_or_default().trim();
            let why = why.strip_prefix("error: ").unwrap_or(why);
            let why = why.strip_prefix("the pattern is not a regular expression: ").unwrap_or(why);
            Err(Failure::invalid(format!("errors: `{pattern}` is no regular expression: {why}")))
        }
        _ => Ok(()),
    }
}

impl Run<'_> {
    async fn log(&self, source: &Source, total: &mut Total) -> Result<()> {
        let remembered =
            if self.remembers { memory::recall(&source.log).await? } else { Remembered { position: None, at: 0 } };
        let since = remembered.position.as_ref().filter(|_| !self.options.whole && self.options.since.is_none());
        let reading = source.reading(self.directory, since).await;
        let Some((mut tally, wanted, hours, position)) = self.read(&source.log, &reading).await? else { return Ok(()) };
        if reading.missed {
            Finding::warning(&source.log, "lines were rotated away unread")
                .detail("the log is not the one that the last run read, and no rotated file goes on where that ended")
                .remedy("run this before each rotation, or keep a rotated file until this has run")
                .report();
        }
        let earlier = if self.remembers { memory::earlier(&source.log).await? } else { vec![] };
        let hours = match since {
            Some(_) => Some(hours_since(remembered.at, self.now)),
            None => hours,
        };
        let mut telling = Telling {
            log: &source.log,
            tally: &mut tally,
            wanted: &wanted,
            limits: &self.limits,
            secrets: &self.secrets,
            hours,
            earlier: &earlier,
        };
        let said = telling.all();
        said.findings.into_iter().for_each(Finding::report);
        said.metrics.into_iter().for_each(Metric::report);
        let per_hour = telling.errors_per_hour();
        if self.remembers {
            memory::keep(&source.log, position.as_ref(), per_hour).await?;
        }
        total.logs += 1;
        total.lines += tally.lines;
        total.bytes += tally.bytes;
        total.errors += tally.errors;
        total.logins += tally.logins.count;
        for (total, values) in total.values.iter_mut().zip(&tally.values) {
            *total += values.spread.count();
        }
        Ok(())
    }

    /// Reads the parts of a log; the hours that they cover, and where the next run goes on. None where nothing could be
    /// read.
    async fn read(
        &self,
        log: &str,
        reading: &Reading,
    ) -> Result<Option<(Tally, Wanted, Option<f64>, Option<Position>)>> {
        let Some(first) = reading.parts.first() else { return Ok(None) };
        let format = match self.options.format {
            Format::Auto => match sources::head(self.directory, &first.path, first.packed, read::START).await {
                Ok(head) => format::of(&head),
                Err(error) => {
                    could_not_be_read(&first.path, &error);
                    Format::Text
                }
            },
            format => format,
        };
        let wanted = self.wanted(format)?;
        let searches = Searches {
            errors: match (&self.options.errors, format) {
                (Some(pattern), _) => Some(pattern.clone()),
                (None, Format::Access) => None,
                (None, _) => Some(ERRORS.into()),
            },
            logins: self.options.logins.then_some(logins::PATTERN),
            lines: format == Format::Access || !wanted.fields.is_empty() || !wanted.top_by.is_empty(),
        };
        let mut tally = Tally::new(format, first.modified.max(self.now), &wanted);
        tally.counts_answers = self.options.errors.is_none();
        let (mut covered, mut position) = (None::<(i64, i64)>, None);
        for part in &reading.parts {
            match self.part(part, &searches, &wanted, &mut tally).await {
                Ok((span, end)) => {
                    covered = match (covered, span) {
                        (Some((first, last)), Some((from, to))) => Some((first.min(from), last.max(to))),
                        (covered, span) => covered.or(span),
                    };
                    position = self.position(part, end).await.or(position);
                }
                // It was rotated or removed meanwhile: the next run finds where it is.
                Err(files::Error::NotFound(_)) => log::info(format!("{} went away while it was read", part.path)),
                Err(error @ (files::Error::Refused(_) | files::Error::OverBudget(_))) => return Err(error.into()),
                Err(error) => could_not_be_read(&part.path, &error),
            }
        }
        log::debug(format!("{log}: {format:?}, {} parts", reading.parts.len()));
        let hours = covered.map(|(first, last)| hours_between(first, last));
        Ok(Some((tally, wanted, hours, position)))
    }

    fn wanted(&self, format: Format) -> Result<Wanted> {
        let top_by = if format == Format::Access && self.top_by.is_empty() {
            vec![Field::parse("address").map_err(Failure::new)?]
        } else {
            self.top_by.clone()
        };
        Ok(Wanted { fields: self.fields.clone(), top_by, logins: self.options.logins })
    }

    /// Reads one part; the times that it covers, and how much of it is read by now: bytes and lines of what is in it.
    async fn part(
        &self,
        part: &Part,
        searches: &Searches,
        wanted: &Wanted,
        tally: &mut Tally,
    ) -> Result<(Option<(i64, i64)>, (u64, u64)), files::Error> {
        let mut part = part.clone();
        part.whole_lines &= self.remembers;
        let end = part.end(self.directory).await?;
        if let Some(since) = self.options.since {
            let cutoff = self.now - i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
            if part.modified < cutoff {
                return Ok((None, (end, 0)));
            }
            read::skip_to(self.directory, &mut part, end, cutoff, tally).await;
        }
        let (lines, bytes) = (tally.lines, tally.bytes);
        let span = read::span(self.directory, &part, end, tally).await;
        read::read(self.directory, &part, end, searches, wanted, tally).await?;
        let read = if part.packed { part.from + tally.bytes - bytes } else { end };
        Ok((span, (read, part.lines_before + tally.lines - lines)))
    }

    /// Where the next run goes on.
    async fn position(&self, part: &Part, (offset, lines): (u64, u64)) -> Option<Position> {
        if !self.remembers || self.options.since.is_some() {
            return None;
        }
        let mut head = sources::head(self.directory, &part.path, part.packed, HEAD).await.ok()?;
        head.truncate(usize::try_from(offset).unwrap_or(HEAD).min(HEAD));
        Some(Position { identity: part.identity.clone(), head: head.len(), hash: hash(&head), offset, lines })
    }
}

fn could_not_be_read(path: &str, error: &files::Error) {
    Finding::warning(path, "could not be read to its end")
        .detail(files::message(error))
        .remedy("what was read of it is counted; see whether it was cut short, or leave it out with exclude=...")
        .report();
}

fn summary(total: &Total, found: u64, logins: bool) -> String {
    if found == 0 {
        return "no log was found".into();
    }
    let mut text = format!(
        "{} in {} of {}, {}",
        counted(total.errors, "error"),
        counted(total.lines, "line"),
        counted(total.logs, "log"),
        size(total.bytes)
    );
    if logins {
        text += &format!(", {}", counted(total.logins, "failed login"));
    }
    if total.logs < found {
        text += &format!("; {} could not be read", count(found - total.logs));
    }
    text
}

/// Hours from one time to another, at least a second.
#[expect(clippy::cast_precision_loss, reason = "seconds of a log are far below 2^52")]
fn hours_between(first: i64, last: i64) -> f64 {
    last.saturating_sub(first).max(1) as f64 / 3_600.0
}

fn hours_since(at: u64, now: i64) -> f64 {
    hours_between(i64::try_from(at).unwrap_or_default(), now)
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
