//! A report as spans, in the JSON of OTLP (opentelemetry-proto 1: ids in hex, times and whole numbers as texts). Pure.
//!
//! Nothing is in them that the journal and the report do not keep, which hold no secret; a run's parameters, its log and
//! its metrics are left out.

use std::borrow::Cow;

use serde::Serialize;
use uuid::Uuid;

use crate::gate::{EffectOutcome, Entry, Impact};
use crate::policy::text::clean_line;
use crate::report::{Finding, Report, Severity};

/// The most effects that a trace shows; those that changed the world first. Backends refuse traces of many megabytes.
const EFFECTS: usize = 2000;
/// The most findings, the worst first: as many events as a span has by the specification.
const FINDINGS: usize = 128;
/// Bytes of a text that may be long.
const TEXT: usize = 1024;

/// A span.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Span {
    trace_id: String,
    #[serde(rename = "spanId")]
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    name: String,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute>,
    events: Vec<Event>,
    dropped_events_count: usize,
    status: Status,
}

/// What something is, by a name.
#[derive(Debug, Serialize)]
pub(super) struct Attribute {
    key: Cow<'static, str>,
    value: Value,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Value {
    StringValue(String),
    IntValue(String),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    time_unix_nano: String,
    name: &'static str,
    attributes: Vec<Attribute>,
}

#[derive(Debug, Default, Serialize)]
struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    code: u8,
}

/// `SPAN_KIND_INTERNAL`: the gate knows no room, so not which effects ask a server.
const INTERNAL: u8 = 1;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// The run's span, and after it one for each effect. `operator` is who had it run.
pub(super) fn of(bundle: Option<&str>, operator: &str, report: &Report) -> Vec<Span> {
    let Ok(id) = Uuid::parse_str(&report.run.id) else { return vec![] };
    let (_, low) = id.as_u64_pair();
    let times = Times::of(report);
    let effects = shown(&report.effects);
    let mut attributes = Attributes::default();
    attributes.text("taskhost.run", &report.run.id);
    attributes.text("taskhost.bundle", bundle.unwrap_or_default());
    attributes.text("taskhost.task", &report.run.task);
    if let Some(plugin) = &report.run.plugin {
        attributes.text("taskhost.plugin.name", &plugin.name);
        attributes.text("taskhost.plugin.version", &plugin.version);
        attributes.text("taskhost.plugin.digest", &plugin.digest);
    }
    attributes.word("taskhost.mode", report.run.mode);
    attributes.word("taskhost.outcome", report.run.outcome);
    attributes.text("taskhost.operator", operator);
    attributes.text("taskhost.summary", report.summary.as_deref().unwrap_or_default());
    let left_out = report.effects.len() - effects.len();
    attributes.number("taskhost.effects.left_out", u64::try_from(left_out).ok().filter(|left_out| *left_out > 0));
    let findings = report.worst_first();
    let root = Span {
        trace_id: id.simple().to_string(),
        id: hex(low),
        parent_span_id: None,
        name: report.run.task.clone(),
        kind: INTERNAL,
        start_time_unix_nano: nanos(times.start),
        end_time_unix_nano: nanos(times.end),
        attributes: attributes.0,
        events: findings.iter().take(FINDINGS).map(|finding| event(finding, times.end)).collect(),
        dropped_events_count: findings.len().saturating_sub(FINDINGS),
        status: if report.run.outcome.exit_code() > 1 { Status::error(&why(report)) } else { Status::default() },
    };
    let effects = effects.into_iter().map(|entry| {
        let (start, end) = times.effect(entry);
        Span {
            trace_id: root.trace_id.clone(),
            // Unlike those of all others in the trace; the run's id has random bits there.
            id: hex(low.wrapping_add(entry.sequence).wrapping_add(1)),
            parent_span_id: Some(root.id.clone()),
            name: format!("{} {}", entry.effect.capability, entry.effect.operation),
            kind: INTERNAL,
            start_time_unix_nano: nanos(start),
            end_time_unix_nano: nanos(end),
            attributes: effect(entry),
            events: vec![],
            dropped_events_count: 0,
            status: entry.outcome.reason().map_or_else(Status::default, Status::error),
        }
    });
    let effects: Vec<Span> = effects.collect();
    std::iter::once(root).chain(effects).collect()
}

