//! A directory of logs, a memory beside it, and runs of the plugin.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use taskhost_tests::{Host, host};

pub(crate) struct Logs(tempfile::TempDir);

impl Logs {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let logs = Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        std::fs::create_dir(logs.0.path().join("logs")).unwrap();
        for (name, content) in files {
            logs.write(name, content);
        }
        logs
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("logs").join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn append(&self, name: &str, content: &str) {
        let mut file = std::fs::File::options().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(content.as_bytes()).unwrap();
    }

    /// What a shell line says, in the directory of the logs.
    pub(crate) fn shell(&self, line: &str) -> String {
        let output =
            Command::new("sh").args(["-c", line]).env("LC_ALL", "C").current_dir(self.path("")).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn host(&self, plugin: &str, grant: &str, arguments: &[&str]) -> Host {
        let slot = format!("logs={}{grant}", self.path("").display());
        host().args(["run", plugin, "--format=json", "--files", &slot]).args(arguments.iter().copied())
    }

    fn memory(&self) -> String {
        format!("memory={},write", self.0.path().join("state.db").display())
    }

    /// Without a memory.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.host("log-analyze", "", arguments))
    }

    /// With one.
    pub(crate) fn go_on(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.host("log-analyze", "", arguments).args(["--state", &self.memory()]))
    }

    /// Rotates by the plugin for that.
    pub(crate) fn rotate(&self, arguments: &[&str]) {
        let output = self.host("log-rotate", ",write,delete", arguments).arg("larger-than=1").run();
        assert!(output.report()["summary"].as_str().unwrap().starts_with("rotated 1 log"), "{output}");
    }
}

/// A report.
pub(crate) struct Ran {
    pub(crate) report: Value,
    pub(crate) code: i32,
    pub(crate) peak_memory: u64,
}

impl Ran {
    fn of(host: Host) -> Self {
        let output = host.run();
        assert!(output.code.is_some_and(|code| code < 3), "{output}");
        Self { report: output.report(), code: output.code.unwrap(), peak_memory: output.peak_memory }
    }

    pub(crate) fn metric(&self, name: &str, log: &str) -> Option<f64> {
        let metrics = self.report["metrics"].as_array().unwrap();
        metrics.iter().find(|it| it["name"] == name && it["subject"] == log).and_then(|it| it["value"].as_f64())
    }

    /// A metric that is a count.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of lines")]
    pub(crate) fn count(&self, name: &str, log: &str) -> u64 {
        self.metric(name, log).unwrap_or_else(|| panic!("no {name} of {log}: {:#}", self.report)) as u64
    }

    /// Lines and errors of a log.
    pub(crate) fn lines(&self, log: &str) -> (u64, u64) {
        (self.count("log_lines", log), self.count("log_errors", log))
    }

    /// What a finding says.
    pub(crate) fn detail(&self, title: &str) -> String {
        let findings = self.report["findings"].as_array().unwrap();
        let found = findings.iter().find(|it| it["title"] == title);
        found.unwrap_or_else(|| panic!("no `{title}`: {:#}", self.report))["detail"].as_str().unwrap().to_owned()
    }

    /// The titles of findings that are not merely told.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let findings = self.report["findings"].as_array().unwrap().iter();
        let complaints = findings.filter(|it| it["severity"] != "ok");
        complaints.map(|it| format!("{} {}", it["severity"].as_str().unwrap(), it["title"].as_str().unwrap())).collect()
    }
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Numbers that look random and are the same each time.
pub(crate) fn random() -> impl FnMut() -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

/// A time of day on 2026-11-23 for each number, later and later.
pub(crate) fn clock(number: u64) -> String {
    format!("2026-11-23 {:02}:{:02}:{:02}", number / 3_600 % 24, number / 60 % 60, number % 60)
}
