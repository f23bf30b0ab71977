//! `file-cleanup` on real trees: what a rehearsal lists, what a run removes, and what neither ever touches.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use taskhost_tests::{Host, host};

/// A directory of files of any age.
struct Tree(tempfile::TempDir);

impl Tree {
    /// With these files: name, bytes, days since the last change.
    fn new(files: &[(&str, usize, u64)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for (name, bytes, days) in files {
            tree.write(name.as_ref(), *bytes, *days);
        }
        tree
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &OsStr, bytes: usize, days: u64) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, vec![b'x'; bytes]).unwrap();
        let modified = SystemTime::now() - Duration::from_secs(days * 86_400);
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    }

    /// Every path in it, directories with a slash at the end, in order.
    fn names(&self) -> Vec<String> {
        fn list(directory: &Path, root: &Path, names: &mut Vec<String>) {
            for entry in std::fs::read_dir(directory).unwrap() {
                let entry = entry.unwrap();
                let name = entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned();
                let is_directory = entry.file_type().unwrap().is_dir();
                names.push(if is_directory { format!("{name}/") } else { name });
                if is_directory {
                    list(&entry.path(), root, names);
                }
            }
        }
        let mut names = Vec::new();
        list(self.path(), self.path(), &mut names);
        names.sort();
        names
    }

    fn host(&self, command: &str, arguments: &str) -> Host {
        host()
            .args([command, "file-cleanup", "--files", &format!("directory={},delete", self.path().display())])
            .args(arguments.split_whitespace())
    }

    /// Rehearses, runs, and shows that the run did what the rehearsal said, in the same order: the paths with their
    /// bytes.
    fn clean(&self, arguments: &str) -> Vec<(String, u64)> {
        let before = self.names();
        let planned = removed(&self.host("plan", arguments).args(["--format=json"]).run().expect_code(0).report());
        assert_eq!(self.names(), before, "the rehearsal of `{arguments}` changed something");
        let report = self.host("run", arguments).args(["--format=json"]).run().expect_code(0).report();
        assert_eq!(removed(&report), planned, "the rehearsal and the run of `{arguments}` differ");
        planned
    }

    /// The same, by name alone and sorted.
    fn cleaned(&self, arguments: &str) -> Vec<String> {
        let mut names: Vec<_> = self.clean(arguments).into_iter().map(|(name, _)| name).collect();
        names.sort();
        names
    }
}

/// What a report's journal says was removed, or would be.
fn removed(report: &Value) -> Vec<(String, u64)> {
    let effects = report["effects"].as_array().unwrap().iter();
    let changes = effects.filter(|effect| effect["impact"] != "observe" && effect["outcome"] == "done");
    changes
        .map(|effect| {
            assert_eq!((&effect["operation"], &effect["impact"]), (&"remove".into(), &"destroy".into()), "{effect}");
            (effect["target"].as_str().unwrap().to_owned(), effect["bytes"].as_u64().unwrap_or(0))
        })
        .collect()
}

fn metric(report: &Value, name: &str) -> u64 {
    let metrics = report["metrics"].as_array().unwrap();
    let metric = metrics.iter().find(|metric| metric["name"] == name);
    metric.unwrap_or_else(|| panic!("no metric `{name}`: {report:#}"))["value"].as_f64().map(whole).unwrap()
}

/// A count that a metric holds as a float.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of some thousands")]
fn whole(value: f64) -> u64 {
    assert!(value >= 0.0 && value.fract() == 0.0, "{value} is no count");
    value as u64
}

/// Logs and other things: what is over thirty days old are `a.log`, `b.tmp`, `deep/c.log` and `deep/er/d.log`.
const MIXED: [(&str, usize, u64); 7] = [
    ("new.log", 10, 1),
    ("a.log", 5_000, 31),
    ("b.tmp", 200, 90),
    ("deep/c.log", 70_000, 400),
    ("deep/new.log", 10, 29),
    ("deep/er/d.log", 30, 60),
    ("other/new.txt", 1, 0),
];

#[test]
fn what_the_rehearsal_lists_is_what_the_run_removes() {
    for (arguments, expected) in [
        ("older-than=30d", &["a.log", "b.tmp", "deep/c.log", "deep/er/d.log"][..]),
        ("older-than=1000d", &[]),
        ("older-than=61d", &["b.tmp", "deep/c.log"]),
        ("older-than=30d pattern=*.log", &["a.log", "deep/c.log", "deep/er/d.log"]),
        ("older-than=30d pattern=*.tmp,deep/er/*", &["b.tmp", "deep/er/d.log"]),
        ("older-than=30d pattern=deep/**", &["deep/c.log", "deep/er/d.log"]),
        ("older-than=30d exclude=deep", &["a.log", "b.tmp"]),
        ("older-than=30d pattern=*.log exclude=er", &["a.log", "deep/c.log"]),
        ("older-than=30d larger-than=200", &["a.log", "b.tmp", "deep/c.log"]),
        ("older-than=30d larger-than=201", &["a.log", "deep/c.log"]),
        ("older-than=30d larger-than=64KiB", &["deep/c.log"]),
        ("older-than=30d keep-newest=1", &["a.log", "b.tmp", "deep/c.log"]),
        ("older-than=30d keep-newest=2", &["b.tmp"]),
        ("older-than=30d keep-newest=9", &[]),
        ("older-than=30d keep-newest=1 pattern=*.log", &["a.log", "deep/c.log"]),
        (
            "older-than=28d remove-empty-directories=true",
            &["a.log", "b.tmp", "deep", "deep/c.log", "deep/er", "deep/er/d.log", "deep/new.log"],
        ),
        ("older-than=30d remove-empty-directories=true", &["a.log", "b.tmp", "deep/c.log", "deep/er", "deep/er/d.log"]),
    ] {
        let tree = Tree::new(&MIXED);
        let before = tree.names();
        assert_eq!(tree.cleaned(arguments), expected, "{arguments}");
        let left = before.into_iter().filter(|name| !expected.contains(&name.trim_end_matches('/')));
        assert_eq!(tree.names(), left.collect::<Vec<_>>(), "{arguments}");
    }
}

