//! `host new`: what it makes builds, passes its test, its cases and this repository's lints; and it overwrites nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops here")]

use std::path::{Path, PathBuf};
use std::process::Command;

use taskhost_tests::{Host, Output, cargo, host};

const EVERYTHING: &str = "sql,files,tls,docker,redis,state,http,command,system,history";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// `host new` in a directory, with this repository's SDK.
fn new(directory: &Path, arguments: &[&str]) -> Host {
    host()
        .arg("new")
        .args(arguments.iter().copied())
        .directory(directory)
        .env("TASKHOST_SDK", repository().join("sdk").display().to_string())
}

/// Runs a command of cargo's in a crate, with the build directory that all of these tests share.
fn succeed(directory: &Path, arguments: &[&str]) {
    let mut command = Command::new("cargo");
    cargo(|name, value| {
        command.env(name, value);
    });
    let output = command.args(arguments).current_dir(directory).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "cargo {arguments:?}: {}{}", said(&output.stdout), said(&output.stderr));
}

/// `host test` of a crate, which builds it.
fn test(directory: &Path) -> Output {
    let mut variables = Vec::new();
    cargo(|name, value| variables.push((name, value)));
    let test = host().args(["test", "."]).directory(directory).servers();
    variables.into_iter().fold(test, |test, (name, value)| test.env(name, value)).run()
}

#[test]
fn a_plugin_of_every_capability_builds_and_passes_its_test_and_its_cases() {
    let directory = tempfile::tempdir().unwrap();
    new(directory.path(), &["all-things", "--capability", EVERYTHING]).run().expect_code(0);
    let made = directory.path().join("all-things");
    succeed(&made, &["test"]);
    let output = test(&made).expect_code(0);
    assert!(output.stdout.contains("2 passed"), "{output}");
}

#[test]
fn a_plugin_of_each_capability_alone_builds_and_passes_its_cases() {
    let directory = tempfile::tempdir().unwrap();
    for capability in EVERYTHING.split(',') {
        let name = format!("only-{capability}");
        new(directory.path(), &[&name, "--capability", capability]).run().expect_code(0);
        let output = test(&directory.path().join(name)).expect_code(0);
        assert!(output.stdout.contains("2 passed"), "{output}");
    }
}

/// A clone of this repository as far as a new plugin sees it.
fn clone(directory: &Path) {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in from.read_dir().unwrap().map(Result::unwrap) {
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &to);
            } else {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    for part in ["sdk", "wit"] {
        copy(&repository().join(part), &directory.join(part));
    }
    for file in ["rustfmt.toml", "clippy.toml", "Cargo.lock"] {
        std::fs::copy(repository().join(file), directory.join(file)).unwrap();
    }
    let manifest = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let members = "members = [\"sdk\", \"sdk/macros\", \"plugins/*\"]";
    let is_list =
        |line: &&str| ["members = ", "default-members = ", "exclude = "].iter().any(|name| line.starts_with(name));
    let others: String = manifest.lines().filter(|line| !is_list(line)).map(|line| format!("{line}\n")).collect();
    std::fs::write(directory.join("Cargo.toml"), others.replace("[workspace]\n", &format!("[workspace]\n{members}\n")))
        .unwrap();
    std::fs::create_dir(directory.join("plugins")).unwrap();
}

#[test]
fn in_this_repository_a_plugin_is_a_member_and_passes_its_lints() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    clone(&root);
    // From below, too; and the path may be spelt out.
    let output = new(&root.join("sdk"), &["all-things", "--capability", EVERYTHING]).run().expect_code(0);
    assert!(output.stdout.contains("a member of this workspace") && output.stdout.contains("README.md"), "{output}");
    new(&root, &["old-logs", "--directory", "plugins/old-logs"]).run().expect_code(0);
    let output = new(&root, &["other", "--directory", "plugins/another"]).run().expect_code(3);
    assert!(output.stderr.contains("lives in plugins/other"), "{output}");
    succeed(&root, &["fmt", "--all", "--check"]);
    let lints = ["clippy", "--release", "--target", "wasm32-wasip2", "-p", "all-things", "-p", "old-logs"];
    succeed(&root, &[&lints[..], &["--", "--deny", "warnings"]].concat());
    succeed(&root, &["clippy", "--all-targets", "-p", "all-things", "--", "--deny", "warnings"]);
}

#[test]
fn nothing_is_overwritten_and_nothing_is_left_half_made() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    std::fs::create_dir(place.join("empty")).unwrap();
    std::fs::write(place.join("file"), "as it was").unwrap();
    std::os::unix::fs::symlink("nowhere", place.join("link")).unwrap();
    std::fs::create_dir(place.join("closed")).unwrap();
    for name in ["empty", "file", "link"] {
        let output = new(place, &[name]).run().expect_code(3);
        assert!(output.stderr.contains("is there already, and nothing is overwritten"), "{output}");
        let output = new(place, &["other", "--directory", name]).run().expect_code(3);
        assert!(output.stderr.contains("is there already"), "{output}");
    }
    let output = new(place, &["old-logs", "--directory", "file/below"]).run().expect_code(3);
    assert!(output.stderr.contains("failed to make"), "{output}");
    // Where a file may grow to no more than this, the second one does not fit.
    let output = new(place, &["cut-short"]).largest_file(1024).run().expect_code(3);
    assert!(output.stderr.contains("failed to make"), "{output}");
    assert_eq!(std::fs::read_to_string(place.join("file")).unwrap(), "as it was");
    let mut names: Vec<_> = place.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["closed", "empty", "file", "link"]);
}

#[test]
fn what_cannot_be_made_says_why() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (&["Old_Logs"][..], "such as `old-logs`"),
        (&["../../etc"], "such as `etc`"),
        (&["async"], "is a keyword of Rust"),
        (&["judge"], "choose another"),
        (&["a", "--capability", "http2"], "a plugin cannot be begun with `http2`"),
        (&["a", "--capability", "sql,sql"], "--capability names sql twice"),
        (&["a", "--sdk", "nowhere"], "is not the SDK: name the directory `sdk` of a clone"),
    ] {
        let output = new(directory.path(), arguments).run().expect_code(3);
        assert!(output.stderr.contains(expected), "{arguments:?}: {output}");
    }
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

/// Without a path, the SDK is that of the repository: a crate that is handed on builds elsewhere.
#[test]
fn a_new_plugin_says_what_it_is_and_what_to_do_next() {
    let directory = tempfile::tempdir().unwrap();
    let output = host().args(["new", "old-logs"]).directory(directory.path()).run().expect_code(0);
    // What a machine lacks is asked for first.
    let said: String =
        output.stdout.lines().filter(|line| !line.contains("rustup")).map(|line| format!("{line}\n")).collect();
    insta::assert_snapshot!(said);
    let manifest = std::fs::read_to_string(directory.path().join("old-logs/Cargo.toml")).unwrap();
    assert!(manifest.contains("taskhost-sdk = { git = \"https://"), "{manifest}");
}
