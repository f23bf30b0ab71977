//! PostgreSQL. A replication slot holds rows of every database back, and making one waits for every transaction: the
//! tests that hold rows back do so while no other runs.

use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use taskhost_tests::{Database, postgres};
use tokio::sync::{RwLock, RwLockReadGuard};
use url::Url;

use super::{assert_says, complaints, finding, maintained, metric, vacuum};

/// Written while something holds rows of all databases back.
static HORIZON: RwLock<()> = RwLock::const_new(());

/// A database whose tables autovacuum leaves alone without being switched off, and its owner.
struct Shop {
    database: Database,
    /// The URL of a role that owns the database and sees all sessions, and is no superuser.
    owner: Url,
}

impl Shop {
    async fn new() -> Self {
        let database = postgres().await;
        let own = format!("ALTER DATABASE {} OWNER TO {{role}}", database.name());
        let owner = database.role(&[&own, "GRANT pg_read_all_stats TO {role}"]).await;
        Self { database, owner }
    }

    /// With a table of so many rows, of which the first `dead` were changed since the last vacuum, and so many at the
    /// end of the file were removed.
    async fn table(&self, name: &str, rows: u32, changed: u32, removed: u32) {
        self.database
            .execute(&[
                &format!(
                    "CREATE TABLE {name} (id int PRIMARY KEY, n int DEFAULT 0, pad text DEFAULT repeat('x', 100)) \
                     WITH (autovacuum_vacuum_threshold = 2000000000, autovacuum_vacuum_insert_threshold = -1)"
                ),
                &format!("INSERT INTO {name} (id) SELECT i FROM generate_series(1, {rows}) i"),
                &format!("UPDATE {name} SET n = 1 WHERE id <= {changed}"),
                &format!("DELETE FROM {name} WHERE id > {rows} - {removed}"),
            ])
            .await;
    }

    /// The customary tables: one much worse than the other, one below the thresholds.
    async fn stocked() -> Self {
        let shop = Self::new().await;
        shop.table("bad", 20_000, 0, 4_000).await;
        let usage = format!("GRANT USAGE ON SCHEMA audit TO {}", shop.owner.username());
        shop.database.execute(&["CREATE SCHEMA audit", &usage]).await;
        shop.table("audit.worst", 40_000, 0, 30_000).await;
        shop.table("fine", 20_000, 0, 500).await;
        shop
    }

    async fn dead(&self, table: &str) -> i64 {
        let query = format!("SELECT n_dead_tup FROM pg_stat_all_tables WHERE relid = '{table}'::regclass");
        self.database.number(&query).await
    }

    async fn size(&self, table: &str) -> i64 {
        self.database.number(&format!("SELECT pg_relation_size('{table}')")).await
    }

    async fn vacuums(&self) -> i64 {
        self.database.number("SELECT sum(vacuum_count)::bigint FROM pg_stat_user_tables").await
    }

    async fn run(&self, words: &str, code: i32, arguments: &[&str]) -> Value {
        self.output(words, code, &[arguments, &["--format=json"]].concat()).await.report()
    }

    async fn output(&self, words: &str, code: i32, arguments: &[&str]) -> taskhost_tests::Output {
        output(vacuum("run", &format!("{}{words}", self.owner)).args(arguments.iter().copied())).await.expect_code(code)
    }

    /// A session of the administrator's that calls itself so.
    async fn session(&self, name: &str) -> PgConnection {
        let mut url = self.database.url();
        url.query_pairs_mut().append_pair("application_name", name);
        PgConnection::connect(url.as_str()).await.unwrap()
    }
}

/// Runs it while the test's own sessions go on.
async fn output(host: taskhost_tests::Host) -> taskhost_tests::Output {
    tokio::task::spawn_blocking(|| host.run()).await.unwrap()
}

async fn shared() -> RwLockReadGuard<'static, ()> {
    HORIZON.read().await
}

