//! Throw-away databases: real dumps come back in them, nothing leaves them, and they go however their run ends.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sqlx::Connection as _;
use taskhost_tests::{Database, mariadb, postgres};

use crate::script::{Bound, Run, bound, sqlite, wait_for};

const PREFIX: &str = "taskhost_scratch_";

// As the servers' own tools wrote them.
const POSTGRES_DUMP: &str = include_str!("../../../host/src/capability/sql/testdata/pg_dump.sql");
const POSTGRES_INSERTS: &str = include_str!("../../../host/src/capability/sql/testdata/pg_dump_inserts.sql");
const MARIADB_DUMP: &str = include_str!("../../../host/src/capability/sql/testdata/mariadb-dump.sql");
const SQLITE_DUMP: &str = include_str!("../../../host/src/capability/sql/testdata/sqlite.sql");

/// A role of the test's own that may make databases: those that it makes are told from those of other tests.
async fn maker() -> (Database, url::Url) {
    let server = postgres().await;
    let role = server.role(&["ALTER ROLE {role} CREATEDB"]).await;
    (server, role)
}

async fn left(server: &Database, role: &url::Url) -> i64 {
    let owned = format!(
        "SELECT count(*) FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba \
         WHERE rolname = '{}' AND datname LIKE '{PREFIX}%'",
        role.username()
    );
    server.number(&owned).await
}

fn with_dump(dump: &str, last: &[Value]) -> Value {
    let first = [json!({"do": "scratch", "as": "s"}), json!({"do": "restore", "on": "s", "dump": dump})];
    Value::Array([&first[..], last].concat())
}

fn on_scratch(step: &str, text: &str) -> Value {
    json!({"do": step, "on": "s", "text": text})
}

