//! `kpi-check` with a real Prometheus that watches an application, with the application's own page of metrics, and with the
//! machine that the tests run on.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use taskhost_tests::http::{Reply, Server};
use taskhost_tests::{Host, Output, PrometheusServer, host};

fn check(mode: &str, slots: &[&str]) -> Host {
    host().args([mode, "kpi-check", "--format=json"]).args(slots.iter().copied())
}

fn prometheus(url: &str) -> Host {
    check("run", &["--http", &format!("prometheus={url}")])
}

/// What was found, in an order that does not depend on who answered first.
fn found(report: &Value) -> Vec<String> {
    let mut found = taskhost_tests::found(report);
    found.sort_unstable();
    found
}

fn detail(report: &Value, subject: &str) -> String {
    let findings = report["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["subject"] == subject).unwrap();
    finding["detail"].as_str().unwrap().to_owned()
}

fn metric<'a>(report: &'a Value, name: &str) -> Option<&'a Value> {
    report["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == name)
}

fn value(report: &Value, name: &str) -> f64 {
    metric(report, name).and_then(|metric| metric["value"].as_f64()).unwrap_or(f64::NAN)
}

/// The page of an application of which one request in ten fails, and one in ten takes from half a second to one.
fn page(requests: u64) -> String {
    let (good, failed) = (requests / 10 * 9, requests / 10);
    format!(
        "# TYPE http_requests_total counter\nhttp_requests_total{{status=\"200\"}} {good}\n\
         http_requests_total{{status=\"503\"}} {failed}\n\
         http_request_duration_seconds_bucket{{le=\"0.5\"}} {good}\n\
         http_request_duration_seconds_bucket{{le=\"1\"}} {requests}\n\
         http_request_duration_seconds_bucket{{le=\"+Inf\"}} {requests}\nhttp_requests_in_progress 3\nwaiting 40\n"
    )
}

