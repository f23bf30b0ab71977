//! Named cases, one table a dialect and question. `expected` is a piece of the refusal.

use super::*;
use crate::gate::Refusal;

use Dialect::{Mysql, Postgres, Sqlite};

/// All failures at once, each with its case's name.
fn report(failures: &[String]) {
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn assert_reads(dialect: Dialect, cases: &[(&str, &str)]) {
    let refused = |(name, text): &(&str, &str)| {
        let refusal = reading(dialect, text, &[]).err()?;
        Some(format!("{name}: `{text}` was refused: {refusal}"))
    };
    report(&cases.iter().filter_map(refused).collect::<Vec<_>>());
}

fn assert_refused<T: std::fmt::Debug>(result: Result<T, Refusal>, name: &str, expected: &str) -> Option<String> {
    match result {
        Ok(passed) => Some(format!("{name}: was let through: {passed:?}")),
        Err(refusal) if refusal.to_string().contains(expected) => None,
        Err(refusal) => Some(format!("{name}: expected `{expected}`: {refusal}")),
    }
}

fn assert_not_read(dialect: Dialect, cases: &[(&str, &str, &str)]) {
    let passed =
        |(name, text, expected): &(&str, &str, &str)| assert_refused(reading(dialect, text, &[]), name, expected);
    report(&cases.iter().filter_map(passed).collect::<Vec<_>>());
}

#[test]
fn postgres_reads() {
    assert_reads(
        Postgres,
        &[
            ("plain", "SELECT a, b FROM t WHERE c = $1"),
            ("closing semicolon", "SELECT 1;"),
            ("closing comment", "SELECT 1; -- done"),
            ("values", "VALUES (1, 'a'), (2, 'b')"),
            ("table", "TABLE orders"),
            ("with", "WITH x AS (SELECT 1 AS a) SELECT a FROM x"),
            (
                "recursive",
                "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 5) SELECT n FROM x",
            ),
            ("statistics", "SELECT relname, n_dead_tup FROM pg_stat_user_tables ORDER BY n_dead_tup DESC LIMIT 10"),
            ("sizes", "SELECT pg_size_pretty(pg_total_relation_size(c.oid)) FROM pg_class c"),
            ("size of a cast name", "SELECT pg_relation_size('public.t'::regclass)"),
            ("age", "SELECT datname, age(datfrozenxid) FROM pg_catalog.pg_database"),
            ("qualified built-in", "SELECT pg_catalog.lower('A')"),
            ("quoted built-in", "SELECT \"lower\"('A')"),
            ("definitions", "SELECT pg_get_indexdef(indexrelid), pg_get_viewdef(1) FROM pg_index"),
            ("aggregates", "SELECT count(*) FILTER (WHERE a > 1), string_agg(b, ',' ORDER BY b) FROM t"),
            ("ordered set", "SELECT percentile_cont(0.9) WITHIN GROUP (ORDER BY a) FROM t"),
            (
                "window",
                "SELECT row_number() OVER (PARTITION BY a ORDER BY b), lag(c, 1) OVER w FROM t WINDOW w AS (ORDER BY d)",
            ),
            ("json", "SELECT j -> 'a' ->> 'b', jsonb_path_query(j, '$.x'), j @> '{}' FROM t"),
            ("json questions", "SELECT jsonb_build_object('a', 1)"),
            ("arrays", "SELECT a[1], ARRAY[1, 2], unnest(b), a = ANY($1) FROM t"),
            (
                "times",
                "SELECT now() - interval '1 day', extract(epoch FROM a), date_trunc('day', b), a AT TIME ZONE 'UTC' FROM t",
            ),
            ("keywords", "SELECT current_timestamp, current_user, current_database(), session_user"),
            (
                "conditionals",
                "SELECT CASE WHEN a THEN 1 ELSE 2 END, coalesce(a, b), nullif(a, b), greatest(1, 2) FROM t",
            ),
            ("lateral", "SELECT x FROM t, LATERAL (SELECT max(b) AS x FROM u WHERE u.a = t.a) s"),
            ("series", "SELECT g FROM generate_series(1, 10) AS g"),
            ("set operations", "SELECT a FROM t UNION SELECT b FROM u EXCEPT SELECT 1"),
            ("subqueries", "SELECT (SELECT max(a) FROM t), EXISTS (SELECT 1 FROM u), a IN (SELECT b FROM v) FROM w"),
            ("catalog operator", "SELECT a OPERATOR(pg_catalog.=) b FROM t"),
            ("strings", "SELECT 'it''s', $$it's$$, E'it\\'s\\n', $q$ ; DROP TABLE t $q$"),
            ("comments", "SELECT/* ; DROP TABLE t */1 -- ; DROP TABLE u"),
            ("explain", "EXPLAIN SELECT 1"),
            ("explain analyze of a read", "EXPLAIN (ANALYZE, BUFFERS) SELECT 1"),
            ("explain of a change", "EXPLAIN DELETE FROM t"),
            ("explain of a change, analyze off", "EXPLAIN (ANALYZE false) DELETE FROM t"),
            ("show", "SHOW server_version_num"),
            ("show all", "SHOW ALL"),
            ("settings", "SELECT current_setting('shared_buffers')"),
            ("extension", "SELECT query, mean_exec_time FROM pg_stat_statements"),
            ("a keyword as a string", "SELECT 'FOR UPDATE', 'pg_read_file(''x'')'"),
            ("a forbidden name as a column", "SELECT t.pg_sleep FROM t"),
            ("non-ascii", "SELECT größe FROM \"straße\" WHERE n = 'ü'"),
        ],
    );
}

#[test]
fn postgres_does_not_read() {
    assert_not_read(
        Postgres,
        &[
            ("empty", " -- nothing", "is empty"),
            ("several", "SELECT 1; DROP TABLE x", "several statements"),
            ("several, hidden by a comment", "SELECT 1 /* ; */ ; /* */ DELETE FROM t", "several statements"),
            ("several, nested comment", "SELECT 1 /* /* */ ; */ ; DELETE FROM t", "several statements"),
            ("several, line end", "SELECT 1 -- \r; DELETE FROM t", "several statements"),
            ("insert", "INSERT INTO t VALUES (1)", "is no read"),
            ("update", "UPDATE t SET a = 1", "is no read"),
            ("delete", "DELETE FROM t", "is no read"),
            ("truncate", "TRUNCATE t", "is no read"),
            ("merge", "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", "is no read"),
            ("drop", "DROP TABLE t", "is no read"),
            ("create", "CREATE TABLE t (a int)", "is no read"),
            ("create as", "CREATE TABLE t AS SELECT 1", "is no read"),
            ("change in WITH", "WITH x AS (DELETE FROM t RETURNING a) SELECT a FROM x", "changes rows inside"),
            (
                "change in WITH, nested",
                "SELECT * FROM (WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT a FROM x) s",
                "changes rows inside",
            ),
            ("change after WITH", "WITH x AS (SELECT 1) DELETE FROM t", "changes rows inside"),
            (
                "update in WITH in a subquery",
                "SELECT (WITH x AS (UPDATE t SET a = 1 RETURNING a) SELECT a FROM x)",
                "changes rows inside",
            ),
            ("select into", "SELECT a INTO u FROM t", "SELECT INTO"),
            ("select into temp", "SELECT a INTO TEMP u FROM t", "SELECT INTO"),
            ("for update", "SELECT a FROM t FOR UPDATE", "FOR UPDATE"),
            ("for share", "SELECT a FROM t FOR SHARE OF t NOWAIT", "FOR UPDATE"),
            ("for no key update", "SELECT a FROM t FOR NO KEY UPDATE", ""),
            ("for update in a subquery", "SELECT * FROM (SELECT a FROM t FOR UPDATE) s", "FOR UPDATE"),
            ("copy to", "COPY t TO '/tmp/x'", "is no read"),
            ("copy program", "COPY (SELECT 1) TO PROGRAM 'sh'", "is no read"),
            ("copy from program", "COPY t FROM PROGRAM 'sh'", "is no read"),
            ("set", "SET statement_timeout = 0", "is no read"),
            ("set role", "SET ROLE postgres", "is no read"),
            ("set session authorization", "SET SESSION AUTHORIZATION postgres", ""),
            ("set transaction", "SET TRANSACTION READ WRITE", "is no read"),
            ("reset", "RESET ROLE", "is no read"),
            ("begin", "BEGIN", "is no read"),
            ("commit", "COMMIT", "is no read"),
            ("rollback", "ROLLBACK", "is no read"),
            ("do", "DO $$ BEGIN DELETE FROM t; END $$", ""),
            ("call", "CALL p()", "is no read"),
            ("prepare", "PREPARE p AS DELETE FROM t", "is no read"),
            ("execute", "EXECUTE p", "is no read"),
            ("declare", "DECLARE c CURSOR FOR SELECT 1", "is no read"),
            ("listen", "LISTEN x", "is no read"),
            ("notify", "NOTIFY x", "is no read"),
            ("lock", "LOCK TABLE t", ""),
            ("vacuum", "VACUUM t", ""),
            ("grant", "GRANT ALL ON t TO u", "is no read"),
            ("explain analyze of a change", "EXPLAIN ANALYZE DELETE FROM t", "EXPLAIN ANALYZE runs"),
            ("explain analyze, in parentheses", "EXPLAIN (ANALYZE) DELETE FROM t", "EXPLAIN ANALYZE runs"),
            (
                "explain analyze, last of several",
                "EXPLAIN (VERBOSE, COSTS off, analyze on) UPDATE t SET a = 1",
                "EXPLAIN ANALYZE runs",
            ),
            ("explain analyze, quoted", "EXPLAIN (\"analyze\" true) INSERT INTO t VALUES (1)", ""),
            (
                "explain analyze of a change in WITH",
                "EXPLAIN ANALYZE WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x",
                "changes rows inside",
            ),
            ("explain create", "EXPLAIN CREATE TABLE t AS SELECT 1", "EXPLAIN is for"),
            ("explain execute", "EXPLAIN EXECUTE p", "EXPLAIN is for"),
            ("file", "SELECT pg_read_file('/etc/passwd')", "`pg_read_file` acts outside"),
            ("file, qualified", "SELECT pg_catalog.pg_read_file('/etc/passwd')", "acts outside"),
            ("file, quoted", "SELECT \"pg_read_file\"('/etc/passwd')", "acts outside"),
            ("file, both", "SELECT \"pg_catalog\" . \"pg_read_file\" ('/etc/passwd')", "acts outside"),
            ("file, in capitals", "SELECT PG_READ_FILE('x')", "acts outside"),
            ("file, spread out", "SELECT pg_read_file /* x */ -- y\n ('x')", "acts outside"),
            ("file, unicode escapes", "SELECT U&\"pg\\005fread_file\"('x')", "write the characters themselves"),
            ("file, in VALUES", "VALUES (pg_read_file('x'))", "acts outside"),
            ("file, as a table", "SELECT * FROM pg_read_file('x')", "acts outside"),
            ("file, as a lateral table", "SELECT * FROM t, LATERAL pg_ls_dir(t.a) AS d", "acts outside"),
            ("file, rows from", "SELECT * FROM ROWS FROM (pg_ls_dir('.'))", ""),
            ("file, in ORDER BY", "SELECT a FROM t ORDER BY pg_read_file('x')", "acts outside"),
            ("file, in GROUP BY", "SELECT 1 FROM t GROUP BY pg_read_file('x')", "acts outside"),
            ("file, in HAVING", "SELECT 1 FROM t GROUP BY a HAVING pg_read_file('x') = ''", "acts outside"),
            ("file, in JOIN ON", "SELECT 1 FROM t JOIN u ON pg_read_file('x') = ''", "acts outside"),
            ("file, in LIMIT", "SELECT 1 FROM t LIMIT length(pg_read_file('x'))", "acts outside"),
            ("file, in OFFSET", "SELECT 1 FROM t OFFSET length(pg_read_file('x'))", "acts outside"),
            ("file, in FILTER", "SELECT count(*) FILTER (WHERE pg_read_file('x') = '') FROM t", "acts outside"),
            ("file, in a window", "SELECT rank() OVER (ORDER BY pg_read_file('x')) FROM t", "acts outside"),
            (
                "file, in a named window",
                "SELECT rank() OVER w FROM t WINDOW w AS (PARTITION BY pg_read_file('x'))",
                "acts outside",
            ),
            ("file, in WITHIN GROUP", "SELECT mode() WITHIN GROUP (ORDER BY pg_read_file('x')) FROM t", "acts outside"),
            ("file, in DISTINCT ON", "SELECT DISTINCT ON (pg_read_file('x')) a FROM t", "acts outside"),
            ("file, in CASE", "SELECT CASE pg_read_file('x') WHEN '' THEN 1 END", "acts outside"),
            ("file, in an array", "SELECT ARRAY[pg_read_file('x')]", "acts outside"),
            ("file, as a subscript", "SELECT a[length(pg_read_file('x'))] FROM t", "acts outside"),
            ("file, in a cast", "SELECT CAST(pg_read_file('x') AS text)", "acts outside"),
            ("file, in WITH", "WITH x AS (SELECT pg_read_file('x')) SELECT * FROM x", "acts outside"),
            ("file, in a set operation", "SELECT 1 UNION SELECT pg_read_file('x')", "acts outside"),
            ("file, as an argument", "SELECT lower(x => pg_read_file('x'))", "acts outside"),
            ("file, explained", "EXPLAIN SELECT pg_read_file('x')", "acts outside"),
            ("binary file", "SELECT pg_read_binary_file('x')", "acts outside"),
            ("directory", "SELECT pg_ls_waldir()", "acts outside"),
            ("file's facts", "SELECT (pg_stat_file('x')).size", "acts outside"),
            ("large object in", "SELECT lo_import('/etc/passwd')", "acts outside"),
            ("large object out", "SELECT lo_export(1, '/tmp/x')", "acts outside"),
            ("large object", "SELECT lo_put(1, 0, 'x')", "is not known to be harmless"),
            ("terminate", "SELECT pg_terminate_backend(1)", "acts outside"),
            ("cancel", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity", "acts outside"),
            ("reload", "SELECT pg_reload_conf()", "acts outside"),
            ("rotate", "SELECT pg_rotate_logfile()", "acts outside"),
            ("dblink", "SELECT * FROM dblink('dbname=x', 'DELETE FROM t') AS d(a int)", "acts outside"),
            ("dblink_exec", "SELECT dblink_exec('x', 'y')", "acts outside"),
            ("set_config", "SELECT set_config('role', 'postgres', false)", "is not known to be harmless"),
            ("advisory lock", "SELECT pg_advisory_lock(1)", "acts outside"),
            ("advisory try", "SELECT pg_try_advisory_xact_lock(1)", "acts outside"),
            ("nextval", "SELECT nextval('s')", "add `,function=nextval` to the grant"),
            ("setval", "SELECT setval('s', 1)", "is not known to be harmless"),
            ("sleep", "SELECT pg_sleep(1000)", "acts outside"),
            ("sleep for", "SELECT pg_sleep_for('1 h')", "acts outside"),
            ("transaction id", "SELECT txid_current()", "is not known to be harmless"),
            ("logical message", "SELECT pg_logical_emit_message(true, 'a', 'b')", "acts outside"),
            ("logical changes", "SELECT * FROM pg_logical_slot_get_changes('s', NULL, NULL)", "acts outside"),
            ("slot made", "SELECT pg_create_physical_replication_slot('s')", "acts outside"),
            ("slot dropped", "SELECT pg_drop_replication_slot('s')", "acts outside"),
            ("wal", "SELECT pg_switch_wal()", "acts outside"),
            ("promote", "SELECT pg_promote()", "acts outside"),
            ("backup", "SELECT pg_backup_start('x')", "acts outside"),
            ("snapshot", "SELECT pg_export_snapshot()", "acts outside"),
            ("query in a text", "SELECT query_to_xml('DELETE FROM t', true, true, '')", "acts outside"),
            ("table in a text", "SELECT table_to_xml('pg_authid', true, true, '')", "is not known to be harmless"),
            ("database as xml", "SELECT database_to_xml(true, true, '')", "acts outside"),
            ("query in ts_stat", "SELECT * FROM ts_stat('SELECT 1')", "acts outside"),
            ("query in ts_rewrite", "SELECT ts_rewrite('a'::tsquery, 'SELECT 1')", "is not known to be harmless"),
            ("notify", "SELECT pg_notify('a', 'b')", "acts outside"),
            ("statistics reset", "SELECT pg_stat_reset()", "acts outside"),
            ("a user's function", "SELECT purge_orders()", "add `,function=purge_orders` to the grant"),
            ("a user's function, qualified", "SELECT shop.purge()", "add `,function=shop.purge` to the grant"),
            ("a harmless name of another schema", "SELECT public.lower('A')", "`public.lower` is not known"),
            ("a harmless name in capitals, quoted", "SELECT \"LOWER\"('A')", "`LOWER` is not known"),
            ("a user's operator", "SELECT a OPERATOR(public.+) b FROM t", "operator of another schema"),
            ("passwords", "SELECT rolpassword FROM pg_authid", "holds credentials"),
            ("passwords, qualified and quoted", "SELECT * FROM pg_catalog.\"pg_shadow\"", "holds credentials"),
            ("passwords, table command", "TABLE pg_authid", "holds credentials"),
            ("passwords, table command in a union", "SELECT 1 UNION TABLE pg_catalog.pg_shadow", "holds credentials"),
            ("foreign passwords", "SELECT * FROM information_schema.user_mapping_options", "holds credentials"),
            ("passwords, subquery", "SELECT (SELECT passwd FROM pg_shadow LIMIT 1)", "holds credentials"),
            ("backslash and quote", "SELECT 'a\\' || pg_sleep(1) --'", "double the quote"),
            ("zero byte", "SELECT 'a\0b'", "zero byte"),
            ("open string", "SELECT 'a", "a string has no end"),
            ("a question mark", "SELECT a FROM t WHERE b = ?", ""),
            ("a zeroth parameter", "SELECT $0", "write $1"),
            ("nonsense", "SELEC 1", ""),
        ],
    );
}

#[test]
fn mysql_reads() {
    assert_reads(
        Mysql,
        &[
            ("plain", "SELECT `a`, b FROM `t` WHERE c = ? ORDER BY d LIMIT 10"),
            ("database and table", "SELECT * FROM shop.orders"),
            (
                "statistics",
                "SELECT table_name, data_free FROM information_schema.tables WHERE table_schema = database()",
            ),
            ("functions", "SELECT IF(a, 1, 2), IFNULL(a, b), DATE_SUB(NOW(), INTERVAL 1 DAY), CONCAT(a, 'b') FROM t"),
            ("aggregates", "SELECT GROUP_CONCAT(DISTINCT a ORDER BY b SEPARATOR ',') FROM t GROUP BY c"),
            ("escapes", "SELECT 'a\\n', 'it''s', 'c:\\\\'"),
            ("double quotes", "SELECT \"text\""),
            ("comments", "SELECT 1 # ; DROP TABLE t\n -- ; DROP TABLE u\n /* ; */"),
            ("show variables", "SHOW GLOBAL VARIABLES LIKE 'innodb%'"),
            ("show tables", "SHOW TABLES"),
            ("show create", "SHOW CREATE TABLE t"),
            ("show processlist", "SHOW PROCESSLIST"),
            ("explain", "EXPLAIN SELECT 1"),
            ("describe", "DESCRIBE t"),
            ("system variables", "SELECT @@version, @@global.read_only"),
            ("a union", "SELECT a FROM t UNION ALL SELECT b FROM u"),
        ],
    );
}

#[test]
fn mysql_does_not_read() {
    assert_not_read(
        Mysql,
        &[
            ("several", "SELECT 1; DELETE FROM t", "several statements"),
            ("code in a comment", "SELECT 1 /*! INTO OUTFILE '/tmp/x' */", "is code to the server"),
            ("code in a versioned comment", "SELECT /*!50000 SLEEP(1), */ 1", "is code to the server"),
            ("code in a mariadb comment", "SELECT /*M!100100 SLEEP(1), */ 1", "is code to the server"),
            ("hints", "SELECT /*+ SET_VAR(max_execution_time=0) */ 1", "is code to the server"),
            ("outfile", "SELECT a FROM t INTO OUTFILE '/tmp/x'", ""),
            ("outfile, early", "SELECT a INTO OUTFILE '/tmp/x' FROM t", ""),
            ("dumpfile", "SELECT a INTO DUMPFILE '/tmp/x' FROM t", ""),
            ("into a variable", "SELECT a INTO @x FROM t", ""),
            ("assignment", "SELECT @x := 1", ""),
            ("load_file", "SELECT LOAD_FILE('/etc/passwd')", "acts outside"),
            ("load_file, quoted", "SELECT `load_file`('/etc/passwd')", "acts outside"),
            ("load_file, spaced", "SELECT load_file ('/etc/passwd')", "acts outside"),
            ("load_file, in a subquery", "SELECT * FROM (SELECT load_file('x')) s", "acts outside"),
            ("sleep", "SELECT SLEEP(100)", "acts outside"),
            ("sleep, in WHERE", "SELECT 1 FROM t WHERE sleep(1)", "acts outside"),
            ("benchmark", "SELECT BENCHMARK(1000000, MD5('a'))", "acts outside"),
            ("lock", "SELECT GET_LOCK('a', 1)", "acts outside"),
            ("release", "SELECT RELEASE_LOCK('a')", "acts outside"),
            ("shell", "SELECT sys_exec('sh')", "acts outside"),
            ("shell, too", "SELECT sys_eval('sh')", "acts outside"),
            ("replication wait", "SELECT MASTER_POS_WAIT('a', 1)", "acts outside"),
            ("sequence", "SELECT NEXTVAL(s)", "is not known to be harmless"),
            ("stored function", "SELECT shop.purge()", "add `,function=shop.purge` to the grant"),
            ("a built-in's name in a database", "SELECT shop.lower('A')", "`shop.lower` is not known"),
            ("for update", "SELECT a FROM t FOR UPDATE", "FOR UPDATE"),
            ("lock in share mode", "SELECT a FROM t LOCK IN SHARE MODE", ""),
            ("procedure", "SELECT a FROM t PROCEDURE ANALYSE()", ""),
            ("call", "CALL p()", "is no read"),
            ("handler", "HANDLER t OPEN", ""),
            ("do", "DO SLEEP(1)", ""),
            ("set", "SET GLOBAL read_only = 0", "is no read"),
            ("use", "USE mysql", "is no read"),
            ("kill", "KILL 1", "is no read"),
            ("load data", "LOAD DATA INFILE 'x' INTO TABLE t", ""),
            ("flush", "FLUSH TABLES", "is no read"),
            ("insert", "INSERT INTO t VALUES (1)", "is no read"),
            ("replace", "REPLACE INTO t VALUES (1)", "is no read"),
            ("analyze table", "ANALYZE TABLE t", ""),
            ("passwords", "SELECT * FROM mysql.user", "holds credentials"),
            ("passwords, quoted", "SELECT * FROM `mysql`.`global_priv`", "holds credentials"),
            ("backslash and quote", "SELECT 'a\\' OR sleep(1) -- '", "double the quote"),
            ("backslash and double quote", "SELECT \"a\\\" OR sleep(1) -- \"", "double the quote"),
            ("sleep, in SHOW", "SHOW TABLES WHERE sleep(1)", "acts outside"),
            ("table into a file", "TABLE t INTO OUTFILE 'x'", ""),
            ("dashes", "SELECT 1--sleep(1)", "write a space"),
            ("a numbered parameter", "SELECT $1", ""),
        ],
    );
}

#[test]
fn sqlite_reads() {
    assert_reads(
        Sqlite,
        &[
            ("plain", "SELECT a, [b c], \"d\", `e` FROM t WHERE f = ? AND g = ?2"),
            ("schema", "SELECT name, sql FROM sqlite_schema WHERE type = 'table'"),
            ("functions", "SELECT strftime('%s', 'now'), json_extract(a, '$.b'), total(c), ifnull(d, 0) FROM t"),
            ("pragma functions", "SELECT name FROM pragma_table_info('t')"),
            ("space by table", "SELECT name, sum(pgsize) FROM dbstat GROUP BY name"),
            ("with", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3) SELECT i FROM n"),
            ("values", "VALUES (1), (2)"),
            ("backslash", "SELECT 'a\\'"),
            ("pragma", "PRAGMA page_count"),
            ("pragma of a table", "PRAGMA table_info('t')"),
            ("pragma of a schema", "PRAGMA main.freelist_count"),
            ("integrity", "PRAGMA integrity_check"),
            ("explain", "EXPLAIN QUERY PLAN SELECT 1"),
        ],
    );
}

#[test]
fn sqlite_does_not_read() {
    assert_not_read(
        Sqlite,
        &[
            ("several", "SELECT 1; DROP TABLE t", "several statements"),
            ("attach", "ATTACH 'other.db' AS o", "is no read"),
            ("detach", "DETACH o", ""),
            ("vacuum", "VACUUM", ""),
            ("vacuum into", "VACUUM INTO '/tmp/x'", ""),
            ("load", "SELECT load_extension('/tmp/x.so')", "acts outside"),
            ("load, quoted", "SELECT \"load_extension\"('/tmp/x.so')", "acts outside"),
            ("load, bracketed", "SELECT [load_extension]('/tmp/x.so')", "acts outside"),
            ("load, in capitals", "SELECT LOAD_EXTENSION('/tmp/x.so')", "acts outside"),
            ("write", "SELECT writefile('/tmp/x', 'y')", "acts outside"),
            ("read", "SELECT readfile('/etc/passwd')", "acts outside"),
            ("tokenizer", "SELECT fts3_tokenizer('simple', x'00')", "acts outside"),
            ("edit", "SELECT edit('a', 'sh')", "acts outside"),
            ("unknown", "SELECT purge()", "add `,function=purge`"),
            ("writable schema", "PRAGMA writable_schema = 1", "PRAGMA writable_schema"),
            ("writable schema, called", "PRAGMA writable_schema(1)", "PRAGMA writable_schema"),
            ("query only off", "PRAGMA query_only = 0", "PRAGMA query_only"),
            ("query only off, called", "PRAGMA query_only(0)", "PRAGMA query_only"),
            ("journal mode", "PRAGMA journal_mode = 'delete'", "PRAGMA journal_mode"),
            ("user version", "PRAGMA user_version = 3", "PRAGMA user_version"),
            ("checkpoint", "PRAGMA wal_checkpoint", "PRAGMA wal_checkpoint"),
            ("optimize", "PRAGMA optimize", "PRAGMA optimize"),
            ("a writing pragma as a table", "SELECT * FROM pragma_wal_checkpoint", "is no reading pragma"),
            ("a writing pragma as a function", "SELECT * FROM pragma_journal_mode('off')", "is not known"),
            ("insert", "INSERT INTO t VALUES (1)", "is no read"),
            ("replace", "REPLACE INTO t VALUES (1)", "is no read"),
            ("begin", "BEGIN IMMEDIATE", "is no read"),
            ("a named parameter", "SELECT :a", "write ?"),
            ("a dollar parameter", "SELECT $a", "write ?"),
        ],
    );
}

#[test]
fn what_runs_is_what_was_checked_without_comments_and_odd_strings() {
    for (dialect, text, expected) in [
        (Postgres, "select/*x*/a--y\nfrom t;", "SELECT a FROM t"),
        (Postgres, "SELECT E'it\\'s', $$a'b$$", "SELECT 'it''s', 'a''b'"),
        (Postgres, "SELECT E'\\\\d+'", "SELECT '\\d+'"),
        (Postgres, "SELECT \"a\"\"b\" FROM \"T\"", "SELECT \"a\"\"b\" FROM \"T\""),
        (Postgres, "SELECT 'a''''b'", "SELECT 'a''''b'"),
        (Mysql, "SELECT 'a\\\\', `b` # c", "SELECT 'a\\\\', `b`"),
        (Sqlite, "SELECT [a b] -- c", "SELECT [a b]"),
    ] {
        assert_eq!(reading(dialect, text, &[]).map(|reading| reading.text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn the_grant_can_allow_a_function_by_its_name_and_no_forbidden_one() {
    let granted = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(reading(Postgres, "SELECT purge(1)", &granted(&["purge"])).is_ok());
    assert!(reading(Postgres, "SELECT shop.purge(1)", &granted(&["shop.purge"])).is_ok());
    assert!(reading(Postgres, "SELECT shop.purge(1)", &granted(&["purge"])).is_err());
    assert!(reading(Postgres, "SELECT \"Purge\"(1)", &granted(&["purge"])).is_err());
    assert!(reading(Mysql, "SELECT PURGE(1)", &granted(&["purge"])).is_ok());
    assert!(reading(Postgres, "SELECT pg_read_file('x')", &granted(&["pg_read_file"])).is_err());
}

#[test]
fn parameters_are_counted() {
    for (dialect, text, count) in [
        (Postgres, "SELECT $2, $1, $2, '$9'", 2),
        (Postgres, "SELECT 1", 0),
        (Mysql, "SELECT ?, '?', `?`, ?", 2),
        (Sqlite, "SELECT ?, ?", 2),
        (Sqlite, "SELECT ?3", 3),
    ] {
        assert_eq!(reading(dialect, text, &[]).unwrap().parameters, count, "{text}");
    }
}

#[test]
fn deep_and_long_statements_neither_crash_nor_pass() {
    let deep = [
        format!("SELECT {}1{}", "(".repeat(50_000), ")".repeat(50_000)),
        format!("SELECT {}1", "NOT ".repeat(50_000)),
        format!("SELECT 1{}", " + 1".repeat(50_000)),
        format!("SELECT {}1", "- ".repeat(50_000)),
        format!("SELECT * FROM {}t", "(SELECT * FROM ".repeat(5_000)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(5_000)),
        format!("SELECT {}1{}", "CASE WHEN a THEN ".repeat(2_000), " END".repeat(2_000)),
        format!("SELECT a{}", "[1".repeat(20_000)),
        format!("SELECT '{}'", "x".repeat(2 << 20)),
    ];
    for text in deep {
        for dialect in [Postgres, Mysql, Sqlite] {
            assert!(reading(dialect, &text, &[]).is_err(), "{}", &text[..40]);
        }
    }
}

#[test]
fn broad_statements_pass() {
    let list = (0..20_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let chain = format!("SELECT 1{}", " + a".repeat(3_900));
    let union = format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(2_000));
    for text in [format!("SELECT a FROM t WHERE b IN ({list})"), chain, union] {
        // On a thread with little stack, as the host's workers have.
        let read = std::thread::Builder::new()
            .stack_size(1 << 20)
            .spawn(move || reading(Postgres, &text, &[]).map(|reading| reading.text.len()))
            .unwrap();
        assert!(read.join().unwrap().unwrap() > 1_000);
    }
}

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
        (Postgres, "UPDATE t SET a = purge()", "add `,function=purge`"),
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
