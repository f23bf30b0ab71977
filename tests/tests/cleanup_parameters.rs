//! `file-cleanup` on a real tree: what goes, what stays, and that the plan says so first.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on stops here")]
#![allow(clippy::float_cmp, reason = "the metrics are whole numbers")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use taskhost_tests::{Output, host};

const DAY: Duration = Duration::from_hours(24);

/// A tree, and what the plugin is told.
struct Tree {
    root: tempfile::TempDir,
}

impl Tree {
    /// Files with their age in days; 1,000 bytes each.
    fn new(files: &[(&str, u32)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for (path, days) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, [b'x'; 1000]).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(SystemTime::now() - DAY * *days).unwrap();
        }
        Self { root }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.root.path().join(path)
    }

    fn host(&self, verb: &str, arguments: &[&str]) -> Output {
        let slot = format!("directory={},delete", self.root.path().display());
        host()
            .args([verb, "file-cleanup", "older-than=30d", "--format", "json", "--files", &slot])
            .args(arguments.iter().copied())
            .run()
    }

    /// All that is there, directories with a `/` at their end.
    fn left(&self) -> BTreeSet<String> {
        fn list(root: &Path, directory: &Path, found: &mut BTreeSet<String>) {
            for entry in directory.read_dir().unwrap().map(Result::unwrap) {
                let path = entry.path();
                let name = path.strip_prefix(root).unwrap().display().to_string();
                if entry.file_type().unwrap().is_dir() {
                    found.insert(name + "/");
                    list(root, &path, found);
                } else {
                    found.insert(name);
                }
            }
        }
        let mut found = BTreeSet::new();
        list(self.root.path(), self.root.path(), &mut found);
        found
    }

    #[track_caller]
    fn assert_left(&self, expected: &[&str]) {
        assert_eq!(self.left(), expected.iter().map(|name| (*name).to_owned()).collect());
    }
}

fn summary(output: &Output) -> String {
    output.json()["summary"].as_str().unwrap_or_else(|| panic!("{output}")).to_owned()
}

/// The paths of what was removed, or in a plan would be.
fn removed(report: &Value) -> BTreeSet<String> {
    let effects = report["effects"].as_array().unwrap().iter();
    let removals = effects.filter(|effect| effect["operation"] == "remove" && effect["outcome"] == "done");
    removals.map(|effect| effect["target"].as_str().unwrap().to_owned()).collect()
}

