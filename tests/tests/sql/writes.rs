//! Row changes: on granted tables only, within their budget, all or nothing.

use serde_json::{Value, json};
use taskhost_tests::{mariadb, postgres};

use crate::script::{Bound, bound, sqlite};

fn execute(text: &str) -> Value {
    json!({"do": "execute", "text": text})
}

/// Each statement gives that: `ok N`, or the error's name and what it says.
#[track_caller]
fn assert_changes(database: &Bound, cases: &[(&str, &str)]) {
    // In a rehearsal, so that the cases do not see each other, and the numbers are real all the same.
    let run = database.plan(&cases.iter().map(|(text, _)| execute(text)).collect());
    assert_eq!(run.answers.len(), cases.len(), "{}", run.output);
    for ((text, expected), answer) in cases.iter().zip(&run.answers) {
        let shown = format!("{} {}", answer.kind, answer.text);
        let (kind, says) = expected.split_once(": ").unwrap_or((expected, ""));
        assert!(shown.starts_with(kind) && shown.contains(says), "{text}: {shown}");
        if kind.starts_with("ok") {
            assert_eq!(shown, *expected, "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_changes_granted_tables_only() {
    let server = postgres().await;
    server
        .execute(&[
            "CREATE TABLE orders (id int PRIMARY KEY, a int)",
            "INSERT INTO orders SELECT g, g FROM generate_series(1, 10) g",
            "CREATE TABLE other (id int PRIMARY KEY REFERENCES orders, a int)",
            "CREATE TABLE \"Orders\" (id int)",
            "CREATE TABLE \"or\"\"ders\" (id int)",
            "CREATE SCHEMA secret",
            "CREATE TABLE secret.orders (id int)",
            "CREATE VIEW seen AS SELECT * FROM other",
            "CREATE TABLE ruled (id int)",
            "CREATE RULE r AS ON INSERT TO ruled DO ALSO DELETE FROM other",
            "CREATE SCHEMA archive",
            "CREATE TABLE archive.orders_2025 (id int)",
            "INSERT INTO archive.orders_2025 VALUES (1)",
        ])
        .await;
    let settings = ",write,table=orders,table=seen,table=ruled,table=archive.orders_*";
    let database = bound(server.url(), settings);
    assert_changes(
        &database,
        &[
            ("DELETE FROM orders WHERE id > 7", "ok 3"),
            ("delete from ORDERS", "ok 10"),
            ("DELETE FROM \"orders\"", "ok 10"),
            ("DELETE FROM public.orders AS other", "ok 10"),
            ("INSERT INTO orders VALUES (11), (12)", "ok 2"),
            ("DELETE FROM orders RETURNING id", "refused: leave RETURNING out"),
            ("INSERT INTO orders VALUES (1) ON CONFLICT DO NOTHING", "ok 0"),
            ("INSERT INTO orders VALUES (1, 5) ON CONFLICT (id) DO UPDATE SET a = excluded.a", "ok 1"),
            ("UPDATE orders AS o SET a = 0 FROM other x WHERE x.id = o.id", "ok 0"),
            (
                "WITH old AS (SELECT id FROM orders LIMIT 4) DELETE FROM orders USING old WHERE orders.id = old.id",
                "ok 4",
            ),
            ("DELETE FROM archive.orders_2025", "ok 1"),
            ("DELETE FROM other", "refused: names no table `other`"),
            ("DELETE FROM \"Orders\"", "refused: names no table `Orders`"),
            ("DELETE FROM \"or\"\"ders\"", "refused: names no table"),
            ("DELETE FROM secret.orders", "refused: names no table `secret.orders`"),
            ("DELETE FROM other AS orders", "refused: names no table `other`"),
            ("UPDATE other orders SET a = 1", "refused: names no table `other`"),
            (
                "WITH orders AS (DELETE FROM other RETURNING id) DELETE FROM public.orders",
                "refused: leave RETURNING out",
            ),
            (
                "WITH x AS (INSERT INTO other VALUES (1) RETURNING id) UPDATE orders SET a = 1",
                "refused: leave RETURNING out",
            ),
            (
                "INSERT INTO orders SELECT * FROM (WITH x AS (DELETE FROM other RETURNING *) SELECT * FROM x) y",
                "refused",
            ),
            ("DELETE FROM seen", "refused: `seen` is no base table"),
            ("INSERT INTO ruled VALUES (1)", "refused: has rules"),
            ("DELETE FROM archive.others", "refused: names no table `archive.others`"),
            ("DELETE FROM pg_catalog.pg_class", "refused: belongs to the database system"),
            ("DELETE FROM orders; DELETE FROM other", "refused: several statements"),
            ("TRUNCATE orders", "refused"),
            ("MERGE INTO orders USING other ON orders.id = other.id WHEN MATCHED THEN DELETE", "refused"),
            ("DROP TABLE orders", "refused"),
            ("SELECT 1", "refused"),
            ("COPY orders FROM '/etc/hostname'", "refused"),
            ("DELETE FROM orders WHERE a = length(pg_read_file('/etc/hostname'))", "refused: acts outside"),
            ("UPDATE orders SET a = length(set_config('a.b', 'c', false))", "refused: not known to be harmless"),
            ("INSERT INTO orders VALUES (1)", "database 23505 orders_pkey: duplicate key"),
            ("DELETE FROM archive.orders_1", "database 42P01: does not exist"),
            ("UPDATE orders SET b = 1", "database 42703"),
            ("INSERT INTO orders VALUES (NULL)", "database 23502"),
            ("UPDATE orders SET a = 1 / 0", "database 22012"),
            ("DELETE FROM orders WHERE id = $1", "invalid: takes 1 parameters and was given 0"),
        ],
    );
    assert_eq!(server.number("SELECT count(*) FROM orders").await, 10);
    // Someone puts a schema of their own in front.
    server.execute(&[&format!("ALTER DATABASE {} SET search_path = secret, public", server.name())]).await;
    database.one(execute("DELETE FROM orders")).expect("refused", "the one in schema secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_changes_granted_tables_only() {
    let (server, second) = (mariadb().await, mariadb().await);
    second.execute(&["CREATE TABLE orders (id int)"]).await;
    server
        .execute(&[
            "CREATE TABLE orders (id int PRIMARY KEY, a int)",
            "INSERT INTO orders SELECT seq, seq FROM seq_1_to_10",
            "CREATE TABLE other (id int PRIMARY KEY, a int)",
            "INSERT INTO other VALUES (1, 1)",
            "CREATE VIEW seen AS SELECT * FROM other",
        ])
        .await;
    let away = format!("DELETE FROM {}.orders", second.name());
    let home = format!("DELETE FROM `{}`.`orders`", server.name());
    assert_changes(
        &bound(server.url(), ",write,table=orders,table=seen"),
        &[
            ("DELETE FROM orders WHERE id > 7", "ok 3"),
            (&home, "ok 10"),
            ("DELETE FROM `orders` LIMIT 2", "ok 2"),
            ("INSERT INTO orders VALUES (11, 1), (12, 1)", "ok 2"),
            ("REPLACE INTO orders VALUES (1, 9)", "ok 2"),
            ("INSERT INTO orders VALUES (1, 5) ON DUPLICATE KEY UPDATE a = 5", "ok 2"),
            ("UPDATE orders SET a = 0 WHERE id = 1", "ok 1"),
            ("DELETE FROM other", "refused: names no table `other`"),
            (&away, "refused: names no table"),
            ("DELETE FROM ORDERS", "refused: names no table `ORDERS`"),
            ("DELETE o FROM other o JOIN orders ON o.id = orders.id", "refused"),
            ("DELETE orders, other FROM orders JOIN other ON other.id = orders.id", "refused"),
            ("UPDATE orders JOIN other ON orders.id = other.id SET other.a = 1", "refused"),
            ("DELETE FROM seen", "refused: `seen` is no base table"),
            ("INSERT INTO orders SELECT * FROM other INTO OUTFILE '/tmp/x'", "refused"),
            ("INSERT INTO orders SET a = SLEEP(60)", "refused"),
            ("DELETE FROM mysql.db", "refused: belongs to the database system"),
            ("DELETE FROM orders; DELETE FROM other", "refused: several statements"),
            ("DELETE /*! FROM other -- */ FROM orders", "refused"),
            ("TRUNCATE orders", "refused"),
            ("INSERT INTO orders VALUES (1, 1)", "database 23000: Duplicate entry"),
            ("UPDATE orders SET b = 1", "database 42S22"),
            ("INSERT INTO orders VALUES (99, 'abc')", "database 22007"),
        ],
    );
    assert_eq!(server.number("SELECT COUNT(*) FROM orders").await, 10);
    let database = bound(server.url(), ",write,table=gone");
    database.one(execute("DELETE FROM gone")).expect("database 42S02", "doesn't exist");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_changes_granted_tables_only() {
    let file = sqlite(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, a UNIQUE); CREATE TABLE other (id, a);
        WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) INSERT INTO orders SELECT i, i FROM n;
        INSERT INTO other VALUES (1, 1); CREATE VIEW seen AS SELECT * FROM other;
        CREATE TRIGGER t INSTEAD OF DELETE ON seen BEGIN DELETE FROM other; END",
    )
    .await;
    assert_changes(
        &bound(file.url(), ",write,table=orders,table=seen,table=gone"),
        &[
            ("DELETE FROM orders WHERE id > 7", "ok 3"),
            ("DELETE FROM ORDERS", "ok 10"),
            ("DELETE FROM [orders]", "ok 10"),
            ("DELETE FROM main.\"orders\"", "ok 10"),
            ("INSERT INTO orders VALUES (11, 11), (12, 12)", "ok 2"),
            ("INSERT OR REPLACE INTO orders VALUES (1, 2)", "ok 1"),
            ("INSERT INTO orders VALUES (1, 50) ON CONFLICT DO UPDATE SET a = 50", "ok 1"),
            ("WITH x AS (SELECT 3 AS i) UPDATE orders SET a = -1 WHERE id IN (SELECT i FROM x)", "ok 1"),
            ("DELETE FROM other", "refused: names no table `other`"),
            ("DELETE FROM other AS orders", "refused: names no table `other`"),
            ("DELETE FROM temp.orders", "refused: names no table `temp.orders`"),
            ("DELETE FROM seen", "refused: `seen` is no base table"),
            ("DELETE FROM sqlite_schema", "refused: belongs to the database system"),
            ("DELETE FROM orders; DELETE FROM other", "refused: several statements"),
            ("DELETE FROM orders WHERE load_extension('x')", "refused: acts outside"),
            ("INSERT INTO orders VALUES (1, 1)", "database 1555: UNIQUE constraint failed"),
            ("UPDATE orders SET a = 1", "database 2067: UNIQUE constraint failed"),
            ("DELETE FROM gone", "database 1: no such table"),
            ("UPDATE orders SET b = 1", "database 1: no such column"),
        ],
    );
    assert_eq!(file.number("SELECT count(*) FROM orders").await, 10);
}

/// A change that the budget does not cover is not half done, and a rehearsal counts what would be.
#[tokio::test(flavor = "multi_thread")]
async fn a_budget_of_rows_stops_before_anything_is_lasting() {
    let (postgres, mariadb) = (postgres().await, mariadb().await);
    let create = "CREATE TABLE t (id int PRIMARY KEY)";
    let fill = "INSERT INTO t VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)";
    postgres.execute(&[create, fill]).await;
    mariadb.execute(&[create, fill]).await;
    let file = sqlite(&format!("{create}; {fill}")).await;
    for target in [postgres.url().to_string(), mariadb.url().to_string(), file.url()] {
        let database = bound(&target, ",write,table=t").args(&["--budget", "database.rows=4"]);
        let count = json!({"do": "query", "text": "SELECT count(*) FROM t"});

        let planned = database.plan(&json!([execute("DELETE FROM t WHERE id <= 3"), count]));
        assert_eq!(planned.answers[0].text, "3", "{target}");
        assert_eq!(planned.answers[1].text, "integer:10");
        let effect = &planned.report["effects"][0];
        assert_eq!((effect["decision"].as_str(), effect["rows"].as_u64()), (Some("rehearse"), Some(3)), "{effect}");

        let run = database.run(&json!([
            execute("DELETE FROM t WHERE id <= 3"),
            execute("DELETE FROM t WHERE id <= 6"),
            count,
            {"do": "copy-in", "table": "t", "columns": ["id"], "data": "21\n22\n"},
            {"do": "begin", "as": "x"},
            {"do": "execute", "on": "x", "text": "DELETE FROM t WHERE id = 7"},
            {"do": "execute", "on": "x", "text": "DELETE FROM t WHERE id >= 8"},
            {"do": "execute", "on": "x", "text": "DELETE FROM t WHERE id = 10"},
            {"do": "commit", "on": "x"},
            count,
        ]));
        assert_eq!(run.answers[0].text, "3");
        run.answers[1].expect("over-budget", "slot `database`");
        assert_eq!(run.answers[2].text, "integer:7", "{target}: half a change was kept");
        run.answers[3].expect("over-budget", "rows");
        assert_eq!(run.answers[5].text, "1");
        run.answers[6].expect("over-budget", "rows");
        assert_ne!(run.answers[7].kind, "ok", "the transaction goes on after it was over its budget");
        assert_ne!(run.answers[8].kind, "ok", "a transaction over its budget was committed");
        assert_eq!(run.answers[9].text, "integer:7", "{target}");
    }
}
