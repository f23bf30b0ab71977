//! `docker-prune`, `image-update` and `container-stats` on a real engine, and with a real registry.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use serde_json::Value;
use taskhost_tests::docker::{Engine, engine};
use taskhost_tests::{Host, Output, host};

/// A run, or a rehearsal, of a plugin on the slot that sees the test's own things; `words` begin with a comma.
fn task(command: &str, plugin: &str, engine: &Engine, words: &str, arguments: &[&str]) -> Host {
    let slot = engine.slot("engine", words);
    host().args([command, plugin, "--format=json", "--docker", &slot]).args(arguments.iter().copied())
}

#[track_caller]
fn summary(output: &Output) -> String {
    output.report()["summary"].as_str().unwrap_or_else(|| panic!("{output}")).to_owned()
}

/// The findings: severity, subject and title.
fn findings(report: &Value) -> Vec<(String, String, String)> {
    let text = |finding: &Value, part: &str| finding[part].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|one| (text(one, "severity"), text(one, "subject"), text(one, "title"))).collect()
}

/// What the findings on a subject are called.
fn titles(report: &Value, subject: &str) -> Vec<String> {
    findings(report).into_iter().filter(|(_, of, _)| of == subject).map(|(_, _, title)| title).collect()
}

/// What the removals of a journal took, in order.
fn removed(report: &Value) -> Vec<(String, String)> {
    let effects = report["effects"].as_array().unwrap().iter();
    let removals = effects.filter(|effect| effect["operation"].as_str().unwrap().starts_with("remove-"));
    let text = |effect: &Value, part: &str| effect[part].as_str().unwrap().to_owned();
    removals.map(|effect| (text(effect, "operation"), text(effect, "target"))).collect()
}

#[test]
fn what_nothing_uses_goes_in_the_order_in_which_it_is_freed_and_the_plan_says_so_before() {
    let mine = engine();
    let used = mine.name("used:1");
    mine.image(&used, "used", &[]);
    mine.start("user", &[], &used, &["busybox", "sleep", "600"]);
    let old = mine.name("old:1");
    mine.image(&old, "old", &[]);
    let ended = mine.start("ended", &[], &old, &["busybox", "true"]);
    mine.docker(["wait", &ended]);
    mine.docker(["network", "create", "--label", &mine.label(), &mine.name("net")]);
    mine.docker(["volume", "create", "--label", &mine.label(), &mine.name("data")]);

    let young = task("run", "docker-prune", &mine, ",prune", &["what=containers,images,networks"]).run().expect_code(0);
    assert_eq!(summary(&young), "there is nothing to remove", "it is not a week old");

    let arguments = ["what=images,networks,containers", "older-than=0s", "keep=0"];
    let plan = task("plan", "docker-prune", &mine, ",prune", &arguments).run().expect_code(0);
    // The image is in use until its container went, which a rehearsal leaves.
    assert_eq!(
        removed(&plan.report()),
        [("remove-container".into(), ended.clone()), ("remove-network".into(), mine.name("net"))]
    );
    let run = task("run", "docker-prune", &mine, ",prune", &arguments).run().expect_code(0);
    assert_eq!(
        removed(&run.report()),
        [("remove-container".into(), ended), ("remove-image".into(), old), ("remove-network".into(), mine.name("net"))]
    );
    assert!(summary(&run).starts_with("removed 1 container, 1 image and 1 network, freed "), "{run}");
    assert_eq!(mine.list(&["images"], "{{.Repository}}:{{.Tag}}"), [used]);
    assert_eq!(mine.list(&["volume", "ls"], "{{.Name}}"), [mine.name("data")], "volumes are asked for by name");

    let volumes = ["what=volumes", "older-than=0s", "named-volumes=true"];
    task("run", "docker-prune", &mine, ",prune", &volumes).run().expect_code(0);
    assert_eq!(mine.list(&["volume", "ls"], "{{.Name}}"), Vec::<String>::new());

    let unknown = task("run", "docker-prune", &mine, ",prune", &["what=everything"]).run().expect_code(3);
    assert!(unknown.stdout.contains("`what` has no `everything`"), "{unknown}");
}

