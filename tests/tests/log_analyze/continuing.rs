//! What is new since the last run, and across rotations of every kind: no line is passed over, and none is read twice.

use super::scene::{Logs, clock, gzip};

/// Numbered lines, every tenth an error, of which no two are alike.
fn lines(from: u64, to: u64) -> String {
    (from..to)
        .map(|n| format!("{} {} line number {n}\n", clock(n), if n % 10 == 0 { "ERROR" } else { "INFO" }))
        .collect()
}

#[test]
fn a_run_reads_what_is_new() {
    let logs = Logs::new(&[("app.log", &lines(0, 100))]);
    assert_eq!(logs.go_on(&[]).lines("app.log"), (100, 10));
    assert_eq!(logs.go_on(&[]).lines("app.log"), (0, 0));
    logs.append("app.log", &lines(100, 150));
    assert_eq!(logs.go_on(&["field=:-1"]).lines("app.log"), (50, 5));
    // A line whose end is yet to come is read once it is there.
    logs.append("app.log", "2026-11-23 10:00:00 ERR");
    assert_eq!(logs.go_on(&[]).lines("app.log"), (0, 0));
    logs.append("app.log", "OR is whole\n");
    assert_eq!(logs.go_on(&[]).lines("app.log"), (1, 1));
    assert_eq!(logs.go_on(&["whole=true"]).lines("app.log"), (151, 16));
    assert_eq!(logs.go_on(&[]).lines("app.log"), (0, 0));
    // Without a memory it is all of it.
    assert_eq!(logs.run(&[]).lines("app.log"), (151, 16));
}

#[test]
fn a_rehearsal_reads_and_remembers_nothing() {
    let logs = Logs::new(&[("app.log", &lines(0, 100))]);
    let slot = format!("logs={}", logs.path("").display());
    let memory = format!("memory={},write", logs.path("../state.db").display());
    for _ in 0..2 {
        let plan =
            taskhost_tests::host().args(["plan", "log-analyze", "--format=json", "--files", &slot, "--state", &memory]);
        let report = plan.run().expect_code(0).report();
        assert!(report["summary"].as_str().unwrap().starts_with("10 errors in 100 lines"), "{report:#}");
    }
}

/// Each rotates a log of the numbers so far, as programs do, between two runs.
#[test]
fn what_was_written_before_a_rotation_is_read_after_it() {
    type Rotate = fn(&Logs);
    let ways: [(&str, Rotate); 9] = [
        ("renamed by log-rotate", |logs| logs.rotate(&[])),
        ("renamed to a number", |logs| logs.rotate(&["names=numbered"])),
        ("renamed and compressed", |logs| logs.rotate(&["delay-compress=false"])),
        ("compressed with zstd", |logs| logs.rotate(&["names=numbered", "delay-compress=false", "compress=zstd"])),
        ("copied and cut", |logs| logs.rotate(&["method=copy-truncate"])),
        ("copied, cut and compressed", |logs| logs.rotate(&["method=copy-truncate", "delay-compress=false"])),
        ("renamed, and the new one made", |logs| logs.rotate(&["create=true"])),
        ("by hand", |logs| std::fs::rename(logs.path("app.log"), logs.path("app.log.1")).unwrap()),
        ("copied and truncated by hand", |logs| {
            let content = std::fs::read(logs.path("app.log")).unwrap();
            logs.write("app.log.1.gz", gzip(&content));
            std::fs::File::options().write(true).open(logs.path("app.log")).unwrap().set_len(0).unwrap();
        }),
    ];
    for (case, rotate) in ways {
        let logs = Logs::new(&[("app.log", &lines(0, 1_000))]);
        assert_eq!(logs.go_on(&[]).lines("app.log"), (1_000, 100), "{case}");
        logs.append("app.log", &lines(1_000, 1_500));
        rotate(&logs);
        logs.append("app.log", &lines(1_500, 1_600));
        let ran = logs.go_on(&["field=:-1"]);
        let (read, errors) = ran.lines("app.log");
        assert_eq!((read, errors, ran.complaints()), (600, 60, vec![]), "{case}: {:#}", ran.report);
        let p50 = ran.metric("column_1_p50", "app.log").unwrap();
        assert!((p50 - 1_300.0).abs() < 10.0, "{case}: {p50}");
        logs.append("app.log", &lines(1_600, 1_620));
        assert_eq!(logs.go_on(&[]).lines("app.log"), (20, 2), "{case}");
    }
}

#[test]
fn several_rotations_between_two_runs_are_caught_up_with() {
    let logs = Logs::new(&[("app.log", &lines(0, 100))]);
    logs.go_on(&[]);
    for round in 1..4 {
        logs.append("app.log", &lines(round * 100, (round + 1) * 100));
        logs.rotate(&["names=numbered", if round == 2 { "compress=zstd" } else { "compress=gzip" }]);
        // By their times rotated files are in order.
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(100 - round * 10);
        std::fs::File::options().append(true).open(logs.path("app.log.1")).unwrap().set_modified(old).unwrap();
    }
    logs.append("app.log", &lines(400, 450));
    let ran = logs.go_on(&[]);
    assert_eq!((ran.lines("app.log"), ran.complaints()), ((350, 35), vec![]), "{:#}", ran.report);
    assert_eq!(logs.go_on(&[]).lines("app.log"), (0, 0));
}

#[test]
fn lines_that_were_rotated_away_unread_are_missed_aloud() {
    let logs = Logs::new(&[("app.log", &lines(0, 100))]);
    logs.go_on(&[]);
    std::fs::remove_file(logs.path("app.log")).unwrap();
    logs.write("app.log", lines(500, 520));
    let ran = logs.go_on(&[]);
    assert_eq!(ran.complaints(), ["warning lines were rotated away unread"]);
    assert_eq!(ran.lines("app.log"), (20, 2));
    assert_eq!(logs.go_on(&[]).complaints(), [""; 0]);
}

#[test]
fn a_log_that_is_away_for_a_run_is_gone_on_with() {
    let logs = Logs::new(&[("app.log", &lines(0, 100)), ("other.log", "x\n")]);
    logs.go_on(&[]);
    logs.append("app.log", &lines(100, 120));
    // Its writer has not made it anew.
    std::fs::rename(logs.path("app.log"), logs.path("app.log.1")).unwrap();
    assert_eq!(logs.go_on(&["pattern=*.log,*.log.1"]).lines("app.log"), (20, 2));
    logs.write("app.log", lines(120, 130));
    assert_eq!(logs.go_on(&["pattern=*.log,*.log.1"]).lines("app.log"), (10, 1));
}

#[test]
fn errors_that_come_faster_than_before_are_a_warning() {
    let logs = Logs::new(&[("app.log", "")]);
    let mut codes = Vec::new();
    for (round, errors) in [(0, 40), (1, 40), (2, 40), (3, 45), (4, 400)] {
        // An hour a run, by the lines' own times.
        logs.write("app.log", "");
        let line = |n: u64| format!("2026-11-23 {round:02}:{:02}:00 ERROR {n}\n", n * 60 / errors);
        logs.append("app.log", &(0..errors).map(line).collect::<String>());
        codes.push(logs.go_on(&["whole=true"]).complaints().len());
    }
    assert_eq!(codes, [0, 0, 0, 0, 1]);
    assert_eq!(logs.go_on(&["whole=true", "jump-percent=10000"]).complaints(), [""; 0]);
}
