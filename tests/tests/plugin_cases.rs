//! The cases that stand beside the plugins hold, and `host test` runs them as their authors do.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use std::path::{Path, PathBuf};

use taskhost_tests::{host, plugin};

fn plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins")
}

/// Runs the cases in a directory on a plugin's component; gives how many passed.
fn passed(name: &str, cases: &Path) -> u64 {
    let test = host().arg("test").arg(plugin(name)).arg(cases).args(["--format", "json"]).servers();
    let output = test.run().expect_code(0);
    let verdicts = output.json();
    assert_eq!((&verdicts["failed"], &verdicts["not_run"]), (&0.into(), &0.into()), "{output}");
    for case in verdicts["cases"].as_array().unwrap() {
        assert_eq!(case["left"], serde_json::json!([]), "left behind: {case:#}");
    }
    verdicts["passed"].as_u64().unwrap()
}

#[test]
fn the_cases_beside_each_plugin_pass() {
    let mut with_cases = Vec::new();
    for entry in plugins().read_dir().unwrap().map(Result::unwrap) {
        let cases = entry.path().join("cases");
        if cases.is_dir() {
            let name = entry.file_name().into_string().unwrap();
            assert!(passed(&name, &cases) > 0, "{name}");
            with_cases.push(name);
        }
    }
    for name in [
        "backup-create",
        "backup-verify",
        "cert-check",
        "cert-renew",
        "file-cleanup",
        "redis-cleanup",
        "row-retention",
        "vacuum",
    ] {
        assert!(with_cases.iter().any(|with| with == name), "{name} has no cases");
    }
}

#[test]
fn the_plugin_in_python_passes_the_cases_of_the_one_in_rust() {
    let cases = plugins().join("file-cleanup/cases");
    assert_eq!(passed("file-cleanup-python", &cases), passed("file-cleanup", &cases));
}
