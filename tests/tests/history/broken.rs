//! What stands against a history stands against no run; and no run is called good in silence whose record was lost.

use super::{Places, World, alone, assert_whole, listed, tamper, text};
use sqlx::{ConnectOptions as _, Connection as _};
use taskhost_tests::{Output, fixture, host};

/// A run that did its work, ended in a warning at best, and says on every channel that its record was lost.
fn assert_told(output: &Output, why: &str) {
    let report = output.report();
    assert_eq!((output.code, text(&report["run"], "outcome")), (Some(1), "warning"), "{output}");
    assert_eq!(report["summary"], "nothing was asked for");
    let notice = report["notices"][0].as_str().unwrap();
    assert!(notice.starts_with("this run is not recorded: the history ") && notice.contains(why), "{why}: {output}");
    assert!(output.stderr.contains("warning: fixture-errand: this run is not recorded"), "{output}");
    assert!(output.stderr.contains(why), "{why}: {output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_file_is_waited_for_and_then_the_run_is_said_to_be_lost() {
    let world = World::new();
    let place = world.history().display().to_string();
    alone(&place, "errand=nothing", &world.path("files")).run().expect_code(0);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&place);
    let mut other = options.connect().await.unwrap();
    let transaction = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let blocked = alone(&place, "errand=nothing", &world.path("files")).spawn();
    let output = tokio::task::spawn_blocking(|| blocked.wait()).await.unwrap();
    assert_told(&output, "database is locked");
    // For as long as it takes another to write, it waits.
    let waiting = alone(&place, "errand=nothing", &world.path("files")).spawn();
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    transaction.rollback().await.unwrap();
    let output = tokio::task::spawn_blocking(|| waiting.wait()).await.unwrap().expect_code(0);
    assert_eq!(output.report()["notices"], serde_json::json!([]));
    assert_eq!(listed(&place).len(), 2);
    assert_whole(&place);
}

#[test]
fn a_full_disk_leaves_the_run_to_its_work_and_the_history_as_it_was() {
    let world = World::new();
    let place = world.history().display().to_string();
    // There is no room for its tables.
    let output = alone(&place, "errand=nothing", &world.path("files")).largest_file(16 * 1024).run();
    assert_told(&output, &place);
    std::fs::remove_file(&place).unwrap();
    // There is room for its tables, and for some runs.
    for _ in 0..3 {
        alone(&place, "errand=nothing", &world.path("files")).run().expect_code(0);
    }
    let size = std::fs::metadata(&place).unwrap().len();
    let mut lost = None;
    for _ in 0..200 {
        let output = alone(&place, "errand=nothing", &world.path("files")).largest_file(size + 4096).run();
        if output.code != Some(0) {
            lost = Some(output);
            break;
        }
    }
    assert_told(&lost.expect("the file may not grow"), "disk");
    // With room again, it goes on.
    alone(&place, "errand=nothing", &world.path("files")).run().expect_code(0);
    assert_whole(&place);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_none_is_said_with_what_stands_against_it() {
    let world = World::new();
    let files = world.path("files");
    let path = |name: &str| world.path(name).display().to_string();
    std::fs::write(path("text"), "no database at all, and a text long enough to be taken for the header of one")
        .unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path("precious.db")).create_if_missing(true);
    let mut precious = options.connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE runs (a); INSERT INTO runs VALUES (1)").execute(&mut precious).await.unwrap();
    precious.close().await.unwrap();
    let before = std::fs::read(path("precious.db")).unwrap();
    for (place, why) in [
        (path("no/such/history.db"), "there is no directory "),
        (path("files"), "it is a directory; name a file"),
        (path("text"), "file is not a database"),
        (path("precious.db"), "it is a database of something else; name another file"),
        ("postgres://task:hunter2@127.0.0.1:1/history".into(), "Connection refused"),
    ] {
        let output = alone(&place, "errand=nothing", &files).run();
        assert_told(&output, why);
        assert!(!format!("{output}").contains("hunter2"), "{output}");
        for command in [&["history"][..], &["log"], &["history", "verify"], &["history", "prune", "--keep", "1d"]] {
            let read = host().args(command.iter().copied()).arg(&place).run().expect_code(3);
            assert!(!format!("{read}").contains("hunter2"), "{read}");
        }
    }
    assert_eq!(std::fs::read(path("precious.db")).unwrap(), before, "nothing of another's database is written");
    // What cannot be meant is said before anything runs.
    for (written, why) in [
        ("mysql://u:hunter2@h/d", "--record: a history is a file or `postgres://...`, and no other URL"),
        ("env:NO_SUCH_VARIABLE", "--record: the environment variable NO_SUCH_VARIABLE is not set"),
        ("", "--record: a history is a file"),
    ] {
        let output = alone(written, "errand=nothing", &files).run().expect_code(3);
        assert!(output.stderr.contains(why) && output.stdout.is_empty(), "{output}");
        assert!(!format!("{output}").contains("hunter2"), "{output}");
    }
    let missing = host().args(["history", &path("none.db")]).run().expect_code(3);
    assert!(missing.stderr.contains("there is none yet; the first run that is recorded makes it"), "{missing}");
    assert!(!world.path("none.db").exists(), "reading makes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_of_a_newer_host_is_left_alone() {
    let places = Places::new().await;
    for place in places.all() {
        alone(&place, "errand=nothing", places.directory.path()).run().expect_code(0);
        let newer = "INSERT INTO history_migrations (version, description, success, checksum, execution_time) \
                     SELECT 99, description, success, checksum, execution_time FROM history_migrations WHERE version = 1";
        tamper(&place, newer).await;
        let output = alone(&place, "errand=nothing", places.directory.path()).run();
        assert_told(&output, "it was written by a newer host");
        let read = host().args(["history", &place]).run().expect_code(3);
        assert!(read.stderr.contains("it was written by a newer host; this one knows version 3"), "{read}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lets_a_role_do_too_little_is_named() {
    let database = taskhost_tests::postgres().await;
    let poor = database.role(&["REVOKE CREATE ON DATABASE current FROM PUBLIC"][..0]).await.to_string();
    let directory = tempfile::tempdir().unwrap();
    let output = alone(&poor, "errand=nothing", directory.path()).run();
    assert_told(&output, "permission denied for database");
    // With a schema that is its own, it needs no more.
    let rich = database.role(&["CREATE SCHEMA taskhost AUTHORIZATION {role}"]).await.to_string();
    alone(&rich, "errand=nothing", directory.path()).run().expect_code(0);
    alone(&rich, "errand=nothing", directory.path()).run().expect_code(0);
    assert_eq!(listed(&rich).len(), 2);
    assert_whole(&rich);
}

#[test]
fn a_lost_record_shows_in_every_form() {
    let run = |form: &str| {
        let host = host().arg("run").arg(fixture("empty")).args(["--record", "/no/such/place.db", "--format", form]);
        host.run().expect_code(1)
    };
    let nagios = run("nagios").stdout;
    assert!(
        nagios.starts_with("FIXTURE-EMPTY WARNING - ") && nagios.contains("NOTE: this run is not recorded"),
        "{nagios}"
    );
    assert!(run("text").stdout.contains("note: this run is not recorded: the history /no/such/place.db"));
    assert!(run("markdown").stdout.contains("this run is not recorded"));
    // What was refused stays refused, and critical critical.
    let worse = host().arg("run").arg(fixture("errand")).args(["--record", "/no/such/place.db"]).run();
    assert_eq!(worse.code, Some(3), "{worse}");
}
