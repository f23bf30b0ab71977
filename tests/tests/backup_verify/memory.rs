//! What is remembered: a backup is read once, and again when it has changed or after a time.

use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::scene::{Backups, dump, gzip};

/// As if all that is remembered were so many days older.
async fn older(backups: &Backups, days: u32) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(backups.state());
    let mut state = options.connect().await.unwrap();
    let statement = format!("UPDATE entries SET written = written - {days} * 86400");
    state.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    state.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_read_once_and_again_after_a_time() {
    let backups = Backups::new();
    let names = backups.daily(5);
    assert_eq!(backups.remember(&["verify=3"]).read(), names[..3]);
    let again = backups.remember(&["verify=5"]);
    assert_eq!(again.read(), names[3..]);
    assert_eq!(again.summary(), "1 series, 5 backups: 5 read to the last byte");
    assert_eq!(backups.remember(&["verify=5"]).read(), [""; 0]);
    // One that was written since.
    backups.write(&names[1], gzip(dump(999).as_bytes()), 23);
    assert_eq!(backups.remember(&["verify=5"]).read(), [names[1].as_str()]);
    older(&backups, 31).await;
    assert_eq!(backups.remember(&["verify=5"]).read(), names);
    assert_eq!(backups.remember(&["verify=5", "verify-again=1h"]).read(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_loses_bits_is_noticed() {
    let backups = Backups::new();
    backups.write("a.dump", "PGDMP and its content", 1);
    assert!(backups.remember(&[]).complaints().is_empty());
    let modified = backups.path("a.dump").metadata().unwrap().modified().unwrap();
    backups.write("a.dump", "PGDMP and its cOntent", 1);
    std::fs::File::options().append(true).open(backups.path("a.dump")).unwrap().set_modified(modified).unwrap();
    assert!(backups.remember(&[]).complaints().is_empty(), "it was read not long ago");
    older(&backups, 31).await;
    let ran = backups.remember(&[]);
    assert_eq!(ran.complaints(), ["critical a.dump backup has changed, though nobody wrote it"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_backup_is_said_each_time_and_one_that_is_gone_is_forgotten() {
    let backups = Backups::new();
    backups.write("a.sql.gz", &gzip(dump(500).as_bytes())[..900], 1);
    backups.write("b.sql.gz", gzip(dump(500).as_bytes()), 1);
    for _ in 0..2 {
        let ran = backups.remember(&[]);
        assert_eq!(ran.complaints(), ["critical a.sql.gz backup is cut short or damaged"]);
    }
    std::fs::remove_file(backups.path("b.sql.gz")).unwrap();
    backups.remember(&[]);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(backups.state());
    let mut state = options.connect().await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM entries").fetch_one(&mut state).await.unwrap();
    state.close().await.unwrap();
    assert_eq!(left, 0);
}
