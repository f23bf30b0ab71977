//! Archives of files: what tar unpacks is what was there, and what is not in it is said.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::scene::{World, content, detail, findings};

/// Unpacks it with tar, and says how the two directories differ.
fn difference(world: &World) -> String {
    let (path, _) = world.backup(".tar.zst");
    let unpacked = world.path("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    std::fs::write(world.path("plain.tar"), content(&path)).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(world.path("")).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let said = run("tar", &["--extract", "--preserve-permissions", "--file=plain.tar", "--directory=unpacked"]);
    said + &run("diff", &["--recursive", "--no-dereference", "source", "unpacked"])
}

#[test]
fn tar_unpacks_what_was_there() {
    let world = World::new();
    world.source("empty", "");
    world.source("a/block", [7; 512]);
    world.source("a/b/c/more than a block", vec![8; 70_000]);
    world.source(&format!("{}/name", "long directory/".repeat(12)), "long");
    world.source("back\\slash \n $(touch x) ü", "odd");
    world.source("-rf", "odd");
    let latin = world.path("source").join(std::ffi::OsStr::from_bytes(b"latin\xe9"));
    std::fs::write(&latin, "bytes").unwrap();
    std::fs::create_dir(world.path("source/nothing in it")).unwrap();
    let script = world.path("source/a/block");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o750)).unwrap();
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    std::fs::File::options().append(true).open(&script).unwrap().set_modified(then).unwrap();

    let report = world.archive(&[]).expect_code(0).report();
    assert_eq!(findings(&report), [""; 0]);
    assert_eq!(difference(&world), "");
    let unpacked = world.path("unpacked/a/block").metadata().unwrap();
    assert_eq!((unpacked.permissions().mode() & 0o7777, unpacked.modified().unwrap()), (0o750, then));
}

#[test]
fn what_is_left_out_is_said_or_was_asked_for() {
    let world = World::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "not to be found in any backup").unwrap();
    world.source("data/keep.json", "{}");
    world.source("data/cache/drop.json", "{}");
    world.source("notes.txt", "text");
    std::os::unix::fs::symlink(outside.path().join("secret"), world.path("source/link")).unwrap();
    std::os::unix::fs::symlink(outside.path(), world.path("source/way-out")).unwrap();
    assert!(Command::new("mkfifo").arg(world.path("source/pipe")).status().unwrap().success());

    let report = world.archive(&["exclude=cache"]).expect_code(1).report();
    assert_eq!(findings(&report), ["warning app: links are not in the archive"]);
    let told = detail(&report, "links are not in the archive");
    assert!(told.starts_with("2: ") && told.contains("link") && told.contains("way-out"), "{told}");
    let archive = content(&world.backup(".tar.zst").0);
    let has = |text: &str| archive.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("data/keep.json") && has("notes.txt") && !has("drop.json") && !has("not to be found"));
    assert_eq!(report["metrics"].as_array().unwrap().iter().filter(|it| it["name"] == "backup_content").count(), 1);

    let only = World::new();
    only.source("a.json", "1");
    only.source("a.txt", "2");
    let report = only.archive(&["include=*.json", "exclude=link,way-out"]).expect_code(0).report();
    assert!(report["summary"].as_str().unwrap().ends_with("a tar of 1 member, 1 B"), "{}", report["summary"]);
}

#[test]
fn a_file_that_grows_or_shrinks_meanwhile_damages_no_other() {
    let world = World::new();
    for number in 0..20 {
        world.source(&format!("{number:02}"), vec![number; 3_000_000]);
    }
    let growing = world.path("source/growing");
    let ended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    std::fs::write(&growing, vec![b'x'; 2_000_000]).unwrap();
    let writer = {
        let ended = std::sync::Arc::clone(&ended);
        std::thread::spawn(move || {
            let mut size = 0;
            while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                size = (size + 777_777) % 5_000_000;
                std::fs::File::options().write(true).open(&growing).unwrap().set_len(size).unwrap();
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
        })
    };
    // The writer may not get to write while that file is read: then once more.
    let seen = (0..20).any(|_| {
        let report = world.archive(&["compress=none"]).report();
        let (path, _) = world.backup(".tar");
        assert_eq!(whole(&path), 20);
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(path.with_extension("tar.manifest.json")).unwrap();
        findings(&report) == ["warning app: files changed while they were read"]
    });
    ended.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    assert!(seen, "nothing was said of it");
}

/// How many files of an archive are what their names say.
fn whole(path: &std::path::Path) -> usize {
    let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
    let is_whole = |entry: std::io::Result<tar::Entry<'_, std::fs::File>>| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        let Ok(number) = name.parse::<u8>() else { return false };
        assert!(content.len() == 3_000_000 && content.iter().all(|byte| *byte == number), "{name}");
        true
    };
    archive.entries().unwrap().map(is_whole).filter(|whole| *whole).count()
}

#[test]
fn a_directory_that_is_empty_or_away_leaves_nothing() {
    let world = World::new();
    let report = world.archive(&[]).expect_code(2).report();
    assert_eq!(findings(&report), ["critical app: there is nothing to back up"]);
    world.source("a", "a");
    let report = world.archive(&["include=*.json"]).expect_code(2).report();
    assert_eq!(findings(&report), ["critical app: there is nothing to back up"]);
    let report = world.archive(&["include=["]).expect_code(3).report();
    assert!(report["error"].to_string().contains("`include` or `exclude`"), "{report:#}");
    std::fs::remove_dir_all(world.path("source")).unwrap();
    world.archive(&[]).expect_code(3);
    assert_eq!(world.everything(), [""; 0]);
}

#[test]
fn ten_thousand_small_files_are_one_archive() {
    let world = World::new();
    for number in 0..10_000 {
        world.source(&format!("{}/{number}", number % 100), number.to_string());
    }
    let output = world.archive(&[]).expect_code(0);
    assert!(output.peak_memory < 300 << 20, "{} MiB", output.peak_memory >> 20);
    assert_eq!(difference(&world), "");
}
