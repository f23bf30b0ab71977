//! The `docker` room on a real engine: what a slot sees, what it may do, what a rehearsal lists, and how it ends.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

mod acting;
mod pruning;
mod reaching;
mod seeing;
mod streaming;

use serde_json::Value;
use taskhost_tests::docker::Engine;
use taskhost_tests::{Host, Output, fixture, host};

/// A run of the fixture, or a rehearsal, on the slot that sees the test's own things; `words` begin with a comma.
fn call(command: &str, engine: &Engine, words: &str, call: &str) -> Host {
    let slot = engine.slot("engine", words);
    host().arg(command).arg(fixture("docker")).args([&format!("call={call}"), "--format=json", "--docker", &slot])
}

/// What the call came to.
#[track_caller]
fn said(engine: &Engine, words: &str, what: &str) -> String {
    summary(&call("run", engine, words, what).run())
}

/// What a rehearsal of it came to.
#[track_caller]
fn planned(engine: &Engine, words: &str, what: &str) -> String {
    summary(&call("plan", engine, words, what).run())
}

#[track_caller]
fn summary(output: &Output) -> String {
    let report = output.report();
    report["summary"].as_str().unwrap_or_else(|| panic!("{output}")).to_owned()
}

/// The targets of the effects with that operation, in order of their names.
fn targets(report: &Value, operation: &str) -> Vec<String> {
    let effects = report["effects"].as_array().unwrap().iter().filter(|effect| effect["operation"] == operation);
    let mut targets: Vec<String> = effects.map(|effect| effect["target"].as_str().unwrap().to_owned()).collect();
    targets.sort_unstable();
    targets
}
