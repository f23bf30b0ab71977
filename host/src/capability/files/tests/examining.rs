//! `examine`: who has a file open, and which file it is.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use super::*;

#[test]
fn who_has_a_file_open_is_told_with_what_it_may_do() {
    let world = World::new();
    world.files(&[("app.log", "one\n"), ("quiet", ""), ("dir/", "")]);
    symlink("app.log", world.root.join("link")).unwrap();
    let path = world.root.join("app.log");
    let holders = || {
        let details = world.examine(&["app.log"]).remove(0).unwrap();
        let own = details.holders.into_iter().filter(|holder| holder.process == std::process::id());
        own.map(|holder| (holder.writes, holder.appends)).collect::<Vec<_>>()
    };
    assert_eq!(holders(), []);
    let reading = File::open(&path).unwrap();
    assert_eq!(holders(), [(false, false)]);
    let appending = File::options().append(true).open(&path).unwrap();
    assert_eq!(holders(), [(true, true)]);
    let writing = File::options().write(true).open(&path).unwrap();
    assert_eq!(holders(), [(true, false)]);
    drop((reading, appending, writing));
    assert_eq!(holders(), []);
    let outcomes = world.examine(&["quiet", "dir", "link", "none", "../outside/secret"]);
    let outcomes: Vec<_> = outcomes.iter().map(|one| one.as_ref().map(|it| it.holders.len())).collect();
    assert!(
        matches!(
            outcomes[..],
            [
                Ok(0),
                Err(Error::WrongKind(_)),
                Err(Error::WrongKind(_)),
                Err(Error::NotFound(_)),
                Err(Error::Refused(_))
            ]
        ),
        "{outcomes:?}"
    );
}

#[test]
fn a_file_is_the_same_under_another_name_and_another_under_the_same() {
    let world = World::new();
    world.files(&[("app.log", "one\n")]);
    let identity = |name: &str| world.examine(&[name]).remove(0).unwrap().identity;
    let first = identity("app.log");
    fs::rename(world.root.join("app.log"), world.root.join("app.log.1")).unwrap();
    // While the old one is there, a new one has another number.
    world.files(&[("app.log", "two\n")]);
    assert_eq!(identity("app.log.1"), first);
    assert_ne!(identity("app.log"), first);
}

#[test]
fn a_rename_changes_when_it_was_changed_and_not_when_it_was_made() {
    let world = World::new();
    world.files(&[("app.log", "one\n")]);
    let path = world.root.join("app.log");
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    File::options().append(true).open(&path).unwrap().set_modified(old).unwrap();
    let details = world.examine(&["app.log"]).remove(0).unwrap();
    assert!(details.changed > 1_000_000, "the time of the last write can be set, and this cannot");
    assert!(details.created.is_none_or(|created| created > 1_000_000 && created <= details.changed));
}
