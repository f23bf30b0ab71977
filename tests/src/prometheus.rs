//! A Prometheus server of a test's own, with the configuration and the rules that the test gives it. Exactly what was
//! started here is stopped.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long it may take to start, or until something that a test waits for is so.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server, which is killed when this is dropped.
#[derive(Debug)]
pub struct PrometheusServer {
    process: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl PrometheusServer {
    /// Starts one. In `configuration` and `rules`, which are YAML, `{self}` stands for its own address.
    pub fn start(configuration: &str, rules: &str, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let program = std::env::var("TASKHOST_TEST_PROMETHEUS_SERVER").unwrap_or_else(|_| "prometheus".into());
        let write = |name: &str, text: &str| {
            let text = text.replace("{self}", &format!("127.0.0.1:{port}"));
            std::fs::write(directory.path().join(name), text).expect("a file in a directory of our own");
        };
        write("prometheus.yml", configuration);
        write("rules.yml", rules);
        let log = std::fs::File::create(directory.path().join("log")).expect("a file in a directory of our own");
        let mut command = Command::new(&program);
        command.arg(format!("--config.file={}", directory.path().join("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).current_dir(directory.path());
        let process = command.spawn().unwrap_or_else(|error| {
            panic!(
                "this test needs Prometheus: run `cargo xtask test`, which installs it, or name the program in \
                 TASKHOST_TEST_PROMETHEUS_SERVER ({program}: {error})"
            )
        });
        let mut server = Self { process, port, directory };
        let begun = Instant::now();
        while server.ask("-/ready").is_none_or(|(status, _)| status != 200) {
            let ended = server.process.try_wait().expect("the process is ours");
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "Prometheus did not start: {}", server.said());
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Puts another configuration in the file's place; it is not loaded.
    pub fn configure(&self, configuration: &str) {
        let text = configuration.replace("{self}", &format!("127.0.0.1:{}", self.port));
        std::fs::write(self.directory.path().join("prometheus.yml"), text).expect("a file in a directory of our own");
    }

    /// Waits until the data that `api/v1/PATH` answers are as `holds` has them, and returns them.
    #[track_caller]
    pub fn wait(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.ask(&format!("api/v1/{path}")).map(|(_, body)| body);
            let answer: Value = answer.and_then(|body| serde_json::from_str(&body).ok()).unwrap_or(Value::Null);
            let data = answer.get("data").cloned().unwrap_or(Value::Null);
            if holds(&data) {
                return data;
            }
            assert!(begun.elapsed() < PATIENCE, "{path} did not come to it: {answer:#}\n{}", self.said());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The status and the body.
    fn ask(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET /{path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for PrometheusServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
