//! `table-stats` on real databases: what it names, what it leaves unsaid, and that its remedies mend it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use serde_json::Value;
use sqlx::{Connection as _, Executor as _};
use taskhost_tests::{Database, host, mariadb, postgres};

async fn stats(target: &str, arguments: &[&str]) -> Value {
    let host = host().args(["run", "table-stats", "--format=json", "--sql", &format!("database={target}")]);
    let host = host.args(arguments.iter().copied());
    tokio::task::spawn_blocking(|| host.run().report()).await.unwrap()
}

/// Subjects and titles of what is no praise, sorted.
fn complaints(report: &Value) -> Vec<String> {
    let all = report["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] != "ok");
    let text = |found: &Value, part: &str| found[part].as_str().unwrap().to_owned();
    let mut said: Vec<_> = all.map(|found| format!("{}: {}", text(found, "subject"), text(found, "title"))).collect();
    said.sort();
    said
}

#[track_caller]
fn assert_says(report: &Value, title: &str, words: &[&str]) {
    let said = |finding: &Value, word: &str| {
        ["subject", "detail", "remedy"].iter().any(|part| finding[part].as_str().unwrap_or_default().contains(word))
    };
    let mut all = report["findings"].as_array().unwrap().iter().filter(|finding| finding["title"] == title);
    assert!(all.any(|finding| words.iter().all(|word| said(finding, word))), "no `{title}` says {words:?}: {report:#}");
}

/// A session's counts reach the others' eyes soon after it ended.
async fn wait_until(database: &Database, query: &str) {
    let begun = std::time::Instant::now();
    while database.number(query).await == 0 {
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "not within 30 s: {query}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Tables that autovacuum leaves alone without being switched off.
async fn table(database: &Database, name: &str, options: &str, rows: u32) {
    let leave = "autovacuum_vacuum_threshold = 2000000000, autovacuum_vacuum_insert_threshold = -1, \
                 autovacuum_analyze_threshold = 2000000000";
    database
        .execute(&[
            &format!("CREATE TABLE {name} (id int PRIMARY KEY, n int, m int, pad text) WITH ({leave}{options})"),
            &format!("CREATE INDEX ON {name} (m)"),
            &format!("INSERT INTO {name} SELECT i, i, i, repeat('x', 100) FROM generate_series(1, {rows}) i"),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_tables_that_are_not_looked_after_are_named() {
    let database = postgres().await;
    database.execute(&["CREATE SCHEMA \"My shop\""]).await;
    for (name, options) in [
        ("\"My shop\".\"Never\"", ""),
        ("fine", ""),
        ("stale", ""),
        ("unattended", ", autovacuum_enabled = off"),
        ("rotten", ""),
        ("moved", ""),
        ("indexed", ", fillfactor = 50"),
        ("hot", ", fillfactor = 50"),
    ] {
        table(&database, name, options, 5_000).await;
    }
    let analyze = "ANALYZE fine, stale, unattended, rotten, moved, indexed, hot";
    // What a session counted may reach the others after it analyzed: first the one, then the other.
    let counted = |table: &str, what: &str| {
        format!("SELECT count(*) FROM pg_stat_user_tables WHERE relname = '{table}' AND {what}")
    };
    wait_until(&database, &counted("hot", "n_tup_ins = 5000")).await;
    database.execute(&[analyze]).await;
    database
        .execute(&[
            "UPDATE stale SET n = 0 WHERE id <= 1500",
            "DELETE FROM rotten WHERE id % 5 < 2",
            "UPDATE moved SET n = 0",
            "UPDATE indexed SET m = 0",
            "UPDATE hot SET n = 0",
            "CREATE TABLE parts (id int, n int) PARTITION BY RANGE (id)",
            "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10000) \
             WITH (autovacuum_analyze_threshold = 2000000000)",
            "INSERT INTO parts SELECT i, i FROM generate_series(1, 5000) i",
        ])
        .await;
    wait_until(&database, &counted("parts_1", "n_tup_ins = 5000")).await;
    database.execute(&["ANALYZE rotten, moved, indexed, hot, parts_1"]).await;
    wait_until(&database, &counted("parts_1", "n_mod_since_analyze = 0 AND last_analyze IS NOT NULL")).await;
    let target = database.url().to_string();
    let arguments = ["dead-percent=40", "min-updates=5000", "hot-percent=60"];
    let report = stats(&target, &arguments).await;
    let expected = [
        "My shop.Never: never analyzed",
        "public.indexed: few updates are HOT",
        "public.indexed: many rows are dead",
        "public.moved: few updates are HOT",
        "public.moved: many rows are dead",
        "public.parts: never analyzed",
        "public.rotten: many rows are dead",
        "public.stale: its statistics are stale",
        "public.unattended: autovacuum is off for this table",
    ];
    let said = complaints(&report);
    // An update leaves a dead row whether it was HOT or not, until a page is looked at again.
    let said: Vec<_> = said.iter().filter(|said| *said != "public.hot: many rows are dead").collect();
    assert_eq!(said, expected, "{report:#}");
    assert_says(&report, "never analyzed", &["\"My shop\".\"Never\"", "5,000 rows"]);
    assert_says(&report, "never analyzed", &["autovacuum analyzes the parts and never the parent"]);
    assert_says(&report, "few updates are HOT", &["public.indexed", "fillfactor is 50"]);
    assert_says(&report, "rows and changes", &["public.stale", "1,500 updated"]);
    let hot = report["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .find(|metric| metric["name"] == "table_hot_percent" && metric["subject"] == "public.hot");
    assert!(hot.unwrap()["value"].as_f64().unwrap() > 90.0, "{hot:?}");

    // The remedies that are statements mend it.
    for finding in report["findings"].as_array().unwrap() {
        let remedy = finding["remedy"].as_str().unwrap_or_default();
        if ["analyze ", "vacuum ", "alter table "].iter().any(|word| remedy.starts_with(word))
            && finding["title"] != "few updates are HOT"
        {
            database.execute(&[remedy]).await;
        }
    }
    wait_until(&database, "SELECT count(*) FROM pg_stat_user_tables WHERE relname = 'rotten' AND n_dead_tup = 0").await;
    let after = complaints(&stats(&target, &arguments).await);
    assert!(after.iter().all(|said| said.ends_with("few updates are HOT")), "{after:#?}");

    // Counters that were set back do not make a table one that was never analyzed.
    database.execute(&["SELECT pg_stat_reset()"]).await;
    let reset = stats(&target, &["min-rows=1"]).await;
    assert!(!complaints(&reset).iter().any(|said| said.contains("never analyzed")), "{reset:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_rows_that_are_not_frozen_and_what_a_role_does_not_see() {
    let database = postgres().await;
    table(&database, "old", ", autovacuum_freeze_max_age = 100000", 2_000).await;
    database.execute(&["ANALYZE old"]).await;
    // No autovacuum freezes what this may still see.
    let mut holder = sqlx::PgConnection::connect(database.url().as_str()).await.unwrap();
    holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM old").await.unwrap();
    let burn = "DO $$ BEGIN FOR i IN 1..126000 LOOP PERFORM txid_current(); COMMIT; END LOOP; END $$";
    database.execute(&[burn]).await;
    let target = database.url().to_string();
    let report = stats(&target, &[]).await;
    assert_says(
        &report,
        "its rows are not frozen in time",
        &["public.old", "autovacuum should have frozen it at 100,000"],
    );
    holder.execute("ROLLBACK").await.unwrap();
    database.execute(&["VACUUM (FREEZE) old"]).await;
    assert_eq!(complaints(&stats(&target, &[]).await), [""; 0]);

    database
        .execute(&["CREATE TABLE hidden WITH (autovacuum_enabled = off) AS SELECT generate_series(1, 5000) i"])
        .await;
    wait_until(&database, "SELECT count(*) FROM pg_stat_user_tables WHERE relname = 'hidden' AND n_live_tup = 5000")
        .await;
    let role = database.role(&[]).await;
    let report = stats(role.as_str(), &[]).await;
    assert_says(&report, "never analyzed", &["public.hidden", "this role sees no statistics"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_statistics_that_are_missing_stale_or_old_are_named() {
    let database = mariadb().await;
    let shape = "(id int PRIMARY KEY, a int, KEY (a)) ENGINE InnoDB";
    for (name, options) in
        [("fine", ""), ("never", ""), ("stale", " STATS_AUTO_RECALC=0"), ("old", ""), ("memory", " STATS_PERSISTENT=0")]
    {
        database
            .execute(&[
                &format!("CREATE TABLE {name} {shape}{options}"),
                &format!("INSERT INTO {name} SELECT seq, seq % 10 FROM seq_1_to_5000"),
            ])
            .await;
    }
    let kept = |change: &str, table: &str| {
        format!("{change} WHERE database_name = '{}' AND table_name = '{table}'", database.name())
    };
    database.execute(&["ANALYZE TABLE fine", "ANALYZE TABLE never", "ANALYZE TABLE old"]).await;
    database
        .execute(&[
            &kept("DELETE FROM mysql.innodb_table_stats", "never"),
            &kept("UPDATE mysql.innodb_table_stats SET last_update = now() - INTERVAL 40 DAY", "old"),
            "UPDATE old SET a = 11 WHERE id = 7",
        ])
        .await;
    let target = database.url().to_string();
    let report = stats(&target, &[]).await;
    let expected = ["never: never analyzed", "old: its statistics are old", "stale: its statistics are stale"];
    assert_eq!(complaints(&report), expected, "{report:#}");
    assert_says(&report, "its statistics are stale", &["the planner reckons with 0 rows", "stats_auto_recalc=0"]);
    assert_says(&report, "its statistics are old", &["40 d"]);
    for finding in report["findings"].as_array().unwrap() {
        if let Some(remedy) = finding["remedy"].as_str() {
            database.execute(&[remedy]).await;
        }
    }
    assert_eq!(complaints(&stats(&target, &[]).await), [""; 0]);

    let select = format!("GRANT SELECT ON {}.* TO {{role}}", database.name());
    let role = database.role(&[&select]).await;
    let report = stats(role.as_str(), &[]).await;
    assert_says(&report, "may not be read", &["grant select on mysql.innodb_table_stats to", role.username()]);
    assert_eq!(complaints(&report).len(), 1, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_statistics_that_are_missing_or_stale_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let fill = |table: &str, rows: u32| {
        let all = format!("WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) ");
        sqlx::AssertSqlSafe(format!("{all} INSERT INTO \"{table}\" SELECT i, i % 7 FROM n"))
    };
    for name in ["T t", "u", "plain"] {
        connection.execute(sqlx::AssertSqlSafe(format!("CREATE TABLE \"{name}\" (a, b)"))).await.unwrap();
        connection.execute(fill(name, 5_000)).await.unwrap();
    }
    connection.execute("CREATE INDEX t_a ON \"T t\" (a); CREATE INDEX u_a ON u (a)").await.unwrap();
    let target = format!("sqlite:{}", path.display());
    let report = stats(&target, &[]).await;
    assert_eq!(complaints(&report), ["sqlite_stat1: never analyzed"], "{report:#}");
    connection.execute("ANALYZE").await.unwrap();
    assert_eq!(complaints(&stats(&target, &[]).await), [""; 0]);

    connection.execute(fill("T t", 5_000)).await.unwrap();
    connection.execute("CREATE INDEX u_b ON u (b)").await.unwrap();
    let report = stats(&target, &[]).await;
    assert_eq!(complaints(&report), ["T t: its statistics are stale", "u: never analyzed"], "{report:#}");
    assert_says(&report, "never analyzed", &["there are no statistics of u_b"]);
    assert_says(&report, "its statistics are stale", &["with 5,000 rows, and there are 10,000 now"]);
    for finding in report["findings"].as_array().unwrap() {
        if let Some(remedy) = finding["remedy"].as_str() {
            connection.execute(sqlx::AssertSqlSafe(remedy.to_owned())).await.unwrap();
        }
    }
    assert_eq!(complaints(&stats(&target, &[]).await), [""; 0]);
}
