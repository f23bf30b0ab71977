//! What stays in a scratch database.

use super::*;

use Dialect::{Mysql, Postgres, Sqlite};

#[test]
fn in_a_scratch_database_runs_what_stays_in_it() {
    for (dialect, text) in [
        (Postgres, "CREATE TABLE t (a int PRIMARY KEY, b text DEFAULT lower('A'))"),
        (Postgres, "CREATE UNIQUE INDEX i ON t (a)"),
        (Postgres, "CREATE EXTENSION IF NOT EXISTS pg_trgm"),
        (Postgres, "INSERT INTO t VALUES ($1) RETURNING a"),
        (Postgres, "SELECT count(*) FROM t"),
        (Postgres, "TRUNCATE t"),
        (Postgres, "DROP SCHEMA s CASCADE"),
        (Mysql, "CREATE TABLE t (a int) ENGINE=InnoDB"),
        (Mysql, "SELECT t.a FROM scratch.t"),
        (Mysql, "DROP TABLE t"),
        (Sqlite, "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM u; INSERT INTO v VALUES (1); END"),
        (Sqlite, "SELECT count(*) FROM t;"),
    ] {
        match any(dialect, text, "scratch") {
            Ok(scratch) => assert_eq!(scratch.confined, None, "{text}"),
            Err(refusal) => panic!("{text}: {refusal}"),
        }
    }
    let routine = "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$";
    assert!(any(Postgres, routine, "").unwrap().confined.is_some());
}

