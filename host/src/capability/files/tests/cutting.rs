//! `cut`: what was copied goes, and nothing else, whoever writes meanwhile.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest as _, Sha256};

use super::*;

fn sum(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A log of so many numbered lines.
fn lines(numbers: std::ops::Range<u64>) -> String {
    numbers.map(|number| format!("line {number}\n")).collect()
}

/// As it is opened by who appends to it.
fn appending(world: &World, name: &str) -> File {
    File::options().append(true).open(world.root.join(name)).unwrap()
}

/// Worlds on a file system that can take off the front of a file, where the tests have one, and on one that cannot.
fn worlds() -> [World; 2] {
    [World::new(), World::in_memory()]
}

#[test]
fn what_nobody_writes_is_empty_afterwards() {
    for world in worlds() {
        let content = lines(0..5_000);
        world.files(&[("app.log", &content)]);
        let inode = fs::metadata(world.root.join("app.log")).unwrap().ino();
        let cut = world.cut("app.log", content.len() as u64, &sum(content.as_bytes())).unwrap();
        assert_eq!((cut.whole, cut.lost, cut.size), (true, 0, cut.blank));
        // Who may not look into all processes must take it for written.
        assert_eq!(world.content("app.log").trim(), "");
        assert_eq!(fs::metadata(world.root.join("app.log")).unwrap().ino(), inode);
    }
}

#[test]
fn who_appends_goes_on_and_what_came_after_the_copy_stays() {
    for world in worlds() {
        for (copied, more) in [(3_000, 100), (3_000, 0), (10, 5), (10, 0), (1, 1), (200_000, 3)] {
            let content = lines(0..copied);
            world.files(&[("app.log", &content)]);
            let mut writer = appending(&world, "app.log");
            writer.write_all(lines(copied..copied + more).as_bytes()).unwrap();
            let cut = world.cut("app.log", content.len() as u64, &sum(content.as_bytes()));
            if let Err(error) = &cut {
                // More came than there is room to move it to.
                assert!(error.to_string().contains("grows faster"), "{copied} {more}: {error}");
                assert_eq!(world.content("app.log"), lines(0..copied + more), "{copied} {more}");
                continue;
            }
            let cut = cut.unwrap();
            writer.write_all(lines(copied + more..copied + more + 5).as_bytes()).unwrap();
            let left = world.content("app.log");
            let (blank, rest) = left.split_at(usize::try_from(cut.blank).unwrap());
            assert_eq!(rest, lines(copied..copied + more + 5), "{copied} {more}: {cut:?}");
            assert!(blank.trim().is_empty() && blank.len() <= 4_096, "{copied} {more}: {blank:?}");
            assert!(blank.is_empty() || blank.ends_with('\n'), "{copied} {more}: {blank:?}");
            assert_eq!(cut.lost, 0);
        }
    }
}

#[test]
fn nothing_is_cut_that_is_not_what_was_copied() {
    let world = World::new();
    world.files(&[("app.log", "one\ntwo\n"), ("other", "1"), ("dir/", "")]);
    fs::hard_link(world.root.join("other"), world.root.join("second")).unwrap();
    symlink("app.log", world.root.join("link")).unwrap();
    for (case, path, bytes, content, expected) in [
        ("another content", "app.log", 4, "ONE\n", "no longer begins with"),
        ("shorter than the copy", "app.log", 100, "one\ntwo\n", "is shorter than 100 bytes"),
        ("a copy of more", "app.log", 4, "one\ntwo\n", "no longer begins with"),
        ("no checksum", "app.log", 4, "", "no longer begins with"),
        ("a link", "link", 4, "one\n", "is a symbolic link"),
        ("a directory", "dir", 0, "", "is a directory"),
        ("other names", "other", 1, "1", "has 2 names"),
        ("nothing there", "none", 0, "", "does not exist"),
    ] {
        let error = world.cut(path, bytes, &sum(content.as_bytes())).unwrap_err();
        assert!(error.to_string().contains(expected), "{case}: {error}");
    }
    assert_eq!((world.content("app.log"), world.content("other")), ("one\ntwo\n".into(), "1".into()));
    assert_eq!(world.cut("app.log", 0, &sum(b"")).unwrap().size, 8);
    assert_eq!(world.content("app.log"), "one\ntwo\n");
}

#[test]
fn a_rehearsal_checks_and_cuts_nothing() {
    let world = World::rehearsing();
    world.files(&[("app.log", "one\ntwo\n")]);
    let cut = world.cut("app.log", 4, &sum(b"one\n")).unwrap();
    assert_eq!(cut.size, 4 + cut.blank);
    assert!(world.cut("app.log", 4, &sum(b"two\n")).is_err());
    assert_eq!(world.content("app.log"), "one\ntwo\n");
}

/// Every line that a process appends while its log is copied and cut, again and again, is in a copy or in the log, once
/// and in order: on a file system that can take off the front of a file. On one that cannot, that it is not whole is said.
#[test]
fn a_writer_that_never_stops_loses_no_line() {
    for world in worlds() {
        world.files(&[("app.log", "")]);
        let stop = AtomicBool::new(false);
        let (mut copies, mut whole) = (Vec::new(), true);
        let written = std::thread::scope(|scope| {
            let mut writer = appending(&world, "app.log");
            let stop = &stop;
            let writing = scope.spawn(move || {
                let mut number = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    writer.write_all(format!("line {number}\n").as_bytes()).unwrap();
                    number += 1;
                }
                number
            });
            while copies.len() < 30 {
                let copy = fs::read(world.root.join("app.log")).unwrap();
                // Whole lines.
                let end = copy.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                if end < 5_000 {
                    continue;
                }
                let copy = &copy[..end];
                match world.cut("app.log", end as u64, &sum(copy)) {
                    Ok(cut) => {
                        whole &= cut.whole;
                        copies.push(String::from_utf8(copy.to_vec()).unwrap());
                    }
                    Err(error) => assert!(error.to_string().contains("grows faster"), "{error}"),
                }
            }
            stop.store(true, Ordering::Relaxed);
            writing.join().unwrap()
        });
        copies.push(world.content("app.log"));
        let numbers = copies.iter().flat_map(|copy| copy.lines()).filter(|line| !line.trim().is_empty());
        let numbers: Vec<u64> =
            numbers.map(|line| line.trim().strip_prefix("line ").unwrap().parse().unwrap()).collect();
        assert!(numbers.is_sorted(), "out of order");
        if whole {
            assert_eq!(numbers, (0..written).collect::<Vec<_>>());
        }
    }
}
