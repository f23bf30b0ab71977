//! However a run ends, nothing stays open behind it: no transaction, no session, no statement that goes on.

use std::time::Duration;

use serde_json::{Value, json};
use taskhost_tests::{Database, mariadb, postgres};

use crate::script::{Bound, bound, sqlite, wait_for};

/// A real server, and how its sessions are counted.
struct Server {
    database: Database,
    bound: Bound,
    sessions: String,
    sleeping: &'static str,
}

const SETTINGS: &str = ",write,table=t";

/// Both servers, each with a table of three rows.
async fn servers() -> [Server; 2] {
    let (postgres, mariadb) = (postgres().await, mariadb().await);
    for server in [&postgres, &mariadb] {
        server.execute(&["CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2), (3)"]).await;
    }
    let sessions = [
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            .to_owned(),
        format!(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND id <> CONNECTION_ID()",
            mariadb.name()
        ),
    ];
    // Long, and by nothing but harmless functions.
    let sleeping = [
        "SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000) b",
        "SELECT COUNT(*) FROM seq_1_to_1000000000 a, seq_1_to_1000 b WHERE a.seq + b.seq < 0",
    ];
    let mut parts =
        [postgres, mariadb].into_iter().zip(sessions).zip(sleeping).map(|((database, sessions), sleeping)| {
            let bound = bound(database.url(), SETTINGS);
            Server { database, bound, sessions, sleeping }
        });
    [parts.next().unwrap(), parts.next().unwrap()]
}

impl Server {
    async fn rows(&self) -> i64 {
        self.database.number("SELECT count(*) FROM t").await
    }

    async fn sessions(&self) -> i64 {
        self.database.number(&self.sessions).await
    }

    /// The session of a run that has ended is gone, or soon will be.
    async fn expect_no_session(&self) {
        wait_for("no session is left", async || self.sessions().await == 0).await;
    }
}

