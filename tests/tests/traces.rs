//! Runs as traces, as a collector gets them: where the operator names one, whole and with the run's id; where it is away
//! or misbehaves, no run is held up for long and none ends otherwise; where none is named, nothing is sent.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use taskhost_tests::http::{Received, Reply, Server};
use taskhost_tests::{Host, fixture, host, hostile};

/// The variable of the address to which paths are added.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

fn collector() -> Server {
    Server::start(|_| Reply::json(&json!({ "partialSuccess": {} })))
}

/// Lists a directory with two files and reads both: four effects.
fn collect(directory: &Path) -> Host {
    std::fs::write(directory.join("a.log"), "one").unwrap();
    std::fs::write(directory.join("b.log"), "two").unwrap();
    let bound = format!("directory={},write", directory.display());
    host().arg("run").arg(fixture("errand")).args(["errand=collect", "--format", "json", "--files", &bound])
}

/// The spans that came, with no more than one message's.
fn spans(message: &Received) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    body.pointer("/resourceSpans/0/scopeSpans/0/spans").unwrap().as_array().unwrap().clone()
}

/// A text or a whole number, as a text; empty where there is none.
fn attribute(of: &Value, key: &str) -> String {
    let mut attributes = of["attributes"].as_array().unwrap().iter();
    let value = attributes.find(|attribute| attribute["key"] == key).map(|attribute| &attribute["value"]);
    let value = value.and_then(|value| value.as_object().unwrap().values().next());
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn times(span: &Value) -> (u64, u64) {
    let time = |key: &str| span[key].as_str().unwrap().parse().unwrap();
    (time("startTimeUnixNano"), time("endTimeUnixNano"))
}

#[test]
fn a_run_is_a_trace_with_a_span_for_each_effect() {
    let (server, directory) = (collector(), tempfile::tempdir().unwrap());
    let output = collect(directory.path())
        .env(ENDPOINT, server.url(""))
        .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20of-tests")
        .env("OTEL_SERVICE_NAME", "night")
        .env("TASKHOST_MAINTAINER", "anna")
        .run()
        .expect_code(0);
    let (report, seen) = (output.json(), server.seen());
    let [message] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((message.method.as_str(), message.path()), ("POST", "/v1/traces"));
    assert_eq!(message.header("content-type"), "application/json");
    assert_eq!(message.header("authorization"), "Bearer of-tests");
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!(attribute(&body["resourceSpans"][0]["resource"], "service.name"), "night");

    let spans = spans(message);
    let (run, effects) = spans.split_first().unwrap();
    let id = report["run"]["id"].as_str().unwrap();
    assert_eq!(run["traceId"], id.replace('-', ""));
    assert_eq!(
        (&run["name"], run.get("parentSpanId"), &run["status"]["code"]),
        (&json!("fixture-errand"), None, &json!(0))
    );
    for (key, value) in [
        ("run", id),
        ("bundle", ""),
        ("task", "fixture-errand"),
        ("plugin.digest", report["run"]["plugin"]["digest"].as_str().unwrap()),
        ("mode", "perform"),
        ("outcome", "ok"),
        ("operator", "anna"),
    ] {
        assert_eq!(attribute(run, &format!("taskhost.{key}")), value, "{key}");
    }
    let journal = report["effects"].as_array().unwrap();
    assert_eq!((journal.len(), effects.len()), (4, 4));
    let (start, end) = times(run);
    let mut before = start;
    for (span, entry) in effects.iter().zip(journal) {
        assert_eq!((&span["traceId"], &span["parentSpanId"]), (&run["traceId"], &run["spanId"]));
        let named = ["capability", "slot", "operation", "target", "impact", "decision", "outcome"];
        for (key, entry_key) in
            named.map(|key| (key, key)).into_iter().chain([("effect.seq", "seq"), ("bytes", "bytes")])
        {
            let value = &entry[entry_key];
            let value = value
                .as_str()
                .map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned);
            assert_eq!(attribute(span, &format!("taskhost.{key}")), value, "{key} of {span}");
        }
        let (from, to) = times(span);
        assert_eq!((to - from) / 1000, entry["duration_us"].as_u64().unwrap());
        assert!(before <= from && to <= end, "{before} {from} {to} {end}");
        before = from;
    }
    let ids: BTreeSet<&str> = spans.iter().map(|span| span["spanId"].as_str().unwrap()).collect();
    assert!(ids.len() == 5 && ids.iter().all(|id| id.len() == 16), "{ids:?}");
}

