//! `grafana-check` against answers of the shape that Grafana 10 gives, from a server of the test's own: Grafana itself is
//! in no package of the system that tests run on.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use taskhost_tests::http::{Received, Reply, Server};
use taskhost_tests::{Host, host};

const TOKEN: &str = "glsa_S3cret";

/// What the server holds.
#[derive(Clone)]
struct Grafana {
    health: Value,
    sources: Value,
    dashboards: Arc<Mutex<Vec<Value>>>,
}

impl Grafana {
    fn new() -> Self {
        let source = |id: u32, uid: &str, name: &str, kind: &str, standard: bool| {
            json!({
                "id": id, "uid": uid, "orgId": 1, "name": name, "type": kind, "typeName": kind,
                "typeLogoUrl": "public/app/plugins/datasource/img/logo.svg", "access": "proxy",
                "url": "http://backend:9090", "user": "", "database": "", "basicAuth": false, "isDefault": standard,
                "jsonData": {"httpMethod": "POST"}, "readOnly": false,
            })
        };
        let overview = dashboard(
            "ov",
            "Overview",
            false,
            &json!([
                {"id": 1, "type": "timeseries", "title": "Requests", "datasource": {"type": "prometheus", "uid": "prom"}},
                {"id": 2, "type": "row", "title": "More", "panels": [
                    {"id": 3, "type": "logs", "title": "Errors", "datasource": {"type": "loki", "uid": "loki"}},
                ]},
            ]),
        );
        Self {
            health: json!({"commit": "895fbafb7a", "database": "ok", "version": "10.4.2"}),
            sources: json!([
                source(1, "prom", "Prometheus", "prometheus", true),
                source(2, "loki", "Loki", "loki", false),
                source(3, "test", "TestData", "testdata", false),
            ]),
            dashboards: Arc::new(Mutex::new(vec![overview])),
        }
    }

    fn with(self, dashboard: Value) -> Self {
        self.dashboards.lock().unwrap().push(dashboard);
        self
    }

    fn serve(&self) -> Server {
        let own = self.clone();
        Server::start(move |request| own.answer(request))
    }

    fn answer(&self, request: &Received) -> Reply {
        let refused = |status: &str, message: &str| Reply::new(status, &[], json!({"message": message}).to_string());
        if request.path() == "/api/health" {
            let status = if self.health["database"] == "ok" { "200 OK" } else { "503 Service Unavailable" };
            return Reply::new(status, &[("content-type", "application/json")], self.health.to_string());
        }
        if request.path().starts_with("/api/admin/") {
            return match (request.header("authorization"), request.path()) {
                ("Basic YWRtaW46YWRtaW4=", "/api/admin/provisioning/dashboards/reload") => {
                    Reply::json(&json!({"message": "Dashboards config reloaded"}))
                }
                ("Basic YWRtaW46YWRtaW4=", _) => refused("500 Internal Server Error", "Failed to reload"),
                _ => refused("403 Forbidden", "You'll need additional permissions to perform this action."),
            };
        }
        let known = [format!("Bearer {TOKEN}"), "Basic YWRtaW46YWRtaW4=".into()];
        if !known.iter().any(|header| header == request.header("authorization")) {
            return refused("401 Unauthorized", "Invalid API key");
        }
        let mut dashboards = self.dashboards.lock().unwrap();
        match (request.method.as_str(), request.path()) {
            ("GET", "/api/datasources") => Reply::json(&self.sources),
            ("GET", "/api/datasources/uid/prom/health") => {
                Reply::json(&json!({"message": "Successfully queried the Prometheus API.", "status": "OK"}))
            }
            ("GET", "/api/datasources/uid/loki/health") => Reply::new(
                "400 Bad Request",
                &[],
                json!({"message": "Unable to connect with Loki: connection refused", "status": "ERROR"}).to_string(),
            ),
            ("GET", "/api/datasources/uid/test/health") => refused("404 Not Found", "Not found"),
            ("GET", "/api/search") => Reply::json(&dashboards.iter().map(listed).collect()),
            ("GET", path) => match path.strip_prefix("/api/dashboards/uid/") {
                Some("broken") => refused("500 Internal Server Error", "Dashboard is broken"),
                Some(uid) => match dashboards.iter().find(|found| found["dashboard"]["uid"] == uid) {
                    Some(found) => Reply::json(found),
                    None => refused("404 Not Found", "Dashboard not found"),
                },
                None => refused("404 Not Found", "Not found"),
            },
            ("POST", "/api/dashboards/db") => {
                let mut sent: Value = serde_json::from_slice(&request.body).unwrap();
                let uid = sent["dashboard"]["uid"].clone();
                if uid == "refused" {
                    return refused("412 Precondition Failed", "The dashboard has been changed by someone else");
                }
                dashboards.retain(|found| found["dashboard"]["uid"] != uid);
                sent["dashboard"]["id"] = json!(99);
                sent["dashboard"]["version"] = json!(2);
                dashboards.push(json!({"meta": {"folderUid": sent["folderUid"]}, "dashboard": sent["dashboard"]}));
                Reply::json(&json!({"id": 99, "uid": uid, "status": "success", "version": 2}))
            }
            _ => refused("404 Not Found", "Not found"),
        }
    }
}

