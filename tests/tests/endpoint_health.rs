//! `endpoint-health` against servers of the test's own: well, broken, slow, and with certificates of every age.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use taskhost_tests::certificates::Authority;
use taskhost_tests::http::{Reply, Server};
use taskhost_tests::{Host, host};

/// Bound to these, with `words` after each.
fn health(urls: &[String], words: &str) -> Host {
    let bind = |host: Host, url: &String| host.args(["--http", &format!("endpoints={url}{words}")]);
    urls.iter().fold(host().args(["run", "endpoint-health", "--format=json", "pause-ms=0"]), bind)
}

/// What was found: severity, subject and title.
fn found(report: &Value) -> Vec<[String; 3]> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|finding| ["severity", "subject", "title"].map(|key| text(finding, key))).collect()
}

fn metric(report: &Value, name: &str) -> f64 {
    let metrics = report["metrics"].as_array().unwrap();
    metrics.iter().find(|metric| metric["name"] == name).and_then(|metric| metric["value"].as_f64()).unwrap()
}

#[test]
fn each_endpoint_is_found_to_be_what_it_is() {
    let turns = AtomicU32::new(0);
    let server = Server::start(move |request| match request.path() {
        "/well" => Reply::ok("{\"status\": \"healthy\"}"),
        "/broken" => Reply::new("503 Service Unavailable", &[], "no"),
        "/moved" => Reply::redirect("301 Moved Permanently", "/well"),
        "/sick" => Reply::ok("{\"status\": \"sick\"}"),
        "/nonsense" => Reply::raw("220 hello\r\n"),
        "/silent" => Reply::raw("").then_hang(),
        "/half" => Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf"),
        "/at-times" if turns.fetch_add(1, Ordering::Relaxed).is_multiple_of(4) => Reply::new("500 Oops", &[], ""),
        "/slow" => {
            std::thread::sleep(Duration::from_millis(300));
            Reply::ok("healthy")
        }
        _ => Reply::ok("healthy"),
    });
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (path, arguments, code, expected) in [
        ("well", &["contains=healthy", "matches=\"status\": *\"healthy\""][..], 0, &[][..]),
        ("broken", &[], 2, &["critical wrong status"]),
        ("broken", &["expect=5xx"], 0, &[]),
        ("moved", &[], 2, &["critical redirects"]),
        ("moved", &["follow=true", "contains=healthy"], 0, &[]),
        ("sick", &["contains=healthy"], 2, &["critical wrong content"]),
        ("sick", &["lacks=sick"], 2, &["critical wrong content"]),
        ("nonsense", &[], 2, &["critical speaks no HTTP"]),
        ("silent", &["timeout=1s", "tries=1"], 2, &["critical times out"]),
        ("half", &[], 2, &["critical down"]),
        ("at-times", &["tries=4"], 1, &["warning fails at times"]),
        ("slow", &["tries=1", "warn-ms=200", "critical-ms=60000"], 1, &["warning slow"]),
        ("slow", &["tries=1", "warn-ms=100", "critical-ms=200"], 2, &["critical slow"]),
    ] {
        let url = server.url(path);
        let host = health(&[server.url("")], "").args([format!("paths=/{path}")]);
        let report = host.args(arguments.iter().copied()).run().expect_code(code).report();
        let found: Vec<String> = found(&report)
            .iter()
            .map(|[severity, subject, title]| {
                assert_eq!(*subject, url);
                format!("{severity} {title}")
            })
            .collect();
        assert_eq!(found, expected, "{path}: {report:#}");
    }
    let nobody = format!("http://127.0.0.1:{free}/");
    let report = health(std::slice::from_ref(&nobody), "").run().expect_code(2).report();
    assert_eq!(found(&report), [["critical", nobody.as_str(), "down"]]);
}

