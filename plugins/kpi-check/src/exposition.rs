//! A page of metrics as applications show it (Prometheus' text format 0.0.4, and OpenMetrics as far as it is alike), and the
//! figures of the runbook from it, of all the time since the application started. Pure.

use crate::measure::{self, Limit, Measure};

/// Samples of one page that are read.
const SAMPLES: usize = 50_000;
/// Samples that are shown as they are.
const SHOWN: usize = 50;

/// Names that libraries give to what is asked for.
const REQUESTS: &[&str] =
    &["http_requests_total", "http_server_requests_seconds_count", "http_server_request_duration_seconds_count"];
const DURATIONS: &[&str] = &[
    "http_request_duration_seconds_bucket",
    "http_server_requests_seconds_bucket",
    "http_server_request_duration_seconds_bucket",
];
const STATUSES: &[&str] = &["status", "code", "status_code", "http_status", "http_response_status_code"];
const ACTIVE: &[&str] = &[
    "http_requests_in_progress",
    "http_requests_in_flight",
    "http_requests_inprogress",
    "http_server_active_requests",
];

/// One line: a name, its labels, a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    name: String,
    /// In the page's order.
    labels: Vec<(String, String)>,
    value: f64,
}

impl Sample {
    fn label(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.labels.iter().find(|(own, _)| own == name)).map(|(_, value)| value.as_str())
    }
}

/// From where on an application's figures are out of bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) response: Limit,
    pub(crate) errors: Limit,
}

/// The samples of a page; none when it is no page of metrics: no line of it is one.
pub(crate) fn read(page: &str) -> Option<Vec<Sample>> {
    let lines = page.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (mut samples, mut others) = (Vec::new(), 0_usize);
    for line in lines.take(SAMPLES) {
        match sample(line) {
            Some(sample) => samples.push(sample),
            None => others += 1,
        }
    }
    // One line that is none may be anything; a page of them is something else.
    (samples.len() > others).then_some(samples)
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let (labels, rest) = match rest.trim_start().strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    // A time or an exemplar may follow.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.into(), labels, value })
}

/// The labels up to the closing brace, and what follows it.
fn labels(text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, after) = rest.split_once('=')?;
        let quoted = after.trim_start().strip_prefix('"')?;
        let mut value = String::new();
        let mut characters = quoted.char_indices();
        let end = loop {
            match characters.next()? {
                (at, '"') => break at + 1,
                (_, '\\') => match characters.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        labels.push((name.trim().into(), value));
        rest = quoted.get(end..)?;
    }
}

/// The figures that the page has, each with `subject`; `now` in seconds since 1970.
pub(crate) fn measures(samples: &[Sample], subject: &str, now: f64, limits: &Limits) -> Vec<Measure> {
    let of = |names: &[&str]| -> Vec<&Sample> {
        let first = names.iter().find(|name| samples.iter().any(|sample| sample.name == **name));
        samples.iter().filter(|sample| first.is_some_and(|first| sample.name == *first)).collect()
    };
    let mut measures = Vec::new();
    if let Some(p95) = quantile(0.95, &of(DURATIONS)) {
        measures.push(
            Measure::new("response time p95", p95, "s")
                .limit(Some(limits.response))
                .remedy("find the slowest paths: by handler in the same histogram, and in slow-queries"),
        );
    }
    let requests = of(REQUESTS);
    let total: f64 = requests.iter().map(|sample| sample.value).sum();
    if total > 0.0 && requests.iter().any(|sample| sample.label(STATUSES).is_some()) {
        let failed = |sample: &&&Sample| sample.label(STATUSES).is_some_and(|status| status.starts_with('5'));
        let failed: f64 = requests.iter().filter(failed).map(|sample| sample.value).sum();
        measures.push(
            Measure::new("error rate", failed / total * 100.0, "%")
                .limit(Some(limits.errors))
                .remedy("look for the errors in the application's log (log-analyze)"),
        );
    }
    let started = samples.iter().find(|sample| sample.name == "process_start_time_seconds").map(|sample| sample.value);
    if let Some(age) = started.map(|started| now - started).filter(|age| *age > 0.0 && total > 0.0) {
        measures.push(Measure::new("throughput", total / age, "/s"));
    }
    let active = of(ACTIVE);
    if !active.is_empty() {
        measures.push(Measure::new("active requests", active.iter().map(|sample| sample.value).sum(), ""));
    }
    measures.into_iter().filter(|measure| measure.value.is_finite()).map(|measure| measure.on(subject)).collect()
}

/// As Prometheus works it out, over all series together: by a straight line within the bucket that it falls into.
fn quantile(q: f64, buckets: &[&Sample]) -> Option<f64> {
    let mut counts: Vec<(f64, f64)> = Vec::new();
    for bucket in buckets {
        let bound: f64 = bucket.label(&["le"])?.parse().ok().filter(|bound: &f64| !bound.is_nan())?;
        match counts.iter_mut().find(|(other, _)| other.total_cmp(&bound).is_eq()) {
            Some((_, count)) => *count += bucket.value,
            None => counts.push((bound, bucket.value)),
        }
    }
    counts.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let total = counts.last().filter(|(bound, _)| bound.is_infinite())?.1;
    if total.is_nan() || total <= 0.0 {
        return None;
    }
    let rank = q * total;
    let (mut below, mut start) = (0.0, 0.0);
    for (bound, count) in counts {
        if count >= rank {
            // Of what is above the last bound no more is known.
            return Some(if bound.is_infinite() {
                start
            } else {
                start + (bound - start) * (rank - below) / (count - below)
            });
        }
        (below, start) = (count, bound);
    }
    None
}

