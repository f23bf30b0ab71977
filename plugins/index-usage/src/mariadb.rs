//! MariaDB and MySQL. Uses are told by `performance_schema`, or by MariaDB's `userstat`, since the server started.

use std::collections::{HashMap, HashSet};

use taskhost_sdk::prelude::*;
use taskhost_sdk::sql::{Dialect, identifier_for};

use crate::catalog::{Catalog, Elsewhere, Table};
use crate::index::{Index, Key};

/// SQLSTATE of a right that the role has not, among others.
const DENIED: &str = "42000";

const VARIABLES: &str = "
show global variables where variable_name in ('performance_schema', 'userstat', 'innodb_page_size')";

const UPTIME: &str = "show global status where variable_name = 'Uptime'";

const INDEXES: &str = "
select s.table_name as table_name, s.index_name as index_name, cast(s.non_unique as signed) as repeats,
       coalesce(s.column_name, '') as column_name, coalesce(s.collation, 'A') as direction,
       cast(coalesce(s.sub_part, 0) as signed) as part, s.index_type as method
from information_schema.statistics s
where s.table_schema = database()
order by s.table_name, s.index_name, s.seq_in_index";

const SIZES: &str = "
select i.table_name as table_name, i.index_name as index_name, cast(i.stat_value as signed) as pages
from mysql.innodb_index_stats i
where i.database_name = database() and i.stat_name = 'size'";

/// Rows without an index's name are of reading without one.
const USES: &str = "
select u.object_name as table_name, u.index_name as index_name, cast(u.count_star as signed) as uses,
       cast(u.count_fetch as signed) as fetched
from performance_schema.table_io_waits_summary_by_index_usage u
where u.object_schema = database()";

const USERSTAT: &str = "
select u.table_name as table_name, u.index_name as index_name, cast(u.rows_read as signed) as uses
from information_schema.index_statistics u
where u.table_schema = database()";

const TABLES: &str = "
select t.table_name as table_name, cast(coalesce(t.table_rows, 0) as signed) as row_count,
       cast(coalesce(t.data_length, 0) as signed) as bytes,
       cast(timestampdiff(second, t.create_time, now()) as signed) as age
from information_schema.tables t
where t.table_schema = database() and t.table_type = 'BASE TABLE'";

/// Both ends: `InnoDB` keeps no foreign key without an index at each.
const FOREIGN: &str = "
select k.constraint_name as name, k.table_name as table_name, k.column_name as column_name,
       k.referenced_table_name as parent, k.referenced_column_name as parent_column
from information_schema.key_column_usage k
where k.table_schema = database() and k.referenced_table_name is not null
order by k.table_name, k.constraint_name, k.ordinal_position";

type Place = (String, String);

/// What tells uses.
enum Uses {
    Schema,
    Userstat,
    Nothing,
}

/// Reads the catalogue; what the role may not read is reported.
pub(crate) async fn read(database: &sql::Database, dialect: Dialect) -> Result<Catalog> {
    let variables = pairs(database, VARIABLES).await?;
    let is_on = |name: &str| variables.get(name).is_some_and(|value| value.eq_ignore_ascii_case("ON"));
    let mut catalog = Catalog::new(dialect);
    let page: u64 = variables.get("innodb_page_size").and_then(|size| size.parse().ok()).unwrap_or(16 << 10);
    catalog.indexes = indexes(database, dialect, page).await?;
    for row in database.query_all(TABLES, params![]).await? {
        let (name, rows, bytes): (String, _, _) = (row.get("table_name")?, row.get("row_count")?, row.get("bytes")?);
        // The server forgets the uses of a table's indexes when the table is altered.
        let age = row.get::<Option<i64>>("age")?.and_then(|seconds| u64::try_from(seconds).ok());
        for index in catalog.indexes.iter_mut().filter(|index| index.table == name) {
            index.observed = age;
        }
        catalog.tables.push(Table { name, rows, bytes, ..Table::default() });
    }
    catalog.needs = needs(database, dialect).await?;
    let source = match (is_on("performance_schema"), is_on("userstat")) {
        (true, _) => Uses::Schema,
        (false, true) => Uses::Userstat,
        (false, false) => Uses::Nothing,
    };
    let counted = match source {
        Uses::Schema => from_schema(database, &mut catalog).await?,
        Uses::Userstat => from_userstat(database, &mut catalog).await?,
        Uses::Nothing => {
            Finding::warning("performance_schema", "uses of indexes are not counted")
                .detail("performance_schema and userstat are off: which index is unused cannot be told")
                .remedy(
                    "without a restart: set global userstat = ON; (MariaDB), and run again after some weeks; or \
                     performance_schema = ON in the server's configuration, and restart it",
                )
                .report();
            false
        }
    };
    if counted {
        catalog.observed = pairs(database, UPTIME).await?.get("uptime").and_then(|seconds| seconds.parse().ok());
        let standbys = standbys(database).await?;
        if standbys > 0 {
            catalog.elsewhere = Elsewhere::Standbys(standbys);
        }
    }
    Ok(catalog)
}

