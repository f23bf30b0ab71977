//! `host log`: the maintenance log.

use std::path::PathBuf;

use clap::Args;
use jiff::{Span, Timestamp};

use super::place::{Place, When};
use super::{fail, json, print};
use crate::bundle::Kind;
use crate::history::calendar::{self, Period};
use crate::history::log::{Log, Part, Question};

/// Days of the log unless something else is asked for.
const DAYS: i64 = 31;

#[derive(Args)]
pub(super) struct Arguments {
    /// A bundle that keeps a history (a path that ends with .toml), or a history: a file, `postgres://...` or `env:NAME`.
    #[arg(value_name = "BUNDLE|HISTORY")]
    of: String,
    /// The first day: 2026-03-14, yesterday, or 30d for days ago [default: 31 days before the last].
    #[arg(long, value_name = "DATE")]
    since: Option<When>,
    /// The last day [default: today].
    #[arg(long, value_name = "DATE")]
    until: Option<When>,
    /// The day, week, month or quarter that has the last day (or, with --since, that day) in it.
    #[arg(long, value_enum)]
    period: Option<Kind>,
    /// Only this part of the calendar.
    #[arg(long, value_enum)]
    kind: Option<Part>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
    /// Write it to this file, whole or not at all.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// In the runbook's template.
    Markdown,
    /// One page that needs nothing beside it.
    Html,
    /// For machines; its schema is docs/log.schema.json.
    Json,
}

pub(super) async fn execute(arguments: &Arguments) -> u8 {
    let place = match Place::find(&arguments.of).await {
        Ok(place) => place,
        Err(code) => return code,
    };
    let (zone, now) = (place.zone(), Timestamp::now());
    let day = |when: When| when.day(&zone, now);
    let mut until = arguments.until.map_or_else(|| calendar::day(now, &zone), day);
    let mut since = arguments.since.map_or_else(|| until.saturating_sub(Span::new().days(DAYS - 1)), day);
    if let Some(kind) = arguments.period {
        if arguments.since.is_some() && arguments.until.is_some() {
            return fail("--period goes with --since or with --until, not with both");
        }
        let period = Period::of(kind, if arguments.since.is_some() { since } else { until });
        (since, until) = (period.first, period.last());
    }
    if since > until {
        return fail(&format!("the first day, {since}, is after the last, {until}"));
    }
    let bundle = place.bundle.as_ref();
    let question = Question {
        since,
        until,
        zone,
        part: arguments.kind,
        bundle: place.bundle_name(),
        maintainer: bundle.and_then(|bundle| bundle.maintainer.as_deref()),
        checklist: bundle.map(|bundle| bundle.checklist.as_slice()).unwrap_or_default(),
        now,
    };
    let log = match Log::read(&place.reader(), &question).await {
        Ok(log) => log,
        Err(error) => return fail(&error.to_string()),
    };
    let text = match arguments.format {
        Format::Markdown => log.markdown(),
        Format::Html => log.html(),
        Format::Json => json(&log),
    };
    match &arguments.output {
        None => print(&text),
        Some(path) => {
            if let Err(error) = super::write_whole(path, &text) {
                return fail(&format!("failed to write {}: {error}", path.display()));
            }
        }
    }
    0
}
