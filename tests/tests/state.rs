//! The `state` room: what a task remembers is there for its next run and for no other task, in a file that is its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use std::path::{Path, PathBuf};

use taskhost_tests::{Host, fixture, host};

/// A directory for state files.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("state.db")
    }

    fn host(&self, command: &str, words: &str, script: &str) -> Host {
        let slot = format!("memory={}{words}", self.file().display());
        host().arg(command).arg(fixture("state")).arg(format!("script={script}")).args(["--state", &slot])
    }

    /// What came of each line of a script, as `TITLE: DETAIL`.
    fn said(&self, words: &str, script: &str) -> Vec<String> {
        said(self.host("run", words, script))
    }
}

fn said(host: Host) -> Vec<String> {
    let report = host.args(["--format", "json"]).run().report();
    let finding = |finding: &serde_json::Value| {
        let text = |key: &str| finding.get(key).and_then(serde_json::Value::as_str).unwrap().to_owned();
        format!("{}: {}", text("title"), text("detail"))
    };
    report.get("findings").and_then(serde_json::Value::as_array).unwrap().iter().map(finding).collect()
}

#[test]
fn what_was_remembered_is_there_for_the_next_run_with_its_type() {
    let world = World::new();
    assert_eq!(world.said("", "get size\nkeys \nsamples s t 9"), ["done: nothing", "done: ", "done: "]);
    assert!(!world.file().exists(), "looking makes no file");
    world.said(
        ",write",
        "put size 7\nput rate 0.5\nput seen true\nput name a\nput size 8\nappend s t 1 2 3\nappend s u 4",
    );
    assert_eq!(
        world.said("", "get size\nget rate\nget seen\nget name\nkeys s\nsamples s t 2\nsubjects s"),
        [
            "done: integer 8, version 2",
            "done: number 0.5, version 1",
            "done: boolean true, version 1",
            "done: text a, version 1",
            "done: seen size",
            "done: 2 3",
            "done: t u",
        ]
    );
    assert_eq!(
        world.said(",write", "remove size\nremove size\nget size"),
        ["done: true", "done: false", "done: nothing"]
    );
}

#[test]
fn two_that_write_the_same_do_not_both_win() {
    let world = World::new();
    let script = "put a 1 0\nput a 2 0\nput a 2 1\nput a 3 1\nput b 1 4";
    assert_eq!(
        world.said(",write", script),
        [
            "done: version 1",
            "changed: `a` is of version 1, not 0: another run wrote it",
            "done: version 2",
            "changed: `a` is of version 2, not 1: another run wrote it",
            "changed: `b` is of version 0, not 4: another run wrote it",
        ]
    );
    // As processes of their own, at the same time: every write is counted.
    let runs: Vec<_> = (0..4).map(|_| world.host("run", ",write", "put n 1\nput n 1\nappend s t 1").spawn()).collect();
    for run in runs {
        run.wait().expect_code(0);
    }
    assert_eq!(world.said("", "get n\nsamples s t 99"), ["done: integer 1, version 8", "done: 1 1 1 1"]);
}

#[test]
fn a_task_sees_its_own_and_another_only_where_it_is_granted() {
    let world = World::new();
    world.said(",write", "put a 1");
    let bundle = world.0.path().join("bundle.toml");
    let task = |name: &str, more: &str| {
        format!(
            "[tasks.{name}]\nplugin = \"{}\"\nparameters = {{ script = \"get a\\nput a 2\" }}\n\
             grants.memory = {{ state = \"state.db\"{more} }}\n",
            fixture("state").display()
        )
    };
    let tasks = [
        task("one", ", access = [\"write\"]"),
        task("two", ", access = [\"write\"]"),
        task("three", ", task = \"fixture-state\""),
    ];
    std::fs::write(&bundle, tasks.concat()).unwrap();
    let run = |name: &str| {
        let output = host().arg("run").arg(&bundle).args(["--task", name, "--format", "json"]).run().json();
        let finding = |index: usize| {
            let detail = output.pointer(&format!("/runs/0/findings/{index}/detail"));
            detail.and_then(serde_json::Value::as_str).unwrap().to_owned()
        };
        (finding(0), finding(1))
    };
    assert_eq!(run("one"), ("nothing".into(), "version 1".into()));
    assert_eq!(run("two"), ("nothing".into(), "version 1".into()));
    assert_eq!(run("one"), ("integer 2, version 1".into(), "version 2".into()));
    let (others, refused) = run("three");
    assert_eq!(others, "integer 1, version 1");
    assert!(refused.contains("does not grant write"), "{refused}");
}