#[test]
fn an_image_is_updated_and_the_container_that_is_behind_is_named_until_it_is_made_anew() {
    let mine = engine();
    let image = mine.in_registry("app:1");
    let repository = image.rsplit_once(':').unwrap().0;
    let words = format!(",pull,image={repository}");
    mine.image(&image, "one", &[]);
    mine.docker(["push", "--quiet", &image]);
    let web = mine.start("web", &[], &image, &["busybox", "sleep", "600"]);
    let update = |command: &str, arguments: &[&str]| task(command, "image-update", &mine, &words, arguments).run();

    let current = update("run", &[]).expect_code(0);
    assert_eq!(summary(&current), "none of 1 image changed; 0 of 1 running container behind");

    // The registry gets another one; the engine keeps the first under the name.
    let first = mine.docker(["inspect", "--format", "{{.Id}}", &image]);
    mine.image(&image, "two", &[]);
    mine.docker(["push", "--quiet", &image]);
    mine.docker(["tag", &first, &image]);
    for (command, arguments) in [("plan", &[][..]), ("run", &["check-only=true"])] {
        let there = update(command, arguments).expect_code(1);
        assert_eq!(summary(&there), "1 of 1 image have an update; 1 of 1 running container behind");
        assert_eq!(titles(&there.report(), &image), ["an update is there"]);
        assert_eq!(titles(&there.report(), &web), ["runs an older image"]);
        assert_eq!(mine.docker(["inspect", "--format", "{{.Id}}", &image]), first, "nothing was pulled");
    }
    let pulled = update("run", &[]).expect_code(1);
    assert_eq!(summary(&pulled), "1 of 1 image updated; 1 of 1 running container behind");
    assert_ne!(mine.docker(["inspect", "--format", "{{.Id}}", &image]), first);
    assert_eq!(titles(&pulled.report(), &web), ["runs an older image"]);
    assert_eq!(titles(&update("run", &[]).expect_code(1).report(), &web), ["runs an older image"], "it still does");
    mine.docker(["rm", "--force", &web]);
    mine.start("web", &[], &image, &["busybox", "sleep", "600"]);
    let settled = update("run", &[]).expect_code(0);
    assert_eq!(summary(&settled), "none of 1 image changed; 0 of 1 running container behind");

    let missing = update("run", &[&format!("images={repository}:none")]).expect_code(1);
    assert_eq!(titles(&missing.report(), &format!("{repository}:none")), ["could not be asked for"]);
    let refused = update("run", &["images=nginx:1"]).expect_code(3);
    assert_eq!(refused.report()["run"]["outcome"], "refused", "{refused}");
}

#[test]
fn containers_in_need_are_told_from_those_that_are_well() {
    let mine = engine();
    let image = mine.name("app:1");
    mine.image(&image, "x", &[]);
    let well = mine.start("well", &[], &image, &["busybox", "sleep", "600"]);
    let busy = mine.start("busy", &["--cpus=0.05"], &image, &["busybox", "sh", "-c", "while true; do true; done"]);
    let starved =
        mine.start("starved", &["--memory=8m", "--memory-swap=8m"], &image, &["busybox", "tail", "/dev/zero"]);
    let looping = mine.start("looping", &["--restart=always"], &image, &["busybox", "false"]);
    let failed = mine.start("failed", &["--restart=on-failure:1"], &image, &["busybox", "false"]);
    let sick = mine.start(
        "sick",
        &["--health-cmd=busybox false", "--health-interval=1s", "--health-retries=1"],
        &image,
        &["busybox", "sleep", "600"],
    );
    // The engine does not see every end for want of memory as one: until it did.
    for _ in 0..30 {
        mine.docker(["wait", &starved]);
        if mine.docker(["inspect", "--format", "{{.State.OOMKilled}}", &starved]) == "true" {
            break;
        }
        mine.docker(["start", &starved]);
    }
    let is = |name: &str, format: &str, wanted: &str| {
        for _ in 0..300 {
            if mine.docker(["inspect", "--format", format, name]) == wanted {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("{name} is not {wanted}");
    };
    is(&sick, "{{.State.Health.Status}}", "unhealthy");
    is(&failed, "{{.State.Status}}", "exited");

    let output = task("run", "container-stats", &mine, "", &["samples=3", "cpu-warn=20"]).run().expect_code(2);
    let report = output.report();
    assert_eq!(titles(&report, &well), Vec::<String>::new());
    assert_eq!(titles(&report, &busy), ["much CPU"]);
    assert_eq!(titles(&report, &starved), ["was ended for want of memory"]);
    assert_eq!(titles(&report, &failed), ["ended and was not restarted"]);
    assert_eq!(titles(&report, &sick), ["is unhealthy"]);
    assert!(!titles(&report, &looping).is_empty(), "{output}");
    assert!(summary(&output).starts_with("6 containers, "), "{output}");
    let metrics = report["metrics"].as_array().unwrap();
    let known =
        |name: &str, subject: &str| metrics.iter().any(|metric| metric["name"] == name && metric["subject"] == subject);
    assert!(known("cpu_percent", &well) && known("memory", &well) && known("restarts", &looping), "{output}");

    let some = task("run", "container-stats", &mine, "", &["samples=2", &format!("name={well}")]).run().expect_code(0);
    assert!(summary(&some).starts_with("1 container, 1 running"), "{some}");
}
