//! The sizes as each database tells them.

use taskhost_sdk::prelude::*;
use taskhost_sdk::sql::{Database, Dialect, Row};
use taskhost_sdk::words::size;

/// A table with its indexes.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) table: u64,
    pub(crate) indexes: u64,
    /// The largest of its indexes, where the database tells them apart.
    pub(crate) largest_index: Option<(String, u64)>,
}

impl Part {
    pub(crate) fn bytes(&self) -> u64 {
        self.table.saturating_add(self.indexes)
    }

    /// For people.
    pub(crate) fn line(&self) -> String {
        let index = match &self.largest_index {
            Some((name, bytes)) => format!(", the largest {name} with {}", size(*bytes)),
            None => String::new(),
        };
        format!("{}: {} and {} of indexes{index}", self.name, size(self.table), size(self.indexes))
    }
}

/// With TOAST, of which a row that is large is made. Partitions count by themselves.
const POSTGRES: &str = "
select n.nspname || '.' || c.relname as name, pg_table_size(c.oid) as table_bytes, pg_indexes_size(c.oid) as index_bytes,
       i.name as index_name, i.bytes as largest_index
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join lateral (select x.relname::text as name, pg_relation_size(x.oid) as bytes
                   from pg_index join pg_class x on x.oid = indexrelid where indrelid = c.oid
                   order by 2 desc limit 1) i on true
where c.relkind in ('r', 'm') and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema')";

const MARIADB: &str = "
select table_name as name, cast(coalesce(data_length, 0) as signed) as table_bytes,
       cast(coalesce(index_length, 0) as signed) as index_bytes
from information_schema.tables where table_schema = database() and table_type = 'BASE TABLE'";

/// Bytes of the whole database, and its tables.
pub(crate) async fn read(database: &Database, dialect: Dialect) -> Result<(u64, Vec<Part>)> {
    match dialect {
        Dialect::Postgres => {
            let whole = database.query_one("select pg_database_size(current_database())", &[]).await?;
            let parts = database.query_all(POSTGRES, &[]).await?.iter().map(part).collect::<Result<_>>()?;
            Ok((unsigned(whole.get(0)?), parts))
        }
        Dialect::Mariadb | Dialect::Mysql => {
            let parts: Vec<Part> = database.query_all(MARIADB, &[]).await?.iter().map(part).collect::<Result<_>>()?;
            Ok((parts.iter().map(Part::bytes).sum(), parts))
        }
        Dialect::Sqlite => {
            let pages: i64 = database.query_one("pragma page_count", &[]).await?.get(0)?;
            let page: i64 = database.query_one("pragma page_size", &[]).await?.get(0)?;
            // A SQLite file does not keep the sizes of its tables.
            Ok((unsigned(pages.saturating_mul(page)), vec![]))
        }
    }
}

fn part(row: &Row) -> Result<Part> {
    let index: Option<String> = if row.values().len() > 3 { row.get("index_name")? } else { None };
    Ok(Part {
        name: row.get("name")?,
        table: unsigned(row.get("table_bytes")?),
        indexes: unsigned(row.get("index_bytes")?),
        largest_index: match index {
            Some(name) => Some((name, unsigned(row.get("largest_index")?))),
            None => None,
        },
    })
}

/// No size is below nothing.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