fn dashboard(uid: &str, title: &str, provisioned: bool, panels: &Value) -> Value {
    json!({
        "meta": {"type": "db", "canSave": true, "slug": uid, "version": 1, "folderUid": "ops", "provisioned": provisioned},
        "dashboard": {"id": 7, "uid": uid, "title": title, "schemaVersion": 39, "version": 1, "panels": panels,
            "templating": {"list": []}, "tags": []},
    })
}

fn listed(whole: &Value) -> Value {
    let of = &whole["dashboard"];
    json!({
        "id": of["id"], "uid": of["uid"], "title": of["title"], "uri": "db/x", "url": "/d/x", "slug": "",
        "type": "dash-db", "tags": [], "isStarred": false, "folderId": 1, "folderUid": "ops", "folderTitle": "Ops",
    })
}

fn check(server: &Server, mode: &str) -> Host {
    let slot = format!("grafana={},bearer=env:TOKEN", server.url(""));
    host().args([mode, "grafana-check", "--format=json", "--http", &slot]).env("TOKEN", TOKEN)
}

fn with_control(host: Host, server: &Server, credentials: &str) -> Host {
    host.args(["--http", &format!("control={},post,{credentials}", server.url(""))])
}

/// What was found, in an order that does not depend on who answered first.
fn found(report: &Value) -> Vec<String> {
    let mut found = taskhost_tests::found(report);
    found.sort_unstable();
    found
}

#[test]
fn what_does_not_answer_or_is_missing_is_named() {
    let grafana = Grafana::new()
        .with(dashboard(
            "old",
            "Old",
            false,
            &json!([
                {"type": "graph", "title": "CPU", "datasource": "Removed"},
                {"type": "graph", "title": "RAM", "datasource": {"uid": "removed"}},
            ]),
        ))
        .with(dashboard("broken", "Broken", false, &json!([])));
    let server = grafana.serve();
    let report = check(&server, "run").args(["expect=Overview,Costs"]).run().expect_code(2).report();
    assert_eq!(
        found(&report),
        [
            "critical Costs: dashboard is missing",
            "critical Loki: data source does not answer",
            "critical Ops/Broken: dashboard does not answer",
            "warning Ops/Old: panels ask a data source that is not there",
            "warning Ops/Old: panels ask a data source that is not there",
        ]
    );
    assert_eq!(report["summary"], "Grafana 10.4.2: 3 data sources, 1 failing; 3 dashboards, 2 with trouble");
    let text = report.to_string();
    assert!(text.contains("connection refused") && !text.contains(TOKEN), "{text}");
    assert!(server.seen().iter().all(|request| request.method == "GET"));
}

#[test]
fn a_server_that_is_not_well_or_lets_nobody_in_says_so() {
    let mut ill = Grafana::new();
    ill.health = json!({"database": "failing", "version": "10.4.2"});
    let report = check(&ill.serve(), "run").run().expect_code(2).report();
    assert_eq!(found(&report), ["critical grafana: server is not well"]);
    let server = Grafana::new().serve();
    let slot = format!("grafana={},bearer=wrong", server.url(""));
    let report = host().args(["run", "grafana-check", "--format=json", "--http", &slot]).run().expect_code(3).report();
    let error = report["error"].as_str().unwrap();
    assert!(error.contains("401 Unauthorized: Invalid API key; name a token"), "{error}");
    let other = Server::start(|_| Reply::ok("<html>"));
    let report = check(&other, "run").run().expect_code(2).report();
    assert_eq!(found(&report), ["critical grafana: server is not well"]);
}

