//! What a database holds, asked in each dialect's words: tables with their rows, foreign keys, and whatever else a dump
//! should bring back. Only reads.

use std::collections::BTreeMap;

use backup_files::{MARIADB_TABLES, POSTGRES_TABLES, SQLITE_TABLES, table_label};
use taskhost_sdk::prelude::*;
use taskhost_sdk::sql::{Database, Dialect, Error, Row, identifier_for};

const POSTGRES_KEYS: &str = include_str!("catalog/postgres-unchecked-keys.sql");
const POSTGRES_OBJECTS: &str = include_str!("catalog/postgres-objects.sql");
const MARIADB_KEYS: &str = include_str!("catalog/mariadb-keys.sql");
const MARIADB_OBJECTS: &str = include_str!("catalog/mariadb-objects.sql");
const SQLITE_KEYS: &str = "select f.\"table\" as child, f.parent as parent, count(*) as orphans \
                           from pragma_foreign_key_check f group by f.\"table\", f.parent";
const SQLITE_OBJECTS: &str = include_str!("catalog/sqlite-objects.sql");
const SQLITE_DAMAGE: &str = "select i.integrity_check as damage from pragma_integrity_check i";

/// One database as it is looked at.
pub(crate) struct Catalog<'a> {
    /// Where its tables are read.
    tables: &'a Database,
    /// Where its catalog is read: MariaDB's lies in a database of its own, which a statement in a scratch database may
    /// not name.
    schema: &'a Database,
    dialect: Dialect,
    /// What MariaDB's catalog knows it as.
    name: String,
}

/// A table, and what the catalog says of it.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    schema: Option<String>,
    name: String,
    pub(crate) has_primary_key: bool,
    /// The server's own guess at its rows.
    pub(crate) estimate: Option<u64>,
}

impl Table {
    /// `schema.table` for PostgreSQL, else `table`.
    pub(crate) fn label(&self) -> String {
        table_label(self.schema.as_deref(), &self.name)
    }

    fn quoted(&self, dialect: Dialect) -> String {
        let name = identifier_for(dialect, &self.name);
        self.schema.as_ref().map_or(name.clone(), |schema| format!("{}.{name}", identifier_for(dialect, schema)))
    }
}

/// A foreign key, to be checked row by row.
struct ForeignKey {
    name: String,
    child: Table,
    parent: Table,
    /// The child's column and the parent's.
    columns: Vec<(String, String)>,
}

/// Rows that point at no parent.
pub(crate) struct Orphans {
    pub(crate) child: String,
    pub(crate) parent: String,
    pub(crate) rows: u64,
    /// The database enforces the key, so that no such row can be in the original.
    pub(crate) enforced: bool,
}

impl<'a> Catalog<'a> {
    /// The database of the slot.
    pub(crate) async fn live(database: &'a Database) -> Result<Self, Error> {
        let server = database.server().await?;
        Ok(Self { tables: database, schema: database, dialect: server.dialect, name: server.database })
    }

    /// A scratch database beside it.
    pub(crate) async fn scratch(scratch: &'a Database, beside: &'a Database) -> Result<Self, Error> {
        let server = scratch.server().await?;
        let schema = if is_mysql(server.dialect) { beside } else { scratch };
        Ok(Self { tables: scratch, schema, dialect: server.dialect, name: server.database })
    }

    /// The tables that hold rows of their own.
    pub(crate) async fn tables(&self) -> Result<Vec<Table>> {
        let statement = match self.dialect {
            Dialect::Postgres => POSTGRES_TABLES,
            Dialect::Mariadb | Dialect::Mysql => MARIADB_TABLES,
            Dialect::Sqlite => SQLITE_TABLES,
        };
        let mut tables = Vec::new();
        for row in self.ask(statement).await? {
            tables.push(Table {
                schema: row.get("table_schema")?,
                name: row.get("name")?,
                has_primary_key: row.get("keyed")?,
                // -1 is PostgreSQL's word for a table that was never analyzed.
                estimate: row.get::<Option<i64>>("estimate")?.and_then(|rows| u64::try_from(rows).ok()),
            });
        }
        Ok(tables)
    }

    /// The rows of a table, counted.
    pub(crate) async fn count(&self, table: &Table) -> Result<u64, Error> {
        let statement = format!("select count(*) as number from {}", table.quoted(self.dialect));
        let row = self.tables.query_one(&statement, &[]).await?;
        row.get("number").map_err(|failure| Error::Invalid(failure.message))
    }

    /// Indexes, views, routines ..., with the number of each.
    pub(crate) async fn objects(&self) -> Result<BTreeMap<String, u64>> {
        let statement = match self.dialect {
            Dialect::Postgres => POSTGRES_OBJECTS,
            Dialect::Mariadb | Dialect::Mysql => MARIADB_OBJECTS,
            Dialect::Sqlite => SQLITE_OBJECTS,
        };
        let rows = self.ask(statement).await?;
        rows.iter().map(|row| Ok((row.get("kind")?, row.get("number")?))).collect()
    }

