//! `backup-test` on dumps of a SQLite database: what makes a backup bad, and which one is then the last good one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use taskhost_tests::{Output, host};

const SCHEMA: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, user INTEGER NOT NULL REFERENCES users);
";
const USERS: u64 = 40;
const HOUR: Duration = Duration::from_hours(1);

/// What `sqlite3 FILE .dump` writes.
fn dump() -> String {
    format!("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n{SCHEMA}{}COMMIT;\n", rows())
}

fn rows() -> String {
    let rows = |n| format!("INSERT INTO users VALUES({n},'it''s; user {n}');\nINSERT INTO orders VALUES({n},{n});\n");
    (1..=USERS).map(rows).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// The live database, and a directory of backups.
struct World {
    directory: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("backups")).unwrap();
        let live = SqliteConnectOptions::new().filename(directory.path().join("live.db")).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&live).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("{SCHEMA}{}", rows()))).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        Self { directory }
    }

    fn backup(&self, name: &str, age: Duration, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join("backups").join(name);
        std::fs::write(&path, bytes).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        path
    }

    fn test(&self, arguments: &[&str]) -> Output {
        let at = |path: &str| self.directory.path().join(path).display().to_string();
        host()
            .args(["run", "backup-test", "--format", "json"])
            .args(["--files", &format!("backups={}", at("backups"))])
            .args(["--sql", &format!("database=sqlite:{},scratch", at("live.db"))])
            .env("TMPDIR", self.scratch().display().to_string())
            .args(arguments.iter().copied())
            .run()
    }

    /// Where scratch databases are made.
    fn scratch(&self) -> PathBuf {
        let path = self.directory.path().join("scratch");
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn assert_nothing_left(&self) {
        let left: Vec<_> = self.scratch().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, Vec::<PathBuf>::new(), "scratch databases were left");
    }
}

/// `severity subject: title` of each finding, the worst first as the report has them.
fn findings(report: &Value) -> Vec<String> {
    let text = |finding: &Value, field: &str| finding[field].as_str().unwrap().to_owned();
    let line =
        |finding| format!("{} {}: {}", text(finding, "severity"), text(finding, "subject"), text(finding, "title"));
    report["findings"].as_array().unwrap().iter().map(line).collect()
}

fn metric(report: &Value, name: &str) -> Option<f64> {
    let metrics = report["metrics"].as_array().unwrap();
    metrics.iter().find(|metric| metric["name"] == name).and_then(|metric| metric["value"].as_f64())
}

#[tokio::test]
async fn a_good_backup_is_restored_counted_and_dropped() {
    let world = World::new().await;
    world.backup("app-20261122.sql.gz", 25 * HOUR, b"not looked at");
    world.backup("app-20261123.sql", HOUR, dump());
    let report = world.test(&[]).expect_code(0).json();
    assert_eq!(findings(&report), ["ok app-20261123.sql: backup restores"]);
    assert_eq!(metric(&report, "restored_rows"), Some(80.0));
    assert_eq!(metric(&report, "restored_tables"), Some(2.0));
    assert_eq!(metric(&report, "restored_bytes"), metric(&report, "backup_size"));
    world.assert_nothing_left();
}

#[tokio::test]
async fn a_bad_backup_is_named_and_the_last_good_one_too() {
    let whole = dump();
    let (before_commit, _) = whole.split_once("COMMIT").unwrap();
    let packed = gzip(&whole);
    let mut damaged = packed.clone();
    damaged[packed.len() / 2] ^= 0x10;
    let short = "backup is cut short or damaged";
    let cases: [(&str, &str, Vec<u8>, &str); 8] = [
        ("a gzip that ends early", "app-9.sql.gz", packed[..packed.len() / 2].to_vec(), short),
        ("a gzip with a wrong bit", "app-9.sql.gz", damaged, short),
        ("SQL that ends inside a statement", "app-9.sql", whole.as_bytes()[..whole.len() / 2].to_vec(), short),
        ("SQL that ends between statements", "app-9.sql", before_commit.into(), short),
        ("a whole gzip of SQL that ends early", "app-9.sql.gz", gzip(before_commit), short),
        (
            "a dump that its maker gave up",
            "app-9.sql",
            whole.replace("COMMIT;", "ROLLBACK; -- due to errors").into(),
            "backup was made with errors",
        ),
        ("an empty file", "app-9.sql", vec![], "backup is empty"),
        (
            "a statement that fails",
            "app-9.sql",
            whole.replace("orders VALUES(7,", "orders VALUES(6,").into(),
            "backup does not restore",
        ),
    ];
    for (case, name, bytes, title) in cases {
        let world = World::new().await;
        world.backup("app-8.sql.gz", 5 * HOUR, &packed);
        world.backup(name, HOUR, bytes);
        let report = world.test(&["size-drop-percent=100"]).expect_code(2).json();
        let expected = [format!("critical {name}: {title}"), "ok app-8.sql.gz: backup restores".into()];
        assert_eq!(findings(&report), expected, "{case}");
        let age = metric(&report, "recovery_point_age").unwrap();
        assert!((18_000.0..18_600.0).contains(&age), "{case}: {age}");
        assert!(report["next_actions"][0]["action"].as_str().unwrap().contains("app-8.sql.gz"), "{case}");
        world.assert_nothing_left();
    }
}

