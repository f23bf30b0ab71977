//! Values keep their type, both ways.

use serde_json::{Value, json};
use taskhost_tests::{mariadb, postgres};

use crate::script::{Bound, bound, sqlite};

/// Each expression gives that value.
#[track_caller]
fn assert_values(database: &Bound, cases: &[(&str, &str)]) {
    let texts: Vec<_> = cases.iter().map(|(expression, _)| format!("SELECT {expression}")).collect();
    let answers = database.queries(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    for ((expression, expected), answer) in cases.iter().zip(answers) {
        assert_eq!((answer.kind.as_str(), answer.text.as_str()), ("ok", *expected), "{expression}");
    }
}

/// Each parameter comes back from `expression` as what stands beside it.
#[track_caller]
fn assert_parameters(database: &Bound, cases: &[(&str, &str, &str)]) {
    let steps =
        cases.iter().map(|(text, with, _)| json!({"do": "query", "text": format!("SELECT {text}"), "with": [with]}));
    let run = database.run(&Value::Array(steps.collect()));
    assert_eq!(run.answers.len(), cases.len());
    for ((text, with, expected), answer) in cases.iter().zip(run.answers) {
        let shown = if answer.kind == "ok" { answer.text } else { format!("{}: {}", answer.kind, answer.text) };
        if let Some(error) = expected.strip_prefix("error ") {
            assert!(shown.contains(error), "{text} with {with}: {shown}");
        } else {
            assert_eq!(shown, *expected, "{text} with {with}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_values_keep_their_type() {
    let database = postgres().await;
    database
        .execute(&[
            "CREATE TYPE mood AS ENUM ('glad', 'sad')",
            "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
            "CREATE DOMAIN code AS positive",
            "CREATE TYPE pair AS (a int, b text)",
        ])
        .await;
    let database = bound(database.url(), "");
    assert_values(
        &database,
        &[
            ("NULL", "null"),
            ("NULL::int, NULL::timestamptz, NULL::int[]", "null | null | null"),
            ("true, false", "boolean:true | boolean:false"),
            (
                "1::smallint, -2147483648, 9223372036854775807",
                "integer:1 | integer:-2147483648 | integer:9223372036854775807",
            ),
            ("4294967295::oid", "integer:4294967295"),
            ("'18446744073709551615'::xid8", "unsigned:18446744073709551615"),
            ("1.5::real, -2.25::float8", "float:1.5 | float:-2.25"),
            ("'NaN'::float8, 'Infinity'::float8, '-Infinity'::real", "float:NaN | float:inf | float:-inf"),
            ("0.10::numeric, 12345678901234567890.123456789", "numeric:0.10 | numeric:12345678901234567890.123456789"),
            (
                "'NaN'::numeric, 'Infinity'::numeric, '-Infinity'::numeric",
                "numeric:NaN | numeric:Infinity | numeric:-Infinity",
            ),
            (
                "1e20::numeric, -0.00001, 0::numeric(10,3)",
                "numeric:100000000000000000000 | numeric:-0.00001 | numeric:0.000",
            ),
            ("'grün', ''::varchar, 'a '::char(3), 'n'::name", "text:grün | text: | text:a   | text:n"),
            ("'x'::\"char\"", "text:x"),
            ("'\\x00ff'::bytea, ''::bytea", "blob:00ff | blob:"),
            ("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", "uuid:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            ("'2026-11-23 10:20:30.123456+02'::timestamptz", "timestamp:2026-11-23T08:20:30.123456Z"),
            ("'2026-11-23 10:20:30'::timestamp", "timestamp:2026-11-23T10:20:30"),
            (
                "'infinity'::timestamptz, '-infinity'::timestamp, 'infinity'::date",
                "timestamp:infinity | timestamp:-infinity | date:infinity",
            ),
            ("'2026-02-28'::date, '0001-01-01'::date", "date:2026-02-28 | date:0001-01-01"),
            ("'24:00:00'::time, '10:20:30.5'::time", "time:24:00:00 | time:10:20:30.5"),
            ("'{\"a\": [1, null]}'::json, '{\"b\": 1.0}'::jsonb", "json:{\"a\": [1, null]} | json:{\"b\": 1.0}"),
            ("'<a/>'::xml", "text:<a/>"),
            ("'glad'::mood, 7::positive, 8::code", "text:glad | integer:7 | integer:8"),
            ("ARRAY[1, 2], '{}'::text[]", "unsupported:int4[] | unsupported:text[]"),
            ("ROW(1, 'a')::pair, ROW(1)", "unsupported:pair | unsupported:record"),
            ("'1 day'::interval, '10:00+02'::timetz", "unsupported:interval | unsupported:timetz"),
            (
                "'10.0.0.1'::inet, '1'::bit, '[1,2)'::int4range",
                "unsupported:inet | unsupported:bit | unsupported:int4range",
            ),
        ],
    );
    assert_parameters(
        &database,
        &[
            ("$1::int", "null", "null"),
            ("$1::bool", "boolean:true", "boolean:true"),
            ("$1::smallint", "integer:-5", "integer:-5"),
            ("$1::smallint", "integer:70000", "error out of its range"),
            ("$1::bigint", "integer:9223372036854775807", "integer:9223372036854775807"),
            ("$1::bigint", "unsigned:18446744073709551615", "error parameter $1"),
            ("$1::numeric", "unsigned:18446744073709551615", "numeric:18446744073709551615"),
            ("$1::numeric", "numeric:-12.340", "numeric:-12.340"),
            ("$1::numeric", "numeric:NaN", "numeric:NaN"),
            ("$1::float8", "float:0.5", "float:0.5"),
            ("$1::text", "text:it's; DROP TABLE t --", "text:it's; DROP TABLE t --"),
            ("$1::bytea", "blob:00ff", "blob:00ff"),
            ("$1::uuid", "uuid:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "uuid:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            ("$1::timestamptz", "timestamp:2026-11-23T08:20:30.123456Z", "timestamp:2026-11-23T08:20:30.123456Z"),
            ("$1::timestamp", "timestamp:2026-11-23T08:20:30", "timestamp:2026-11-23T08:20:30"),
            ("$1::date", "date:2026-02-28", "date:2026-02-28"),
            ("$1::time", "time:10:20:30.5", "time:10:20:30.5"),
            ("$1::jsonb", "json:{\"a\": 1}", "json:{\"a\": 1}"),
            ("$1::mood::text", "text:sad", "text:sad"),
            ("$1::int", "unsupported:int4[]", "error parameter $1"),
            ("$1::int", "text:abc", "error parameter $1"),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_values_keep_their_type() {
    let server = mariadb().await;
    server
        .execute(&[
            "CREATE TABLE v (u BIGINT UNSIGNED, b BIT(10), y YEAR, e ENUM('a', 'b'), s SET('x', 'y'), j JSON, \
             ts TIMESTAMP(6) NULL, dt DATETIME(3), d DATE, t TIME, g POINT, n DECIMAL(30, 10), i TINYINT(1), f FLOAT)",
            "INSERT INTO v VALUES (18446744073709551615, b'1000000001', 2026, 'b', 'x,y', '{\"a\": 1}', \
             '2026-11-23 10:20:30.123456', '2026-11-23 10:20:30.5', '2026-11-23', '-838:59:59', POINT(1, 2), 1.5, 1, 1.5)",
            "SET sql_mode = ''",
            "CREATE TABLE zero (d DATE, dt DATETIME, ts TIMESTAMP NOT NULL DEFAULT 0)",
        ])
        .await;
    // A date of zeros takes a session that allows it, and `execute` takes one connection a call.
    server.execute(&["INSERT IGNORE INTO zero VALUES ('0000-00-00', '2026-00-00 00:00:00', 0)"]).await;
    let database = bound(server.url(), "");
    assert_values(
        &database,
        &[
            ("NULL", "null"),
            ("1, -1, 2.50, 1e3", "integer:1 | integer:-1 | numeric:2.50 | float:1000"),
            ("u, b, y FROM v", "unsigned:18446744073709551615 | integer:513 | integer:2026"),
            ("e, s FROM v", "text:b | text:x,y"),
            ("ts, dt FROM v", "timestamp:2026-11-23T10:20:30.123456Z | timestamp:2026-11-23T10:20:30.5"),
            ("d, t FROM v", "date:2026-11-23 | time:-838:59:59"),
            ("n, i, f FROM v", "numeric:1.5000000000 | boolean:true | float:1.5"),
            ("g FROM v", "unsupported:geometry"),
            ("'grün', ''", "text:grün | text:"),
            ("x'00ff', UNHEX('')", "blob:00ff | blob:"),
            ("d, dt, ts FROM zero", "date:0000-00-00 | timestamp:2026-00-00T00:00:00 | timestamp:0000-00-00T00:00:00Z"),
        ],
    );
    assert_parameters(
        &database,
        &[
            ("?", "null", "null"),
            ("CAST(? AS SIGNED)", "integer:-5", "integer:-5"),
            ("CAST(? AS UNSIGNED)", "unsigned:18446744073709551615", "unsigned:18446744073709551615"),
            ("CAST(? AS DECIMAL(10,3))", "numeric:-12.340", "numeric:-12.340"),
            ("CAST(? AS DOUBLE)", "float:0.5", "float:0.5"),
            ("CAST(? AS CHAR)", "text:it's; DROP TABLE t -- ", "text:it's; DROP TABLE t -- "),
            ("CAST(? AS BINARY)", "blob:00ff", "blob:00ff"),
            ("CAST(? AS DATETIME(6))", "timestamp:2026-11-23T08:20:30.123456Z", "timestamp:2026-11-23T08:20:30.123456"),
            ("CAST(? AS DATE)", "date:2026-02-28", "date:2026-02-28"),
            ("CAST(? AS TIME(1))", "time:10:20:30.5", "time:10:20:30.5"),
            ("CAST(JSON_VALUE(?, '$.a') AS CHAR)", "json:{\"a\": 1}", "text:1"),
            ("? + 1", "boolean:true", "integer:2"),
            ("?", "unsupported:x", "error parameter 1"),
        ],
    );
    // Of these the server names the columns only with the rows.
    let answers = database.queries(&["SHOW PLUGINS", "SHOW INDEX FROM v", "SHOW FULL PROCESSLIST", "SHOW WARNINGS"]);
    assert!(answers.iter().all(|answer| answer.kind == "ok"), "{answers:?}");
    assert!(answers[0].text.contains("text:InnoDB | text:ACTIVE"), "{:?}", answers[0]);
    assert_eq!(answers[1].text, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_values_are_what_is_stored_not_what_was_declared() {
    let file = sqlite(
        "CREATE TABLE v (n INTEGER, t TEXT, b BLOB, r REAL, w BOOLEAN, d DATETIME);
        INSERT INTO v VALUES (1, 'a', x'00ff', 1.5, 1, '2026-11-23 10:20:30');
        INSERT INTO v VALUES ('text', x'01', 'text', 'text', 'text', 5);
        INSERT INTO v VALUES (NULL, NULL, NULL, NULL, NULL, NULL);
        INSERT INTO v VALUES (9223372036854775807, CAST(x'ff' AS TEXT), 3, 2, 0, 1.25)",
    )
    .await;
    let database = bound(file.url(), "");
    assert_values(
        &database,
        &[
            (
                "* FROM v",
                "integer:1 | text:a | blob:00ff | float:1.5 | integer:1 | text:2026-11-23 10:20:30\n\
                 text:text | blob:01 | text:text | text:text | text:text | integer:5\n\
                 null | null | null | null | null | null\n\
                 integer:9223372036854775807 | blob:ff | integer:3 | float:2 | integer:0 | float:1.25",
            ),
            ("1e999, -1e999, 0.1", "float:inf | float:-inf | float:0.1"),
            ("json('{\"a\":1}'), NULL", "text:{\"a\":1} | null"),
        ],
    );
    assert_parameters(
        &database,
        &[
            ("?", "null", "null"),
            ("?", "boolean:true", "integer:1"),
            ("?", "integer:-5", "integer:-5"),
            ("?", "unsigned:18446744073709551615", "error larger than SQLite's integers"),
            ("?", "float:0.5", "float:0.5"),
            ("?", "numeric:12.30", "text:12.30"),
            ("?", "text:it's", "text:it's"),
            ("?", "blob:00ff", "blob:00ff"),
            ("?", "uuid:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "text:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            ("?", "timestamp:2026-11-23T08:20:30Z", "text:2026-11-23T08:20:30Z"),
            ("?", "json:{}", "text:{}"),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_out_and_in_keep_every_field() {
    let (postgres, mariadb) = (postgres().await, mariadb().await);
    for server in [&postgres, &mariadb] {
        server.execute(&["CREATE TABLE a (n int, t text)", "CREATE TABLE b (n int, t text)"]).await;
        server.execute(&["INSERT INTO a VALUES (1, 'x,\"y\"\nz'), (2, ''), (3, NULL)"]).await;
    }
    let file = sqlite(
        "CREATE TABLE a (n INTEGER, t TEXT); CREATE TABLE b (n INTEGER, t TEXT); \
        INSERT INTO a VALUES (1, 'x,\"y\"' || char(10) || 'z'), (2, ''), (3, NULL)",
    )
    .await;
    for target in [postgres.url().to_string(), mariadb.url().to_string(), file.url()] {
        let database = bound(&target, ",write,table=b");
        let out = database.one(json!({"do": "copy-out", "text": "SELECT n, t FROM a ORDER BY n"}));
        let csv = "1,\"x,\"\"y\"\"\nz\"\n2,\"\"\n3,\n";
        assert_eq!(out.text.trim_end(), format!("3 rows\n{csv}").trim_end(), "{target}");
        let run = database.run(&json!([
            {"do": "copy-in", "table": "b", "columns": ["n", "t"], "data": csv},
            {"do": "query", "text": "SELECT n, t FROM b ORDER BY n"},
            {"do": "copy-in", "table": "a", "columns": ["n", "t"], "data": csv},
            {"do": "copy-in", "table": "b", "columns": ["n"], "data": "1,2\n"},
            {"do": "copy-in", "table": "b", "columns": [], "data": ""},
            {"do": "copy-out", "text": "DELETE FROM b"},
            {"do": "query", "text": "SELECT count(*) FROM b"},
        ]));
        assert_eq!(run.answers[0].text, "3");
        assert_eq!(run.answers[1].text, "integer:1 | text:x,\"y\"\nz\ninteger:2 | text:\ninteger:3 | null");
        run.answers[2].expect("refused", "add `,table=a` to --sql");
        assert_ne!(run.answers[3].kind, "ok");
        run.answers[4].expect("invalid", "names no column");
        run.answers[5].expect("refused", "is no read");
        assert_eq!(run.answers[6].text, "integer:3");
    }
}
