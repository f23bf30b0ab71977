//! `slow-queries` on servers that count their statements and on some that do not: what it names, what it never shows, and
//! what it says is to be done.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use std::path::Path;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, PgConnection};
use taskhost_tests::{DatabaseServer, host, mariadb};

/// A run on that database that remembers in the directory, or does not.
async fn queries(target: &str, memory: Option<&Path>, arguments: &[&str]) -> Value {
    let host = host().args(["run", "slow-queries", "--format=json", "--sql", &format!("database={target}")]);
    let host = host.args(arguments.iter().copied());
    let host = match memory {
        Some(directory) => host.args(["--state", &format!("memory={},write", directory.join("state.db").display())]),
        None => host,
    };
    tokio::task::spawn_blocking(|| host.run().report()).await.unwrap()
}

fn findings<'a>(report: &'a Value, title: &str) -> Vec<&'a Value> {
    let all = report["findings"].as_array().unwrap().iter();
    all.filter(|finding| finding["title"] == title).collect()
}

/// Asserts that one finding with that title says all of `words`, in its subject, detail or remedy.
#[track_caller]
fn assert_says(report: &Value, title: &str, words: &[&str]) {
    let said = |finding: &Value, word: &str| {
        ["subject", "detail", "remedy"].iter().any(|part| finding[part].as_str().unwrap_or_default().contains(word))
    };
    let found = findings(report, title).iter().any(|finding| words.iter().all(|word| said(finding, word)));
    assert!(found, "no `{title}` says {words:?}: {report:#}");
}