/// All, or those that weigh most, in their order.
fn shown(entries: &[Entry]) -> Vec<&Entry> {
    let mut shown: Vec<&Entry> = entries.iter().collect();
    if shown.len() > EFFECTS {
        shown.sort_by_key(|entry| entry.effect.impact == Impact::Observe && entry.outcome == EffectOutcome::Done);
        shown.truncate(EFFECTS);
        shown.sort_by_key(|entry| entry.sequence);
    }
    shown
}

fn effect(entry: &Entry) -> Vec<Attribute> {
    let mut attributes = Attributes::default();
    attributes.number("taskhost.effect.seq", Some(entry.sequence));
    attributes.text("taskhost.capability", &entry.effect.capability);
    attributes.text("taskhost.slot", &entry.effect.slot);
    attributes.text("taskhost.operation", &entry.effect.operation);
    attributes.text("taskhost.target", &entry.effect.target);
    attributes.text("taskhost.impact", entry.effect.impact.name());
    attributes.text("taskhost.decision", entry.decision.name());
    attributes.text("taskhost.outcome", entry.outcome.name());
    attributes.number("taskhost.rows", entry.rows);
    attributes.number("taskhost.bytes", entry.bytes);
    attributes.0
}

/// Findings have no time of their own.
fn event(finding: &Finding, at: i128) -> Event {
    let mut attributes = Attributes::default();
    attributes.text("severity", finding.severity.name());
    attributes.text("subject", &finding.subject);
    attributes.text("title", &finding.title);
    attributes.text("detail", &finding.detail);
    attributes.text("remedy", finding.remedy.as_deref().unwrap_or_default());
    Event { time_unix_nano: nanos(at), name: "finding", attributes: attributes.0 }
}

/// Why a run did not end well: its error, or the worst that it found.
fn why(report: &Report) -> String {
    let critical = report.findings.iter().find(|finding| finding.severity == Severity::Critical);
    let found = critical.map(|finding| format!("{}: {}", finding.subject, finding.title));
    report.error.clone().or(found).unwrap_or_else(|| report.run.outcome.name().into())
}

/// Nanoseconds since 1970. The clock that was read at the start may have been put since, which the run's duration does
/// not heed: effects are placed back from its end, and the span holds them all.
struct Times {
    start: i128,
    /// From which effects count: later than the start by what it took to write that down.
    began: i128,
    end: i128,
}

impl Times {
    fn of(report: &Report) -> Self {
        let end = report.run.finished.as_nanosecond();
        let began = end.saturating_sub(i128::from(report.run.duration_us) * 1000);
        Self { start: report.run.started.as_nanosecond().min(began), began, end }
    }

    fn effect(&self, entry: &Entry) -> (i128, i128) {
        let after = |from: i128, time: std::time::Duration| {
            from.saturating_add(i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)).min(self.end)
        };
        let start = after(self.began, entry.offset);
        (start, after(start, entry.duration))
    }
}

impl Attribute {
    pub(super) fn text(key: impl Into<Cow<'static, str>>, value: String) -> Self {
        Self { key: key.into(), value: Value::StringValue(value) }
    }
}

#[derive(Default)]
struct Attributes(Vec<Attribute>);

impl Attributes {
    /// What is empty is not said.
    fn text(&mut self, key: &'static str, value: &str) {
        if !value.is_empty() {
            self.0.push(Attribute::text(key, clean_line(value, TEXT)));
        }
    }

    fn number(&mut self, key: &'static str, value: Option<u64>) {
        self.0.extend(value.map(|value| Attribute { key: key.into(), value: Value::IntValue(value.to_string()) }));
    }

    /// As the JSON report calls it.
    fn word(&mut self, key: &'static str, value: impl Serialize) {
        if let Ok(serde_json::Value::String(word)) = serde_json::to_value(value) {
            self.text(key, &word);
        }
    }
}

impl Status {
    fn error(message: &str) -> Self {
        Self { message: Some(clean_line(message, TEXT)), code: ERROR }
    }
}

fn hex(id: u64) -> String {
    format!("{id:016x}")
}

