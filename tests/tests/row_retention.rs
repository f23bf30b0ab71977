//! `row-retention` on real databases: what it counts, what it removes batch by batch, and what it leaves.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use serde_json::Value;
use sqlx::{ConnectOptions as _, Executor as _};
use taskhost_tests::{Host, host, mariadb, postgres};

fn retention(command: &str, target: &str, table: &str, arguments: &[&str]) -> Host {
    let slot = format!("database={target},write,table={table}");
    let host = host().args([command, "row-retention", "--format=json", "pause-ms=0", "--sql", &slot]);
    host.arg(format!("table={table}")).args(arguments.iter().copied())
}

fn summary(report: &Value) -> &str {
    report["summary"].as_str().or(report["error"].as_str()).unwrap()
}

/// How many statements changed rows.
fn batches(report: &Value) -> usize {
    report["effects"].as_array().unwrap().iter().filter(|effect| effect["operation"] == "execute").count()
}

/// Rows of 100 days, one a day, and one without a time.
const POSTGRES: [&str; 2] = [
    "CREATE TABLE sessions (id serial PRIMARY KEY, created_at timestamptz, day date, at bigint)",
    "INSERT INTO sessions (created_at, day, at) SELECT now() - g * interval '1 day', current_date - g, \
     extract(epoch from now())::bigint - g * 86400 FROM generate_series(0, 99) g UNION ALL SELECT NULL, NULL, NULL",
];

#[tokio::test(flavor = "multi_thread")]
async fn postgres_loses_what_is_older_in_batches_and_nothing_in_a_plan() {
    for column in ["created_at", "at"] {
        let database = postgres().await;
        database.execute(&POSTGRES).await;
        let target = database.url().to_string();
        let arguments = [&format!("column={column}"), "older-than=30d12h", "batch=20"];
        let planned = retention("plan", &target, "sessions", &arguments).run().expect_code(0).report();
        let would = "would remove 69 rows of sessions that are older than 30 d 12 h, in 4 batches";
        assert_eq!(summary(&planned), would, "{column}");
        let before = retention("plan", &target, "sessions", &arguments).run().report();
        assert_eq!(summary(&before), would, "a plan changes nothing");
        let report = retention("run", &target, "sessions", &arguments).run().expect_code(0).report();
        assert_eq!(summary(&report), "removed 69 rows of sessions that were older than 30 d 12 h", "{column}");
        assert_eq!(batches(&report), 4);
        let again = retention("run", &target, "sessions", &arguments).run().expect_code(0).report();
        assert_eq!(summary(&again), "sessions has no rows that are older than 30 d 12 h", "{column}");
    }
}

