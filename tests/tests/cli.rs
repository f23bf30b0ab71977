//! Bad input at the command line: each case gets a message that names the thing and the way out, exit code 3, and
//! nothing is changed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use std::path::Path;

use sqlx::Connection as _;
use taskhost_tests::{Host, fixture, host};

/// What the message says, with what differs between machines and runs taken out.
fn message(host: Host, directory: &Path) -> String {
    let output = host.run().expect_code(3);
    let said = format!("{}{}", output.stdout, output.stderr);
    let fixtures = fixture("errand").parent().unwrap().display().to_string();
    said.replace(&directory.display().to_string(), "DIRECTORY").replace(&fixtures, "FIXTURES")
}

/// A run of the errand guest with its slot bound to a fresh directory that holds one file.
struct Errand {
    directory: tempfile::TempDir,
}

impl Errand {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("kept"), "as it was").unwrap();
        Self { directory }
    }

    fn host(&self) -> Host {
        let slot = format!("directory={},write", self.directory.path().display());
        host().arg("run").arg(fixture("errand")).args(["--files", &slot])
    }

    /// The message of a run with these arguments, after which the directory is as it was.
    fn message(&self, arguments: &[&str]) -> String {
        let message = message(self.host().args(arguments.iter().copied()), self.directory.path());
        self.assert_unchanged();
        message
    }

    fn assert_unchanged(&self) {
        let names: Vec<_> =
            std::fs::read_dir(&self.directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["kept"]);
        assert_eq!(std::fs::read_to_string(self.directory.path().join("kept")).unwrap(), "as it was");
    }
}

#[test]
fn a_file_that_is_no_plugin_says_what_it_is_instead() {
    let directory = tempfile::tempdir().unwrap();
    let whole = std::fs::read(fixture("errand")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes).unwrap();
    write("core.wasm", b"\0asm\x01\0\0\0");
    write("truncated.wasm", &whole[..whole.len() / 2]);
    write("empty.wasm", b"");
    write("text.wasm", b"#!/bin/sh\n");
    let mut messages = String::new();
    for plugin in ["missing", "./missing.wasm", "./core.wasm", "./truncated.wasm", "./empty.wasm", "./text.wasm", "."] {
        let run = host().args(["run", plugin, "--plugins"]).arg(directory.path()).directory(directory.path());
        messages += &format!("$ host run {plugin}\n{}\n", message(run, directory.path()));
    }
    let other_world = host().arg("run").arg(fixture("other-world"));
    messages += &format!("$ host run other-world.wasm\n{}", message(other_world, directory.path()));
    // Sizes of what was built.
    insta::with_settings!({ filters => [(r"\d{4,}", "N")] }, { insta::assert_snapshot!(messages) });
}

#[test]
fn a_misspelt_plugin_is_answered_with_the_nearest_name() {
    let directory = fixture("errand").parent().unwrap().to_owned();
    let run = host().args(["run", "erand", "--plugins"]).arg(&directory);
    insta::assert_snapshot!(message(run, &directory));
}

#[test]
fn a_wrong_parameter_is_answered_with_the_right_form() {
    let errand = Errand::new();
    let mut messages = String::new();
    for arguments in [
        &["tims=2"][..],
        &["nothing-like-it=2"],
        &["times=often"],
        &["times=11"],
        &["times=0"],
        &["times=2", "times=3"],
        &["errand=wirte"],
        &["size=big"],
        &["size=17MiB"],
        &["pause=2 hours"],
        &["times"],
        &["tims=2", "errand=wirte", "size=big"],
    ] {
        messages += &format!("$ host run errand {}\n{}\n", arguments.join(" "), errand.message(arguments));
    }
    insta::assert_snapshot!(messages);
}

#[test]
fn a_wrong_binding_is_answered_with_the_flag_that_mends_it() {
    let errand = Errand::new();
    let mut messages = String::new();
    for arguments in [
        &["--files", "directry=/tmp"][..],
        &["--files", "directory"],
        &["--files", "directory=/tmp"],
        &["--sql", "directory=sqlite:x.db"],
        &["--sql", "database=oracle://db/x"],
        &["--sql", "database=env:NOT_SET"],
        &["--sql", "database=file:/no/such/file"],
        &["--budget", "directory.rows=5"],
        &["--budget", "elsewhere.bytes=5"],
        &["--budget", "directory.bytes=lots"],
        &["--timeout", "soon"],
        &["--colour"],
    ] {
        messages += &format!("$ host run errand {}\n{}\n", arguments.join(" "), errand.message(arguments));
    }
    insta::assert_snapshot!(messages);
}

#[test]
fn a_slot_left_unbound_or_with_another_access_is_answered_with_the_flag() {
    let directory = tempfile::tempdir().unwrap();
    let mut messages = String::new();
    for binding in ["", "directory=DIRECTORY", "directory=DIRECTORY,wirte", "directory=DIRECTORY,write,colour=red"] {
        let arguments = if binding.is_empty() { vec![] } else { vec!["--files", binding] };
        let written = arguments.iter().map(|text| text.replace("DIRECTORY", &directory.path().display().to_string()));
        let run = host().arg("run").arg(fixture("errand")).args(written);
        messages += &format!("$ host run errand {}\n{}\n", arguments.join(" "), message(run, directory.path()));
    }
    insta::assert_snapshot!(messages);
}