async fn wait_until(what: &str, database: &Database, query: &str) {
    let begun = Instant::now();
    while database.number(query).await == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn dead_rows_go_the_worst_table_first_and_a_rehearsal_says_so_before() {
    let _shared = shared().await;
    let shop = Shop::stocked().await;
    let size = shop.size("audit.worst").await;
    let plan = output(vacuum("plan", &format!("{},maintain", shop.owner)).args(["--format=json"])).await;
    let plan = plan.expect_code(0).report();
    let (dead, vacuums) = (shop.dead("audit.worst").await, shop.vacuums().await);
    assert_eq!((dead, vacuums, shop.size("audit.worst").await), (30_000, 0, size), "the rehearsal vacuumed");

    let report = shop.run(",maintain", 0, &[]).await;
    assert_eq!(maintained(&report), ["vacuum and analyze audit.worst", "vacuum and analyze public.bad"]);
    assert_eq!(maintained(&plan), maintained(&report));
    assert_eq!((shop.dead("audit.worst").await, shop.dead("bad").await, shop.dead("fine").await), (0, 0, 500));
    assert!(shop.size("audit.worst").await < size / 2);
    for (table, before) in [("audit.worst", 30_000), ("public.bad", 4_000)] {
        assert_eq!(metric(&report, "dead_rows_before", Some(table)), before);
        assert_eq!(metric(&report, "dead_rows_after", Some(table)), 0);
    }
    assert_eq!(metric(&report, "tables_vacuumed", None), 2);
    assert!(metric(&report, "bytes_freed", None) > 0);
    let again = shop.run(",maintain", 0, &[]).await;
    assert_eq!(maintained(&again), [""; 0]);
}

#[tokio::test]
async fn the_reports_are_written_for_people() {
    let _shared = shared().await;
    let shop = Shop::stocked().await;
    let mut reports = String::new();
    for command in ["plan", "run", "run"] {
        let run = output(vacuum(command, &format!("{},maintain", shop.owner))).await.expect_code(0);
        assert_eq!(run.stderr, "", "{run}");
        reports += &format!("$ host {command} vacuum --sql database=postgres://...,maintain\n{}\n", run.stdout);
    }
    // Sizes of the database and of what others do on the server at the same time.
    insta::with_settings!({ filters => [
        (r"[\d.]+ (KiB|MiB)", "SIZE"), (r"analyzed \d+ s ago", "analyzed N s ago"), (r"vacuumed \d+ s ago", "vacuumed N s ago"),
        (r"_age: [\d.e]+", "_age: N"), (r"_age \((.*)\): [\d.e]+", "_age ($1): N"), (r"test_\w+", "DATABASE"),
        (r"transaction: \d+ s", "transaction: N s"),
    ] }, { insta::assert_snapshot!(reports) });
}

#[tokio::test]
async fn the_thresholds_and_names_choose_the_tables() {
    let _shared = shared().await;
    for (arguments, expected) in [
        (&["dead-rows=500", "dead-percent=2"][..], &["audit.worst", "public.bad", "public.fine"][..]),
        (&["dead-percent=50"], &["audit.worst"]),
        (&["dead-rows=30001"], &[]),
        (&["tables=bad"], &["public.bad"]),
        (&["tables=audit.worst,fine"], &["audit.worst"]),
    ] {
        let shop = Shop::stocked().await;
        let report = shop.run(",maintain", 0, &[arguments, &["analyze=false"]].concat()).await;
        let expected: Vec<_> = expected.iter().map(|table| format!("vacuum {table}")).collect();
        assert_eq!(maintained(&report), expected, "{arguments:?}");
    }
    let shop = Shop::stocked().await;
    let report = shop.run(",maintain", 1, &["tables=bad,missing"]).await;
    assert_eq!(complaints(&report), [("warning".into(), "missing".into(), "no such table".into())]);
    assert_eq!(maintained(&report).len(), 1);
}

#[tokio::test]
async fn whoever_holds_dead_rows_back_is_named() {
    let _alone = HORIZON.write().await;
    let shop = Shop::new().await;
    shop.table("orders", 20_000, 0, 0).await;
    let mut session = shop.session("nightly report").await;
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    session.execute("SELECT count(*) FROM orders").await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut session).await.unwrap();
    shop.database.execute(&["DELETE FROM orders WHERE id > 10000"]).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;

    let report = shop.run(",maintain", 1, &["long-transaction=1s"]).await;
    let end = format!("select pg_terminate_backend({pid});");
    let who = [&format!("pid {pid}"), "application `nightly report`", "idle in transaction", &end];
    assert_says(&report, "transaction holds dead rows back", &who);
    assert_says(&report, "dead rows remain", &["public.orders", &format!("held back by pid {pid}"), &end]);
    assert_eq!(shop.dead("orders").await, 10_000);
    let actions = report["next_actions"].as_array().unwrap();
    assert!(actions.iter().any(|next| next["action"] == format!("end pid {pid}, then vacuum it again")), "{actions:?}");
    session.execute("ROLLBACK").await.unwrap();
    assert_eq!(complaints(&shop.run(",maintain", 0, &["long-transaction=1s"]).await), []);
    assert_eq!(shop.dead("orders").await, 0);

    shop.database.execute(&["DELETE FROM orders WHERE id > 5000"]).await;
    session.execute("BEGIN").await.unwrap();
    session.execute("UPDATE orders SET n = 2 WHERE id = 1").await.unwrap();
    session.execute("PREPARE TRANSACTION 'forgotten'").await.expect("the server has max_prepared_transactions");
    shop.database.execute(&["DELETE FROM orders WHERE id > 1000"]).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let report = shop.run(",maintain", 1, &["long-transaction=1s"]).await;
    let undo = "rollback prepared 'forgotten';";
    assert_says(&report, "prepared transaction holds dead rows back", &["forgotten", undo]);
    session.execute("ROLLBACK PREPARED 'forgotten'").await.unwrap();

    let slot = format!("cdc_{}", shop.database.name());
    let make = format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')");
    session.execute(AssertSqlSafe(make)).await.expect("the server has wal_level = logical");
    let report = shop.run(",maintain", 1, &[]).await;
    let drop = format!("select pg_drop_replication_slot('{slot}');");
    let title = "replication slot holds dead rows back";
    assert_says(&report, title, &[&format!("slot {slot}"), "logical slot, nobody reads it", &drop]);
    session.execute(AssertSqlSafe(format!("SELECT pg_drop_replication_slot('{slot}')"))).await.unwrap();
    assert_eq!(complaints(&shop.run(",maintain", 0, &[]).await), []);
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_locked_table_is_named_and_passed_over_and_writers_go_on() {
    let _shared = shared().await;
    let shop = Shop::stocked().await;
    let mut holder = shop.session("migration").await;
    holder.execute("BEGIN; LOCK TABLE audit.worst IN SHARE UPDATE EXCLUSIVE MODE").await.unwrap();
    let mut writer = shop.session("checkout").await;
    writer.execute("SET lock_timeout = '1s'").await.unwrap();

    let begun = Instant::now();
    let run = vacuum("run", &format!("{},maintain,lock-timeout=3s", shop.owner)).args(["--format=json"]).spawn();
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'audit.worst'::regclass";
    wait_until("the vacuum waits for its lock", &shop.database, waits).await;
    writer.execute("INSERT INTO audit.worst (id) VALUES (-1)").await.expect("no writer waits for the vacuum");
    assert_eq!(shop.database.number(waits).await, 1, "the vacuum waited all the while");
    let report = tokio::task::spawn_blocking(|| run.wait()).await.unwrap().expect_code(1).report();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());

    assert_eq!(complaints(&report), [("warning".into(), "audit.worst".into(), "skipped: locked".into())]);
    let words = ["ShareUpdateExclusiveLock held by pid", "application `migration`", "pg_terminate_backend"];
    assert_says(&report, "skipped: locked", &words);
    assert_eq!(maintained(&report), ["vacuum and analyze public.bad"]);
    assert_eq!((shop.dead("bad").await, shop.dead("audit.worst").await), (0, 30_000));
    assert_eq!(report["next_actions"][0]["subject"], "audit.worst");
}

