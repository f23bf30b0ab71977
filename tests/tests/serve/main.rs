//! `host serve`: tasks at their times, through what a year brings: a bundle that changes, one that is broken, a host that
//! is told to end, and one that is killed at any moment.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

mod killed;
mod logs;
mod telling;
mod times;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};
use taskhost_tests::{Process, host, serving};

/// How long something may take that comes within a minute.
const PATIENCE: Duration = Duration::from_secs(100);

/// A bundle in a directory of its own, with a directory `files`.
struct World {
    directory: tempfile::TempDir,
}

impl World {
    fn new(bundle: &str) -> Self {
        let world = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(world.path("files")).unwrap();
        world.write(bundle);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes the bundle; ERRAND and CONDUCT in it stand for the plugins of these names.
    fn write(&self, bundle: &str) {
        // As editors do it.
        std::fs::write(self.path("new"), serving::with_plugins(bundle)).unwrap();
        std::fs::rename(self.path("new"), self.path("bundle.toml")).unwrap();
    }

    fn serve(&self, words: &[&str]) -> Process {
        host().arg("serve").arg(self.path("bundle.toml")).args(["--listen", "none"]).args(words.iter().copied()).spawn()
    }

    /// The runs of a task that were recorded, the newest first.
    fn runs(&self, task: &str) -> Vec<Value> {
        let listed = host()
            .arg("history")
            .arg(self.path("bundle.toml"))
            .args(["--task", task, "--limit", "1000", "--format", "json"])
            .run();
        // Before the first there is no history.
        if listed.code == Some(0) { listed.json().as_array().unwrap().clone() } else { vec![] }
    }

    /// Waits until the task has that many runs.
    fn wait_for(&self, task: &str, count: usize) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let runs = self.runs(task);
            if runs.len() >= count {
                return runs;
            }
            assert!(begun.elapsed() < PATIENCE, "{task} has {} runs: {runs:?}", runs.len());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn holds(&self) {
        host().args(["history", "verify"]).arg(self.path("bundle.toml")).run().expect_code(0);
    }

    /// What was done, the oldest first, as WHAT, TASK and DETAIL.
    async fn events(&self) -> Vec<(String, Option<String>, String)> {
        let mut connection = self.history().await;
        let all = "SELECT what, task, detail FROM events ORDER BY noted, id";
        sqlx::query_as(all).fetch_all(&mut connection).await.unwrap()
    }

    async fn history(&self) -> SqliteConnection {
        let url = format!("sqlite:{}?mode=ro", self.path("history.db").display());
        SqliteConnection::connect(&url).await.unwrap()
    }
}
