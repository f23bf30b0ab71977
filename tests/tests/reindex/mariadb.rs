//! MariaDB, which rebuilds an index with its table.

use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{Connection as _, Executor as _, MySqlConnection};
use taskhost_tests::{Database, mariadb};

use super::{assert_says, complaints, metric, rebuilt, reindex, report};

const EAGER: [&str; 1] = ["bloat-size=1MiB"];

/// A database with a table of which most is free.
async fn shop() -> Database {
    let database = mariadb().await;
    for (name, engine) in [("bloated", "InnoDB"), ("blocking", "MyISAM")] {
        database
            .execute(&[
                &format!(
                    "CREATE TABLE {name} (id int PRIMARY KEY, pad char(200) DEFAULT 'x', KEY (pad)) ENGINE {engine}"
                ),
                &format!("INSERT INTO {name} (id) SELECT seq FROM seq_1_to_40000"),
                &format!("DELETE FROM {name} WHERE id > 4000"),
            ])
            .await;
    }
    database.execute(&["CREATE TABLE fine (id int PRIMARY KEY)"]).await;
    // The space is free once the server has purged what was removed, which takes a moment.
    let begun = Instant::now();
    while free(&database).await < 6 << 20 {
        assert!(begun.elapsed() < Duration::from_mins(1), "the server does not purge");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    database
}

async fn free(database: &Database) -> i64 {
    let from = "SELECT cast(data_free AS signed) FROM information_schema.tables WHERE table_schema = database()";
    database.number(&format!("{from} AND table_name = 'bloated'")).await
}

async fn run(database: &Database, command: &str, words: &str, arguments: &[&str]) -> Value {
    let target = format!("{},maintain{words}", database.url());
    report(reindex(command, &target, &[&EAGER, arguments].concat())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_with_much_free_space_are_rebuilt_and_a_rehearsal_leaves_them() {
    let database = shop().await;
    // A rebuild makes the table anew.
    let made = "SELECT cast(table_id AS signed) FROM information_schema.innodb_sys_tables WHERE name = concat(database(), '/bloated')";
    let (before, first) = (free(&database).await, database.number(made).await);
    let plan = run(&database, "plan", "", &[]).await;
    assert_eq!((rebuilt(&plan), database.number(made).await), (vec!["reindex table bloated"], first), "{plan:#}");
    assert_says(&plan, "left: it would block writers", &["blocking", "indexes=blocking"]);
    let done = run(&database, "run", "", &[]).await;
    assert_eq!(rebuilt(&done), rebuilt(&plan));
    assert!(free(&database).await < before);
    let (before, after) =
        (metric(&done, "index_bytes_before", Some("bloated")), metric(&done, "index_bytes_after", Some("bloated")));
    assert!(after.unwrap() * 2.0 < before.unwrap(), "{done:#}");
    assert_eq!(database.number("SELECT count(*) FROM bloated").await, 4_000);
    assert_eq!(rebuilt(&run(&database, "run", "", &[]).await), [""; 0]);
    // Whoever names it knows that writers wait.
    assert_eq!(rebuilt(&run(&database, "run", "", &["indexes=blocking"]).await), ["reindex table blocking"]);
    let missing = run(&database, "run", "", &["indexes=PRIMARY"]).await;
    assert_says(&missing, "no such table", &["PRIMARY", "an index is rebuilt with its table"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_in_use_is_left_after_the_lock_time_out() {
    let database = shop().await;
    let mut holder = MySqlConnection::connect(database.url().as_str()).await.unwrap();
    holder.execute("START TRANSACTION").await.unwrap();
    holder.execute("SELECT count(*) FROM bloated").await.unwrap();
    let report = run(&database, "run", ",lock-timeout=1s", &[]).await;
    assert!(complaints(&report).contains(&"bloated: left: timed out".to_owned()), "{report:#}");
    assert_eq!(rebuilt(&report), [""; 0]);
    holder.execute("ROLLBACK").await.unwrap();
}
