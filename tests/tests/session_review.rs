//! `session-review` on real servers: sessions made for it, and what it says of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use serde_json::Value;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};
use taskhost_tests::{host, mariadb, postgres};

const STRICT: [&str; 4] = ["idle-in-transaction=1s", "blocking=0s", "long-statement=52w", "connections-percent=100"];

async fn reviewed(target: &str, arguments: &[&str]) -> Value {
    let host = host().args(["run", "session-review", "--format=json", "--sql", &format!("database={target}")]);
    let host = host.args(arguments.iter().copied());
    tokio::task::spawn_blocking(|| host.run().report()).await.unwrap()
}

/// Whether there is a finding of that title whose detail names the session.
fn says(report: &Value, title: &str, session: i64) -> bool {
    let named = format!("session {session} ");
    report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .any(|found| found["title"] == title && found["detail"].as_str().unwrap().contains(&named))
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_sessions_that_sleep_block_or_are_superusers_are_named() {
    let database = postgres().await;
    database.execute(&["CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)"]).await;
    let options = PgConnectOptions::from_url(&database.url()).unwrap().application_name("the-application");
    let mut sleeps = options.connect().await.unwrap();
    let sleeper: i64 = sqlx::query_scalar("SELECT pg_backend_pid()::bigint").fetch_one(&mut sleeps).await.unwrap();
    sleeps.execute("BEGIN; UPDATE t SET a = 2").await.unwrap();
    let mut waits = options.connect().await.unwrap();
    let waiter: i64 = sqlx::query_scalar("SELECT pg_backend_pid()::bigint").fetch_one(&mut waits).await.unwrap();
    let waiting = tokio::spawn(async move { waits.execute("UPDATE t SET a = length('hunter2')").await.is_ok() });

    let role = database.role(&["GRANT pg_read_all_stats TO {role}"]).await;
    // Until it has slept for a second, and the other waits.
    let begun = std::time::Instant::now();
    let report = loop {
        let report = reviewed(role.as_str(), &STRICT).await;
        if says(&report, "a transaction is open and idle", sleeper)
            && says(&report, "others wait for its locks", sleeper)
        {
            break report;
        }
        assert!(begun.elapsed() < std::time::Duration::from_mins(1), "{report:#}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    };
    assert!(says(&report, "a superuser is connected", sleeper), "{report:#}");
    let text = report.to_string();
    assert!(text.contains("(the-application)") && !text.contains("hunter2") && !text.contains("UPDATE"), "{text}");
    assert!(!says(&report, "others wait for its locks", waiter));
    let strange = reviewed(role.as_str(), &["networks=192.0.2.0/24", "connections-percent=100"]).await;
    assert_eq!(strange["run"]["outcome"], "critical", "{strange:#}");
    assert!(says(&strange, "it comes from an address that is not known", sleeper), "{strange:#}");

    // A role that may not see says what would let it.
    let blind = database.role(&[]).await;
    let report = reviewed(blind.as_str(), &STRICT).await;
    let hidden = report["findings"].as_array().unwrap().iter().find(|found| found["subject"] == "sessions").unwrap();
    assert!(hidden["remedy"].as_str().unwrap().starts_with("GRANT pg_read_all_stats TO "), "{hidden}");
    drop(sleeps);
    waiting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_sessions_that_sleep_and_block_are_named() {
    let database = mariadb().await;
    database.execute(&["CREATE TABLE t (a int PRIMARY KEY)", "INSERT INTO t VALUES (1)"]).await;
    let options = MySqlConnectOptions::from_url(&database.url()).unwrap();
    let mut sleeps = options.connect().await.unwrap();
    let id = "SELECT CAST(connection_id() AS signed)";
    let sleeper: i64 = sqlx::query_scalar(id).fetch_one(&mut sleeps).await.unwrap();
    sleeps.execute("BEGIN").await.unwrap();
    sleeps.execute("UPDATE t SET a = 2").await.unwrap();
    let mut waits = options.connect().await.unwrap();
    let waiting = tokio::spawn(async move { waits.execute("UPDATE t SET a = 3").await.is_ok() });
    let url = database.url();
    let select = format!("GRANT SELECT ON `{}`.* TO {{role}}", url.path().trim_start_matches('/'));
    let role = database.role(&[&select, "GRANT PROCESS ON *.* TO {role}"]).await;
    let begun = std::time::Instant::now();
    let report = loop {
        let report = reviewed(role.as_str(), &STRICT).await;
        if says(&report, "a transaction is open and idle", sleeper)
            && says(&report, "others wait for its locks", sleeper)
        {
            break report;
        }
        assert!(report["error"].is_null(), "{report:#}");
        assert!(begun.elapsed() < std::time::Duration::from_mins(1), "{report:#}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    };
    assert!(!report.to_string().contains("UPDATE"), "{report:#}");
    let most =
        report["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == "connections_most").unwrap();
    assert!(most["value"].as_f64().unwrap() > 10.0);
    let blind = database.role(&[&select]).await;
    let report = reviewed(blind.as_str(), &STRICT).await;
    assert!(report.to_string().contains("GRANT PROCESS ON *.*"), "{report:#}");
    drop(sleeps);
    waiting.abort();
}
