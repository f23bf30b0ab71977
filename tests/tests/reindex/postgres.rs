//! PostgreSQL. A rebuild waits for transactions of its own database alone, so that tests do not hold each other up.

use serde_json::Value;
use sqlx::{Connection as _, Executor as _, PgConnection};
use taskhost_tests::{Database, postgres};
use url::Url;

use super::{assert_says, complaints, metric, rebuilt, reindex, report, wait_until};

/// Rebuilds what gives 100 KiB back.
const EAGER: [&str; 1] = ["bloat-size=100KiB"];

/// A database whose tables autovacuum leaves alone, and their owner, who is no superuser.
struct Shop {
    database: Database,
    owner: Url,
}

impl Shop {
    /// With a table of whose indexes nine tenths are bloat, and another of whose indexes none is.
    async fn new() -> Self {
        let database = postgres().await;
        let owner = database.role(&["GRANT pg_read_all_stats TO {role}", "ALTER SCHEMA public OWNER TO {role}"]).await;
        let shop = Self { database, owner };
        shop.table("bloated", 60_000).await;
        shop.table("fine", 20_000).await;
        shop.database.execute(&["DELETE FROM bloated WHERE id % 10 <> 0", "VACUUM ANALYZE bloated, fine"]).await;
        shop
    }

    async fn table(&self, name: &str, rows: u32) {
        self.database
            .execute(&[
                &format!("CREATE TABLE {name} (id int PRIMARY KEY, g int, note text) WITH (autovacuum_enabled = off)"),
                &format!(
                    "INSERT INTO {name} SELECT i, i % 50, 'note ' || md5(i::text) FROM generate_series(1, {rows}) i"
                ),
                &format!("CREATE INDEX {name}_by_note ON {name} (note)"),
                &format!("CREATE INDEX {name}_by_g ON {name} (g)"),
                &format!("ALTER TABLE {name} OWNER TO {}", self.owner.username()),
            ])
            .await;
    }

    async fn run(&self, command: &str, words: &str, arguments: &[&str]) -> Value {
        let target = format!("{},maintain{words}", self.owner);
        report(reindex(command, &target, &[&EAGER, arguments].concat())).await
    }

    async fn size(&self, index: &str) -> i64 {
        self.database.number(&format!("SELECT pg_relation_size('{index}')")).await
    }

    /// Changes with every rebuild.
    async fn file(&self, index: &str) -> i64 {
        self.database.number(&format!("SELECT pg_relation_filenode('{index}')::bigint")).await
    }

    async fn invalid(&self) -> i64 {
        self.database.number("SELECT count(*) FROM pg_index WHERE NOT indisvalid").await
    }

    async fn session(&self) -> PgConnection {
        PgConnection::connect(self.database.url().as_str()).await.unwrap()
    }
}

const WORST_FIRST: [&str; 3] =
    ["reindex index public.bloated_by_note", "reindex index public.bloated_pkey", "reindex index public.bloated_by_g"];

