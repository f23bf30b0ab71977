//! What the documentation says, held against what is there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use std::path::Path;

const README: &str = include_str!("../../README.md");
const SDK: &str = include_str!("../../sdk/README.md");

/// The first block of Rust in a page, without the lines that rustdoc hides.
fn first_program(page: &str) -> String {
    let (_, after) = page.split_once("```rust").unwrap();
    let (program, _) = after.split_once("```").unwrap();
    program.lines().skip(1).filter(|line| !line.starts_with("# ")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_smallest_plugin_is_the_one_that_the_sdk_compiles_and_fits_in_thirty_lines() {
    let program = first_program(README);
    assert_eq!(program, first_program(SDK));
    assert!(program.lines().count() <= 30, "{} lines", program.lines().count());
}

#[test]
fn every_plugin_is_listed_and_has_a_page_with_an_example() {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    for plugin in plugins.read_dir().unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        let name = plugin.file_name().into_string().unwrap();
        assert!(README.contains(&format!("[{name}](plugins/{name})")), "README.md does not list {name}");
        let page = std::fs::read_to_string(plugin.path().join("README.md")).unwrap_or_default();
        let example = page.lines().any(|line| line.contains("host ") && line.contains(&name));
        assert!(example, "plugins/{name}/README.md shows no command line");
    }
}

/// The reference bundle has no mistake, every task of it is in the page about it, and each of its schedules has a kind.
#[test]
fn the_reference_bundle_is_one_and_its_page_names_every_task() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/reflexion.toml");
    // Where the application lies, with the programs that its templates name.
    let application = tempfile::tempdir().unwrap();
    let bundle = application.path().join("reflexion.toml");
    std::fs::copy(shipped, &bundle).unwrap();
    std::fs::create_dir(application.path().join("scripts")).unwrap();
    for script in ["scripts/build.sh", "scripts/deploy.sh"] {
        let script = application.path().join(script);
        std::fs::write(&script, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut check = taskhost_tests::host().arg("check").arg("--offline").arg(&bundle);
    for (name, value) in [
        ("REFLEXION_DATABASE_URL", "postgres://task@db.internal/reflexion"),
        ("REFLEXION_SCRATCH_URL", "postgres://task@db.internal/reflexion"),
        ("REFLEXION_REDIS_URL", "redis://cache.internal"),
        ("REFLEXION_URL", "http://localhost:8000"),
        ("REFLEXION_PROMETHEUS_URL", "http://localhost:9090"),
        ("REFLEXION_GRAFANA_URL", "http://localhost:3000"),
        ("REFLEXION_PYPI_URL", "https://pypi.org"),
        ("REFLEXION_OSV_URL", "https://api.osv.dev"),
        ("GRAFANA_API_KEY", "x"),
        ("DOCKER_HOST", "unix:///var/run/docker.sock"),
        ("PGHOST", "db.internal"),
        ("PGPORT", "5432"),
        ("PGUSER", "task"),
        ("PGPASSWORD", "x"),
        ("PGDATABASE", "reflexion"),
    ] {
        check = check.env(name, value);
    }
    check.run().expect_code(0);
    let page = include_str!("../../docs/runbook.md");
    let text = std::fs::read_to_string(&bundle).unwrap();
    let tasks: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("[tasks.")?.strip_suffix(']')).collect();
    assert!(tasks.len() > 10, "{tasks:?}");
    for task in tasks {
        assert!(page.contains(&format!("| `{task}` |")), "docs/runbook.md does not name `{task}`");
    }
}

/// Every bundle that the documentation shows is one that `host check` finds no mistake in.
#[test]
fn every_bundle_shown_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("bundle.toml");
    let pages = [README, include_str!("../../docs/bundles.md")];
    let shown =
        pages.iter().flat_map(|page| page.split("```toml\n").skip(1)).map(|rest| rest.split("```").next().unwrap());
    let mut count = 0;
    for text in shown {
        std::fs::write(&bundle, text).unwrap();
        let host = taskhost_tests::host().arg("check").arg(&bundle);
        host.env("DATABASE_URL", "postgres://task@db.internal/shop").run().expect_code(0);
        count += 1;
    }
    assert!(count >= 2, "{count} bundles");
}