    /// Rows that point at no parent. PostgreSQL checked every key when the dump added it, except those that it is told
    /// not to validate; a dump of MariaDB or SQLite switches the checks off.
    pub(crate) async fn orphans(&self) -> Result<Vec<Orphans>> {
        if self.dialect == Dialect::Sqlite {
            let rows = self.tables.query_all(SQLITE_KEYS, &[]).await?;
            return rows.iter().map(sqlite_orphans).collect();
        }
        let statement = if self.dialect == Dialect::Postgres { POSTGRES_KEYS } else { MARIADB_KEYS };
        let mut orphans = Vec::new();
        for key in foreign_keys(&self.ask(statement).await?)? {
            let row = self.tables.query_one(&key.statement(self.dialect), &[]).await.context(&key.name)?;
            let rows = row.get("orphans")?;
            if rows > 0 {
                orphans.push(Orphans {
                    child: key.child.label(),
                    parent: key.parent.label(),
                    rows,
                    enforced: is_mysql(self.dialect),
                });
            }
        }
        Ok(orphans)
    }

    /// What SQLite finds wrong with the file, checks and unique indexes included; the servers check when they load.
    pub(crate) async fn damage(&self) -> Result<Vec<String>> {
        if self.dialect != Dialect::Sqlite {
            return Ok(vec![]);
        }
        let rows = self.tables.query_all(SQLITE_DAMAGE, &[]).await?;
        let said: Vec<String> = rows.iter().map(|row| row.get("damage")).collect::<Result<_>>()?;
        Ok(said.into_iter().filter(|line| line != "ok").collect())
    }

    async fn ask(&self, statement: &str) -> Result<Vec<Row>, Error> {
        let named = params![self.name.as_str()];
        self.schema.query_all(statement, if is_mysql(self.dialect) { named } else { &[] }).await
    }
}

fn is_mysql(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Mysql | Dialect::Mariadb)
}

fn sqlite_orphans(row: &Row) -> Result<Orphans> {
    let (child, parent, rows) = (row.get("child")?, row.get("parent")?, row.get("orphans")?);
    // SQLite enforces foreign keys only for connections that ask for it.
    Ok(Orphans { child, parent, rows, enforced: false })
}

/// One row a pair of columns, in order, becomes one key with its pairs.
fn foreign_keys(rows: &[Row]) -> Result<Vec<ForeignKey>> {
    let mut keys: Vec<ForeignKey> = Vec::new();
    for row in rows {
        let table = |schema: &str, name: &str| -> Result<Table> {
            Ok(Table { schema: row.get(schema)?, name: row.get(name)?, has_primary_key: true, estimate: None })
        };
        let name: String = row.get("name")?;
        let (child, parent) = (table("child_schema", "child")?, table("parent_schema", "parent")?);
        let pair = (row.get("child_column")?, row.get("parent_column")?);
        match keys.last_mut() {
            Some(key) if key.name == name && key.child.label() == child.label() => key.columns.push(pair),
            _ => keys.push(ForeignKey { name, child, parent, columns: vec![pair] }),
        }
    }
    Ok(keys)
}

impl ForeignKey {
    /// Counts the rows whose columns are all set (MATCH SIMPLE), and that no parent has.
    fn statement(&self, dialect: Dialect) -> String {
        let quoted = |column: &str| identifier_for(dialect, column);
        let set: Vec<String> =
            self.columns.iter().map(|(child, _)| format!("c.{} is not null", quoted(child))).collect();
        let same: Vec<String> =
            self.columns.iter().map(|(child, parent)| format!("p.{} = c.{}", quoted(parent), quoted(child))).collect();
        format!(
            "select count(*) as orphans from {} c where {} and not exists (select 1 from {} p where {})",
            self.child.quoted(dialect),
            set.join(" and "),
            self.parent.quoted(dialect),
            same.join(" and ")
        )
    }
}

#[cfg(test)]
mod tests {
    use taskhost_sdk::sql::{Column, Value};

    use super::*;

    fn pair(name: &str, schema: Option<&str>, child: &str, parent: &str, columns: (&str, &str)) -> Row {
        let names = ["name", "child_schema", "child", "parent_schema", "parent", "child_column", "parent_column"];
        let columns_of = names.map(|name| Column { name: name.into(), type_name: "text".into() });
        let values = [Some(name), schema, Some(child), schema, Some(parent), Some(columns.0), Some(columns.1)];
        Row::new(columns_of.into(), values.map(Value::from).into())
    }

    #[test]
    fn a_key_of_several_columns_is_one_question() {
        let rows = [
            pair("k", Some("s"), "line", "order", ("a", "x")),
            pair("k", Some("s"), "line", "order", ("b\"", "y")),
            pair("k", Some("s"), "other", "order", ("a", "x")),
        ];
        let keys = foreign_keys(&rows).unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!(
            keys[0].statement(Dialect::Postgres),
            "select count(*) as orphans from \"s\".\"line\" c where c.\"a\" is not null and c.\"b\"\"\" is not null and \
             not exists (select 1 from \"s\".\"order\" p where p.\"x\" = c.\"a\" and p.\"y\" = c.\"b\"\"\")"
        );
    }

    #[test]
    fn names_are_quoted_as_the_dialect_does() {
        let keys = foreign_keys(&[pair("k", None, "a`b", "c", ("d", "e"))]).unwrap();
        assert_eq!(
            keys[0].statement(Dialect::Mariadb),
            "select count(*) as orphans from `a``b` c where c.`d` is not null and not exists (select 1 from `c` p where \
             p.`e` = c.`d`)"
        );
        assert_eq!((keys[0].child.label(), keys[0].child.quoted(Dialect::Sqlite)), ("a`b".into(), "\"a`b\"".into()));
    }
}
