//! Ages, gaps, sizes, modes and room: what is told of the files without looking into them, and what is told for people.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use taskhost_tests::host;

use super::scene::{Backups, date, dump, gzip, sha256, tar};

const SERIES: &str = "app-#.sql";

/// Makes the backup of so many days ago.
type Make<'a> = &'a dyn Fn(u64) -> Vec<u8>;

#[test]
fn daily_backups_that_are_whole_and_young_are_in_order() {
    let backups = Backups::new();
    let names = backups.daily(10);
    for name in &names {
        let sum = sha256(&std::fs::read(backups.path(name)).unwrap());
        backups.write(&format!("{name}.sha256"), format!("{sum}  {name}\n"), 0);
    }
    let ran = backups.verify(&["require-checksum=true", "verify=3"]);
    assert_eq!((ran.code, ran.complaints()), (0, vec![]), "{:#}", ran.report);
    assert_eq!(ran.summary(), "1 series, 10 backups: 3 read to the last byte");
    assert_eq!(ran.read(), names[..3]);
    let detail = ran.detail("backup is readable to its last byte");
    assert_eq!(detail, "compressed, a dump by pg_dump to its last line, as its checksum says");
    assert!(ran.metric("backup_age", SERIES) < 100.0 && ran.metric("backup_size", SERIES) > 1_000.0);
}

#[test]
fn an_old_newest_backup_is_a_warning_and_then_critical() {
    for (hours, arguments, code) in [
        (25, &[][..], 0),
        (28, &[], 1),
        (51, &[], 2),
        (51, &["every=7d"], 0),
        (11, &["every=4h"], 2),
        (30, &["max-age=40h"], 0),
        (30, &["max-age=10h", "critical-age=20h"], 2),
    ] {
        let backups = Backups::new();
        backups.write("app.sql", dump(9), hours);
        let ran = backups.verify(arguments);
        assert_eq!(ran.code, code, "{hours} {arguments:?}: {:?}", ran.complaints());
    }
    let backups = Backups::new();
    backups.write("app.sql", dump(9), 0);
    let tomorrow = std::time::SystemTime::now() + std::time::Duration::from_hours(24);
    File::options().append(true).open(backups.path("app.sql")).unwrap().set_modified(tomorrow).unwrap();
    assert_eq!(backups.verify(&[]).complaints(), ["warning app.sql newest backup is dated in the future"]);
}

#[test]
fn a_day_without_a_backup_is_named() {
    let backups = Backups::new();
    let names = backups.daily(12);
    for missing in [2, 7, 8] {
        std::fs::remove_file(backups.path(&names[missing])).unwrap();
    }
    let ran = backups.verify(&["unchanged=0"]);
    assert_eq!(ran.complaints(), [format!("warning {SERIES} backups are missing")]);
    let with_dashes = |ago: u64| {
        let date = date(ago);
        format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..])
    };
    let expected = format!("3 in the last 30 d:\n{}\n{}, {}", with_dashes(2), with_dashes(8), with_dashes(7));
    assert_eq!(ran.detail("backups are missing"), expected);
    assert_eq!(ran.summary(), "1 series, 9 backups: 1 read to the last byte; 3 are missing");
    assert!(backups.verify(&["gaps-within=1d"]).complaints().is_empty());
    // Weekly, none is.
    assert!(backups.verify(&["every=7d"]).complaints().is_empty());
}

#[test]
fn a_backup_that_shrinks_is_a_warning() {
    let backups = Backups::new();
    let names = backups.daily(5);
    backups.write(&names[0], gzip(dump(100).as_bytes()), 0);
    assert_eq!(
        backups.verify(&[]).complaints(),
        [format!("warning {} backup is much smaller than the ones before it", names[0])]
    );
    assert!(backups.verify(&["size-drop-percent=95"]).complaints().is_empty());
}

#[test]
fn each_series_is_judged_by_itself() {
    let backups = Backups::new();
    backups.daily(3);
    backups.write(&format!("crm/crm-{}.sql", date(9)), dump(5), 9 * 24);
    backups.write(&format!("files-{}.tar.gz", date(0)), gzip(&tar(&[("a", b"a")], 1)), 0);
    backups.write("notes.txt", "no backup", 0);
    let ran = backups.verify(&[]);
    assert_eq!(ran.complaints(), ["critical crm/crm-#.sql newest backup is old"]);
    assert_eq!(ran.summary(), "3 series, 5 backups: 3 read to the last byte");
    assert!(backups.verify(&["exclude=crm"]).complaints().is_empty());
}

#[test]
fn backups_that_others_can_read_or_write_are_named() {
    let backups = Backups::new();
    let names = backups.daily(3);
    backups.write(&format!("{}.sha256", names[0]), sha256(&std::fs::read(backups.path(&names[0])).unwrap()), 0);
    let mode =
        |name: &str, mode: u32| std::fs::set_permissions(backups.path(name), Permissions::from_mode(mode)).unwrap();
    mode(&format!("{}.sha256", names[0]), 0o644);
    mode(&names[1], 0o640);
    assert!(backups.verify(&[]).complaints().is_empty());
    mode(&names[1], 0o644);
    mode(&names[2], 0o660);
    let expected = ["backups can be changed by others", "backups can be read by everyone"];
    assert_eq!(backups.verify(&[]).complaints(), expected.map(|title| format!("warning {SERIES} {title}")));
    assert!(backups.verify(&["private=false"]).complaints().is_empty());
}

