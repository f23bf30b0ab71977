//! What is refused while a task of a bundle runs says which key of the file would allow it; by flags, which flag.

use serde_json::{Value, json};
use taskhost_tests::{fixture, host};

use super::World;

/// What each finding of a run says.
fn details(report: &Value) -> Vec<String> {
    let findings = report.get("findings").and_then(Value::as_array).unwrap();
    findings.iter().map(|finding| finding["detail"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_refusal_names_the_key_of_the_bundle_or_the_flag() {
    let statement = |text: &str| json!({ "do": "execute", "text": text });
    let query = json!({ "do": "query", "text": "SELECT purge()" });
    let statements = json!([statement("DELETE FROM a"), query]).to_string();
    let write = json!([statement("DELETE FROM b")]).to_string();
    let cases = [
        (
            "state",
            "put a 1",
            "memory = { state = \"state.db\" }",
            "--state",
            "memory=state.db",
            vec![("add \"write\" to tasks.look.grants.memory.access", "add `,write` to --state memory=...")],
        ),
        (
            "system",
            "processes 100 5",
            "machine = { system = \"local\" }",
            "--system",
            "machine=local",
            vec![("add \"processes\" to tasks.look.grants.machine.access", "add `,processes` to --system machine=...")],
        ),
        (
            "files",
            "remove new.log\nstat new.log\nopen-other",
            "directory = { files = \"logs\", include = \"old*\" }",
            "--files",
            "directory=logs,include=old*",
            vec![
                ("add \"delete\" to tasks.look.grants.directory.access", "add `,delete` to --files directory=..."),
                (
                    "add include = \"new.log\" to tasks.look.grants.directory",
                    "add `,include=new.log` to --files directory=...",
                ),
                ("add other = { files = \"DIRECTORY\" } to tasks.look.grants", "add --files other=DIRECTORY"),
            ],
        ),
        (
            "sql",
            &statements,
            "database = { sql = \"sqlite:app.db\" }",
            "--sql",
            "database=sqlite:app.db",
            vec![
                ("add \"write\" to tasks.look.grants.database.access", "add `,write` to --sql database=..."),
                ("add `function=purge` to the grant", "add `function=purge` to the grant"),
            ],
        ),
        (
            "sql",
            &write,
            "database = { sql = \"sqlite:app.db\", access = [\"write\"], table = \"a\" }",
            "--sql",
            "database=sqlite:app.db,write,table=a",
            vec![("add table = \"b\" to tasks.look.grants.database", "add `,table=b` to --sql database=...")],
        ),
    ];
    for (name, script, grant, flag, binding, expected) in cases {
        let plugin = fixture(name);
        let script_text = toml::Value::from(script);
        let bundle = format!(
            "[tasks.look]\nplugin = \"{}\"\nparameters.script = {script_text}\ngrants.{grant}\n",
            plugin.display()
        );
        let world = World::new(&bundle);
        std::fs::write(world.path("app.db"), "").unwrap();
        let whole = world.host("run").args(["--all", "--format", "json"]).run();
        let in_bundle = details(&whole.json()["runs"][0]);
        let flags = host().arg("run").arg(&plugin).arg(format!("script={script}")).args([flag, binding]);
        let by_flags = details(&flags.args(["--format", "json"]).directory(world.directory.path()).run().json());
        assert_eq!(
            (in_bundle.len(), by_flags.len()),
            (expected.len(), expected.len()),
            "{name}: {in_bundle:?} {by_flags:?}"
        );
        for (index, (key, written)) in expected.iter().enumerate() {
            assert!(in_bundle[index].contains(key), "{key}: {}", in_bundle[index]);
            assert!(by_flags[index].contains(written), "{written}: {}", by_flags[index]);
        }
    }
}

#[test]
fn a_budget_that_is_spent_is_raised_where_it_is_written() {
    let bundle = format!(
        "[tasks.look]\nplugin = \"{}\"\nparameters.script = \"measure 100\\nmeasure 100\"\n\
         grants.machine = {{ system = \"local\" }}\nbudget = {{ \"machine.measurements\" = 1 }}\n",
        fixture("system").display()
    );
    let output = World::new(&bundle).host("run").args(["--all", "--format", "json"]).run();
    let said = details(&output.json()["runs"][0]);
    assert!(said[1].ends_with("raise tasks.look.budget.\"machine.measurements\" to 2"), "{said:?}");
}
