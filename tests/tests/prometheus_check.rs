//! `prometheus-check` on real Prometheus servers: one that is well, one with every trouble, and ones to be reloaded.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use serde_json::Value;
use taskhost_tests::http::{Reply, Server};
use taskhost_tests::{Host, PrometheusServer, host};

const GLOBAL: &str = "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n";
const SELF: &str = "scrape_configs:\n  - job_name: self\n    static_configs: [{targets: [\"{self}\"]}]\n";

fn check(url: &str, mode: &str) -> Host {
    host().args([mode, "prometheus-check", "--format=json", "--http", &format!("prometheus={url}")])
}

fn with_control(host: Host, url: &str) -> Host {
    host.args(["--http", &format!("control={url},post"), "reload=true"])
}

/// What was found, in an order that does not depend on who answered first.
fn found(report: &Value) -> Vec<String> {
    let mut found = taskhost_tests::found(report);
    found.sort_unstable();
    found
}

fn detail(report: &Value, title: &str) -> String {
    let findings = report["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["title"] == title).unwrap();
    finding["detail"].as_str().unwrap().to_owned()
}

fn metric(report: &Value, name: &str) -> f64 {
    let metrics = report["metrics"].as_array().unwrap();
    metrics.iter().find(|metric| metric["name"] == name).and_then(|metric| metric["value"].as_f64()).unwrap()
}

/// Whether every target of `job` has that health, and there is one.
fn health(data: &Value, job: &str, health: &str) -> bool {
    let targets = data["activeTargets"].as_array().into_iter().flatten();
    let mut of_job = targets.filter(|target| target["scrapePool"] == job).peekable();
    of_job.peek().is_some() && of_job.all(|target| target["health"] == health)
}

#[test]
fn a_server_that_is_well_has_no_finding() {
    let server = PrometheusServer::start(&format!("{GLOBAL}{SELF}"), "groups: []", &[]);
    server.wait("targets", |data| health(data, "self", "up"));
    let report = check(&server.url(), "run").args(["jobs=self"]).run().expect_code(0).report();
    assert!(found(&report).is_empty(), "{report:#}");
    assert!((metric(&report, "prometheus_targets") - 1.0).abs() < f64::EPSILON);
    assert!(metric(&report, "prometheus_head_series") > 100.0);
    let summary = report["summary"].as_str().unwrap();
    assert!(summary.contains("1 of 1 target up, 0 alerts firing of 0 rules"), "{summary}");
}

const TROUBLE: &str = r#"
rule_files: [rules.yml]
scrape_configs:
  - {job_name: self, static_configs: [{targets: ["{self}"]}]}
  - {job_name: gone, static_configs: [{targets: ["127.0.0.1:1"]}]}
  - {job_name: pair, static_configs: [{targets: ["127.0.0.1:1", "127.0.0.1:2"]}]}
  - {job_name: stops, static_configs: [{targets: ["STOPS"]}]}
  - {job_name: empty, file_sd_configs: [{files: ["none-*.yml"]}]}
"#;

const RULES: &str = r#"
groups:
  - name: alerts
    rules:
      - {alert: TargetDown, expr: 'up{job="gone"} == 0', labels: {severity: critical}, annotations: {summary: "{{ $labels.job }} is down"}}
      - {alert: Noted, expr: vector(1), labels: {severity: info}}
      - {alert: Watchdog, expr: vector(1) > 2}
      - {alert: Hidden, expr: vector(1), labels: {severity: critical}}
      - {record: broken, expr: up + on() group_left() up}
"#;

#[test]
fn every_trouble_is_named() {
    let stops = Server::start(|_| Reply::ok("a 1\n"));
    let configuration = format!("{GLOBAL}{TROUBLE}").replace("STOPS", &format!("127.0.0.1:{}", stops.port()));
    let server = PrometheusServer::start(&configuration, RULES, &[]);
    server.wait("query?query=up%7Bjob%3D%22stops%22%7D", |data| data["result"][0]["value"][1] == "1");
    let instance = format!("stops/127.0.0.1:{}", stops.port());
    drop(stops);
    server.wait("targets", |data| {
        health(data, "stops", "down") && health(data, "pair", "down") && health(data, "self", "up")
    });
    server.wait("rules", |data| {
        let rules = data["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
        rules.len() == 5
            && rules[0]["state"] == "firing"
            && rules[1]["state"] == "firing"
            && rules[4]["health"] == "err"
    });
    let arguments = ["window=1m", "jobs=self,absent", "ignore-alerts=Hidden"];
    // Jobs without targets are named once their discovery had its time.
    let begun = std::time::Instant::now();
    let report = loop {
        let report = check(&server.url(), "run").args(arguments).run().expect_code(2).report();
        if found(&report).iter().any(|line| line.ends_with("job has no target")) {
            break report;
        }
        assert!(begun.elapsed() < std::time::Duration::from_mins(1), "{report:#}");
        std::thread::sleep(std::time::Duration::from_millis(500));
    };
    let mut found = found(&report);
    // Whether the alerts were sent yet is a matter of time.
    found.retain(|line| !line.contains("notifications are dropped"));
    let mut expected = vec![
        "critical Watchdog: watchdog does not fire".to_owned(),
        "critical TargetDown: alert fires".into(),
        "critical absent: job has no target".into(),
        "critical gone/127.0.0.1:1: target is down".into(),
        "critical pair: all targets are down".into(),
        "ok Noted: alert fires".into(),
        "warning alerts: alerts go nowhere".into(),
        "warning broken: rule fails".into(),
        "warning empty: job has no target".into(),
        format!("warning {instance}: target is down"),
    ];
    expected.sort_unstable();
    assert_eq!(found, expected, "{report:#}");
    assert!(detail(&report, "alert fires").contains("gone is down (instance=127.0.0.1:1, job=gone)"));
    assert!(
        detail(&report, "rule fails").contains("many-to-many") || detail(&report, "rule fails").contains("duplicate")
    );
    let downs: Vec<String> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["title"] == "target is down")
        .map(|finding| finding["detail"].as_str().unwrap().to_owned())
        .collect();
    assert!(downs.iter().any(|detail| detail.starts_with("not up once in the last 7 d: ")), "{downs:?}");
    assert!(downs.iter().any(|detail| detail.starts_with("down for ") && detail.contains(" s: ")), "{downs:?}");
    assert!((metric(&report, "prometheus_targets_down") - 4.0).abs() < f64::EPSILON);
}

#[test]
fn a_configuration_is_loaded_when_that_is_asked_for() {
    let server = PrometheusServer::start(&format!("{GLOBAL}{SELF}"), "groups: []", &["--web.enable-lifecycle"]);
    server.wait("targets", |data| health(data, "self", "up"));
    server.configure(&format!("{GLOBAL}{}", SELF.replace("job_name: self", "job_name: renamed")));
    let url = server.url();
    // Rehearsed, it is not sent.
    let planned = with_control(check(&url, "plan"), &url).run().expect_code(0).report();
    assert!(
        planned["summary"].as_str().unwrap().starts_with("its configuration would be loaded anew; "),
        "{planned:#}"
    );
    let reload = planned["effects"].as_array().unwrap().iter().find(|effect| effect["operation"] == "post").unwrap();
    assert_eq!((&reload["decision"], &reload["impact"]), (&"rehearse".into(), &"change".into()));
    assert!(health(&server.wait("targets", |_| true), "self", "up"));
    let report = with_control(check(&url, "run"), &url).run().expect_code(0).report();
    assert_eq!(found(&report), ["ok configuration: configuration was loaded anew"]);
    server.wait("targets", |data| health(data, "renamed", "up"));
    // One that is broken stays out, and is said to.
    server.configure("global: {scrape_interval: often}\n");
    let report = with_control(check(&url, "run"), &url).run().expect_code(2).report();
    assert_eq!(
        found(&report),
        [
            "critical configuration: configuration cannot be loaded",
            "critical configuration: configuration was not loaded",
        ]
    );
    assert!(detail(&report, "configuration cannot be loaded").contains("often"), "{report:#}");
    let later = check(&url, "run").run().expect_code(2).report();
    assert_eq!(found(&later), ["critical configuration: configuration was not loaded"]);
}

#[test]
fn a_reload_that_cannot_be_had_says_why() {
    let server = PrometheusServer::start(&format!("{GLOBAL}{SELF}"), "groups: []", &[]);
    let url = server.url();
    let report = with_control(check(&url, "run"), &url).run().expect_code(3).report();
    assert!(report["error"].as_str().unwrap().contains("start it with --web.enable-lifecycle"), "{report:#}");
    let report = check(&url, "run").args(["reload=true"]).run().expect_code(3).report();
    assert_eq!(report["run"]["outcome"], "refused");
    assert!(report["error"].as_str().unwrap().contains("--http control="), "{report:#}");
}

#[test]
fn what_is_no_prometheus_is_no_good_answer() {
    let page = Server::start(|_| Reply::ok("<html>"));
    let report = check(&page.url(""), "run").run().expect_code(3).report();
    assert!(report["error"].as_str().unwrap().contains("does not answer as Prometheus does"), "{report:#}");
    let locked = Server::start(|request| match request.path() {
        "/-/ready" => Reply::ok("ready"),
        _ => Reply::new("401 Unauthorized", &[], "no"),
    });
    let report = check(&locked.url(""), "run").run().expect_code(3).report();
    assert!(report["error"].as_str().unwrap().contains("answered 401 Unauthorized"), "{report:#}");
    let starting = Server::start(|_| Reply::new("503 Service Unavailable", &[], "Service Unavailable"));
    let report = check(&starting.url(""), "run").run().expect_code(2).report();
    assert_eq!(found(&report), ["critical server: not ready"]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let report = check(&format!("http://127.0.0.1:{free}"), "run").run().expect_code(3).report();
    assert_eq!(report["run"]["outcome"], "unavailable");
}
