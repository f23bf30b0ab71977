//! Streams that a guest leaves half-way, or never reads: the run ends, and nothing of them stays.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use taskhost::capability::Grants;
use taskhost::capability::binding::Binding;
use taskhost::gate::{Budgets, Mode};
use taskhost::plugin::{Host, HostConfig, Plugin, Request};
use taskhost::report::{Outcome, Report};
use taskhost_tests::fixture;

use super::scene::{Scene, noise};

/// A host of this process, and the guest in it.
struct InProcess {
    host: Host,
    plugin: Plugin,
    _cache: tempfile::TempDir,
}

impl InProcess {
    async fn new() -> Self {
        let cache = tempfile::tempdir().unwrap();
        let config = HostConfig { cache: Some(cache.path().into()), ..HostConfig::default() };
        let host = Host::new(config).unwrap();
        let plugin = host.load(&fixture("files")).await.unwrap();
        Self { host, plugin, _cache: cache }
    }

    async fn run(&self, scene: &Scene, script: &[&str]) -> Report {
        let mut grants = Grants::default();
        let slot = format!("directory={},write", scene.path("").display());
        let words = taskhost::capability::room("files").unwrap();
        let nothing = |_: &str| Err(std::io::ErrorKind::NotFound.into());
        let (slot, binding) = Binding::parse(words, &slot, |_| None, nothing).unwrap();
        grants.bind("files", &slot, vec![binding]).unwrap();
        let request = Request {
            task: None,
            mode: Mode::Perform,
            arguments: vec![("script".into(), script.join("\n"))],
            grants,
            budgets: Budgets::default(),
            timeout: Duration::from_mins(1),
            memory: None,
            observer: Arc::new(|_| {}),
            cancel: tokio_util::sync::CancellationToken::new(),
        };
        self.host.run(&self.plugin, request).await
    }
}

/// What of `directory` this process holds open.
fn open_below(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let open = entries.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    open.filter(|path| path.starts_with(directory)).map(|path| path.display().to_string()).collect()
}

fn scene() -> Scene {
    let scene = Scene::new();
    scene.file("big", noise(8 << 20)).file("log", "line\n".repeat(200_000)).file("small", "small");
    std::fs::create_dir(scene.path("many")).unwrap();
    for number in 0..10_000 {
        scene.file(&format!("many/{number}"), "");
    }
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_left_is_journaled_as_abandoned_and_closed() {
    let scene = scene();
    let host = InProcess::new().await;
    for (case, line, operation) in [
        ("a read, half-way", "hold read big 1 5", "read"),
        ("a read, at once", "hold read big 1", "read"),
        ("a walk, half-way", "hold walk . 1 2000", "walk"),
        ("a walk, at once", "hold walk . 1", "walk"),
        ("a search, half-way", "hold search log 1 2000", "search"),
        ("a search, at once", "hold search log 1", "search"),
    ] {
        let report = host.run(&scene, &[line, "read none small"]).await;
        assert_eq!(report.run.outcome, Outcome::Ok, "{case}: {:?}", report.error);
        let entries = &report.effects;
        let left = entries.iter().find(|entry| entry.effect.operation == operation).unwrap();
        assert_eq!(left.outcome.name(), "abandoned", "{case}");
        assert_eq!(open_below(&scene.path("")), Vec::<String>::new(), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_streams_at_once_end_with_the_run_and_hold_up_no_other() {
    let scene = scene();
    let host = InProcess::new().await;
    for line in ["hold read big 1000", "hold walk . 1000", "hold search log 1000", "hold write new 1000"] {
        // What the first guest holds is held until it ends; another runs meanwhile.
        let script = [line, "sleep 2000"];
        let (held, other) = tokio::join!(host.run(&scene, &script), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            host.run(&scene, &["read none small", "walk include=small", "copy none small none copy"]).await
        });
        assert_eq!(held.run.outcome, Outcome::Ok, "{line}: {:?}", held.error);
        assert_eq!(held.findings[0].title, "io", "{line}: {}", held.findings[0].detail);
        assert_eq!(
            held.findings[0].detail, "EMFILE: this run has 64 streams open; end one before the next is opened",
            "{line}"
        );
        assert_eq!(other.run.outcome, Outcome::Ok, "beside {line}: {:?}", other.error);
        assert!(other.findings.iter().all(|finding| finding.title == "done"), "beside {line}: {:?}", other.findings);
        assert_eq!(open_below(&scene.path("")), Vec::<String>::new(), "{line}");
        assert_eq!(scene.names(), ["big", "copy", "log", "many", "small"], "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_streams_one_after_another_are_no_problem() {
    let scene = scene();
    let host = InProcess::new().await;
    for line in ["let-go read big 1000 1", "let-go walk . 1000 1", "let-go search log 1000 1"] {
        let report = host.run(&scene, &[line]).await;
        assert_eq!(report.findings[0].title, "done", "{line}: {}", report.findings[0].detail);
        assert_eq!(open_below(&scene.path("")), Vec::<String>::new(), "{line}");
    }
}
