//! Typed upkeep: done on each dialect, only looked at in a rehearsal, held to the granted tables, its names quoted.

use serde_json::{Value, json};
use taskhost_tests::{mariadb, postgres};

use crate::script::{bound, sqlite, wait_for};

fn maintain(operation: Value) -> Value {
    json!({"do": "maintain", "operation": operation})
}

/// A name that closes the quotes of each dialect, and goes on.
const EVIL: &str = "t\"`]; DROP TABLE kept; --";

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_kept_up() {
    const DONE: &str = "SELECT vacuum_count + analyze_count FROM pg_stat_user_tables WHERE relname = 't'";
    let server = postgres().await;
    server
        .execute(&[
            "CREATE TABLE t (id int PRIMARY KEY)",
            "CREATE TABLE kept (id int)",
            "CREATE INDEX \"odd \"\"index\"\"\" ON t (id)",
            &format!("CREATE TABLE \"{}\" (id int)", EVIL.replace('"', "\"\"")),
            "INSERT INTO t SELECT generate_series(1, 1000)",
            "DELETE FROM t WHERE id > 10",
        ])
        .await;
    let node = "SELECT relfilenode::bigint FROM pg_class WHERE relname = 't_pkey'";
    let (before, database) = (server.number(node).await, bound(server.url(), ",maintain"));
    let steps = json!([
        maintain(json!({"vacuum": "t"})),
        maintain(json!({"vacuum-analyze": ["public", "t"]})),
        maintain(json!({"vacuum": null})),
        maintain(json!({"analyze": "t"})),
        maintain(json!({"analyze": null})),
        maintain(json!({"reindex-table": "t"})),
        maintain(json!({"reindex-index": "odd \"index\""})),
        maintain(json!({"reindex-index-concurrently": "t_pkey"})),
        maintain(json!("checkpoint")),
        maintain(json!({"vacuum-analyze": EVIL})),
        maintain(json!({"reindex-table": EVIL})),
    ]);
    database.plan(&steps).expect_ok();
    assert_eq!((server.number(DONE).await, server.number(node).await), (0, before));
    database.run(&steps).expect_ok();
    wait_for("the statistics have it", async || server.number(DONE).await >= 5).await;
    assert_ne!(server.number(node).await, before);
    assert_eq!(server.number("SELECT count(*) FROM pg_class WHERE relname = 'kept'").await, 1);

    let wrong = json!([
        maintain(json!({"optimize": null})),
        maintain(json!({"vacuum": "missing"})),
        maintain(json!({"vacuum": "t; DROP TABLE kept"})),
        maintain(json!({"vacuum": ["public\".\"kept", "t"]})),
        maintain(json!({"reindex-index": "missing"})),
        {"do": "query", "text": "SELECT count(*) FROM kept"},
    ]);
    for run in [database.run(&wrong), database.plan(&wrong)] {
        assert_eq!(
            run.kinds(),
            ["unsupported", "database 42P01", "database 42P01", "database 42P01", "database 42704", "ok"]
        );
    }

    // Only some tables.
    let narrow = bound(server.url(), ",maintain,table=t").run(&json!([
        maintain(json!({"vacuum": "t"})),
        maintain(json!({"vacuum": "kept"})),
        maintain(json!({"analyze": null})),
        maintain(json!("checkpoint")),
        maintain(json!({"reindex-index": "t_pkey"})),
        {"do": "execute", "text": "DELETE FROM t"},
    ]));
    assert_eq!(narrow.kinds(), ["ok", "refused", "refused", "refused", "ok", "refused"]);
    narrow.answers[1].expect("refused", "add `,table=kept` to --sql");
    narrow.answers[2].expect("refused", "narrows upkeep to single tables");

    // A role that may not is told so, where the server would only warn.
    let role = server.role(&["GRANT SELECT ON t TO {role}"]).await;
    for run in [bound(&role, ",maintain").run(&steps), bound(&role, ",maintain").plan(&steps)] {
        run.answers[0].expect("database 42501", "permission denied for table t");
        run.answers[8].expect("database 42501", "CHECKPOINT");
    }
    // Whoever owns the database may vacuum its tables; until PostgreSQL 16, indexes are the table's owner's.
    let owner = server.role(&[&format!("ALTER DATABASE {} OWNER TO {{role}}", server.name())]).await;
    let both = json!([maintain(json!({"vacuum": "t"})), maintain(json!({"reindex-index-concurrently": "t_pkey"}))]);
    for run in [bound(&owner, ",maintain").run(&both), bound(&owner, ",maintain").plan(&both)] {
        assert_eq!(run.kinds(), ["ok", "database 42501"], "{}", run.output);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_is_kept_up() {
    let server = mariadb().await;
    server
        .execute(&[
            "CREATE TABLE t (id int PRIMARY KEY, a text)",
            "CREATE TABLE kept (id int)",
            &format!("CREATE TABLE `{}` (id int)", EVIL.replace('`', "``")),
            "CREATE VIEW v AS SELECT * FROM t",
        ])
        .await;
    // OPTIMIZE makes the table anew.
    let made = "SELECT CAST(table_id AS SIGNED) FROM information_schema.innodb_sys_tables \
        WHERE name = CONCAT(DATABASE(), '/t')";
    let (before, database) = (server.number(made).await, bound(server.url(), ",maintain"));
    let steps = json!([
        maintain(json!({"vacuum": "t"})),
        maintain(json!({"vacuum-analyze": null})),
        maintain(json!({"analyze": "t"})),
        maintain(json!({"optimize": "t"})),
        maintain(json!({"reindex-table": "t"})),
        maintain(json!({"optimize": EVIL})),
    ]);
    database.plan(&steps).expect_ok();
    assert_eq!(server.number(made).await, before);
    database.run(&steps).expect_ok();
    assert_ne!(server.number(made).await, before);
    let wrong = json!([
        maintain(json!("checkpoint")),
        maintain(json!({"reindex-index": "PRIMARY"})),
        maintain(json!({"vacuum": "v"})),
        maintain(json!({"vacuum": "missing"})),
        maintain(json!({"vacuum": "t`; DROP TABLE kept; -- "})),
        {"do": "query", "text": "SELECT count(*) FROM kept"},
    ]);
    for run in [database.run(&wrong), database.plan(&wrong)] {
        assert_eq!(
            run.kinds(),
            ["unsupported", "unsupported", "unsupported", "database 42S02", "database 42S02", "ok"],
            "{}",
            run.output
        );
    }
    let narrow = bound(server.url(), ",maintain,table=t").run(&json!([
        maintain(json!({"optimize": "t"})),
        maintain(json!({"optimize": "kept"})),
        maintain(json!({"optimize": ["mysql", "db"]})),
        maintain(json!({"vacuum": null})),
    ]));
    assert_eq!(narrow.kinds(), ["ok", "refused", "refused", "refused"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_is_kept_up() {
    let file = sqlite(&format!(
        "CREATE TABLE t (a); CREATE INDEX \"odd\"\"index\" ON t (a); CREATE TABLE kept (a); CREATE TABLE \"{}\" (a);
        WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT hex(randomblob(50)) FROM n;
        DELETE FROM t WHERE rowid > 10",
        EVIL.replace('"', "\"\"")
    ))
    .await;
    let database = bound(file.url(), ",maintain");
    let state = || {
        let metadata = std::fs::metadata(file.path()).unwrap();
        (metadata.len(), metadata.modified().unwrap())
    };
    let before = state();
    let steps = json!([
        maintain(json!({"vacuum": null})),
        maintain(json!({"vacuum-analyze": null})),
        maintain(json!({"analyze": "t"})),
        maintain(json!({"analyze": EVIL})),
        maintain(json!({"reindex-table": "t"})),
        maintain(json!({"reindex-index": "odd\"index"})),
        maintain(json!({"reindex-table": EVIL})),
        maintain(json!("checkpoint")),
        maintain(json!({"optimize": null})),
    ]);
    database.plan(&steps).expect_ok();
    assert_eq!(state(), before);
    database.run(&steps).expect_ok();
    assert!(state().0 < before.0 / 2, "{:?} after {before:?}", state());
    assert_eq!(file.number("SELECT count(*) FROM sqlite_stat1").await, 1);
    let wrong = database.run(&json!([
        maintain(json!({"analyze": "missing"})),
        maintain(json!({"analyze": "t\"; DROP TABLE kept; --"})),
        maintain(json!({"reindex-index": "missing"})),
        {"do": "query", "text": "SELECT count(*) FROM kept"},
    ]));
    assert_eq!(wrong.kinds(), ["database 1", "database 1", "database 1", "ok"], "{}", wrong.output);
    let narrow = bound(file.url(), ",maintain,table=t").run(&json!([
        maintain(json!({"analyze": "t"})),
        maintain(json!({"analyze": "kept"})),
        maintain(json!({"vacuum": null})),
    ]));
    assert_eq!(narrow.kinds(), ["ok", "refused", "refused"]);
}

/// In the middle of rewriting a file, and of vacuuming a table.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_in_a_vacuum_harms_nothing() {
    let file = sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a);
        WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000) INSERT INTO t SELECT i, hex(randomblob(60)) FROM n;
        DELETE FROM t WHERE id % 2 = 0",
    )
    .await;
    let steps = json!([maintain(json!({"vacuum": null}))]);
    let process = bound(file.url(), ",maintain").spawn(&steps);
    // The copy goes to a rollback journal beside the file.
    let journal = file.directory.path().join("shop.db-journal");
    wait_for("the file is being written", async || journal.exists()).await;
    process.kill_hard();
    assert_eq!(file.number("SELECT count(*) FROM t").await, 200_000);
    assert_eq!(file.number("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'").await, 1);
    bound(file.url(), ",maintain").run(&steps).expect_ok();

    let server = postgres().await;
    server.execute(&["CREATE TABLE t (id int)", "INSERT INTO t SELECT generate_series(1, 300000)"]).await;
    // Slow, so that it is met half-way.
    server.execute(&[&format!("ALTER DATABASE {} SET vacuum_cost_delay = 100", server.name())]).await;
    server.execute(&["DELETE FROM t WHERE id % 2 = 0"]).await;
    let process = bound(server.url(), ",maintain").spawn(&steps);
    let busy = "SELECT count(*) FROM pg_stat_progress_vacuum WHERE datname = current_database()";
    wait_for("the vacuum runs", async || server.number(busy).await > 0).await;
    process.kill_hard();
    wait_for("the vacuum has ended", async || server.number(busy).await == 0).await;
    let sessions =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    wait_for("no session is left", async || server.number(sessions).await == 0).await;
    assert_eq!(server.number("SELECT count(*) FROM t").await, 150_000);
}