fn in_transaction(last: &[Value]) -> Value {
    let first = [
        json!({"do": "begin", "as": "x"}),
        json!({"do": "execute", "on": "x", "text": "DELETE FROM t WHERE id = 1"}),
        json!({"do": "query", "on": "x", "text": "SELECT count(*) FROM t"}),
    ];
    Value::Array([&first[..], last].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_kept_when_it_is_committed_and_else_taken_back() {
    let file = sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)").await;
    let [postgres, mariadb] = servers().await;
    for bound in [bound(file.url(), SETTINGS), postgres.bound.clone(), mariadb.bound.clone()] {
        let count = json!({"do": "query", "text": "SELECT count(*) FROM t"});
        for (name, last, left) in [
            ("rolled back", vec![json!({"do": "rollback", "on": "x"}), count.clone()], 3),
            ("dropped", vec![json!({"do": "drop", "on": "x"}), count.clone()], 3),
            (
                "after an error",
                vec![
                    json!({"do": "execute", "on": "x", "text": "INSERT INTO t VALUES (2)"}),
                    json!({"do": "rollback", "on": "x"}),
                    count.clone(),
                ],
                3,
            ),
            (
                "used up",
                vec![
                    json!({"do": "rollback", "on": "x"}),
                    json!({"do": "execute", "on": "x", "text": "DELETE FROM t"}),
                    count.clone(),
                ],
                3,
            ),
            ("committed", vec![json!({"do": "commit", "on": "x"}), count.clone()], 2),
        ] {
            let planned = bound.plan(&in_transaction(&last));
            assert_eq!(planned.answers[2].text, "integer:2", "{name}: {}", planned.output);
            assert_eq!(planned.answers.last().unwrap().text, "integer:3", "{name}, rehearsed");
            let run = bound.run(&in_transaction(&last));
            assert_eq!(run.answers[1].text, "1", "{name}: {}", run.output);
            assert_eq!(run.answers[2].text, "integer:2", "{name}: a transaction sees what it did");
            assert_eq!(run.answers.last().unwrap().text, format!("integer:{left}"), "{name}");
        }
        // Handles that are still open when the run returns.
        bound
            .run(&json!([
                {"do": "begin", "as": "y"},
                {"do": "execute", "on": "y", "text": "DELETE FROM t"},
            ]))
            .expect_ok();
        assert_eq!(bound.one(count).text, "integer:2");
    }
    postgres.expect_no_session().await;
    mariadb.expect_no_session().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_takes_the_transaction_back() {
    let file = sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)").await;
    let steps = in_transaction(&[json!({"do": "trap"})]);
    assert_eq!(bound(file.url(), SETTINGS).run(&steps).outcome(), "trapped");
    assert_eq!(file.number("SELECT count(*) FROM t").await, 3);
    for server in servers().await {
        let run = server.bound.run(&steps);
        assert_eq!(run.outcome(), "trapped", "{}", run.output);
        assert_eq!(server.rows().await, 3);
        server.expect_no_session().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_timed_out_leaves_no_transaction_and_no_statement() {
    for server in servers().await {
        let bound = server.bound.clone().args(&["--timeout", "2s"]);
        for last in [
            json!({"do": "sleep", "milliseconds": 60_000}),
            json!({"do": "query", "on": "x", "text": server.sleeping}),
            json!({"do": "query", "text": server.sleeping}),
        ] {
            let run = bound.run(&in_transaction(std::slice::from_ref(&last)));
            assert_eq!(run.outcome(), "timed-out", "{last}: {}", run.output);
            // The host had ended; a server notices a session's end a moment later.
            server.expect_no_session().await;
            assert_eq!(server.rows().await, 3, "{last}");
        }
    }
    let file = sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)").await;
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let run = bound(file.url(), SETTINGS)
        .args(&["--timeout", "2s"])
        .run(&in_transaction(&[json!({"do": "query", "on": "x", "text": endless})]));
    assert_eq!(run.outcome(), "timed-out", "{}", run.output);
    assert_eq!(file.number("SELECT count(*) FROM t").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_leaves_no_transaction_and_no_statement() {
    for server in servers().await {
        let process =
            server.bound.spawn(&in_transaction(&[json!({"do": "query", "on": "x", "text": server.sleeping})]));
        wait_for("the statement runs", async || server.sessions().await > 0).await;
        process.interrupt();
        let output = process.wait();
        assert_eq!(output.json()["run"]["outcome"], "cancelled", "{output}");
        server.expect_no_session().await;
        assert_eq!(server.rows().await, 3);
    }
}

/// MariaDB notices that its client is gone when it next writes to it: until then a statement has the grant's time.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_leaves_no_transaction_and_no_statement() {
    for server in servers().await {
        let bound = bound(server.database.url(), &format!("{SETTINGS},statement-timeout=5s"));
        for last in
            [json!({"do": "sleep", "milliseconds": 60_000}), json!({"do": "query", "on": "x", "text": server.sleeping})]
        {
            let process = bound.spawn(&in_transaction(&[last]));
            wait_for("the transaction is open", async || server.sessions().await > 0).await;
            process.kill_hard();
            server.expect_no_session().await;
            assert_eq!(server.rows().await, 3);
        }
    }
}

/// Rows that nobody reads on hold a connection; another call gets one of its own.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_let_go_end_their_statement() {
    for server in servers().await {
        let run = server.bound.run(&json!([
            {"do": "leave", "text": "SELECT a.id FROM t a, t b, t c, t d, t e, t f, t g, t h, t i, t j", "as": "rows"},
            {"do": "query", "text": "SELECT count(*) FROM t"},
            {"do": "drop", "on": "rows"},
            {"do": "query", "text": "SELECT count(*) FROM t"},
            {"do": "begin", "as": "x"},
            {"do": "leave", "on": "x", "text": "SELECT a.id FROM t a, t b, t c, t d, t e, t f, t g, t h, t i, t j", "as": "rows"},
            {"do": "drop", "on": "rows"},
            {"do": "execute", "on": "x", "text": "DELETE FROM t WHERE id = 3"},
            {"do": "rollback", "on": "x"},
        ]));
        assert_eq!(run.answers[1].text, "integer:3", "{}", run.output);
        assert_eq!(run.answers[3].text, "integer:3");
        assert_eq!(run.outcome(), "ok", "{}", run.output);
        server.expect_no_session().await;
        assert_eq!(server.rows().await, 3);
    }
}

/// Nothing of a run may be waited for longer than this.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_soon_after_its_time() {
    for server in servers().await {
        let begun = std::time::Instant::now();
        let steps = json!([{"do": "query", "text": server.sleeping}]);
        server.bound.clone().args(&["--timeout", "1s"]).run(&steps);
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }
}
