//! What a Prometheus server says to a question, and what becomes of it. Pure.

use serde::Deserialize;
use serde_json::Value;
use taskhost_sdk::prelude::*;
use taskhost_sdk::report::Severity;
use taskhost_sdk::words::counted;

use crate::kpi::Kpi;
use crate::measure::{self, Measure, Side};

/// Series of one figure that are kept, the worst first.
const SERIES: usize = 100;

/// An answer of the server's API.
#[derive(Deserialize)]
pub(crate) struct Envelope {
    status: String,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    error: String,
}

/// What a figure came to.
#[derive(Debug, Default)]
pub(crate) struct Came {
    pub(crate) measures: Vec<Measure>,
    /// Why there is none, or not all.
    pub(crate) unknown: Option<String>,
    /// Series that are not among the measures.
    pub(crate) left_out: usize,
}

impl Came {
    fn unknown(why: impl Into<String>) -> Self {
        Self { unknown: Some(why.into()), ..Self::default() }
    }

    /// What is to be said beside the measures: what is not known, which is as bad as `unknown_is`, and what was left out.
    pub(crate) fn remarks(&self, kpi: &Kpi, unknown_is: Severity) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(why) = &self.unknown {
            findings.push(
                Finding::new(unknown_is, &kpi.name, "figure is not known").detail(format!("{why}: {}", kpi.expression)),
            );
        }
        if self.left_out > 0 {
            let more = counted(self.left_out, "more series");
            findings.push(
                Finding::ok(&kpi.name, "figure has many series")
                    .detail(format!("the {SERIES} worst are kept, and {more} left out"))
                    .remedy("aggregate it, as in max by (job) (...)"),
            );
        }
        findings
    }
}

/// What the server's answer comes to for a figure.
pub(crate) fn read(kpi: &Kpi, answer: &Envelope) -> Came {
    if answer.status != "success" {
        return Came::unknown(format!("the server says {}", answer.error.trim()));
    }
    let kind = answer.data.get("resultType").and_then(Value::as_str).unwrap_or_default();
    let result = answer.data.get("result");
    let samples: Vec<(Option<String>, f64)> = match (kind, result) {
        ("scalar", Some(sample)) => number(sample).map(|value| (None, value)).into_iter().collect(),
        ("vector", Some(Value::Array(series))) => {
            let sample = |series: &Value| Some((labels(series.get("metric")?), number(series.get("value")?)?));
            series.iter().filter_map(sample).collect()
        }
        ("matrix", _) => return Came::unknown("it is a range and no figure; put it into rate() or another function"),
        _ => return Came::unknown("it is no figure"),
    };
    if samples.is_empty() {
        return Came::unknown("there is no such series");
    }
    let all = samples.len();
    let mut measures: Vec<Measure> = samples
        .into_iter()
        .filter(|(_, value)| !value.is_nan())
        .map(|(labels, value)| {
            let measure = Measure::new(&kpi.name, value, &kpi.unit).limit(kpi.limit);
            match labels {
                Some(labels) => measure.on(labels),
                None => measure,
            }
        })
        .collect();
    let missing = all - measures.len();
    let unknown = (missing > 0).then(|| {
        let of = if all == 1 { "it is".to_owned() } else { format!("{missing} of {all} series are") };
        format!("{of} not a number, as a share of nothing is")
    });
    measures
        .sort_by(|one, other| badness(other).total_cmp(&badness(one)).then_with(|| one.subject.cmp(&other.subject)));
    let left_out = measures.len().saturating_sub(SERIES);
    measures.truncate(SERIES);
    Came { measures, unknown, left_out }
}

/// The worst first: by how bad, then by the value on the wrong side.
fn badness(measure: &Measure) -> f64 {
    let below = measure.limit.is_some_and(|limit| limit.side == Side::Below);
    if below { -measure.value } else { measure.value }
}

/// `[time, "value"]`, of which the value is a text as there is no NaN in JSON.
fn number(sample: &Value) -> Option<f64> {
    sample.get(1)?.as_str()?.parse().ok()
}

