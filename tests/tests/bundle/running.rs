//! Tasks of a bundle as they run: which, in what order, with what credentials, and the report of the whole.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use taskhost_tests::fixture;

use super::World;

const CLEAN: &str = r#"
name = "shop"
maintainer = "the team"

[connections.logs]
files = "logs"

[tasks.clean]
plugin = "file-cleanup"
schedule = "daily at 02:00"
parameters = { older-than = "80d" }
grants.directory = { connection = "logs", access = ["delete"] }
budget = { "directory.files" = 10 }

[tasks.certificates]
plugin = "cert-check"
kind = "weekly"
grants.certs = { files = "." }

[[checklist]]
title = "Read the error log"
kind = "daily"

[[checklist]]
title = "Review who has access"
kind = "quarterly"
detail = "With the list of the personnel office."
"#;

/// The task names of a report of the whole, with their outcomes.
fn outcomes(whole: &Value) -> Vec<(String, String)> {
    let text = |report: &Value, path: &str| report.pointer(path).and_then(Value::as_str).unwrap().to_owned();
    let runs = whole.pointer("/runs").and_then(Value::as_array).unwrap().iter();
    runs.map(|report| (text(report, "/run/task"), text(report, "/run/outcome"))).collect()
}

#[test]
fn a_kind_is_rehearsed_and_run_with_one_report() {
    let world = World::new(CLEAN);
    let planned = world.host("plan").args(["--kind", "daily"]).run().expect_code(0);
    assert_eq!(world.logs().len(), 3, "{planned}");
    assert!(planned.stdout.contains("clean (rehearsal): ok - would remove 1 file"), "{planned}");
    assert!(planned.stdout.contains("[ ] Read the error log") && !planned.stdout.contains("Review"), "{planned}");

    let whole = world.host("run").args(["--kind", "daily", "--format", "json"]).run().expect_code(0).json();
    assert_eq!(world.logs(), ["new.log", "old.log"]);
    assert_eq!(outcomes(&whole), [("clean".into(), "ok".into())]);
    assert_eq!(
        (&whole["bundle"], &whole["selection"], &whole["mode"]),
        (&"shop".into(), &"daily".into(), &"perform".into())
    );
    let schema: Value = serde_json::from_str(include_str!("../../../docs/report.schema.json")).unwrap();
    assert!(jsonschema::is_valid(&schema, &whole["runs"][0]), "each run is a report");
}

#[test]
fn the_whole_is_shown_in_every_form() {
    let world = World::new(CLEAN);
    let run = |form: &str| world.host("run").args(["--all", "--format", form]).run().expect_code(0);
    let text = run("text");
    assert!(text.stdout.contains("shop, all: ok - 2 tasks in"), "{text}");
    assert!(text.stderr.contains("clean: ok (") && text.stderr.contains("certificates: ok ("), "{text}");
    let nagios = run("nagios").stdout;
    assert!(nagios.starts_with("SHOP OK - all: 2 ok, 0 warning, 0 critical, 0 unknown\nCLEAN OK - "), "{nagios}");
    let markdown = run("markdown").stdout;
    for line in
        ["Maintainer: the team", "Type: all", "- [x] clean: ", "- [ ] Review who has access", "- clean: Duration: "]
    {
        assert!(markdown.contains(line), "{line}: {markdown}");
    }
}

#[test]
fn the_worst_outcome_is_the_exit_code() {
    let world = World::new(
        "[tasks.clean]\nplugin = \"file-cleanup\"\nparameters = { older-than = \"1d\" }\n\
         grants.directory = { files = \"logs\", access = [\"delete\"] }\nbudget = { \"directory.files\" = 1 }\n\
         [tasks.after]\nplugin = \"cert-check\"\ngrants.certs = { files = \".\" }\nafter = [\"clean\"]\n\
         [tasks.beside]\nplugin = \"cert-check\"\ngrants.certs = { files = \".\" }\n",
    );
    let whole = world.host("run").args(["--all", "--format", "json"]).run().expect_code(3).json();
    let expected = [("clean", "over-budget"), ("after", "invalid"), ("beside", "ok")];
    assert_eq!(outcomes(&whole), expected.map(|(task, outcome)| (task.to_owned(), outcome.to_owned())));
    assert_eq!(whole["runs"][1]["error"], "not begun: what it comes after ended with over budget");
    // On its own it waits for nothing.
    let alone = world.host("run").args(["--task", "after", "--format", "json"]).run().expect_code(0).json();
    assert_eq!(outcomes(&alone), [("after".into(), "ok".into())]);
}

#[test]
fn what_may_pass_is_tried_again_and_a_refusal_is_not() {
    let world = World::new(
        "[defaults]\nretries = 2\nretry-delay = \"0s\"\n\
         [tasks.away]\nplugin = \"redis-memory\"\ngrants.cache = { redis = \"redis://127.0.0.1:1\" }\n\
         [tasks.budget]\nplugin = \"file-cleanup\"\nparameters = { older-than = \"1d\" }\n\
         grants.directory = { files = \"logs\", access = [\"delete\"] }\nbudget = { \"directory.files\" = 0 }\n",
    );
    let whole = world.host("run").args(["--all", "--format", "json"]).run().expect_code(3).json();
    let [away, budget] = whole["runs"].as_array().unwrap().as_slice() else { panic!("{whole}") };
    assert_eq!((&away["run"]["outcome"], &away["notices"][0]), (&"unavailable".into(), &"it took 3 attempts".into()));
    assert_eq!((&budget["run"]["outcome"], &budget["notices"]), (&"over-budget".into(), &serde_json::json!([])));
}

