//! Walks of trees that are deep, wide, or going away, in the memory that a plugin has.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, unlinkat};

use super::scene::Scene;

/// What takes no disk, where there is such a thing.
fn in_memory() -> Scene {
    let memory = std::path::Path::new("/dev/shm");
    Scene::within(if memory.is_dir() { memory } else { std::path::Path::new("/tmp") })
}

#[test]
fn a_deep_tree_is_walked_to_its_end() {
    const DEPTH: usize = 5_000;
    let scene = in_memory();
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut directory = openat(CWD, scene.path(""), flags, Mode::empty()).unwrap();
    for _ in 1..DEPTH {
        mkdirat(&directory, "d", Mode::from_raw_mode(0o755)).unwrap();
        directory = openat(&directory, "d", flags, Mode::empty()).unwrap();
    }
    std::fs::write(format!("/proc/self/fd/{}/leaf", std::os::fd::AsRawFd::as_raw_fd(&directory)), "leaf").unwrap();
    let leaf = format!("{{{}*d/}}leaf", DEPTH - 1);
    let script =
        ["walk all-kinds", "walk", &format!("read none {leaf}"), &format!("remove {leaf}"), "walk depth=3 all-kinds"];
    let ran = scene.run(",delete", &script);
    assert!(ran.done(0).starts_with("5000 of 5000 entries, the deepest at 5000, 0 problems"), "{}", ran.done(0));
    assert!(ran.done(1).starts_with("1 of 1 entries, the deepest at 5000, 0 problems"), "{}", ran.done(1));
    assert!(ran.done(2).starts_with("4 ") && ran.done(2).ends_with(" leaf"), "{}", ran.done(2));
    ran.done(3);
    assert!(ran.done(4).starts_with("3 of 3 entries, the deepest at 3"), "{}", ran.done(4));
    // Nothing else removes so deep a tree by its path: from below, step by step.
    for _ in 1..DEPTH {
        directory = openat(&directory, "..", flags, Mode::empty()).unwrap();
        unlinkat(&directory, "d", rustix::fs::AtFlags::REMOVEDIR).unwrap();
    }
}

#[test]
fn a_wide_directory_is_walked_to_its_end() {
    let scene = in_memory();
    for number in 0..50_000 {
        scene.file(&format!("{number:0>200}"), "");
    }
    let ran = scene.run("", &["walk", "walk include=*7"]);
    assert!(ran.done(0).starts_with("50000 of 50000 entries, the deepest at 1, 0 problems"), "{}", ran.done(0));
    assert!(ran.done(1).starts_with("5000 of 5000 entries"), "{}", ran.done(1));
}

#[test]
fn files_that_vanish_and_appear_while_they_are_walked_are_no_problem() {
    let scene = in_memory();
    for directory in 0..100 {
        std::fs::create_dir(scene.path(&format!("d{directory}"))).unwrap();
        for file in 0..100 {
            scene.file(&format!("d{directory}/{file}"), "here");
        }
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !over.load(Ordering::Relaxed) {
                let directory = scene.path(&format!("d{}", round % 100));
                std::fs::remove_dir_all(&directory).unwrap();
                std::fs::create_dir(&directory).unwrap();
                std::fs::write(directory.join("new"), "new").unwrap();
                round += 1;
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        let ran = scene.run("", &["walk all-kinds"; 20]);
        over.store(true, Ordering::Relaxed);
        for index in 0..20 {
            assert!(ran.done(index).lines().next().unwrap().ends_with(", 0 problems"), "{}", ran.done(index));
        }
    });
}
