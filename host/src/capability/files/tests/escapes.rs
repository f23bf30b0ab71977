//! Nothing leads out of the root: each case through every operation, and once more against cap-std alone.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cap_std::fs::OpenOptions;
use rustix::fs::{CWD, Mode as FileMode, RenameFlags};

use super::*;

/// A tree with every way out that a tree can hold.
fn world_with_ways_out() -> World {
    let world = World::new();
    world.files(&[("inside", "inside"), ("a/inside", "inside"), ("deep/er/inside", "inside")]);
    symlink(&world.outside, world.root.join("absolute")).unwrap();
    symlink("../outside", world.root.join("relative")).unwrap();
    symlink("../../../outside", world.root.join("deep/er/up")).unwrap();
    symlink("relative", world.root.join("chain")).unwrap();
    symlink("/proc/self/root", world.root.join("magic")).unwrap();
    symlink("../outside/secret", world.root.join("file")).unwrap();
    symlink("../outside/new", world.root.join("dangling")).unwrap();
    symlink("round", world.root.join("round")).unwrap();
    world
}

/// Paths that lead out, named, with the same path as the system takes it.
fn ways_out(world: &World) -> Vec<(&'static str, String, PathBuf)> {
    let absolute = world.outside.join("secret");
    let mut ways: Vec<(&str, String, PathBuf)> = [
        ("parent", "../outside/secret"),
        ("parent from a directory", "a/../../outside/secret"),
        ("through an absolute link", "absolute/secret"),
        ("through a relative link", "relative/secret"),
        ("through a link further down", "deep/er/up/secret"),
        ("through a link to a link", "chain/secret"),
        ("through a link and back", "relative/../outside/secret"),
    ]
    .map(|(case, path)| (case, path.to_owned(), PathBuf::from(path)))
    .into();
    ways.push(("absolute", absolute.to_str().unwrap().to_owned(), absolute.clone()));
    ways.push(("escaped parent", "\\x2e\\x2e/outside/secret".into(), "../outside/secret".into()));
    ways.push(("escaped slash", "..\\x2foutside\\x2fsecret".into(), "../outside/secret".into()));
    ways.push((
        "through a magic link",
        format!("magic{}", absolute.display()),
        format!("magic{}", absolute.display()).into(),
    ));
    ways
}

