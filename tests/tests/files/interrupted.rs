//! A host that is killed, a guest that breaks, a time that is over, a disk that is full, all in the middle of writing:
//! what was there is whole, and no half file is seen under a real name.

use std::path::Path;
use std::time::{Duration, Instant};

use super::scene::{Ran, Scene};

/// What takes longer than anyone waits, on a directory with `old` and a `huge` file.
const LONG: &[(&str, &str)] = &[
    ("replacing", "drip replace none old"),
    ("replacing, compressed", "drip replace gzip old"),
    ("creating", "drip create none new"),
    ("compressing", "compress gzip huge huge.gz remove"),
    ("archiving", "archive gzip all.tar.gz old huge"),
];

/// The huge file is all holes: it takes no space, and long to compress.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.file("old", "the old file").file("huge", "");
    std::fs::File::options().write(true).open(scene.path("huge")).unwrap().set_len(64 << 30).unwrap();
    scene
}

fn is_temporary(name: &str) -> bool {
    name.starts_with(".taskhost-") && Path::new(name).extension().is_some_and(|end| end == "tmp")
}

/// Waits until something is being written.
fn wait_for_a_temporary_file(scene: &Scene) {
    let begun = Instant::now();
    while !scene.names().iter().any(|name| is_temporary(name)) {
        assert!(begun.elapsed() < Duration::from_mins(1), "nothing is being written");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(100));
}

fn assert_whole(scene: &Scene, case: &str) {
    let names: Vec<_> = scene.names().into_iter().filter(|name| !is_temporary(name)).collect();
    assert_eq!(names, ["huge", "old"], "{case}");
    assert_eq!(scene.content("old"), b"the old file", "{case}");
    assert_eq!(scene.path("huge").metadata().unwrap().len(), 64 << 30, "{case}");
}

#[test]
fn a_host_that_is_killed_leaves_what_was_there_and_the_next_removes_its_remains() {
    let scene = scene();
    for (case, line) in LONG {
        let process = scene.start(",write,delete", &[line]);
        wait_for_a_temporary_file(&scene);
        process.kill_hard();
        assert_whole(&scene, case);
        assert!(scene.names().iter().any(|name| is_temporary(name)), "{case}");

        // A guest sees nothing of what is left.
        let ran = scene.run(",write,delete", &["walk", "write create none next text", "remove next"]);
        assert!(!ran.output.stdout.contains(".taskhost-"), "{case}: {}", ran.output);
        assert_eq!(ran.done(2), "next 4", "{case}");
        assert_eq!(scene.names(), ["huge", "old"], "{case}");
    }
}

#[test]
fn what_a_killed_host_left_does_not_keep_a_directory_from_being_removed() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("in")).unwrap();
    let written = || std::fs::read_dir(scene.path("in")).unwrap().count();
    let process = scene.start(",write", &["drip create none in/new"]);
    let begun = Instant::now();
    while written() == 0 {
        assert!(begun.elapsed() < Duration::from_mins(1), "nothing is being written");
        std::thread::sleep(Duration::from_millis(5));
    }
    // As long as it is being written, it does.
    for ran in [scene.plan(",delete", &["remove in"]), scene.run(",delete", &["remove in"])] {
        assert_eq!(ran.line(0), ("wrong-kind", "`in` is a directory that is not empty"));
    }
    process.kill_hard();
    assert_eq!(written(), 1);
    assert_eq!(scene.plan(",delete", &["remove in"]).done(0), "in 0");
    assert_eq!(written(), 1);
    assert_eq!(scene.run(",delete", &["remove in"]).done(0), "in 0");
    assert_eq!(scene.names(), Vec::<String>::new());
}

#[test]
fn a_host_leaves_alone_what_another_is_writing() {
    let scene = scene();
    let process = scene.start(",write", &["drip replace none old"]);
    wait_for_a_temporary_file(&scene);
    scene.run(",write", &["write create none next text"]).done(0);
    assert!(scene.names().iter().any(|name| is_temporary(name)));
    process.interrupt();
    process.wait().expect_code(3);
    assert_eq!(scene.names(), ["huge", "next", "old"]);
    assert_eq!(scene.content("old"), b"the old file");
}

#[test]
fn ctrl_c_takes_the_half_file_with_it() {
    let scene = scene();
    for (case, line) in LONG {
        let process = scene.start(",write,delete", &[line]);
        wait_for_a_temporary_file(&scene);
        process.interrupt();
        let begun = Instant::now();
        let output = process.wait().expect_code(3);
        assert!(begun.elapsed() < Duration::from_secs(5), "{case} took {:?}", begun.elapsed());
        assert_eq!(output.json()["run"]["outcome"], "cancelled", "{case}");
        assert_eq!(output.json()["effects"][1]["outcome"], "abandoned", "{case}");
        assert_whole(&scene, case);
        assert_eq!(scene.names(), ["huge", "old"], "{case}");
    }
}

#[test]
fn a_time_that_is_over_takes_the_half_file_with_it() {
    let scene = scene();
    for (case, line) in LONG {
        let ran = Ran::of(scene.host("run", ",write,delete", &[line]).args(["--timeout=1s"])).expect_code(3);
        assert_eq!(ran.outcome(), "timed-out", "{case}");
        assert_whole(&scene, case);
        assert_eq!(scene.names(), ["huge", "old"], "{case}");
    }
}

#[test]
fn a_guest_that_breaks_takes_the_half_file_with_it() {
    let scene = scene();
    for line in ["drip replace none old 200", "drip create zstd new 200"] {
        let process = scene.start(",write", &[line]);
        wait_for_a_temporary_file(&scene);
        let output = process.wait().expect_code(3);
        assert_eq!(output.json()["run"]["outcome"], "trapped", "{line}: {output}");
        assert_whole(&scene, line);
        assert_eq!(scene.names(), ["huge", "old"], "{line}");
    }
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    let scene = scene();
    scene.file("noise", super::scene::noise(3 << 20));
    let before = scene.names();
    for (line, path) in [
        ("fill replace none old 2000000", "old"),
        ("fill replace zstd old 2000000", "old"),
        ("fill create none new 2000000", "new"),
        ("compress gzip noise noise.gz", "noise.gz"),
        ("compress zstd noise noise.zst remove", "noise.zst"),
        ("archive none all.tar old noise", "all.tar"),
    ] {
        let host = || scene.host("run", ",write,delete", &[line]).largest_file(1 << 20);
        let ran = Ran::of(host()).expect_code(0);
        let message = format!("failed to write `{path}`: EFBIG: file too large");
        assert_eq!(ran.line(0), ("no-space", message.as_str()), "{line}");
        let ran = Ran::of(host().args(["strict=true"])).expect_code(3);
        assert_eq!((ran.outcome(), ran.report["error"].as_str()), ("failed", Some(message.as_str())), "{line}");
        assert_eq!(scene.names(), before, "{line}");
        assert_eq!(scene.content("old"), b"the old file", "{line}");
    }
}
