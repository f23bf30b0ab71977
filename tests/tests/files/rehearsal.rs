//! `host plan` of everything that changes something: the directory stays as it is to the nanosecond, and what the plan
//! lists is what the run then does.

use serde_json::Value;

use super::scene::{Ran, Scene, noise};

/// Operations that do not depend on each other: nothing in a plan takes place.
const SCRIPT: &[&str] = &[
    "write create none new text",
    "write create gzip new.gz text",
    "write replace none replaced text",
    "write append none appended text",
    "write append none started text",
    "rename named renamed",
    "create-directory made",
    "compress zstd big big.zst",
    "compress gzip old.log old.log.gz remove",
    "archive gzip all.tar.gz tree big",
    "remove tree/a tree/b",
    "remove gone",
    "remove missing",
    "write create none replaced text",
    "copy none big gzip copy.gz",
];

fn scene() -> Scene {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("tree")).unwrap();
    scene.file("replaced", "old").file("appended", "old").file("named", "a name").file("big", noise(300_000));
    scene.file("old.log", "line\n".repeat(1_000)).file("tree/a", "a").file("tree/b", "b").file("gone", "soon");
    scene
}

/// What an effect is, without what differs between a plan and a run.
fn facts(ran: &Ran) -> Vec<Value> {
    let effects = ran.report["effects"].as_array().unwrap().iter();
    let keys = ["operation", "target", "impact", "outcome", "reason", "rows", "bytes"];
    effects.map(|effect| keys.iter().map(|key| effect[key].clone()).collect()).collect()
}

#[test]
fn a_plan_changes_nothing_and_lists_what_the_run_does() {
    let scene = scene();
    let before = scene.everything();
    let plan = scene.plan(",write,delete", SCRIPT);
    assert_eq!(scene.everything(), before);
    for effect in plan.report["effects"].as_array().unwrap() {
        let decision = if effect["impact"] == "observe" { "perform" } else { "rehearse" };
        assert_eq!(effect["decision"], decision, "{effect}");
    }

    let run = scene.run(",write,delete", SCRIPT);
    assert_eq!(facts(&plan), facts(&run));
    assert_eq!(plan.lines, run.lines);
    let names = [
        "all.tar.gz",
        "appended",
        "big",
        "big.zst",
        "copy.gz",
        "made",
        "new",
        "new.gz",
        "old.log.gz",
        "renamed",
        "replaced",
        "started",
        "tree",
    ];
    assert_eq!(scene.names(), names);
    assert_eq!(scene.content("appended"), b"oldtext");
    assert_eq!(scene.content("replaced"), b"text");
    assert_eq!(run.line(12).0, "not-found");
    assert_eq!(run.line(13).0, "already-exists");
}

#[test]
fn a_plan_knows_that_a_directory_is_empty_once_its_files_went() {
    let scene = scene();
    let before = scene.everything();
    let script = ["remove tree", "remove tree/a tree/b tree", "remove tree/a"];
    let plan = scene.plan(",delete", &script);
    assert_eq!(scene.everything(), before);
    let run = scene.run(",delete", &script);
    assert_eq!((facts(&plan), &plan.lines), (facts(&run), &run.lines));
    let outcomes: Vec<_> = run.lines.iter().map(|(outcome, _)| outcome.as_str()).collect();
    assert_eq!(outcomes, ["wrong-kind", "done", "not-found"]);
    assert_eq!(run.effects()[1..4], ["remove tree/a done", "remove tree/b done", "remove tree done"]);
}

#[test]
fn a_plan_says_what_the_run_would_refuse() {
    let scene = scene();
    for (grant, line) in [
        ("", "write replace none replaced text"),
        (",write", "compress gzip old.log old.log.gz remove"),
        (",write,delete", "write create none ../outside/new text"),
        (",write,delete", "archive none all.tar /etc"),
    ] {
        let (plan, run) = (scene.plan(grant, &[line]), scene.run(grant, &[line]));
        assert_eq!(run.line(0).0, "refused", "{line}");
        assert_eq!((facts(&plan), &plan.lines), (facts(&run), &run.lines), "{line}");
    }
}
