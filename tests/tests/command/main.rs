//! The `command` room with real programs: shell scripts that the tests write, started by the `host` binary.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on stops here")]

mod ending;
mod giving;
mod refusing;
mod streaming;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use taskhost_tests::{Host, Output, fixture, host};

/// A working directory with scripts, and a file of templates.
struct World {
    directory: tempfile::TempDir,
}

impl World {
    fn new(templates: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("app")).unwrap();
        std::fs::write(directory.path().join("templates.toml"), templates).unwrap();
        Self { directory }
    }

    /// A path of the working directory.
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("app").join(name)
    }

    /// Writes a script for the working directory.
    fn script(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A host that carries out a script of steps, with words of access.
    fn host(&self, mode: &str, words: &str, steps: &Value) -> Host {
        let templates = self.directory.path().join("templates.toml");
        let slot = format!("programs={}{words},templates={}", self.path("").display(), templates.display());
        host().arg(mode).arg(fixture("command")).arg(format!("script={steps}")).args([
            "--command",
            &slot,
            "--format",
            "json",
        ])
    }

    /// What came of each step, as `TITLE: DETAIL`.
    fn said(&self, words: &str, steps: &Value) -> Vec<String> {
        said(&self.host("run", words, steps).run())
    }
}

fn said(output: &Output) -> Vec<String> {
    let report = output.report();
    let finding = |finding: &Value| {
        format!("{}: {}", finding["title"].as_str().unwrap(), finding["detail"].as_str().unwrap_or_default())
    };
    report["findings"].as_array().unwrap_or_else(|| panic!("{output}")).iter().map(finding).collect()
}

/// The journal's lines of programs: operation, target, decision, outcome and reason.
fn journal(output: &Output) -> Vec<String> {
    let entry = |entry: &Value| {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        [text("impact"), text("target"), text("decision"), text("outcome"), text("reason")].join(" | ")
    };
    output.report()["effects"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["operation"] == "run")
        .map(entry)
        .collect()
}

/// One program, run and read.
fn run(template: &str, with: &Value) -> Value {
    json!({"do": "run", "template": template, "with": with})
}

/// Waits until something holds: what a process does, it does a moment later.
#[track_caller]
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{what} does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process is at work whose number a script wrote to that file.
fn is_alive(file: &Path) -> bool {
    let Ok(pid) = std::fs::read_to_string(file) else { return false };
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}
