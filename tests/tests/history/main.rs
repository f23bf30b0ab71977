//! Histories: what runs left is kept whole whatever happens to the host, the file or the server, is what was written, and
//! can be read by people and programs.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

mod broken;
mod listing;
mod log;
mod recording;
mod retaining;
mod ticking;
mod verifying;

use std::path::{Path, PathBuf};

use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqlSafeStr as _};
use taskhost_tests::{Host, Output, fixture, host, postgres};

/// A directory with a bundle, something to clean, and a history.
struct World {
    directory: tempfile::TempDir,
}

const BUNDLE: &str = r#"
name = "shop"
maintainer = "the team"
time-zone = "Europe/Berlin"
history = "history.db"

[tasks.clean]
plugin = "file-cleanup"
kind = "daily"
parameters = { older-than = "30d" }
grants.directory = { files = "logs", access = ["delete"] }
budget = { "directory.files" = 10 }

[tasks.certificates]
plugin = "cert-check"
kind = "daily"
grants.certs = { files = "certs" }

[[checklist]]
title = "Read the error log"
kind = "daily"

[[checklist]]
title = "Vendor review"
kind = "quarterly"
detail = "With the contracts."
"#;

impl World {
    fn new() -> Self {
        Self::of(BUNDLE)
    }

    fn of(bundle: &str) -> Self {
        let world = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::write(world.path("bundle.toml"), bundle).unwrap();
        for directory in ["logs", "certs", "files"] {
            std::fs::create_dir(world.path(directory)).unwrap();
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn history(&self) -> PathBuf {
        self.path("history.db")
    }

    /// A log that is old enough to go.
    fn old_log(&self, name: &str) {
        let path = self.path("logs").join(name);
        std::fs::write(&path, "a line\n").unwrap();
        let time = std::time::SystemTime::now() - std::time::Duration::from_hours(24 * 60);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    fn host(&self, command: &str) -> Host {
        host().arg(command).arg(self.path("bundle.toml"))
    }

    /// Runs the daily tasks.
    fn daily(&self) -> Output {
        self.host("run").args(["--kind", "daily", "--format", "json"]).run()
    }
}

/// A run by itself, recorded in `place`.
fn alone(place: &str, errand: &str, directory: &Path) -> Host {
    let slot = format!("directory={},write", directory.display());
    host().arg("run").arg(fixture("errand")).arg(errand).args(["--files", &slot, "--record", place, "--format", "json"])
}

/// The runs that a history lists, the newest first.
fn listed(place: &str) -> Vec<Value> {
    let list = host().args(["history", place, "--format", "json", "--limit", "1000"]).run().expect_code(0).json();
    list.as_array().unwrap().clone()
}

/// A text of a value.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key}: {value:#}"))
}

/// Does something to a history's own database, as an intruder would.
async fn tamper(place: &str, statements: &str) {
    if place.starts_with("postgres") {
        let mut connection = sqlx::PgConnection::connect(place).await.unwrap();
        let text = format!("SET search_path = taskhost; {statements}");
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place);
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// A number in a history's own database.
async fn number(place: &str, query: &str) -> i64 {
    if place.starts_with("postgres") {
        let mut connection = sqlx::PgConnection::connect(place).await.unwrap();
        sqlx::raw_sql("SET search_path = taskhost").execute(&mut connection).await.unwrap();
        let row = sqlx::query(AssertSqlSafe(query).into_sql_str()).fetch_one(&mut connection).await.unwrap();
        row.get(0)
    } else {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place);
        let mut connection = options.connect().await.unwrap();
        let row = sqlx::query(AssertSqlSafe(query).into_sql_str()).fetch_one(&mut connection).await.unwrap();
        row.get(0)
    }
}

/// A file, and a database on a server: what a test shows of one it shows of the other.
struct Places {
    directory: tempfile::TempDir,
    database: taskhost_tests::Database,
}

impl Places {
    async fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), database: postgres().await }
    }

    fn all(&self) -> [String; 2] {
        let file = self.directory.path().join("history.db");
        [file.display().to_string(), self.database.url().to_string()]
    }
}

/// Asserts that a history holds.
fn assert_whole(place: &str) {
    let verdict = host().args(["history", "verify", place]).run().expect_code(0);
    assert!(verdict.stdout.contains(": whole, "), "{verdict}");
}