#[test]
fn a_rehearsal_remembers_nothing_and_says_what_it_would() {
    let world = World::new();
    world.said(",write", "put a 1");
    let planned =
        said(world.host("plan", ",write", "put a 2\nput b 1 3\nremove a\nappend s t 1\nget a\nsamples s t 9"));
    assert_eq!(
        planned,
        [
            "done: version 2",
            "changed: `b` is of version 0, not 3: another run wrote it",
            "done: true",
            "done: ",
            "done: integer 1, version 1",
            "done: ",
        ]
    );
    assert_eq!(world.said("", "get a\nsubjects s"), ["done: integer 1, version 1", "done: "]);
}

#[test]
fn what_is_too_much_is_refused_and_nothing_of_it_is_kept() {
    let world = World::new();
    let long = "x".repeat(513);
    let script =
        format!("put {long} 1\nput-text a 65537\nput a NaN\nappend s t 1 NaN\nappend  t 1\nsamples s t 9\nkeys ");
    let said = world.said(",write", &script);
    let kinds: Vec<_> = said.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(kinds, ["invalid", "invalid", "invalid", "invalid", "invalid", "done", "done"], "{said:?}");
    assert_eq!(said.last().unwrap(), "done: ");
    // Of one series, the newest stay.
    world.said(",write", "append-many s 9999\nappend s  1 2 3");
    assert_eq!(world.said("", "count s "), ["done: 10000 samples, Some((2.0, 3.0))"]);
    let over = said_over(&world);
    assert!(over.contains("a budget of 2 entries"), "{over}");
    let full = world.said(",write", "put-many 10001\nkeys key-1000");
    assert!(full[0].starts_with("full: task `fixture-state` keeps 10000 values"), "{full:?}");
}

fn said_over(world: &World) -> String {
    let output = world.host("run", ",write", "put a 1\nput b 1\nput c 1").args(["--budget", "memory.entries=2"]).run();
    output.stdout
}

#[test]
fn a_file_that_is_something_else_is_left_alone() {
    let world = World::new();
    let refused = |named: &str| {
        let said = world.said(",write", "put a 1\nget a");
        assert!(said.iter().all(|line| line.starts_with("unavailable: ") && line.contains(named)), "{said:?}");
    };
    let other = |statement: &str| {
        let _ = std::fs::remove_file(world.file());
        sqlite(&world.file(), statement);
    };
    other("CREATE TABLE precious (a)");
    refused("is a database of something else");
    other("PRAGMA application_id = 1416131444; PRAGMA user_version = 9");
    refused("is of version 9; this host knows 1");
    std::fs::write(world.file(), "no database at all, and a long enough text to be read as a header of one").unwrap();
    refused("file is not a database");
    std::fs::remove_file(world.file()).unwrap();
    std::fs::create_dir(world.file()).unwrap();
    refused("unable to open database file");
}

/// Runs statements on a database of no one's.
fn sqlite(path: &Path, statements: &str) {
    use sqlx::{ConnectOptions as _, Executor as _};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = options.connect().await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(statements)).await.unwrap();
    });
}

#[test]
fn what_is_remembered_can_be_read_by_people() {
    let world = World::new();
    world.said(",write", "put size 7\nput seen true\nappend bytes orders 1 2.5");
    let shown = |form: &[&str]| host().arg("state").arg(world.file()).args(form.iter().copied()).run().expect_code(0);
    let text = shown(&[]).stdout;
    for part in ["fixture-state", "size", "7", "orders", "2.5", "2 samples", "version 1"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let list = shown(&["--format", "json"]).json();
    assert_eq!(list.pointer("/1/name").unwrap(), "size");
    assert!(shown(&["--task", "other"]).stdout.contains("nothing is remembered"), "{text}");
    let missing = host().args(["state", "/no/such.db"]).run().expect_code(3);
    assert!(missing.stderr.contains("there is no state file /no/such.db"), "{missing}");
}
