//! Which rows: the condition, written once, with which they are counted and removed.

use taskhost_sdk::prelude::*;
use taskhost_sdk::sql::{Database, Dialect, Value, identifier_for};
use taskhost_sdk::words::span;

/// A table, quoted as its dialect has it.
pub(crate) struct Name {
    schema: Option<String>,
    table: String,
    quoted: String,
}

impl Name {
    /// Reads `table` or `schema.table`.
    pub(crate) fn parse(written: &str, dialect: Dialect) -> Result<Self> {
        let parts: Vec<&str> = written.split('.').collect();
        let (schema, table) = match parts.as_slice() {
            [table] => (None, *table),
            [schema, table] => (Some((*schema).to_owned()), *table),
            _ => bail!("`{written}` is no table: write it as table or schema.table"),
        };
        if table.is_empty() || schema.as_ref().is_some_and(String::is_empty) {
            bail!("`{written}` is no table: write it as table or schema.table");
        }
        let quoted: Vec<String> =
            schema.iter().map(String::as_str).chain([table]).map(|part| identifier_for(dialect, part)).collect();
        Ok(Self { schema, table: table.into(), quoted: quoted.join(".") })
    }
}

/// Stands in a clause for the table that it is of: no name holds it.
const ROW: &str = "\u{1}";

/// Rows of a table.
pub(crate) struct Condition {
    /// For a WHERE, with [`ROW`] before each column of the table.
    clause: String,
    /// Its parameters.
    pub(crate) values: Vec<Value>,
    /// For people, behind "rows that are".
    pub(crate) words: String,
}

impl Condition {
    pub(crate) fn count(&self, table: &Name) -> String {
        format!("SELECT count(*) FROM {} AS t WHERE {}", table.quoted, self.clause.replace(ROW, "t"))
    }

    /// At most so many rows, by what the database finds a row with at once.
    pub(crate) fn delete(&self, dialect: Dialect, table: &Name, rows: u64) -> String {
        let (name, clause) = (&table.quoted, self.clause.replace(ROW, "t"));
        match dialect {
            // The condition stands outside too: in a table of several parts two rows can have one ctid, and a column of
            // SQLite may be named rowid. What does not match is never removed.
            Dialect::Postgres | Dialect::Sqlite => {
                let id = if dialect == Dialect::Postgres { "ctid" } else { "rowid" };
                let own = self.clause.replace(ROW, name);
                format!(
                    "DELETE FROM {name} WHERE {id} IN (SELECT t.{id} FROM {name} AS t WHERE {clause} LIMIT {rows}) AND {own}"
                )
            }
            // It takes no alias, and no subquery of the same table.
            Dialect::Mysql | Dialect::Mariadb => {
                format!("DELETE FROM {name} WHERE {} LIMIT {rows}", self.clause.replace(ROW, name))
            }
        }
    }
}

/// Rows whose column is before a time, which is fixed here: the run does not remove what grows old meanwhile.
pub(crate) async fn older(
    database: &Database,
    dialect: Dialect,
    table: &Name,
    column: &str,
    age: Duration,
) -> Result<Condition> {
    let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
    let kind = kind_of(database, dialect, table, column).await?;
    let quoted = identifier_for(dialect, column);
    let words = format!("older than {}", span(age.as_secs()));
    let (clause, value) = match (dialect, kind) {
        (_, Kind::Seconds) => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
            let before = i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(seconds);
            let parameter = match dialect {
                Dialect::Postgres => "$1",
                Dialect::Sqlite => "?1",
                Dialect::Mysql | Dialect::Mariadb => "?",
            };
            (format!("{ROW}.{quoted} < {parameter}"), Value::from(before))
        }
        (Dialect::Postgres, Kind::Time) => {
            let before = "SELECT (now() - $1::bigint * interval '1 second')::text";
            let before: String = database.query_one(before, &[seconds.into()]).await?.get(0)?;
            (format!("{ROW}.{quoted} < $1::text::timestamptz"), before.into())
        }
        (Dialect::Sqlite, Kind::Time) => {
            let before = "SELECT datetime('now', ? || ' seconds')";
            let before: String = database.query_one(before, &[format!("-{seconds}").into()]).await?.get(0)?;
            // Also of those that are written with a `T`.
            (format!("datetime({ROW}.{quoted}) < ?1"), before.into())
        }
        (Dialect::Mysql | Dialect::Mariadb, Kind::Time) => {
            let before = format!("SELECT date_format(now() - interval {seconds} second, '%Y-%m-%d %H:%i:%s')");
            let before: String = database.query_one(&before, &[]).await?.get(0)?;
            (format!("{ROW}.{quoted} < ?"), before.into())
        }
    };
    Ok(Condition { clause, values: vec![value], words })
}

