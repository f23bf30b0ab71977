//! `index-usage` on real databases: what it calls superfluous or missing, what it never does, and that its remedies are
//! statements that work.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use serde_json::Value;
use sqlx::{Connection as _, Executor as _};
use taskhost_tests::{Database, DatabaseServer, host, mariadb, postgres};

/// Judges all indexes, however small and young.
const EAGER: [&str; 3] = ["unused-for=1s", "min-size=8KiB", "table-size=64KiB"];

async fn usage(targets: &[(&str, &str)], arguments: &[&str]) -> Value {
    let host = host().args(["run", "index-usage", "--format=json"]).args(arguments.iter().copied());
    let host = targets.iter().fold(host, |host, (slot, url)| host.args(["--sql", &format!("{slot}={url}")]));
    tokio::task::spawn_blocking(|| host.run().report()).await.unwrap()
}

/// Subjects and titles of what is no praise, sorted.
fn complaints(report: &Value) -> Vec<String> {
    let all = report["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] != "ok");
    let mut said: Vec<String> = all
        .map(|found| format!("{}: {}", found["subject"].as_str().unwrap(), found["title"].as_str().unwrap()))
        .collect();
    said.sort();
    said
}

fn remedies(report: &Value) -> Vec<String> {
    let all = report["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] != "ok");
    all.filter_map(|finding| finding["remedy"].as_str()).map(Into::into).collect()
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

/// Indexes of every kind, some of which could go.
async fn shop() -> Database {
    let database = postgres().await;
    database
        .execute(&[
            "CREATE SCHEMA \"My shop\"",
            "CREATE TABLE parent (id int PRIMARY KEY, code int UNIQUE, other int)",
            "CREATE TABLE \"My shop\".\"Order\" (id int PRIMARY KEY, a int, b int, c int, d int, e int, p int, q int, \
             note text, during int4range, \
             CONSTRAINT excl EXCLUDE USING gist (during WITH &&), \
             CONSTRAINT fk_p FOREIGN KEY (p) REFERENCES parent, \
             CONSTRAINT fk_q FOREIGN KEY (q) REFERENCES parent (code))",
            "INSERT INTO parent SELECT i, i, i FROM generate_series(1, 100) i",
            "INSERT INTO \"My shop\".\"Order\" SELECT i, i % 7, i, i, i, i, 1 + i % 100, 1 + i % 100, 'note ' || i, \
             int4range(i, i + 1) FROM generate_series(1, 5000) i",
            "CREATE INDEX used ON \"My shop\".\"Order\" (a, b)",
            "CREATE INDEX prefix ON \"My shop\".\"Order\" (a)",
            "CREATE INDEX \"Twin\" ON \"My shop\".\"Order\" (a, b)",
            "CREATE INDEX backwards ON \"My shop\".\"Order\" (a DESC, b DESC)",
            "CREATE INDEX partial ON \"My shop\".\"Order\" (a) WHERE b > 2500",
            "CREATE INDEX unused ON \"My shop\".\"Order\" (c)",
            "CREATE INDEX worked_out ON \"My shop\".\"Order\" (lower(note))",
            "CREATE INDEX brief ON \"My shop\".\"Order\" USING brin (d)",
            "CREATE UNIQUE INDEX promise ON \"My shop\".\"Order\" (d)",
            "CREATE UNIQUE INDEX identity ON \"My shop\".\"Order\" (e)",
            "ALTER TABLE \"My shop\".\"Order\" ALTER e SET NOT NULL, REPLICA IDENTITY USING INDEX identity",
            "CREATE INDEX for_p ON \"My shop\".\"Order\" (p)",
            // Parts, whose indexes hang on their parents'.
            "CREATE TABLE log (day int, text text) PARTITION BY RANGE (day)",
            "CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (100)",
            "CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM (100) TO (200)",
            "INSERT INTO log SELECT i % 200, 'x' FROM generate_series(1, 5000) i",
            "CREATE INDEX log_by_day ON log (day)",
            "CREATE INDEX log_by_text ON log (text)",
            "UPDATE parent SET other = 2",
            "ANALYZE",
            "SET enable_seqscan = off",
            "SET enable_bitmapscan = off",
            "SELECT count(*) FROM \"My shop\".\"Order\" WHERE a = 3 AND b = 3",
            "SELECT count(*) FROM \"My shop\".\"Order\" WHERE a = 3 AND b > 2500",
            "SELECT * FROM log_2 WHERE day = 150",
        ])
        .await;
    // The planner takes whichever of the twins it likes.
    let uses = "SELECT count(*) FROM pg_stat_user_indexes WHERE indexrelname = 'log_2_day_idx' AND idx_scan > 0";
    wait_until(&database, uses).await;
    database
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_names_what_could_go_and_nothing_that_keeps_a_promise() {
    let database = shop().await;
    let target = database.url().to_string();
    let report = usage(&[("database", &target)], &EAGER).await;
    let said = complaints(&report);
    for expected in [
        "My shop.Order: a foreign key has no index",
        "My shop.brief: nothing uses it",
        "My shop.prefix: a longer index does the same",
        "My shop.unused: nothing uses it",
        "My shop.worked_out: nothing uses it",
        "public.log_by_text: nothing uses it",
    ] {
        assert!(said.contains(&expected.to_owned()), "{expected} is not in {said:#?}");
    }
    let twins = said.iter().filter(|said| said.ends_with("another index is the same")).count();
    assert_eq!(twins, 2, "one of three stays: {said:#?}");
    for kept in
        ["promise", "identity", "for_p", "Order_pkey", "excl", "parent_code_key", "log_1", "log_2", "log_by_day"]
    {
        assert!(!said.iter().any(|said| said.contains(kept) && !said.contains("foreign")), "{kept}: {said:#?}");
    }
    assert_says(&report, "a foreign key has no index", &["fk_q (q) refers to public.parent", "100 rows"]);
    assert_says(&report, "nothing uses it", &["worked_out", "statistics of its expression"]);

    // The statements that a person could run, run.
    let partial_was_used =
        database.number("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'partial'").await;
    for remedy in remedies(&report) {
        let statement = remedy.split(';').next().unwrap();
        assert!(statement.starts_with("drop index ") || statement.starts_with("create index "), "{statement}");
        database.execute(&[statement]).await;
    }
    let after = usage(&[("database", &target)], &EAGER).await;
    let left = complaints(&after);
    // The new index has not been used yet, and the foreign key needs it.
    assert_eq!(left, [""; 0], "partial: {partial_was_used}, {after:#}");

    let young = usage(&[("database", &target)], &["unused-for=520w", "min-size=8KiB"]).await;
    assert_eq!(complaints(&young), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_names_invalid_indexes_and_tables_that_are_read_whole() {
    let database = postgres().await;
    database
        .execute(&[
            "CREATE TABLE t (a int, pad text)",
            "INSERT INTO t SELECT i % 100, repeat('x', 50) FROM generate_series(1, 5000) i",
            "ANALYZE t",
        ])
        .await;
    let mut connection = sqlx::PgConnection::connect(database.url().as_str()).await.unwrap();
    connection.execute("CREATE UNIQUE INDEX CONCURRENTLY never ON t (a)").await.unwrap_err();
    for _ in 0..40 {
        connection.execute("SELECT count(*) FROM t WHERE a = 7").await.unwrap();
        for _ in 0..12 {
            connection.execute("SELECT * FROM t LIMIT 1").await.unwrap();
        }
    }
    connection.close().await.unwrap();
    let scans =
        |least: u32| format!("SELECT count(*) FROM pg_stat_user_tables WHERE relname = 't' AND seq_scan >= {least}");
    wait_until(&database, &scans(520)).await;
    let target = database.url().to_string();
    let report = usage(&[("database", &target)], &EAGER).await;
    let said = complaints(&report);
    assert_eq!(said, ["public.never: it is not valid"], "mostly a LIMIT ended it: {report:#}");
    assert_says(
        &report,
        "it is not valid",
        &["every change keeps it up", "drop index concurrently \"public\".\"never\";"],
    );
    database.execute(&["SELECT count(*) FROM t WHERE a = 7"; 200]).await;
    wait_until(&database, &scans(720)).await;
    let report = usage(&[("database", &target)], &[&EAGER[..], &["scans-per-day=60"]].concat()).await;
    assert_says(&report, "it is read from end to end", &["public.t", "pg_stat_statements where query ilike '%t%'"]);
    let seldom = usage(&[("database", &target)], &[&EAGER[..], &["scans-per-day=100000"]].concat()).await;
    assert_eq!(complaints(&seldom).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_standby_uses_is_not_called_unused() {
    let server = DatabaseServer::postgres(&["wal_level = replica", "hot_standby_feedback = off"]);
    let database = server.database().await;
    database
        .execute(&[
            "CREATE TABLE t (a int, b int)",
            "INSERT INTO t SELECT i, i FROM generate_series(1, 5000) i",
            "CREATE INDEX for_reports ON t (a)",
            "CREATE INDEX for_nothing ON t (b)",
            "ANALYZE t",
        ])
        .await;
    let primary = database.url().to_string();
    let expected = ["public.for_nothing: nothing uses it", "public.for_reports: nothing uses it"];
    assert_eq!(complaints(&usage(&[("database", &primary)], &EAGER).await), expected);
    let standby = server.standby();
    let replica = standby.url_of(&database).to_string();
    let mut connection = sqlx::PgConnection::connect(&replica).await.unwrap();
    connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off").await.unwrap();
    connection.execute("SELECT b FROM t WHERE a = 7").await.unwrap();
    connection.close().await.unwrap();

    let blind = usage(&[("database", &primary)], &EAGER).await;
    assert_eq!(complaints(&blind), [""; 0], "{blind:#}");
    assert_says(&blind, "unused on the primary", &["for_nothing", "1 standby may use it", "slot `replica`"]);
    // Its own counting began when it did.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let both = usage(&[("database", &primary), ("replica", &replica)], &EAGER).await;
    assert_eq!(complaints(&both), ["public.for_nothing: nothing uses it"], "{both:#}");
    let itself = usage(&[("database", &replica)], &EAGER).await;
    assert_eq!(complaints(&itself), [""; 0]);
    assert_says(&itself, "not judged by use: this is a standby", &["bind the primary to `database`"]);
    let wrong = usage(&[("database", &primary), ("replica", &primary)], &EAGER).await;
    assert!(wrong["error"].as_str().unwrap().contains("is no standby"), "{wrong:#}");
    drop(standby);
}

const MARIADB: [&str; 6] = [
    "CREATE TABLE parent (id int PRIMARY KEY, code int, KEY by_code (code))",
    "CREATE TABLE t (id int PRIMARY KEY, a int, b int, c int, d int, p int, note varchar(100), \
     UNIQUE KEY promise (d), KEY used (a, b), KEY twin (a, b), KEY prefix (a), KEY starts (note(10)), KEY unused (c), \
     KEY by_id (id), CONSTRAINT fk FOREIGN KEY (p) REFERENCES parent (code))",
    "INSERT INTO parent SELECT seq, seq FROM seq_1_to_100",
    "INSERT INTO t SELECT seq, seq % 7, seq, seq, seq, 1 + seq % 100, CONCAT('note ', seq) FROM seq_1_to_20000",
    "ANALYZE TABLE t",
    "SELECT count(*) FROM t FORCE INDEX (used) WHERE a = 3 AND b = 3",
];

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_names_what_could_go_by_what_counts_uses() {
    for option in ["--performance-schema=on", "--userstat=1"] {
        let server = DatabaseServer::mariadb(&[option]);
        let database = server.database().await;
        database.execute(&MARIADB).await;
        // Uses count from when the table was made, in whole seconds.
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let target = database.url().to_string();
        let report =
            usage(&[("database", &target)], &["unused-for=1s", "min-size=8KiB", "scans-per-day=1000000"]).await;
        let expected = [
            "t.by_id: another index is the same",
            "t.prefix: a longer index does the same",
            "t.starts: nothing uses it",
            "t.twin: another index is the same",
            "t.unused: nothing uses it",
        ];
        assert_eq!(complaints(&report), expected, "{option} {report:#}");
        // The foreign key has its index at both ends, however little they are used.
        for remedy in remedies(&report) {
            let steps: Vec<&str> = remedy.trim_start_matches("first let nobody use it: ").split(';').collect();
            let second = steps[1].trim_start_matches(" then, when nothing got slower: ");
            database.execute(&[steps[0], second]).await;
        }
        // The server forgets a table's uses with each change of the table: they are not held against what is left.
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let after = usage(&[("database", &target)], &["unused-for=1h", "min-size=8KiB", "scans-per-day=1000000"]).await;
        assert_eq!(complaints(&after), [""; 0], "{option}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_that_counts_no_uses_says_how_and_names_what_is_superfluous() {
    let database = mariadb().await;
    database.execute(&MARIADB).await;
    let select = format!("GRANT SELECT ON {}.* TO {{role}}", database.name());
    let role = database.role(&[&select]).await;
    let report = usage(&[("database", role.as_str())], &["unused-for=1s"]).await;
    assert_says(&report, "uses of indexes are not counted", &["set global userstat = ON;"]);
    let expected = [
        "performance_schema: uses of indexes are not counted",
        "t.by_id: another index is the same",
        "t.prefix: a longer index does the same",
        // Of two whose uses are not known the later name goes.
        "t.used: another index is the same",
    ];
    assert_eq!(complaints(&report), expected, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_names_duplicates_and_foreign_keys() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    connection
        .execute(
            "CREATE TABLE p (id INTEGER PRIMARY KEY);
             CREATE TABLE \"T t\" (id INTEGER PRIMARY KEY, a TEXT, b TEXT, q INT UNIQUE, p INT REFERENCES p, r INT REFERENCES p);
             CREATE INDEX ab ON \"T t\" (a, b);
             CREATE INDEX a ON \"T t\" (a);
             CREATE INDEX a_nocase ON \"T t\" (a COLLATE NOCASE);
             CREATE INDEX again ON \"T t\" (a, b);
             CREATE INDEX some ON \"T t\" (a) WHERE b > 'x';
             CREATE INDEX some_again ON \"T t\" (a)  WHERE b > 'x';
             CREATE INDEX worked_out ON \"T t\" (lower(a));
             CREATE INDEX q_again ON \"T t\" (q);
             CREATE INDEX by_id ON \"T t\" (id);
             CREATE INDEX by_p ON \"T t\" (p);
             CREATE TABLE w (a INT PRIMARY KEY, b INT) WITHOUT ROWID;
             CREATE INDEX w_a ON w (a);",
        )
        .await
        .unwrap();
    let target = format!("sqlite:{}", path.display());
    let report = usage(&[("database", &target)], &[]).await;
    let expected = [
        "T t: a foreign key has no index",
        "a: a longer index does the same",
        "again: another index is the same",
        "by_id: another index is the same",
        "q_again: another index is the same",
        "some_again: another index is the same",
        "w_a: another index is the same",
    ];
    assert_eq!(complaints(&report), expected, "{report:#}");
    assert_says(&report, "a foreign key has no index", &["(\"r\") refers to p"]);
    for remedy in remedies(&report) {
        let statement = remedy.replace("NAME", "by_r");
        connection.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    }
    assert_eq!(complaints(&usage(&[("database", &target)], &[]).await), [""; 0]);
}
