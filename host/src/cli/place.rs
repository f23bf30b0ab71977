//! Which history is meant: that of a bundle, or one that is named itself.

use std::path::Path;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::{check, fail};
use crate::bundle::Bundle;
use crate::history::{Keep, Reader, Recorder, Target};

/// A history, with the bundle by which it was named.
pub(super) struct Place {
    pub(super) target: Target,
    pub(super) bundle: Option<Bundle>,
}

impl Place {
    /// What `written` names: a path that ends with .toml is a bundle. What is wrong is said.
    pub(super) async fn find(written: &str) -> Result<Self, u8> {
        let path = Path::new(written);
        if path.extension().is_none_or(|extension| extension != "toml") {
            let target = Target::from_flag(written).map_err(|error| fail(&error))?;
            return Ok(Self { target, bundle: None });
        }
        let text = check::text(path).map_err(|error| fail(&error))?;
        let bundle = check::bundle(path, &text).ok_or(3)?;
        let target = of_bundle(path, &bundle).await.map_err(|error| fail(&error))?;
        Ok(Self { target, bundle: Some(bundle) })
    }

    pub(super) fn reader(&self) -> Reader {
        Reader::new(self.target.clone())
    }

    pub(super) fn bundle_name(&self) -> Option<&str> {
        self.bundle.as_ref().map(|bundle| bundle.name.as_str())
    }

    /// Where days begin: where the bundle says, else where we are.
    pub(super) fn zone(&self) -> TimeZone {
        self.bundle.as_ref().map_or_else(TimeZone::system, |bundle| bundle.time_zone.clone())
    }
}

/// The history of a bundle that must have one.
pub(super) async fn of_bundle(path: &Path, bundle: &Bundle) -> Result<Target, String> {
    match &bundle.history {
        Some(history) => history.target(&bundle.directory).await,
        None => Err(format!(
            "{} keeps no history; add `history = \"history.db\"` to it, or name the history itself",
            path.display()
        )),
    }
}

/// What records the runs of a command: in what `--record` names, else in what the bundle says, else nowhere.
pub(super) async fn recorder(
    flag: Option<&str>,
    bundle: Option<&Bundle>,
    operator: &str,
) -> Result<(Recorder, Option<Target>), String> {
    let history = bundle.and_then(|bundle| Some((bundle, bundle.history.as_ref()?)));
    let keep = history.map_or_else(Keep::default, |(_, history)| history.keep);
    let target = match (flag, history) {
        (Some(flag), _) => Some(Target::from_flag(flag).map_err(|error| format!("--record: {error}"))?),
        (None, Some((bundle, history))) => Some(history.target(&bundle.directory).await?),
        (None, None) => None,
    };
    let name = bundle.map(|bundle| bundle.name.as_str());
    let recorder = target.clone().map(|target| Recorder::new(target, name, operator, keep));
    Ok((recorder.unwrap_or_default(), target))
}

/// Says on standard error what was not recorded.
pub(super) fn say_lost(lost: &[String]) {
    let style = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Yellow.into()));
    for line in lost {
        anstream::eprintln!("{style}warning:{style:#} {}", crate::policy::text::clean_line(line, 4096));
    }
}

/// A day, or a moment, as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Day(Date),
    Moment(Timestamp),
    /// So many days before today.
    Ago(i64),
}

impl std::str::FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let days = |text: &str| match text {
            "today" => Some(0),
            "yesterday" => Some(1),
            _ => text.strip_suffix('d').and_then(|days| days.parse::<u16>().ok()).map(i64::from),
        };
        days(text)
            .map(Self::Ago)
            .or_else(|| text.parse().ok().map(Self::Day))
            .or_else(|| text.parse().ok().map(Self::Moment))
            .ok_or_else(|| format!("`{text}` is no day; write it as 2026-03-14, today, yesterday or 30d (days ago)"))
    }
}

impl When {
    /// The day that it is, there.
    pub(super) fn day(self, zone: &TimeZone, now: Timestamp) -> Date {
        let today = || crate::history::calendar::day(now, zone);
        match self {
            Self::Day(day) => day,
            Self::Moment(moment) => crate::history::calendar::day(moment, zone),
            Self::Ago(days) => today().saturating_sub(Span::new().days(days)),
        }
    }

    /// The moment at which it begins, there.
    pub(super) fn begin(self, zone: &TimeZone, now: Timestamp) -> Timestamp {
        match self {
            Self::Moment(moment) => moment,
            other => crate::history::calendar::begin(other.day(zone, now), zone),
        }
    }

    /// The moment at which it is over, there.
    pub(super) fn end(self, zone: &TimeZone, now: Timestamp) -> Timestamp {
        match self {
            Self::Moment(moment) => moment,
            other => {
                let next = other.day(zone, now).saturating_add(Span::new().days(1));
                crate::history::calendar::begin(next, zone)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_in_several_ways() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let now: Timestamp = "2026-03-14T23:30:00Z".parse().unwrap();
        for (written, day) in [
            ("2026-02-01", "2026-02-01"),
            ("today", "2026-03-15"),
            ("yesterday", "2026-03-14"),
            ("30d", "2026-02-13"),
            ("2026-03-14T23:30:00Z", "2026-03-15"),
        ] {
            assert_eq!(written.parse::<When>().unwrap().day(&zone, now).to_string(), day, "{written}");
        }
        let whole: When = "2026-03-29".parse().unwrap();
        assert_eq!(whole.end(&zone, now).duration_since(whole.begin(&zone, now)).as_hours(), 23);
        for written in ["", "14.3.2026", "d", "-1d", "99999999d", "now"] {
            assert!(written.parse::<When>().is_err(), "{written}");
        }
    }
}