async fn indexes(database: &sql::Database, dialect: Dialect, page: u64) -> Result<Vec<Index>> {
    let sizes = match permitted(database, SIZES).await? {
        Some(rows) => {
            let size = |row: &sql::Row| Ok((place(row)?, row.get::<u64>("pages")?.saturating_mul(page)));
            rows.iter().map(size).collect::<Result<HashMap<Place, u64>>>()?
        }
        None => HashMap::new(),
    };
    let mut found: Vec<(Place, Index)> = Vec::new();
    for row in database.query_all(INDEXES, params![]).await? {
        let place = place(&row)?;
        let part: i64 = row.get("part")?;
        let column: String = row.get("column_name")?;
        let what = identifier_for(dialect, &column);
        let order = if row.get::<String>("direction")? == "D" { 3 } else { 0 };
        let key = Key { what, kind: part.to_string(), order };
        match found.last_mut() {
            Some((last, index)) if *last == place => index.keys.push(key),
            _ => {
                let (table, name) = place.clone();
                let primary = name == "PRIMARY";
                let index = Index {
                    quoted_table: identifier_for(dialect, &table),
                    quoted: identifier_for(dialect, &name),
                    name: format!("{table}.{name}"),
                    table,
                    method: row.get::<String>("method")?.to_lowercase(),
                    keys: vec![key],
                    bytes: sizes.get(&place).copied(),
                    unique: row.get::<i64>("repeats")? == 0,
                    bound: primary.then_some("primary key"),
                    valid: true,
                    ..Index::default()
                };
                found.push((place, index));
            }
        }
    }
    Ok(found.into_iter().map(|(_, index)| index).collect())
}

/// The columns of foreign keys, at both ends.
async fn needs(database: &sql::Database, dialect: Dialect) -> Result<Vec<(String, Vec<String>)>> {
    #[expect(clippy::type_complexity, reason = "where they are, and the columns at both ends")]
    let mut needs: Vec<(Place, (String, Vec<String>), (String, Vec<String>))> = Vec::new();
    for row in database.query_all(FOREIGN, params![]).await? {
        let text = |name: &str| row.get::<String>(name);
        let (table, parent, name) = (text("table_name")?, text("parent")?, text("name")?);
        let own = identifier_for(dialect, &text("column_name")?);
        let other = identifier_for(dialect, &text("parent_column")?);
        match needs.last_mut() {
            Some((last, child, pointed)) if *last == (table.clone(), name.clone()) => {
                child.1.push(own);
                pointed.1.push(other);
            }
            _ => needs.push(((table.clone(), name), (table, vec![own]), (parent, vec![other]))),
        }
    }
    Ok(needs.into_iter().flat_map(|(_, child, parent)| [child, parent]).collect())
}

/// Whether the role may read them.
async fn from_schema(database: &sql::Database, catalog: &mut Catalog) -> Result<bool> {
    let Some(rows) = permitted(database, USES).await? else {
        report_denied(database, "performance_schema", "select on performance_schema.*").await?;
        return Ok(false);
    };
    let mut uses: HashMap<Place, u64> = HashMap::new();
    for row in rows {
        let table: String = row.get("table_name")?;
        match row.get::<Option<String>>("index_name")? {
            Some(index) => {
                uses.insert((table, index), row.get("uses")?);
            }
            None => {
                let fetched: u64 = row.get("fetched")?;
                if let Some(own) = catalog.tables.iter_mut().find(|own| own.name == table) {
                    // It counts rows and not scans: as many scans as the table has rows for.
                    own.scans = fetched / own.rows.max(1);
                    own.scanned = fetched;
                }
            }
        }
    }
    for index in &mut catalog.indexes {
        let name = index.name.strip_prefix(&format!("{}.", index.table)).unwrap_or_default().to_owned();
        // A table that nobody opened since the start has no rows there, and no uses.
        index.scans = Some(uses.get(&(index.table.clone(), name)).copied().unwrap_or(0));
    }
    Ok(true)
}

/// Whether the role may read them. There is a row for what was used alone.
async fn from_userstat(database: &sql::Database, catalog: &mut Catalog) -> Result<bool> {
    let Some(rows) = permitted(database, USERSTAT).await? else {
        report_denied(database, "userstat", "process on *.*").await?;
        return Ok(false);
    };
    let uses = rows.iter().map(|row| Ok((place(row)?, row.get("uses")?))).collect::<Result<HashMap<Place, u64>>>()?;
    for index in &mut catalog.indexes {
        let name = index.name.strip_prefix(&format!("{}.", index.table)).unwrap_or_default().to_owned();
        index.scans = Some(uses.get(&(index.table.clone(), name)).copied().unwrap_or(0));
    }
    Ok(true)
}

/// Replicas that are connected; without the right to see them, none.
async fn standbys(database: &sql::Database) -> Result<u64> {
    const DUMPS: &str = "
        select p.user as name, p.host as host from information_schema.processlist p
        where p.command in ('Binlog Dump', 'Binlog Dump GTID')";
    let rows = database.query_all(DUMPS, params![]).await?;
    let seen: HashSet<String> = rows.iter().map(|row| row.get("host")).collect::<Result<_>>()?;
    Ok(seen.len() as u64)
}

fn place(row: &sql::Row) -> Result<Place> {
    Ok((row.get("table_name")?, row.get("index_name")?))
}

/// The rows of a statement that needs a right; none without it.
async fn permitted(database: &sql::Database, statement: &str) -> Result<Option<Vec<sql::Row>>> {
    match database.query_all(statement, params![]).await {
        Ok(rows) => Ok(Some(rows)),
        Err(sql::Error::Database(error)) if error.code == DENIED => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn report_denied(database: &sql::Database, subject: &str, right: &str) -> Result<()> {
    let role: String = database.query_one("select current_user() as role", params![]).await?.get("role")?;
    let (user, host) = role.rsplit_once('@').unwrap_or((&role, "%"));
    Finding::warning(subject, "may not be read")
        .detail("which index is unused cannot be told")
        .remedy(format!("grant {right} to '{user}'@'{host}';"))
        .report();
    Ok(())
}

async fn pairs(database: &sql::Database, statement: &str) -> Result<HashMap<String, String>> {
    let rows = database.query_all(statement, params![]).await?;
    let pair = |row: &sql::Row| Ok((row.get::<String>(0)?.to_lowercase(), row.get::<String>(1)?));
    rows.iter().map(pair).collect()
}
