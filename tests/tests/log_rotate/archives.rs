//! Rotated files packed into one archive: as `tar -czf` and `rm` do, but nothing goes that is not in it.

use std::io::{Read as _, Write as _};

use super::scene::{Logs, lines};

/// As the runbook does: `tar -czf logs/archive/logs-DATE.tar.gz logs/*.log.1; rm logs/*.log.1`.
const RUNBOOK: &str = "names=numbered archive=archive delay-compress=false";

/// The members of an archive, by name.
fn members(logs: &Logs, archive: &str) -> Vec<(String, usize)> {
    let packed = std::fs::read(logs.path(archive)).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| {
            let mut entry = entry.unwrap();
            let (path, mut content) = (entry.path().unwrap().display().to_string(), vec![]);
            (path, entry.read_to_end(&mut content).unwrap())
        })
        .collect()
}

#[test]
fn rotated_files_are_packed_and_gone() {
    let content = lines("app", 5_000);
    let logs = Logs::new(&[("app.log", &content, 2), ("web/access.log", "get\n", 2), ("old.log.1", "old\n", 9)]);
    let before = logs.lines();
    let run = logs.rotate(RUNBOOK);
    assert_eq!(
        run.changes(),
        [
            "rename app.log -> app.log.1",
            "rename web/access.log -> web/access.log.1",
            "create-directory archive",
            "archive app.log.1 old.log.1 web/access.log.1 -> archive/logs-DATE.tar.gz",
            "remove app.log.1",
            "remove old.log.1",
            "remove web/access.log.1"
        ]
    );
    assert_eq!(logs.names(), ["archive/logs-DATE.tar.gz"]);
    let found = members(&logs, &logs.dated("archive/logs-DATE.tar.gz"));
    assert_eq!(found, [("app.log.1".into(), content.len()), ("old.log.1".into(), 4), ("web/access.log.1".into(), 4)]);
    assert_eq!(logs.lines(), before);
    assert!(run.summary().contains("packed 3 files"), "{}", run.summary());
}

#[test]
fn what_is_still_written_to_is_not_packed() {
    let logs = Logs::new(&[("app.log", "first\n", 2), ("web.log", "get\n", 2)]);
    let mut writer = logs.append("app.log");
    logs.run(RUNBOOK);
    assert_eq!(logs.names(), ["app.log.1", "archive/logs-DATE.tar.gz"]);
    writer.write_all(b"second\n").unwrap();
    drop(writer);
    logs.age("app.log.1", 1);
    std::thread::sleep(std::time::Duration::from_millis(1_050));
    logs.run(RUNBOOK);
    assert_eq!(logs.names(), ["archive/logs-DATE.tar.gz"; 2]);
    assert_eq!(logs.lines().len(), 3);
}

#[test]
fn a_large_file_is_compared_to_its_last_byte() {
    let logs = Logs::new(&[("app.log", &lines("app", 400_000), 2), ("b.log", &lines("b", 100_000), 2)]);
    let before = logs.lines();
    logs.run("archive=archive delay-compress=false compress=zstd archive-name=all");
    assert_eq!(logs.names(), ["archive/all-DATE.tar.zst"]);
    assert_eq!(logs.lines(), before);
}

#[test]
fn a_run_that_was_killed_after_packing_is_gone_on_with() {
    for (case, change) in [("as they were", None), ("one has grown since", Some("app.log.1"))] {
        let logs = Logs::new(&[("app.log.1", "a\n", 2), ("b.log.1", "b\n", 2)]);
        logs.run(RUNBOOK);
        let archive = logs.dated("archive/logs-DATE.tar.gz");
        let packed = std::fs::read(logs.path(&archive)).unwrap();
        // As if the files had not been removed: they are older than the archive.
        logs.write("app.log.1", if change.is_some() { "a\nmore\n" } else { "a\n" }, 2);
        logs.write("b.log.1", "b\n", 2);
        std::thread::sleep(std::time::Duration::from_millis(1_050));
        logs.write(&archive, &packed, 0);
        let run = logs.run(RUNBOOK);
        let archives = logs.names().len();
        assert_eq!(archives, if change.is_some() { 2 } else { 1 }, "{case}: {:?}", run.changes());
        assert!(logs.names().iter().all(|name| name == "archive/logs-DATE.tar.gz"), "{case}: {:?}", logs.names());
        let twice = if change.is_some() { 2 } else { 1 };
        assert_eq!((logs.lines()["a"], logs.lines()["b"]), (twice, 1), "{case}");
        assert_eq!(logs.lines().contains_key("more"), change.is_some(), "{case}");
    }
}

#[test]
fn archives_beyond_what_is_kept_go() {
    let logs = Logs::new(&[("app.log", "now\n", 2)]);
    for (name, days) in [
        ("archive/logs-20250101-000000.tar.gz", 300),
        ("archive/logs-20250102-000000.tar.gz", 299),
        ("archive/logs-20250103-000000.tar", 298),
        ("archive/logs-20250101.tar.gz", 300),
        ("archive/other-20250101-000000.tar.gz", 300),
        ("archive/notes", 300),
    ] {
        logs.write(name, "", days);
    }
    let run = logs.run(&format!("{RUNBOOK} keep=2"));
    let removed: Vec<_> =
        run.0["effects"].as_array().unwrap().iter().filter(|it| it["operation"] == "remove").collect();
    let removed: Vec<_> = removed.iter().map(|it| it["target"].as_str().unwrap()).collect();
    assert_eq!(removed, ["app.log.1", "archive/logs-20250102-000000.tar.gz", "archive/logs-20250101-000000.tar.gz"]);
}
