//! Budgets: the change that would go beyond one is not made, in part or whole, and the run says so.

use super::scene::{Ran, Scene, noise};

fn scene() -> Scene {
    let scene = Scene::new();
    for name in ["a", "b", "c", "d"] {
        scene.file(name, noise(1_000));
    }
    scene.file("big", noise(1_000_000));
    scene
}

#[test]
fn what_goes_beyond_a_budget_is_not_changed() {
    let scene = scene();
    for (budget, line, message) in [
        ("bytes=999999", "fill replace none a 1000000", "999999 bytes"),
        ("bytes=999999", "fill create none new 1000000", "999999 bytes"),
        ("bytes=500000", "fill create zstd new 1000000", "500000 bytes"),
        ("bytes=500000", "compress gzip big big.gz", "500000 bytes"),
        ("bytes=500000", "compress gzip big big.gz remove", "500000 bytes"),
        ("bytes=500000", "archive none all.tar a b big", "500000 bytes"),
        ("bytes=999999", "remove big", "999999 bytes"),
        ("files=0", "remove big", "0 files"),
        ("files=0", "write append none a text", "0 files"),
        ("files=0", "rename a z", "0 files"),
        ("files=0", "create-directory new", "0 files"),
        ("files=0", "archive none all.tar a", "0 files"),
    ] {
        let (before, before_in_it) = (scene.everything(), scene.everything_in_it());
        for subcommand in ["plan", "run"] {
            let budget = format!("directory.{budget}");
            let host = scene.host(subcommand, ",write,delete", &[line]).args(["strict=true", "--budget", &budget]);
            let ran = Ran::of(host).expect_code(3);
            assert_eq!(ran.outcome(), "over-budget", "{budget}: {line}: {}", ran.output);
            let error = ran.report["error"].as_str().unwrap();
            assert!(
                error.contains(&format!("slot `directory` has a budget of {message}")),
                "{budget}: {line}: {error}"
            );
            assert!(error.contains("raise it with --budget directory."), "{budget}: {line}: {error}");
            assert_eq!(scene.everything_in_it(), before_in_it, "{subcommand} with {budget}: {line}");
            assert!(subcommand == "run" || scene.everything() == before, "{budget}: {line}");
        }
    }
}

#[test]
fn a_budget_is_used_up_to_its_end() {
    let scene = scene();
    let host = scene.host("run", ",delete", &["remove a b c d", "remove big"]).args(["--budget", "directory.files=3"]);
    let ran = Ran::of(host).expect_code(0);
    let outcomes: Vec<_> = ran.done(0).lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(outcomes, ["done", "done", "done", "over-budget"]);
    assert_eq!(ran.line(1).0, "over-budget");
    assert_eq!(scene.names(), ["big", "d"]);

    let script = ["write create none exact {100*x}", "write create none more x"];
    let host = scene.host("run", ",write", &script).args(["--budget", "directory.bytes=100"]);
    let ran = Ran::of(host).expect_code(0);
    assert_eq!((ran.line(0).0, ran.line(1).0), ("done", "over-budget"));
    assert_eq!(scene.names(), ["big", "d", "exact"]);
}

#[test]
fn a_plan_meets_the_budget_that_the_run_meets() {
    let scene = scene();
    let script = ["remove a b c d", "fill create none new 700000", "compress gzip big big.gz"];
    let limits = ["--budget", "directory.files=4", "--budget", "directory.bytes=800000"];
    let plan = Ran::of(scene.host("plan", ",write,delete", &script).args(limits)).expect_code(0);
    let run = Ran::of(scene.host("run", ",write,delete", &script).args(limits)).expect_code(0);
    assert_eq!(plan.lines, run.lines);
    assert_eq!(
        run.lines.iter().map(|(outcome, _)| outcome.as_str()).collect::<Vec<_>>(),
        ["done", "over-budget", "over-budget"]
    );
}
