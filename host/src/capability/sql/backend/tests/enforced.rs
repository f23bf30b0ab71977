//! What the databases themselves refuse, or take back, when the check of the text is switched off. Each case is shown
//! refused by the check first; then it is sent as it stands to a connection of the room's own, as an administrator
//! would have bound it, on real servers.
//!
//! What a server lets an administrator do in a read-only transaction (its files, its programs, its other sessions) is
//! tried as the role that an operator should bind instead. These tests need the servers of `cargo xtask test`.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection};

use super::{rows, slot};
use crate::capability::sql::grant::Dialect;
use crate::capability::sql::statement;

/// A text and what its name for people is.
type Case = (&'static str, &'static str);

/// Shows each case refused by the check, and then without effect on what `state` sees.
async fn assert_enforced<S: Future<Output = String>>(target: &str, cases: &[Case], state: impl Fn() -> S) {
    let slot = slot(&format!("target = '{target}'\naccess = ['read']\nlock-timeout = '1s'"));
    for (name, text) in cases {
        assert!(statement::reading(slot.dialect(), text, &[]).is_err(), "{name}: the check lets it through: {text}");
        let before = state().await;
        // Not every one is an error: some are taken back with their transaction.
        let result = tokio::time::timeout(Duration::from_secs(20), rows(&slot, text, &[])).await;
        let result = result.unwrap_or_else(|_| panic!("{name}: no answer"));
        assert_eq!(state().await, before, "{name} had an effect; the database said {result:?}");
    }
    slot.jobs.clone().finish().await;
}

/// Shows each case refused by the check, and then by the database.
async fn assert_denied(target: &str, cases: &[Case], denial: &str) {
    let slot = slot(&format!("target = '{target}'\naccess = ['read']"));
    for (name, text) in cases {
        assert!(statement::reading(slot.dialect(), text, &[]).is_err(), "{name}: the check lets it through: {text}");
        let error = rows(&slot, text, &[]).await.err().unwrap_or_else(|| panic!("{name}: the server allowed it"));
        assert!(error.to_string().contains(denial), "{name}: {error}");
    }
    slot.jobs.clone().finish().await;
}

/// A database of the test's own and a role that may log in to it.
struct Fixture {
    dialect: Dialect,
    administrator: String,
    name: String,
}

impl Fixture {
    async fn new(dialect: Dialect, statements: &[&str]) -> Self {
        let variable = if dialect == Dialect::Postgres { "TASKHOST_TEST_POSTGRES" } else { "TASKHOST_TEST_MYSQL" };
        let administrator = std::env::var(variable)
            .unwrap_or_else(|_| panic!("this test needs a server: run `cargo xtask test`, or set {variable}"));
        let name = format!("enforced_{}", uuid::Uuid::now_v7().simple());
        let fixture = Self { dialect, administrator, name };
        fixture.ask(&fixture.administrator, &format!("CREATE DATABASE {}", fixture.name)).await;
        let role = match dialect {
            Dialect::Postgres => format!("CREATE ROLE {0} LOGIN PASSWORD 'secret'", fixture.name),
            _ => format!("CREATE USER {0} IDENTIFIED BY 'secret'", fixture.name),
        };
        fixture.ask(&fixture.administrator, &role).await;
        for statement in statements {
            fixture.ask(&fixture.url(), &statement.replace("{role}", &fixture.name)).await;
        }
        fixture
    }

    fn url(&self) -> String {
        let mut url = url::Url::parse(&self.administrator).unwrap();
        url.set_path(&self.name);
        url.into()
    }

    fn role(&self) -> String {
        let mut url = url::Url::parse(&self.url()).unwrap();
        url.set_username(&self.name).unwrap();
        url.set_password(Some("secret")).unwrap();
        url.into()
    }

