//! What is rotated and when, what becomes of rotated files, and what is never touched.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use taskhost_tests::host;

use super::scene::{Logs, lines, undated};

/// Logs of several ages and sizes.
const MIXED: [(&str, &str, u64); 6] = [
    ("app.log", "a first line\na second one\n", 2),
    ("young.log", "written today\n", 0),
    ("empty.log", "", 90),
    ("deep/er/db.log", "db\n", 8),
    ("notes.txt", "no log\n", 400),
    ("app.log.old", "no rotated file\n", 400),
];

#[test]
fn logs_are_rotated_by_age_and_size_and_the_second_run_does_nothing() {
    for (arguments, expected) in [
        ("", &["app.log-DATE", "app.log.old", "deep/er/db.log-DATE", "empty.log", "notes.txt", "young.log"][..]),
        ("every=7d", &["app.log", "app.log.old", "deep/er/db.log-DATE", "empty.log", "notes.txt", "young.log"]),
        ("larger-than=20", &["app.log-DATE", "app.log.old", "deep/er/db.log", "empty.log", "notes.txt", "young.log"]),
        (
            "larger-than=14 every=7d",
            &["app.log-DATE", "app.log.old", "deep/er/db.log-DATE", "empty.log", "notes.txt", "young.log-DATE"],
        ),
        ("at-least=4", &["app.log-DATE", "app.log.old", "deep/er/db.log", "empty.log", "notes.txt", "young.log"]),
        ("exclude=deep", &["app.log-DATE", "app.log.old", "deep/er/db.log", "empty.log", "notes.txt", "young.log"]),
        ("names=numbered", &["app.log.1", "app.log.old", "deep/er/db.log.1", "empty.log", "notes.txt", "young.log"]),
        (
            "delay-compress=false",
            &["app.log-DATE.gz", "app.log.old", "deep/er/db.log-DATE.gz", "empty.log", "notes.txt", "young.log"],
        ),
        (
            "delay-compress=false compress=zstd names=numbered",
            &["app.log.1.zst", "app.log.old", "deep/er/db.log.1.zst", "empty.log", "notes.txt", "young.log"],
        ),
        (
            "create=true pattern=app.log",
            &["app.log", "app.log-DATE", "app.log.old", "deep/er/db.log", "empty.log", "notes.txt", "young.log"],
        ),
    ] {
        let logs = Logs::new(&MIXED);
        let before = logs.lines();
        logs.rotate(arguments);
        assert_eq!(logs.names(), expected, "{arguments}");
        assert_eq!(logs.lines(), before, "{arguments}");
    }
}

#[test]
fn a_copied_log_is_cut_and_stays_the_same_file() {
    for arguments in ["method=copy-truncate", "method=copy-truncate names=numbered delay-compress=false compress=zstd"]
    {
        let logs = Logs::new(&MIXED);
        let before = logs.lines();
        let run = logs.rotate(arguments);
        assert!(run.summary().starts_with("rotated 2 logs (29 B)"), "{}", run.summary());
        assert_eq!(logs.lines(), before);
        assert_eq!(logs.content("app.log").trim(), "", "{arguments}");
        assert!(logs.names().iter().all(|name| !name.contains("copying")), "{:?}", logs.names());
    }
}

#[test]
fn a_year_of_daily_rotations_keeps_what_it_was_told() {
    for (arguments, days, expected) in [
        ("names=numbered keep=3", 6, &["app.log.1", "app.log.2.gz", "app.log.3.gz"][..]),
        ("keep=2 delay-compress=false", 5, &["app.log-DATE.gz", "app.log-DATE.gz"]),
        ("names=numbered keep=1 compress=none", 4, &["app.log.1"]),
    ] {
        let logs = Logs::new(&[]);
        for day in 0..days {
            logs.write("app.log", lines(&format!("day {day}"), 50), 1);
            if arguments.contains("numbered") {
                // What was rotated in the last run is a day old by now, for which no test waits.
                logs.rotate(&format!("larger-than=1 {arguments}"));
            } else {
                // One name a second.
                std::thread::sleep(std::time::Duration::from_millis(1_050));
                logs.run(&format!("larger-than=1 {arguments}"));
            }
        }
        assert_eq!(logs.names(), expected, "{arguments}");
        let kept = logs.lines();
        assert_eq!(kept.len(), 50 * expected.len(), "{arguments}");
        assert!(kept.contains_key(&format!("day {} line 0", days - 1)), "{arguments}");
    }
}

