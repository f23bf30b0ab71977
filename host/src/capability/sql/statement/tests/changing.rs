//! What statements change.

use super::*;

use Dialect::{Mysql, Postgres, Sqlite};

#[test]
fn a_change_names_every_table_that_it_changes() {
    use Impact::{Change, Destroy};
    let mut failures = Vec::new();
    for (dialect, text, expected, impact) in [
        (Postgres, "INSERT INTO t VALUES (1)", &["t"][..], Change),
        (Postgres, "INSERT INTO Audit.Log (a) SELECT a FROM u", &["audit.log"], Change),
        (Postgres, "INSERT INTO \"T\" AS x VALUES (1)", &["T"], Change),
        (Postgres, "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = excluded.b", &["t"], Change),
        (Postgres, "INSERT INTO t (a) VALUES (nextval('s'))", &["t"], Change),
        (Postgres, "UPDATE t SET a = $1 WHERE b = $2", &["t"], Change),
        (Postgres, "UPDATE t AS granted SET a = 1", &["t"], Change),
        (Postgres, "UPDATE s.t granted SET a = 1 FROM u WHERE u.a = granted.a", &["s.t"], Change),
        (Postgres, "DELETE FROM t WHERE a < now() - interval '30 days'", &["t"], Destroy),
        (Postgres, "DELETE FROM t AS a USING u WHERE a.b = u.b", &["t"], Destroy),
        (Postgres, "DELETE FROM t WHERE ctid IN (SELECT ctid FROM t LIMIT 100)", &["t"], Destroy),
        (Postgres, "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", &["t"], Change),
        (Postgres, "WITH x AS (SELECT 1) UPDATE t SET a = 1", &["t"], Change),
        (Postgres, "WITH t AS (SELECT 1) DELETE FROM u", &["u"], Destroy),
        (Mysql, "INSERT IGNORE INTO `t` VALUES (1)", &["t"], Change),
        (Mysql, "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a)", &["t"], Change),
        (Mysql, "REPLACE INTO shop.t VALUES (1)", &["shop.t"], Destroy),
        (Mysql, "UPDATE t JOIN u ON t.a = u.a SET u.b = 1", &["t", "u"], Change),
        (Mysql, "UPDATE t JOIN (SELECT a FROM v) d ON t.a = d.a SET t.b = 1", &["t"], Change),
        (Mysql, "DELETE a FROM t AS a JOIN u ON a.b = u.b", &["t", "u"], Destroy),
        (Mysql, "DELETE FROM t USING t JOIN u ON t.b = u.b", &["t", "u"], Destroy),
        (Mysql, "DELETE FROM t ORDER BY a LIMIT 100", &["t"], Destroy),
        (Sqlite, "INSERT OR REPLACE INTO t VALUES (1)", &["t"], Destroy),
        (Sqlite, "REPLACE INTO t VALUES (1)", &["t"], Destroy),
        (Sqlite, "INSERT OR IGNORE INTO [My T] VALUES (1)", &["My T"], Change),
        (Sqlite, "UPDATE main.t SET a = ?", &["main.t"], Change),
        (Sqlite, "DELETE FROM t WHERE rowid IN (SELECT rowid FROM t LIMIT 5)", &["t"], Destroy),
    ] {
        let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
        let found = changing(dialect, text, &[])
            .map(|changing| (changing.targets.iter().map(ToString::to_string).collect::<Vec<_>>(), changing.impact));
        if found != Ok((expected, impact)) {
            failures.push(format!("{text}: {found:?}"));
        }
    }
    report(&failures);
}

#[test]
fn what_is_no_change_of_named_tables_is_refused() {
    let mut failures = Vec::new();
    for (dialect, text, expected) in [
        (Postgres, "SELECT 1", "use query"),
        (Postgres, "TRUNCATE t", "write DELETE FROM"),
        (Postgres, "DROP TABLE t", "and no other statement"),
        (Postgres, "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", "no other statement"),
        (Postgres, "INSERT INTO t VALUES (1); DELETE FROM u", "several statements"),
        (Postgres, "INSERT INTO t VALUES (1) RETURNING a", "leave RETURNING out"),
        (Postgres, "DELETE FROM t RETURNING *", "leave RETURNING out"),
        (Postgres, "WITH x AS (DELETE FROM u RETURNING a) INSERT INTO t SELECT a FROM x", "leave RETURNING out"),
        (Postgres, "WITH x AS (DELETE FROM u) SELECT 1", "use query"),
        (Postgres, "INSERT INTO t SELECT pg_read_file('/etc/passwd')", "acts outside"),
        (Postgres, "UPDATE t SET a = purge()", "add `function=purge`"),
        (Postgres, "DELETE FROM t WHERE dblink('x') = 'y'", "acts outside"),
        (Postgres, "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = pg_sleep(1)", "acts outside"),
        (Postgres, "INSERT INTO t SELECT passwd FROM pg_shadow", "holds credentials"),
        (Postgres, "INSERT INTO t SELECT * FROM u FOR UPDATE", "FOR UPDATE"),
        (Postgres, "INSERT INTO t SELECT rolpassword FROM pg_authid", "holds credentials"),
        (Postgres, "UPDATE a.b.c SET d = 1", "by its schema and its name"),
        (Postgres, "COPY t FROM stdin", "no other statement"),
        (Postgres, "CALL p()", "no other statement"),
        (Mysql, "INSERT INTO t SELECT LOAD_FILE('/etc/passwd')", "acts outside"),
        (Mysql, "UPDATE t SET a = (SELECT sleep(1))", "acts outside"),
        (Mysql, "LOAD DATA INFILE 'x' INTO TABLE t", ""),
        (Mysql, "UPDATE t, u SET t.a = u.a", "cannot be checked"),
        (Mysql, "DELETE FROM t /*! WHERE 0 */", "is code to the server"),
        (Sqlite, "INSERT INTO t VALUES (load_extension('x'))", "acts outside"),
        (Sqlite, "INSERT INTO t VALUES (1) RETURNING a", "leave RETURNING out"),
    ] {
        failures.extend(assert_refused(changing(dialect, text, &[]), text, expected));
    }
    report(&failures);
}
