//! MariaDB.

use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{Connection as _, Executor as _, MySqlConnection};
use taskhost_tests::{Database, mariadb};
use url::Url;

use super::{assert_says, complaints, maintained, metric, vacuum};

/// Rewrites what has a mebibyte free, where the default is sixteen.
const EAGER: &str = "free-space=1MiB";

/// A database with a table of which most is free, and a role that may do all in it and see all transactions.
struct Shop {
    database: Database,
    role: Url,
}

impl Shop {
    async fn new() -> Self {
        let database = mariadb().await;
        let all = format!("GRANT ALL ON {}.* TO {{role}}", database.name());
        let role = database.role(&[&all, "GRANT PROCESS ON *.* TO {role}"]).await;
        let shop = Self { database, role };
        shop.table("worst", 60_000).await;
        shop.table("some", 15_000).await;
        shop.database.execute(&["CREATE TABLE fine (id int PRIMARY KEY, pad char(200))"]).await;
        shop
    }

    /// A table of which all rows but the first tenth were removed: space is free by whole extents.
    async fn table(&self, name: &str, rows: u32) {
        self.database
            .execute(&[
                &format!("CREATE TABLE {name} (id int PRIMARY KEY, pad char(200) NOT NULL DEFAULT 'x') ENGINE InnoDB"),
                &format!("INSERT INTO {name} (id) SELECT seq FROM seq_1_to_{rows}"),
                &format!("DELETE FROM {name} WHERE id > {rows} / 10"),
            ])
            .await;
        // The space is free once the server has purged what was removed, which takes a moment.
        let begun = Instant::now();
        while self.free(name).await * 2 < self.file(name).await {
            assert!(begun.elapsed() < Duration::from_mins(1), "{name}: the server does not purge");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn free(&self, table: &str) -> i64 {
        let from = "SELECT cast(data_free AS signed) FROM information_schema.tables WHERE table_schema = database()";
        self.database.number(&format!("{from} AND table_name = '{table}'")).await
    }

    async fn file(&self, table: &str) -> i64 {
        let from = "SELECT cast(file_size AS signed) FROM information_schema.innodb_sys_tablespaces";
        self.database.number(&format!("{from} WHERE name = '{}/{table}'", self.database.name())).await
    }

    async fn run(&self, command: &str, words: &str, code: i32, arguments: &[&str]) -> Value {
        let host = vacuum(command, &format!("{}{words}", self.role)).args([EAGER, "--format=json"]);
        let host = host.args(arguments.iter().copied());
        tokio::task::spawn_blocking(|| host.run()).await.unwrap().expect_code(code).report()
    }

    async fn session(&self) -> MySqlConnection {
        MySqlConnection::connect(self.database.url().as_str()).await.unwrap()
    }
}

#[tokio::test]
async fn files_shrink_the_worst_first_and_a_rehearsal_leaves_them() {
    let shop = Shop::new().await;
    let (worst, some) = (shop.file("worst").await, shop.file("some").await);
    let plan = shop.run("plan", ",maintain", 0, &[]).await;
    assert_eq!((shop.file("worst").await, shop.file("some").await), (worst, some));
    let report = shop.run("run", ",maintain", 0, &[]).await;
    assert_eq!(maintained(&report), ["vacuum and analyze worst", "vacuum and analyze some"]);
    assert_eq!(maintained(&plan), maintained(&report));
    assert!(shop.file("worst").await * 2 < worst && shop.file("some").await * 2 < some);
    let before = metric(&report, "free_bytes_before", Some("worst"));
    assert!(metric(&report, "free_bytes_after", Some("worst")) < before);
    assert_eq!(shop.database.number("SELECT count(*) FROM worst").await, 6_000);
    assert_eq!(maintained(&shop.run("run", ",maintain", 0, &[]).await), [""; 0]);
}

#[tokio::test]
async fn without_the_right_nothing_is_begun_and_a_grant_for_some_tables_leaves_the_others() {
    let shop = Shop::new().await;
    let before = shop.file("worst").await;
    let report = shop.run("run", "", 3, &[]).await;
    assert_eq!(report["run"]["outcome"], "refused");
    assert!(report["error"].as_str().unwrap().contains("add `,maintain`"), "{report}");
    let report = shop.run("run", ",maintain,table=some", 1, &[]).await;
    assert_eq!(complaints(&report), [("warning".into(), "worst".into(), "skipped: not granted".into())]);
    assert_eq!(maintained(&report), ["vacuum and analyze some"]);
    assert_eq!(shop.file("worst").await, before);
}

#[tokio::test]
async fn a_table_in_use_is_passed_over_and_a_writer_behind_waits_no_longer() {
    let shop = Shop::new().await;
    let mut holder = shop.session().await;
    holder.execute("START TRANSACTION").await.unwrap();
    holder.execute("SELECT count(*) FROM worst").await.unwrap();
    let id: i64 = sqlx::query_scalar("SELECT cast(connection_id() AS signed)").fetch_one(&mut holder).await.unwrap();
    let target = format!("{},maintain,lock-timeout=2s", shop.role);
    let run = vacuum("run", &target).args([EAGER, "--format=json", "long-transaction=1s"]).spawn();
    let waits =
        "SELECT count(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata lock'";
    let begun = Instant::now();
    while shop.database.number(waits).await == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the vacuum never waited");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut writer = shop.session().await;
    let begun = Instant::now();
    writer.execute("INSERT INTO worst (id) VALUES (-1)").await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "the writer waited for {:?}", begun.elapsed());
    let report = tokio::task::spawn_blocking(|| run.wait()).await.unwrap().expect_code(1).report();
    assert_says(&report, "skipped: timed out", &["worst", &format!("kill {id}")]);
    assert_eq!(maintained(&report), ["vacuum and analyze some"]);
    holder.execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn an_old_transaction_is_named() {
    let shop = Shop::new().await;
    let mut holder = shop.session().await;
    holder.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT").await.unwrap();
    holder.execute("UPDATE fine SET pad = ''").await.unwrap();
    let id: i64 = sqlx::query_scalar("SELECT cast(connection_id() AS signed)").fetch_one(&mut holder).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let report = shop.run("plan", ",maintain", 1, &["long-transaction=1s"]).await;
    let words = [&format!("connection {id}"), "taskhost", "idle in it", &format!("kill {id};")];
    assert_says(&report, "transaction keeps InnoDB from purging", &words);
    holder.execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn a_role_with_few_rights_is_told_which_are_missing() {
    let shop = Shop::new().await;
    let select = format!("GRANT SELECT ON {}.* TO {{role}}", shop.database.name());
    let role = shop.database.role(&[&select]).await;
    let host = vacuum("run", &format!("{role},maintain")).args([EAGER, "--format=json"]);
    let report = tokio::task::spawn_blocking(|| host.run()).await.unwrap().expect_code(1).report();
    assert_says(&report, "cannot see others' transactions", &["grant process on *.* to", role.username()]);
    assert_says(&report, "skipped: the database refused", &["OPTIMIZE TABLE asks for"]);
    assert_eq!(maintained(&report), [""; 0]);
}

#[tokio::test]
async fn the_reports_are_written_for_people() {
    let shop = Shop::new().await;
    let mut reports = String::new();
    for command in ["plan", "run", "run"] {
        let host = vacuum(command, &format!("{},maintain", shop.role)).args([EAGER]);
        let run = tokio::task::spawn_blocking(|| host.run()).await.unwrap().expect_code(0);
        assert_eq!(run.stderr, "", "{run}");
        reports += &format!("$ host {command} vacuum --sql database=mysql://...,maintain {EAGER}\n{}\n", run.stdout);
    }
    insta::with_settings!({ filters => [
        (r"[\d.]+ (KiB|MiB|B)\b", "SIZE"), (r"[\d.]+ %\)", "N %)"), (r"about [\d,]+ rows", "about N rows"),
        (r"history_length: \d+", "history_length: N"), (r"longest_transaction: \d+", "longest_transaction: N"),
    ] }, { insta::assert_snapshot!(reports) });
}