type Operation = (&'static str, fn(&World, &str) -> Result<(), Error>);

/// Every operation that takes a path, with that path in each of its places.
const OPERATIONS: &[Operation] = &[
    ("stat", |world, path| world.stat(path).map(drop)),
    ("read", |world, path| world.read(path).map(drop)),
    ("read-all", |world, path| world.read_all(&[path], 100).remove(0).map(drop)),
    ("digest", |world, path| world.digest(path).map(drop)),
    ("tail", |world, path| world.tail(path, 1).map(drop)),
    ("search", |world, path| world.search(path, &super::reading::pattern("side")).map(drop)),
    ("write, create", |world, path| world.write(path, WriteMode::Create, "x").map(drop)),
    ("write, replace", |world, path| world.write(path, WriteMode::Replace, "x").map(drop)),
    ("write, append", |world, path| world.write(path, WriteMode::Append, "x").map(drop)),
    ("rename from", |world, path| world.rename(path, "stolen")),
    ("rename to", |world, path| world.rename("inside", path)),
    ("create-directory", World::create_directory),
    ("compress", |world, path| world.compress(path, "stolen", false).map(drop)),
    ("compress to", |world, path| world.compress("inside", path, false).map(drop)),
    ("compress and remove", |world, path| world.compress(path, "stolen", true).map(drop)),
    ("archive", |world, path| world.archive(&[path], "stolen").map(drop)),
    ("archive to", |world, path| world.archive(&["inside"], path).map(drop)),
    ("remove", |world, path| world.remove(&[path]).remove(0).map(drop)),
];

#[test]
fn no_path_leads_out_through_any_operation() {
    let world = world_with_ways_out();
    let before = world.outside();
    for (case, path, _) in ways_out(&world) {
        for (operation, act) in OPERATIONS {
            match act(&world, &path) {
                Err(Error::Refused(_)) => {}
                Err(Error::Invalid(reason)) if case == "escaped slash" => {
                    assert!(reason.contains("escaped `/`"), "{case}, {operation}: {reason}");
                }
                other => panic!("{case}, {operation}: {other:?}"),
            }
        }
    }
    assert_eq!(world.outside(), before);
    assert!(!world.exists("stolen"));
    assert_eq!(world.content("inside"), "inside");
    let refused = world.journal().iter().filter(|(_, _, outcome)| outcome == "refused").count();
    let escaped_slash_and_read_all = OPERATIONS.len() + ways_out(&world).len() - 1;
    assert_eq!(refused, ways_out(&world).len() * OPERATIONS.len() - escaped_slash_and_read_all);
}

#[test]
fn cap_std_refuses_the_same_without_our_check() {
    let world = world_with_ways_out();
    let before = world.outside();
    let dir = world.call.root.dir();
    for (case, _, path) in ways_out(&world) {
        let create = OpenOptions::new().write(true).create(true).clone();
        for (operation, ended) in [
            ("open", dir.open(&path).map(drop)),
            ("create", dir.open_with(&path, &create).map(drop)),
            ("stat", dir.symlink_metadata(&path).map(drop)),
            ("list", dir.read_dir(path.parent().unwrap()).map(drop)),
            ("remove", dir.remove_file(&path)),
            ("rename from", dir.rename(&path, dir, "stolen")),
            ("rename to", dir.rename("inside", dir, &path)),
            ("create directory", dir.create_dir(&path)),
            ("follow", dir.canonicalize(&path).map(drop)),
        ] {
            let error = ended.expect_err(case);
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{case}, {operation}: {error}");
        }
    }
    assert_eq!(world.outside(), before);
}

#[test]
fn a_link_at_the_end_of_a_path_is_neither_read_nor_written_through_to_the_outside() {
    for (operation, act) in OPERATIONS {
        for link in ["file", "dangling", "round"] {
            let world = world_with_ways_out();
            let before = world.outside();
            let ended = act(&world, link);
            assert_eq!(world.outside(), before, "{operation} {link}");
            // What concerns the link itself is allowed.
            let on_the_link = matches!(*operation, "stat" | "rename from" | "archive" | "remove");
            assert_eq!(ended.is_ok(), on_the_link, "{operation} {link}: {ended:?}");
        }
    }
}

#[test]
fn a_link_that_stays_below_the_root_is_followed_to_what_is_granted_only() {
    let world = World::with(Mode::Perform, &format!("{ALL}\nexclude = \"secrets\""), Budgets::default());
    world.files(&[("archive/cert.pem", "cert"), ("secrets/key", "key"), ("live/", ""), ("current/", "")]);
    symlink("../archive/cert.pem", world.root.join("live/cert.pem")).unwrap();
    symlink("archive", world.root.join("latest")).unwrap();
    symlink("../secrets/key", world.root.join("live/key")).unwrap();
    symlink("secrets", world.root.join("hidden")).unwrap();
    assert_eq!(world.read("live/cert.pem").unwrap(), b"cert");
    assert_eq!(world.read("latest/cert.pem").unwrap(), b"cert");
    world.write("latest/new", WriteMode::Create, "new").unwrap();
    assert_eq!(world.content("archive/new"), "new");
    for path in ["secrets/key", "live/key", "hidden/key", "hidden/new"] {
        for (operation, act) in OPERATIONS {
            let on_the_link = path == "live/key" && matches!(*operation, "stat" | "rename from" | "archive" | "remove");
            if !on_the_link {
                let ended = act(&world, path);
                assert!(ended.is_err(), "{operation} {path}");
            }
        }
    }
    assert_eq!(world.names("secrets".as_ref()), ["key"]);
    assert!(matches!(world.read("hidden/key"), Err(Error::Refused(_))));
}

#[test]
fn a_directory_cannot_be_renamed_out_of_its_exclusion() {
    let world = World::with(Mode::Perform, &format!("{ALL}\nexclude = \"a/key\""), Budgets::default());
    world.files(&[("a/key", "key")]);
    let error = world.rename("a", "b").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`a` is a directory, and slot `logs` grants by name what is in it; rename the files one by one"
    );
}

