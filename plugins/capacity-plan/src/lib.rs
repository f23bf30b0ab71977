//! When disks, databases and memory will be full, from what earlier runs measured: the trend of each series that has an upper
//! bound, and the day on which it will be there.
//!
//! It must never take a step, a clean-up or a few days for a trend, and says of which series it cannot tell.

mod forecast;
mod limits;
mod trend;

use std::time::{SystemTime, UNIX_EPOCH};

use taskhost_sdk::history::{Series, Span};
use taskhost_sdk::prelude::*;
use taskhost_sdk::report::next_action_on;
use taskhost_sdk::words::{counted, some_of};

use forecast::{Forecast, Outlook, Terms};
use limits::{Bounds, Scale};

const PAST: history::Slot = history::Slot::new("past", "the trends are those of what earlier runs measured").read();

/// Seconds of a day.
const DAY: u64 = 86_400;
/// Samples of one series: as many as an answer may have.
const SAMPLES: u32 = 10_000;
/// Series that are looked at.
const SERIES: usize = 1_000;
/// Of which metrics are left, the soonest first; and lines of the plan.
const MEASURED: usize = 50;
const LINES: usize = 20;

/// What an operator may set.
#[derive(Parameters)]
struct Options {
    /// A warning when a limit will be reached within so many days.
    #[parameter(default = 90, min = 1, max = 3_650)]
    warn_days: u32,
    /// Critical when it will be within so many.
    #[parameter(default = 30, min = 0, max = 3_650)]
    critical_days: u32,
    /// How far back is looked.
    #[parameter(default = "90d", min = "7d", max = "730d")]
    look_back: Duration,
    /// Days that must have a measurement.
    #[parameter(default = 14, min = 3, max = 365)]
    min_days: u32,
    /// Limits of your own, as METRIC=40GiB or TASK/METRIC=95%; * stands for anything.
    #[parameter(default = "")]
    limits: Vec<String>,
    /// Tasks whose metrics are looked at; * stands for anything.
    #[parameter(default = "*")]
    tasks: Vec<String>,
    /// Metrics that are not looked at; * stands for anything.
    #[parameter(default = "*error*")]
    ignore: Vec<String>,
}

/// What came of all series.
#[derive(Default)]
struct Plan {
    known: Vec<Forecast>,
    noisy: Vec<Forecast>,
    short: Vec<String>,
    ended: Vec<String>,
}

/// Reads, looks ahead, tells.
#[task(summary = "says when disks, databases and memory will be full", slots = [PAST])]
async fn capacity_plan(options: Options) -> Result<String> {
    if options.critical_days > options.warn_days {
        return Err(Failure::invalid("critical-days is more than warn-days; what is critical is nearer"));
    }
    let rules = limits::rules(&options.limits).map_err(Failure::invalid)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let terms = Terms {
        today: now / DAY,
        warn_days: options.warn_days.into(),
        critical_days: options.critical_days.into(),
        least: options.min_days as usize,
    };
    let since = now.saturating_sub(options.look_back.as_secs());
    let span = Span { since, until: None, tasks: options.tasks.clone() };
    let all = PAST.series(span).await?;
    let is_ignored = |series: &Series| options.ignore.iter().any(|ignored| limits::matches(ignored, &series.metric));
    let bounded: Vec<(&Series, Bounds)> = all
        .iter()
        .filter(|series| !is_ignored(series))
        .filter_map(|series| Some((series, limits::of(series, &rules)?)))
        .collect();
    let mut plan = Plan::default();
    for (index, (series, bounds)) in bounded.iter().take(SERIES).enumerate() {
        progress(index as u64, Some(bounded.len() as u64), limits::name(series));
        let span = Span { since, until: None, tasks: vec![] };
        let samples = PAST.samples(series, span, SAMPLES).await?;
        let points = trend::by_day(samples.iter().map(|sample| (sample.at, sample.value)));
        let name = limits::name(series);
        match forecast::outlook(name.clone(), Scale::of(&series.unit), *bounds, &points, &terms) {
            Outlook::Known(forecast) => plan.known.push(forecast),
            Outlook::Noisy(forecast) => plan.noisy.push(forecast),
            Outlook::TooShort(days) => plan.short.push(format!("{name}: {}", counted(days, "day"))),
            Outlook::Ended(days) => plan.ended.push(format!("{name}: last {} ago", counted(days, "day"))),
        }
    }
    if bounded.len() > SERIES {
        Finding::warning("history", "more series than are looked at")
            .detail(format!("{SERIES} of {}", bounded.len()))
            .remedy("name tasks, or leave metrics out with ignore")
            .report();
    }
    if bounded.is_empty() {
        let all = counted(all.len(), "measurement");
        return Ok(format!("none of {all} has an upper limit; set one with limits=METRIC=40GiB"));
    }
    plan.report(&terms);
    Ok(plan.summary(&terms))
}

