//! What MySQL and SQLite statements read, and what holds for all reads.

use super::*;

use Dialect::{Mysql, Postgres, Sqlite};

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
            ("stored function", "SELECT shop.purge()", "add `function=shop.purge` to the grant"),
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
            ("counters", "SELECT * FROM information_schema.INNODB_CMP_RESET", "sets the server's counters back"),
            ("a sequence behind a default", "SELECT DEFAULT(id) FROM t", "`DEFAULT` is not known to be harmless"),
            ("passwords, quoted", "SELECT * FROM `mysql`.`global_priv`", "holds credentials"),
            ("passwords of the past", "SELECT * FROM mysql.password_reuse_check_history", "holds credentials"),
            ("the own password's hash", "SHOW GRANTS", "shows hashes of passwords"),
            ("another's password's hash", "SHOW GRANTS FOR root", "shows hashes of passwords"),
            ("what others ran", "SHOW BINLOG EVENTS", "the statements of others"),
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
fn the_questions_of_maintenance_are_reads() {
    assert_reads(
        Postgres,
        &[
            (
                "dead rows",
                "SELECT n.nspname, c.relname, c.reltuples::bigint, s.n_dead_tup, \
                 coalesce(s.last_autovacuum, s.last_vacuum) AS vacuumed, \
                 current_setting('autovacuum_vacuum_threshold')::int + current_setting('autovacuum_vacuum_scale_factor')::float8 * c.reltuples AS due, \
                 (SELECT o.option_value FROM pg_options_to_table(c.reloptions) o WHERE o.option_name = 'fillfactor') \
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                 LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid \
                 WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> ALL (ARRAY['information_schema'])",
            ),
            (
                "long transactions",
                "SELECT pid, usename, state, extract(epoch FROM now() - xact_start)::bigint AS age, left(query, 80), \
                 pg_blocking_pids(pid) FROM pg_stat_activity \
                 WHERE xact_start < now() - make_interval(secs => $1) AND backend_xmin IS NOT NULL ORDER BY xact_start",
            ),
            (
                "slots",
                "SELECT slot_name, active, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) AS lag, age(xmin) FROM pg_replication_slots",
            ),
            (
                "invalid indexes",
                "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), array_to_string(ARRAY(SELECT a.attname \
                 FROM unnest(i.indkey) WITH ORDINALITY AS k(n, o) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n \
                 ORDER BY k.o), ',') FROM pg_index i WHERE NOT i.indisvalid AND i.indisready IS DISTINCT FROM true",
            ),
            (
                "duplicates",
                "SELECT indrelid, array_agg(indexrelid ORDER BY indexrelid) FROM pg_index \
                 GROUP BY indrelid, indkey::text, coalesce(pg_get_expr(indexprs, indrelid), '') HAVING count(*) > 1",
            ),
            (
                "lateral",
                "SELECT DISTINCT ON (t.a) t.a, x.b FROM t LEFT JOIN LATERAL (SELECT b FROM u WHERE u.a = t.a LIMIT 1) x ON true",
            ),
            (
                "names",
                "SELECT format('%I.%I', schemaname, relname), quote_ident(relname) || '' FROM pg_stat_user_tables",
            ),
            ("types", "SELECT 'r'::\"char\", '{1,2}'::int[], 1::numeric(10,2), 'a' COLLATE \"C\", '1 h'::interval * 2"),
            ("wraparound", "SELECT 2147483647 - max(age(relfrozenxid)) FROM pg_class WHERE relkind = 'r'"),
            (
                "orphans",
                "SELECT count(*) FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.a = t.b) AND (a, b) IN (VALUES (1, 2))",
            ),
            ("pages", "SELECT a FROM t ORDER BY a DESC NULLS LAST OFFSET 5 ROWS FETCH FIRST 10 ROWS ONLY"),
            ("grouping", "SELECT a, b, grouping(a) FROM t GROUP BY GROUPING SETS ((a), (b), ())"),
            (
                "constraints",
                "SELECT conname, pg_get_constraintdef(oid, true) FROM pg_constraint WHERE conrelid = 'a.b'::regclass",
            ),
        ],
    );
    assert_reads(
        Mysql,
        &[
            (
                "fragmentation",
                "SELECT table_schema, table_name, data_free / NULLIF(data_length + index_length, 0) AS f, data_free DIV 1024 \
                 FROM information_schema.`tables` WHERE engine = 'InnoDB' AND table_name REGEXP '^a' HAVING f > 0.3 LIMIT 5, 10",
            ),
            ("casts", "SELECT CAST(a AS UNSIGNED), CONVERT(b USING utf8mb4), BINARY c, d <=> NULL FROM t"),
            ("old rows", "SELECT COUNT(*) FROM t WHERE at < NOW() - INTERVAL 30 DAY"),
            ("status", "SHOW GLOBAL STATUS LIKE 'Threads%'"),
            ("table status", "SHOW TABLE STATUS"),
            ("indexes", "SHOW INDEX FROM t"),
            ("replica", "SHOW SLAVE STATUS"),
            (
                "transactions",
                "SELECT trx_id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) FROM information_schema.innodb_trx",
            ),
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
            ("unknown", "SELECT purge()", "add `function=purge`"),
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
