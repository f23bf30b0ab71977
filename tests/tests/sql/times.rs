//! Time-outs of statements and of locks are errors of their own kind, and name the setting that sets them.

use serde_json::json;
use sqlx::{Connection as _, Executor as _};
use taskhost_tests::{mariadb, postgres};

use crate::script::{bound, sqlite};

const SETTINGS: &str = ",write,maintain,table=t,lock-timeout=1s,statement-timeout=2s";

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_timed_out() {
    let (postgres, mariadb) = (postgres().await, mariadb().await);
    let file = sqlite("CREATE TABLE t (a)").await;
    for (target, text) in [
        (
            postgres.url().to_string(),
            "SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000) b",
        ),
        (
            mariadb.url().to_string(),
            "SELECT COUNT(*) FROM seq_1_to_1000000000 a, seq_1_to_1000 b WHERE a.seq + b.seq < 0",
        ),
        (file.url(), "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"),
    ] {
        let database = bound(&target, SETTINGS);
        let run = database.run(&json!([
            {"do": "query", "text": text},
            {"do": "copy-out", "text": text},
            {"do": "query", "text": "SELECT 1"},
        ]));
        run.answers[0].expect("timed-out", "statement-timeout=");
        run.answers[1].expect("timed-out", "statement-timeout=");
        assert_eq!(run.answers[2].text, "integer:1", "{target}: the next statement has its own time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_not_had_in_time_is_timed_out() {
    let change = json!({"do": "execute", "text": "DELETE FROM t WHERE id = 1"});
    let steps = json!([
        change,
        {"do": "copy-in", "table": "t", "columns": ["id"], "data": "1\n"},
        {"do": "maintain", "operation": {"vacuum": "t"}},
    ]);
    let create = "CREATE TABLE t (id int PRIMARY KEY)";

    let server = postgres().await;
    server.execute(&[create, "INSERT INTO t VALUES (1)"]).await;
    let mut holder = sqlx::PgConnection::connect(server.url().as_str()).await.unwrap();
    holder.execute("BEGIN; LOCK TABLE t").await.unwrap();
    let run = bound(server.url(), SETTINGS).run(&steps);
    for answer in &run.answers {
        answer.expect("timed-out", "lock");
    }
    assert_eq!(run.answers.len(), 3, "{}", run.output);
    holder.close().await.unwrap();

    let server = mariadb().await;
    server.execute(&[create, "INSERT INTO t VALUES (1)"]).await;
    let mut holder = sqlx::MySqlConnection::connect(server.url().as_str()).await.unwrap();
    holder.execute("LOCK TABLE t WRITE").await.unwrap();
    let run = bound(server.url(), SETTINGS).run(&steps);
    for answer in &run.answers {
        answer.expect("timed-out", "lock-timeout=");
    }
    assert_eq!(run.answers.len(), 3, "{}", run.output);
    holder.close().await.unwrap();

    let file = sqlite(&format!("{create}; INSERT INTO t VALUES (1)")).await;
    let mut holder = file.connect().await;
    holder.execute("BEGIN EXCLUSIVE").await.unwrap();
    let mut steps = steps;
    // A SQLite file is vacuumed whole.
    steps[2] = json!({"do": "query", "text": "SELECT * FROM t"});
    let run = bound(file.url(), SETTINGS).run(&steps);
    for answer in &run.answers {
        answer.expect("timed-out", "another program holds sqlite:");
    }
    assert_eq!(run.answers.len(), 3, "{}", run.output);
    holder.close().await.unwrap();
}