#[test]
fn several_are_asked_in_one_run_and_paths_below_each() {
    let server = |name: &'static str| Server::start(move |request| Reply::ok(format!("{name} {}", request.target)));
    let (first, second) = (server("first"), server("second"));
    let urls = [first.url("app"), second.url("api")];
    let arguments = ["paths=health,live?full", "tries=3", "matches=^(first /app|second /api)/(health|live)"];
    let report = health(&urls, "").args(arguments).run().expect_code(0).report();
    assert_eq!(report["summary"], "4 URLs answer as they should");
    let asked = |server: &Server, target: &str| server.seen().iter().filter(|request| request.target == target).count();
    assert_eq!((asked(&first, "/app/health"), asked(&second, "/api/live?full")), (3, 3));
    assert_eq!((first.seen().len(), second.seen().len()), (6, 6));
}

#[test]
fn what_the_grant_does_not_allow_is_no_finding() {
    let server = Server::start(|request| match request.path() {
        "/away" => Reply::redirect("302 Found", "http://127.0.0.1:1/"),
        _ => Reply::ok("ok"),
    });
    let report = health(&[server.url("app")], "").args(["paths=/other"]).run().expect_code(3).report();
    assert_eq!(report["run"]["outcome"], "refused");
    assert!(report["error"].as_str().unwrap().contains("does not grant"), "{report:#}");
    // Where it leads is not the operator's doing.
    let away = server.url("away");
    let report = health(std::slice::from_ref(&away), "").args(["follow=true", "tries=2"]).run().expect_code(2).report();
    assert_eq!(found(&report), [["critical", away.as_str(), "redirects to what is not granted"]]);
    for (arguments, message) in [
        (&["expect=fine"][..], "expect=fine is no status"),
        (&["matches=("], "is no regular expression"),
        (&["warn-ms=500", "critical-ms=100"], "critical-ms is at least warn-ms"),
    ] {
        let report = health(&[server.url("")], "").args(arguments.iter().copied()).run().expect_code(3).report();
        assert!(report["error"].as_str().unwrap().contains(message), "{report:#}");
    }
}

#[test]
fn certificates_are_judged_by_the_days_that_are_left() {
    let authority = Authority::root("Root").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let trusted = format!(",ca={}", ca.display());
    for (days, words, code, expected) in [
        (60_i32, trusted.as_str(), 0, &[][..]),
        (12, &trusted, 1, &["warning certificate expires soon"]),
        (3, &trusted, 2, &["critical certificate expires soon"]),
        (-1, &trusted, 2, &["critical TLS fails"]),
        (60, "", 2, &["critical TLS fails"]),
    ] {
        let leaf = authority.leaf(&["127.0.0.1"], -10, days.into()).unwrap();
        let server = Server::secured(&leaf, None, |_| Reply::ok("ok"));
        let report = health(&[server.url("")], words).args(["tries=2"]).run().expect_code(code).report();
        let found: Vec<String> =
            found(&report).iter().map(|[severity, _, title]| format!("{severity} {title}")).collect();
        assert_eq!(found, expected, "{days}: {report:#}");
        if days > 0 && !words.is_empty() {
            let left = metric(&report, "endpoint_certificate_days_left");
            assert!((left - f64::from(days)).abs() < 0.1, "{left}");
        }
    }
}

#[test]
fn figures_are_for_monitoring_too() {
    let server = Server::start(|_| Reply::ok("ok"));
    let report = health(&[server.url("health")], "").run().expect_code(0).report();
    for (name, most) in [
        ("endpoint_success_percent", 100.0),
        ("endpoint_latency_seconds", 60.0),
        ("endpoint_median_seconds", 60.0),
        ("endpoint_server_seconds", 60.0),
    ] {
        let value = metric(&report, name);
        assert!(value > 0.0 && value <= most, "{name}: {value}");
    }
    // A rehearsal asks all the same: it changes nothing.
    let slot = format!("endpoints={}", server.url("health"));
    let planned = host().args(["plan", "endpoint-health", "--format=json", "--http", &slot]).run().expect_code(0);
    assert_eq!(planned.report()["summary"], "1 URL answer as they should");
}
