//! Statements of a hostile plugin, sent with read access to a role that may do everything: each is refused before it
//! reaches the database, and nothing that can be seen from outside is different afterwards. What the databases would
//! have enforced by themselves is shown where the check can be switched off: in the room's own tests.

use serde_json::json;
use taskhost_tests::{mariadb, postgres};

use crate::script::{Bound, bound, sqlite};

/// Each text is refused by the grant, not by the database.
#[track_caller]
fn assert_refused(database: &Bound, cases: &[(&str, &str)]) {
    let answers = database.queries(&cases.iter().map(|(_, text)| *text).collect::<Vec<_>>());
    for ((name, text), answer) in cases.iter().zip(&answers) {
        assert_eq!(answer.kind, "refused", "{name}: {text}: {}", answer.text);
    }
    // The other ways to run a reading statement know the same rules.
    let sample = || cases.iter().step_by(5);
    let steps: Vec<_> = sample()
        .flat_map(|(_, text)| {
            [json!({"do": "copy-out", "text": text}), json!({"do": "query", "on": "t", "text": text})]
        })
        .collect();
    let begin = vec![json!({"do": "begin", "as": "t"})];
    let run = database.run(&json!([begin, steps].concat()));
    assert_eq!(run.answers.len(), 1 + 2 * sample().count());
    for answer in &run.answers[1..] {
        assert_eq!(answer.kind, "refused", "{}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_refuses_what_is_hidden() {
    const CASES: &[(&str, &str)] = &[
        ("a statement behind a statement", "SELECT 1; DELETE FROM t"),
        ("behind an odd line end", "SELECT 1 --\r; DELETE FROM t"),
        ("behind a nested comment", "SELECT 1 /* /* */ ; */ ; DELETE FROM t"),
        ("behind a dollar string", "SELECT $a$ $b$ $a$; DELETE FROM t --$b$"),
        ("behind an escape string", "SELECT E'\\'; DELETE FROM t --'; DELETE FROM t"),
        ("behind a doubled quote", "SELECT 'a''; SELECT '; DELETE FROM t --'"),
        ("behind a unicode name", "SELECT 1 AS U&\"\\0022; DELETE FROM t --\""),
        ("behind a backslash", "SELECT 'a\\'; DELETE FROM t --'"),
        ("a command of the client", "SELECT 1 \\gexec"),
        ("a change in a CTE", "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x"),
        ("a change in a CTE in a subquery", "SELECT (WITH x AS (UPDATE t SET a = 1 RETURNING a) SELECT a FROM x)"),
        ("a change in a CTE, explained", "EXPLAIN ANALYZE WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x"),
        ("a change, explained in British", "EXPLAIN (ANALYSE) DELETE FROM t"),
        ("a change, explained twice", "EXPLAIN (ANALYZE false, ANALYZE true) DELETE FROM t"),
        ("a change, explained by a prefix", "EXPLAIN (ANALYZE tr) DELETE FROM t"),
        ("a table made by explain", "EXPLAIN ANALYZE CREATE TABLE v AS SELECT 1"),
        ("a table made by select", "SELECT * INTO UNLOGGED v FROM t"),
        ("a cursor", "DECLARE c CURSOR WITH HOLD FOR SELECT 1"),
        ("a program", "COPY (SELECT 1) TO PROGRAM 'touch {file}'"),
        ("a program that feeds", "COPY t FROM PROGRAM 'touch {file}; echo 1'"),
        ("a file", "COPY (SELECT 1) TO '{file}'"),
        ("a large object's file", "SELECT lo_export(lo_from_bytea(0, 'x'), '{file}')"),
        ("a file that is read", "SELECT pg_read_file('/etc/hostname')"),
        ("a file, by a quoted name", "SELECT \"pg_catalog\".\"pg_read_file\"('/etc/hostname')"),
        ("a file, by unicode", "SELECT U&\"pg!005fread_file\" UESCAPE '!' ('/etc/hostname')"),
        ("a file, in a sample", "SELECT * FROM t TABLESAMPLE BERNOULLI (length(pg_read_file('/etc/hostname')))"),
        ("a file, as rows", "SELECT * FROM ROWS FROM (pg_ls_dir('/'), generate_series(1, 2))"),
        ("a file, as an argument's name", "SELECT lower(x => pg_read_file('/etc/hostname'))"),
        ("a setting", "SELECT set_config('work_mem', '1GB', false)"),
        ("a setting, in a window", "SELECT sum(a) OVER (ORDER BY set_config('a.b', 'c', false)) FROM t"),
        ("a setting, in a limit", "SELECT 1 LIMIT length(set_config('a.b', 'c', false))"),
        ("a setting, in a json", "SELECT json_object('a': set_config('a.b', 'c', false))"),
        (
            "a setting, in an xml table",
            "SELECT * FROM XMLTABLE('/a' PASSING '<a/>' COLUMNS b text DEFAULT set_config('a.b', 'c', false))",
        ),
        ("a setting, in a default of explain", "EXPLAIN (ANALYZE set_config('a.b', 'c', false)) SELECT 1"),
        ("a setting of the server", "ALTER SYSTEM SET work_mem = '1GB'"),
        ("a program of the server", "DO $$ BEGIN EXECUTE 'DELETE FROM t'; END $$"),
        ("a function", "SELECT purge()"),
        ("a function, quoted and qualified", "SELECT \"public\" . \"purge\" ( )"),
        ("a function, as a table", "SELECT * FROM purge() WITH ORDINALITY"),
        ("a function, lateral", "SELECT * FROM t, LATERAL purge() z"),
        ("a function, in an array's bounds", "SELECT (ARRAY[1])[purge():purge()]"),
        ("an operator", "SELECT a OPERATOR(public.###) 1 FROM t"),
        ("a procedure", "CALL purge_all()"),
        ("a query in a text", "SELECT query_to_xml('DELETE FROM t', true, true, '')"),
        ("a query in statistics", "SELECT * FROM ts_stat('DELETE FROM t RETURNING NULL::tsvector')"),
        ("a query elsewhere", "SELECT * FROM dblink('dbname=postgres', 'DELETE FROM t') AS d(a int)"),
        ("a session's end", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"),
        ("a lock", "SELECT pg_advisory_lock(1)"),
        ("a sequence", "SELECT nextval('s')"),
        ("a transaction's end", "COMMIT"),
        ("a transaction that writes", "SET TRANSACTION READ WRITE"),
        ("a role", "SET SESSION AUTHORIZATION postgres"),
        ("a role's rights", "ALTER ROLE CURRENT_USER SUPERUSER"),
        ("a message", "NOTIFY x, 'y'"),
        ("passwords", "SELECT rolpassword FROM pg_authid"),
        ("passwords, as a row", "SELECT a FROM ONLY (pg_catalog.pg_authid) a"),
        ("foreign passwords", "SELECT umoptions FROM information_schema._pg_user_mappings"),
        ("a zero byte", "SELECT 1;\u{1}DELETE FROM t"),
        ("a byte order mark", "\u{feff}SELECT 1"),
        ("a space that is none", "SELECT\u{200b}1"),
    ];
    let server = postgres().await;
    server
        .execute(&[
            "CREATE TABLE t (a int)",
            "INSERT INTO t VALUES (1), (2)",
            "CREATE SEQUENCE s",
            "CREATE FUNCTION purge() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; RETURN 1; END $$",
            "CREATE FUNCTION plus(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE OPERATOR ### (LEFTARG = int, RIGHTARG = int, FUNCTION = plus)",
            "CREATE PROCEDURE purge_all() LANGUAGE sql AS 'DELETE FROM t'",
        ])
        .await;
    // Where the server's account may write too.
    let file = format!("/tmp/{}", server.name());
    let texts: Vec<_> = CASES.iter().map(|(name, text)| (*name, text.replace("{file}", &file))).collect();
    let cases: Vec<_> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    assert_refused(&bound(server.url(), ""), &cases);
    assert_eq!(server.number("SELECT count(*) FROM t").await, 2);
    assert_eq!(server.number("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace").await, 2);
    assert_eq!(server.number("SELECT count(*) FROM s WHERE is_called").await, 0);
    assert_eq!(server.number("SELECT count(*) FROM pg_largeobject_metadata").await, 0);
    assert!(!std::path::Path::new(&file).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_refuses_what_is_hidden() {
    const CASES: &[(&str, &str)] = &[
        ("a statement behind a statement", "SELECT 1; DELETE FROM t"),
        ("code in a comment", "SELECT 1 /*! INTO OUTFILE '{file}' */"),
        ("code in a comment of a version", "SELECT /*!99999 1 */ /*M!100000 sleep(1), */ 1"),
        ("code in an open comment", "SELECT 1 /*!; DELETE FROM t"),
        ("hints", "SELECT /*+ SET_VAR(sql_mode='') */ 1"),
        ("behind dashes", "SELECT 1--1; DELETE FROM t"),
        ("behind a hash", "SELECT 1 #\n; DELETE FROM t"),
        ("behind a backslash", "SELECT 'a\\'; DELETE FROM t -- '"),
        ("behind a double quote", "SELECT \"a\\\"; DELETE FROM t -- \""),
        ("into a file", "SELECT 1 INTO OUTFILE '{file}'"),
        ("into a file, in a union", "SELECT 1 UNION SELECT 2 INTO DUMPFILE '{file}'"),
        ("into a file, before from", "SELECT a INTO OUTFILE '{file}' FROM t"),
        ("into a file, from a table command", "TABLE t INTO OUTFILE '{file}'"),
        ("into a variable", "SELECT a INTO @x FROM t"),
        ("a variable", "SELECT @x := 1"),
        ("a variable of the session", "SELECT @@session.sql_mode := ''"),
        ("a setting for a statement", "SET STATEMENT max_statement_time = 0 FOR SELECT 1"),
        ("a setting", "SET GLOBAL max_connections = 1"),
        ("a file", "SELECT LOAD_FILE('/etc/hostname')"),
        ("a file, quoted", "SELECT `load_file` ('/etc/hostname')"),
        ("a file, as ODBC writes it", "SELECT {fn load_file('/etc/hostname')}"),
        (
            "a file, in a json table",
            "SELECT * FROM JSON_TABLE(LOAD_FILE('/etc/hostname'), '$' COLUMNS (a INT PATH '$')) j",
        ),
        ("a sleep", "SELECT SLEEP(60)"),
        ("a sleep, in SHOW", "SHOW TABLES WHERE SLEEP(60)"),
        ("a sleep, in an interval", "SELECT NOW() + INTERVAL SLEEP(60) DAY"),
        ("a sleep, in a match", "SELECT MATCH(a) AGAINST (SLEEP(60)) FROM t"),
        ("work", "SELECT BENCHMARK(1000000000, SHA2('a', 512))"),
        ("a lock", "SELECT GET_LOCK('a', 60)"),
        ("locked rows", "SELECT a FROM t FOR UPDATE SKIP LOCKED"),
        ("shared rows", "SELECT a FROM t LOCK IN SHARE MODE"),
        ("a function", "SELECT wipe()"),
        ("a function, quoted and qualified", "SELECT `wipe` . `wipe`()"),
        ("a function, in a group", "SELECT GROUP_CONCAT(a ORDER BY wipe()) FROM t"),
        ("a function, in a limit", "SELECT a FROM t LIMIT wipe()"),
        ("a function, in a window", "SELECT SUM(a) OVER (ORDER BY wipe()) FROM t"),
        ("a function, in values", "VALUES (wipe())"),
        ("a procedure", "CALL wipe_all()"),
        ("a procedure of the optimizer", "SELECT a FROM t PROCEDURE ANALYSE()"),
        ("a sequence", "SELECT NEXT VALUE FOR s"),
        ("a sequence, as a function", "SELECT NEXTVAL(s)"),
        ("a block", "BEGIN NOT ATOMIC DELETE FROM t; END"),
        ("a text that is run", "EXECUTE IMMEDIATE CONCAT('DELETE', ' FROM t')"),
        ("a prepared text", "PREPARE p FROM 'DELETE FROM t'"),
        ("a handler", "HANDLER t OPEN"),
        ("a change that answers", "DELETE FROM t RETURNING a"),
        ("a change, analyzed", "ANALYZE FORMAT=JSON DELETE FROM t"),
        ("a change after WITH", "WITH x AS (SELECT 1) DELETE FROM t"),
        ("rows of a file", "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE t"),
        ("another database", "USE mysql"),
        ("a session's end", "KILL CONNECTION_ID()"),
        ("the server's end", "SHUTDOWN"),
        ("a plugin", "INSTALL SONAME 'x'"),
        ("passwords", "SELECT * FROM mysql . /**/ global_priv"),
        ("passwords, joined", "SELECT * FROM t JOIN `mysql`.`user` u ON 1"),
        ("passwords, by a table command", "TABLE mysql.user"),
        ("the own password's hash", "SHOW GRANTS"),
        ("another's password's hash", "SHOW CREATE USER CURRENT_USER"),
        ("what others ran", "SHOW BINLOG EVENTS"),
    ];
    let server = mariadb().await;
    server
        .execute(&[
            "CREATE TABLE t (a int)",
            "INSERT INTO t VALUES (1), (2)",
            "CREATE SEQUENCE s",
            "CREATE FUNCTION wipe() RETURNS int BEGIN DELETE FROM t; RETURN 1; END",
            "CREATE PROCEDURE wipe_all() DELETE FROM t",
        ])
        .await;
    let file = format!("/tmp/{}", server.name());
    let connections = server.number("SELECT CAST(@@global.max_connections AS SIGNED)").await;
    let texts: Vec<_> = CASES.iter().map(|(name, text)| (*name, text.replace("{file}", &file))).collect();
    let cases: Vec<_> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    assert_refused(&bound(server.url(), ""), &cases);
    assert_eq!(server.number("SELECT COUNT(*) FROM t").await, 2);
    assert_eq!(server.number("SELECT next_not_cached_value FROM s").await, 1);
    assert_eq!(server.number("SELECT CAST(@@global.max_connections AS SIGNED)").await, connections);
    assert!(!std::path::Path::new(&file).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_refuses_what_is_hidden() {
    const CASES: &[(&str, &str)] = &[
        ("a statement behind a statement", "SELECT 1; DELETE FROM t"),
        ("behind a comment", "SELECT 1 /* ; */ ; DELETE FROM t"),
        ("behind a bracket", "SELECT 1 AS [a'b]; DELETE FROM t --]"),
        ("behind an open comment", "SELECT 1; DELETE FROM t /*"),
        ("another file", "ATTACH '{file}' AS other"),
        ("another file, with a key", "ATTACH DATABASE '{file}' AS other KEY 'x'"),
        ("another file, explained", "EXPLAIN ATTACH '{file}' AS other"),
        ("a copy", "VACUUM INTO '{file}'"),
        ("a copy of main", "VACUUM main INTO '{file}'"),
        ("an extension", "SELECT load_extension('x')"),
        ("an extension, in brackets", "SELECT [load_extension]('x', 'y')"),
        ("an extension, in a list", "SELECT 1 IN load_extension('x')"),
        ("an extension, in a string", "SELECT 'load_extension'('x')"),
        ("an extension, in a filter", "SELECT sum(a) FILTER (WHERE load_extension('x')) FROM t"),
        ("a file that is written", "SELECT writefile('{file}', 'x')"),
        ("a file that is read", "SELECT readfile('/etc/hostname')"),
        ("an editor", "SELECT edit('a', 'touch {file}')"),
        ("a tokenizer", "SELECT fts3_tokenizer('x', x'00')"),
        ("a directory", "SELECT * FROM fsdir('/')"),
        ("an archive", "SELECT * FROM zipfile('{file}')"),
        ("a function", "SELECT purge()"),
        ("a function, as a table", "SELECT * FROM main.purge(1)"),
        ("a function, in a limit", "SELECT a FROM t LIMIT 1, purge()"),
        ("a function, in a window", "SELECT sum(a) OVER (ORDER BY a GROUPS purge() PRECEDING) FROM t"),
        ("a function, in an escape", "SELECT 'a' LIKE 'b' ESCAPE purge()"),
        ("a function, in values", "VALUES (purge())"),
        ("an inner function of SQLite", "SELECT sqlite_rename_table(1, 2, 3, 4, 5, 6, 7)"),
        ("a journal", "PRAGMA journal_mode = WAL"),
        ("a journal, called", "PRAGMA main.journal_mode(wal)"),
        ("a journal, quoted", "PRAGMA \"journal_mode\" = wal"),
        ("a journal, as a table", "SELECT * FROM pragma_journal_mode('wal')"),
        ("a journal, in a list", "SELECT 1 IN pragma_journal_mode('wal')"),
        ("writing", "PRAGMA query_only = 0"),
        ("the schema", "PRAGMA writable_schema(1)"),
        ("the schema's rows", "UPDATE sqlite_schema SET sql = ''"),
        ("a version", "PRAGMA user_version = 5"),
        ("a version, explained", "EXPLAIN PRAGMA user_version = 5"),
        ("a checkpoint", "PRAGMA wal_checkpoint(TRUNCATE)"),
        ("a checkpoint, as a table", "SELECT * FROM pragma_wal_checkpoint"),
        ("upkeep", "PRAGMA optimize"),
        ("upkeep, as a table", "SELECT * FROM [pragma_optimize]"),
        ("a directory for files", "PRAGMA temp_store_directory = '/tmp'"),
        ("memory", "PRAGMA hard_heap_limit = 1"),
        ("trust", "PRAGMA trusted_schema = 1"),
        ("a temporary table", "CREATE TEMP TABLE x (a)"),
        ("a change that answers", "DELETE FROM t RETURNING a"),
        ("a change after WITH", "WITH x AS (SELECT 1) DELETE FROM t"),
        ("a change, replaced", "REPLACE INTO t VALUES (1)"),
        ("a command for an index", "INSERT INTO f(f) VALUES ('delete-all')"),
        ("a transaction", "BEGIN EXCLUSIVE"),
        ("a transaction's end", "COMMIT"),
        ("a savepoint", "SAVEPOINT x"),
        ("statistics", "ANALYZE"),
        ("an index", "REINDEX"),
        ("a parameter by name", "SELECT :a"),
        ("a parameter of Tcl", "SELECT $a::b(c)"),
    ];
    let file = sqlite("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2); CREATE VIRTUAL TABLE f USING fts5(z)").await;
    let other = file.directory.path().join("other").display().to_string();
    let before = std::fs::read(file.path()).unwrap();
    let texts: Vec<_> = CASES.iter().map(|(name, text)| (*name, text.replace("{file}", &other))).collect();
    let cases: Vec<_> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    assert_refused(&bound(file.url(), ""), &cases);
    assert!(std::fs::read(file.path()).unwrap() == before, "the file is another");
    let names: Vec<_> = std::fs::read_dir(&file.directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["shop.db"]);
}

/// What binds a slot grants reading, and each other word is asked for by name.
#[tokio::test(flavor = "multi_thread")]
async fn without_its_word_nothing_is_done() {
    let file = sqlite("CREATE TABLE t (a); INSERT INTO t VALUES (1)").await;
    let server = postgres().await;
    server.execute(&["CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)"]).await;
    for target in [file.url(), server.url().to_string()] {
        let run = bound(&target, "").run(&json!([
            {"do": "execute", "text": "DELETE FROM t"},
            {"do": "copy-in", "table": "t", "columns": ["a"], "data": "1\n"},
            {"do": "maintain", "operation": {"vacuum": null}},
            {"do": "scratch", "as": "s"},
            {"do": "restore", "dump": "CREATE TABLE x (a int);"},
            {"do": "begin", "as": "t"},
            {"do": "execute", "on": "t", "text": "DELETE FROM t"},
            {"do": "query", "text": "SELECT count(*) FROM t"},
        ]));
        for (step, word) in [(0, "write"), (1, "write"), (2, "maintain"), (3, "scratch"), (6, "write")] {
            run.answers[step]
                .expect("refused", &format!("slot `database`: the grant has no {word} access; add `,{word}`"));
        }
        run.answers[4].expect("refused", "restore is for scratch databases");
        assert_eq!(run.answers[7].text, "integer:1");
    }
}