#[test]
fn a_database_that_cannot_be_reached_is_named_without_its_password() {
    let errand = Errand::new();
    // Nobody listens: the port is bound, and not listened on.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut messages = String::new();
    for target in [
        format!("postgres://app:hunter2@127.0.0.1:{port}/shop"),
        format!("mysql://app:hunter2@127.0.0.1:{port}/shop"),
        format!("sqlite:{}/no-such.db", errand.directory.path().display()),
    ] {
        let message = errand.message(&["errand=ask", "--sql", &format!("database={target}")]);
        messages += &message.replace(&port.to_string(), "PORT");
        messages += "\n";
    }
    assert!(!messages.contains("hunter2"), "{messages}");
    insta::assert_snapshot!(messages);
}

#[tokio::test]
async fn a_refused_password_is_named_and_not_shown() {
    let errand = Errand::new();
    for database in [taskhost_tests::postgres().await, taskhost_tests::mariadb().await] {
        let mut url = database.role(&[]).await;
        url.set_password(Some("hunter2")).unwrap();
        let message = errand.message(&["errand=ask", "--sql", &format!("database={url}")]);
        assert!(message.contains(": unavailable - "), "{message}");
        assert!(message.contains(url.username()) && !message.contains("hunter2"), "{message}");
    }
}

#[tokio::test]
async fn a_locked_database_is_waited_for_as_long_as_the_grant_says() {
    let errand = Errand::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut holder = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("CREATE TABLE t (n); BEGIN EXCLUSIVE").execute(&mut holder).await.unwrap();
    let begun = std::time::Instant::now();
    let target = format!("database=sqlite:{},lock-timeout=1s", path.display());
    let message = errand.message(&["errand=ask", "--sql", &target]);
    assert!(begun.elapsed() > std::time::Duration::from_secs(1));
    insta::assert_snapshot!(message.replace(&directory.path().display().to_string(), "ELSEWHERE"));
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    let errand = Errand::new();
    let run = errand.host().args(["errand=write", "size=8MiB"]).largest_file(4 << 20);
    insta::assert_snapshot!(message(run, errand.directory.path()));
    errand.assert_unchanged();
    let run = errand.host().args(["errand=write", "size=1MiB"]).largest_file(4 << 20);
    run.run().expect_code(0);
    assert_eq!(std::fs::metadata(errand.directory.path().join("out")).unwrap().len(), 1 << 20);
}

#[test]
fn a_file_that_vanishes_after_it_was_listed_is_named() {
    let errand = Errand::new();
    // Compiled and described beforehand, so that the wait below is for the listing alone.
    errand.host().args(["errand=collect"]).run().expect_code(0);
    std::fs::write(errand.directory.path().join("vanishes"), "soon gone").unwrap();
    let run = errand.host().args(["errand=collect", "pause=5s"]).spawn();
    std::thread::sleep(std::time::Duration::from_secs(2));
    std::fs::remove_file(errand.directory.path().join("vanishes")).unwrap();
    let output = run.wait().expect_code(3);
    errand.assert_unchanged();
    insta::assert_snapshot!(output.stdout);
}

#[test]
fn the_json_report_names_the_outcome_and_keeps_to_its_schema() {
    let schema = include_str!("../../docs/report.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    for (plugin, arguments, outcome) in
        [("missing", "", "invalid"), ("errand", "--timeout=5s", "refused"), ("empty", "no=such", "invalid")]
    {
        let run = host().args(["run", "--format=json", plugin, "--plugins"]).arg(fixture("errand").parent().unwrap());
        let report = run.args(arguments.split_whitespace()).run().expect_code(3).json();
        assert_eq!(report["run"]["outcome"], outcome, "{plugin}");
        let problems: Vec<_> = schema.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{plugin}: {problems:?}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for flag in ["--help", "--version"] {
        let output = host().args([flag]).run().expect_code(0);
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{output}");
    }
}

/// The compiler would log gigabytes, for minutes, where nobody has compiled the plugin before.
#[test]
fn a_log_of_everything_leaves_out_what_the_compiler_does() {
    let cache = tempfile::tempdir().unwrap();
    let inspect = host().arg("inspect").arg(fixture("errand")).env("TASKHOST_CACHE", cache.path().to_str().unwrap());
    let output = inspect.env("TASKHOST_LOG", "trace").run().expect_code(0);
    assert!(std::fs::read_dir(&cache).unwrap().next().is_some(), "nothing was compiled: {output}");
    assert!(output.stderr.len() < 4 << 20, "{} bytes", output.stderr.len());
    assert!(!output.stderr.contains('\u{1b}'), "no terminal, no colours: {output}");
}
