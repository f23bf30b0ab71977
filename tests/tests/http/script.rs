//! Scripts for the guest, and what became of their lines.

use serde_json::Value;
use taskhost_tests::{Host, Output, fixture, host};

/// Addresses bound to the guest's slot, and what else the host is told.
#[derive(Clone, Default)]
pub(crate) struct Bound {
    slots: Vec<String>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

/// A run that ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) output: Output,
    pub(crate) report: Value,
    /// What came of each line: `done` or the kind of error, and the answer or the message.
    pub(crate) lines: Vec<(String, String)>,
}

/// Binds an address with what follows it: `http://127.0.0.1:80,post`.
pub(crate) fn bound(address: &str) -> Bound {
    Bound::default().and(address)
}

impl Bound {
    /// Binds one more address.
    pub(crate) fn and(mut self, address: &str) -> Self {
        self.slots.push(format!("api={address}"));
        self
    }

    /// Adds arguments for the host.
    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// A host that is to carry out `script`; `mode` is `run` or `plan`.
    pub(crate) fn host(&self, mode: &str, script: &[&str]) -> Host {
        let mut host = host().arg(mode).arg(fixture("http")).arg(format!("script={}", script.join("\n")));
        for slot in &self.slots {
            host = host.args(["--http", slot]);
        }
        for (name, value) in &self.environment {
            host = host.env(name, value);
        }
        host.args(self.arguments.iter().cloned())
    }

    /// Runs it to its end, which is a good one.
    pub(crate) fn run(&self, script: &[&str]) -> Ran {
        Ran::of(self.host("run", script).args(["--format=json"]).run().expect_code(0))
    }

    /// Rehearses it.
    pub(crate) fn plan(&self, script: &[&str]) -> Ran {
        Ran::of(self.host("plan", script).args(["--format=json"]).run().expect_code(0))
    }

    /// What a single line gave, which must have gone well.
    #[track_caller]
    pub(crate) fn done(&self, line: &str) -> String {
        let mut ran = self.run(&[line]);
        let (kind, detail) = ran.lines.swap_remove(0);
        assert_eq!(kind, "done", "{line}: {detail}");
        detail
    }

    /// A single line ends with that kind of error, whose message holds `message`.
    #[track_caller]
    pub(crate) fn fails(&self, line: &str, kind: &str, message: &str) {
        let ran = self.run(&[line]);
        let (found, detail) = &ran.lines[0];
        assert!(found == kind && detail.contains(message), "{line}: {found}: {detail}");
    }
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let report = output.report();
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let findings = report["findings"].as_array().unwrap().iter();
        let lines = findings.map(|finding| (text(finding, "title"), text(finding, "detail"))).collect();
        Self { output, report, lines }
    }

    /// What the line with that index gave, which must have gone well.
    #[track_caller]
    pub(crate) fn done(&self, index: usize) -> &str {
        let (kind, detail) = self.lines.get(index).unwrap_or_else(|| panic!("no line {index}: {}", self.output));
        assert_eq!(kind, "done", "line {index}: {detail}");
        detail
    }

    /// The effects: operation, impact, decision, outcome, target, and bytes.
    pub(crate) fn effects(&self) -> Vec<String> {
        let effects = self.report["effects"].as_array().unwrap().iter();
        let keys = ["operation", "impact", "decision", "outcome", "target"];
        let line = |effect: &Value| {
            let words: Vec<&str> = keys.iter().map(|key| effect[key].as_str().unwrap_or_default()).collect();
            format!("{} {}", words.join(" "), effect["bytes"])
        };
        effects.map(line).collect()
    }
}