/// The labels of a series but its name.
fn labels(metric: &Value) -> Option<String> {
    let labels = metric.as_object()?.iter().filter(|(name, _)| *name != "__name__");
    measure::labels(labels.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kpi;

    fn came(line: &str, answer: &str) -> Came {
        let kpi = kpi::parse(line).unwrap().remove(0);
        read(&kpi, &serde_json::from_str(answer).unwrap())
    }

    fn vector(series: &[(&str, &str)]) -> String {
        let series: Vec<String> = series
            .iter()
            .map(|(labels, value)| format!("{{\"metric\":{{{labels}}},\"value\":[1.5,\"{value}\"]}}"))
            .collect();
        format!("{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":[{}]}}}}", series.join(","))
    }

    #[test]
    fn each_set_of_labels_is_a_measure_the_worst_first() {
        let answer = vector(&[
            ("\"__name__\":\"x\",\"job\":\"a\"", "1"),
            ("\"job\":\"b\",\"path\":\"/\\\"q\\\"\"", "9"),
            ("", "5"),
        ]);
        let came = came("x: x > 4, 8 [s]", &answer);
        let shown: Vec<_> = came.measures.iter().map(|measure| (measure.subject.clone(), measure.value)).collect();
        assert_eq!(
            shown,
            [(Some("{job=\"b\", path=\"/\\\"q\\\"\"}".into()), 9.0), (None, 5.0), (Some("{job=\"a\"}".into()), 1.0)]
        );
        let severities: Vec<_> = came.measures.iter().map(Measure::severity).collect();
        assert_eq!(severities, [Some(Severity::Critical), Some(Severity::Warning), None]);
        let kpi = kpi::parse("x: x > 4, 8 [s]").unwrap().remove(0);
        assert!(came.remarks(&kpi, Severity::Warning).is_empty());
    }

    #[test]
    fn what_there_is_none_of_and_what_is_no_number_is_said() {
        for (answer, measures, unknown) in [
            (vector(&[]), 0, "there is no such series"),
            (vector(&[("", "NaN")]), 0, "it is not a number, as a share of nothing is"),
            (vector(&[("\"a\":\"b\"", "NaN"), ("", "1")]), 1, "1 of 2 series are not a number"),
            ("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}".into(), 0, "it is a range"),
            (
                "{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":[1,\"x\"]}}".into(),
                0,
                "no figure",
            ),
            (
                "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error\"}".into(),
                0,
                "the server says parse error",
            ),
            ("{\"status\":\"success\"}".into(), 0, "no figure"),
            (
                "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[7]}}".into(),
                0,
                "no such series",
            ),
        ] {
            let came = came("x: x > 4", &answer);
            assert_eq!(came.measures.len(), measures, "{answer}");
            assert!(came.unknown.as_ref().is_some_and(|why| why.contains(unknown)), "{answer}: {came:?}");
            let kpi = kpi::parse("x: x > 4").unwrap().remove(0);
            let remarks = came.remarks(&kpi, Severity::Critical);
            assert_eq!(remarks.iter().map(Finding::severity).collect::<Vec<_>>(), [Severity::Critical]);
        }
    }

    #[test]
    fn a_scalar_and_an_infinite_value_are_figures() {
        let scalar = "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"2.5\"]}}";
        assert!((came("x: x", scalar).measures[0].value - 2.5).abs() < f64::EPSILON);
        let infinite = came("x: x > 1", &vector(&[("", "+Inf")]));
        assert_eq!(infinite.measures[0].severity(), Some(Severity::Warning));
        let below = came("x: x < 1", &vector(&[("\"a\":\"1\"", "-Inf"), ("\"a\":\"2\"", "0.5"), ("\"a\":\"3\"", "7")]));
        assert!(below.measures[0].value < f64::MIN);
    }

    #[test]
    fn of_very_many_series_the_worst_are_kept() {
        let names: Vec<String> = (0..250).map(|index| format!("\"a\":\"{index:03}{}\"", "x".repeat(300))).collect();
        let series: Vec<(&str, String)> =
            names.iter().enumerate().map(|(index, name)| (name.as_str(), index.to_string())).collect();
        let series: Vec<(&str, &str)> = series.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let came = came("x: x > 240", &vector(&series));
        assert_eq!((came.measures.len(), came.left_out), (100, 150));
        assert!((came.measures[0].value - 249.0).abs() < f64::EPSILON);
        assert!(came.measures.iter().all(|measure| measure.subject.as_ref().unwrap().len() < 180));
        let kpi = kpi::parse("x: x > 240").unwrap().remove(0);
        assert_eq!(came.measures.iter().filter_map(Measure::finding).count(), 9);
        assert_eq!(came.remarks(&kpi, Severity::Warning).len(), 1);
    }
}