fn metric(output: &Output, name: &str) -> f64 {
    let report = output.json();
    let metric = report["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == name);
    metric.unwrap_or_else(|| panic!("no {name}: {output}"))["value"].as_f64().unwrap()
}

#[test]
fn the_plan_names_what_the_run_then_removes_and_changes_nothing() {
    let tree =
        Tree::new(&[("a/b/old.log", 60), ("a/old.log", 60), ("c/old.log", 31), ("c/young.log", 29), ("top", 99)]);
    let before = tree.left();
    let arguments = ["remove-empty-directories=true"];
    let plan = tree.host("plan", &arguments).expect_code(0);
    assert_eq!(tree.left(), before);
    assert_eq!(summary(&plan), "would remove 4 files, freeing 3.9 KiB; would remove 2 empty directories");
    let run = tree.host("run", &arguments).expect_code(0);
    assert_eq!(summary(&run), "removed 4 files, freed 3.9 KiB; removed 2 empty directories");
    tree.assert_left(&["c/", "c/young.log"]);
    let gone = removed(&run.json());
    assert_eq!(removed(&plan.json()), gone);
    assert_eq!(
        gone.iter().map(String::as_str).collect::<Vec<_>>(),
        ["a", "a/b", "a/b/old.log", "a/old.log", "c/old.log", "top"]
    );
    assert_eq!(metric(&run, "files_removed"), 4.0);
    assert_eq!(metric(&run, "bytes_freed"), 4000.0);
}

#[test]
fn only_what_every_parameter_agrees_on_goes() {
    let files = [("a.log", 60), ("b.txt", 60), ("keep/c.log", 60), ("sub/d.log", 60), ("sub/e.log", 1)];
    for (arguments, left) in [
        (&["pattern=*.log"][..], &["b.txt", "keep/", "sub/", "sub/e.log"][..]),
        (&["pattern=*.log", "exclude=keep"], &["b.txt", "keep/", "keep/c.log", "sub/", "sub/e.log"]),
        (&["pattern=*.txt,sub/*"], &["a.log", "keep/", "keep/c.log", "sub/", "sub/e.log"]),
        (&["larger-than=1001"], &["a.log", "b.txt", "keep/", "keep/c.log", "sub/", "sub/d.log", "sub/e.log"]),
        (&["larger-than=1000"], &["keep/", "sub/", "sub/e.log"]),
    ] {
        let tree = Tree::new(&files);
        tree.host("run", arguments).expect_code(0);
        tree.assert_left(left);
    }
}

#[test]
fn the_newest_of_each_directory_stay() {
    let tree = Tree::new(&[("x/1", 90), ("x/2", 80), ("x/3", 70), ("y/1", 90), ("y/2", 1)]);
    let output = tree.host("run", &["keep-newest=2"]).expect_code(0);
    assert_eq!(summary(&output), "removed 1 file, freed 1000 B; kept 3 old files as the newest");
    tree.assert_left(&["x/", "x/2", "x/3", "y/", "y/1", "y/2"]);
    assert_eq!(metric(&output, "files_kept"), 3.0);
}

#[test]
fn open_files_are_skipped_and_counted() {
    let tree = Tree::new(&[("open", 60), ("closed", 60)]);
    let _open = File::open(tree.path("open")).unwrap();
    let output = tree.host("run", &[]).expect_code(0);
    assert_eq!(summary(&output), "removed 1 file, freed 1000 B; skipped 1 open file");
    tree.assert_left(&["open"]);
    assert_eq!(metric(&output, "files_open"), 1.0);
}

#[test]
fn links_are_neither_followed_nor_removed_and_a_second_name_frees_nothing() {
    let outside = Tree::new(&[("target/precious", 60)]);
    let tree = Tree::new(&[("old", 60), ("names/one", 60)]);
    std::os::unix::fs::symlink(outside.path("target"), tree.path("to-a-directory")).unwrap();
    std::os::unix::fs::symlink(outside.path("target/precious"), tree.path("to-a-file")).unwrap();
    fs::hard_link(tree.path("names/one"), outside.path("other-name")).unwrap();
    let output = tree.host("run", &["remove-empty-directories=true"]).expect_code(0);
    assert_eq!(summary(&output), "removed 2 files, freed 1000 B; removed 1 empty directory");
    tree.assert_left(&["to-a-directory", "to-a-file"]);
    outside.assert_left(&["other-name", "target/", "target/precious"]);
}

#[test]
fn a_budget_stops_it_and_says_how_far_it_came() {
    let files: Vec<(String, u32)> = (0..20).map(|n| (format!("f{n}"), 60)).collect();
    let tree = Tree::new(&files.iter().map(|(name, days)| (name.as_str(), *days)).collect::<Vec<_>>());
    let output = tree.host("run", &["--budget", "directory.files=5"]).expect_code(3);
    assert_eq!(tree.left().len(), 15);
    let report = output.json();
    assert_eq!(report["run"]["outcome"], "over-budget", "{output}");
    assert!(report["error"].to_string().contains("stopped after 5 files, 4.9 KiB"), "{output}");
    assert_eq!(metric(&output, "files_removed"), 5.0);
}

#[test]
fn more_files_than_one_batch_go() {
    let files: Vec<(String, u32)> = (0..1234).map(|n| (format!("d{}/f{n}", n % 3), 60)).collect();
    let tree = Tree::new(&files.iter().map(|(name, days)| (name.as_str(), *days)).collect::<Vec<_>>());
    let output = tree.host("run", &["keep-newest=1", "remove-empty-directories=true"]).expect_code(0);
    assert_eq!(metric(&output, "files_removed"), 1231.0);
    assert_eq!(tree.left().len(), 6);
}

#[test]
fn without_an_age_or_the_right_to_delete_nothing_is_touched() {
    let tree = Tree::new(&[("old", 60)]);
    let slot = format!("directory={}", tree.root.path().display());
    for (arguments, expected) in [
        (vec!["--files", &format!("{slot},delete")[..]], "older-than"),
        (vec!["older-than=30d", "--files", &slot], ",delete"),
        (vec!["older-than=30d"], "--files directory="),
        (vec!["older-than=1s", "--files", &format!("{slot},delete")], "older-than"),
    ] {
        let output = host().args(["run", "file-cleanup"]).args(arguments).run().expect_code(3);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(said.contains(expected), "{said}");
        tree.assert_left(&["old"]);
    }
}