fn watched() -> (Server, PrometheusServer) {
    let scrapes = AtomicU64::new(0);
    let application = Server::start(move |_| {
        let scraped = scrapes.fetch_add(1, Ordering::Relaxed);
        Reply::new("200 OK", &[("content-type", "text/plain; version=0.0.4")], page(1000 + scraped * 100))
    });
    let configuration = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n  - job_name: app\n    \
         static_configs: [{{targets: [\"127.0.0.1:{}\"]}}]\n  - job_name: gone\n    \
         static_configs: [{{targets: [\"127.0.0.1:1\"]}}]\n",
        application.port()
    );
    let server = PrometheusServer::start(&configuration, "groups: []", &[]);
    server.wait("query?query=rate(http_requests_total%5B5m%5D)", |data| {
        data["result"].as_array().is_some_and(|series| series.len() == 2)
    });
    server.wait("query?query=up%7Bjob%3D%22gone%22%7D", |data| data["result"][0]["value"][1] == "0");
    (application, server)
}

#[test]
fn a_prometheus_is_asked_for_what_is_ready_and_for_what_was_written() {
    let (scraped, server) = watched();
    let kpis = "waiting: waiting > 30, 50\nlow: waiting < 60, 50\nfine: waiting < 30 [jobs]\nfree: waiting [B]\n\
                gone: no_such_series > 1\nbroken: sum( > 1\nrange: waiting[5m]\nnothing: 0 * waiting / 0 > 1\none: scalar(waiting) > 100";
    let report =
        prometheus(&server.url()).arg(format!("kpis={kpis}")).arg("unknown=critical").run().expect_code(2).report();
    let instance = |job: &str, port: u16| format!("{{instance=\"127.0.0.1:{port}\", job=\"{job}\"}}");
    let application = instance("app", scraped.port());
    let mut expected = vec![
        format!("warning {application}: waiting is above its limit"),
        format!("critical {application}: low is below its limit"),
        "critical gone: figure is not known".into(),
        "critical broken: figure is not known".into(),
        "critical range: figure is not known".into(),
        "critical nothing: figure is not known".into(),
        "warning response time p95: response time p95 is above its limit".into(),
        "critical error rate: error rate is above its limit".into(),
        "critical {job=\"gone\"}: availability is below its limit".into(),
    ];
    expected.sort_unstable();
    let mut all = found(&report);
    // A scrape may fail where the machine is busy.
    all.retain(|line| !line.starts_with("critical {job=\"app\"}: availability"));
    assert_eq!(all, expected, "{report:#}");
    assert!(detail(&report, "gone").starts_with("there is no such series: no_such_series"), "{report:#}");
    assert!(detail(&report, "broken").contains("the server says"), "{report:#}");
    assert!(detail(&report, "range").contains("rate()"), "{report:#}");
    assert!(detail(&report, "nothing").contains("not a number"), "{report:#}");
    // By a straight line within the bucket: half of the slowest tenth.
    assert!((value(&report, "response_time_p95") - 0.75).abs() < 0.01, "{report:#}");
    assert!((value(&report, "error_rate") - 10.0).abs() < 0.5, "{report:#}");
    assert!(value(&report, "throughput") > 0.1, "{report:#}");
    assert_eq!(metric(&report, "error_rate").unwrap()["unit"], "percent");
    assert_eq!(metric(&report, "free").unwrap()["unit"], "bytes");
    assert_eq!(metric(&report, "availability").unwrap()["crit"]["low"], 99.0);
    assert!(report["summary"].as_str().unwrap().ends_with("4 not known"), "{report:#}");

    // What an operator writes takes the place of what is ready.
    let own = prometheus(&server.url()).args(["ready=application", "kpis=error rate: waiting < 1"]).run();
    assert_eq!(
        found(&own.expect_code(1).report()),
        ["warning response time p95: response time p95 is above its limit"]
    );
    let quiet = prometheus(&server.url()).args(["ready=", "kpis=waiting: waiting > 100"]).run().expect_code(0).report();
    assert_eq!(quiet["summary"], "1 figure, none out of bounds");
}

#[test]
fn a_prometheus_that_knows_no_application_is_said_to() {
    let server = PrometheusServer::start("global: {scrape_interval: 1s}\n", "groups: []", &[]);
    let report = prometheus(&server.url()).run().expect_code(0).report();
    assert_eq!(found(&report), ["ok prometheus: ready figures that are not known"]);
    let text = detail(&report, "prometheus");
    for figure in ["response time p95", "error rate", "availability"] {
        assert!(text.contains(figure), "{text}");
    }
}

#[test]
fn an_application_s_page_of_metrics_is_judged_and_shown() {
    let application = Server::start(|request| match request.path() {
        "/metrics" => Reply::ok(page(2000)),
        _ => Reply::new("404 Not Found", &[], "no"),
    });
    let slot = format!("application={}", application.url(""));
    let report = check("run", &["--http", &slot]).run().expect_code(2).report();
    let subject = application.url("").trim_end_matches('/').to_owned();
    assert_eq!(
        found(&report),
        [
            format!("critical {subject}: error rate is above its limit"),
            format!("warning {subject}: response time p95 is above its limit"),
        ]
    );
    assert!((value(&report, "response_time_p95") - 0.75).abs() < 0.001);
    let shown = report["metrics"].as_array().unwrap().iter().filter(|it| it["name"] == "http_requests_total").count();
    assert_eq!(shown, 2, "{report:#}");
    let limits = ["error-warning=20", "error-critical=20", "response-warning-ms=800"];
    let report = check("run", &["--http", &slot]).args(limits).run().expect_code(0).report();
    assert!(found(&report).is_empty(), "{report:#}");
    let nowhere = check("run", &["--http", &slot, "metrics-path=other"]).run().expect_code(3);
    assert!(nowhere.stdout.contains("404 Not Found"), "{nowhere}");
}

#[test]
fn a_hostile_page_is_no_figure_and_ends_in_no_trap() {
    let long = format!("http_requests_total{{path=\"{}\",status=\"200\"}} 1\n", "/é\\\"<script>".repeat(20_000));
    let pages: [(&str, Vec<u8>); 6] = [
        ("is no page of metrics", b"<!doctype html>\n<script>alert(1)</script>\n".to_vec()),
        ("is no page of metrics", vec![0xff; 100_000]),
        ("is no page of metrics", b"".to_vec()),
        ("is no page of metrics", b"http_requests_total{status=\"20".to_vec()),
        ("no figure of requests", b"http_requests_total{} NaN\nother 1e999\n".to_vec()),
        ("", long.into_bytes()),
    ];
    for (title, body) in pages {
        let sent = body.clone();
        let server = Server::start(move |_| Reply::ok(&sent));
        let output = check("run", &["--http", &format!("application={}", server.url(""))]).run();
        let report = output.report();
        let found = found(&report);
        assert!(output.code.unwrap() < 2, "{output}");
        assert!(if title.is_empty() { found.is_empty() } else { found[0].ends_with(title) }, "{title}: {found:?}");
        assert!(output.stdout.len() < 20_000, "{} bytes", output.stdout.len());
    }
    // One that has no end is cut off, and one that breaks off in the middle is no page.
    for reply in [
        Reply::raw("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").then_flood(),
        Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\nconnection: close\r\n\r\nhttp_requests_total 1\n"),
    ] {
        let server = Server::start(move |_| reply.clone());
        let output = check("run", &["--http", &format!("application={}", server.url(""))]).run().expect_code(3);
        let outcome = output.report()["run"]["outcome"].clone();
        assert!(["failed", "unavailable", "refused"].contains(&outcome.as_str().unwrap()), "{output}");
        assert!(output.peak_memory < 1 << 30, "{} MiB", output.peak_memory >> 20);
    }
}

#[test]
fn a_source_that_fails_hides_none_of_the_others() {
    let server = PrometheusServer::start("global: {scrape_interval: 1s}\n", "groups: []", &[]);
    let slots = ["--http", "application=http://127.0.0.1:1", "--http", &format!("prometheus={}", server.url())];
    let report = check("run", &slots).args(["kpis=one: vector(1) > 0", "ready="]).run().expect_code(3).report();
    assert_eq!(report["run"]["outcome"], "unavailable");
    assert_eq!(found(&report), ["warning one: one is above its limit"]);
    let page = Server::start(|_| Reply::ok("<html>"));
    let report = prometheus(&page.url("")).run().expect_code(3).report();
    assert_eq!(report["run"]["outcome"], "failed", "{report:#}");
}

/// A process that is ended with this.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_machine_is_measured_and_who_takes_most_is_named() {
    let busy = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let _busy = Running(busy);
    let low = ["sample=1s", "cpu-warning=0", "memory-warning=0", "disk-warning=0"];
    let slots = ["--system", "machine=local"];
    let report = check("run", &slots).args(low).run();
    assert!(matches!(report.code, Some(1 | 2)), "{report}");
    let report = report.report();
    let lines = found(&report);
    for line in ["CPU: CPU is above its limit", "memory: memory is above its limit"] {
        assert!(lines.iter().any(|found| found.ends_with(line)), "{line}: {lines:?}");
    }
    assert!(lines.iter().any(|found| found.ends_with(": disk is above its limit")), "{lines:?}");
    assert!(!lines.iter().any(|found| found.contains("what takes most")), "it was not granted: {lines:?}");
    for name in ["cpu", "memory", "disk", "load_per_processor", "network_received", "uptime"] {
        assert!(value(&report, name) >= 0.0, "{name}: {report:#}");
    }
    assert!((0.0..=100.0).contains(&value(&report, "cpu")) && value(&report, "memory") > 0.0);
    assert_eq!(metric(&report, "cpu").unwrap()["warn"]["high"], 0.0);
    let with_processes = ["--system", "machine=local", "--system", "processes=local,processes"];
    let report = check("run", &with_processes).args(low).run().report();
    assert!(detail(&report, "processes").contains("sh ("), "{report:#}");

    // A rehearsal looks as a run does, and nothing is changed by either.
    let plan = check("plan", &slots).args(["sample=1s"]).run().report();
    assert!(value(&plan, "cpu") >= 0.0);
    assert!(plan["effects"].as_array().unwrap().iter().all(|effect| effect["impact"] == "observe"), "{plan:#}");
}

#[test]
fn endpoints_are_connected_to() {
    let near = Server::start(|_| Reply::ok("here"));
    let slot = format!("endpoints={}", near.url(""));
    let report = check("run", &["--http", &slot]).run().expect_code(0).report();
    let latency = value(&report, "network_latency");
    assert!(latency > 0.0 && latency < 0.1, "{report:#}");
    assert_eq!(metric(&report, "network_latency").unwrap()["unit"], "seconds");
    assert_eq!(near.seen().iter().filter(|request| request.method == "HEAD").count(), 3);
    let report = check("run", &["--http", "endpoints=http://127.0.0.1:1"]).run().expect_code(2).report();
    assert_eq!(found(&report), ["critical http://127.0.0.1:1: endpoint does not answer"]);
    assert!(report["findings"][0]["detail"].as_str().unwrap().starts_with("3 of 3 tries failed: "), "{report:#}");
}

#[test]
fn what_is_not_granted_or_makes_no_sense_says_the_way_out() {
    let said = |output: Output, outcome: &str, why: &str| {
        let report = output.expect_code(3).report();
        assert_eq!(report["run"]["outcome"], outcome, "{report:#}");
        assert!(report["error"].as_str().unwrap().contains(why), "{report:#}");
    };
    said(check("run", &[]).run(), "refused", "add --system machine=local");
    said(check("plan", &[]).run(), "refused", "add --system machine=local");
    let machine = ["--system", "machine=local"];
    for (parameter, why) in [
        ("kpis=a: b > 1", "bind the slot `prometheus`"),
        ("kpis=no name", "write it as NAME: EXPRESSION > WARN, CRITICAL [UNIT]"),
        ("ready=nodes", "there is no set `nodes` of ready figures"),
        ("cpu-critical=10", "the critical limit of cpu comes before the one of a warning"),
    ] {
        said(check("run", &machine).args([parameter]).run(), "invalid", why);
    }
}