#[test]
fn the_oldest_goes_first_and_the_bytes_are_those_that_were_freed() {
    let tree = Tree::new(&MIXED);
    let expected = [("deep/c.log", 70_000), ("b.tmp", 200), ("deep/er/d.log", 30), ("a.log", 5_000)];
    assert_eq!(tree.clean("older-than=30d"), expected.map(|(name, bytes)| (name.to_owned(), bytes)));
}

#[test]
fn the_reports_are_written_for_people() {
    let tree = Tree::new(&MIXED);
    let open = File::open(tree.path().join("b.tmp")).unwrap();
    let mut reports = String::new();
    for command in ["plan", "run", "run"] {
        let arguments = "older-than=30d keep-newest=1 remove-empty-directories=true";
        let output = tree.host(command, arguments).run().expect_code(0);
        assert_eq!(output.stderr, "", "{output}");
        reports += &format!("$ host {command} file-cleanup {arguments}\n{}\n", output.stdout);
    }
    drop(open);
    insta::assert_snapshot!(reports);
}

#[test]
fn links_are_never_followed_nor_removed() {
    let elsewhere = Tree::new(&[("precious.log", 10, 400), ("directory/precious.log", 10, 400)]);
    let tree = Tree::new(&[("a.log", 10, 40), ("real/b.log", 10, 40)]);
    symlink(elsewhere.path(), tree.path().join("to-directory")).unwrap();
    symlink(elsewhere.path().join("precious.log"), tree.path().join("to-file.log")).unwrap();
    symlink("real", tree.path().join("within")).unwrap();
    symlink("no such file", tree.path().join("dangling.log")).unwrap();
    symlink(".", tree.path().join("circle")).unwrap();
    assert_eq!(tree.cleaned("older-than=1m remove-empty-directories=true"), ["a.log", "real", "real/b.log"]);
    assert_eq!(elsewhere.names(), ["directory/", "directory/precious.log", "precious.log"]);
    assert_eq!(tree.names(), ["circle", "dangling.log", "to-directory", "to-file.log", "within"]);
}

#[test]
fn a_file_with_another_name_frees_nothing_until_its_last_name_goes() {
    let tree = Tree::new(&[("one", 1_000, 40)]);
    std::fs::hard_link(tree.path().join("one"), tree.path().join("two")).unwrap();
    let bytes: Vec<_> = tree.clean("older-than=30d").into_iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(bytes, [0, 1_000]);
}

#[test]
fn a_file_that_is_open_is_skipped_and_counted() {
    let tree = Tree::new(&MIXED);
    let open = File::open(tree.path().join("a.log")).unwrap();
    let report = tree.host("run", "older-than=30d --format=json").run().expect_code(0).report();
    assert_eq!(metric(&report, "files_open"), 1);
    assert_eq!(metric(&report, "files_removed"), 3);
    assert!(tree.path().join("a.log").exists());
    drop(open);
    assert_eq!(tree.cleaned("older-than=30d"), ["a.log"]);
}

#[test]
fn any_name_can_be_removed() {
    let names: [&[u8]; 7] = [
        b"with\nnewline",
        b"not \xff utf-8",
        b"back\\slash",
        b"\x1b[31mred",
        "schr\u{f6}dinger \u{1f408}".as_bytes(),
        b"-rf",
        b" *?[!a]{b,c}",
    ];
    let tree = Tree::new(&[]);
    for name in names {
        for directory in ["", "below/"] {
            tree.write(OsStr::from_bytes(&[directory.as_bytes(), name].concat()), 3, 40);
        }
    }
    assert_eq!(tree.clean("older-than=30d remove-empty-directories=true").len(), 2 * names.len() + 1);
    assert_eq!(tree.names(), [""; 0]);
    let tree = Tree::new(&[]);
    tree.write(OsStr::from_bytes(names[0]), 3, 40);
    tree.write(OsStr::from_bytes(names[1]), 3, 41);
    let shown = tree.host("plan", "older-than=30d").run().expect_code(0).stdout;
    insta::assert_snapshot!(shown);
}