#[test]
fn what_is_young_or_new_enough_is_kept() {
    let files = [
        ("app.log", "now\n", 0),
        ("app.log.1", "one\n", 1),
        ("app.log.2.gz", "", 40),
        ("app.log.3.gz", "", 50),
        ("app.log.4", "four\n", 60),
    ];
    for (arguments, left) in [
        ("keep=2", &["app.log", "app.log.1", "app.log.2.gz"][..]),
        ("keep-for=55d compress=none", &["app.log", "app.log.1", "app.log.2.gz", "app.log.3.gz"]),
        ("keep=3 keep-for=30d", &["app.log", "app.log.1", "app.log.2.gz", "app.log.3.gz"]),
        ("keep=1 keep-for=45d", &["app.log", "app.log.1", "app.log.2.gz"]),
        ("compress=none", &["app.log", "app.log.1", "app.log.2.gz", "app.log.3.gz", "app.log.4"]),
    ] {
        let logs = Logs::new(&files);
        let empty = flate2::write::GzEncoder::new(vec![], flate2::Compression::default()).finish().unwrap();
        for (name, days) in [("app.log.2.gz", 40), ("app.log.3.gz", 50)] {
            logs.write(name, &empty, days);
        }
        logs.rotate(&format!("every=52w {arguments}"));
        assert_eq!(logs.names(), left, "{arguments}");
    }
}

#[test]
fn rotated_files_of_logrotate_are_gone_on_with() {
    let logs = Logs::new(&[
        ("app.log", "today\n", 1),
        ("app.log-20250101", "long ago\n", 300),
        ("app.log-20250102", "the day after\n", 299),
    ]);
    logs.run("keep=2");
    assert_eq!(logs.names(), ["app.log-20250102.gz", "app.log-DATE"]);
}

#[test]
fn links_are_never_followed() {
    let elsewhere = Logs::new(&[("precious.log", "precious\n", 9), ("inner/more.log", "more\n", 9)]);
    let logs = Logs::new(&[("real.log", "real\n", 9)]);
    symlink(elsewhere.path("precious.log"), logs.path("link.log")).unwrap();
    symlink(elsewhere.path("inner"), logs.path("directory")).unwrap();
    symlink("real.log", logs.path("within.log")).unwrap();
    symlink("none.log", logs.path("dangling.log")).unwrap();
    for method in ["rename", "copy-truncate"] {
        logs.run(&format!("method={method} delay-compress=false archive=archive larger-than=1"));
    }
    assert_eq!(elsewhere.names(), ["inner/more.log", "precious.log"]);
    assert_eq!(elsewhere.content("precious.log"), "precious\n");
    for link in ["link.log", "directory", "within.log", "dangling.log"] {
        assert!(logs.path(link).is_symlink(), "{link}");
    }
    assert_eq!(logs.lines().keys().collect::<Vec<_>>(), ["real"]);
}

#[test]
fn a_log_with_another_name_is_renamed_and_never_cut() {
    let logs = Logs::new(&[("app.log", "one\n", 9)]);
    std::fs::hard_link(logs.path("app.log"), logs.path("elsewhere")).unwrap();
    let run = logs.run("method=copy-truncate");
    assert_eq!(run.findings(), ["warning app.log could not be cut"], "{}", run.text());
    assert_eq!(logs.names(), ["app.log", "elsewhere"]);
    logs.run("method=rename");
    assert_eq!(logs.names(), ["app.log-DATE", "elsewhere"]);
    assert_eq!(logs.content("elsewhere"), "one\n");
}

