//! Scripts for the guest, and what became of their steps.

use std::fmt::Display;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use taskhost_tests::{Host, Output, Process, fixture, host};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A database bound to the guest's slot.
#[derive(Clone)]
pub(crate) struct Bound {
    target: String,
    /// What follows the target: `,write,table=t`.
    settings: String,
    extra: Vec<String>,
}

/// Binds `target` with what follows it.
pub(crate) fn bound(target: impl Display, settings: &str) -> Bound {
    Bound { target: target.to_string(), settings: settings.into(), extra: vec![] }
}

/// What a run left.
pub(crate) struct Run {
    /// One a step that was taken.
    pub(crate) answers: Vec<Answer>,
    pub(crate) report: Value,
    pub(crate) output: Output,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// `ok`, or the error's name.
    pub(crate) kind: String,
    /// The answer, or the message.
    pub(crate) text: String,
}

impl Bound {
    /// Adds arguments for the host.
    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.extra.extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// A host that is to run `steps`; `mode` is `run` or `plan`.
    pub(crate) fn host(&self, mode: &str, steps: &Value) -> Host {
        host()
            .arg(mode)
            .arg(fixture("sql"))
            .arg(format!("script={steps}"))
            .args(["--format", "json", "--sql"])
            .arg(format!("database=env:DATABASE{}", self.settings))
            .args(self.extra.iter().cloned())
            .env("DATABASE", self.target.clone())
    }

    /// Runs `steps`.
    pub(crate) fn run(&self, steps: &Value) -> Run {
        Run::new(self.host("run", steps).run())
    }

    /// Rehearses `steps`.
    pub(crate) fn plan(&self, steps: &Value) -> Run {
        Run::new(self.host("plan", steps).run())
    }

    /// Starts `steps`, and leaves them at work.
    pub(crate) fn spawn(&self, steps: &Value) -> Process {
        self.host("run", steps).spawn()
    }

    /// What one step gives.
    pub(crate) fn one(&self, step: Value) -> Answer {
        let mut answers = self.run(&json!([step])).answers;
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    }

    /// What reading statements give, each.
    pub(crate) fn queries(&self, texts: &[&str]) -> Vec<Answer> {
        let steps: Vec<_> = texts.iter().map(|text| json!({"do": "query", "text": text})).collect();
        let answers = self.run(&Value::Array(steps)).answers;
        assert_eq!(answers.len(), texts.len());
        answers
    }
}

impl Run {
    fn new(output: Output) -> Self {
        let report = output.json();
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let findings = report["findings"].as_array().unwrap_or_else(|| panic!("no findings: {output}"));
        let answers = findings
            .iter()
            .map(|finding| Answer { kind: text(finding, "title"), text: text(finding, "detail") })
            .collect();
        Self { answers, report, output }
    }

    /// The names of the steps' results.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.answers.iter().map(|answer| answer.kind.as_str()).collect()
    }

    /// Every step did what it was told.
    #[track_caller]
    pub(crate) fn expect_ok(self) -> Self {
        let failed = self.answers.iter().find(|answer| answer.kind != "ok");
        assert!(failed.is_none() && self.report["error"].is_null(), "{failed:?} {}", self.output);
        self
    }

    /// How the run ended.
    pub(crate) fn outcome(&self) -> &str {
        self.report["run"]["outcome"].as_str().unwrap_or_default()
    }
}

impl Answer {
    /// An error of that name that says that.
    #[track_caller]
    pub(crate) fn expect(&self, kind: &str, says: &str) {
        assert_eq!(self.kind, kind, "{}", self.text);
        assert!(self.text.contains(says), "{kind}: {}", self.text);
    }
}

/// Waits until `condition` holds.
pub(crate) async fn wait_for(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < PATIENCE, "not within {} s: {what}", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A SQLite file of the test's own, with what `statements` put in it.
pub(crate) struct File {
    pub(crate) directory: tempfile::TempDir,
}

/// A SQLite file.
pub(crate) async fn sqlite(statements: &str) -> File {
    let file = File { directory: tempfile::tempdir().unwrap() };
    let mut connection = file.connect().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    file
}

impl File {
    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("shop.db")
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    pub(crate) async fn connect(&self) -> sqlx::SqliteConnection {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.path()).create_if_missing(true);
        sqlx::ConnectOptions::connect(&options).await.unwrap()
    }

    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&mut self.connect().await).await.unwrap()
    }
}
