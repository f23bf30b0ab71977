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

/// Of templates of programs, in a connection and in a grant.
const TEMPLATES: &str = r#"
[connections.app]
command = "app"

[connections.app.template.build]
argv = ["./build.sh", "{version}", "{flag}"]
timeout = "0s"
environment = { API_TOKEN = "hunter2", "A-B" = "x" }
[connections.app.template.build.placeholder.version]
type = "integer"
choices = ["a"]
[connections.app.template.build.placeholder.unused]
type = "name"

[connections.app.template.shell]
argv = ["bash", "-c", "rm {file}"]
placeholder.file = { type = "path" }

[connections.app.template.Odd]
argv = []

[tasks.deploy]
plugin = "FIXTURE"
parameters = { script = "[]" }
grants.programs = { connection = "app", access = ["run"] }

[tasks.own.grants.programs]
command = "app"
template.x = { argv = "x" }

[tasks.own]
plugin = "FIXTURE"
parameters = { script = "[]" }

[tasks.file]
plugin = "FIXTURE"
parameters = { script = "[]" }
grants.programs = { command = "app", templates = "templates.toml" }
"#;

/// Of templates without a mistake, on a machine that lacks what they need.
const LACKING: &str = r#"
[connections.app]
command = "app"

[connections.app.template.build]
argv = ["./build.sh", "{version}"]
environment = { API_TOKEN = "hunter2", PGPASSWORD = "env:NO_SUCH_VARIABLE" }
placeholder.version = { type = "version" }

[tasks.deploy]
plugin = "FIXTURE"
parameters = { script = "[]" }
grants.programs = { connection = "app", access = ["run"] }
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
fn every_mistake_of_a_template_has_its_line() {
    let fixture = taskhost_tests::fixture("command").display().to_string();
    let world = World::new(&TEMPLATES.replace("FIXTURE", &fixture));
    std::fs::write(world.path("templates.toml"), "[template.a]\nargv = ['true', '{b}']\n").unwrap();
    insta::assert_snapshot!(checked(&world, 3));
    let output = world.host("check").run().expect_code(3);
    assert!(output.stdout.contains("API_TOKEN = \"*******\"") && !output.stdout.contains("hunter2"), "{output}");
    // With the templates of the bundle mended, those of the file are read.
    let good = TEMPLATES.split("[tasks.file]").nth(1).unwrap().replace("FIXTURE", &fixture);
    std::fs::write(world.path("bundle.toml"), format!("[tasks.file]{good}")).unwrap();
    insta::assert_snapshot!(checked(&world, 3));
}

#[test]
fn what_a_template_needs_and_is_not_here_is_said_and_stops_its_run_alone() {
    let fixture = taskhost_tests::fixture("command").display().to_string();
    let world = World::new(&LACKING.replace("FIXTURE", &fixture));
    insta::assert_snapshot!(checked(&world, 1));
    let output = world.host("run").arg("--all").run().expect_code(3);
    assert!(output.stderr.contains("PGPASSWORD: the environment variable NO_SUCH_VARIABLE"), "{output}");
    assert!(!output.to_string().contains("hunter2"), "{output}");
    world.host("run").arg("--all").env("NO_SUCH_VARIABLE", "x").run().expect_code(0);
}

#[test]
fn grants_show_the_arguments_of_templates_and_nothing_of_their_environment() {
    let fixture = taskhost_tests::fixture("command").display().to_string();
    let world = World::new(
        &LACKING
            .replace("FIXTURE", &fixture)
            .replace("command = \"app\"", "command = \"app\"\ntemplates = \"more.toml\""),
    );
    std::fs::write(world.path("more.toml"), "[template.status]\nargv = ['git', 'status']\nimpact = 'observe'\n")
        .unwrap();
    let output = world.host("grants").run().expect_code(0);
    assert!(!output.stdout.contains("hunter2"), "{output}");
    insta::assert_snapshot!(world.plain(&output.stdout));
}

/// The schema that editors use takes what the host takes.
#[test]
fn the_schema_knows_templates() {
    let schema = taskhost_tests::host().args(["schema", "bundle"]).run().expect_code(0).json();
    let valid =
        |text: &str| jsonschema::validator_for(&schema).unwrap().is_valid(&toml::from_str::<Value>(text).unwrap());
    assert!(valid(LACKING));
    assert!(valid(&LACKING.replace("placeholder.version", "timeout = '10m'\nsuccess = [0, 3]\nplaceholder.version")));
    for (right, wrong) in [
        ("argv = [", "args = ["),
        ("type = \"version\"", "type = \"versions\""),
        ("argv = [\"./build.sh\", \"{version}\"]", "argv = \"./build.sh\""),
        ("environment = {", "shell = {"),
    ] {
        assert!(!valid(&LACKING.replace(right, wrong)), "{wrong}");
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