#[test]
fn in_a_scratch_database_nothing_leaves_it() {
    let mut failures = Vec::new();
    for (dialect, text) in [
        (Postgres, "SELECT 1; SELECT 2"),
        (Postgres, "COPY t FROM PROGRAM 'sh'"),
        (Postgres, "COPY t FROM '/etc/passwd'"),
        (Postgres, "COPY t TO STDOUT"),
        (Postgres, "COPY (SELECT 1) TO PROGRAM 'sh'"),
        (Postgres, "COPY t FROM stdin"),
        (Postgres, "CREATE DATABASE d"),
        (Postgres, "DROP DATABASE d"),
        (Postgres, "ALTER SYSTEM SET a = 1"),
        (Postgres, "ALTER DATABASE d SET a = 1"),
        (Postgres, "CREATE EXTENSION dblink"),
        (Postgres, "CREATE EXTENSION \"file_fdw\""),
        (Postgres, "CREATE EXTENSION plpython3u"),
        (Postgres, "CREATE LANGUAGE plperlu"),
        (Postgres, "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'libc', 'system'"),
        (Postgres, "CREATE FUNCTION f() RETURNS int AS 'x' LANGUAGE 'plpython3u'"),
        (Postgres, "CREATE FUNCTION f() RETURNS int LANGUAGE \"plperlu\" AS 'x'"),
        (Postgres, "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p"),
        (Postgres, "CREATE SERVER s FOREIGN DATA WRAPPER w"),
        (Postgres, "CREATE FOREIGN TABLE t (a int) SERVER s"),
        (Postgres, "CREATE USER MAPPING FOR u SERVER s"),
        (Postgres, "CREATE TABLESPACE x LOCATION '/tmp'"),
        (Postgres, "CREATE ROLE r SUPERUSER"),
        (Postgres, "ALTER ROLE r PASSWORD 'x'"),
        (Postgres, "ALTER USER r OWNER TO x"),
        (Postgres, "DROP ROLE r"),
        (Postgres, "DROP OWNED BY r"),
        (Postgres, "SET ROLE r"),
        (Postgres, "RESET ALL"),
        (Postgres, "LOAD 'x'"),
        (Postgres, "DO $$ BEGIN END $$"),
        (Postgres, "CALL p()"),
        (Postgres, "PREPARE p AS SELECT 1"),
        (Postgres, "BEGIN"),
        (Postgres, "COMMIT"),
        (Postgres, "LISTEN x"),
        (Postgres, "SELECT dblink_exec('x', 'y')"),
        (Postgres, "SELECT lo_import('/etc/passwd')"),
        (Postgres, "SELECT pg_catalog.\"pg_read_file\" /**/ ('x')"),
        (Postgres, "SELECT set_config('role', 'x', false)"),
        (Postgres, "SELECT \"set_config\"('role', 'x', false)"),
        (Postgres, "INSERT INTO t SELECT pg_catalog.set_config('role', 'x', false)"),
        (Postgres, "INSERT INTO t SELECT pg_read_file('x')"),
        (Postgres, "CREATE VIEW v AS SELECT pg_ls_dir('.')"),
        (Postgres, "CREATE TABLE t (a text DEFAULT pg_read_file('x'))"),
        (Postgres, "\\connect postgres"),
        (Postgres, "\\! sh"),
        (Mysql, "USE mysql"),
        (Mysql, "SELECT * FROM shop.orders"),
        (Mysql, "SELECT * FROM t, shop.orders"),
        (Mysql, "SELECT (SELECT max(a) FROM shop.orders)"),
        (Mysql, "DELETE FROM shop.orders"),
        (Mysql, "UPDATE t, shop.orders SET a = 1"),
        (Mysql, "INSERT INTO shop.orders VALUES (1)"),
        (Mysql, "DROP TABLE t, shop.orders"),
        (Mysql, "TRUNCATE TABLE shop.orders"),
        (Mysql, "ALTER TABLE shop.orders ADD a int"),
        (Mysql, "ALTER TABLE t RENAME TO shop.t"),
        (Mysql, "RENAME TABLE t TO shop.t"),
        (Mysql, "CREATE TABLE shop.t (a int)"),
        (Mysql, "CREATE TABLE t LIKE mysql.user"),
        (Mysql, "CREATE TABLE t (a int, FOREIGN KEY (a) REFERENCES shop.orders (id))"),
        (Mysql, "CREATE TABLE t AS SELECT * FROM shop.orders"),
        (Mysql, "CREATE VIEW v AS SELECT * FROM shop.orders"),
        (Mysql, "CREATE TABLE t (a int) ENGINE=FEDERATED CONNECTION='mysql://h/d/t'"),
        (Mysql, "CREATE TABLE t (a int) DATA DIRECTORY='/tmp'"),
        (Mysql, "CREATE FUNCTION f RETURNS INT SONAME 'x.so'"),
        (Mysql, "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t"),
        (Mysql, "CREATE USER u"),
        (Mysql, "GRANT ALL ON *.* TO u"),
        (Mysql, "LOAD DATA INFILE '/etc/passwd' INTO TABLE t"),
        (Mysql, "SELECT 1 INTO OUTFILE '/tmp/x'"),
        (Mysql, "SELECT load_file('x')"),
        (Mysql, "SET GLOBAL a = 1"),
        (Mysql, "CREATE DATABASE d"),
        (Mysql, "DROP DATABASE shop"),
        (Mysql, "INSTALL PLUGIN a SONAME 'x.so'"),
        (Mysql, "PREPARE p FROM 'DROP DATABASE shop'"),
        (Mysql, "SELECT 1 /*! INTO OUTFILE 'x' */"),
        (Sqlite, "ATTACH '/tmp/x' AS x"),
        (Sqlite, "VACUUM INTO '/tmp/x'"),
        (Sqlite, "PRAGMA writable_schema = ON"),
        (Sqlite, "PRAGMA temp_store_directory = '/tmp'"),
        (Sqlite, "SELECT load_extension('x')"),
        (Sqlite, "SELECT writefile('x', 'y')"),
        (Sqlite, "CREATE VIRTUAL TABLE t USING csv(filename='/etc/passwd')"),
        (Sqlite, "UPDATE sqlite_schema SET sql = ''"),
        (Sqlite, "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END; DROP TABLE t"),
    ] {
        failures.extend(assert_refused(any(dialect, text, "scratch"), text, ""));
    }
    report(&failures);
}
