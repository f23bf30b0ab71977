//! `write`, `rename`, `create-directory`, `compress`, `archive`: whole or not at all.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

use super::*;

const SHA256_OF_NEW: &str = "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437";

#[test]
fn files_are_created_replaced_and_appended_to() {
    let world = World::new();
    world.files(&[("old", "old")]);
    let written = world.write("new", WriteMode::Create, "new").unwrap();
    assert_eq!((written.bytes, written.sha256.as_str()), (3, SHA256_OF_NEW));
    assert!(matches!(world.write("old", WriteMode::Create, "x"), Err(Error::AlreadyExists(_))));
    world.write("old", WriteMode::Replace, "replaced").unwrap();
    let written = world.write("old", WriteMode::Append, "new").unwrap();
    assert_eq!((written.bytes, written.sha256.as_str()), (3, SHA256_OF_NEW));
    world.write("appended", WriteMode::Append, "a").unwrap();
    assert_eq!(world.content("old"), "replacednew");
    assert!(matches!(world.write("none/x", WriteMode::Create, "x"), Err(Error::NotFound(_))));
    world.create_directory("dir").unwrap();
    assert!(matches!(world.create_directory("dir"), Err(Error::AlreadyExists(_))));
    for mode in [WriteMode::Replace, WriteMode::Append] {
        assert!(matches!(world.write("dir", mode, "x"), Err(Error::WrongKind(_))));
    }
    assert_eq!(world.names("".as_ref()), ["appended", "dir", "new", "old"], "nothing temporary is left");
}

#[test]
fn a_file_keeps_its_mode_when_it_is_replaced() {
    let world = World::new();
    world.files(&[("key", "old")]);
    fs::set_permissions(world.root.join("key"), fs::Permissions::from_mode(0o640)).unwrap();
    world.write("key", WriteMode::Replace, "new").unwrap();
    assert_eq!(fs::metadata(world.root.join("key")).unwrap().mode() & 0o7777, 0o640);
}