#[test]
fn what_did_not_end_well_is_an_error_and_findings_are_events() {
    let server = collector();
    let traced = |arguments: &[&str], code: i32| {
        let base = server.url("mine/of/traces");
        let command = host().args(arguments.iter().copied()).env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", base);
        command.run().expect_code(code);
        let message = server.seen().pop().unwrap();
        assert_eq!(message.path(), "/mine/of/traces");
        spans(&message)
    };
    let conduct = hostile("conduct").display().to_string();
    let trapped = traced(&["run", &conduct, "case=trap-after-finding"], 3);
    assert_eq!((trapped.len(), &trapped[0]["status"]["code"]), (1, &json!(2)));
    assert!(trapped[0]["status"]["message"].as_str().unwrap().contains("panicked"), "{trapped:?}");
    assert_eq!(attribute(&trapped[0], "taskhost.outcome"), "trapped");
    let event = &trapped[0]["events"][0];
    assert_eq!(
        (event["name"].as_str().unwrap(), attribute(event, "title").as_str()),
        ("finding", "found before the trap")
    );

    // What is over its budget is refused.
    let (errand, directory) = (fixture("errand").display().to_string(), tempfile::tempdir().unwrap());
    let bound = format!("directory={},write", directory.path().display());
    let given = ["errand=write", "--files", &bound, "--budget", "directory.bytes=10"];
    let refused = traced(&[&["run", errand.as_str()], given.as_slice()].concat(), 3);
    let over = refused[1..].iter().find(|span| attribute(span, "taskhost.outcome") == "refused").unwrap();
    assert_eq!(over["status"]["code"], 2, "{refused:?}");
    assert!(over["status"]["message"].as_str().unwrap().contains("--budget directory.bytes="), "{refused:?}");
    let rehearsed = traced(&["plan", &errand, "errand=write", "--files", &bound], 0);
    assert_eq!(attribute(&rehearsed[0], "taskhost.mode"), "rehearse");
    assert!(rehearsed.iter().any(|span| attribute(span, "taskhost.decision") == "rehearse"), "{rehearsed:?}");
    let invalid = traced(&["run", "no-such-plugin"], 3);
    assert_eq!((invalid.len(), attribute(&invalid[0], "taskhost.outcome")), (1, "invalid".to_owned()));
}

/// A bundle of three tasks, one of which cannot begin after another; it is recorded, and one is due each minute.
fn bundle(directory: &Path) -> std::path::PathBuf {
    let (errand, conduct) = (fixture("errand"), hostile("conduct"));
    let (errand, conduct) = (errand.display(), conduct.display());
    let text = format!(
        "name = \"shop\"\nhistory = \"history.db\"\n\
         [tasks.breaks]\nplugin = \"{conduct}\"\nparameters = {{ case = \"panic\" }}\n\
         [tasks.later]\nplugin = \"{conduct}\"\nparameters = {{ case = \"well-behaved\" }}\nafter = [\"breaks\"]\n\
         [tasks.lists]\nplugin = \"{errand}\"\nparameters = {{ errand = \"collect\" }}\nschedule = \"* * * * *\"\n\
         grants.directory = {{ files = \"files\", access = [\"write\"] }}\n"
    );
    std::fs::create_dir(directory.join("files")).unwrap();
    let path = directory.join("bundle.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// What was recorded, as ids without hyphens.
fn recorded(bundle: &Path) -> BTreeSet<String> {
    let listed = host().arg("history").arg(bundle).args(["--format", "json"]).run().json();
    let ids = listed.as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().replace('-', ""));
    ids.collect()
}

fn roots(server: &Server) -> Vec<Value> {
    server.seen().iter().map(|message| spans(message).remove(0)).collect()
}

#[test]
fn each_run_of_a_bundle_is_a_trace_that_is_found_by_its_recorded_id() {
    let (server, directory) = (collector(), tempfile::tempdir().unwrap());
    let bundle = bundle(directory.path());
    host().arg("run").arg(&bundle).arg("--all").env(ENDPOINT, server.url("")).run().expect_code(3);
    let roots = roots(&server);
    let ids: BTreeSet<String> = roots.iter().map(|root| root["traceId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, recorded(&bundle));
    let mut shown: Vec<_> = roots
        .iter()
        .map(|root| ["bundle", "task", "outcome"].map(|key| attribute(root, &format!("taskhost.{key}"))).join(" "))
        .collect();
    shown.sort();
    assert_eq!(shown, ["shop breaks trapped", "shop later invalid", "shop lists ok"]);
}

#[test]
fn a_served_run_is_a_trace_too() {
    let (server, directory) = (collector(), tempfile::tempdir().unwrap());
    let bundle = bundle(directory.path());
    let serving = host().arg("serve").arg(&bundle).env(ENDPOINT, server.url("")).spawn();
    let begun = Instant::now();
    while server.seen().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(100), "no trace came");
        std::thread::sleep(Duration::from_millis(200));
    }
    serving.interrupt();
    serving.wait().expect_code(0);
    let roots = roots(&server);
    assert_eq!(
        (attribute(&roots[0], "taskhost.task"), attribute(&roots[0], "taskhost.bundle")),
        ("lists".into(), "shop".into())
    );
    let ids: BTreeSet<String> = roots.iter().map(|root| root["traceId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, recorded(&bundle));
}

#[test]
fn a_collector_that_is_busy_is_asked_again() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let first = asked.fetch_add(1, Ordering::Relaxed) == 0;
        if first { Reply::new("503 Service Unavailable", &[], "") } else { Reply::ok("{}") }
    });
    let directory = tempfile::tempdir().unwrap();
    let output = collect(directory.path()).env(ENDPOINT, server.url("")).run().expect_code(0);
    let seen = server.seen();
    assert_eq!((seen.len(), seen[0].body == seen[1].body, output.stderr.as_str()), (2, true, ""));
}