#[test]
fn any_name_can_be_rotated() {
    let names: [&[u8]; 5] =
        [b"with\nnewline.log", b"not \xff utf-8.log", b"back\\slash.log", b"*[a]?{b}.log", b"-rf.log"];
    let logs = Logs::new(&[]);
    for name in names {
        let path = logs.path("").join(OsStr::from_bytes(name));
        std::fs::write(&path, [name, b" line\n"].concat()).unwrap();
        let old = std::time::SystemTime::now() - std::time::Duration::from_hours(48);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    let run = logs.run("larger-than=1 delay-compress=false archive=[a]*{b}");
    assert_eq!(run.findings(), [""; 0], "{}", run.text());
    assert_eq!(logs.names(), ["[a]*{b}/logs-DATE.tar.gz"]);
    let again = logs.run("larger-than=1 delay-compress=false archive=[a]*{b} keep=1");
    assert_eq!(again.changes(), [""; 0]);
}

#[test]
fn a_spent_budget_stops_it_and_loses_nothing() {
    let content = lines("app", 2_000);
    for budget in ["files=0", "files=1", "files=3", "bytes=0", "bytes=500", "bytes=70000"] {
        for arguments in ["delay-compress=false", "method=copy-truncate", "archive=archive delay-compress=false"] {
            let logs = Logs::new(&[("a.log", &content, 9), ("b.log", &lines("b", 2_000), 9), ("c.log", "c\n", 9)]);
            let before = logs.lines();
            let limited = format!("{arguments} --budget logs.{budget}");
            let plan = logs.host("plan", &limited).run();
            let run = logs.host("run", &limited).run();
            assert_eq!(plan.code, run.code, "{limited}: {plan}{run}");
            if run.code == Some(3) {
                let report = run.report();
                assert_eq!(report["run"]["outcome"], "over-budget", "{limited}: {report:#}");
            }
            // What was copied and not yet cut, or packed and not yet removed, is there twice until the next run.
            assert!(logs.lines().keys().eq(before.keys()), "{limited}");
            // There is one archive a second.
            if arguments.contains("archive") {
                std::thread::sleep(std::time::Duration::from_millis(1_050));
            }
            logs.run(arguments);
            assert_eq!(logs.lines(), before, "{limited}");
            assert_eq!(logs.run(arguments).changes(), [""; 0], "{limited}");
        }
    }
}

#[test]
fn a_log_is_made_anew_with_the_mode_of_the_old_one() {
    let logs = Logs::new(&[("app.log", "one\n", 9)]);
    std::fs::set_permissions(logs.path("app.log"), std::fs::Permissions::from_mode(0o640)).unwrap();
    logs.rotate("create=true");
    let mode = |name: &str| logs.path(name).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("app.log"), mode(&logs.dated("app.log-DATE"))), (0o640, 0o640));
    assert_eq!(logs.content("app.log"), "");
}

#[test]
fn the_reports_are_written_for_people() {
    let logs = Logs::new(&[("app.log", &lines("app", 1_000), 2), ("db/db.log", "db\n", 2), ("new.log", "new\n", 0)]);
    logs.write("app.log.1", lines("old", 1_000), 3);
    let slot = format!("logs={},write,delete", logs.path("").display());
    let mut reports = String::new();
    for command in ["plan", "run", "run"] {
        let arguments = ["names=numbered", "keep=5", "larger-than=1KiB"];
        let output = host().args([command, "log-rotate", "--files", &slot]).args(arguments).run().expect_code(0);
        reports += &format!("$ host {command} log-rotate {}\n{}\n", arguments.join(" "), undated(&output.stdout));
    }
    insta::assert_snapshot!(reports);
}

#[test]
fn without_its_rights_nothing_is_begun_and_what_makes_no_sense_is_said() {
    let logs = Logs::new(&MIXED);
    let before = logs.everything();
    let directory = logs.path("").display().to_string();
    let mut messages = String::new();
    for arguments in [
        &["--files", "logs=DIRECTORY"][..],
        &["--files", "logs=DIRECTORY,write"],
        &["pattern=[", "--files", "logs=DIRECTORY,write,delete"],
        &["archive=../elsewhere", "--files", "logs=DIRECTORY,write,delete"],
        &["archive=a", "archive-name=b/c", "--files", "logs=DIRECTORY,write,delete"],
        &["every=1s", "--files", "logs=DIRECTORY,write,delete"],
    ] {
        let output =
            host().args(["run", "log-rotate"]).args(arguments.iter().map(|a| a.replace("DIRECTORY", &directory)));
        let output = output.run().expect_code(3);
        let said = format!("{}{}", output.stdout, output.stderr).replace(&directory, "DIRECTORY/");
        messages += &format!("$ host run log-rotate {}\n{said}\n", arguments.join(" "));
        assert_eq!(logs.everything(), before, "{arguments:?}");
    }
    insta::assert_snapshot!(messages);
}

#[test]
fn a_grant_that_leaves_names_out_protects_them() {
    let logs = Logs::new(&[("app.log", "a\n", 9), ("audit.log", "b\n", 9)]);
    let slot = format!("logs={},write,delete,exclude=audit.*", logs.path("").display());
    host().args(["run", "log-rotate", "--files", &slot]).run().expect_code(0);
    assert_eq!(logs.names(), ["app.log-DATE", "audit.log"]);
}

#[test]
fn a_thousand_logs_are_rotated_in_one_run() {
    let logs = Logs::new(&[]);
    for number in 0..1_000 {
        logs.write(&format!("{}/{number}.log", number % 100), "line\n", 2);
    }
    let run = logs.run("names=numbered delay-compress=false");
    assert!(run.summary().starts_with("rotated 1,000 logs"), "{}", run.summary());
    assert_eq!(logs.lines()["line"], 1_000);
    assert_eq!(logs.run("names=numbered delay-compress=false").summary(), "nothing to do");
}