#[track_caller]
fn expect_restored(run: &Run) {
    let restored = &run.answers[1];
    assert!(
        restored.kind == "ok" && !restored.text.starts_with("0 statements"),
        "{}: {}",
        restored.kind,
        restored.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn real_dumps_come_back_and_go() {
    let (server, role) = maker().await;
    for dump in [POSTGRES_DUMP, POSTGRES_INSERTS] {
        let tables = "SELECT count(*) FROM pg_stat_user_tables";
        let steps = with_dump(
            dump,
            &[
                on_scratch("query", tables),
                on_scratch("execute", "CREATE TABLE made (id int)"),
                on_scratch("execute", "INSERT INTO made VALUES (1), (2)"),
                on_scratch("query", "SELECT count(*) FROM made"),
                json!({"do": "maintain", "on": "s", "operation": {"vacuum-analyze": null}}),
                json!({"do": "discard", "on": "s"}),
            ],
        );
        // In a rehearsal a scratch database is real too, and leaves nothing either.
        for run in [bound(&role, ",scratch").run(&steps), bound(&role, ",scratch").plan(&steps)] {
            expect_restored(&run);
            assert_ne!(run.answers[2].text, "integer:0");
            assert_eq!(run.answers[5].text, "integer:2", "{}", run.output);
            run.expect_ok();
        }
    }
    assert_eq!(left(&server, &role).await, 0);

    let server = mariadb().await;
    // Triggers and routines may do whatever their role may: this one has nothing but its scratch databases.
    let mut role = server.role(&["GRANT ALL ON `taskhost\\_scratch\\_%`.* TO {role}"]).await;
    role.set_path("information_schema");
    let run = bound(&role, ",scratch").run(&with_dump(
        MARIADB_DUMP,
        &[
            on_scratch("query", "SHOW TABLES"),
            on_scratch("execute", "CREATE TABLE made (id int)"),
            on_scratch("execute", "INSERT INTO made VALUES (1), (2)"),
            on_scratch("query", "SELECT COUNT(*) FROM made"),
            json!({"do": "discard", "on": "s"}),
        ],
    ));
    expect_restored(&run);
    assert_eq!(run.answers[5].text, "integer:2", "{}", run.output);
    run.expect_ok();

    let file = sqlite("CREATE TABLE t (a)").await;
    let run = bound(file.url(), ",scratch").run(&with_dump(
        SQLITE_DUMP,
        &[
            on_scratch("query", "SELECT count(*) > 0 FROM sqlite_schema"),
            on_scratch("execute", "CREATE TABLE made (id int)"),
            json!({"do": "discard", "on": "s"}),
            json!({"do": "query", "text": "SELECT count(*) FROM sqlite_schema"}),
        ],
    ));
    expect_restored(&run);
    assert_eq!(run.answers[5].text, "integer:1", "the database itself is as it was");
    run.expect_ok();
}

/// What a hostile dump or plugin does in a scratch database stays there.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_a_scratch_database() {
    let (server, second, file) = (postgres().await, mariadb().await, sqlite("CREATE TABLE t (a)").await);
    server.execute(&["CREATE TABLE t (id int)"]).await;
    second.execute(&["CREATE TABLE t (id int)"]).await;
    let mark = format!("/tmp/{}", server.name());
    let away = second.name().to_owned();
    for (target, dumps, statements) in [
        (
            server.url().to_string(),
            vec![
                format!("COPY t TO PROGRAM 'touch {mark}';"),
                format!("\\! touch {mark}\n"),
                format!("SELECT lo_export(1, '{mark}');"),
                "DO $$ BEGIN END $$;".into(),
                "ALTER SYSTEM SET work_mem = '1GB';".into(),
                "CREATE EXTENSION dblink;".into(),
                "ALTER ROLE CURRENT_USER NOSUPERUSER;".into(),
                // The administrator's functions could do anything.
                "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;".into(),
                "CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS $$ import os $$;".into(),
                "CREATE SERVER s FOREIGN DATA WRAPPER file_fdw;".into(),
                "CREATE SUBSCRIPTION s CONNECTION 'host=h' PUBLICATION p;".into(),
                "CREATE TABLESPACE x LOCATION '/tmp';".into(),
            ],
            vec![
                "SELECT pg_terminate_backend(1)".to_owned(),
                "SELECT pg_read_file('/etc/hostname')".into(),
                "SELECT set_config('a.b', 'c', false)".into(),
                "SET ROLE postgres".into(),
                "DROP DATABASE postgres".into(),
                format!("COPY (SELECT 1) TO '{mark}'"),
                "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'".into(),
                "COMMIT".into(),
            ],
        ),
        (
            second.url().to_string(),
            vec![
                format!("SELECT 1 INTO OUTFILE '{mark}';"),
                format!("INSERT INTO `{away}`.t VALUES (1);"),
                format!("USE `{away}`; INSERT INTO t VALUES (1);"),
                format!("CREATE TABLE x (id int); RENAME TABLE x TO `{away}`.x;"),
                "\\! id\n".into(),
                "INSTALL SONAME 'x';".into(),
                "SHUTDOWN;".into(),
                "LOAD DATA INFILE '/etc/hostname' INTO TABLE t;".into(),
                format!("/*!50003 CREATE TRIGGER r BEFORE INSERT ON x FOR EACH ROW DELETE FROM `{away}`.t */;"),
            ],
            vec![
                format!("DELETE FROM `{away}`.t"),
                format!("DROP TABLE `{away}`.t"),
                format!("CREATE VIEW v AS SELECT * FROM `{away}`.t"),
                format!("SELECT * FROM `{away}`.t"),
                "SELECT LOAD_FILE('/etc/hostname')".into(),
                "DROP DATABASE mysql".into(),
                "SET GLOBAL read_only = 1".into(),
            ],
        ),
        (
            file.url(),
            vec![
                format!("ATTACH '{mark}' AS other;"),
                format!("VACUUM INTO '{mark}';"),
                ".shell id\n".into(),
                "SELECT load_extension('x');".into(),
                "PRAGMA writable_schema = 1;".into(),
                "PRAGMA temp_store_directory = '/tmp';".into(),
            ],
            vec![
                format!("ATTACH '{}' AS other", file.path().display()),
                "SELECT load_extension('x')".into(),
                "PRAGMA journal_mode = WAL".into(),
                format!("VACUUM INTO '{mark}'"),
            ],
        ),
    ] {
        let database = bound(&target, ",scratch");
        let restores = dumps.iter().map(|dump| json!({"do": "restore", "on": "s", "dump": format!("{dump}\n")}));
        let runs = statements.iter().map(|text| on_scratch("execute", text));
        let steps: Vec<_> = std::iter::once(json!({"do": "scratch", "as": "s"})).chain(restores).chain(runs).collect();
        let run = database.run(&Value::Array(steps.clone()));
        assert_eq!(run.answers.len(), steps.len(), "{}", run.output);
        for (step, answer) in steps.iter().zip(&run.answers).skip(1) {
            assert_ne!(answer.kind, "ok", "{step}: {}", answer.text);
        }
    }
    assert!(!Path::new(&mark).exists());
    assert_eq!(second.number("SELECT COUNT(*) FROM t").await, 0);
    assert_eq!(
        second.number("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()").await,
        1
    );
}

/// Dropped handle, end of the run, trap, time-out, interruption.
#[tokio::test(flavor = "multi_thread")]
async fn a_scratch_database_goes_however_its_run_ends() {
    let (server, role) = maker().await;
    let database = bound(&role, ",scratch");
    let hanging = json!([
        {"do": "scratch", "as": "s"},
        {"do": "restore", "on": "s", "dump": "CREATE TABLE t (id int);\n", "hang": true},
    ]);
    let trap = with_dump("CREATE TABLE t (id int);\n", &[json!({"do": "trap"})]);
    for (name, run, outcome) in [
        ("dropped", database.run(&with_dump("", &[json!({"do": "drop", "on": "s"})])), "ok"),
        ("left open", database.run(&with_dump("CREATE TABLE t (id int);\n", &[])), "ok"),
        ("trapped", database.run(&trap), "trapped"),
        ("timed out", database.clone().args(&["--timeout", "2s"]).run(&hanging), "timed-out"),
    ] {
        assert_eq!(run.outcome(), outcome, "{name}: {}", run.output);
        assert_eq!(left(&server, &role).await, 0, "{name}");
    }
    let process = database.spawn(&hanging);
    wait_for("the restore is under way", async || left(&server, &role).await == 1).await;
    process.interrupt();
    assert_eq!(process.wait().json()["run"]["outcome"], "cancelled");
    assert_eq!(left(&server, &role).await, 0, "interrupted");
}

/// A host that is killed in the middle of a restore leaves its scratch database to the next; one that lives keeps its.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_host_left_is_dropped_by_the_next_and_nothing_else() {
    let hanging =
        |dump: &str| json!([{"do": "scratch", "as": "s"}, {"do": "restore", "on": "s", "dump": dump, "hang": true}]);
    let dump = "CREATE TABLE t (id int);\nINSERT INTO t VALUES (1);\n";
    let short = json!([{"do": "scratch", "as": "s"}, {"do": "discard", "on": "s"}]);

    let (server, role) = maker().await;
    let database = bound(&role, ",scratch");
    let killed = database.spawn(&hanging(dump));
    wait_for("the first restore is under way", async || left(&server, &role).await == 1).await;
    let living = database.spawn(&hanging(dump));
    wait_for("the second restore is under way", async || left(&server, &role).await == 2).await;
    killed.kill_hard();
    let sessions = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = '{}' AND application_name LIKE '{PREFIX}%'",
        role.username()
    );
    wait_for("the server noticed", async || server.number(&sessions).await == 1).await;
    let open = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = '{}' AND xact_start IS NOT NULL AND \
        datname NOT IN (SELECT application_name FROM pg_stat_activity)",
        role.username()
    );
    wait_for("no transaction is open", async || server.number(&open).await == 0).await;
    assert_eq!(left(&server, &role).await, 2);
    database.run(&short).expect_ok();
    assert_eq!(left(&server, &role).await, 1, "the one of the living host is kept, the other is gone");
    living.interrupt();
    living.wait();
    assert_eq!(left(&server, &role).await, 0);

    let server = mariadb().await;
    let role = server.role(&["GRANT ALL ON *.* TO {role}"]).await;
    let database = bound(&role, ",scratch");
    let killed = database.spawn(&hanging(dump));
    wait_for("a scratch database is made", async || held(&server, &role).await.len() == 1).await;
    let made = held(&server, &role).await.remove(0);
    let living = database.spawn(&hanging(dump));
    wait_for("another is made", async || held(&server, &role).await.len() == 2).await;
    let kept = held(&server, &role).await.into_iter().find(|name| *name != made).unwrap();
    killed.kill_hard();
    let there = async |name: &str| {
        let ask = format!("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = '{name}'");
        server.number(&ask).await == 1
    };
    wait_for("the left one is swept away", async || {
        database.run(&short).expect_ok();
        !there(&made).await
    })
    .await;
    assert!(there(&kept).await, "the one of the living host is kept");
    living.interrupt();
    living.wait();
    assert!(!there(&kept).await);

    let file = sqlite("CREATE TABLE t (a)").await;
    let temporary = tempfile::tempdir().unwrap();
    let on_file = |steps: &Value| host_with_temporary(&bound(file.url(), ",scratch"), steps, temporary.path());
    let directories = || -> Vec<PathBuf> {
        std::fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let killed = on_file(&hanging(dump)).spawn();
    wait_for("the restore is under way", async || {
        directories().iter().any(|directory| directory.join("scratch.db").metadata().is_ok_and(|file| file.len() > 0))
    })
    .await;
    let made = directories().remove(0);
    let living = on_file(&hanging(dump)).spawn();
    wait_for("the other restore is under way", async || directories().len() == 2).await;
    let kept = directories().into_iter().find(|directory| *directory != made).unwrap();
    wait_for("the other has its lock", async || kept.join("scratch.db").exists()).await;
    killed.kill_hard();
    assert!(made.exists());
    on_file(&short).run().expect_code(0);
    assert_eq!(directories(), [kept]);
    living.interrupt();
    living.wait();
    assert!(directories().is_empty());
}

