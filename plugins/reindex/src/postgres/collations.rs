//! Collations whose rules changed under the indexes, with an update of the system's library: there, entries may stand in
//! the wrong order, and rows are not found. That is what a rebuild is needed for most.

use taskhost_sdk::prelude::*;
use taskhost_sdk::words::some_of;

/// The database's own collation has a version from here on.
const OF_DATABASE: u32 = 150_000;

const COLLATIONS: &str = "
select l.oid::bigint as id, n.nspname::text as schema, l.collname::text as name, l.collversion as recorded,
       pg_collation_actual_version(l.oid) as actual
from pg_collation l
join pg_namespace n on n.oid = l.collnamespace
where l.collversion is not null and l.collversion <> pg_collation_actual_version(l.oid)";

const DATABASE: &str = "
select d.datcollversion as recorded, pg_database_collation_actual_version(d.oid) as actual
from pg_database d
where d.datname = current_database() and d.datcollversion <> pg_database_collation_actual_version(d.oid)";

/// Indexes with a key of that collation: 100 is the database's own.
const INDEXES: &str = "
select n.nspname || '.' || c.relname as name
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'i' and exists (select 1 from pg_attribute a where a.attrelid = c.oid and a.attcollation::bigint = $1)
order by pg_relation_size(c.oid) desc, 1";

/// The database's own, in `attcollation`.
const DEFAULT: i64 = 100;

/// Names what is to be rebuilt, whatever its size.
pub(super) async fn check(database: &sql::Database, version: u32, name: &str) -> Result<()> {
    for row in database.query_all(COLLATIONS, params![]).await? {
        let (schema, collation): (String, String) = (row.get("schema")?, row.get("name")?);
        let quoted = format!("{}.{}", sql::identifier(&schema), sql::identifier(&collation));
        let refresh = format!("alter collation {quoted} refresh version;");
        report(database, row.get("id")?, &collation, &row, &refresh).await?;
    }
    if version >= OF_DATABASE
        && let Some(row) = database.query_optional(DATABASE, params![]).await?
    {
        let refresh = format!("alter database {} refresh collation version;", sql::identifier(name));
        report(database, DEFAULT, "the database's collation", &row, &refresh).await?;
    }
    Ok(())
}

async fn report(database: &sql::Database, id: i64, subject: &str, row: &sql::Row, refresh: &str) -> Result<()> {
    let rows = database.query_all(INDEXES, params![id]).await?;
    let names: Vec<String> = rows.iter().map(|row| row.get("name")).collect::<Result<_>>()?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (recorded, actual): (String, Option<String>) = (row.get("recorded")?, row.get("actual")?);
    if names.is_empty() {
        return Ok(());
    }
    Finding::critical(subject, "its rules changed under the indexes")
        .detail(format!(
            "built with version {recorded}, and the system's library is {}: entries may stand in the wrong order, so that \
             rows are not found and unique keys are not unique: {}",
            actual.unwrap_or_else(|| "unknown".into()),
            some_of(&names, 20)
        ))
        .remedy(format!("run this task with indexes={}; then {refresh}", names.join(",")))
        .report();
    Ok(())
}
