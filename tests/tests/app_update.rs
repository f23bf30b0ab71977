//! `app-update` with real programs, a server of the test's own in the application's place, and a container of the engine's.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use taskhost_tests::docker::engine;
use taskhost_tests::http::{Reply, Server};
use taskhost_tests::{Host, Output, host};

/// Each script writes its name into `done`, and `version` and `state` say what is deployed.
const TEMPLATES: &str = r#"
[template.version]
argv = ["./version.sh"]
impact = "observe"

[template.build]
argv = ["./step.sh", "build", "--tag={tag}"]
placeholder.tag = { type = "version" }

[template.deploy]
argv = ["./step.sh", "deploy"]

[template.break]
argv = ["./step.sh", "break"]

[template.fail]
argv = ["./step.sh", "fail"]

[template.rollback]
argv = ["./step.sh", "rollback"]
"#;

const STEP: &str = r#"#!/bin/sh
echo "$*" >> done
case "$1" in
deploy) echo 2.0 > version; echo well > state ;;
break) echo 2.0 > version; echo sick > state ;;
rollback) echo 1.0 > version; echo well > state ;;
fail) echo "no space left" >&2; exit 3 ;;
esac
"#;

struct World {
    directory: tempfile::TempDir,
    application: Server,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().to_owned();
        for (name, text) in [("step.sh", STEP), ("version.sh", "#!/bin/sh\ncat version\n")] {
            std::fs::write(place.join(name), text).unwrap();
            std::fs::set_permissions(place.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::fs::write(place.join("templates.toml"), TEMPLATES).unwrap();
        std::fs::write(place.join("version"), "1.0\n").unwrap();
        std::fs::write(place.join("state"), "well\n").unwrap();
        let application = Server::start(move |_| {
            let state = std::fs::read_to_string(place.join("state")).unwrap_or_default();
            if state.trim() == "well" { Reply::ok("well") } else { Reply::new("503 Service Unavailable", &[], "sick") }
        });
        Self { directory, application }
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
    }

    fn host(&self, mode: &str, arguments: &[&str]) -> Host {
        let place = self.directory.path().display();
        host()
            .args([mode, "app-update", "version=version", "settle=1s", "--format=json"])
            .args(["--command", &format!("steps={place},run,templates={place}/templates.toml")])
            .args(["--http", &format!("health={}", self.application.url(""))])
            .args(arguments.iter().copied())
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.host("run", arguments).run()
    }
}

/// Severity, subject and title of what was found.
fn found(report: &Value) -> Vec<String> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let one = |finding: &Value| ["severity", "subject", "title"].map(|key| text(finding, key)).join(" | ");
    report["findings"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn steps_are_run_in_their_order_and_the_version_is_told() {
    let world = World::new();
    let report = world.run(&["steps=build,deploy", "rollback=rollback", "arguments=tag=2.0"]).expect_code(0).report();
    assert_eq!(world.text("done"), "build --tag=2.0\ndeploy\n");
    let summary = report["summary"].as_str().unwrap();
    assert!(summary.starts_with("updated by 2 steps in ") && summary.ends_with(": 1.0 to 2.0"), "{summary}");
    let steps: Vec<_> = report["metrics"].as_array().unwrap().iter().map(|metric| metric["subject"].clone()).collect();
    assert_eq!(steps, ["build", "deploy"]);
}

#[test]
fn a_rehearsal_lists_the_steps_and_runs_none_of_them() {
    let world = World::new();
    let output = world.host("plan", &["steps=build,deploy", "rollback=rollback", "arguments=tag=2.0"]).run();
    let report = output.expect_code(0).report();
    assert_eq!((world.text("done").as_str(), world.text("version").as_str()), ("", "1.0\n"));
    assert_eq!(report["summary"], "would run 2 steps, with a way back; the version is 1.0");
    let effects = report["effects"].as_array().unwrap().iter();
    let rehearsed: Vec<_> = effects.filter(|effect| effect["decision"] == "rehearse").collect();
    assert_eq!(rehearsed.len(), 2, "{report:#}");
    assert!(rehearsed[0]["target"].as_str().unwrap().contains("--tag=2.0"), "{report:#}");
}

#[test]
fn what_makes_the_application_sick_is_rolled_back() {
    let world = World::new();
    let report = world.run(&["steps=build,break", "rollback=rollback", "arguments=tag=2.0"]).expect_code(2).report();
    assert_eq!(world.text("done"), "build --tag=2.0\nbreak\nrollback\n");
    assert_eq!(found(&report), ["critical | break | the step failed", "warning | application | rolled back"]);
    assert_eq!(report["summary"], "step break failed; rolled back; the version is 1.0");
}

#[test]
fn what_changed_nothing_that_is_served_is_not_rolled_back() {
    let world = World::new();
    let steps = ["steps=fail,deploy", "rollback=rollback"];
    let report = world.run(&steps).expect_code(2).report();
    assert_eq!(world.text("done"), "fail\n");
    assert_eq!(found(&report), ["critical | fail | the step failed"]);
    assert_eq!(report["findings"][0]["detail"], "ended with code 3: no space left");
    let report = world.run(&[steps[0], steps[1], "rollback-from=fail"]).expect_code(2).report();
    assert_eq!(world.text("done"), "fail\nfail\nrollback\n");
    assert_eq!(report["summary"], "step fail failed; rolled back; the version is 1.0");
}

#[test]
fn a_rollback_that_fails_says_what_is_left_for_a_person() {
    let world = World::new();
    let report = world.run(&["steps=break", "rollback=fail"]).expect_code(2).report();
    assert_eq!(found(&report), ["critical | break | the step failed", "critical | fail | the rollback failed"]);
    assert!(report["findings"][1]["remedy"].as_str().unwrap().contains("finish the rollback by hand"));
}

#[test]
fn nothing_is_begun_that_cannot_end() {
    let world = World::new();
    std::fs::write(world.directory.path().join("state"), "sick").unwrap();
    let report = world.run(&["steps=deploy"]).expect_code(2).report();
    assert_eq!(found(&report), ["critical | application | not healthy before the update"]);
    let report = world.run(&["steps=deploy", "healthy-first=false"]).expect_code(0).report();
    assert!(report["summary"].as_str().unwrap().ends_with("1.0 to 2.0"));

    let world = World::new();
    for (steps, said) in [
        ("steps=build", "needs a value for `tag`"),
        ("steps=deploy,nothing", "there is no template `nothing`"),
        ("steps=deploy,restart:web", "--docker engine=...,control"),
    ] {
        let report = world.run(&[steps]).expect_code(3).report();
        assert!(report["error"].as_str().unwrap().contains(said), "{steps}: {report:#}");
    }
    // What the room itself refuses: a value that is no version.
    let report = world.run(&["steps=build", "arguments=tag=; rm -rf /"]).expect_code(2).report();
    assert_eq!(found(&report), ["critical | build | the step failed"]);
    assert_eq!(world.text("done"), "");
}

#[test]
fn a_budget_that_runs_out_on_the_way_is_the_outcome() {
    let world = World::new();
    let output = world.run(&["steps=build,deploy", "arguments=tag=2", "--budget", "steps.commands=2"]);
    let report = output.expect_code(3).report();
    assert_eq!(report["run"]["outcome"], "over-budget", "{report:#}");
    assert_eq!(world.text("done"), "build --tag=2\n");
    assert!(report["error"].as_str().unwrap().starts_with("step deploy: "), "{report:#}");
}

#[test]
fn a_container_is_restarted_as_a_step() {
    let (world, engine) = (World::new(), engine());
    let image = engine.name("image");
    engine.image(&image, "app", &[]);
    let container = engine.start("web", &[], &image, &["/bin/busybox", "sleep", "600"]);
    let started = || engine.docker(["inspect", "--format", "{{.State.StartedAt}}", container.as_str()]);
    let before = started();
    let steps = format!("steps=deploy,restart:{container}");
    let slot = engine.slot("engine", ",control");
    world.host("plan", &[&steps, "--docker", &slot]).run().expect_code(0);
    assert_eq!(started(), before);
    world.run(&[&steps, "grace=1s", "--docker", &slot]).expect_code(0);
    assert_ne!(started(), before);
}
