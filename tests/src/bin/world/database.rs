//! The demo's database, and a dump of it.

use std::fmt::Write as _;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

/// Of 40,000 sessions that were written 2,000 are left, so that most of the file's pages are free.
const CONTENT: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, since TEXT NOT NULL);
    CREATE TABLE sessions (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers,
                           begun TEXT NOT NULL, agent TEXT, token BLOB NOT NULL);
    CREATE INDEX sessions_by_customer ON sessions (customer);
    BEGIN;
    WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 500)
        INSERT INTO customers SELECT i, 'customer ' || i, date('2024-01-01', i || ' days') FROM n;
    WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
        INSERT INTO sessions SELECT i, 1 + i % 500, datetime('2026-01-01', i || ' minutes'),
            CASE i % 3 WHEN 0 THEN NULL ELSE 'it''s agent ' || i END, randomblob(64) FROM n;
    COMMIT;
    DELETE FROM sessions WHERE id % 20 <> 0;
";

/// Makes it and returns its dump.
pub(super) async fn make(path: &Path) -> anyhow::Result<String> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    connection.execute(CONTENT).await?;
    let dump = dump(&mut connection).await?;
    connection.close().await?;
    Ok(dump)
}

/// As `sqlite3 FILE .dump` writes it: tables with their rows in the order they were made, then indexes.
async fn dump(connection: &mut SqliteConnection) -> anyhow::Result<String> {
    let objects: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type = 'index', rowid",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut dump = String::from("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n");
    for (kind, name, sql) in objects {
        writeln!(dump, "{sql};")?;
        if kind != "table" {
            continue;
        }
        let columns: Vec<String> =
            sqlx::query_scalar("SELECT name FROM pragma_table_info(?)").bind(&name).fetch_all(&mut *connection).await?;
        let quoted: Vec<_> = columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
        let rows = format!("SELECT {} FROM \"{name}\"", quoted.join(" || ',' || "));
        for row in sqlx::query_scalar::<_, String>(AssertSqlSafe(rows)).fetch_all(&mut *connection).await? {
            writeln!(dump, "INSERT INTO {name} VALUES({row});")?;
        }
    }
    dump.push_str("COMMIT;\n");
    Ok(dump)
}