#[test]
fn no_run_waits_long_for_a_collector_or_ends_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refuses = Server::start(|_| Reply::new("401 Unauthorized", &[], "a-secret"));
    let hangs = Server::start(|_| Reply::raw("").then_hang());
    let drips = Server::start(|_| Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").then_drip());
    let rejects = Server::start(|_| {
        Reply::json(&json!({ "partialSuccess": { "rejectedSpans": "2", "errorMessage": "too old" } }))
    });
    let moves = Server::start(|_| Reply::redirect("307 Temporary Redirect", "http://127.0.0.1:1/"));
    for (endpoint, said) in [
        (format!("http://{away}"), "5 spans are not exported: 127.0.0.1 cannot be reached: "),
        (refuses.url(""), "5 spans are not exported: 127.0.0.1 answered 401 Unauthorized\n"),
        (hangs.url(""), "5 spans are not exported: they were not taken within 5 s\n"),
        (drips.url(""), ""),
        (rejects.url(""), "2 spans are not exported: too old\n"),
        (moves.url(""), "5 spans are not exported: 127.0.0.1 answered 307 Temporary Redirect\n"),
        ("localhost:4318".into(), "no traces are sent: OTEL_EXPORTER_OTLP_ENDPOINT is no http or https URL\n"),
    ] {
        let begun = Instant::now();
        let output = collect(directory.path()).env(ENDPOINT, &endpoint).run().expect_code(0);
        let warned = output.stderr.strip_prefix("warning: ").unwrap_or(&output.stderr);
        assert!(warned.starts_with(said) && warned.is_empty() == said.is_empty(), "{endpoint}: {output}");
        assert!(output.stderr.lines().count() < 2 && output.json()["run"]["outcome"] == "ok", "{endpoint}: {output}");
        assert!(begun.elapsed() < Duration::from_secs(9), "{endpoint}: {:?}", begun.elapsed());
    }
    assert_eq!(refuses.seen().len(), 1, "it is not asked again");
}

#[test]
fn nothing_is_sent_where_it_is_not_asked_for() {
    let (server, directory) = (collector(), tempfile::tempdir().unwrap());
    for variables in [
        vec![],
        vec![("OTEL_SERVICE_NAME", "night".to_owned())],
        vec![(ENDPOINT, String::new())],
        vec![(ENDPOINT, server.url("")), ("OTEL_SDK_DISABLED", "true".into())],
        vec![(ENDPOINT, server.url("")), ("OTEL_TRACES_EXPORTER", "none".into())],
    ] {
        let command =
            variables.iter().fold(collect(directory.path()), |command, (name, value)| command.env(name, value));
        let output = command.run().expect_code(0);
        assert_eq!((server.seen().len(), output.stderr.as_str()), (0, ""), "{variables:?}");
    }
}