fn nanos(time: i128) -> String {
    u64::try_from(time.max(0)).unwrap_or(u64::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::gate::{Decision, Effect, Mode};
    use crate::report::{Outcome, PluginId};

    const ID: &str = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
    /// 2026-03-14T03:00:00Z in seconds.
    const THREE: i64 = 1_773_457_200;

    fn report(outcome: Outcome, effects: Vec<Entry>) -> Report {
        let mut report = Report::not_begun("clean", Mode::Perform, outcome, "");
        report.run.id = ID.into();
        report.run.started = Timestamp::from_second(THREE).unwrap();
        report.run.finished = Timestamp::from_second(THREE + 10).unwrap();
        report.run.duration_us = 9_500_000;
        report.error = None;
        report.effects = effects;
        report
    }

    fn entry(sequence: u64, impact: Impact, outcome: EffectOutcome) -> Entry {
        Entry {
            sequence,
            effect: Effect::new("files", "logs", "remove", impact, "a.log"),
            decision: Decision::Perform,
            outcome,
            rows: None,
            bytes: Some(7),
            offset: Duration::from_millis(1500),
            duration: Duration::from_millis(250),
        }
    }

    fn finding(severity: Severity, title: &str) -> Finding {
        let (subject, title) = ("logs".into(), title.into());
        Finding { severity, subject, title, detail: String::new(), remedy: Some("free some".into()) }
    }

    fn spans(report: &Report) -> Value {
        serde_json::to_value(of(Some("shop"), "anna", report)).unwrap()
    }

    fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
        let mut attributes = span["attributes"].as_array().unwrap().iter();
        attributes.find(|attribute| attribute["key"] == key).map_or(&Value::Null, |attribute| &attribute["value"])
    }

    #[test]
    fn a_run_is_a_span_with_its_effects_below_it() {
        let mut report = report(Outcome::Critical, vec![entry(3, Impact::Destroy, EffectOutcome::Done)]);
        let (name, version, digest) = ("file-cleanup".into(), "1.2.3".into(), "sha256:ab".into());
        report.run.plugin = Some(PluginId { name, version, digest });
        report.findings = vec![finding(Severity::Warning, "old"), finding(Severity::Critical, "full")];
        let spans = spans(&report);
        let [run, effect] = spans.as_array().unwrap().as_slice() else { panic!("{spans}") };

        assert_eq!(run["traceId"], "0190a1b2c3d47e5f8a9b0c1d2e3f4a5b");
        assert_eq!(run["spanId"], "8a9b0c1d2e3f4a5b");
        assert_eq!((&run["name"], run.get("parentSpanId")), (&json!("clean"), None));
        assert_eq!((&run["startTimeUnixNano"], &run["endTimeUnixNano"]), (&json!(at(0)), &json!(at(10_000))));
        assert_eq!(run["status"], json!({ "code": 2, "message": "logs: full" }));
        for (key, value) in [
            ("run", ID),
            ("bundle", "shop"),
            ("task", "clean"),
            ("plugin.name", "file-cleanup"),
            ("plugin.version", "1.2.3"),
            ("plugin.digest", "sha256:ab"),
            ("mode", "perform"),
            ("outcome", "critical"),
            ("operator", "anna"),
        ] {
            assert_eq!(attribute(run, &format!("taskhost.{key}")), &json!({ "stringValue": value }), "{key}");
        }
        let events = run["events"].as_array().unwrap();
        let titles: Vec<&Value> = events.iter().map(|event| attribute(event, "title")).collect();
        assert_eq!(titles, [&json!({ "stringValue": "full" }), &json!({ "stringValue": "old" })], "the worst first");
        assert_eq!(events[0]["timeUnixNano"], at(10_000));

        assert_eq!((&effect["traceId"], &effect["parentSpanId"]), (&run["traceId"], &run["spanId"]));
        assert_eq!((&effect["spanId"], &effect["name"]), (&json!("8a9b0c1d2e3f4a5f"), &json!("files remove")));
        // Half a second passed before the run's own clock began.
        assert_eq!((&effect["startTimeUnixNano"], &effect["endTimeUnixNano"]), (&json!(at(2000)), &json!(at(2250))));
        assert_eq!(attribute(effect, "taskhost.effect.seq"), &json!({ "intValue": "3" }));
        assert_eq!(attribute(effect, "taskhost.bytes"), &json!({ "intValue": "7" }));
        assert_eq!(attribute(effect, "taskhost.rows"), &Value::Null);
        for (key, value) in [
            ("capability", "files"),
            ("slot", "logs"),
            ("operation", "remove"),
            ("target", "a.log"),
            ("impact", "destroy"),
            ("decision", "perform"),
            ("outcome", "done"),
        ] {
            assert_eq!(attribute(effect, &format!("taskhost.{key}")), &json!({ "stringValue": value }), "{key}");
        }
    }

    /// Milliseconds after three, as OTLP has it.
    fn at(millis: i64) -> String {
        format!("{}000000", THREE * 1000 + millis)
    }

    #[test]
    fn a_span_is_an_error_when_what_it_shows_did_not_end_well() {
        let unset = json!({ "code": 0 });
        let error = |message: &str| json!({ "code": 2, "message": message });
        for (outcome, said, status) in [
            (Outcome::Ok, None, unset.clone()),
            (Outcome::Warning, None, unset.clone()),
            (Outcome::Critical, None, error("critical")),
            (Outcome::TimedOut, Some("too\nlong"), error("too long")),
            (Outcome::Trapped, None, error("trapped")),
        ] {
            let mut report = report(outcome, vec![]);
            report.error = said.map(str::to_owned);
            assert_eq!(spans(&report)[0]["status"], status, "{outcome:?}");
        }
        for (outcome, status) in [
            (EffectOutcome::Done, unset.clone()),
            (EffectOutcome::Abandoned, unset),
            (EffectOutcome::Failed("no space".into()), error("no space")),
            (EffectOutcome::Refused("add `,delete`".into()), error("add `,delete`")),
        ] {
            let report = report(Outcome::Ok, vec![entry(0, Impact::Change, outcome.clone())]);
            assert_eq!(spans(&report)[1]["status"], status, "{outcome:?}");
        }
    }

    #[test]
    fn effects_lie_within_the_run_whatever_the_clock_did() {
        // The clock was put while it ran: seconds after three at which it seemed to start and to end.
        for (started, finished) in [(0, 10), (0, 3600), (3600, 10), (10, 10)] {
            let mut late = entry(1, Impact::Observe, EffectOutcome::Done);
            late.offset = Duration::from_secs(3);
            late.duration = Duration::MAX;
            let mut report = report(Outcome::Ok, vec![entry(0, Impact::Observe, EffectOutcome::Done), late]);
            report.run.started = Timestamp::from_second(THREE + started).unwrap();
            report.run.finished = Timestamp::from_second(THREE + finished).unwrap();
            let spans = spans(&report);
            let time = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
            let (start, end) = (time(&spans[0], "startTimeUnixNano"), time(&spans[0], "endTimeUnixNano"));
            for effect in &spans.as_array().unwrap()[1..] {
                let times = [start, time(effect, "startTimeUnixNano"), time(effect, "endTimeUnixNano"), end];
                assert!(times.is_sorted(), "{started} {finished}: {times:?}");
            }
        }
    }

    #[test]
    fn a_trace_is_bounded_and_keeps_what_changed_the_world() {
        let observed = u64::try_from(EFFECTS).unwrap() + 5;
        let mut effects: Vec<Entry> =
            (0..observed).map(|sequence| entry(sequence, Impact::Observe, EffectOutcome::Done)).collect();
        effects.push(entry(observed, Impact::Observe, EffectOutcome::Failed("gone".into())));
        effects.push(entry(observed + 1, Impact::Destroy, EffectOutcome::Done));
        let mut report = report(Outcome::Warning, effects);
        report.findings = (0..FINDINGS + 2).map(|_| finding(Severity::Warning, "old")).collect();
        let spans = of(None, "anna", &report);
        assert_eq!(spans.len(), 1 + EFFECTS);
        let shown = serde_json::to_value(&spans).unwrap();
        assert_eq!(attribute(&shown[0], "taskhost.effects.left_out"), &json!({ "intValue": "7" }));
        assert_eq!(attribute(&shown[0], "taskhost.bundle"), &Value::Null);
        assert_eq!(
            (shown[0]["events"].as_array().unwrap().len(), &shown[0]["droppedEventsCount"]),
            (FINDINGS, &json!(2))
        );
        let last: Vec<&Value> = shown.as_array().unwrap()[EFFECTS - 1..].iter().collect();
        let number = |span: &Value| attribute(span, "taskhost.effect.seq")["intValue"].as_str().unwrap().to_owned();
        assert_eq!([number(last[0]), number(last[1])], [observed.to_string(), (observed + 1).to_string()]);
        let mut ids: Vec<&str> = spans.iter().map(|span| span.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), spans.len());
    }
}
