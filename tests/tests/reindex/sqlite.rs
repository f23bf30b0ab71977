//! SQLite.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};

use super::{assert_says, complaints, metric, rebuilt, reindex, report};

const CONTENT: &str = "
    CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT UNIQUE);
    CREATE INDEX \"by a\" ON t (a);
    CREATE TABLE u (a TEXT);
    CREATE INDEX fine ON u (a);
    WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO t SELECT i, printf('%0100d', i), printf('%050d', i) FROM n;
    INSERT INTO u SELECT a FROM t WHERE id <= 5000;
    REINDEX fine;
    DELETE FROM t WHERE id % 10 <> 0;
";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unused_on_the_pages_goes_and_a_rehearsal_leaves_the_file_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    connection.execute(CONTENT).await.unwrap();
    let target = format!("sqlite:{},maintain,lock-timeout=1s", path.display());
    let run = |command: &'static str, arguments: &'static [&'static str]| {
        report(reindex(command, &target, &[&["bloat-size=32KiB", "bloat-percent=20"], arguments].concat()))
    };
    let before = std::fs::read(&path).unwrap();
    let plan = run("plan", &[]).await;
    let expected = ["reindex index by a", "reindex index sqlite_autoindex_t_1"];
    assert_eq!(rebuilt(&plan), expected, "{plan:#}");
    assert!(std::fs::read(&path).unwrap() == before, "the rehearsal wrote");

    connection.execute("BEGIN IMMEDIATE").await.unwrap();
    let locked = run("run", &[]).await;
    assert_eq!(complaints(&locked), ["by a: left: timed out", "sqlite_autoindex_t_1: left: timed out"], "{locked:#}");
    assert_says(&locked, "left: timed out", &["no other program writes"]);
    connection.execute("ROLLBACK").await.unwrap();
    let late = run("run", &["stop-after=0s"]).await;
    assert_says(&late, "left: the time is up", &["by a, sqlite_autoindex_t_1"]);

    let done = run("run", &[]).await;
    assert_eq!((rebuilt(&done), complaints(&done)), (expected.to_vec(), vec![]), "{done:#}");
    let (before, after) =
        (metric(&done, "index_bytes_before", Some("by a")), metric(&done, "index_bytes_after", Some("by a")));
    assert!(after.unwrap() < before.unwrap() * 0.8, "{done:#}");
    assert_eq!(rebuilt(&run("run", &[]).await), [""; 0]);
    let named = run("run", &["indexes=fine,nowhere"]).await;
    assert_eq!(
        (rebuilt(&named), complaints(&named)),
        (vec!["reindex index fine"], vec!["nowhere: no such index".into()])
    );
    let sound: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(sound, "ok");
}
