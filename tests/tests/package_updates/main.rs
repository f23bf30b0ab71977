//! `package-updates` on projects made for it, against indexes of the test's own that answer as the real ones do: `PyPI`'s
//! JSON API (`https://pypi.org/pypi/NAME/json`) and simple API (PEP 691, 700), the sparse index of crates.io
//! (`https://index.crates.io/se/rd/serde`), npm's registry (`https://registry.npmjs.org/NAME`), Go's module proxy
//! (`https://proxy.golang.org/MODULE/@latest`).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

mod failing;
mod indexes;
mod listing;
mod pins;

use std::path::Path;

use serde_json::Value;
use taskhost_tests::http::Server;
use taskhost_tests::{Host, host};

/// A directory with these files.
struct Project(tempfile::TempDir);

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        for (path, contents) in files {
            let path = project.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, contents).unwrap();
        }
        project
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A run or a rehearsal on that project, with these indexes at paths of one server, reported as JSON.
fn updates(command: &str, project: &Project, server: &Server, slots: &[&str]) -> Host {
    updates_for_people(command, project, server, slots).args(["--format=json"])
}

/// The same, reported as text.
fn updates_for_people(command: &str, project: &Project, server: &Server, slots: &[&str]) -> Host {
    let lockfiles = format!("lockfiles={}", project.path().display());
    let run = host().args([command, "package-updates", "--files", &lockfiles]);
    slots.iter().fold(run, |run, slot| run.args(["--http", &format!("{slot}={}", server.url(slot))]))
}

const ALL: [&str; 4] = ["pypi", "crates", "npm", "go"];

/// What was found: severity, subject and title.
fn found(report: &Value) -> Vec<[String; 3]> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|finding| ["severity", "subject", "title"].map(|key| text(finding, key))).collect()
}

/// The finding about that subject, with that title.
fn finding<'a>(report: &'a Value, subject: &str, title: &str) -> &'a Value {
    let mut findings = report["findings"].as_array().unwrap().iter();
    let found = findings.find(|finding| finding["subject"] == subject && finding["title"] == title);
    found.unwrap_or_else(|| panic!("no `{title}` of `{subject}`: {report:#}"))
}

fn metric(report: &Value, name: &str, subject: Option<&str>) -> f64 {
    let metrics = report["metrics"].as_array().unwrap();
    let metric = metrics.iter().find(|metric| metric["name"] == name && metric["subject"].as_str() == subject);
    metric
        .and_then(|metric| metric["value"].as_f64())
        .unwrap_or_else(|| panic!("no metric {name} {subject:?}: {report:#}"))
}

/// The paths that a server was asked for, sorted: several are asked at once.
fn asked(server: &Server) -> Vec<String> {
    let mut asked: Vec<_> = server.seen().iter().map(|request| request.target.clone()).collect();
    asked.sort();
    asked
}