/// Rows of two parts have the same place in each: only what matches may go.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_other_parts_of_a_table_stay() {
    let rows = "SELECT now() - interval '99 days' FROM generate_series(1, 5) UNION ALL SELECT now() FROM generate_series(1, 5)";
    for parts in [
        [
            "CREATE TABLE sessions (at timestamptz) PARTITION BY RANGE (at)",
            "CREATE TABLE early PARTITION OF sessions FOR VALUES FROM (MINVALUE) TO (now() - interval '50 days')",
            "CREATE TABLE late PARTITION OF sessions DEFAULT",
        ],
        [
            "CREATE TABLE sessions (at timestamptz)",
            "CREATE TABLE late () INHERITS (sessions)",
            "INSERT INTO late SELECT now() FROM generate_series(1, 5)",
        ],
    ] {
        let database = postgres().await;
        database.execute(&parts).await;
        database.execute(&[&format!("INSERT INTO sessions {rows}")]).await;
        let young = "SELECT count(*) FROM sessions WHERE at > now() - interval '30 days'";
        let before = database.number(young).await;
        let arguments = ["column=at", "older-than=30d", "batch=3"];
        let report = retention("run", database.url().as_str(), "sessions", &arguments).run().expect_code(0).report();
        assert!(summary(&report).starts_with("removed 5 rows"), "{report:#}");
        assert_eq!(database.number(young).await, before, "{parts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_is_as_old_as_its_midnight() {
    let database = postgres().await;
    database.execute(&POSTGRES).await;
    let arguments = ["column=day", "older-than=30d12h"];
    let report = retention("run", database.url().as_str(), "sessions", &arguments).run().expect_code(0).report();
    // By the time of day.
    assert!(["removed 69 rows", "removed 70 rows"].iter().any(|said| summary(&report).starts_with(said)), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_a_budget_and_a_grant_hold() {
    let database = postgres().await;
    database.execute(&POSTGRES).await;
    let target = database.url().to_string();
    let arguments = ["column=created_at", "older-than=30d12h", "batch=20"];
    let limited = retention("run", &target, "sessions", &[&arguments[..], &["limit=25"]].concat()).run();
    let report = limited.expect_code(1).report();
    assert_eq!(summary(&report), "removed 25 rows of sessions that were older than 30 d 12 h");
    assert_eq!(report["findings"][0]["detail"], "44 of 69 that are older than 30 d 12 h");
    let spent = retention("run", &target, "sessions", &arguments).args(["--budget", "database.rows=30"]).run();
    let report = spent.expect_code(3).report();
    assert_eq!(report["run"]["outcome"], "over-budget");
    assert!(summary(&report).starts_with("after 20 rows were removed: "), "{report:#}");
    let slot = format!("database={target},write,table=other");
    let other = host().args(["run", "row-retention", "--format=json", "table=sessions", "--sql", &slot]);
    let refused = other.args(["column=created_at", "older-than=30d"]).run().expect_code(3).report();
    assert_eq!(refused["run"]["outcome"], "refused", "{refused:#}");
    for (arguments, named) in [
        (&["column=created_at"][..], "say which rows"),
        (&["column=created_at", "older-than=1d", "parent=x"], "say which rows"),
        (&["column=nothing", "older-than=1d"], "nothing"),
    ] {
        let report = retention("run", &target, "sessions", arguments).run().expect_code(3).report();
        assert!(summary(&report).contains(named), "{report:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_locked_are_waited_for_no_longer_than_the_grant_says() {
    let database = postgres().await;
    database.execute(&POSTGRES).await;
    let mut other = sqlx::postgres::PgConnectOptions::from_url(&database.url()).unwrap().connect().await.unwrap();
    other.execute("BEGIN; UPDATE sessions SET day = day").await.unwrap();
    let target = format!("{},lock-timeout=1s", database.url());
    let slot = format!("database={target},write,table=sessions");
    let host = host().args(["run", "row-retention", "--format=json", "table=sessions", "--sql", &slot]);
    let host = host.args(["column=created_at", "older-than=30d12h"]);
    let report = tokio::task::spawn_blocking(|| host.run().expect_code(1).report()).await.unwrap();
    let titles: Vec<_> = report["findings"].as_array().unwrap().iter().map(|finding| &finding["title"]).collect();
    assert_eq!(titles, ["rows are locked", "rows are left"], "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_go_in_every_dialect_and_an_empty_parent_stops_it() {
    let statements = [
        "CREATE TABLE agents (id int PRIMARY KEY)",
        "CREATE TABLE episodes (id int PRIMARY KEY, agent_id int)",
        "INSERT INTO episodes VALUES (1, 1), (2, 2), (3, 3), (4, NULL), (5, 1)",
    ];
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let (postgres, mariadb) = (postgres().await, mariadb().await);
    postgres.execute(&statements).await;
    mariadb.execute(&statements).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut sqlite = options.connect().await.unwrap();
    for statement in statements {
        sqlite.execute(statement).await.unwrap();
    }
    let targets = [postgres.url().to_string(), mariadb.url().to_string(), format!("sqlite:{}", path.display())];
    let arguments = ["column=agent_id", "parent=agents", "batch=1"];
    for target in &targets {
        let stopped = retention("run", target, "episodes", &arguments).run().expect_code(3).report();
        assert!(summary(&stopped).contains("`agents` is empty"), "{target}: {stopped:#}");
    }
    let parent = "INSERT INTO agents VALUES (1)";
    postgres.execute(&[parent]).await;
    mariadb.execute(&[parent]).await;
    sqlite.execute(parent).await.unwrap();
    for target in &targets {
        let planned = retention("plan", target, "episodes", &arguments).run().expect_code(0).report();
        let would = "would remove 2 rows of episodes that are without their parent, in 2 batches";
        assert_eq!(summary(&planned), would, "{target}");
        let report = retention("run", target, "episodes", &arguments).run().expect_code(0).report();
        assert_eq!(summary(&report), "removed 2 rows of episodes that were without their parent", "{target}");
        let left = retention("run", target, "episodes", &arguments).run().expect_code(0).report();
        assert_eq!(summary(&left), "episodes has no rows that are without their parent", "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ages_are_told_in_mariadb_and_sqlite_too() {
    let mariadb = mariadb().await;
    mariadb
        .execute(&[
            "CREATE TABLE logs (id int PRIMARY KEY, written datetime, at bigint)",
            "INSERT INTO logs SELECT seq, now() - interval seq day, unix_timestamp() - seq * 86400 FROM seq_0_to_99",
        ])
        .await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut sqlite = options.connect().await.unwrap();
    for statement in [
        "CREATE TABLE logs (id INTEGER PRIMARY KEY, written TEXT, at INTEGER)",
        "INSERT INTO logs WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99) SELECT i, \
         strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-' || i || ' days'), unixepoch() - i * 86400 FROM n",
    ] {
        sqlite.execute(statement).await.unwrap();
    }
    for target in [mariadb.url().to_string(), format!("sqlite:{}", path.display())] {
        for (column, age, expected) in [("written", "60d12h", 39), ("at", "30d12h", 30)] {
            let (column_is, age_is) = (format!("column={column}"), format!("older-than={age}"));
            let report = retention("run", &target, "logs", &[&column_is, &age_is, "batch=25"]).run();
            let report = report.expect_code(0).report();
            let said = format!("removed {expected} rows of logs that were older than ");
            assert!(summary(&report).starts_with(&said), "{target} {column}: {report:#}");
        }
    }
}
