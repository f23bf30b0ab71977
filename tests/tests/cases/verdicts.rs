//! What is not as expected is shown, all of it, for people, for machines and for CI systems.

use super::{Cases, said};

/// Every part of an expectation, and each of them wrong; and one case that holds.
const WRONG: &str = r#"
[common]
parameters = { older-than = "30d" }
grants.directory = { files = ".", access = "delete" }

[common.files]
"new.log" = { content = "new", age = "1d" }
"old.log" = { content = "old", age = "40d" }
"older.log" = { content = "older", age = "50d", mode = "640" }

[[case]]
name = "all as it should be"

[case.expect]
outcome = "ok"
findings = []
next-actions = []
no-findings = [{ severity = "critical" }]
no-effects = [{ operation = "write" }]
metrics = { files_removed = 2, bytes_freed = { min = 1, max = 9 }, no_such_metric = false }
files = { "new.log" = { content = "new", contains = "e", size = 3, mode = "644", unchanged = true } }

[[case]]
name = "nothing as it should be"

[case.expect]
outcome = "warning"

[[case]]
name = "every part of it"

[case.expect]
outcome = "ok"
summary = "removed 99 files"
findings = [{ severity = "warning", subject = "a", title = "is missing", detail = "some", remedy = "other" }]
next-actions = ["run it again", { action = "buy a disk", subject = "sda" }]
metrics = { files_removed = 3, bytes_freed = { min = 100 }, files_kept = { max = -1.5 }, nothing = 1, files_open = false }
effects = [
    { operation = "remove", impact = "destroy", target = "old.log", decision = "rehearse" },
    { operation = "remove", target = "older.log", rows = 7, count = 2 },
]
no-effects = [{ impact = "destroy" }]

[case.expect.files]
"new.log" = { content = "newer", contains = "newest", size = 4, mode = "600" }
"old.log" = true
"older.log" = { unchanged = true }
"never.log" = "x"

[[case]]
name = "a run that does not end well says why, and nothing else is held against it"
grants.directory = { files = "." }
expect = { outcome = "ok", findings = [{ title = "one" }], files = { "old.log" = false } }

[[case]]
name = "and one that should not have ended well"
expect = { outcome = "over-budget", error = "budget" }

[[case]]
name = "the second run"
expect = { outcome = "ok", metrics = { files_removed = 2 } }

[[case.then]]
expect = { outcome = "ok", metrics = { files_removed = 2 } }

[[case.then]]
mode = "plan"
files = { "old.log" = { content = "back", age = "60d" }, "new.log" = false }
expect = { outcome = "ok", summary = "would remove 1 file", files = { "old.log" = { unchanged = true }, "new.log" = false } }

[[case]]
name = "without an expectation"
"#;

#[test]
fn what_was_expected_and_what_was_found_are_shown_all_at_once() {
    let wrong = WRONG.replace("decision = \"rehearse\"", "decision = \"refuse\"");
    let output = Cases::new(&wrong).on("file-cleanup").run().expect_code(1);
    insta::assert_snapshot!(said(&output));
}

#[test]
fn machines_and_ci_systems_are_told_the_same() {
    let wrong = WRONG.replace("decision = \"rehearse\"", "decision = \"refuse\"");
    let cases = Cases::new(&wrong);
    let output = cases.on("file-cleanup").args(["--format", "json"]).run().expect_code(1);
    let mut json = output.json();
    assert_eq!((&json["passed"], &json["failed"], &json["not_run"]), (&1.into(), &6.into(), &0.into()));
    for case in json["cases"].as_array_mut().unwrap() {
        assert!(case["duration_us"].as_u64().unwrap() > 0);
        case["duration_us"] = 0.into();
    }
    json["digest"] = "sha256:...".into();
    insta::assert_json_snapshot!(json);

    let output = cases.on("file-cleanup").args(["--format", "junit"]).run().expect_code(1);
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(lines[0], "<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    assert!(lines[1].starts_with("<testsuites name=\"file-cleanup\" tests=\"7\" failures=\"6\" errors=\"0\" time="));
    assert_eq!(output.stdout.matches("<testcase ").count(), 7);
    assert_eq!(output.stdout.matches("<failure ").count(), output.stdout.matches("</failure>").count());
    assert!(output.stdout.contains("message=\"not as expected: summary, findings, metric bytes_freed"), "{output}");
}

#[test]
fn only_the_cases_that_are_named_run() {
    let cases = Cases::new(WRONG.split("[[case]]\nname = \"nothing as").next().unwrap());
    let output = cases.on("file-cleanup").args(["--case", "all as", "--verbose"]).run().expect_code(0);
    assert!(output.stdout.contains("1 passed") && output.stdout.contains("removed 2 files"), "{output}");
}

/// A test of tests: what a plugin reports is a text that may try anything.
#[test]
fn texts_of_a_plugin_do_not_reach_a_terminal_raw() {
    let cases = Cases::new(
        r#"
[[case]]
name = "a file whose name is an escape sequence"
parameters = { older-than = "1d" }
grants.directory = { files = ".", access = "delete" }
files = { "\u001b[2Jgone\nGONE" = { content = "x", age = "9d" } }
expect = { outcome = "ok", effects = [] }
"#,
    );
    for format in ["text", "json", "junit"] {
        let output = cases.on("file-cleanup").args(["--format", format]).run().expect_code(1);
        assert!(!output.stdout.contains('\u{1b}') && output.stdout.contains("2Jgone"), "{output}");
    }
}
