//! What the cases have in common: a host in this process, or the built one, with the guest `conduct` and its slots
//! bound to things made for the case.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use taskhost::capability::{Binding, Grants, room};
use taskhost::gate::{Budgets, Mode};
use taskhost::plugin::{Host, HostConfig, Plugin, Request};
use taskhost::report::{Outcome, Report};
use taskhost_tests::{cache, hostile};

/// Long enough for what ends by itself.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// The time that a run has in a case in which it is to be stopped.
pub(crate) const SHORT: Duration = Duration::from_millis(500);

/// A host in this process.
pub(crate) fn host() -> Host {
    Host::new(HostConfig { cache: Some(cache()), ..HostConfig::default() }).unwrap()
}

/// The host, and the guest that misbehaves as its parameter says.
pub(crate) async fn conduct() -> (Host, Plugin) {
    let host = host();
    let plugin = host.load(&hostile("conduct")).await.unwrap();
    (host, plugin)
}

/// A request for one case.
pub(crate) fn request(case: &str, timeout: Duration) -> Request {
    Request {
        task: None,
        mode: Mode::Perform,
        arguments: vec![("case".into(), case.into())],
        grants: Grants::default(),
        budgets: Budgets::default(),
        timeout,
        memory: None,
        observer: Arc::new(|_| {}),
        cancel: tokio_util::sync::CancellationToken::new(),
    }
}

/// Binds a slot as the command line does.
pub(crate) fn bind(grants: &mut Grants, flag: &str, written: &str) {
    let words = room(flag).unwrap();
    let none = |_: &str| None;
    let (slot, binding) = Binding::parse(words, written, none, |path| std::fs::read_to_string(path)).unwrap();
    grants.bind(flag, &slot, vec![binding]).unwrap();
}

/// The case in the process of the test, and then a run that behaves, on the same host: it must be unharmed.
pub(crate) async fn run_then_behave(case: &str, timeout: Duration, grants: Grants) -> Report {
    let (host, plugin) = conduct().await;
    let report = host.run(&plugin, Request { grants, ..request(case, timeout) }).await;
    expect_unharmed(&host, &plugin).await;
    report
}

/// A run that behaves ends well.
pub(crate) async fn expect_unharmed(host: &Host, plugin: &Plugin) {
    let report = host.run(plugin, request("well-behaved", PATIENCE)).await;
    assert_eq!(report.run.outcome, Outcome::Ok, "the next run: {:?}", report.error);
}

/// A run ended in that outcome, for a reason that says that.
#[track_caller]
pub(crate) fn expect(report: &Report, outcome: Outcome, says: &str) {
    let said = report.error.as_deref().or(report.summary.as_deref()).unwrap_or_default();
    assert_eq!(report.run.outcome, outcome, "{said}");
    assert!(said.contains(says), "{said}");
}

/// Things for the slots of one case: a directory with a small and a large file, and a SQLite database.
pub(crate) struct World {
    root: tempfile::TempDir,
}

/// Bytes of the large file.
pub(crate) const LARGE: usize = 16 << 20;

impl World {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("directory")).unwrap();
        let world = Self { root };
        std::fs::write(world.directory().join("file"), b"small").unwrap();
        std::fs::write(world.directory().join("large"), vec![b'x'; LARGE]).unwrap();
        // An empty file is an empty database.
        std::fs::write(world.database(), b"").unwrap();
        world
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.root.path().join("directory")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.root.path().join("data.db")
    }

    /// Both slots bound for reading.
    pub(crate) fn grants(&self) -> Grants {
        let mut grants = Grants::default();
        bind(&mut grants, "files", &format!("directory={}", self.directory().display()));
        bind(&mut grants, "sql", &format!("database=sqlite:{}", self.database().display()));
        grants
    }

    /// The built host, about to run `case` with both slots bound.
    pub(crate) fn host(&self, case: &str) -> taskhost_tests::Host {
        taskhost_tests::host()
            .args(["run".into(), shown(&hostile("conduct")), format!("case={case}")])
            .args(["--files".into(), format!("directory={}", shown(&self.directory()))])
            .args(["--sql".into(), format!("database=sqlite:{},lock-timeout=1s", shown(&self.database()))])
    }
}

pub(crate) fn shown(path: &Path) -> String {
    path.to_str().unwrap().into()
}