#[tokio::test]
async fn a_reader_in_the_way_costs_the_lock_time_out_and_a_writer_behind_no_more() {
    let _shared = shared().await;
    let shop = Shop::stocked().await;
    let mut holder = shop.session("migration").await;
    holder.execute("BEGIN; LOCK TABLE audit.worst IN SHARE MODE").await.unwrap();
    let run = vacuum("run", &format!("{},maintain,lock-timeout=1s", shop.owner)).args(["--format=json"]).spawn();
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'audit.worst'::regclass";
    wait_until("the vacuum waits for its lock", &shop.database, waits).await;
    let mut reader = shop.session("reader").await;
    // What a reader asks for conflicts with neither.
    reader.execute("SET lock_timeout = '100ms'; SELECT count(*) FROM audit.worst").await.unwrap();
    let report = tokio::task::spawn_blocking(|| run.wait()).await.unwrap().expect_code(1).report();
    assert_says(&report, "skipped: locked", &["ShareLock held by pid"]);
    assert_eq!(shop.database.number(waits).await, 0);
}

#[tokio::test]
async fn without_the_right_nothing_is_begun() {
    let _shared = shared().await;
    let shop = Shop::stocked().await;
    for words in ["", ",write", ",scratch"] {
        let report = shop.run(words, 3, &[]).await;
        assert_eq!(report["run"]["outcome"], "refused", "{words}");
        assert_eq!(report["effects"], serde_json::json!([]));
        let said = report["error"].as_str().unwrap();
        assert!(
            said.contains("slot `database` asks for maintain")
                && said.contains("add `,maintain` to --sql database=..."),
            "{said}"
        );
    }
    let output = output(taskhost_tests::host().args(["run", "vacuum"])).await.expect_code(3);
    insta::assert_snapshot!(output.stdout);
    assert_eq!((shop.dead("audit.worst").await, shop.vacuums().await), (30_000, 0));
}