    /// The first column of the rows that `text` gives.
    async fn ask(&self, url: &str, text: &str) -> Vec<String> {
        Self::try_ask(self.dialect, url, text).await.unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    async fn try_ask(dialect: Dialect, url: &str, text: &str) -> Result<Vec<String>, sqlx::Error> {
        if dialect == Dialect::Postgres {
            let mut connection = PgConnection::connect(url).await?;
            sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(&mut connection).await
        } else {
            let mut connection = MySqlConnection::connect(url).await?;
            sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(&mut connection).await
        }
    }
}

impl Drop for Fixture {
    /// In a thread of its own: the test's runtime may be ending.
    fn drop(&mut self) {
        let (dialect, administrator) = (self.dialect, self.administrator.clone());
        let (force, kind) = if dialect == Dialect::Postgres { (" WITH (FORCE)", "ROLE") } else { ("", "USER") };
        let statements = [format!("DROP DATABASE {}{force}", self.name), format!("DROP {kind} {}", self.name)];
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            statements
                .iter()
                .try_for_each(|text| runtime.block_on(Self::try_ask(dialect, &administrator, text)).map(|_| ()))
        });
        let dropped = dropped.join();
        if !std::thread::panicking() {
            dropped.unwrap().unwrap();
        }
    }
}

const POSTGRES: &[&str] = &[
    "CREATE TABLE t (a int)",
    "INSERT INTO t VALUES (1), (2)",
    "CREATE TABLE u (a int)",
    "CREATE SEQUENCE s",
    "CREATE FUNCTION purge() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; RETURN 1; END $$",
    "CREATE FUNCTION purge(t) RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; RETURN 1; END $$",
    "CREATE PROCEDURE purge_all() LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; COMMIT; END $$",
    "CREATE OPERATOR ### (RIGHTARG = t, FUNCTION = purge)",
    "GRANT SELECT ON t TO {role}",
];

