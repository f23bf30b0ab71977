//! `walk`: filters, deep and changing trees, and what cannot be read.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Mode as FileMode, OFlags};

use super::*;

#[test]
fn filters_hold_together() {
    let world = World::new();
    world.files(&[("a.log", "12345"), ("b.txt", "1"), ("d/c.log", "123"), ("d/e/f.log.gz", ""), ("skip/g.log", "")]);
    symlink("a.log", world.root.join("link.log")).unwrap();
    let age = |name: &str, days: u64| {
        let file = File::options().append(true).open(world.root.join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(days * 86_400)).unwrap();
    };
    age("a.log", 40);
    age("d/c.log", 10);
    let globs = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    for (case, filter, expected) in [
        ("all files", files(), vec!["a.log", "b.txt", "d/c.log", "d/e/f.log.gz", "skip/g.log"]),
        ("by name", Filter { include: globs(&["*.log"]), ..files() }, vec!["a.log", "d/c.log", "skip/g.log"]),
        ("by path", Filter { include: globs(&["d/**"]), ..files() }, vec!["d/c.log", "d/e/f.log.gz"]),
        ("any of two", Filter { include: globs(&["*.gz", "b.*"]), ..files() }, vec!["b.txt", "d/e/f.log.gz"]),
        ("left out", Filter { exclude: globs(&["skip", "*.gz"]), ..files() }, vec!["a.log", "b.txt", "d/c.log"]),
        ("older", Filter { older_than: Some(30 * 86_400), ..files() }, vec!["a.log"]),
        ("newer", Filter { newer_than: Some(86_400), ..files() }, vec!["b.txt", "d/e/f.log.gz", "skip/g.log"]),
        ("between", Filter { older_than: Some(86_400), newer_than: Some(30 * 86_400), ..files() }, vec!["d/c.log"]),
        ("larger", Filter { larger_than: Some(3), ..files() }, vec!["a.log", "d/c.log"]),
        ("smaller", Filter { smaller_than: Some(1), ..files() }, vec!["b.txt", "d/e/f.log.gz", "skip/g.log"]),
        ("depth", Filter { max_depth: Some(1), ..files() }, vec!["a.log", "b.txt"]),
        ("depth of two", Filter { max_depth: Some(2), ..files() }, vec!["a.log", "b.txt", "d/c.log", "skip/g.log"]),
        ("no depth", Filter { max_depth: Some(0), ..files() }, vec![]),
        ("directories", Filter { kinds: vec![Kind::Directory], ..files() }, vec!["d", "d/e", "skip"]),
        ("links", Filter { kinds: vec![Kind::Symlink], ..files() }, vec!["link.log"]),
        ("too old", Filter { older_than: Some(u64::MAX), ..files() }, vec![]),
    ] {
        assert_eq!(world.walk_names(filter), expected, "{case}");
    }
    let (entries, walked) = world.walk(Filter { include: globs(&["a.log"]), ..files() });
    assert_eq!((entries[0].size, entries[0].kind, entries[0].links), (5, Kind::File, 1));
    assert_eq!((walked.visited, walked.matched, walked.problem_count), (9, 1, 0));
    let bad = Matcher::new(Filter { include: globs(&["a["]), ..files() }, 0);
    assert!(matches!(bad, Err(Error::Invalid(reason)) if reason.contains("`a[` is not a glob")));
}

#[test]
fn the_grant_scopes_what_is_listed() {
    let world =
        World::with(Mode::Perform, &format!("{ALL}\ninclude = \"logs/*.log\"\nexclude = \"old*\""), Budgets::default());
    world.files(&[
        ("logs/a.log", ""),
        ("logs/old.log", ""),
        ("logs/a.txt", ""),
        ("b.log", ""),
        (".taskhost-x.tmp", ""),
    ]);
    assert_eq!(world.walk_names(everything()), ["logs/a.log"]);
}