#[tokio::test]
async fn a_grant_for_some_tables_leaves_the_others() {
    let _shared = shared().await;
    let shop = Shop::stocked().await;
    let report = shop.run(",maintain,table=public.*", 1, &[]).await;
    assert_eq!(complaints(&report), [("warning".into(), "audit.worst".into(), "skipped: not granted".into())]);
    assert_says(&report, "skipped: not granted", &["add `,table=audit.worst` to --sql"]);
    assert_eq!((shop.dead("bad").await, shop.dead("audit.worst").await), (0, 30_000));
    // Upkeep changes no rows: a budget of none suffices.
    let report = shop.run(",maintain", 0, &["--budget", "database.rows=0"]).await;
    assert_eq!(maintained(&report).len(), 1);
}

#[tokio::test]
async fn a_role_that_may_not_vacuum_is_told_so() {
    let _shared = shared().await;
    let shop = Shop::stocked().await;
    let reader = shop.database.role(&["GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"]).await;
    for command in ["plan", "run"] {
        let run = output(vacuum(command, &format!("{reader},maintain")).args(["--format=json"])).await;
        let report = run.expect_code(1).report();
        assert_says(&report, "no right to vacuum", &[reader.username(), "audit.worst", "public.bad"]);
        assert_eq!(maintained(&report), [""; 0]);
    }
    // One that owns one of the tables gets that one done.
    let owner = shop.database.role(&["ALTER TABLE bad OWNER TO {role}"]).await;
    let report = output(vacuum("run", &format!("{owner},maintain")).args(["--format=json"])).await;
    let report = report.expect_code(1).report();
    assert_eq!(maintained(&report), ["vacuum and analyze public.bad"]);
    let denied = finding(&report, "no right to vacuum").to_string();
    assert!(denied.contains("audit.worst") && !denied.contains("public.bad"), "{denied}");
    assert_eq!((shop.dead("bad").await, shop.dead("audit.worst").await), (0, 30_000));
}

#[tokio::test]
async fn a_host_that_is_killed_leaves_nothing_running() {
    let _shared = shared().await;
    let shop = Shop::stocked().await;
    // Slow, so that the vacuum is at work for minutes.
    let slow = format!("ALTER ROLE {} SET vacuum_cost_delay = '100ms'", shop.owner.username());
    let limit = format!("ALTER ROLE {} SET vacuum_cost_limit = 1", shop.owner.username());
    shop.database.execute(&[&slow, &limit]).await;
    let run = vacuum("run", &format!("{},maintain", shop.owner)).spawn();
    let sessions = format!("FROM pg_stat_activity WHERE usename = '{}'", shop.owner.username());
    let at_work = format!("SELECT count(*) {sessions} AND state = 'active' AND query LIKE 'VACUUM%'");
    wait_until("the vacuum is at work", &shop.database, &at_work).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(shop.database.number(&at_work).await, 1);
    run.kill_hard();
    let gone = format!("SELECT (count(*) = 0)::int::bigint {sessions}");
    wait_until("the server has noticed", &shop.database, &gone).await;
    assert_eq!(shop.database.number("SELECT count(*) FROM pg_prepared_xacts").await, 0);
    let locks = "SELECT count(*) FROM pg_locks WHERE relation = 'audit.worst'::regclass";
    assert_eq!(shop.database.number(locks).await, 0);
    assert_eq!(shop.database.number("SELECT count(*) FROM audit.worst").await, 10_000);
}