impl Plan {
    /// Sends all of it, the soonest first.
    fn report(&mut self, terms: &Terms) {
        let soon = |forecast: &Forecast| forecast.days_left().unwrap_or(f64::INFINITY);
        self.known.sort_by(|one, other| soon(one).total_cmp(&soon(other)).then_with(|| one.name.cmp(&other.name)));
        for forecast in self.known.iter().take(MEASURED) {
            measure(forecast, terms);
        }
        for forecast in &self.known {
            if let Some(finding) = forecast.finding(terms) {
                finding.report();
            }
            if let Some(action) = forecast.action(terms) {
                next_action_on(&forecast.name, action);
            }
        }
        let lines = |lines: &[String]| {
            let more = lines.len().saturating_sub(LINES);
            let mut text = lines.iter().take(LINES).cloned().collect::<Vec<_>>().join("\n");
            if more > 0 {
                text += &format!("\nand {more} more");
            }
            text
        };
        let in_order = self.known.iter().filter(|forecast| forecast.severity(terms).is_none());
        let in_order: Vec<String> = in_order.map(|forecast| forecast.line(terms)).collect();
        let noisy: Vec<String> = self.noisy.iter().map(Forecast::noise).collect();
        for (title, remedy, told) in [
            ("time enough", "", in_order),
            ("too noisy for a trend", "measure more often, or for longer", noisy),
            ("history is too short for a trend", "wait; or look further back, or set min-days", self.short.clone()),
            ("is no longer measured", "see whether its task still runs", self.ended.clone()),
        ] {
            if !told.is_empty() {
                let finding = Finding::ok("capacity", title).detail(lines(&told));
                if remedy.is_empty() { finding } else { finding.remedy(remedy) }.report();
            }
        }
    }

    fn summary(&self, terms: &Terms) -> String {
        let judged: Vec<&str> =
            self.known.iter().filter(|it| it.severity(terms).is_some()).map(|it| it.name.as_str()).collect();
        let next = self.known.first().and_then(|forecast| Some((forecast, forecast.days_left()?)));
        let mut parts = vec![match next {
            Some((forecast, days)) if days > 0.0 => {
                format!("next is {} on {}, in {days:.0} d", forecast.name, forecast::date(terms.today, days))
            }
            Some((forecast, _)) => format!("{} has reached its limit", forecast.name),
            None if self.known.is_empty() => "no trend can be told yet".into(),
            None => "no limit is in sight".into(),
        }];
        parts.push(format!("{} foretold", self.known.len()));
        for (count, what) in
            [(self.noisy.len(), "too noisy"), (self.short.len(), "too short"), (self.ended.len(), "no longer measured")]
        {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        if !judged.is_empty() {
            parts.push(format!("to look at: {}", some_of(&judged, 3)));
        }
        parts.join(", ")
    }
}

/// What monitoring takes.
fn measure(forecast: &Forecast, terms: &Terms) {
    let unit = match forecast.scale {
        Scale::Bytes => Unit::Bytes,
        Scale::Percent => Unit::Percent,
        Scale::Plain => Unit::None,
    };
    Metric::new("growth_per_day", forecast.trend.slope).subject(&forecast.name).unit(unit).report();
    if let Some(days) = forecast.days_left() {
        let metric =
            Metric::new("days_left", days).subject(&forecast.name).unit(Unit::Days).warn_below(terms.warn_days);
        // What has no critical bound is never critical.
        if forecast.bounds.crit.is_some() { metric.crit_below(terms.critical_days) } else { metric }.report();
    }
}

/// A count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "days and pairs of them, far below 2^52")]
fn as_number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}
