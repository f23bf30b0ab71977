//! What Prometheus answers, as far as it is looked at, and how it is asked. Fields that a version does not have are empty.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use taskhost_sdk::http::{self, Slot, query};
use taskhost_sdk::{Failure, Result};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The most bytes of one answer.
const MOST: usize = 48 << 20;

/// Labels, in order.
pub(crate) type Labels = BTreeMap<String, String>;

#[derive(Deserialize)]
struct Envelope<T> {
    data: Option<T>,
    error: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Targets {
    pub(crate) active_targets: Vec<Target>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Target {
    pub(crate) labels: Labels,
    pub(crate) scrape_pool: String,
    pub(crate) last_error: String,
    pub(crate) last_scrape: Moment,
    /// Seconds.
    pub(crate) last_scrape_duration: f64,
    pub(crate) health: String,
    pub(crate) scrape_interval: Span,
    pub(crate) scrape_timeout: Span,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Rules {
    pub(crate) groups: Vec<Group>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// Seconds.
    pub(crate) interval: f64,
    pub(crate) evaluation_time: f64,
    pub(crate) last_evaluation: Moment,
    pub(crate) rules: Vec<Rule>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Rule {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) health: String,
    pub(crate) last_error: String,
    pub(crate) labels: Labels,
    pub(crate) alerts: Vec<Alert>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Alert {
    pub(crate) labels: Labels,
    pub(crate) annotations: Labels,
    pub(crate) state: String,
    pub(crate) active_at: Moment,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Runtime {
    pub(crate) start_time: Moment,
    pub(crate) reload_config_success: bool,
    pub(crate) last_config_time: Moment,
    pub(crate) corruption_count: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Build {
    pub(crate) version: String,
}

/// As it is in use; the server leaves its secrets out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Configuration {
    pub(crate) yaml: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Alertmanagers {
    pub(crate) active_alertmanagers: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Vector {
    result: Vec<Sample>,
}

/// One series' value.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Sample {
    pub(crate) metric: Labels,
    value: (f64, String),
}

impl Sample {
    pub(crate) fn value(&self) -> f64 {
        self.value.1.parse().unwrap_or(f64::NAN)
    }
}

/// Seconds since 1970; 0 for never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "String")]
pub(crate) struct Moment(pub(crate) f64);

impl From<String> for Moment {
    /// Go writes the year 1 for never.
    fn from(text: String) -> Self {
        let moment = OffsetDateTime::parse(&text, &Rfc3339).map_or(0, OffsetDateTime::unix_timestamp);
        Self(number(moment.max(0)))
    }
}

/// Seconds, written `1m30s` or `500ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "String")]
pub(crate) struct Span(pub(crate) f64);

impl From<String> for Span {
    fn from(text: String) -> Self {
        let units = [
            ("ms", 0.001),
            ("s", 1.0),
            ("m", 60.0),
            ("h", 3_600.0),
            ("d", 86_400.0),
            ("w", 604_800.0),
            ("y", 31_536_000.0),
        ];
        let (mut rest, mut total) = (text.as_str(), 0.0);
        while let Some(end) = rest.find(|c: char| !c.is_ascii_digit()) {
            let (count, tail) = rest.split_at(end);
            let unit = tail.find(|c: char| c.is_ascii_digit()).map_or(tail, |end| tail.get(..end).unwrap_or(tail));
            let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else { break };
            total += count.parse::<f64>().unwrap_or(0.0) * factor;
            rest = tail.get(unit.len()..).unwrap_or_default();
        }
        Self(total)
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^52")]
fn number(seconds: i64) -> f64 {
    seconds as f64
}

/// What `api/v1/PATH` answers.
pub(crate) async fn get<T: DeserializeOwned>(slot: &Slot, path: &str) -> Result<T> {
    let response = slot.get(format!("api/v1/{path}")).await?;
    let status = response.status_line();
    let place = response.url().split('?').next().unwrap_or_default().to_owned();
    let is_success = response.is_success();
    let body = response.bytes(MOST).await?;
    match serde_json::from_slice::<Envelope<T>>(&body) {
        Ok(Envelope { data: Some(data), .. }) if is_success => Ok(data),
        Ok(Envelope { error: Some(error), .. }) => Err(Failure::new(format!("{place} answered {status}: {error}"))),
        Ok(_) => Err(Failure::new(format!("{place} answered {status}, without data"))),
        Err(_) if !is_success => Err(Failure::new(format!("{place} answered {status}"))),
        Err(error) => Err(Failure::new(format!("{place} does not answer as Prometheus does: {error}"))),
    }
}

/// What an expression comes to now, series by series.
pub(crate) async fn instant(slot: &Slot, expression: &str) -> Result<Vec<Sample>> {
    let vector: Vector = get(slot, &format!("query?{}", query(&[("query", expression)]))).await?;
    Ok(vector.result)
}

/// The body of a page that is no API, when it is answered with success.
pub(crate) async fn page(slot: &Slot, path: &str) -> Result<Option<String>, http::Error> {
    let response = slot.get(path).await?;
    if response.is_success() { response.text(MOST).await.map(Some) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_spans_are_read_as_go_writes_them() {
        for (text, seconds) in [
            ("2026-11-24T22:24:09.91755776Z", 1_795_559_049.0),
            ("2026-11-24T23:24:09+01:00", 1_795_559_049.0),
            ("0001-01-01T00:00:00Z", 0.0),
            ("", 0.0),
            ("soon", 0.0),
        ] {
            assert_eq!(Moment::from(text.to_owned()), Moment(seconds), "{text}");
        }
        for (text, seconds) in [
            ("15s", 15.0),
            ("1m", 60.0),
            ("1m30s", 90.0),
            ("500ms", 0.5),
            ("1h", 3_600.0),
            ("0s", 0.0),
            ("", 0.0),
            ("x", 0.0),
        ] {
            assert_eq!(Span::from(text.to_owned()), Span(seconds), "{text}");
        }
    }

    #[test]
    fn fields_that_are_missing_are_empty_and_others_are_passed_over() {
        let target: Target = serde_json::from_str(r#"{"labels": {"job": "a"}, "health": "up", "new": [1]}"#).unwrap();
        assert_eq!((target.health.as_str(), target.scrape_interval), ("up", Span(0.0)));
        let sample: Sample = serde_json::from_str(r#"{"metric": {}, "value": [1.5, "+Inf"]}"#).unwrap();
        assert!(sample.value().is_infinite());
    }
}