#[test]
fn backups_that_do_not_change_are_suspicious() {
    let mysql = |day: u64, rows: &str| {
        format!("-- MariaDB dump 10.19\nINSERT INTO t VALUES {rows};\n-- Dump completed on 2026-11-{day:02}  3:10:05\n")
    };
    let zipped = |content: &[u8], time: u32| {
        let mut encoder = flate2::GzBuilder::new().mtime(time).write(vec![], flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, content).unwrap();
        encoder.finish().unwrap()
    };
    let cases: [(&str, &str, Make<'_>, bool); 7] = [
        ("the same bytes", "sql", &|_| dump(50).into_bytes(), true),
        ("other rows", "sql", &|ago| dump(50 + ago).into_bytes(), false),
        (
            "another time in the header of gzip",
            "sql.gz",
            &|ago| zipped(dump(50).as_bytes(), u32::try_from(ago).unwrap()),
            true,
        ),
        ("another date in the last line", "sql", &|ago| mysql(ago + 1, "(1)").into_bytes(), true),
        ("that, and another row", "sql", &|ago| mysql(ago + 1, &format!("({ago})")).into_bytes(), false),
        ("other times in a tar", "tar.gz", &|ago| gzip(&tar(&[("a", b"one")], 1_000 + ago)), true),
        ("that, and other content", "tar.gz", &|ago| gzip(&tar(&[("a", &ago.to_le_bytes())], 1_000)), false),
    ];
    for (case, kind, make, suspicious) in cases {
        let backups = Backups::new();
        for ago in 0..4 {
            backups.write(&format!("app-{}.{kind}", date(ago)), make(ago), ago * 24);
        }
        let found = backups.verify(&[]).complaints().iter().any(|it| it.ends_with("backups do not change"));
        assert_eq!(found, suspicious, "{case}");
        assert!(backups.verify(&["unchanged=0"]).complaints().is_empty(), "{case}");
        assert!(backups.verify(&["unchanged=5"]).complaints().is_empty(), "{case}");
    }
}

#[test]
fn a_disk_that_the_next_does_not_fit_on_is_critical() {
    let backups = Backups::new();
    backups.write("app.tar", "", 0);
    let space = rustix::fs::statvfs(backups.path("")).unwrap();
    let free = space.f_bavail * space.f_frsize;
    // All holes, it takes no space itself.
    for (size, expected) in
        [(free / 3, None), (free / 4 * 3, Some("warning backups there is little room for the next backups"))]
    {
        File::options().write(true).open(backups.path("app.tar")).unwrap().set_len(size).unwrap();
        let complaints = backups.verify(&["verify=0"]).complaints();
        assert_eq!(complaints.first().map(String::as_str), expected);
    }
    backups.write("more.tar", "", 0);
    File::options().write(true).open(backups.path("more.tar")).unwrap().set_len(free / 4 * 3).unwrap();
    assert_eq!(backups.verify(&["verify=0"]).complaints(), ["critical backups there is no room for the next backups"]);
}

#[test]
fn what_is_being_written_is_left_and_what_was_left_half_written_is_named() {
    let backups = Backups::new();
    let names = backups.daily(2);
    let open = File::options().append(true).open(backups.path(&names[0])).unwrap();
    let ran = backups.verify(&[]);
    assert_eq!(ran.read(), [&names[1]]);
    drop(open);
    backups.write("app-new.sql.gz.part", "half", 1);
    assert!(backups.verify(&[]).complaints().is_empty());
    backups.write("app-new.sql.gz.part", "half", 30);
    assert_eq!(backups.verify(&[]).complaints(), ["warning backups files are left half-written"]);
}

#[test]
fn no_backup_at_all_is_critical() {
    let backups = Backups::new();
    backups.write("notes.txt", "no backup", 0);
    let ran = backups.verify(&[]);
    assert_eq!((ran.code, ran.complaints()), (2, vec!["critical backups there is no backup".into()]));
}

#[test]
fn the_reports_are_written_for_people() {
    let backups = Backups::new();
    backups.write("app.sql", dump(1_000), 1);
    let cut = gzip(dump(1_000).as_bytes());
    backups.write("crm.sql.gz", &cut[..cut.len() / 2], 60);
    backups.write("files.tar", tar(&[("a", b"one"), ("b/c", b"two")], 5), 2);
    let slot = format!("backups={}", backups.path("").display());
    let output = host().args(["run", "backup-verify", "--files", &slot, "require-checksum=true"]).run().expect_code(2);
    let without_figures: Vec<&str> = output.stdout.lines().take_while(|line| *line != "Metrics").collect();
    insta::assert_snapshot!(without_figures.join("\n"));
}

#[test]
fn what_makes_no_sense_is_said() {
    let backups = Backups::new();
    let slot = format!("backups={}", backups.path("").display());
    let mut messages = String::new();
    for argument in ["pattern=[", "every=1s", "verify=-1", "size-drop-percent=0"] {
        let output = host().args(["run", "backup-verify", "--files", &slot, argument]).run().expect_code(3);
        messages += &format!("$ host run backup-verify {argument}\n{}{}\n", output.stdout, output.stderr);
    }
    insta::assert_snapshot!(messages);
}