#[tokio::test(flavor = "multi_thread")]
async fn bloat_made_by_deletes_goes_the_worst_first_and_a_rehearsal_changes_nothing() {
    let shop = Shop::new().await;
    let indexes = ["bloated_by_note", "bloated_pkey", "bloated_by_g", "fine_by_note", "fine_pkey", "fine_by_g"];
    let mut before = Vec::new();
    for index in indexes {
        before.push((shop.size(index).await, shop.file(index).await));
    }
    let plan = shop.run("plan", "", &[]).await;
    assert_eq!(plan["run"]["outcome"], "ok", "{plan:#}");
    for (index, before) in indexes.iter().zip(&before) {
        assert_eq!((shop.size(index).await, shop.file(index).await), *before, "{index}: the rehearsal rebuilt it");
    }
    let run = shop.run("run", "", &[]).await;
    assert_eq!(rebuilt(&run), WORST_FIRST, "{run:#}");
    assert_eq!(rebuilt(&plan), rebuilt(&run));
    for (index, (size, file)) in indexes.iter().zip(&before) {
        let bloated = index.starts_with("bloated");
        assert_eq!(shop.size(index).await < size / 2, bloated, "{index}");
        assert_eq!(shop.file(index).await != *file, bloated, "{index}");
        let name = format!("public.{index}");
        let after = metric(&run, "index_bytes_after", Some(&name));
        assert_eq!(after, bloated.then_some(f64::from(u32::try_from(shop.size(index).await).unwrap())), "{index}");
    }
    // The estimate comes near what it came to.
    let (expected, freed) =
        (metric(&plan, "index_bloat_bytes", None).unwrap(), metric(&run, "bytes_freed", None).unwrap());
    assert!((expected - freed).abs() < freed * 0.1, "{expected} estimated, {freed} freed");
    assert!(metric(&run, "space_needed_bytes", None).unwrap() > 100_000.0);
    assert_says(
        &run,
        "room for the new indexes",
        &["cannot be asked for in SQL", "estimated from the planner's statistics"],
    );
    let again = shop.run("run", "", &[]).await;
    assert_eq!(rebuilt(&again), [""; 0], "{again:#}");
    assert!(again["summary"].as_str().unwrap().starts_with("nothing to rebuild: none of 6 indexes"), "{again:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_pgstattuple_is_installed_it_is_measured() {
    let shop = Shop::new().await;
    shop.database.execute(&["CREATE EXTENSION pgstattuple"]).await;
    // Nobody may call it but those who were granted it.
    let plan = shop.run("plan", "", &[]).await;
    assert_says(&plan, "room for the new indexes", &["estimated from"]);
    shop.database.execute(&[&format!("GRANT pg_stat_scan_tables TO {}", shop.owner.username())]).await;
    let plan = shop.run("plan", "", &[]).await;
    assert_says(&plan, "room for the new indexes", &["measured by pgstatindex"]);
    let run = shop.run("run", "", &[]).await;
    assert_eq!(rebuilt(&run), WORST_FIRST, "{run:#}");
    let (expected, freed) =
        (metric(&plan, "index_bloat_bytes", None).unwrap(), metric(&run, "bytes_freed", None).unwrap());
    assert!((expected - freed).abs() < freed * 0.1, "{expected} measured, {freed} freed");
    assert_eq!(rebuilt(&shop.run("run", "", &[]).await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_leaves_an_invalid_index_and_the_next_names_it_and_adds_none() {
    let shop = Shop::new().await;
    // A writer whose transaction is open: the rebuild has made its new index, and waits.
    let mut writer = shop.session().await;
    writer.execute("BEGIN; UPDATE bloated SET g = 0 WHERE id = 10").await.unwrap();
    let target = format!("{},maintain,lock-timeout=10m", shop.owner);
    let process = reindex("run", &target, &EAGER).spawn();
    wait_until("the rebuild is under way", &shop.database, "SELECT count(*) FROM pg_index WHERE NOT indisvalid").await;
    process.kill_hard();
    let gone =
        format!("SELECT (count(*) = 0)::int::bigint FROM pg_stat_activity WHERE usename = '{}'", shop.owner.username());
    wait_until("the server has noticed", &shop.database, &gone).await;
    writer.execute("ROLLBACK").await.unwrap();
    assert_eq!(shop.invalid().await, 1);

    let report = shop.run("run", "", &[]).await;
    let drop = "drop index concurrently \"public\".\"bloated_by_note_ccnew\";";
    assert_says(&report, "it is not valid", &["public.bloated_by_note_ccnew", "did not end", drop]);
    assert_says(
        &report,
        "left: an earlier rebuild's remains are there",
        &["public.bloated_by_note", "bloated_by_note_ccnew"],
    );
    assert_eq!(rebuilt(&report), WORST_FIRST[1..], "the others are rebuilt: {report:#}");
    assert_eq!(shop.invalid().await, 1, "neither dropped nor joined by another");
    shop.database.execute(&[drop.trim_end_matches(';')]).await;
    let report = shop.run("run", "", &[]).await;
    assert_eq!((complaints(&report), rebuilt(&report)), (vec![], WORST_FIRST[..1].to_vec()), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_is_left_after_the_lock_time_out() {
    let shop = Shop::new().await;
    shop.table("other", 30_000).await;
    shop.database.execute(&["DELETE FROM other WHERE id % 10 <> 0", "VACUUM ANALYZE other"]).await;
    let mut holder = shop.session().await;
    holder.execute("BEGIN; LOCK TABLE bloated IN SHARE UPDATE EXCLUSIVE MODE").await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut holder).await.unwrap();
    let before = shop.file("bloated_by_note").await;
    let report = shop.run("run", ",lock-timeout=1s", &["indexes=bloated_by_note", "bloat-percent=99"]).await;
    assert_eq!(complaints(&report), ["public.bloated_by_note: left: timed out"], "{report:#}");
    assert_says(
        &report,
        "left: timed out",
        &["ShareUpdateExclusiveLock held by pid", &format!("pg_terminate_backend({pid})")],
    );
    assert_eq!((shop.file("bloated_by_note").await, shop.invalid().await), (before, 0));
    assert_eq!(report["next_actions"][0]["subject"], "public.bloated_by_note");
    holder.execute("ROLLBACK").await.unwrap();

    // A writer's lock is met later, when the new index is there: that is told in the same run. Nobody waits meanwhile.
    holder.execute("BEGIN; UPDATE bloated SET g = 1 WHERE id = 10").await.unwrap();
    let target = format!("{},maintain,lock-timeout=3s", shop.owner);
    let run = reindex("run", &target, &[EAGER[0], "indexes=bloated_by_note", "bloat-percent=99"]).spawn();
    wait_until("the rebuild is under way", &shop.database, "SELECT count(*) FROM pg_index WHERE NOT indisvalid").await;
    let mut writer = shop.session().await;
    writer.execute("SET lock_timeout = '1s'; INSERT INTO bloated VALUES (-1, 0, 'while it is rebuilt')").await.unwrap();
    assert_eq!(shop.invalid().await, 1, "it was rebuilt all the while");
    let report = tokio::task::spawn_blocking(|| run.wait()).await.unwrap().report();
    assert_says(&report, "left: timed out", &["RowExclusiveLock held by pid", &format!("pg_terminate_backend({pid})")]);
    assert_says(&report, "it is not valid", &["public.bloated_by_note_ccnew", "drop index concurrently"]);
    holder.execute("ROLLBACK").await.unwrap();
    let rest = shop.run("run", "", &[]).await;
    assert_eq!(rebuilt(&rest).len(), 5, "{rest:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_transaction_is_not_waited_for() {
    let shop = Shop::new().await;
    let mut holder = shop.session().await;
    holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM fine").await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut holder).await.unwrap();
    // A run that waited for the lock would be ended by the test's own patience.
    let report = shop.run("run", ",lock-timeout=10m", &["long-transaction=0s"]).await;
    let words = [
        &format!("pid {pid}"),
        "bloated_by_note, public.bloated_pkey, public.bloated_by_g",
        &format!("pg_terminate_backend({pid});"),
    ];
    assert_says(&report, "left: an old transaction would hold the rebuild up", &words);
    assert_eq!((rebuilt(&report), shop.invalid().await), (vec![], 0));
    holder.execute("ROLLBACK").await.unwrap();
    assert_eq!(rebuilt(&shop.run("run", "", &["long-transaction=0s"]).await), WORST_FIRST);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_left_and_said() {
    let shop = Shop::new().await;
    shop.database
        .execute(&[
            "CREATE TABLE booked (during int4range, EXCLUDE USING gist (during WITH &&))",
            "INSERT INTO booked SELECT int4range(i, i + 1) FROM generate_series(1, 6000) i",
            "CREATE TABLE hidden (note text) WITH (autovacuum_enabled = off)",
            "INSERT INTO hidden SELECT md5(i::text) FROM generate_series(1, 6000) i",
            "CREATE INDEX never_analyzed ON hidden (note)",
            &format!("ALTER TABLE booked OWNER TO {}", shop.owner.username()),
        ])
        .await;
    let report = shop.run("run", "", &["indexes=booked_during_excl,nowhere"]).await;
    assert_says(
        &report,
        "left: it would block writers",
        &["booked_during_excl", "exclusion constraint", "reindex index \"public\""],
    );
    assert_says(&report, "no such index", &["nowhere"]);
    assert_says(&report, "not estimated", &["public.never_analyzed (btree"]);
    assert_eq!(rebuilt(&report), WORST_FIRST);

    // Not the role's tables, and not the grant's.
    let shop = Shop::new().await;
    let reader = shop.database.role(&["GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"]).await;
    let target = format!("{reader},maintain");
    let denied = report_of("run", &target).await;
    assert_says(&denied, "no right to rebuild", &[reader.username(), "3 indexes", "public.bloated_pkey"]);
    assert_eq!(rebuilt(&denied), [""; 0]);
    let narrow = shop.run("run", ",table=public.fine", &[]).await;
    assert_says(&narrow, "left: not granted", &["public.bloated_by_note", "add `,table=public.bloated`"]);
    let refused = report_of("run", shop.owner.as_str()).await;
    assert_eq!(refused["run"]["outcome"], "refused", "{refused:#}");
    let late = shop.run("run", "", &["stop-after=0s"]).await;
    assert_says(&late, "left: the time is up", &["bloated_by_note, public.bloated_pkey, public.bloated_by_g"]);
    assert_eq!((rebuilt(&late), late["summary"].as_str().unwrap()), (vec![], "nothing rebuilt; 3 left"));
}

async fn report_of(command: &str, target: &str) -> Value {
    report(reindex(command, target, &EAGER)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collation_that_changed_is_critical_and_its_indexes_are_named() {
    let shop = Shop::new().await;
    shop.database
        .execute(&[
            "CREATE COLLATION \"My rules\" (provider = icu, locale = 'de')",
            "CREATE TABLE names (name text COLLATE \"My rules\" PRIMARY KEY)",
            &format!("ALTER TABLE names OWNER TO {}", shop.owner.username()),
            // As after an update of the system's library.
            "SET allow_system_table_mods = on",
            "UPDATE pg_collation SET collversion = '0' WHERE collname = 'My rules'",
        ])
        .await;
    let report = shop.run("plan", "", &[]).await;
    assert_eq!(report["run"]["outcome"], "critical", "{report:#}");
    let words =
        ["built with version 0", "public.names_pkey", "alter collation \"public\".\"My rules\" refresh version;"];
    assert_says(&report, "its rules changed under the indexes", &words);
    let run = shop.run("run", "", &["indexes=public.names_pkey"]).await;
    assert!(rebuilt(&run).contains(&"reindex index public.names_pkey"), "{run:#}");
    shop.database.execute(&["ALTER COLLATION \"My rules\" REFRESH VERSION"]).await;
    assert_eq!(complaints(&shop.run("plan", "", &[]).await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_a_rebuild_did_not_shrink_is_not_rebuilt_again() {
    let shop = Shop::new().await;
    // The planner is told of five values where every one is another.
    shop.database.execute(&["ALTER TABLE fine ALTER note SET (n_distinct = 5)", "ANALYZE fine"]).await;
    let directory = tempfile::tempdir().unwrap();
    let memory = format!("memory={},write", directory.path().join("state.db").display());
    let arguments = ["--state", &memory];
    let plan = shop.run("plan", "", &arguments).await;
    assert!(rebuilt(&plan).contains(&"reindex index public.fine_by_note"), "{plan:#}");
    let first = shop.run("run", "", &arguments).await;
    assert_says(&first, "rebuilt", &["public.fine_by_note", "less than estimated"]);
    let second = shop.run("run", "", &arguments).await;
    assert_eq!(rebuilt(&second), [""; 0], "{second:#}");
    assert_says(&second, "left: the last rebuild left them as large", &["public.fine_by_note"]);
    assert_eq!(rebuilt(&shop.run("run", "", &[]).await), ["reindex index public.fine_by_note"]);
    // Once it has grown, it is rebuilt again.
    shop.database
        .execute(&[
            "INSERT INTO fine SELECT i, 1, 'note ' || md5(i::text) FROM generate_series(20001, 60000) i",
            "DELETE FROM fine WHERE id > 20000",
            "VACUUM ANALYZE fine",
        ])
        .await;
    let grown = shop.run("run", "", &arguments).await;
    assert!(rebuilt(&grown).contains(&"reindex index public.fine_by_note"), "{grown:#}");
}