#[tokio::test]
async fn postgres_changes_nothing_in_a_read_whatever_the_text() {
    const STATE: &str = "SELECT concat_ws('; ', \
        (SELECT string_agg(a::text, ',' ORDER BY a) FROM t), (SELECT count(*) FROM u), \
        (SELECT last_value || ' ' || is_called FROM s), \
        (SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace), \
        (SELECT string_agg(proname, ',' ORDER BY oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace), \
        (SELECT md5(string_agg(r::text, ',' ORDER BY oid)) FROM pg_authid r WHERE rolname = current_database()), \
        (SELECT count(*) FROM pg_db_role_setting d JOIN pg_database b ON b.oid = d.setdatabase \
         WHERE datname = current_database()), \
        (SELECT count(*) FROM pg_largeobject_metadata), (SELECT relacl FROM pg_class WHERE relname = 't'), \
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = \
         (SELECT oid FROM pg_database WHERE datname = current_database())), \
        obj_description('t'::regclass))";
    const CASES: &[Case] = &[
        ("several statements", "SELECT 1; DELETE FROM t"),
        ("the end of the transaction, and more", "COMMIT; DELETE FROM t"),
        ("insert", "INSERT INTO t VALUES (3)"),
        ("update", "UPDATE t SET a = 5"),
        ("delete", "DELETE FROM t RETURNING a"),
        ("merge", "MERGE INTO t USING u ON t.a = u.a WHEN NOT MATCHED THEN INSERT VALUES (9)"),
        ("truncate", "TRUNCATE t"),
        ("a change in WITH", "WITH x AS (DELETE FROM t RETURNING a) SELECT a FROM x"),
        ("a change after WITH", "WITH x AS (SELECT 1) DELETE FROM t"),
        ("explain analyze", "EXPLAIN ANALYZE DELETE FROM t"),
        ("explain analyse", "EXPLAIN (ANALYSE) DELETE FROM t"),
        ("select into", "SELECT a INTO v FROM t"),
        ("create", "CREATE TABLE v (a int)"),
        ("create as", "CREATE TABLE v AS SELECT 1"),
        ("create a view", "CREATE VIEW v AS SELECT 1"),
        ("create a function", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
        ("create an index", "CREATE INDEX ON t (a)"),
        ("drop", "DROP TABLE t"),
        ("alter", "ALTER TABLE t ADD b int"),
        ("comment", "COMMENT ON TABLE t IS 'x'"),
        ("grant", "GRANT ALL ON t TO PUBLIC"),
        ("a role", "CREATE ROLE other SUPERUSER"),
        ("for update", "SELECT a FROM t FOR UPDATE"),
        ("for share", "SELECT a FROM t FOR SHARE"),
        ("do", "DO $$ BEGIN DELETE FROM t; END $$"),
        ("do with a commit", "DO $$ BEGIN COMMIT; DELETE FROM t; END $$"),
        ("call", "CALL purge_all()"),
        ("a function that deletes", "SELECT purge()"),
        ("an operator that deletes", "SELECT OPERATOR(public.###) t FROM t"),
        ("a sequence", "SELECT nextval('s')"),
        ("a sequence, set", "SELECT setval('s', 100)"),
        ("a large object", "SELECT lo_create(0)"),
        ("a large object with bytes", "SELECT lo_from_bytea(0, 'x')"),
        ("a large object of a file", "SELECT lo_import('/etc/hostname')"),
        ("copy from a file", "COPY t FROM '/etc/hostname'"),
        ("copy from a program", "COPY t FROM PROGRAM 'echo 7'"),
        ("vacuum", "VACUUM t"),
        ("reindex", "REINDEX TABLE t"),
        ("cluster", "CLUSTER t"),
        ("a setting of the database", "ALTER ROLE ALL IN DATABASE postgres SET work_mem = '1GB'"),
        ("a setting of the server", "ALTER SYSTEM SET work_mem = '1GB'"),
        ("a lock on a table", "LOCK TABLE t"),
        ("a lock of the transaction", "SELECT pg_advisory_xact_lock(1)"),
        ("the transaction made to write", "SET TRANSACTION READ WRITE"),
        ("all transactions made to write", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"),
        ("another transaction", "START TRANSACTION READ WRITE"),
    ];
    let fixture = Fixture::new(Dialect::Postgres, POSTGRES).await;
    let url = fixture.url();
    assert_enforced(&url, CASES, || async { fixture.ask(&url, STATE).await.concat() }).await;
    // These are taken back with the transaction, and the session is the next one's.
    let reader = slot(&format!("target = '{url}'\naccess = ['read']"));
    for (name, text, setting) in [
        ("a role", "SET ROLE pg_monitor", "current_user::text"),
        ("a setting", "SET statement_timeout = 0", "current_setting('statement_timeout')"),
        ("a setting, by a function", "SELECT set_config('search_path', 'x', false)", "current_setting('search_path')"),
        (
            "the strings' form",
            "SET standard_conforming_strings = off",
            "current_setting('standard_conforming_strings')",
        ),
        ("read only", "SET default_transaction_read_only = off", "current_setting('default_transaction_read_only')"),
    ] {
        assert!(statement::reading(Dialect::Postgres, text, &[]).is_err(), "{name}");
        let before = rows(&reader, &format!("SELECT pg_backend_pid(), {setting}"), &[]).await.unwrap();
        rows(&reader, text, &[]).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let after = rows(&reader, &format!("SELECT pg_backend_pid(), {setting}"), &[]).await.unwrap();
        assert_eq!(super::shown(&after.1), super::shown(&before.1), "{name}");
    }
    reader.jobs.clone().finish().await;
}

#[tokio::test]
async fn postgres_denies_an_ordinary_role_what_reaches_the_server() {
    const CASES: &[Case] = &[
        ("a file", "SELECT pg_read_file('/etc/hostname')"),
        ("a file, in bytes", "SELECT pg_read_binary_file('/etc/hostname')"),
        ("a directory", "SELECT pg_ls_dir('/')"),
        ("the facts of a file", "SELECT pg_stat_file('/etc/hostname')"),
        ("a large object out", "SELECT lo_export(1, '/tmp/x')"),
        ("a large object in", "SELECT lo_import('/etc/hostname')"),
        ("copy to a file", "COPY t TO '/tmp/x'"),
        ("copy to a program", "COPY (SELECT 1) TO PROGRAM 'sh'"),
        ("copy from a program", "COPY t FROM PROGRAM 'sh'"),
        ("another role", "SET ROLE pg_write_server_files"),
        ("reload", "SELECT pg_reload_conf()"),
        ("rotate", "SELECT pg_rotate_logfile()"),
        ("wal", "SELECT pg_switch_wal()"),
        ("backup", "SELECT pg_backup_start('x')"),
        (
            "a session that is another's",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> current_user",
        ),
        ("passwords", "SELECT rolpassword FROM pg_authid"),
        ("passwords, in a view", "SELECT passwd FROM pg_shadow"),
        ("foreign passwords", "SELECT umoptions FROM pg_user_mapping"),
    ];
    let fixture = Fixture::new(Dialect::Postgres, POSTGRES).await;
    assert_denied(&fixture.role(), CASES, "42501").await;
}

const MARIADB: &[&str] = &[
    "CREATE TABLE t (a int)",
    "INSERT INTO t VALUES (1), (2)",
    "CREATE TABLE u (a int)",
    "CREATE SEQUENCE s",
    "CREATE PROCEDURE wipe_all() DELETE FROM t",
    "CREATE FUNCTION wipe() RETURNS int BEGIN DELETE FROM t; RETURN 1; END",
    "GRANT SELECT ON t TO {role}",
];

#[tokio::test]
async fn mariadb_changes_nothing_in_a_read_whatever_the_text() {
    const STATE: &str = "SELECT CAST(CONCAT_WS('; ', (SELECT GROUP_CONCAT(a ORDER BY a) FROM t), \
        (SELECT COUNT(*) FROM u), (SELECT next_not_cached_value FROM s), \
        (SELECT GROUP_CONCAT(table_name ORDER BY table_name) FROM information_schema.tables \
         WHERE table_schema = DATABASE()), \
        (SELECT GROUP_CONCAT(column_name ORDER BY column_name) FROM information_schema.columns \
         WHERE table_schema = DATABASE()), \
        (SELECT GROUP_CONCAT(routine_name ORDER BY routine_name) FROM information_schema.routines \
         WHERE routine_schema = DATABASE()), \
        (SELECT COUNT(*) FROM information_schema.schema_privileges), (SELECT COUNT(*) FROM mysql.tables_priv \
         WHERE db = DATABASE())) AS CHAR)";
    const CASES: &[Case] = &[
        ("several statements", "SELECT 1; DELETE FROM t"),
        ("insert", "INSERT INTO t VALUES (3)"),
        ("insert, answered with rows", "INSERT INTO t VALUES (3) RETURNING a"),
        ("replace", "REPLACE INTO t VALUES (3)"),
        ("update", "UPDATE t SET a = 5"),
        ("delete", "DELETE FROM t"),
        ("delete, answered with rows", "DELETE FROM t RETURNING a"),
        ("truncate", "TRUNCATE TABLE t"),
        ("analyze of a change", "ANALYZE DELETE FROM t"),
        ("create", "CREATE TABLE v (a int)"),
        ("create as", "CREATE TABLE v AS SELECT 1"),
        ("create a view", "CREATE VIEW v AS SELECT 1"),
        ("create a procedure", "CREATE PROCEDURE p() DELETE FROM t"),
        ("drop", "DROP TABLE t"),
        ("rename", "RENAME TABLE t TO v"),
        ("alter", "ALTER TABLE t ADD b int"),
        ("an index", "CREATE INDEX i ON t (a)"),
        ("grant", "GRANT ALL ON t TO CURRENT_USER"),
        ("call", "CALL wipe_all()"),
        ("a function that deletes", "SELECT wipe()"),
        ("do", "DO wipe()"),
        ("a block", "BEGIN NOT ATOMIC DELETE FROM t; END"),
        ("a text that is run", "EXECUTE IMMEDIATE 'DELETE FROM t'"),
        ("a sequence", "SELECT NEXTVAL(s)"),
        ("a sequence, in the standard's words", "SELECT NEXT VALUE FOR s"),
        ("a sequence, set", "SELECT SETVAL(s, 100)"),
        ("a file's rows", "LOAD DATA INFILE '/etc/hostname' INTO TABLE t"),
        ("the transaction made to write", "SET TRANSACTION READ WRITE"),
        ("another transaction", "START TRANSACTION READ WRITE"),
        ("a transaction of several servers", "XA START 'x'"),
    ];
    let fixture = Fixture::new(Dialect::Mysql, MARIADB).await;
    let url = fixture.url();
    assert_enforced(&url, CASES, || async { fixture.ask(&url, STATE).await.concat() }).await;
}

#[tokio::test]
async fn mariadb_denies_an_ordinary_role_what_reaches_the_server() {
    const CASES: &[Case] = &[
        ("into a file", "SELECT 1 INTO OUTFILE '/tmp/x'"),
        ("into a file, raw", "SELECT 1 INTO DUMPFILE '/tmp/x'"),
        ("a file's rows", "LOAD DATA INFILE '/etc/hostname' INTO TABLE t"),
        ("a setting of the server", "SET GLOBAL read_only = 0"),
        ("flush", "FLUSH TABLES"),
        ("passwords", "SELECT * FROM mysql.global_priv"),
        ("passwords, in a view", "SELECT * FROM mysql.user"),
        ("foreign passwords", "SELECT * FROM mysql.servers"),
        ("the end", "SHUTDOWN"),
    ];
    let fixture = Fixture::new(Dialect::Mysql, MARIADB).await;
    assert_denied(&fixture.role(), CASES, "denied").await;
    // A file that may not be read is NULL.
    assert!(statement::reading(Dialect::Mysql, "SELECT LOAD_FILE('/etc/hostname')", &[]).is_err());
    let slot = slot(&format!("target = '{}'\naccess = ['read']", fixture.role()));
    let (_, found) = rows(&slot, "SELECT LOAD_FILE('/etc/hostname')", &[]).await.unwrap();
    assert_eq!(super::shown(&found), "[[Null]]");
    slot.jobs.clone().finish().await;
}

#[tokio::test]
async fn sqlite_changes_nothing_in_a_read_whatever_the_text() {
    const CASES: &[Case] = &[
        ("several statements", "SELECT 1; DELETE FROM orders"),
        ("insert", "INSERT INTO orders (id) VALUES (9)"),
        ("replace", "REPLACE INTO orders (id) VALUES (1)"),
        ("update", "UPDATE orders SET note = 'x' RETURNING id"),
        ("delete", "DELETE FROM orders"),
        ("a change after WITH", "WITH x AS (SELECT 1) DELETE FROM orders"),
        ("the schema, as a table", "DELETE FROM sqlite_schema"),
        ("the tree's own table", "DELETE FROM places_node"),
        ("drop", "DROP TABLE orders"),
        ("alter", "ALTER TABLE orders RENAME TO x"),
        ("a temporary table", "CREATE TEMP TABLE x (a)"),
        ("a virtual table", "CREATE VIRTUAL TABLE x USING fts5(a)"),
        ("analyze", "ANALYZE"),
        ("an index", "CREATE INDEX i ON orders (note)"),
        ("the journal", "PRAGMA journal_mode = DELETE"),
        ("writing allowed", "PRAGMA query_only = OFF"),
        ("the schema made to be written", "PRAGMA writable_schema = ON"),
        ("the file's version", "PRAGMA user_version = 7"),
        ("a pragma, as a function", "SELECT * FROM pragma_journal_mode('delete')"),
        ("a pragma, as a table", "SELECT * FROM pragma_wal_checkpoint"),
        ("optimize", "PRAGMA optimize"),
        ("a checkpoint", "PRAGMA wal_checkpoint"),
        ("vacuum", "VACUUM"),
        ("an extension", "SELECT load_extension('x')"),
        ("the end of the transaction", "COMMIT"),
        ("another file", "ATTACH '{other}' AS other"),
        ("a copy", "VACUUM INTO '{other}'"),
    ];
    let (folder, slot) = super::shop("['read']").await;
    let other = folder.path().join("other.db");
    for (name, text) in CASES {
        let text = text.replace("{other}", other.to_str().unwrap());
        assert!(statement::reading(Dialect::Sqlite, &text, &[]).is_err(), "{name}: the check lets it through");
        let bytes = || std::fs::read(folder.path().join("shop.db")).unwrap();
        let before = bytes();
        assert!(rows(&slot, &text, &[]).await.is_err(), "{name}");
        assert!(bytes() == before && !other.exists(), "{name}");
    }
    slot.jobs.clone().finish().await;
}