#[test]
fn credentials_come_from_the_environment_a_file_or_a_program_and_are_not_shown() {
    let task = |name: &str, target: &str| {
        format!("[tasks.{name}]\nplugin = \"redis-memory\"\ngrants.cache = {{ redis = {target} }}\n")
    };
    let world = World::new(
        &[
            task("variable", "\"env:CACHE_URL\""),
            task("file", "\"file:credential\""),
            task("program", "{ command = [\"./secret\", \"cache\"] }"),
        ]
        .concat(),
    );
    let url = "redis://:hunter2@127.0.0.1:1";
    std::fs::write(world.path("credential"), format!("{url}\n")).unwrap();
    std::fs::write(world.path("secret"), format!("#!/bin/sh\necho \"{url}\"\ntouch asked-for-$1\n")).unwrap();
    std::fs::set_permissions(world.path("secret"), PermissionsExt::from_mode(0o755)).unwrap();

    // A check runs no program, and what is not set here may be set where it runs.
    let checked = world.host("check").run().expect_code(1);
    assert!(checked.stdout.contains("the environment variable CACHE_URL is not set"), "{checked}");
    assert!(!world.path("asked-for-cache").exists());
    // For a task that is not to run, neither.
    world.host("run").args(["--task", "file"]).run();
    assert!(!world.path("asked-for-cache").exists());

    let output = world.host("run").args(["--all", "--format", "json"]).env("CACHE_URL", url).run().expect_code(3);
    assert!(world.path("asked-for-cache").exists());
    assert!(!format!("{output}").contains("hunter2"), "{output}");
    for report in output.json()["runs"].as_array().unwrap() {
        assert_eq!(report["run"]["outcome"], "unavailable", "{report}");
    }
    let unset = world.host("run").arg("--all").run().expect_code(3);
    assert!(unset.stderr.contains("slot `cache`: the environment variable CACHE_URL is not set"), "{unset}");

    std::fs::write(world.path("secret"), "#!/bin/sh\necho no such secret >&2\nexit 4\n").unwrap();
    let failed = world.host("run").args(["--task", "program"]).run().expect_code(3);
    assert!(failed.stderr.contains("`./secret` ended with exit status: 4: no such secret"), "{failed}");
}

#[test]
fn an_accepted_plugin_that_changes_runs_no_more() {
    let world = World::new("[tasks.task]\nplugin = \"./task.wasm\"\n[tasks.other]\nplugin = \"./task.wasm\"\n");
    std::fs::copy(fixture("empty"), world.path("task.wasm")).unwrap();
    let run = || world.host("run").args(["--all", "--format", "json"]).run();
    run().expect_code(0);
    let accepted = world.host("check").arg("--accept").run().expect_code(0);
    assert!(accepted.stdout.contains("accepted: ") && world.path("bundle.lock").exists(), "{accepted}");
    run().expect_code(0);

    // Another plugin in its place, which asks for more.
    std::fs::copy(taskhost_tests::plugin("vacuum"), world.path("task.wasm")).unwrap();
    let changed = run().expect_code(3);
    for part in ["the plugin `./task.wasm` has changed since it was accepted", "sql database: read, maintain"] {
        assert!(changed.stderr.contains(part), "{part}: {changed}");
    }
    std::fs::write(world.path("bundle.lock"), "plugins = 1").unwrap();
    let damaged = run().expect_code(3);
    assert!(damaged.stderr.contains("write it anew with `host check --accept`"), "{damaged}");
    std::fs::copy(fixture("empty"), world.path("task.wasm")).unwrap();
    world.host("check").arg("--accept").run().expect_code(0);
    run().expect_code(0);
}

#[test]
fn who_may_touch_what_is_a_table() {
    let bundle = format!(
        "{CLEAN}\n[tasks.vacuum]\nplugin = \"vacuum\"\n\
         grants.database = {{ sql = \"postgres://u:hunter2@h/d\", access = \"maintain\", lock-timeout = \"1s\" }}\n"
    );
    let world = World::new(&bundle);
    let table = |form: &str| world.host("grants").args(["--format", form]).run().expect_code(0).stdout;
    insta::assert_snapshot!(table("text"));
    insta::assert_snapshot!(table("markdown"));
    let list: Value = serde_json::from_str(&table("json")).unwrap();
    assert_eq!(list[0]["access"], serde_json::json!(["read", "delete"]));
}

#[test]
fn the_schema_takes_what_the_host_takes() {
    let schema = taskhost_tests::host().args(["schema", "bundle"]).run().expect_code(0).json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let json = |text: &str| serde_json::to_value(toml::from_str::<toml::Value>(text).unwrap()).unwrap();
    let problems: Vec<_> = validator.iter_errors(&json(CLEAN)).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{problems:?}");
    for wrong in ["nothing = 1", "[tasks.a]", "[tasks.a]\nplugin = 'x'\nkind = 'dayly'", "[[checklist]]\ntitle = 'x'"] {
        assert!(!validator.is_valid(&json(wrong)), "{wrong}");
    }
}
