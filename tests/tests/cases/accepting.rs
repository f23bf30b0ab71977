//! `host test --accept` writes what was found, and leaves the rest of the file as it is.

use super::Cases;

const BEGUN: &str = r#"# Kept: a comment at the top.
[common]
parameters = { older-than = "30d" } # kept, too
grants.directory = { files = ".", access = "delete" }

[common.files]
"old.log" = { content = "old", age = "40d" }
"older.log" = { content = "older", age = "50d" }

[[case]]
name = "without an expectation"

[[case]]
name = "with one that is wrong"

# Kept: a comment of the case's.
[case.expect]
outcome = "warning"   # kept: why
summary = "removed 3 files"
metrics = { files_removed = 7, files_open = 0 }
files = { "old.log" = true, "older.log" = false }

[[case.then]]
mode = "plan"

[[case]]
name = "as it should be"
expect = { outcome = "ok", metrics = { files_removed = 2 } }
"#;

#[test]
fn what_was_found_is_written_and_then_holds() {
    let cases = Cases::new(BEGUN);
    let output = cases.on("file-cleanup").arg("--accept").run().expect_code(0);
    assert!(output.stdout.contains("accepted in cases/all.toml: without an expectation"), "{output}");
    insta::assert_snapshot!(cases.text());
    cases.on("file-cleanup").run().expect_code(0);
    let before = cases.text();
    cases.on("file-cleanup").arg("--accept").run().expect_code(0);
    assert_eq!(cases.text(), before);
}

#[test]
fn the_parts_of_a_world_are_written_by_their_names() {
    let cases = Cases::new(
        r#"
[[case]]
name = "an endpoint, whose port is another each time"
grants.endpoints = { tls = "site" }
tls.site = { days = 3, trusted = true }
"#,
    );
    cases.on("cert-check").arg("--accept").run().expect_code(0);
    let text = cases.text();
    assert!(text.contains("subject = \"{site}\"") && !text.contains("localhost:"), "{text}");
    cases.on("cert-check").run().expect_code(0);
}

#[test]
fn a_case_that_ends_differently_from_server_to_server_is_not_accepted() {
    let cases = Cases::new(
        r#"
[[case]]
name = "a table of one server alone"
parameters = { table = "sqlite_master", column = "rootpage", older-than = "1d" }
grants.database = { sql = "shop", access = "write", table = "sqlite_master" }
sql.shop = { server = ["sqlite", "postgres"] }
"#,
    );
    let before = cases.text();
    let output = cases.on("row-retention").servers().arg("--accept").run().expect_code(3);
    assert!(output.stderr.contains("differently from server to server"), "{output}");
    assert_eq!(cases.text(), before);
}
