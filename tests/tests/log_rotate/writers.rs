//! Processes that write to a log while it is rotated: they are named, nothing that they still hold is compressed or
//! removed, and no line of theirs is lost.

use std::fs::File;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use super::scene::{Logs, lines};

#[test]
fn what_the_writer_still_holds_after_a_rename_is_named_and_left_until_it_lets_go() {
    let logs = Logs::new(&[("app.log", "first\n", 2)]);
    let mut writer = logs.append("app.log");
    let run = logs.run("delay-compress=false keep=1 larger-than=1");
    assert_eq!(logs.names(), ["app.log-DATE"], "{}", run.text());
    let own = format!("(process {})", std::process::id());
    assert!(run.0["next_actions"][0]["action"].as_str().unwrap().contains(&own), "{}", run.text());
    assert!(run.summary().ends_with("; 1 rotated file is still written to"), "{}", run.summary());

    // It does not know, and goes on.
    writer.write_all(b"second\n").unwrap();
    logs.write("app.log", "of the new file\n", 2);
    std::thread::sleep(std::time::Duration::from_millis(1_050));
    let run = logs.run("delay-compress=false keep=1 larger-than=1 compress=zstd");
    assert_eq!(run.findings(), ["warning app.log-DATE rotated, and still written to"], "{}", run.text());
    assert!(run.text().contains(&own), "{}", run.text());
    assert_eq!(logs.names(), ["app.log-DATE", "app.log-DATE.zst"]);
    assert_eq!(logs.lines().len(), 3);

    // Now it opens its log anew; the file is closed, and an hour old for who cannot see that.
    writer.write_all(b"third\n").unwrap();
    drop(writer);
    let plain = logs.dated("app.log-DATE");
    logs.age(&plain, 1);
    let run = logs.run("delay-compress=false compress=gzip");
    assert_eq!(run.changes(), ["compress app.log-DATE -> app.log-DATE.gz"]);
    assert_eq!(logs.lines().len(), 4);
}

#[test]
fn who_only_reads_is_no_writer() {
    let logs = Logs::new(&[("app.log", "first\n", 2)]);
    let reader = File::open(logs.path("app.log")).unwrap();
    logs.rotate("delay-compress=false");
    assert_eq!(logs.names(), ["app.log-DATE.gz"]);
    drop(reader);
}

#[test]
fn a_writer_that_does_not_append_is_not_cut_off() {
    let logs = Logs::new(&[("app.log", "", 0), ("other.log", "other\n", 2)]);
    let mut writer = File::options().write(true).open(logs.path("app.log")).unwrap();
    writer.write_all(b"first\n").unwrap();
    let run = logs.run("method=copy-truncate larger-than=1");
    assert_eq!(run.findings(), ["warning app.log cannot be cut while it is written in this way"]);
    assert_eq!(logs.content("app.log"), "first\n");
    assert_eq!(logs.content("other.log").trim(), "", "the others are not kept waiting");
    writer.write_all(b"second\n").unwrap();
    drop(writer);
    logs.rotate("method=copy-truncate larger-than=1 pattern=app.log");
    assert_eq!(logs.content("app.log").trim(), "");
    assert_eq!(logs.lines().len(), 3);
}

/// The log is copied and cut six times while a thread appends numbered lines without pause: each is somewhere, once and
/// in order.
#[test]
fn a_log_that_is_written_all_the_time_is_cut_without_losing_a_line() {
    let logs = Logs::new(&[("app.log", "", 0)]);
    let (stop, logs) = (AtomicBool::new(false), &logs);
    let (written, whole) = std::thread::scope(|scope| {
        let stop = &stop;
        let writing = scope.spawn(move || {
            let mut writer = logs.append("app.log");
            let mut number = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                writer.write_all(format!("line {number:09}\n").as_bytes()).unwrap();
                number += 1;
            }
            number
        });
        let mut whole = true;
        for _ in 0..6 {
            let run = logs.run("method=copy-truncate names=numbered larger-than=1 delay-compress=false");
            let lossy = |finding: &String| finding.contains("lost in the cut");
            whole &= !run.findings().iter().any(lossy);
            assert!(run.summary().starts_with("rotated 1 log"), "{}", run.text());
        }
        stop.store(true, Ordering::Relaxed);
        (writing.join().unwrap(), whole)
    });
    // On a file system that cannot take off the front of a file, the report says so.
    if whole {
        let expected: Vec<String> = (0..written).map(|number| format!("line {number:09}")).collect();
        let found = logs.lines();
        // A line that was being written when the log was cut may lie in two files, its beginning in one and its end in the
        // other; the beginnings of two lines may be the same.
        let visible = |line: &String| line.bytes().filter(|byte| !byte.is_ascii_whitespace()).count();
        let bytes: usize = found.iter().map(|(line, times)| visible(line) * times).sum();
        assert_eq!(bytes, expected.iter().map(visible).sum::<usize>());
        let of_a_whole_line = visible(&expected[0]);
        assert!(found.iter().all(|(line, times)| *times == 1 || visible(line) < of_a_whole_line));
        let whole = expected.iter().filter(|line| found.contains_key(*line)).count();
        assert!(
            found.len().abs_diff(expected.len()) <= 6 && expected.len() - whole <= 6,
            "{whole} of {}",
            expected.len()
        );
    }
    assert_eq!(logs.names().len(), 7);
}

#[test]
fn a_log_that_is_renamed_while_it_is_written_loses_no_line() {
    let logs = Logs::new(&[]);
    let (stop, logs) = (AtomicBool::new(false), &logs);
    let written = std::thread::scope(|scope| {
        let stop = &stop;
        // One that opens its log anew every thousand lines, as after a signal.
        let writing = scope.spawn(move || {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                let mut writer = logs.append("app.log");
                for _ in 0..1_000 {
                    writer.write_all(format!("line {number:09}\n").as_bytes()).unwrap();
                    number += 1;
                }
            }
            number
        });
        while !logs.path("app.log").exists() {
            std::thread::yield_now();
        }
        for _ in 0..8 {
            logs.run("names=numbered larger-than=1 delay-compress=false compress=zstd");
        }
        stop.store(true, Ordering::Relaxed);
        writing.join().unwrap()
    });
    let found = logs.lines();
    assert!(found.into_iter().eq((0..written).map(|number| (format!("line {number:09}"), 1))));
}

#[test]
fn an_idle_log_is_not_rotated_again_for_the_blanks_that_a_cut_left() {
    let logs = Logs::new(&[("app.log", &lines("app", 3), 2)]);
    let writer = logs.append("app.log");
    logs.rotate("method=copy-truncate larger-than=1");
    assert_eq!(logs.content("app.log").trim(), "");
    drop(writer);
}
