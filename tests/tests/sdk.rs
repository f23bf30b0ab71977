//! What the SDK promises of the streams of a real host, and of the components that are built with it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on stops here")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use taskhost_tests::{Output, fixture, host, plugin};

/// A run of the guest on a directory.
fn run(directory: &Path, arguments: &[&str]) -> Output {
    let slot = format!("directory={},write", directory.display());
    host()
        .arg("run")
        .arg(fixture("sdk"))
        .args(["--format", "json", "--files", &slot])
        .args(arguments.iter().copied())
        .run()
}

fn summary(output: &Output) -> String {
    output.json()["summary"].as_str().unwrap_or_else(|| panic!("{output}")).to_owned()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Lines that no two pieces of a stream cut alike, and that do not compress to nothing.
fn many_lines() -> String {
    (0..40_000_u64).map(|n| format!("{n} {:x}\r\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect()
}

#[test]
fn a_file_is_read_line_by_line_through_its_compression() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("in.gz"), gzip(&format!("{}the end", many_lines()))).unwrap();
    let output = run(directory.path(), &["part=lines", "file=in.gz"]).expect_code(0);
    assert_eq!(summary(&output), "40001 lines, the last one `the end`");
}

#[test]
fn bytes_that_were_cut_short_are_an_error_to_whoever_reads_to_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let whole = gzip(&many_lines());
    std::fs::write(directory.path().join("whole.gz"), &whole).unwrap();
    std::fs::write(directory.path().join("cut.gz"), &whole[..whole.len() / 2]).unwrap();
    let output = run(directory.path(), &["part=bytes", "file=whole.gz"]).expect_code(0);
    assert_eq!(summary(&output), format!("{} bytes", many_lines().len()));
    for part in ["part=bytes", "part=lines"] {
        let output = run(directory.path(), &[part, "file=cut.gz"]).expect_code(3);
        assert!(output.json()["error"].to_string().contains("cut.gz"), "{output}");
    }
}

#[test]
fn a_file_is_written_in_pieces_and_compressed_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path(), &["part=write", "file=out.gz", "times=100000"]).expect_code(0);
    let output = run(directory.path(), &["part=lines", "file=out.gz"]).expect_code(0);
    assert_eq!(summary(&output), "100000 lines, the last one `line 99999`");
}

#[test]
fn a_file_whose_writing_is_given_up_is_left_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("out"), "as it was").unwrap();
    let output = run(directory.path(), &["part=give-up", "file=out", "times=40"]).expect_code(0);
    assert_eq!(summary(&output), "given up 40 times");
    assert_eq!(std::fs::read_to_string(directory.path().join("out")).unwrap(), "as it was");
    let names: Vec<_> = directory.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["out"]);
}

#[test]
fn what_the_host_says_of_a_refused_write_is_what_the_run_fails_with() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(directory.path(), &["part=write-outside"]).expect_code(3);
    let error = output.json()["error"].to_string();
    assert!(error.contains("../outside") && !error.contains("takes no more"), "{output}");
}

#[tokio::test]
async fn one_row_of_a_statement_that_then_fails_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("app.db");
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    SqliteConnection::connect_with(&options).await.unwrap().close().await.unwrap();
    let slot = format!("database=sqlite:{}", file.display());
    let ask = |statement: &str| run(directory.path(), &["part=row", &format!("statement={statement}"), "--sql", &slot]);
    assert_eq!(summary(&ask("SELECT 7").expect_code(0)), "7");
    assert_eq!(summary(&ask("SELECT 1 UNION ALL SELECT 2 ORDER BY 1").expect_code(0)), "1");
    assert_eq!(summary(&ask("SELECT 1 WHERE 1 > 5").expect_code(0)), "no row");
    // The smallest integer has no absolute value: the second row fails.
    let output = ask("SELECT abs(n) FROM (SELECT 1 AS n UNION ALL SELECT -9223372036854775807 - 1)").expect_code(3);
    assert!(output.json()["error"].to_string().contains("integer overflow"), "{output}");
}

#[test]
fn a_number_that_the_type_cannot_hold_is_refused_before_the_run() {
    let directory = tempfile::tempdir().unwrap();
    for number in ["-1", "4294967296"] {
        let output = run(directory.path(), &["part=lines", &format!("times={number}")]).expect_code(3);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(said.contains("times") && !said.contains("of another type than described"), "{said}");
    }
}

#[test]
fn a_component_imports_the_rooms_that_it_uses_and_no_others() {
    for (component, expected) in [
        (fixture("empty"), &[][..]),
        (plugin("file-cleanup"), &["files", "report"]),
        (plugin("vacuum"), &["report", "sql"]),
        (plugin("cert-check"), &["files", "report", "tls"]),
        (plugin("backup-test"), &["files", "report", "sql"]),
    ] {
        let output = host().arg("inspect").arg(&component).args(["--format", "json"]).run().expect_code(0);
        let report = output.json();
        let imports = report["imports"].as_array().unwrap().iter().map(|import| import.as_str().unwrap());
        let rooms: BTreeSet<&str> = imports
            .filter_map(|import| import.strip_prefix("taskhost:host/"))
            .map(|import| import.split('@').next().unwrap())
            .collect();
        assert_eq!(rooms, expected.iter().copied().collect(), "{}", component.display());
    }
}
