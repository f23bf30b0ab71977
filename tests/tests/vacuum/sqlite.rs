//! SQLite.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use super::{assert_says, complaints, maintained, metric, vacuum};

const CONTENT: &str = "
    CREATE TABLE t (id INTEGER PRIMARY KEY, pad TEXT);
    CREATE INDEX t_by_pad ON t (pad);
    WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
        INSERT INTO t SELECT i, printf('%0200d', i) FROM n;
    DELETE FROM t WHERE id % 10 <> 0;
";

/// A file of which most is free.
struct File {
    directory: tempfile::TempDir,
}

impl File {
    async fn new(prepare: &'static str) -> Self {
        let file = Self { directory: tempfile::tempdir().unwrap() };
        let mut connection = file.connect().await;
        connection.execute(prepare).await.unwrap();
        connection.execute(CONTENT).await.unwrap();
        connection.close().await.unwrap();
        file
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("app.db")
    }

    async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path()).create_if_missing(true);
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    fn target(&self, words: &str) -> String {
        format!("sqlite:{}{words}", self.path().display())
    }

    fn size(&self) -> u64 {
        self.path().metadata().unwrap().len()
    }

    async fn rows(&self) -> i64 {
        let mut connection = self.connect().await;
        sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(&mut connection).await.unwrap()
    }
}

#[tokio::test]
async fn a_file_shrinks_and_a_rehearsal_leaves_it_as_it_is() {
    for mode in ["PRAGMA journal_mode = delete", "PRAGMA journal_mode = wal", "PRAGMA auto_vacuum = full"] {
        let file = File::new(mode).await;
        let (before, bytes) = (file.size(), std::fs::read(file.path()).unwrap());
        let plan = vacuum("plan", &file.target(",maintain")).args(["--format=json"]).run().expect_code(0).report();
        assert_eq!(std::fs::read(file.path()).unwrap(), bytes, "{mode}");
        let run = vacuum("run", &file.target(",maintain")).args(["--format=json"]).run().expect_code(0).report();
        assert_eq!(maintained(&plan), maintained(&run), "{mode}");
        assert_eq!(file.rows().await, 500, "{mode}");
        if mode.contains("full") {
            // Nothing is ever free.
            assert_eq!((maintained(&run).len(), file.size()), (0, before));
            continue;
        }
        assert!(file.size() * 4 < before, "{mode}: {before} to {}", file.size());
        assert_eq!(metric(&run, "bytes_freed", None), before - file.size(), "{mode}");
        assert_eq!(metric(&run, "free_bytes_after", None), 0, "{mode}");
    }
}

#[tokio::test]
async fn the_reports_are_written_for_people() {
    let file = File::new("").await;
    let mut reports = String::new();
    for (command, words) in [("run", ""), ("plan", ",maintain"), ("run", ",maintain"), ("run", ",maintain")] {
        let run = vacuum(command, &file.target(words)).run();
        reports +=
            &format!("$ host {command} vacuum --sql database=sqlite:app.db{words}\n{}{}\n", run.stdout, run.stderr);
    }
    let directory = file.directory.path().display().to_string();
    insta::assert_snapshot!(reports.replace(&directory, "DIRECTORY"));
}

#[tokio::test]
async fn a_damaged_file_is_critical_and_left_alone() {
    for (case, from, until) in [("a page", 8_192, 12_288), ("half of it", 100, usize::MAX)] {
        let file = File::new("").await;
        let mut bytes = std::fs::read(file.path()).unwrap();
        let until = until.min(bytes.len() / 2);
        bytes[from..until].fill(0xa5);
        std::fs::write(file.path(), &bytes).unwrap();
        let run = vacuum("run", &file.target(",maintain")).args(["--format=json"]).run().expect_code(2).report();
        assert_says(&run, "damaged", &["SQLite says", "restore a backup"]);
        assert_eq!(maintained(&run), [""; 0], "{case}");
        assert_eq!(std::fs::read(file.path()).unwrap(), bytes, "{case}");
    }
    // Without its first bytes it could be anything.
    let file = File::new("").await;
    std::fs::write(file.path(), "x".repeat(10_000)).unwrap();
    let run = vacuum("run", &file.target(",maintain")).run().expect_code(3);
    assert!(run.stdout.contains("app.db: the file is no SQLite database"), "{run}");
}

#[tokio::test]
async fn a_file_in_use_is_waited_for_as_long_as_the_grant_says() {
    let file = File::new("").await;
    let before = file.size();
    let mut holder = file.connect().await;
    for (lock, code) in [("BEGIN IMMEDIATE", 1), ("BEGIN EXCLUSIVE", 3)] {
        holder.execute(lock).await.unwrap();
        let begun = Instant::now();
        let run = vacuum("run", &file.target(",maintain,lock-timeout=1s")).args(["--format=json"]).run();
        let report = run.expect_code(code).report();
        assert!((1..30).contains(&begun.elapsed().as_secs()), "{lock}: {:?}", begun.elapsed());
        let said = report.to_string();
        assert!(said.contains("lock"), "{lock}: {said}");
        if code == 1 {
            assert_says(&report, "skipped: timed out", &["app.db", "no other process has the file open for writing"]);
        }
        assert_eq!(file.size(), before, "{lock}");
        holder.execute("ROLLBACK").await.unwrap();
    }
    holder.close().await.unwrap();
    vacuum("run", &file.target(",maintain")).run().expect_code(0);
}

#[tokio::test]
async fn a_host_that_is_killed_leaves_the_file_sound() {
    let file = File::new("").await;
    let mut connection = file.connect().await;
    let more = "WITH RECURSIVE n(i) AS (VALUES (10000) UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
        INSERT INTO t SELECT i, hex(randomblob(100)) FROM n; DELETE FROM t WHERE id >= 10000 AND id % 2 = 0";
    connection.execute(more).await.unwrap();
    connection.close().await.unwrap();
    let rows = file.rows().await;
    let journal = file.path().with_extension("db-journal");
    let run = vacuum("run", &file.target(",maintain")).spawn();
    let begun = Instant::now();
    while !journal.exists() {
        assert!(begun.elapsed() < Duration::from_mins(1), "the vacuum never wrote");
        std::thread::sleep(Duration::from_micros(200));
    }
    run.kill_hard();
    let mut connection = file.connect().await;
    let check: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(check, "ok");
    connection.execute(AssertSqlSafe("BEGIN EXCLUSIVE; ROLLBACK")).await.expect("nobody holds a lock");
    connection.close().await.unwrap();
    assert_eq!(file.rows().await, rows);
}

#[tokio::test]
async fn what_a_file_has_no_use_for_is_said() {
    let file = File::new("").await;
    let run = vacuum("run", &file.target(",maintain")).args(["tables=t"]).run().expect_code(3);
    assert!(run.stdout.contains("SQLite vacuums a whole file"), "{run}");
    let run = vacuum("run", &file.target(",maintain,table=t")).args(["--format=json"]).run().expect_code(1).report();
    assert_eq!(complaints(&run)[0].2, "skipped: not granted");
    let run = vacuum("run", &file.target(",maintain")).args(["rewrite-limit=10KiB"]).run().expect_code(1);
    assert!(run.stdout.contains("too big to rewrite unasked"), "{run}");
}
