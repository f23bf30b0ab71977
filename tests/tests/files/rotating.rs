//! What a rotation of logs takes: who has a file open, a file made like another, and the front of a file cut off while a
//! process appends to it.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use super::scene::{Ran, Scene, sha256};

/// A log, the script line that cuts its first line off, and one that cuts what is not there.
fn scene() -> (Scene, String, String) {
    let scene = Scene::new();
    scene.file("app.log", "first\nsecond\n").file("own", "its own");
    (scene, format!("cut app.log 6 {}", sha256(b"first\n")), format!("cut app.log 6 {}", sha256(b"other\n")))
}

#[test]
fn each_is_for_who_was_granted_it() {
    let (scene, cut, _) = scene();
    let before = scene.everything();
    for (grant, line, word) in [
        ("", "create-like new own", "write"),
        (",delete", "create-like new own", "write"),
        ("", cut.as_str(), "write"),
        (",write", &cut, "delete"),
        (",delete", &cut, "write"),
    ] {
        for run in [scene.run(grant, &[line]), scene.plan(grant, &[line])] {
            let message = format!("slot `directory` does not grant {word}; add `,{word}` to --files directory=...");
            assert_eq!(run.line(0), ("refused", message.as_str()), "{line} with `{grant}`");
        }
    }
    for line in [cut.as_str(), "create-like app.log own", "create-like new app.log", "examine app.log"] {
        let ran = scene.run(",write,delete,exclude=*.log", &[line]);
        assert_eq!(ran.line(0).0, "refused", "{line}");
    }
    assert_eq!(scene.everything(), before);
}

#[test]
fn a_cut_takes_off_what_it_was_told_and_nothing_else() {
    let (scene, cut, other) = scene();
    let before = scene.everything();
    let ran = scene.run(",write,delete", &[&other, "cut app.log 100 x", "cut none 1 x", "cut . 1 x"]);
    let outcomes: Vec<_> = ran.lines.iter().map(|(outcome, _)| outcome.as_str()).collect();
    assert_eq!(outcomes, ["invalid", "invalid", "not-found", "wrong-kind"]);
    assert_eq!(scene.everything(), before);

    let plan = scene.plan(",write,delete", &[&cut, "create-like like own"]);
    assert_eq!(scene.everything(), before);
    let ran = scene.run(",write,delete", &[&cut, "create-like like own"]);
    assert_eq!(plan.effects(), ran.effects());
    assert_eq!(ran.effects(), ["cut app.log done", "create-like like -> own done"]);
    assert_eq!(String::from_utf8(scene.content("app.log")).unwrap().trim_start(), "second\n");
    assert_eq!(scene.content("like"), b"");
}

#[test]
fn a_budget_holds_for_what_is_cut() {
    let (scene, cut, _) = scene();
    let before = scene.everything_in_it();
    for (budget, code) in [("files=0", 3), ("bytes=5", 3), ("bytes=6", 0)] {
        let budget = format!("directory.{budget}");
        let host = scene.host("run", ",write,delete", &[&cut]).args(["strict=true", "--budget", &budget]);
        let ran = Ran::of(host).expect_code(code);
        if code == 3 {
            assert_eq!(ran.outcome(), "over-budget", "{budget}");
            assert_eq!(scene.everything_in_it(), before, "{budget}");
        }
    }
    assert_ne!(scene.everything_in_it(), before);
}

#[test]
fn a_process_that_appends_is_seen_and_goes_on_after_a_cut() {
    let (scene, cut, _) = scene();
    // A shell opens what it appends to once, for all that it does.
    let script = format!("while read line; do echo \"$line\"; done >>{}", scene.path("app.log").display());
    let mut shell = Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = shell.stdin.take().unwrap();
    let wait_for = |line: &str| {
        while !String::from_utf8(scene.content("app.log")).unwrap().ends_with(line) {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    };
    input.write_all(b"third\n").unwrap();
    wait_for("third\n");
    let reading = File::open(scene.path("app.log")).unwrap();
    let ran = scene.run(",write,delete", &["examine app.log", &cut, "examine own none"]);
    assert_eq!(ran.done(0), "2 holders, 1 write, 1 append, dated: true");
    assert!(ran.done(1).contains("whole: "), "{}", ran.done(1));
    assert_eq!(ran.done(2), "done: 0 holders, 0 write, 0 append, dated: true\nnot-found: `none` does not exist");
    input.write_all(b"fourth\n").unwrap();
    wait_for("fourth\n");
    drop((input, reading));
    shell.wait().unwrap();
    let left = String::from_utf8(scene.content("app.log")).unwrap();
    assert_eq!(left.trim_start(), "second\nthird\nfourth\n");
}

#[test]
fn a_file_is_made_with_the_mode_of_another() {
    let (scene, ..) = scene();
    std::fs::set_permissions(scene.path("own"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let ran = scene.run(",write", &["create-like new own", "create-like new own", "create-like more none"]);
    assert_eq!((ran.line(1).0, ran.line(2).0), ("already-exists", "not-found"));
    assert_eq!(scene.path("new").metadata().unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn a_plan_of_steps_that_build_on_each_other_is_what_the_run_does() {
    let scene = Scene::new();
    scene.file("log", "live").file("log.1", "one").file("log.2.gz", "two");
    let script = [
        "rename log.2.gz log.3.gz",
        "compress gzip log.1 log.2.gz remove",
        "rename log log.1",
        "create-like log log.1",
        "create-directory archive",
        "archive gzip archive/all.tar.gz log.1",
        "remove log.1 log.3.gz",
        "remove log.1",
    ];
    let before = scene.everything();
    let plan = scene.plan(",write,delete", &script);
    assert_eq!(scene.everything(), before);
    let run = scene.run(",write,delete", &script);
    assert_eq!((plan.effects(), &plan.lines), (run.effects(), &run.lines));
    assert_eq!(run.line(7).0, "not-found");
    assert_eq!(scene.names(), ["archive", "log", "log.2.gz"]);
}
