//! Names and links that are made to mislead, no grant, and a rehearsal.

use taskhost_tests::host;

use super::scene::{Backups, dump, gzip, tar};

#[test]
fn nothing_is_read_without_a_grant() {
    let output = host().args(["run", "backup-verify", "--format=json"]).run().expect_code(3);
    let report = output.report();
    assert_eq!(report["run"]["outcome"], "refused", "{report:#}");
    assert!(report["error"].to_string().contains("--files backups="), "{report:#}");
}

#[test]
fn a_plan_reads_all_and_remembers_nothing() {
    let backups = Backups::new();
    backups.write("app.sql.gz", gzip(dump(500).as_bytes()), 1);
    let files = format!("backups={}", backups.path("").display());
    let state = format!("memory={},write", backups.state().display());
    let plan = || {
        let arguments = ["plan", "backup-verify", "--format=json", "--files", &files, "--state", &state];
        host().args(arguments).run().expect_code(0).report()
    };
    assert_eq!(plan()["summary"], "1 series, 1 backup: 1 read to the last byte");
    // What the first plan had remembered, this one would not read.
    let read = |report: &serde_json::Value| {
        report["effects"].as_array().unwrap().iter().filter(|it| it["operation"] == "digest").count()
    };
    assert_eq!(read(&plan()), 1);
    assert_eq!(backups.remember(&[]).read(), ["app.sql.gz"]);
    assert_eq!(read(&plan()), 0, "it is remembered now");
}

#[test]
fn names_and_links_that_mislead_are_taken_for_what_they_are() {
    let backups = Backups::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.sql"), dump(5)).unwrap();
    std::os::unix::fs::symlink(outside.path(), backups.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.sql"), backups.path("link.sql")).unwrap();
    std::fs::create_dir(backups.path("directory.sql")).unwrap();
    for name in ["--force.sql", "a\nok.sql", "\u{1b}[2Jb.sql", "ü 'x' $(touch y).sql", "SHA256SUMS.sql"] {
        backups.write(name, dump(5), 0);
    }
    // Checksums of other files, and of paths that lead out.
    let sum = "ab".repeat(32);
    backups.write("SHA256SUMS", format!("{sum}  ../../etc/passwd\n{sum}  other.sql\n\0\n"), 0);
    let ran = backups.verify(&[]);
    assert_eq!(ran.complaints(), [""; 0]);
    assert_eq!(ran.summary(), "4 series, 4 backups: 4 read to the last byte");
    let text = host()
        .args(["run", "backup-verify", "--files", &format!("backups={}", backups.path("").display())])
        .run()
        .expect_code(0);
    assert!(!text.stdout.contains('\u{1b}') && !text.stdout.contains("a\nok"), "{}", text.stdout);
}

#[test]
fn members_of_an_archive_lead_nowhere() {
    let backups = Backups::new();
    let mut archive = tar(&[("harmless", b"x")], 1);
    // The name is bytes to whoever only reads.
    archive[..16].copy_from_slice(b"../../etc/passwd");
    let sum: u32 = archive[..512]
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    backups.write("a.tar", archive, 0);
    let ran = backups.verify(&[]);
    assert_eq!(ran.complaints(), [""; 0]);
    assert_eq!(ran.report["effects"].as_array().unwrap().iter().filter(|it| it["impact"] != "observe").count(), 0);
}
