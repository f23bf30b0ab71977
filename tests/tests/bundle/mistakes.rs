//! Each mistake is named with its place, all of them at once, and nothing runs.

use serde_json::Value;

use super::World;

/// Of everything that a file can show by itself.
const SHAPE: &str = r#"
time-zone = "Europe/Berlim"
nothing = 1

[connections.app]
sql = "sqlite:app.db"
redis = "redis://localhost"

[connections.none]
ca = "ca.pem"

[tasks.first]
plugin = "file-cleanup"
schedule = "weekly on sunsday at 03:00"
grants.directory = { connection = "log" }

[tasks.second]
kind = "dayly"
timeout = "5 parsecs"
parameters = { pattern = ["a,b"] }
grants.directory = { files = 1 }
budget = { "files" = 5, "directory.files" = "many" }

[tasks.third]
plugin = "file-cleanup"
after = ["frist", "third"]

[tasks.Fourth]
plugin = "file-cleanup"
time-zone = "Mars/Olympus"

[[checklist]]
titel = "Review"
kind = "daily"
"#;

/// Of what can be told only with the plugins.
const PLUGINS: &str = r#"
[connections.app]
sql = "postgres://user:hunter2@localhost/shop"

[tasks.first]
plugin = "file-clean"

[tasks.second]
plugin = "file-cleanup"
parameters = { oldr-than = "30d", keep-newest = "x" }
grants.directory = { files = "logs" }
grants.elsewhere = { files = "logs" }
budget = { "directory.rows" = 5 }

[tasks.third]
plugin = "vacuum"

[tasks.fourth]
plugin = "vacuum"
grants.database = { connection = "app", access = "maintain", lock-timeout = "soon" }

[tasks.fifth]
plugin = "./no-such.wasm"
"#;

/// Of what is merely unwise.
const UNWISE: &str = r#"
[connections.app]
sql = "postgres://user:hunter2@localhost/shop"

[tasks.first]
plugin = "file-cleanup"
schedule = "daily at 02:00"
parameters = { older-than = "30d" }
grants.directory = { files = "logs", access = ["delete", "write"] }

[tasks.second]
plugin = "file-cleanup"
schedule = "0 2 * * 0"
parameters = { older-than = "60d" }
grants.directory = { files = "logs", access = ["delete"] }
budget = { "directory.files" = 10 }

[tasks.third]
plugin = "vacuum"
grants.database = { connection = "app", access = ["maintain"] }

[tasks.fourth]
plugin = "redis-memory"
grants.cache = { redis = "env:NO_SUCH_VARIABLE" }

[tasks.fifth]
plugin = "vacuum"
grants.database = { connection = "app", access = ["maintain"] }
"#;

/// The problems, a line each: where, how much it matters, what, and what to do.
fn checked(world: &World, code: i32) -> String {
    let output = world.host("check").args(["--format", "json"]).run().expect_code(code);
    assert!(!output.stdout.contains("hunter2"), "{output}");
    let line = |problem: &Value| {
        let help = problem["help"].as_str().map(|help| format!(" -> {help}")).unwrap_or_default();
        let message = problem["message"].as_str().unwrap();
        // The day depends on today.
        let message = message.split(" both begin at 20").next().unwrap();
        let severity = problem["severity"].as_str().unwrap();
        format!("{}:{} {severity}: {message}{help}\n", problem["line"], problem["column"])
    };
    world.plain(&output.json().as_array().unwrap().iter().map(line).collect::<String>())
}

#[test]
fn every_mistake_of_the_file_is_said_at_once() {
    insta::assert_snapshot!(checked(&World::new(SHAPE), 3));
}

#[test]
fn every_mistake_that_the_plugins_show_is_said_at_once() {
    insta::assert_snapshot!(checked(&World::new(PLUGINS), 3));
}

#[test]
fn what_is_unwise_is_said_and_is_no_mistake() {
    insta::assert_snapshot!(checked(&World::new(UNWISE), 1));
}