async fn repeat(connection: &mut PgConnection, statement: &str, times: u32) {
    for _ in 0..times {
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_names_what_takes_the_time_and_shows_no_value() {
    let server = DatabaseServer::postgres(&[
        "shared_preload_libraries = 'pg_stat_statements'",
        "pg_stat_statements.max = 1000",
        "pg_stat_statements.track = all",
    ]);
    let database = server.database().await;
    // Wherever the extension is.
    database
        .execute(&[
            "CREATE SCHEMA \"Stats of mine\"",
            "CREATE EXTENSION pg_stat_statements SCHEMA \"Stats of mine\"",
            "CREATE TABLE t AS SELECT i, repeat(md5(i::text), 10) AS pad FROM generate_series(1, 20000) i",
            "CREATE FUNCTION inside() RETURNS bigint LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_sleep(0.02); RETURN (SELECT count(*) FROM t WHERE i = 7); END $$",
        ])
        .await;
    let target = database.url().to_string();
    let mut connection = PgConnection::connect(&target).await.unwrap();
    repeat(&mut connection, "SELECT pg_sleep(0.3), 'hunter2' /* hunter2 */", 3).await;
    repeat(&mut connection, "SELECT i FROM t LIMIT 1", 300).await;
    repeat(&mut connection, "SELECT inside()", 4).await;
    repeat(&mut connection, "SET work_mem = '64kB'", 1).await;
    repeat(&mut connection, "SELECT count(*) FROM (SELECT * FROM t ORDER BY pad OFFSET 1) s", 3).await;
    for text in [
        "CREATE ROLE own_{} PASSWORD 'hunter2'",
        "COMMENT ON TABLE t IS 'hunter2'",
        "DO $$ BEGIN PERFORM 'hunter2'; END $$",
    ] {
        repeat(&mut connection, &text.replace("{}", database.name()), 1).await;
    }

    let strict = ["slow-ms=200", "min-calls=2", "temporary=1MiB", "min-share=0"];
    let report = queries(&target, None, &strict).await;
    assert_eq!(report["run"]["outcome"], "warning", "{report:#}");
    assert_says(&report, "slow on average", &["3 calls", "SELECT pg_sleep(?), ?"]);
    assert_says(&report, "it spills to disk", &["ORDER BY pad OFFSET ?", "to temporary files"]);
    assert_eq!(findings(&report, "slow on average").len(), 1, "{report:#}");
    let often = findings(&report, "called most")[0]["detail"].as_str().unwrap();
    assert!(often.lines().next().unwrap().contains("300 calls"), "{often}");
    let costly = findings(&report, "most time in all")[0]["detail"].as_str().unwrap();
    assert!(costly.lines().next().unwrap().contains("pg_sleep"), "{costly}");
    assert!(costly.contains(" in a function: "), "{costly}");
    let text = report.to_string();
    assert!(!text.contains("hunter2") && text.contains("track_io_timing"), "{text}");
    let hidden = queries(&target, None, &[&strict[..], &["text=false"]].concat()).await.to_string();
    assert!(!hidden.contains("pg_sleep") && !hidden.contains("OFFSET"), "{hidden}");

    // A role that may not see the others' statements is told so, and the totals hold them all the same.
    let role = database.role(&["GRANT USAGE ON SCHEMA \"Stats of mine\" TO {role}"]).await;
    let blind = queries(role.as_str(), None, &strict).await;
    assert_says(&blind, "cannot see others' statements", &["grant pg_read_all_stats to", role.username()]);
    assert!(!blind.to_string().contains("OFFSET"), "{blind:#}");
    database.execute(&[&format!("GRANT pg_read_all_stats TO {}", role.username())]).await;
    let sees = queries(role.as_str(), None, &strict).await;
    assert_says(&sees, "slow on average", &["SELECT pg_sleep(?), ?"]);
    assert_eq!(findings(&sees, "cannot see others' statements").len(), 0);
    let locked = database.role(&[]).await;
    let report = queries(locked.as_str(), None, &[]).await;
    assert_says(&report, "may not read pg_stat_statements", &["grant usage on schema \"Stats of mine\" to"]);

    // Another database of the same server has to create the extension, and its statements are its own.
    let other = server.database().await;
    let report = queries(other.url().as_str(), None, &[]).await;
    assert_says(&report, "statements are not counted", &["create extension pg_stat_statements;"]);
    other.execute(&["CREATE EXTENSION pg_stat_statements"]).await;
    let report = queries(other.url().as_str(), None, &strict).await;
    assert!(!report.to_string().contains("pg_sleep"), "{report:#}");

    other.execute(&["ALTER SYSTEM SET pg_stat_statements.track = none", "SELECT pg_reload_conf()"]).await;
    other.execute(&["ALTER SYSTEM SET compute_query_id = off", "SELECT pg_reload_conf()"]).await;
    let report = queries(other.url().as_str(), None, &[]).await;
    assert_says(&report, "statements are not counted", &["pg_stat_statements.track is none"]);
    assert_says(&report, "statements are not counted", &["compute_query_id is off"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_says_what_became_slower_and_what_was_forgotten() {
    let server =
        DatabaseServer::postgres(&["shared_preload_libraries = 'pg_stat_statements'", "pg_stat_statements.max = 200"]);
    let (database, memory) = (server.database().await, tempfile::tempdir().unwrap());
    database.execute(&["CREATE EXTENSION pg_stat_statements"]).await;
    let target = database.url().to_string();
    let mut connection = PgConnection::connect(&target).await.unwrap();
    repeat(&mut connection, "SELECT pg_sleep(0.001)", 10).await;
    let run = |arguments: &'static [&'static str]| queries(&target, Some(memory.path()), arguments);
    let first = run(&[]).await;
    assert_eq!(findings(&first, "slower than it was").len(), 0, "{first:#}");

    repeat(&mut connection, "SELECT pg_sleep(0.5)", 5).await;
    let second = run(&["regression-percent=200"]).await;
    assert_says(&second, "slower than it was", &["in 5 calls since the last run", "SELECT pg_sleep(?)"]);
    assert_eq!(findings(&second, "slower than it was").len(), 1, "{second:#}");
    // Not again for what has not been called since.
    assert_eq!(findings(&run(&[]).await, "slower than it was").len(), 0);

    // Counters that were set back are no improvement to compare with.
    repeat(&mut connection, "SELECT pg_stat_statements_reset()", 1).await;
    repeat(&mut connection, "SELECT pg_sleep(2)", 5).await;
    let reset = run(&[]).await;
    assert_says(&reset, "slower than it was", &["in 5 calls since the last run"]);
    let age = reset["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == "statistics_age").unwrap();
    assert!(age["value"].as_f64().unwrap() < 120.0, "{age}");

    for length in 2..700 {
        repeat(&mut connection, &format!("SELECT {}1", "1+".repeat(length)), 1).await;
    }
    assert_says(&run(&[]).await, "it forgets statements", &["pg_stat_statements.max"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_was_not_started_with_the_library_is_told_how() {
    let server = DatabaseServer::postgres(&["shared_preload_libraries = 'auto_explain, pg_prewarm'"]);
    let database = server.database().await;
    let target = database.url().to_string();
    let steps = "alter system set shared_preload_libraries = 'auto_explain', 'pg_prewarm', 'pg_stat_statements';";
    let report = queries(&target, None, &[]).await;
    assert_eq!(report["run"]["outcome"], "warning", "{report:#}");
    assert_says(&report, "statements are not counted", &[steps, "restart the server", "create extension"]);
    let role = database.role(&[]).await;
    let report = queries(role.as_str(), None, &[]).await;
    assert_says(&report, "statements are not counted", &["show shared_preload_libraries"]);

    database.execute(&["CREATE EXTENSION pg_stat_statements"]).await;
    let report = queries(&target, None, &[]).await;
    assert_says(&report, "statements are not counted", &[steps, "restart the server"]);
    let remedy = findings(&report, "statements are not counted")[0]["remedy"].as_str().unwrap();
    assert!(!remedy.contains("create extension"), "{remedy}");
    // What is said is done: the server starts with it.
    database.execute(&[steps.trim_end_matches(';')]).await;
    let written = database.number(
        "SELECT count(*) FROM pg_file_settings WHERE name = 'shared_preload_libraries' \
         AND setting = 'auto_explain, pg_prewarm, pg_stat_statements'",
    );
    assert_eq!(written.await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_names_what_its_digests_tell() {
    let server = DatabaseServer::mariadb(&["--performance-schema=on"]);
    let database = server.database().await;
    database
        .execute(&[
            "CREATE TABLE t (id int PRIMARY KEY, a int, b varchar(50))",
            "INSERT INTO t SELECT seq, seq % 10, 'b' FROM seq_1_to_30000",
        ])
        .await;
    let target = database.url().to_string();
    let mut connection = MySqlConnection::connect(&target).await.unwrap();
    for _ in 0..6 {
        connection.execute("SELECT count(*) FROM t WHERE b = 'hunter2'").await.unwrap();
        connection.execute("SELECT sleep(0.2), \"hunter2\"").await.unwrap();
        connection.execute("SELECT a FROM t WHERE id = 7").await.unwrap();
    }
    let strict = ["slow-ms=150", "min-share=0"];
    let report = queries(&target, None, &strict).await;
    assert_says(&report, "slow on average", &["6 calls", "`sleep` (?)"]);
    assert_says(&report, "it uses no index", &["WHERE `b` = ?", "30,000 rows are looked at"]);
    assert_eq!(findings(&report, "it uses no index").len(), 1, "{report:#}");
    assert!(!report.to_string().contains("hunter2"), "{report:#}");

    let select = format!("GRANT SELECT ON {}.* TO {{role}}", database.name());
    let role = database.role(&[&select]).await;
    let report = queries(role.as_str(), None, &strict).await;
    assert_says(&report, "may not be read", &["grant select on performance_schema.* to", role.username()]);
    let role = database.role(&[&select, "GRANT SELECT ON performance_schema.* TO {role}"]).await;
    assert_says(&queries(role.as_str(), None, &strict).await, "slow on average", &["6 calls"]);

    let off = "UPDATE performance_schema.setup_consumers SET enabled = 'NO' WHERE name = 'statements_digest'";
    database.execute(&[off]).await;
    assert_says(&queries(&target, None, &[]).await, "statements are not counted", &["set enabled = 'YES'"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_without_digests_is_told_by_its_slow_log() {
    let server = DatabaseServer::mariadb(&["--performance-schema=off", "--log-output=TABLE", "--long-query-time=0.1"]);
    let database = server.database().await;
    let target = database.url().to_string();
    let report = queries(&target, None, &[]).await;
    assert_says(&report, "statements are not counted", &["there is no slow log", "performance_schema = ON"]);
    database.execute(&["SET GLOBAL slow_query_log = ON"]).await;
    let mut connection = MySqlConnection::connect(&target).await.unwrap();
    for value in ["hunter2", "hunter3", "hunter4", "it''s", "5"] {
        connection.execute(AssertSqlSafe(format!("SELECT sleep(0.2), '{value}' -- hunter2"))).await.unwrap();
        connection.execute("SELECT 1").await.unwrap();
    }
    let report = queries(&target, None, &["slow-ms=150"]).await;
    assert_says(&report, "slow on average", &["5 calls", "SELECT sleep(?), ?"]);
    assert_says(&report, "not all statements are in it", &["0.1 s or longer"]);
    assert!(!report.to_string().contains("hunter"), "{report:#}");
    let role = database.role(&[&format!("GRANT SELECT ON {}.* TO {{role}}", database.name())]).await;
    let report = queries(role.as_str(), None, &[]).await;
    assert_says(&report, "may not be read", &["grant select on mysql.slow_log to", role.username()]);
    database.execute(&["SET GLOBAL log_output = 'FILE'"]).await;
    assert_says(&queries(&target, None, &[]).await, "statements are not counted", &["goes to the file"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_counts_nothing_says_so() {
    let database = mariadb().await;
    let report = queries(database.url().as_str(), None, &[]).await;
    assert_says(&report, "statements are not counted", &["performance_schema is off", "slow_query_log = ON"]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    sqlx::SqliteConnection::connect_with(&options).await.unwrap().execute("CREATE TABLE t (a)").await.unwrap();
    let report = queries(&format!("sqlite:{}", path.display()), None, &[]).await;
    assert_eq!(report["summary"], "SQLite keeps no statistics of statements");
    assert_eq!(report["run"]["outcome"], "ok");
}