#[test]
fn dashboards_are_imported_once_and_only_where_they_differ() {
    let mut grafana = Grafana::new().with(dashboard("own", "Own", true, &json!([])));
    grafana.sources[1]["uid"] = json!("prom2");
    let server = grafana.serve();
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| std::fs::write(directory.path().join(name), value.to_string()).unwrap();
    let exported = json!({
        "__inputs": [{"name": "DS_PROM", "type": "datasource", "pluginId": "prometheus", "pluginName": "Prometheus"}],
        "id": null, "uid": "new", "title": "New", "schemaVersion": 39, "version": 5,
        "panels": [{"type": "stat", "title": "Up", "datasource": {"type": "prometheus", "uid": "${DS_PROM}"}}],
    });
    write("new.json", &exported);
    write("own.json", &json!({"uid": "own", "title": "Own", "panels": [{"title": "changed"}]}));
    write("refused.json", &json!({"uid": "refused", "title": "Refused", "panels": []}));
    write("no-uid.json", &json!({"title": "x", "panels": []}));
    write("overview.json", &grafana.dashboards.lock().unwrap()[0]["dashboard"]);
    std::fs::write(directory.path().join("broken.json"), "{").unwrap();
    let import = |mode: &str| {
        let host = with_control(check(&server, mode), &server, "bearer=env:TOKEN");
        host.args(["--files", &format!("dashboards={}", directory.path().display()), "folder=ops"])
    };
    let sent = || server.seen().iter().filter(|request| request.method == "POST").count();
    let planned = import("plan").run().report();
    assert!(
        planned["summary"].as_str().unwrap().starts_with("2 dashboards would be imported, 1 there already; "),
        "{planned:#}"
    );
    assert_eq!(sent(), 0);
    let ran = import("run").run().expect_code(2).report();
    let found = found(&ran);
    for line in [
        "ok New: dashboard was imported",
        "critical refused.json: dashboard was not imported",
        "warning own.json: dashboard is provisioned",
        "warning no-uid.json: file cannot be imported",
        "warning broken.json: file cannot be imported",
    ] {
        assert!(found.contains(&line.to_owned()), "{line}: {found:#?}");
    }
    let saved = grafana.dashboards.lock().unwrap().last().cloned().unwrap();
    assert_eq!(saved["dashboard"]["panels"][0]["datasource"]["uid"], "prom");
    assert_eq!(saved["meta"]["folderUid"], "ops");
    // The second time only what was refused is sent again.
    let before = sent();
    let again = import("run").run().expect_code(2).report();
    assert!(again["summary"].as_str().unwrap().starts_with("0 dashboards imported, 2 there already; "), "{again:#}");
    assert_eq!(sent(), before + 1);
}

#[test]
fn provisioning_is_loaded_anew_by_an_administrator() {
    let server = Grafana::new().serve();
    let administrator = |mode: &str| with_control(check(&server, mode), &server, "basic=admin:admin");
    let posts = || server.seen().iter().filter(|request| request.method == "POST").count();
    let planned = administrator("plan").args(["reload=dashboards"]).run().expect_code(2).report();
    assert!(planned["summary"].as_str().unwrap().starts_with("dashboards would be loaded anew; "), "{planned:#}");
    assert_eq!(posts(), 0);
    let ran = administrator("run").args(["reload=dashboards,alerting"]).run().expect_code(2).report();
    let lines = found(&ran);
    assert!(lines.contains(&"ok dashboards: provisioning was loaded anew".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"critical alerting: provisioning cannot be loaded".to_owned()), "{lines:#?}");
    // A token is no administrator, and without the slot nothing is sent.
    let token = with_control(check(&server, "run"), &server, "bearer=env:TOKEN");
    let report = token.args(["reload=dashboards"]).run().expect_code(2).report();
    assert!(report.to_string().contains("it takes an administrator"), "{report:#}");
    let report = check(&server, "run").args(["reload=dashboards"]).run().expect_code(3).report();
    assert_eq!(report["run"]["outcome"], "refused");
    let report = administrator("run").args(["reload=users"]).run().expect_code(3).report();
    assert!(report["error"].as_str().unwrap().contains("reload=users is no provisioning"), "{report:#}");
}