#[test]
fn a_spent_budget_stops_it_there() {
    for (budget, left) in [
        ("files=0", &["1", "2", "3", "4"][..]),
        ("files=2", &["3", "4"]),
        ("bytes=250", &["3", "4"]),
        ("bytes=99", &["1", "2", "3", "4"]),
    ] {
        let tree = Tree::new(&[("1", 100, 80), ("2", 100, 70), ("3", 100, 60), ("4", 10, 50)]);
        let arguments = format!("older-than=30d --format=json --budget directory.{budget}");
        for command in ["plan", "run"] {
            let report = tree.host(command, &arguments).run().expect_code(3).report();
            assert_eq!(report["run"]["outcome"], "over-budget", "{budget}: {report:#}");
            assert_eq!(removed(&report).len(), 4 - left.len(), "{budget}");
            assert_eq!(metric(&report, "files_removed"), 4 - left.len() as u64, "{budget}");
        }
        assert_eq!(tree.names(), left, "{budget}");
    }
    let tree = Tree::new(&[("1", 100, 80), ("2", 100, 70)]);
    tree.host("run", "older-than=30d --budget directory.files=2 --budget directory.bytes=200").run().expect_code(0);
    assert_eq!(tree.names(), [""; 0]);
}

#[test]
fn what_a_spent_budget_left_is_said() {
    let tree = Tree::new(&[("1", 100, 80), ("2", 100, 70), ("3", 100, 60)]);
    let output = tree.host("run", "older-than=30d --budget directory.files=2").run().expect_code(3);
    insta::assert_snapshot!(output.stdout);
}

#[test]
fn without_the_right_to_delete_nothing_is_begun() {
    let tree = Tree::new(&MIXED);
    let before = tree.names();
    let mut messages = String::new();
    for arguments in [
        &["older-than=30d"][..],
        &["older-than=30d", "--files", "directory=DIRECTORY"],
        &["older-than=30d", "--files", "directory=DIRECTORY,write"],
        &["--files", "directory=DIRECTORY,delete"],
        &["older-than=0s", "--files", "directory=DIRECTORY,delete"],
        &["older-than=30d", "pattern=[", "--files", "directory=DIRECTORY,delete"],
        &["older-than=30d", "--files", "directory=DIRECTORY/none,delete"],
        &["older-than=30d", "--files", "directory=DIRECTORY/a.log,delete"],
    ] {
        let directory = tree.path().display().to_string();
        let output =
            host().args(["run", "file-cleanup"]).args(arguments.iter().map(|a| a.replace("DIRECTORY", &directory)));
        let output = output.run().expect_code(3);
        let said = format!("{}{}", output.stdout, output.stderr).replace(&directory, "DIRECTORY");
        messages += &format!("$ host run file-cleanup {}\n{said}\n", arguments.join(" "));
        assert_eq!(tree.names(), before, "{arguments:?}");
    }
    insta::assert_snapshot!(messages);
}

#[test]
fn a_grant_that_leaves_names_out_protects_them() {
    let tree = Tree::new(&MIXED);
    let slot = format!("directory={},delete,exclude=deep", tree.path().display());
    let run = host().args(["run", "file-cleanup", "older-than=30d", "--format=json", "--files", &slot]);
    let names: Vec<_> = removed(&run.run().expect_code(0).report()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["b.tmp", "a.log"]);
}

#[test]
fn a_file_that_vanishes_meanwhile_is_no_failure() {
    const FILES: usize = 20_000;
    let tree = Tree::new(&[("new", 1, 0)]);
    let path = |number: usize| -> PathBuf { tree.path().join(format!("{number:05}")) };
    let old = SystemTime::now() - Duration::from_hours(100 * 24);
    for number in 0..FILES {
        std::fs::write(path(number), "x").unwrap();
        File::options().write(true).open(path(number)).unwrap().set_modified(old).unwrap();
    }
    let run = tree.host("run", "older-than=30d --format=json").spawn();
    // Someone else cleans up at the same time, from both ends.
    let taken = (0..FILES / 4)
        .flat_map(|number| [number, FILES - 1 - number])
        .filter(|number| std::fs::remove_file(path(*number)).is_ok())
        .count();
    let report = run.wait().expect_code(0).report();
    assert_eq!(report["findings"], serde_json::json!([]));
    assert_eq!(metric(&report, "files_removed"), (FILES - taken) as u64);
    assert_eq!(metric(&report, "removals_failed"), 0);
    assert_eq!(tree.names(), ["new"]);
}

#[test]
fn ten_thousand_files_in_many_directories_go_in_one_run() {
    let tree = Tree::new(&[]);
    for directory in 0..100 {
        for file in 0..100 {
            tree.write(format!("{directory}/{file}").as_ref(), 1, 40);
        }
    }
    let report = tree.host("run", "older-than=30d remove-empty-directories=true --format=json").run().expect_code(0);
    let report = report.report();
    assert_eq!(metric(&report, "files_removed"), 10_000);
    assert_eq!(metric(&report, "bytes_freed"), 10_000);
    assert_eq!(tree.names(), [""; 0]);
}
