//! The same task in Rust and in Python: the host cannot tell one from the other by what they do.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use taskhost_tests::host;

/// A tree of files: name, bytes, days since the last change (and an hour: no run lasts over the border of a day). Two that are made of the same have the same times.
fn tree(files: &[(String, usize, u64)], now: SystemTime) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes, days) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, vec![b'x'; *bytes]).unwrap();
        let time = now - Duration::from_hours(days * 24 + 1);
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }
    directory
}

/// What a run left, without what tells it from any other run.
fn report(plugin: &str, command: &str, directory: &Path, arguments: &[&str], code: i32) -> Value {
    let slot = format!("directory={},delete", directory.display());
    let run = host().args([command, plugin, "--format", "json", "--files", &slot]).args(arguments.iter().copied());
    let mut report = run.run().expect_code(code).report();
    for name in ["id", "task", "plugin", "started", "finished", "duration_us"] {
        report["run"].as_object_mut().unwrap().remove(name);
    }
    let effects = report["effects"].as_array_mut().unwrap();
    for effect in effects.iter_mut() {
        let target = effect["target"].as_str().unwrap().replace(&directory.display().to_string(), "DIRECTORY");
        effect["target"] = target.into();
        for name in ["seq", "duration_us"] {
            effect.as_object_mut().unwrap().remove(name);
        }
    }
    // A walk is in no order, and so are batches that are begun while it goes on.
    effects.sort_by_key(ToString::to_string);
    report
}

#[test]
fn both_leave_the_same_report_and_the_same_files() {
    // More than one batch to remove, and more than one read of the stream.
    let mut files: Vec<_> =
        (0..2_500).map(|number: u64| (format!("{}/{number}.log", number % 7), 10, number % 60)).collect();
    files.push(("top.tmp".into(), 5_000, 90));
    // What a budget spares depends on the order of a walk where there is more than one batch.
    let few = files.get(..300).unwrap();
    for (files, arguments, code) in [
        (&files[..], &["older-than=30d"][..], 0),
        (&files[..], &["older-than=30d", "keep-newest=200", "remove-empty-directories=true"], 0),
        (&files[..], &["older-than=10d", "pattern=*.log", "exclude=3/**", "larger-than=1"], 0),
        (&files[..], &["older-than=30d", "pattern=a["], 3),
        (few, &["older-than=30d", "--budget", "directory.files=3"], 3),
        (&files[..], &["older-than=30d", "larger-than=1MiB"], 0),
    ] {
        for command in ["plan", "run"] {
            let now = SystemTime::now();
            let (rust, python) = (tree(files, now), tree(files, now));
            let one = report("file-cleanup", command, rust.path(), arguments, code);
            let other = report("file-cleanup-python", command, python.path(), arguments, code);
            assert_eq!(one, other, "{command} {arguments:?}");
            let count = |directory: &Path| walk(directory).len();
            assert_eq!(count(rust.path()), count(python.path()), "{command} {arguments:?}");
        }
    }
}

fn walk(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path.display().to_string()] }).collect()
}

#[test]
fn both_ask_for_the_same_and_take_the_same_parameters() {
    let inspect = |name: &str| {
        let output = host().args(["inspect", name, "--format", "json"]).run().expect_code(0);
        let mut inspection = output.json();
        for name in ["name", "digest", "size", "version"] {
            inspection.as_object_mut().unwrap().remove(name);
        }
        let imports = inspection["imports"].as_array().unwrap().iter();
        let rooms: Vec<_> =
            imports.filter(|import| import.as_str().unwrap().starts_with("taskhost:")).cloned().collect();
        inspection["imports"] = json!(rooms.len());
        inspection
    };
    assert_eq!(inspect("file-cleanup"), inspect("file-cleanup-python"));
}

/// With the host's own defaults: nothing has to be allowed to an interpreter that a plugin in Rust has not.
#[test]
fn the_memory_that_every_plugin_has_suffices_for_many_files() {
    let files: Vec<_> = (0..20_000).map(|number: u64| (format!("{}/{number}", number % 20), 1, 40)).collect();
    let directory = tree(&files, SystemTime::now());
    let report = report("file-cleanup-python", "run", directory.path(), &["older-than=30d"], 0);
    assert_eq!(report["summary"], "removed 20,000 files, freed 19.5 KiB");
    assert_eq!(walk(directory.path()).len(), 0);
}
