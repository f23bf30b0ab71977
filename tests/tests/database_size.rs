//! `database-size` on real databases: what it measures, what it remembers, and what it foretells.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use std::path::Path;

use serde_json::Value;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use taskhost_tests::{host, mariadb, postgres};

/// A run on that database that remembers in the directory, or does not.
fn sized(target: &str, memory: Option<&Path>, arguments: &[&str]) -> Value {
    let host = host().args(["run", "database-size", "--format=json", "--sql", &format!("database={target}")]);
    let host = host.args(arguments.iter().copied());
    let host = match memory {
        Some(directory) => host.args(["--state", &format!("memory={},write", directory.join("state.db").display())]),
        None => host,
    };
    host.run().report()
}

fn metric(report: &Value, name: &str, subject: &str) -> Option<f64> {
    let metrics = report["metrics"].as_array().unwrap();
    let found = metrics.iter().find(|metric| metric["name"] == name && metric["subject"] == subject);
    found.and_then(|metric| metric["value"].as_f64())
}

fn titles(report: &Value) -> Vec<(String, String)> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| (text(finding, "severity"), text(finding, "title"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_names_tables_with_their_indexes_and_what_grew() {
    let database = postgres().await;
    database
        .execute(&[
            "CREATE SCHEMA shop",
            "CREATE TABLE shop.orders (id int PRIMARY KEY, note text)",
            "INSERT INTO shop.orders SELECT g, repeat('x', 200) FROM generate_series(1, 5000) g",
            "CREATE INDEX by_note ON shop.orders (note)",
            "CREATE TABLE small (id int)",
        ])
        .await;
    let (target, memory) = (database.url().to_string(), tempfile::tempdir().unwrap());
    let first = sized(&target, Some(memory.path()), &["floor=64KiB"]);
    assert_eq!(first["run"]["outcome"], "ok", "{first:#}");
    let (table, indexes) =
        (metric(&first, "table_bytes", "shop.orders").unwrap(), metric(&first, "index_bytes", "shop.orders").unwrap());
    assert!(table > 1_000_000.0 && indexes > 100_000.0, "{table} {indexes}");
    let largest = first["findings"][0]["detail"].as_str().unwrap().lines().next().unwrap().to_owned();
    assert!(largest.starts_with("shop.orders: ") && largest.contains(", the largest "), "{largest}");
    assert!(metric(&first, "table_bytes", "public.small").is_some());

    database.execute(&["INSERT INTO shop.orders SELECT g, repeat('y', 200) FROM generate_series(5001, 20000) g"]).await;
    let second = sized(&target, Some(memory.path()), &["floor=64KiB", "top=1"]);
    let grew =
        second["findings"].as_array().unwrap().iter().filter(|found| found["title"] == "it grew more than usual");
    let grew: Vec<_> = grew.map(|found| found["subject"].as_str().unwrap()).collect();
    assert!(grew.contains(&"shop.orders"), "{second:#}");
    assert_eq!(metric(&second, "table_bytes", "public.small"), None, "the largest alone");
    assert!(second["summary"].as_str().unwrap().contains(" more since the last run"), "{second:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_adds_up_its_tables() {
    let database = mariadb().await;
    database
        .execute(&[
            "CREATE TABLE orders (id int PRIMARY KEY, note varchar(300), KEY by_note (note(50)))",
            "INSERT INTO orders SELECT seq, REPEAT('x', 250) FROM seq_1_to_5000",
            "ANALYZE TABLE orders",
            "CREATE VIEW nothing AS SELECT 1",
        ])
        .await;
    let report = sized(database.url().as_str(), None, &[]);
    assert_eq!(report["run"]["outcome"], "ok", "{report:#}");
    assert!(metric(&report, "table_bytes", "orders").unwrap() > 1_000_000.0, "{report:#}");
    assert!(metric(&report, "index_bytes", "orders").unwrap() > 0.0, "{report:#}");
    assert_eq!(metric(&report, "table_bytes", "nothing"), None);
}

/// Makes a SQLite file of about so many KiB.
async fn file(path: &Path, kibibytes: u32) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    connection.execute("CREATE TABLE IF NOT EXISTS t (a)").await.unwrap();
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {kibibytes}) \
         INSERT INTO t SELECT zeroblob(1000) FROM n"
    );
    connection.execute(sqlx::AssertSqlSafe(fill)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_foretells_when_it_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    file(&path, 1000).await;
    let target = format!("sqlite:{}", path.display());
    let run = |arguments: &[&str]| sized(&target, Some(directory.path()), arguments);
    assert_eq!(titles(&run(&["limit=10MiB"])), [], "one run foretells nothing");
    let full = run(&["limit=900KiB"]);
    assert_eq!(titles(&full), [("critical".to_owned(), "the limit is reached".to_owned())], "{full:#}");

    // As if it had grown by a hundredth of a MiB a day for twenty days.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(directory.path().join("state.db"));
    let mut state = options.connect().await.unwrap();
    let days = "INSERT INTO samples (task, series, subject, at, value) SELECT 'database-size', 'bytes', '', \
                unixepoch() - (21 - i) * 86400, 1000000 - (21 - i) * 10000 FROM \
                (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) SELECT i FROM n)";
    state.execute("DELETE FROM samples").await.unwrap();
    state.execute(days).await.unwrap();
    state.close().await.unwrap();

    let near = run(&["limit=1200KiB"]);
    assert_eq!(titles(&near), [("warning".to_owned(), "it will reach its limit".to_owned())], "{near:#}");
    let growth = metric(&near, "database_growth_bytes_per_day", "app.db").unwrap();
    assert!((9_000.0..16_000.0).contains(&growth), "{growth}");
    assert!(near["summary"].as_str().unwrap().contains(" more since the last run, 1.2 MiB in "), "{near:#}");
    assert_eq!(titles(&run(&["limit=100MiB"])), [], "years away");
}