#[test]
fn a_new_file_has_the_mode_of_the_grant_and_an_old_one_its_own() {
    let world = World::with(Mode::Perform, &format!("{ALL}\nmode = '0600'"), Budgets::default());
    world.files(&[("old", "old")]);
    fs::set_permissions(world.root.join("old"), fs::Permissions::from_mode(0o640)).unwrap();
    world.write("created", WriteMode::Create, "x").unwrap();
    world.write("replaced", WriteMode::Replace, "x").unwrap();
    world.write("appended", WriteMode::Append, "x").unwrap();
    world.archive(&["created"], "archived.tar").unwrap();
    world.write("old", WriteMode::Replace, "new").unwrap();
    world.compress("old", "old.gz", false).unwrap();
    let mode = |name: &str| fs::metadata(world.root.join(name)).unwrap().mode() & 0o7777;
    for name in ["created", "replaced", "appended", "archived.tar"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    assert_eq!((mode("old"), mode("old.gz")), (0o640, 0o640), "what is made of a file has the mode of that");
}

#[test]
fn a_rehearsal_tells_the_same_and_writes_nothing() {
    let (plan, run) = (World::rehearsing(), World::new());
    let mut told = Vec::new();
    for world in [&plan, &run] {
        world.files(&[("old", "old"), ("log", &"line\n".repeat(1_000)), ("dir/a", "a")]);
        let written = |written: Result<Written, Error>| {
            written.map(|written| (written.bytes, written.sha256)).map_err(|error| error.to_string())
        };
        told.push((
            written(world.write("new", WriteMode::Create, "new")),
            written(world.write("old", WriteMode::Replace, "new")),
            written(world.write("dir/a", WriteMode::Append, "new")),
            written(world.write("dir", WriteMode::Replace, "new")),
            written(world.write("dir/a", WriteMode::Create, "new")),
            written(world.compress("log", "log.gz", true)),
            world.create_directory("made").map_err(|error| error.to_string()),
            world.rename("dir/a", "b").map_err(|error| error.to_string()),
            world.rename("dir/a", "old").map_err(|error| error.to_string()),
        ));
    }
    assert_eq!(told[1].8, Err("`dir/a` does not exist".into()));
    assert_eq!(told[0], told[1]);
    assert_eq!(plan.walk_names(everything()), ["dir", "dir/a", "log", "old"]);
    assert_eq!((plan.content("old"), plan.content("dir/a")), ("old".into(), "a".into()));
    assert_eq!(run.walk_names(everything()), ["b", "dir", "log.gz", "made", "new", "old"]);
}

#[test]
fn what_is_given_up_half_way_leaves_the_old_file_and_nothing_else() {
    let mut world = World::new();
    world.files(&[("old", "old")]);
    let (permit, path) = world.call.enter_path("write", Impact::Destroy, &[Access::Write], "old").unwrap();
    let (sender, receiver) = std::sync::mpsc::channel::<Bytes>();
    let (seen, half) = std::sync::mpsc::channel::<()>();
    world.runtime.block_on(async {
        let made = world.call.make(permit, move |root, writing| {
            let next = || {
                let _ = seen.send(());
                receiver.recv().ok()
            };
            create::write(root, &path, WriteMode::Replace, Codec::None, next, writing)
        });
        // As when the guest traps: the call is dropped, and then its stream.
        tokio::select! {
            _ = made => panic!("it waits for the rest"),
            () = async {
                sender.send("half".into()).unwrap();
                while half.try_recv().is_err() { tokio::task::yield_now().await; }
                while half.try_recv().is_err() { tokio::task::yield_now().await; }
            } => {}
        }
    });
    assert_eq!(world.names("".as_ref()).len(), 2, "the temporary file is there now");
    drop(sender);
    let tasks = std::mem::take(&mut world.tasks);
    world.call.ticket = world.tasks.ticket();
    world.runtime.block_on(tasks.finish());
    assert_eq!(world.names("".as_ref()), ["old"]);
    assert_eq!(world.content("old"), "old");
    assert_eq!(world.journal(), [("write".to_owned(), "old".to_owned(), "abandoned".to_owned())]);
}

#[test]
fn what_a_killed_host_left_is_removed_and_what_a_living_one_writes_is_not() {
    let world = World::new();
    world.files(&[(".taskhost-left.tmp", "half"), (".taskhost-held.tmp", "half"), ("kept.tmp", "")]);
    let held = File::open(world.root.join(".taskhost-held.tmp")).unwrap();
    held.lock().unwrap();
    world.write("new", WriteMode::Create, "new").unwrap();
    assert_eq!(world.names("".as_ref()), [".taskhost-held.tmp", "kept.tmp", "new"]);
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    // A mount of its own is not to be had everywhere; a device that is always full is.
    let error = Error::system(
        "write",
        &"a",
        &File::options()
            .write(true)
            .open("/dev/full")
            .and_then(|mut full| {
                use std::io::Write as _;
                full.write_all(b"x")
            })
            .unwrap_err(),
    );
    assert!(matches!(error, Error::NoSpace(_)), "{error}");
}

#[test]
fn a_budget_of_bytes_stops_a_write_before_it_is_lasting() {
    let mut budgets = Budgets::default();
    budgets.set("logs", "bytes", 10);
    let world = World::with(Mode::Perform, ALL, budgets);
    world.files(&[("old", "old")]);
    let chunks = vec![Bytes::from_static(b"123456"); 2];
    let ended = world.write_chunks("old", WriteMode::Replace, Codec::None, chunks);
    assert!(matches!(&ended, Err(Error::OverBudget(reason)) if reason.contains("--budget logs.bytes=12")), "{ended:?}");
    assert_eq!(world.content("old"), "old");
    assert_eq!(world.names("".as_ref()), ["old"]);
}

#[test]
fn compressing_keeps_mode_time_and_content() {
    let world = World::new();
    let content = "a line of a log\n".repeat(100_000);
    world.files(&[("app.log", &content), ("other.log", &content), ("there.gz", "")]);
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    File::options().append(true).open(world.root.join("app.log")).unwrap().set_modified(then).unwrap();
    fs::set_permissions(world.root.join("app.log"), fs::Permissions::from_mode(0o600)).unwrap();
    let written = world.compress("app.log", "app.log.gz", true).unwrap();
    let stored = fs::metadata(world.root.join("app.log.gz")).unwrap();
    assert_eq!((stored.len(), stored.mode() & 0o7777, stored.modified().unwrap()), (written.bytes, 0o600, then));
    assert!(!world.exists("app.log"));
    world.compress("other.log", "other.log.zst", false).unwrap();
    assert!(world.exists("other.log"));
    for name in ["app.log.gz", "other.log.zst"] {
        let (_, read) = world.read_with(name, ReadOptions { range: None, decode: Codec::Auto });
        assert!(read.unwrap() == content.as_bytes(), "{name}");
    }
    assert!(matches!(world.compress("other.log", "there.gz", true), Err(Error::AlreadyExists(_))));
    assert!(world.exists("other.log"));
}

#[test]
fn renaming_never_overwrites() {
    let world = World::new();
    world.files(&[("a", "a"), ("b", "b"), ("dir/x", "x")]);
    assert!(matches!(world.rename("a", "b"), Err(Error::AlreadyExists(_))));
    assert!(matches!(world.rename("none", "c"), Err(Error::NotFound(_))));
    world.rename("a", "dir/a").unwrap();
    world.rename("dir", "moved").unwrap();
    assert_eq!(world.walk_names(files()), ["b", "moved/a", "moved/x"]);
}

#[test]
fn an_archive_holds_what_is_named_in_order_and_links_as_links() {
    let world = World::with(Mode::Perform, &format!("{ALL}\nexclude = \"secret\""), Budgets::default());
    let long = format!("logs/{}/{}", "d".repeat(120), "f".repeat(120));
    world.files(&[
        ("logs/b", "b"),
        ("logs/a", "aa"),
        ("logs/sub/c", ""),
        ("single", "s"),
        ("logs/secret", "s"),
        (&long, "l"),
    ]);
    symlink("../../outside/secret", world.root.join("logs/link")).unwrap();
    let _listening = std::os::unix::net::UnixListener::bind(world.root.join("logs/socket")).unwrap();
    let first = world.archive(&["single", "logs"], "out.tar.gz").unwrap();
    let second = world.archive(&["single", "logs"], "again.tar.gz").unwrap();
    assert_eq!(first.sha256, second.sha256, "the same tree makes the same archive");
    let file = File::open(world.root.join("out.tar.gz")).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        let link = entry.link_name().unwrap().map(|link| link.to_str().unwrap().to_owned());
        found.push((entry.path().unwrap().to_str().unwrap().to_owned(), link.unwrap_or(content)));
    }
    let directory = format!("logs/{}/", "d".repeat(120));
    let expected = [
        ("single", "s"),
        ("logs/", ""),
        ("logs/a", "aa"),
        ("logs/b", "b"),
        (&directory, ""),
        ("logs/link", "../../outside/secret"),
        ("logs/sub/", ""),
        (&long, "l"),
        ("logs/sub/c", ""),
    ];
    assert_eq!(found, expected.map(|(path, content)| (path.to_owned(), content.to_owned())));
    assert!(matches!(world.archive(&["absent"], "none.tar"), Err(Error::NotFound(_))));
    assert!(!world.exists("none.tar"));
}

