//! A host that is killed, a disk that is full, and one that would be.

use std::fs::File;
use std::time::{Duration, Instant};

use super::scene::{WHOLE, World, content, detail, findings, says};

/// Writes what does not compress, and goes on forever.
const ENDLESS: &str = "echo '-- PostgreSQL database dump'; exec head -c 500000000 /dev/urandom";

#[test]
fn a_host_that_is_killed_leaves_no_backup_and_the_next_run_clears_up() {
    let world = World::dumping(ENDLESS);
    world.templates("[template.dump]\nargv = [\"./dump.sh\"]\nimpact = \"observe\"\nmax-output = \"1GiB\"\n");
    let mut process = world.with_dump(world.host("run")).spawn();
    let begun = Instant::now();
    let half = loop {
        let names = world.everything();
        let size = |name: &String| world.path("backups").join(name).metadata().map_or(0, |it| it.len());
        if names.first().is_some_and(|name| size(name) > 1_000_000) {
            break names;
        }
        assert!(process.is_running() && begun.elapsed() < Duration::from_secs(30), "{names:?}");
        std::thread::sleep(Duration::from_millis(2));
    };
    process.kill_hard();
    // What is left has a name that no pattern of backups matches, and that no plugin sees.
    assert!(half.len() == 1 && half[0].starts_with(".taskhost-"), "{half:?}");
    assert_eq!(world.everything(), half);

    world.script(&says(WHOLE));
    world.dump(&[]).expect_code(0);
    let names = world.everything();
    assert!(names.len() == 2 && names.iter().all(|name| name.starts_with("app-")), "{names:?}");
    assert_eq!(content(&world.backup(".sql.zst").0), format!("{WHOLE}\n").as_bytes());
}

#[test]
fn a_run_that_is_interrupted_leaves_nothing() {
    let world = World::dumping("echo '-- PostgreSQL database dump'; head -c 3000000 /dev/urandom; sleep 20");
    let mut process = world.with_dump(world.host("run")).spawn();
    let begun = Instant::now();
    while world.everything().is_empty() {
        assert!(process.is_running() && begun.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(2));
    }
    process.interrupt();
    process.wait().expect_code(3);
    assert_eq!(world.everything(), [""; 0]);
}

#[test]
fn a_disk_that_becomes_full_on_the_way_leaves_nothing() {
    let world = World::dumping(ENDLESS);
    world.templates("[template.dump]\nargv = [\"./dump.sh\"]\nimpact = \"observe\"\nmax-output = \"1GiB\"\n");
    let report = world.with_dump(world.host("run")).largest_file(2 << 20).run().expect_code(2).report();
    assert_eq!(findings(&report), ["critical app: backup could not be written"]);
    assert!(detail(&report, "backup could not be written").contains("file too large"), "{report:#}");
    assert_eq!(world.everything(), [""; 0]);

    let world = World::new();
    world.source("big", vec![7; 5 << 20]);
    let host = world.with_source(world.host("run")).arg("compress=none").largest_file(2 << 20);
    assert_eq!(findings(&host.run().expect_code(2).report()), ["critical app: backup could not be written"]);
    assert_eq!(world.everything(), [""; 0]);
}

#[test]
fn a_backup_that_would_not_fit_is_not_begun() {
    let world = World::dumping(&format!("touch began; {}", says(WHOLE)));
    let space = rustix::fs::statvfs(world.path("backups")).unwrap();
    let free = space.f_bavail * space.f_frsize;
    // All holes, it takes no space itself.
    let last = world.path("backups/app-20200101T000000Z.sql.zst");
    File::create(&last).unwrap().set_len(free * 2).unwrap();
    let report = world.dump(&[]).expect_code(2).report();
    assert_eq!(findings(&report), ["critical app: there is no room for a backup"]);
    assert!(!world.path("began").exists(), "the dump was begun");
    // That of another series says nothing.
    std::fs::rename(&last, world.path("backups/other-20200101T000000Z.sql.zst")).unwrap();
    world.dump(&[]).expect_code(0);
    let report = world.dump(&[&format!("keep-free={}", free * 2)]).expect_code(2).report();
    assert_eq!(findings(&report), ["critical app: there is no room for a backup"]);
}

#[test]
fn a_manifest_that_cannot_be_written_costs_no_backup() {
    // The clock of the run is not known: every name of the next minutes is taken.
    let world = World::dumping(&says(WHOLE));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for second in now..now + 300 {
        let at = time::OffsetDateTime::from_unix_timestamp(second.try_into().unwrap()).unwrap();
        let (date, clock) = (at.date(), at.time());
        let stamp = format!(
            "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            clock.hour(),
            clock.minute(),
            clock.second()
        );
        std::fs::write(world.path("backups").join(format!("app-{stamp}.sql.zst.manifest.json")), "mine").unwrap();
    }
    let report = world.dump(&[]).expect_code(1).report();
    assert_eq!(findings(&report), ["warning app: backup has no manifest"]);
    let backups = world.everything().into_iter().filter(|name| name.ends_with(".sql.zst")).count();
    assert_eq!(backups, 1);
}