#[test]
fn two_tasks_that_change_the_same_table_in_the_same_minute_are_named() {
    let task = |name: &str, schedule: &str, table: &str, more: &str| {
        format!(
            "[tasks.{name}]\nplugin = \"row-retention\"\nschedule = \"{schedule}\"\nbudget = {{ \"database.rows\" = 9 }}\n\
             parameters = {{ table = \"{table}\", column = \"at\", older-than = \"1d\" }}\n\
             grants.database = {{ sql = \"sqlite:shop.db\", access = [\"write\"], table = [\"{table}\"] }}\n{more}\n"
        )
    };
    let first = task("first", "daily at 02:00", "sessions", "");
    for (case, second, named) in [
        ("the same", task("second", "0 2 * * 0", "sessions", ""), true),
        ("a pattern that has it", task("second", "daily at 02:00", "sess*", ""), true),
        ("another table", task("second", "daily at 02:00", "orders", ""), false),
        ("another minute", task("second", "daily at 02:01", "sessions", ""), false),
        ("one after the other", task("second", "daily at 02:00", "sessions", "after = [\"first\"]"), false),
        (
            "another hour by another clock",
            task("second", "daily at 04:00", "sessions", "time-zone = \"Africa/Tripoli\""),
            true,
        ),
    ] {
        let said = checked(&World::new(&format!("{first}{second}")), i32::from(named));
        let expected = "6:19 warning: tasks `first` and `second` both change `sessions` of sqlite:shop.db and -> let one \
                        wait: after = [\"first\"] in `second`\n";
        assert_eq!(said, if named { expected } else { "" }, "{case}");
    }
}

#[test]
fn people_see_the_lines_and_no_password() {
    let output = World::new(PLUGINS).host("check").run().expect_code(3);
    for part in [
        "bundle.toml:6:10]\n",
        " 6 │ plugin = \"file-clean\"\n   ·          ────────────\n",
        " 3 │ sql = \"postgres://user:*******@localhost/shop\"\n",
        "bundle.toml: 10 mistakes, 1 warning; nothing of it runs before they are mended\n",
    ] {
        assert!(output.stdout.contains(part), "{part}: {output}");
    }
    assert!(!output.stdout.contains("hunter2") && !output.stdout.contains('\u{1b}'), "{output}");
    let fine = World::new("[tasks.a]\nplugin = \"cert-check\"\ngrants.certs = { files = \".\" }\n");
    let output = fine.host("check").run().expect_code(0);
    assert!(output.stdout.ends_with("bundle.toml: 1 task, all is well\n"), "{output}");
}

#[test]
fn a_bundle_with_a_mistake_runs_nothing_of_it() {
    let good = "[tasks.clean]\nplugin = \"file-cleanup\"\nparameters = { older-than = \"30d\" }\n\
                grants.directory = { files = \"logs\", access = [\"delete\"] }\n";
    for (mistake, named) in [
        ("[tasks.other]\nplugin = \"no-such-plugin\"\n", "there is no plugin `no-such-plugin`"),
        ("[tasks.other]\nplugin = \"vacuum\"\n", "slot `database` is not bound"),
        ("[tasks.other]\n", "missing field `plugin`"),
        ("[tasks.other\n", "other"),
    ] {
        let world = World::new(&format!("{good}{mistake}"));
        let output = world.host("run").args(["--task", "clean"]).run().expect_code(3);
        assert!(output.stderr.contains(named), "{mistake}: {output}");
        assert_eq!((world.logs().len(), output.stdout.as_str()), (3, ""), "{mistake}: {output}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    let world = World::new("[tasks.clean]\nplugin = \"file-cleanup\"\n");
    for (arguments, named) in [
        (&["run", "none.toml", "--all"][..], "failed to read the bundle none.toml"),
        (&["check", "none.toml"], "failed to read the bundle none.toml"),
        (&["grants", "none.toml"], "failed to read the bundle none.toml"),
        (&["run", "bundle.toml"], "say which tasks: --task NAME, --kind daily or --all; bundle has clean"),
        (&["run", "bundle.toml", "--task", "claen"], "bundle has no task `claen` (did you mean `clean`?)"),
        (&["run", "bundle.toml", "--all", "older-than=1d"], "older-than=1d: a bundle says itself"),
        (&["run", "bundle.toml", "--all", "--files", "directory=/"], "--files: a bundle says itself"),
        (&["run", "file-cleanup", "--all"], "are for a bundle"),
    ] {
        let output = taskhost_tests::host().args(arguments.iter().copied()).directory(world.directory.path()).run();
        let output = output.expect_code(3);
        assert!(output.stderr.contains(named), "{arguments:?}: {output}");
    }
}
