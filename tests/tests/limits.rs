//! Guests that misbehave, in one process: each ends in the outcome it must have, near its limit, and the next run is
//! unharmed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use taskhost::capability::Grants;
use taskhost::gate::{Budgets, Mode};
use taskhost::plugin::{Host, HostConfig, LoadError, Plugin, Request};
use taskhost::report::{Outcome, Report};
use taskhost_tests::{fixture, hostile};

/// How long after its limit a run may still take to end.
const GRACE: Duration = Duration::from_secs(1);

fn host(cache: &Path) -> Host {
    Host::new(HostConfig { cache: Some(cache.into()), ..HostConfig::default() }).unwrap()
}

fn request(case: &str, timeout: Duration) -> Request {
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

async fn run(host: &Host, plugin: &Plugin, case: &str) -> (Report, Duration) {
    let begun = Instant::now();
    let report = host.run(plugin, request(case, Duration::from_millis(500))).await;
    (report, begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_ends_in_its_outcome_and_the_next_run_is_unharmed() {
    let cache = tempfile::tempdir().unwrap();
    let host = host(cache.path());
    let plugin = host.load(&hostile("conduct")).await.unwrap();
    for (case, outcome, message) in [
        ("loop", Outcome::TimedOut, "did not end within 500 ms"),
        ("sleep", Outcome::TimedOut, "did not end within 500 ms"),
        ("recurse", Outcome::Trapped, "its stack was full"),
        ("allocate", Outcome::Trapped, "more than its 64 MiB of memory"),
        ("flood-stdout", Outcome::TimedOut, "did not end within"),
        ("flood-log", Outcome::TimedOut, "did not end within"),
        ("flood-findings", Outcome::TimedOut, "did not end within"),
        ("flood-progress", Outcome::TimedOut, "did not end within"),
        ("exit", Outcome::Trapped, "exited with status 0"),
        ("panic", Outcome::Trapped, "panicked"),
        ("trap-after-finding", Outcome::Trapped, "panicked"),
        ("lying-failure", Outcome::Refused, "\\u{1b}"),
    ] {
        let (report, took) = run(&host, &plugin, case).await;
        assert_eq!(report.run.outcome, outcome, "{case}: {:?}", report.error);
        assert!(report.error.as_deref().unwrap().contains(message), "{case}: {:?}", report.error);
        assert!(took < Duration::from_millis(500) + GRACE, "{case} took {took:?}");
        let kept: usize = report.log.iter().map(|line| line.message.len()).sum();
        assert!(kept < 3 << 20 && report.findings.len() <= 10_000, "{case} left {kept} bytes of log");

        let (report, _) = run(&host, &plugin, "well-behaved").await;
        assert_eq!(report.run.outcome, Outcome::Ok, "after {case}: {:?}", report.error);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_do_not_hold_each_other_up() {
    let cache = tempfile::tempdir().unwrap();
    let host = host(cache.path());
    let plugin = host.load(&hostile("conduct")).await.unwrap();
    let looping = host.run(&plugin, request("loop", Duration::from_secs(2)));
    let others = async {
        let mut done = 0;
        for _ in 0..20 {
            let (report, _) = run(&host, &plugin, "well-behaved").await;
            assert_eq!(report.run.outcome, Outcome::Ok);
            done += 1;
        }
        done
    };
    let (looped, done) = tokio::join!(looping, others);
    assert_eq!((looped.run.outcome, done), (Outcome::TimedOut, 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_before_a_trap_is_kept() {
    let cache = tempfile::tempdir().unwrap();
    let host = host(cache.path());
    let plugin = host.load(&hostile("conduct")).await.unwrap();
    let (report, _) = run(&host, &plugin, "trap-after-finding").await;
    assert_eq!(report.findings.len(), 1);
    assert!(report.log.iter().any(|line| line.message == "said before the trap"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_sees_no_environment_and_no_directory() {
    let cache = tempfile::tempdir().unwrap();
    let host = host(cache.path());
    let plugin = host.load(&hostile("conduct")).await.unwrap();
    let (report, _) = run(&host, &plugin, "environment").await;
    assert_eq!(report.summary.as_deref(), Some("0 variables, a root: false"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cancelled_says_so() {
    let cache = tempfile::tempdir().unwrap();
    let host = host(cache.path());
    let plugin = host.load(&hostile("conduct")).await.unwrap();
    let request = request("loop", Duration::from_mins(1));
    let cancel = request.cancel.clone();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cancel.cancel();
    };
    let (report, ()) = tokio::join!(host.run(&plugin, request), stop);
    assert_eq!(report.run.outcome, Outcome::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_describe_that_misbehaves_is_no_plugin() {
    let cache = tempfile::tempdir().unwrap();
    let host = host(cache.path());
    for (name, message) in [
        ("describe-loops", "did not return within 100 ms"),
        ("describe-hungry", "wants more than 16 MiB"),
        ("describe-calls", "must not call anything"),
        ("describe-nonsense", "must be kebab-case"),
        ("other-world", "component of another world"),
    ] {
        let begun = Instant::now();
        let error = host.load(&fixture(name)).await.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(message), "{name}: {error}");
        assert!(!error.contains('\u{1b}'), "{name}: {error}");
        // Compiling is in this too; `describe` itself has 100 ms.
        assert!(begun.elapsed() < Duration::from_secs(20), "{name} took {:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_a_runtime_imports_lead_nowhere() {
    let cache = tempfile::tempdir().unwrap();
    let host = host(cache.path());
    let plugin = host.load(&fixture("imports-sockets")).await.unwrap();
    let report = host.run(&plugin, Request { arguments: vec![], ..request("", GRACE) }).await;
    assert_eq!(report.run.outcome, Outcome::Trapped);
    let error = report.error.unwrap();
    assert!(error.contains("it called wasi:sockets/") && error.contains("no plugin is given sockets"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_cache_is_compiled_again_and_never_believed() {
    let cache = tempfile::tempdir().unwrap();
    let path = hostile("conduct");
    drop(host(cache.path()).load(&path).await.unwrap());
    let entry = || {
        let directory = std::fs::read_dir(cache.path()).unwrap().next().unwrap().unwrap().path();
        std::fs::read_dir(directory).unwrap().next().unwrap().unwrap().path()
    };
    let whole = std::fs::read(entry()).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for (case, damaged) in [
        ("empty", Vec::new()),
        ("cut short", whole[..whole.len() / 2].to_vec()),
        ("one bit flipped", flipped),
        ("another format", b"taskhost compiled plugin 0\n".to_vec()),
        ("text", b"hello".to_vec()),
    ] {
        std::fs::write(entry(), damaged).unwrap();
        let host = host(cache.path());
        let plugin = host.load(&path).await.unwrap();
        let (report, _) = run(&host, &plugin, "well-behaved").await;
        assert_eq!(report.run.outcome, Outcome::Ok, "{case}");
        assert_eq!(std::fs::read(entry()).unwrap().len(), whole.len(), "{case}: not mended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_at_the_same_time_share_a_cache() {
    let cache = tempfile::tempdir().unwrap();
    let path = hostile("conduct");
    let loads = (0..4).map(|_| async {
        let host = host(cache.path());
        let plugin = host.load(&path).await.unwrap();
        run(&host, &plugin, "well-behaved").await.0.run.outcome
    });
    for outcome in futures::future::join_all(loads).await {
        assert_eq!(outcome, Outcome::Ok);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_others_may_write_to_is_not_believed() {
    use std::os::unix::fs::PermissionsExt as _;
    let cache = tempfile::tempdir().unwrap();
    let path = hostile("conduct");
    drop(host(cache.path()).load(&path).await.unwrap());
    let directory = std::fs::read_dir(cache.path()).unwrap().next().unwrap().unwrap().path();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o777)).unwrap();
    let entry = std::fs::read_dir(&directory).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&entry, b"planted").unwrap();
    let host = host(cache.path());
    assert!(host.load(&path).await.is_ok());
    assert_eq!(std::fs::read(&entry).unwrap(), b"planted", "it was neither read nor written");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_component_is_named_for_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let host = host(directory.path());
    let whole = std::fs::read(hostile("conduct")).unwrap();
    for (name, bytes, message) in [
        ("module.wasm", b"\0asm\x01\0\0\0".to_vec(), "is a core WebAssembly module, not a component"),
        ("cut.wasm", whole[..whole.len() / 2].to_vec(), "is no WebAssembly component"),
        ("text.wasm", b"#!/bin/sh".to_vec(), "is no WebAssembly component"),
        ("empty.wasm", Vec::new(), "is no WebAssembly component"),
    ] {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = host.load(&path).await.err().unwrap();
        assert!(error.to_string().contains(message), "{name}: {error}");
    }
    let missing = host.load(&directory.path().join("none.wasm")).await.err().unwrap();
    assert!(matches!(missing, LoadError::Unreadable { .. }));
}
