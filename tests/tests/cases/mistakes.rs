//! A file of cases with a mistake runs nothing, and says all of them, each with its line.

use super::{Cases, said};

#[test]
fn every_mistake_is_said_at_once_with_its_line() {
    let cases = Cases::new(
        r#"
[common]
parameters = { older-than = "30d" }
grant = 1

[[case]]
name = "a key that is none, and one of the wrong type"
mode = "maybe"
outcome = "ok"

[[case]]
name = "twice"
files = { "../out" = "x", "/etc/x" = "x", "a" = { content = "x", size = 1 }, "b" = { age = "soon" } }

[[case]]
name = "twice"
grants = { directory = { files = "logs", access = "destroy" }, database = { sql = "shpo" }, none = { access = "write" } }

[case.sql.shop]
server = ["sqlite", "oracle"]
file = "../../etc/passwd"

[[case]]
name = "what is expected cannot be"
parameters = { list = [["nested"]], table = { a = 1 } }
budget = { rows = 3 }

[case.expect]
outcome = "fine"

[[case]]
name = "an outcome, and what contradicts it"

[case.expect]
outcome = "ok"
error = "it failed"
metrics = { rows = "many" }
effects = [{ operation = "remove", decision = "rehearse", outcome = "well" }]
rows = { nowhere = { "SELECT 1" = 1 } }
"#,
    );
    let output = cases.on("file-cleanup").run().expect_code(3);
    insta::assert_snapshot!(said(&output));
}

#[test]
fn nothing_of_a_file_with_a_mistake_runs_and_nothing_of_its_neighbours() {
    let cases = Cases::new(
        "[[case]]\nname = \"good\"\nparameters = { older-than = \"1d\" }\ngrants.directory = { files = \".\", access = \"delete\" }\nexpect = { outcome = \"ok\" }\n",
    );
    cases.on("file-cleanup").run().expect_code(0);
    std::fs::write(cases.path("cases/bad.toml"), "[[case]]\nname = 1\n").unwrap();
    let output = cases.on("file-cleanup").arg("cases/bad.toml").run().expect_code(3);
    assert!(output.stdout.is_empty() && output.stderr.contains("no case of it is run"), "{output}");
}

#[test]
fn what_is_no_file_of_cases_is_named_for_what_it_is() {
    let mut messages = String::new();
    for (text, name) in
        [("", "empty"), ("[[case]\n", "no TOML"), ("[[case]]\n", "no name"), ("[[case]]\nname = \"\"\n", "no words")]
    {
        let output = Cases::new(text).on("file-cleanup").run().expect_code(3);
        messages += &format!("-- {name}\n{}", said(&output));
    }
    insta::assert_snapshot!(messages);
}

#[test]
fn programs_run_in_a_directory_of_the_world_and_in_no_other() {
    for directory in ["/", "/etc", "../app", ""] {
        let cases = Cases::new(&format!(
            "[[case]]\nname = \"a\"\nexpect = {{ outcome = \"ok\" }}\ngrants.dump = {{ command = \"{directory}\", \
             template.x = {{ argv = [\"true\"] }} }}\n"
        ));
        let output = cases.on("backup-create").run().expect_code(3);
        assert!(output.stderr.contains("is no path below the case's own directory"), "{directory}: {output}");
    }
}

#[test]
fn what_is_to_be_tested_must_be_there() {
    let cases = Cases::new("[[case]]\nname = \"a\"\nexpect = { outcome = \"ok\" }\n");
    for (arguments, expected) in [
        (&["no-such-plugin", "cases"][..], "there is no plugin `no-such-plugin`"),
        (&["file-cleanup"], "say where the cases of file-cleanup are: host test file-cleanup DIRECTORY/cases"),
        (&["file-cleanup", "nowhere.toml"], "failed to read the cases nowhere.toml"),
        (&["."], ". is neither a crate nor the directory of one component"),
        (&["cases"], "failed to list the cases in cases/cases"),
        (
            &["file-cleanup", "cases", "--case", "nothing like it"],
            "none of the 1 cases has a name with nothing like it",
        ),
    ] {
        let host = taskhost_tests::host().arg("test").args(arguments.iter().copied());
        let output = host.directory(cases.directory.path()).run().expect_code(3);
        assert!(output.stderr.contains(expected), "{arguments:?}: {output}");
    }
}