fn host_with_temporary(bound: &Bound, steps: &Value, temporary: &Path) -> taskhost_tests::Host {
    bound.host("run", steps).env("TMPDIR", temporary.to_str().unwrap())
}

/// The scratch databases that hosts hold which log in as `role`.
async fn held(server: &Database, role: &url::Url) -> Vec<String> {
    let mut connection = sqlx::MySqlConnection::connect(server.url().as_str()).await.unwrap();
    let ask = "SELECT CAST(schema_name AS CHAR) FROM information_schema.schemata s JOIN information_schema.processlist p \
        ON p.id = IS_USED_LOCK(s.schema_name) WHERE schema_name LIKE 'taskhost_scratch_%' AND p.user = ?";
    sqlx::query_scalar(ask).bind(role.username()).fetch_all(&mut connection).await.unwrap()
}

/// What is restored into what, and what is said of a dump that is cut short.
#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_is_cut_short_or_wrong_says_where() {
    let (_server, role) = maker().await;
    let cut = &POSTGRES_DUMP[..POSTGRES_DUMP.find("\n\\.\n").unwrap()];
    let run = bound(&role, ",scratch").run(&json!([
        {"do": "scratch", "as": "s"},
        {"do": "restore", "on": "s", "dump": cut},
        {"do": "restore", "on": "s", "dump": "CREATE TABLE q (id int);\nINSERT INTO missing VALUES (1);\n"},
        {"do": "restore", "dump": "CREATE TABLE q (id int);\n"},
        {"do": "scratch", "on": "s", "as": "further"},
        {"do": "discard", "on": "s"},
    ]));
    assert_ne!(run.answers[1].kind, "ok", "{}", run.answers[1].text);
    run.answers[2].expect("database 42P01", "missing");
    run.answers[3].expect("refused", "restore is for scratch databases");
    run.answers[4].expect("refused", "makes no further ones");
    assert_eq!(run.answers[5].kind, "ok");
}