#[test]
fn special_files_are_never_opened_and_hold_nobody() {
    let world = World::new();
    world.files(&[("inside", "inside")]);
    let begun = Instant::now();
    rustix::fs::mkfifoat(CWD, world.root.join("pipe"), FileMode::RUSR | FileMode::WUSR).unwrap();
    let _listening = std::os::unix::net::UnixListener::bind(world.root.join("socket")).unwrap();
    for path in ["pipe", "socket"] {
        for (operation, act) in OPERATIONS {
            let ended = act(&world, path);
            match *operation {
                "stat" => assert_eq!(world.stat(path).unwrap().kind, Kind::Other),
                // Left out of the archive.
                "archive" => assert!(world.remove(&["stolen"]).remove(0).is_ok()),
                "rename to" | "write, create" | "create-directory" | "compress to" | "archive to" => {
                    assert!(matches!(ended, Err(Error::AlreadyExists(_))), "{operation} {path}: {ended:?}");
                }
                _ => assert!(matches!(ended, Err(Error::WrongKind(_))), "{operation} {path}: {ended:?}"),
            }
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn devices_are_never_opened() {
    let grant: Grant = toml::from_str(&format!("target = \"/dev\"\n{ALL}")).unwrap();
    let root = Root::open("dev".into(), Arc::new(grant), Arc::default()).unwrap();
    for device in ["null", "zero", "full"] {
        let path = crate::policy::path::RelativePath::parse(device).unwrap();
        assert!(matches!(root.open_file(&path).map(drop), Err(Error::WrongKind(_))), "{device}");
    }
}

#[test]
fn another_file_system_below_the_root_is_not_entered() {
    let grant: Grant = toml::from_str(&format!("target = \"/\"\n{ALL}")).unwrap();
    let root = Root::open("all".into(), Arc::new(grant), Arc::default()).unwrap();
    let path = crate::policy::path::RelativePath::parse("proc/version").unwrap();
    let error = root.open_file(&path).map(drop).unwrap_err();
    assert!(matches!(&error, Error::Refused(reason) if reason.contains("another file system")), "{error}");
}

#[test]
fn files_of_proc_that_say_they_are_empty_are_read() {
    let grant: Grant = toml::from_str(&format!("target = \"/proc\"\n{ALL}")).unwrap();
    let root = Root::open("proc".into(), Arc::new(grant), Arc::default()).unwrap();
    let path = crate::policy::path::RelativePath::parse("version").unwrap();
    let content = root.read_small(&path, 10_000, &mut super::super::backend::root::LastDirectory::default()).unwrap();
    assert!(content.starts_with(b"Linux"));
}

#[test]
fn a_file_with_names_elsewhere_is_replaced_but_not_written_through() {
    let world = World::new();
    fs::hard_link(world.outside.join("secret"), world.root.join("shared")).unwrap();
    let error = world.write("shared", WriteMode::Append, "x").unwrap_err();
    assert!(matches!(&error, Error::Refused(reason) if reason.contains("2 names (hard links)")), "{error}");
    world.write("shared", WriteMode::Replace, "mine").unwrap();
    assert_eq!(world.content("shared"), "mine");
    assert_eq!(world.outside(), [("secret".to_owned(), "outside".to_owned())]);
}

#[test]
fn names_of_every_kind_are_listed_and_named() {
    let world = World::new();
    let long = vec![b'n'; 255];
    for name in [&b"two\nlines"[..], b"\xff\xfe", b"back\\slash", b" ", b"-rf", b"\\x2e\\x2e", b"...", &long] {
        fs::write(world.root.join(OsString::from_vec(name.to_vec())), "x").unwrap();
    }
    let names = world.walk_names(files());
    assert_eq!(names.len(), 8);
    for name in &names {
        assert_eq!(world.read(name).unwrap(), b"x", "{name}");
        assert!(world.remove(&[name]).remove(0).is_ok(), "{name}");
    }
    assert_eq!(world.names("".as_ref()), Vec::<String>::new());
    let longer = "n".repeat(256);
    assert!(matches!(world.write(&longer, WriteMode::Create, "x"), Err(Error::Invalid(_))));
}

/// A directory that is swapped for a link to the outside, over and over, while files in it are read, written, removed
/// and listed.
#[test]
fn a_directory_that_is_swapped_for_a_link_meanwhile_leads_nowhere_else() {
    let world = World::new();
    world.files(&[("d/secret", "inside"), ("d/kept", "inside")]);
    symlink(&world.outside, world.root.join("link")).unwrap();
    fs::write(world.outside.join("kept"), "outside").unwrap();
    fs::write(world.outside.join("only-outside"), "outside").unwrap();
    let before = world.outside();
    let stop = AtomicBool::new(false);
    let (mut inside, mut refused, mut swaps) = (0, 0, 0);
    std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            let (one, other) = (world.root.join("d"), world.root.join("link"));
            let mut swaps = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
                swaps += 1;
            }
            swaps
        });
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            match world.read("d/secret") {
                Ok(content) => {
                    assert_eq!(content, b"inside");
                    inside += 1;
                }
                Err(_) => refused += 1,
            }
            for path in ["d/new", "d/kept"] {
                let _ = world.write(path, WriteMode::Replace, "inside");
            }
            let _ = world.remove(&["d/new"]);
            let listed = world.walk_names(everything());
            assert!(!listed.iter().any(|path| path.contains("only-outside")), "{listed:?}");
        }
        stop.store(true, Ordering::Relaxed);
        swaps = swapping.join().unwrap();
    });
    assert_eq!(world.outside(), before);
    assert!(inside > 0 && refused > 0 && swaps > 100, "both were met: {inside} {refused} {swaps}");
}
