//! One small HTTP server in place of the application, of Grafana, and of the package index and the advisories of the
//! internet. Its answers have the shape of the real ones.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The server. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct StandIn {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl StandIn {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let ends = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ends);
        let served = AtomicU64::new(0);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                // A client that hangs up is no matter.
                let _ = stream.and_then(|stream| serve(stream, served.fetch_add(1, Ordering::Relaxed)));
            }
        });
        Self { address, ends, thread: Some(thread) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Host and port.
    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // It waits for a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers one request, and hangs up.
fn serve(stream: TcpStream, served: u64) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream.take(1 << 20));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or_default();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let path = target.split('?').next().unwrap_or_default();
    let (status, kind, answer) = answer(&method, path, &String::from_utf8_lossy(&body), served);
    let mut stream = reader.into_inner().into_inner();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.len()
    )?;
    if method != "HEAD" {
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}

const JSON: &str = "application/json";

fn answer(method: &str, path: &str, body: &str, served: u64) -> (&'static str, &'static str, String) {
    let json = |text: String| ("200 OK", JSON, text);
    match (method, path) {
        ("GET" | "HEAD", "/health") => json(r#"{"status": "healthy", "database": "up", "cache": "up"}"#.into()),
        ("GET", "/metrics") => ("200 OK", "text/plain; version=0.0.4", metrics(served)),
        ("GET", "/api/health") => json(r#"{"commit": "5a7c1f3", "database": "ok", "version": "11.3.0"}"#.into()),
        ("GET", "/api/search") => json(
            r#"[{"id": 1, "uid": "reflexion", "title": "Reflexion", "uri": "db/reflexion", "url": "/d/reflexion/reflexion",
                "slug": "", "type": "dash-db", "tags": [], "isStarred": false}]"#
                .into(),
        ),
        ("GET", "/api/dashboards/home") => json(r#"{"meta": {"isHome": true}, "dashboard": {"title": "Home"}}"#.into()),
        ("GET", "/api/dashboards/uid/reflexion") => json(
            r#"{"meta": {"slug": "reflexion", "version": 3, "folderTitle": "General"},
                "dashboard": {"uid": "reflexion", "title": "Reflexion", "version": 3, "panels": []}}"#
                .into(),
        ),
        ("GET", "/api/datasources") => json(
            r#"[{"id": 1, "uid": "prometheus", "orgId": 1, "name": "Prometheus", "type": "prometheus",
                "url": "http://prometheus:9090", "access": "proxy", "isDefault": true, "readOnly": true}]"#
                .into(),
        ),
        ("GET", "/api/datasources/uid/prometheus/health") => {
            json(r#"{"message": "Successfully queried the Prometheus API.", "status": "OK"}"#.into())
        }
        ("POST", "/api/dashboards/db") => json(r#"{"id": 1, "uid": "reflexion", "status": "success", "version": 4}"#.into()),
        ("POST", "/v1/querybatch") => json(advisories(body)),
        ("GET", "/v1/vulns/GHSA-9wx4-h78v-vm56") => json(ADVISORY.into()),
        ("GET", path) if path.starts_with("/pypi/") => match release(path) {
            Some(release) => json(release),
            None => ("404 Not Found", JSON, r#"{"message": "Not Found"}"#.into()),
        },
        _ => ("404 Not Found", "text/plain", "not found\n".into()),
    }
}

/// What the application tells Prometheus.
fn metrics(served: u64) -> String {
    let requests = 120_000 + served * 40;
    format!(
        "# HELP http_requests_total Requests answered.\n# TYPE http_requests_total counter\n\
         http_requests_total{{status=\"200\"}} {requests}\nhttp_requests_total{{status=\"500\"}} {}\n\
         # HELP http_request_duration_seconds How long they took.\n# TYPE http_request_duration_seconds histogram\n\
         http_request_duration_seconds_bucket{{le=\"0.1\"}} {}\n\
         http_request_duration_seconds_bucket{{le=\"0.5\"}} {}\n\
         http_request_duration_seconds_bucket{{le=\"+Inf\"}} {requests}\n\
         http_request_duration_seconds_sum {}\nhttp_request_duration_seconds_count {requests}\n",
        requests / 2_000,
        requests / 10 * 9,
        requests / 100 * 99,
        requests / 20
    )
}

/// One of the pinned packages has an advisory.
fn advisories(body: &str) -> String {
    let queries: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let queries = queries.get("queries").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
    let results = queries.iter().map(|query| {
        let name = query.pointer("/package/name").and_then(serde_json::Value::as_str);
        if name == Some("requests") {
            serde_json::json!({"vulns": [{"id": "GHSA-9wx4-h78v-vm56", "modified": "2026-02-01T10:00:00Z"}]})
        } else {
            serde_json::json!({})
        }
    });
    serde_json::json!({ "results": results.collect::<Vec<_>>() }).to_string()
}

/// In the shape of OSV's schema 1.6.
const ADVISORY: &str = r#"{
    "schema_version": "1.6.0", "id": "GHSA-9wx4-h78v-vm56", "aliases": ["CVE-2024-35195"],
    "summary": "Requests `Session` object does not verify requests after making first request with verify=False",
    "details": "A session that made its first request without verification makes the others so too.",
    "published": "2024-05-20T20:15:00Z", "modified": "2026-02-01T10:00:00Z",
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:H/I:H/A:N"}],
    "affected": [{"package": {"ecosystem": "PyPI", "name": "requests", "purl": "pkg:pypi/requests"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.32.0"}]}]}],
    "references": [{"type": "WEB", "url": "https://github.com/psf/requests/security/advisories/GHSA-9wx4-h78v-vm56"}],
    "database_specific": {"severity": "MODERATE", "github_reviewed": true}
}"#;

/// The newest release of a package, as the index of Python packages tells it.
fn release(path: &str) -> Option<String> {
    let name = path.strip_prefix("/pypi/")?.strip_suffix("/json")?;
    let (current, newest) = match name {
        "fastapi" => ("0.110.0", "0.121.1"),
        "redis" => ("5.0.1", "7.0.1"),
        "requests" => ("2.31.0", "2.32.5"),
        "sqlalchemy" => ("2.0.25", "2.0.44"),
        _ => return None,
    };
    let file = |version: &str, day: &str| {
        serde_json::json!([{"filename": format!("{name}-{version}-py3-none-any.whl"), "yanked": false,
            "yanked_reason": null, "upload_time_iso_8601": format!("{day}T12:00:00.000000Z")}])
    };
    let answer = serde_json::json!({
        "info": {"name": name, "version": newest, "yanked": false, "yanked_reason": null},
        "releases": {current: file(current, "2024-01-20"), newest: file(newest, "2026-06-02")},
    });
    Some(answer.to_string())
}