#[tokio::test]
async fn what_is_missing_from_a_backup_is_found() {
    let whole = dump();
    let cases: [(&str, String, &str, &str); 3] = [
        (
            "no rows of a table",
            whole
                .lines()
                .filter(|line| !line.starts_with("INSERT INTO orders"))
                .fold(String::new(), |text, line| text + line + "\n"),
            "critical orders: table is empty in the backup",
            "bad",
        ),
        (
            "no table",
            whole.lines().filter(|line| !line.contains("orders")).fold(String::new(), |text, line| text + line + "\n"),
            "critical orders: table is missing from the backup",
            "bad",
        ),
        (
            "no parent",
            whole.replace("INSERT INTO users VALUES(7,'it''s; user 7');\n", ""),
            "warning orders: rows without their parent",
            "restored",
        ),
    ];
    for (case, dump, expected, summary) in cases {
        let world = World::new().await;
        world.backup("app.sql", HOUR, dump);
        let report = world.test(&[]).json();
        assert!(findings(&report).iter().any(|finding| finding == expected), "{case}: {:?}", findings(&report));
        assert!(report["summary"].as_str().unwrap().contains(summary), "{case}: {}", report["summary"]);
        world.assert_nothing_left();
    }
}

#[tokio::test]
async fn a_manifest_is_believed_before_the_live_database() {
    let cases = [
        (r#"{"tables": {"users": 40, "orders": 40}}"#, 0, "ok app.sql: backup restores"),
        (r#"{"tables": {"users": 39}}"#, 1, "warning users: row count is not the manifest's"),
        (r#"{"tables": {"users": 400}}"#, 2, "critical users: row count is not the manifest's"),
        (r#"{"tables": {"payments": 1}}"#, 2, "critical payments: table is missing from the backup"),
        (
            r#"{"sha256": "0000000000000000000000000000000000000000000000000000000000000000"}"#,
            2,
            "critical app.sql: backup is not the file that its manifest is of",
        ),
        ("not JSON", 1, "warning app.manifest.json: manifest cannot be used"),
    ];
    for (manifest, code, expected) in cases {
        let world = World::new().await;
        world.backup("app.sql", HOUR, dump());
        world.backup("app.manifest.json", HOUR, manifest);
        let report = world.test(&[]).expect_code(code).json();
        assert!(findings(&report).iter().any(|finding| finding == expected), "{manifest}: {:?}", findings(&report));
    }
}

#[tokio::test]
async fn what_is_no_plain_dump_is_told_apart_from_a_bad_one() {
    let world = World::new().await;
    world.backup("app.dump", HOUR, b"PGDMP\x01\x0e\0");
    world.backup("app.dump.gz", 2 * HOUR, gzip("PGDMP\x01\x0e\0"));
    let report = world.test(&[]).expect_code(1).json();
    let untested = |name| format!("warning {name}: backup cannot be tested");
    let expected = [untested("app.dump"), untested("app.dump.gz"), "warning backups: no backup could be tested".into()];
    assert_eq!(findings(&report), expected);
}

#[tokio::test]
async fn a_directory_without_a_backup_is_critical() {
    let world = World::new().await;
    world.backup("notes.txt", HOUR, "nothing");
    let report = world.test(&[]).expect_code(2).json();
    assert_eq!(findings(&report), ["critical backups: there is no backup"]);
}