#[test]
fn a_tree_of_ten_thousand_levels_is_walked_read_and_removed() {
    const LEVELS: usize = 10_000;
    let world = World::in_memory();
    let mut directory = rustix::fs::open(&world.root, OFlags::DIRECTORY, FileMode::empty()).unwrap();
    for _ in 0..LEVELS {
        // Two on each level, so that the way back up is gone as well.
        for name in ["d", "e"] {
            rustix::fs::mkdirat(&directory, name, FileMode::RWXU).unwrap();
        }
        directory = rustix::fs::openat(&directory, "d", OFlags::DIRECTORY, FileMode::empty()).unwrap();
    }
    let flags = OFlags::CREATE | OFlags::WRONLY;
    drop(rustix::fs::openat(&directory, "bottom", flags, FileMode::RWXU).unwrap());
    let (entries, walked) = world.walk(everything());
    assert_eq!(walked.matched, 2 * LEVELS as u64 + 1);
    assert_eq!(walked.problem_count, 0);
    let bottom = entries.iter().find(|entry| entry.path.ends_with("bottom")).unwrap();
    assert_eq!(world.read(&bottom.path).unwrap(), b"");
    assert!(world.remove(&[&bottom.path]).remove(0).is_ok());
    // From below: what clears the directory after the test opens as many as there are levels.
    for _ in 0..LEVELS {
        directory = rustix::fs::openat(&directory, "..", OFlags::DIRECTORY, FileMode::empty()).unwrap();
        for name in ["d", "e"] {
            rustix::fs::unlinkat(&directory, name, AtFlags::REMOVEDIR).unwrap();
        }
    }
}

#[test]
fn a_directory_that_cannot_be_read_is_told_and_the_rest_is_listed() {
    let world = World::new();
    world.files(&[("open/a", ""), ("closed/b", "")]);
    fs::set_permissions(world.root.join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    // Nothing is closed to root, in whose name this may run.
    let is_closed = fs::read_dir(world.root.join("closed")).is_err();
    let (entries, walked) = world.walk(files());
    fs::set_permissions(world.root.join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    let listed: Vec<_> = entries.iter().map(|entry| entry.path.as_str()).collect();
    let problems: Vec<_> = walked.problems.iter().map(|problem| problem.message.as_str()).collect();
    if is_closed {
        assert_eq!(listed, ["open/a"]);
        assert_eq!(problems, ["failed to list `closed`: EACCES: permission denied"]);
    } else {
        assert_eq!(listed, ["closed/b", "open/a"]);
        assert_eq!(problems, [""; 0]);
    }
    assert_eq!(walked.problem_count, problems.len() as u64);
}

#[test]
fn files_that_are_open_are_left_out_when_asked() {
    let world = World::new();
    world.files(&[("open", ""), ("closed", "")]);
    let held = File::open(world.root.join("open")).unwrap();
    let (entries, walked) = world.walk(Filter { closed_only: true, ..files() });
    drop(held);
    assert_eq!(entries.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(), ["closed"]);
    assert_eq!(walked.open, 1);
}

#[test]
fn files_that_vanish_meanwhile_are_no_problem() {
    let world = World::new();
    for directory in 0..200 {
        let names: Vec<_> = (0..20).map(|file| format!("{directory}/{file}")).collect();
        world.files(&names.iter().map(|name| (name.as_str(), "")).collect::<Vec<_>>());
    }
    let walked = std::thread::scope(|scope| {
        scope.spawn(|| {
            for directory in (0..200).rev() {
                fs::remove_dir_all(world.root.join(directory.to_string())).unwrap();
            }
        });
        let mut problems = 0;
        while world.exists("0") {
            problems += world.walk(files()).1.problem_count;
        }
        problems
    });
    assert_eq!(walked, 0);
}

#[test]
fn a_walk_that_nobody_waits_for_ends() {
    let world = World::new();
    for number in 0..5_000 {
        File::create(world.root.join(number.to_string())).unwrap();
    }
    let matcher = Matcher::new(Filter { include: vec!["nothing".into()], ..files() }, 0).unwrap();
    let (walked, ended) = walk(&world.call.root, &matcher, || false, |_| Ok(()));
    assert!(matches!(ended, Err(Error::GivenUp)));
    assert!(walked.visited < 5_000);
    let matcher = Matcher::new(files(), 0).unwrap();
    let (walked, ended) = walk(&world.call.root, &matcher, || true, |_| Err(Error::GivenUp));
    assert!(matches!(ended, Err(Error::GivenUp)));
    assert_eq!(walked.matched, 1_024);
}