/// The samples whose name begins so, as they are: what `grep` shows. Buckets are for machines.
pub(crate) fn shown(samples: &[Sample], beginnings: &[String]) -> Vec<Measure> {
    let beginnings: Vec<&str> = beginnings.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
    let wanted = samples.iter().filter(|sample| {
        !sample.name.ends_with("_bucket")
            && !sample.name.ends_with("_created")
            && beginnings.iter().any(|beginning| sample.name.starts_with(beginning))
    });
    let figure = |sample: &Sample| {
        let labels = measure::labels(sample.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let measure = Measure::new(&sample.name, sample.value, "");
        match labels {
            Some(labels) => measure.on(labels),
            None => measure,
        }
    };
    wanted.filter(|sample| sample.value.is_finite()).take(SHOWN).map(figure).collect()
}

#[cfg(test)]
mod tests {
    use taskhost_sdk::report::Severity;

    use super::*;

    const PAGE: &str = r#"
# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{method="GET",status="200",path="/a,\"b\"}"} 970
http_requests_total{method="GET", status="2xx"} 10 1700000000000
http_requests_total{method="GET",status="500",} 15 # {trace_id="x"} 1
http_requests_total{method="POST",status="5xx"} 5
http_request_duration_seconds_bucket{path="/a",le="0.1"} 40
http_request_duration_seconds_bucket{path="/a",le="0.5"} 60
http_request_duration_seconds_bucket{path="/a",le="1"} 100
http_request_duration_seconds_bucket{path="/a",le="+Inf"} 100
http_request_duration_seconds_bucket{path="/b",le="0.1"} 40
http_request_duration_seconds_bucket{path="/b",le="0.5"} 100
http_request_duration_seconds_bucket{path="/b",le="1"} 100
http_request_duration_seconds_bucket{path="/b",le="+Inf"} 100
process_start_time_seconds 1e9
http_requests_in_progress 3
temperature NaN
response_time_seconds_sum 12.5
"#;

    const LIMITS: Limits = Limits {
        response: Limit { side: crate::measure::Side::Above, warn: 0.5, critical: Some(1.0) },
        errors: Limit { side: crate::measure::Side::Above, warn: 1.0, critical: Some(5.0) },
    };

    fn figures(page: &str) -> Vec<(String, f64, Option<Severity>)> {
        let measures = measures(&read(page).unwrap(), "app", 1e9 + 100.0, &LIMITS);
        measures.into_iter().map(|it| (it.name.clone(), (it.value * 1e6).round() / 1e6, it.severity())).collect()
    }

    #[test]
    fn a_page_gives_the_figures_of_the_runbook() {
        assert_eq!(
            figures(PAGE),
            [
                // 190 of 200, of which 160 are below 0.5 and all below 1.
                ("response time p95".into(), 0.875, Some(Severity::Warning)),
                ("error rate".into(), 2.0, Some(Severity::Warning)),
                ("throughput".into(), 10.0, None),
                ("active requests".into(), 3.0, None),
            ]
        );
    }

    #[test]
    fn figures_that_a_page_does_not_have_are_left_out() {
        for (page, names) in [
            ("up 1\n", &[][..]),
            ("http_requests_total 7\n", &[]),
            ("http_requests_total{code=\"200\"} 7\n", &["error rate"]),
            ("http_requests_total{code=\"200\"} 0\n", &[]),
            ("http_request_duration_seconds_bucket{le=\"1\"} 7\n", &[]),
            ("http_request_duration_seconds_bucket{le=\"+Inf\"} 0\n", &[]),
            ("http_request_duration_seconds_bucket{le=\"+Inf\"} 3\n", &["response time p95"]),
            ("http_request_duration_seconds_bucket{le=\"x\"} 3\n", &[]),
            ("http_request_duration_seconds_bucket 3\n", &[]),
            ("http_server_requests_seconds_count{status=\"503\"} 3\n", &["error rate"]),
        ] {
            let found: Vec<String> = figures(page).into_iter().map(|(name, _, _)| name).collect();
            assert_eq!(found, names, "{page}");
        }
    }

    #[test]
    fn what_is_no_page_of_metrics_is_told() {
        for page in ["", "<!doctype html>\n<html>\n<body>hello</body>\n", "{\"status\": \"ok\"}", "# HELP only\n"] {
            assert_eq!(read(page), None, "{page}");
        }
        let mixed = "a 1\nb{x=\"unclosed 1\nc{=\"\"} 1\n9d 1\ne one\nf{a=\"b\"}\ng 1\nh 2\ni 3\nj 4\nk 5\n";
        let names: Vec<_> = read(mixed).unwrap().into_iter().map(|sample| sample.name).collect();
        assert_eq!(names, ["a", "c", "g", "h", "i", "j", "k"]);
    }

    #[test]
    fn samples_are_shown_by_the_beginning_of_their_name() {
        let shown = shown(&read(PAGE).unwrap(), &["http_requests".into(), " response_time ".into(), String::new()]);
        let lines: Vec<String> = shown.iter().map(Measure::line).collect();
        assert_eq!(lines.len(), 6, "{lines:?}");
        assert_eq!(lines[0], r#"http_requests_total 970 ({method="GET", status="200", path="/a,\"b\"}"})"#);
        assert!(lines.contains(&"response_time_seconds_sum 12.5".into()));
        assert!(super::shown(&read(PAGE).unwrap(), &["temperature".into()]).is_empty(), "it is no number");
    }
}