/// Rows that name a parent which is not there. One that names none is no orphan.
pub(crate) async fn orphaned(
    database: &Database,
    dialect: Dialect,
    table: &Name,
    column: &str,
    parent: &Name,
    key: &str,
) -> Result<Condition> {
    kind_of(database, dialect, table, column).await?;
    let (column, key) = (identifier_for(dialect, column), identifier_for(dialect, key));
    let clause = format!(
        "{ROW}.{column} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE p.{key} = {ROW}.{column})",
        parent.quoted
    );
    // Without a parent at all, every row would be an orphan: more likely the wrong table was named.
    let any = format!("SELECT count(*) FROM (SELECT 1 AS one FROM {} LIMIT 1) AS some_of_them", parent.quoted);
    if database.query_one(&any, &[]).await?.get::<i64>(0)? == 0 {
        let name = parent.schema.iter().chain([&parent.table]).map(String::as_str).collect::<Vec<_>>().join(".");
        bail!("`{name}` is empty, so that every row would be without its parent; nothing is removed");
    }
    Ok(Condition { clause, values: vec![], words: "without their parent".into() })
}

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Time,
    /// Since 1970.
    Seconds,
}

async fn kind_of(database: &Database, dialect: Dialect, table: &Name, column: &str) -> Result<Kind> {
    let quoted = identifier_for(dialect, column);
    let probe = format!("SELECT t.{quoted} FROM {} AS t WHERE t.{quoted} IS NOT NULL LIMIT 1", table.quoted);
    let found = database.query_optional(&probe, &[]).await;
    let row = found.context(format!("looking at `{column}` of `{}`", table.table))?;
    Ok(match row.and_then(|row| row.values().first().cloned()) {
        Some(Value::Integer(_)) => Kind::Seconds,
        _ => Kind::Time,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_quoted_part_by_part() {
        for (written, dialect, quoted) in [
            ("sessions", Dialect::Postgres, "\"sessions\""),
            ("app.sessions", Dialect::Postgres, "\"app\".\"sessions\""),
            ("se\"ss", Dialect::Sqlite, "\"se\"\"ss\""),
            ("app.ses`s", Dialect::Mariadb, "`app`.`ses``s`"),
        ] {
            assert_eq!(Name::parse(written, dialect).unwrap().quoted, quoted);
        }
        for written in ["", "a.b.c", ".a", "a."] {
            assert!(Name::parse(written, Dialect::Postgres).is_err(), "{written}");
        }
    }

    #[test]
    fn a_batch_is_bounded_in_every_dialect() {
        let condition = Condition { clause: format!("{ROW}.a < ?"), values: vec![], words: String::new() };
        for (dialect, expected) in [
            (
                Dialect::Postgres,
                "DELETE FROM \"x\" WHERE ctid IN (SELECT t.ctid FROM \"x\" AS t WHERE t.a < ? LIMIT 5) AND \"x\".a < ?",
            ),
            (
                Dialect::Sqlite,
                "DELETE FROM \"x\" WHERE rowid IN (SELECT t.rowid FROM \"x\" AS t WHERE t.a < ? LIMIT 5) AND \"x\".a < ?",
            ),
            (Dialect::Mysql, "DELETE FROM `x` WHERE `x`.a < ? LIMIT 5"),
        ] {
            let table = Name::parse("x", dialect).unwrap();
            assert_eq!(condition.delete(dialect, &table, 5), expected);
        }
    }
}