#[test]
fn what_is_written_can_be_encoded_by_its_name() {
    let world = World::new();
    for name in ["a.gz", "a.zst", "a"] {
        world.write_chunks(name, WriteMode::Create, Codec::Auto, vec!["content".into()]).unwrap();
        let (_, read) = world.read_with(name, ReadOptions { range: None, decode: Codec::Auto });
        assert_eq!(read.unwrap(), b"content", "{name}");
    }
    assert_eq!(&fs::read(world.root.join("a.gz")).unwrap()[..2], [0x1f, 0x8b]);
    assert_eq!(&fs::read(world.root.join("a.zst")).unwrap()[..4], [0x28, 0xb5, 0x2f, 0xfd]);
}

/// What one step of a run leaves for the next, a rehearsal has in thought: names that went, that are there, and that moved.
#[test]
fn a_rehearsal_of_steps_that_build_on_each_other_tells_the_same() {
    let (plan, run) = (World::rehearsing(), World::new());
    let mut told = Vec::new();
    for world in [&plan, &run] {
        world.files(&[("log", "live\n"), ("log.1", "one\n"), ("log.2.gz", "two"), ("log.3.gz", "three")]);
        let before = world.walk_names(everything());
        let said = |ended: Result<(), Error>| ended.map_err(|error| error.to_string());
        let bytes = |written: Result<Written, Error>| written.map(|it| it.bytes).map_err(|error| error.to_string());
        told.push((
            vec![
                said(world.rename("log.3.gz", "log.4.gz")),
                said(world.rename("log.2.gz", "log.3.gz")),
                said(world.rename("log.4.gz", "log.3.gz")),
                said(world.rename("log", "log.2")),
                said(world.rename("log", "log.2")),
                said(world.create_directory("archive")),
                said(world.create_directory("archive")),
                said(world.rename("log.2", "archive/log.2")),
            ],
            vec![
                bytes(world.compress("log.1", "log.2.gz", true)),
                bytes(world.compress("log.1", "again.gz", true)),
                bytes(world.compress("archive/log.2", "log.1.gz", true)),
                bytes(world.archive(&["log.3.gz", "log.4.gz"], "archive/logs.tar")),
                bytes(world.create_like("log", "log.3.gz")),
                bytes(world.create_like("log", "log.3.gz")),
                bytes(world.write("log.1", WriteMode::Create, "new")),
                bytes(world.write("log.1", WriteMode::Create, "new")),
                bytes(world.write("absent/new", WriteMode::Create, "new")),
            ],
            world
                .remove(&["log.4.gz", "log.4.gz", "log.3.gz"])
                .into_iter()
                .map(|removed| removed.map(|removed| removed.bytes).map_err(|error| error.to_string()))
                .collect::<Vec<_>>(),
        ));
        if std::ptr::eq(world, &raw const plan) {
            assert_eq!(world.walk_names(everything()), before);
        }
    }
    let (planned, ran) = (&told[0], &told[1]);
    assert_eq!(planned, ran);
    assert_eq!(ran.2, [Ok(5), Err("`log.4.gz` does not exist".into()), Ok(3)]);
    assert_eq!(run.walk_names(everything()), ["archive", "archive/logs.tar", "log", "log.1", "log.1.gz", "log.2.gz"]);
}

#[test]
fn a_file_is_made_like_another() {
    let world = World::new();
    world.files(&[("app.log.1", "old"), ("dir/", "")]);
    fs::set_permissions(world.root.join("app.log.1"), fs::Permissions::from_mode(0o640)).unwrap();
    world.create_like("app.log", "app.log.1").unwrap();
    let (made, like) =
        (fs::metadata(world.root.join("app.log")).unwrap(), fs::metadata(world.root.join("app.log.1")).unwrap());
    assert_eq!((made.len(), made.mode() & 0o7777), (0, 0o640));
    assert_eq!((made.uid(), made.gid()), (like.uid(), like.gid()));
    assert!(matches!(world.create_like("app.log", "app.log.1"), Err(Error::AlreadyExists(_))));
    assert!(matches!(world.create_like("new", "dir"), Err(Error::WrongKind(_))));
    assert!(matches!(world.create_like("new", "none"), Err(Error::NotFound(_))));
    assert!(!world.exists("new"));
}
