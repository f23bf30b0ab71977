//! Scripts for the guest, and what became of their lines.

use std::fmt::Display;

use serde_json::Value;
use taskhost_tests::{Host, Output, fixture, host};

/// A run that ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) output: Output,
    pub(crate) report: Value,
    /// What came of each line: `done` or the kind of error, and the result or the message.
    pub(crate) lines: Vec<(String, String)>,
}

/// A server bound to the guest's slot.
pub(crate) struct Bound {
    target: String,
    /// What follows the target: `,write,key=*`.
    settings: String,
    extra: Vec<String>,
}

/// Binds `target` with what follows it.
pub(crate) fn bound(target: impl Display, settings: &str) -> Bound {
    Bound { target: target.to_string(), settings: settings.into(), extra: vec![] }
}

impl Bound {
    /// Adds arguments for the host.
    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.extra.extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// A host that is to carry out `script`; `mode` is `run` or `plan`.
    pub(crate) fn host(&self, mode: &str, script: &[&str]) -> Host {
        let script = format!("script={}", script.join("\n"));
        let slot = format!("cache=env:CACHE{}", self.settings);
        host()
            .arg(mode)
            .arg(fixture("redis"))
            .args(["--format=json", "--redis", &slot, &script])
            .args(self.extra.iter().cloned())
            .env("CACHE", self.target.clone())
    }

    /// Runs it to its end, which is a good one.
    pub(crate) fn run(&self, script: &[&str]) -> Ran {
        Ran::of(self.host("run", script).run().expect_code(0))
    }

    /// Rehearses it.
    pub(crate) fn plan(&self, script: &[&str]) -> Ran {
        Ran::of(self.host("plan", script).run().expect_code(0))
    }

    /// What became of a single line.
    pub(crate) fn one(&self, line: &str) -> (String, String) {
        self.run(&[line]).lines.swap_remove(0)
    }

    /// What a single line gave, which must have gone well.
    pub(crate) fn done(&self, line: &str) -> String {
        let (kind, detail) = self.one(line);
        assert_eq!(kind, "done", "{line}: {detail}");
        detail
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
    pub(crate) fn done(&self, index: usize) -> &str {
        let (kind, detail) = self.lines.get(index).unwrap_or_else(|| panic!("no line {index}: {}", self.output));
        assert_eq!(kind, "done", "line {index}: {detail}");
        detail
    }

    /// The kind of what became of the line with that index.
    pub(crate) fn kind(&self, index: usize) -> &str {
        self.lines.get(index).map_or("none", |(kind, _)| kind)
    }

    /// The effects but `open`, each as an object.
    pub(crate) fn effects(&self) -> Vec<&Value> {
        let effects = self.report["effects"].as_array().unwrap().iter();
        effects.filter(|effect| effect["operation"] != "open").collect()
    }

    /// What an effect is, without what differs between a plan and a run.
    pub(crate) fn facts(&self) -> Vec<Value> {
        let keys = ["operation", "target", "impact", "outcome", "reason", "rows", "bytes"];
        self.effects().iter().map(|effect| keys.iter().map(|key| effect[key].clone()).collect()).collect()
    }
}
