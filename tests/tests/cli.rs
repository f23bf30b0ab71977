//! Bad input at the command line: each case gets a message that names the thing and the way out, exit code 3, and
//! nothing is changed.

use std::path::Path;

use taskhost_tests::{Host, fixture, host};

/// What the message says, with what differs between machines and runs taken out.
fn message(host: Host, directory: &Path) -> String {
    let output = host.run().expect_code(3);
    let said = format!("{}{}", output.stdout, output.stderr);
    let fixtures = fixture("errand").parent().unwrap().display().to_string();
    said.replace(&directory.display().to_string(), "DIRECTORY").replace(&fixtures, "FIXTURES")
}

/// A run of the errand guest with its slot bound to a fresh directory that holds one file.
struct Errand {
    directory: tempfile::TempDir,
}

impl Errand {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("kept"), "as it was").unwrap();
        Self { directory }
    }

    fn host(&self) -> Host {
        let slot = format!("directory={},write", self.directory.path().display());
        host().arg("run").arg(fixture("errand")).args(["--files", &slot])
    }

    /// The message of a run with these arguments, after which the directory is as it was.
    fn message(&self, arguments: &[&str]) -> String {
        let message = message(self.host().args(arguments.iter().copied()), self.directory.path());
        self.assert_unchanged();
        message
    }

    fn assert_unchanged(&self) {
        let names: Vec<_> =
            std::fs::read_dir(&self.directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["kept"]);
        assert_eq!(std::fs::read_to_string(self.directory.path().join("kept")).unwrap(), "as it was");
    }
}

#[test]
fn a_file_that_is_no_plugin_says_what_it_is_instead() {
    let directory = tempfile::tempdir().unwrap();
    let whole = std::fs::read(fixture("errand")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes).unwrap();
    write("core.wasm", b"\0asm\x01\0\0\0");
    write("truncated.wasm", &whole[..whole.len() / 2]);
    write("empty.wasm", b"");
    write("text.wasm", b"#!/bin/sh\n");
    let mut messages = String::new();
    for plugin in ["missing", "./missing.wasm", "./core.wasm", "./truncated.wasm", "./empty.wasm", "./text.wasm", "."] {
        let run = host().args(["run", plugin, "--plugins"]).arg(directory.path()).directory(directory.path());
        messages += &format!("$ host run {plugin}\n{}\n", message(run, directory.path()));
    }
    let other_world = host().arg("run").arg(fixture("other-world"));
    messages += &format!("$ host run other-world.wasm\n{}", message(other_world, directory.path()));
    insta::assert_snapshot!(messages);
}

#[test]
fn a_misspelt_plugin_is_answered_with_the_nearest_name() {
    let directory = fixture("errand").parent().unwrap().to_owned();
    let run = host().args(["run", "erand", "--plugins"]).arg(&directory);
    insta::assert_snapshot!(message(run, &directory));
}

#[test]
fn a_wrong_parameter_is_answered_with_the_right_form() {
    let errand = Errand::new();
    let mut messages = String::new();
    for arguments in [
        &["tims=2"][..],
        &["nothing-like-it=2"],
        &["times=often"],
        &["times=11"],
        &["times=0"],
        &["times=2", "times=3"],
        &["errand=wirte"],
        &["size=big"],
        &["size=17MiB"],
        &["pause=2 hours"],
        &["times"],
        &["tims=2", "errand=wirte", "size=big"],
    ] {
        messages += &format!("$ host run errand {}\n{}\n", arguments.join(" "), errand.message(arguments));
    }
    insta::assert_snapshot!(messages);
}

#[test]
fn a_wrong_binding_is_answered_with_the_flag_that_mends_it() {
    let errand = Errand::new();
    let mut messages = String::new();
    for arguments in [
        &["--files", "directry=/tmp"][..],
        &["--files", "directory"],
        &["--files", "directory=/tmp,wirte"],
        &["--files", "directory=/tmp,colour=red"],
        &["--sql", "directory=sqlite:x.db"],
        &["--sql", "database=oracle://db/x"],
        &["--sql", "database=env:NOT_SET"],
        &["--sql", "database=file:/no/such/file"],
        &["--budget", "directory.rows=5"],
        &["--budget", "elsewhere.bytes=5"],
        &["--budget", "directory.bytes=lots"],
        &["--timeout", "soon"],
        &["--colour"],
    ] {
        messages += &format!("$ host run errand {}\n{}\n", arguments.join(" "), errand.message(arguments));
    }
    insta::assert_snapshot!(messages);
}

#[test]
fn a_slot_left_unbound_or_with_too_little_access_is_answered_with_the_flag() {
    let directory = tempfile::tempdir().unwrap();
    let run = || host().arg("run").arg(fixture("errand"));
    let read_only = format!("directory={}", directory.path().display());
    let messages = format!(
        "$ host run errand\n{}\n$ host run errand --files directory=DIRECTORY\n{}",
        message(run(), directory.path()),
        message(run().args(["--files", &read_only]), directory.path()),
    );
    insta::assert_snapshot!(messages);
}

#[test]
fn the_json_report_names_the_outcome_and_keeps_to_its_schema() {
    let schema = include_str!("../../docs/report.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    for (plugin, arguments, outcome) in
        [("missing", "", "invalid"), ("errand", "--timeout=5s", "refused"), ("empty", "no=such", "invalid")]
    {
        let run = host().args(["run", "--format=json", plugin, "--plugins"]).arg(fixture("errand").parent().unwrap());
        let report = run.args(arguments.split_whitespace()).run().expect_code(3).json();
        assert_eq!(report["run"]["outcome"], outcome, "{plugin}");
        let problems: Vec<_> = schema.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{plugin}: {problems:?}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for flag in ["--help", "--version"] {
        let output = host().args([flag]).run().expect_code(0);
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{output}");
    }
}
