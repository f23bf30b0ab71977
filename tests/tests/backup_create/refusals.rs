//! What is not granted, what makes no sense, and a rehearsal, which leaves no trace.

use super::scene::{WHOLE, World, findings, says};

#[test]
fn nothing_is_begun_without_its_grant() {
    let world = World::dumping(&format!("touch began; {}", says(WHOLE)));
    world.source("a", "a");
    let templates = format!(",templates={}", world.path("templates.toml").display());
    let (backups, dump) = (world.slot("backups", "backups", ""), world.slot("dump", "", &templates));
    let write = format!("{backups},write");
    for (case, slots, words) in [
        ("no slot", vec![], "--files backups="),
        ("a directory that may only be read", vec!["--files", &backups, "--command", &dump], "write"),
        ("nothing to back up", vec!["--files", &write], "there is nothing to back up: bind slot `dump`"),
    ] {
        let output =
            taskhost_tests::host().args(["run", "backup-create", "name=app", "--format=json"]).args(slots).run();
        let report = output.expect_code(3).report();
        assert!(report["error"].to_string().contains(words), "{case}: {report:#}");
        assert!(!world.path("began").exists(), "{case}");
        assert_eq!(world.everything(), [""; 0], "{case}");
    }
}

#[test]
fn a_name_leads_nowhere() {
    let world = World::dumping(&says(WHOLE));
    for name in ["../app", "/tmp/app", "", ".app", "a/b", "app-20261123", "-x", "a\nb"] {
        let host = taskhost_tests::host().args(["run", "backup-create", &format!("name={name}"), "--format=json"]);
        let host = host.args(["--files", &world.slot("backups", "backups", ",write")]);
        let report = world.with_dump(host).run().expect_code(3).report();
        assert!(report["error"].to_string().contains("name"), "{name}: {report:#}");
    }
    assert_eq!(world.everything(), [""; 0]);
}

#[test]
fn a_budget_of_bytes_that_runs_out_leaves_nothing() {
    let world = World::dumping("echo '-- PostgreSQL database dump'; head -c 3000000 /dev/urandom");
    let host = world.with_dump(world.host("run")).args(["--budget", "backups.bytes=1000000"]);
    let report = host.run().expect_code(3).report();
    assert_eq!(report["run"]["outcome"], "over-budget", "{report:#}");
    assert_eq!(world.everything(), [""; 0]);
}

#[test]
fn a_plan_says_what_would_be_made_and_makes_nothing() {
    let world = World::dumping(&says(WHOLE));
    world.source("a", "content");
    let plan = || world.with_source(world.with_dump(world.host("plan"))).run().expect_code(0).report();
    let report = plan();
    assert_eq!(findings(&report), [""; 0]);
    let summary = report["summary"].as_str().unwrap();
    assert!(summary.starts_with("would make app-") && summary.contains("a dump by pg_dump"), "{summary}");
    let writes = report["effects"].as_array().unwrap().iter().filter(|it| it["operation"] == "write");
    assert_eq!(writes.map(|it| it["decision"].as_str().unwrap()).collect::<Vec<_>>(), ["rehearse"; 4]);
    assert_eq!(world.everything(), [""; 0]);
    // It tells of a dump that would fail, too.
    world.script("exit 1");
    let report = world.with_dump(world.host("plan")).run().expect_code(2).report();
    assert_eq!(findings(&report), ["critical app: dump failed"]);
    assert_eq!(world.everything(), [""; 0]);
}
