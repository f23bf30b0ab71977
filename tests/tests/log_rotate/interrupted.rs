//! Hosts that are killed in the middle, and what they may leave: nothing is lost, and the next run goes on.

use std::io::Write as _;
use std::time::Duration;

use super::scene::{Logs, lines};

fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Killed again and again, each time a little later; then a run that may end.
#[test]
fn a_host_that_is_killed_anywhere_loses_nothing_and_the_next_run_goes_on() {
    for arguments in [
        "names=numbered delay-compress=false",
        "method=copy-truncate delay-compress=false compress=zstd",
        "method=copy-truncate names=numbered archive=archive delay-compress=false",
        "names=numbered archive=archive delay-compress=false",
    ] {
        let logs = Logs::new(&[]);
        for number in 0..40 {
            let name = format!("{number}.log");
            logs.write(&name, lines(&name, 1_500), 2);
            logs.write(&format!("{name}.1"), lines(&format!("{name}.1"), 500), 3);
        }
        let before = logs.lines();
        for round in 0..12 {
            let process = logs.host("run", &format!("larger-than=10 {arguments}")).spawn();
            std::thread::sleep(Duration::from_millis(40 + 25 * round));
            process.kill_hard();
            let now = logs.lines();
            let missing: Vec<_> = before.keys().filter(|line| !now.contains_key(*line)).take(3).collect();
            assert!(missing.is_empty(), "{arguments}: killed in round {round}, without {missing:?}");
        }
        // There is one archive a second.
        std::thread::sleep(Duration::from_millis(1_050));
        logs.run(arguments);
        let now = logs.lines();
        assert!(now.keys().eq(before.keys()), "{arguments}");
        assert!(logs.names().iter().all(|name| !name.contains("copying")), "{arguments}: {:?}", logs.names());
        assert_eq!(logs.run(arguments).changes(), [""; 0], "{arguments}: {:?}", logs.names());
    }
}

#[test]
fn a_copy_whose_log_was_not_yet_cut_is_finished_and_nothing_is_there_twice() {
    for style in ["dated", "numbered"] {
        let content = lines("app", 3_000);
        let copy = if style == "dated" { "app.log-20261120-000000" } else { "app.log.1" };
        let logs =
            Logs::new(&[("app.log", &format!("{content}later\n"), 0), (&format!("{copy}.copying"), &content, 0)]);
        let run = logs.rotate(&format!("method=copy-truncate names={style} every=5200w"));
        assert_eq!(
            run.changes(),
            ["cut app.log".to_owned(), format!("rename {copy}.copying -> {copy}").replace("20261120-000000", "DATE")]
        );
        assert_eq!(logs.content(copy), content);
        assert_eq!(logs.content("app.log").trim_start(), "later\n");
        assert!(logs.lines().values().all(|times| *times == 1));
    }
}

#[test]
fn a_copy_whose_log_was_cut_gets_its_name_and_the_log_is_left() {
    let logs =
        Logs::new(&[("app.log", "later\n", 0), ("app.log.1.copying", "first\n", 0), ("b.log.1.copying", "b\n", 0)]);
    logs.rotate("method=copy-truncate names=numbered every=1d");
    assert_eq!(logs.names(), ["app.log", "app.log.1", "b.log.1"]);
    assert_eq!((logs.content("app.log"), logs.content("app.log.1")), ("later\n".into(), "first\n".into()));
}

#[test]
fn a_file_that_is_there_plain_and_compressed_is_compared() {
    for (case, plain, packed, names, findings) in [
        ("the same", "one\ntwo\n", gzip("one\ntwo\n"), &["app.log", "app.log.1", "app.log.2.gz"][..], 0),
        ("the plain one grew", "one\ntwo\n", gzip("one\n"), &["app.log", "app.log.1", "app.log.2.gz"], 0),
        ("others", "one\n", gzip("two\n"), &["app.log", "app.log.1", "app.log.2", "app.log.2.gz"], 2),
        ("cut short", "one\n", gzip("one\n")[..20].to_vec(), &["app.log", "app.log.1", "app.log.2", "app.log.2.gz"], 2),
    ] {
        let logs = Logs::new(&[("app.log", "now\n", 0), ("app.log.1", "new\n", 1), ("app.log.2", plain, 2)]);
        logs.write("app.log.2.gz", packed, 2);
        let run = logs.run("names=numbered every=52w");
        assert_eq!(logs.names(), names, "{case}: {:?}", run.changes());
        assert_eq!(run.findings().len(), findings, "{case}: {:?}", run.findings());
        if findings == 0 {
            assert_eq!(logs.lines().into_keys().collect::<Vec<_>>(), ["new", "now", "one", "two"], "{case}");
        }
    }
}

#[test]
fn a_gap_that_a_killed_shift_left_is_filled() {
    let logs = Logs::new(&[("app.log", "now\n", 2), ("app.log.2", "two\n", 3), ("app.log.3", "three\n", 4)]);
    let run = logs.rotate("names=numbered larger-than=1 compress=none");
    assert_eq!(run.changes(), ["rename app.log -> app.log.1"]);
    assert_eq!(logs.names(), ["app.log.1", "app.log.2", "app.log.3"]);
}
