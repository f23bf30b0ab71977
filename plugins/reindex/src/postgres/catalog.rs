//! The indexes of a PostgreSQL database, each with what a rebuild would make of it.

use std::collections::HashMap;

use taskhost_sdk::prelude::*;

use crate::choice::{self, Candidate};
use crate::estimate::{self, Build, Column};

/// MAINTAIN became a privilege of its own.
const MAINTAIN_PRIVILEGE: u32 = 170_000;
/// Equal keys share an entry from here on.
const SHARES_ENTRIES: u32 = 130_000;
/// REINDEX CONCURRENTLY is there from here on.
const CONCURRENTLY: u32 = 120_000;

/// Types whose equal values may differ in their bytes: numeric, float4, float8, jsonb. So may arrays, records, ranges.
const NOT_PLAIN: &str = "1700, 700, 701, 3802";

fn indexes_sql(version: u32) -> String {
    let maintain = if version >= MAINTAIN_PRIVILEGE { "or has_table_privilege(t.oid, 'MAINTAIN')" } else { "" };
    format!(
        "
select c.oid::bigint as id, t.oid::bigint as table_id, n.nspname::text as schema, t.relname::text as table_name,
       c.relname::text as name, m.amname::text as method, pg_relation_size(c.oid) as bytes,
       c.reltuples::float8 as row_count, i.indisunique as is_unique, i.indisexclusion as excludes,
       i.indisvalid and i.indisready and i.indislive as valid, i.indnatts > i.indnkeyatts as carries,
       coalesce(array_to_string(c.reloptions, ','), '') as options,
       pg_has_role(t.relowner, 'USAGE') {maintain} as permitted,
       exists (select 1 from pg_stat_progress_create_index p where p.index_relid = c.oid) as under_way
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_class t on t.oid = i.indrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_am m on m.oid = c.relam
where c.relkind = 'i' and c.relpersistence <> 't'
  and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
order by c.oid"
    )
}

/// Statistics of the keys' columns; of an expression they are the index's own. A role sees those of what it may read.
fn columns_sql() -> String {
    format!(
        "
select i.indexrelid::bigint as id, a.attlen::bigint as fixed, s.null_frac::float8 as nulls,
       s.avg_width::float8 as width, s.n_distinct::float8 as distinct_values,
       a.atttypid not in ({NOT_PLAIN}) and y.typcategory not in ('A', 'C', 'R')
           and coalesce(l.collisdeterministic, true) as plain
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_class t on t.oid = i.indrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
join pg_type y on y.oid = a.atttypid
left join pg_collation l on l.oid = a.attcollation
left join pg_attribute o on o.attrelid = t.oid and o.attnum = i.indkey[a.attnum - 1] and o.attnum <> 0
left join pg_stats s on s.schemaname = n.nspname and not s.inherited
  and s.tablename = case when o.attnum is null then c.relname else t.relname end
  and s.attname = coalesce(o.attname, a.attname)
where c.relkind = 'i' and c.relpersistence <> 't'
  and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
order by 1, a.attnum"
    )
}

/// What measures an index exactly, where it is installed, in the search path and allowed.
const MEASURES: &str = "
select count(*) > 0 as found from pg_proc p
where p.proname = 'pgstatindex' and pg_function_is_visible(p.oid) and has_function_privilege(p.oid, 'EXECUTE')
  and p.proargtypes[0]::regtype::text = 'regclass'";

const MEASURE: &str = "
select s.leaf_pages::float8 as leaves, s.internal_pages::float8 as internal, s.avg_leaf_density::float8 as density
from pg_class c cross join lateral pgstatindex(c.oid::regclass) s
where c.oid::bigint = $1";

/// An index and its place.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) id: i64,
    pub(super) table_id: i64,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) table: String,
    pub(super) method: String,
    pub(super) valid: bool,
    /// It is being built just now.
    pub(super) under_way: bool,
    build: Build,
    pub(super) candidate: Candidate,
}

impl Index {
    pub(super) fn target(&self) -> sql::IndexTarget {
        sql::IndexTarget::Index(sql::Table { schema: Some(self.schema.clone()), name: self.name.clone() })
    }

    /// For a statement that a person is to copy.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", sql::identifier(&self.schema), sql::identifier(&self.name))
    }
}

/// All indexes of the database, the catalogue's and TOAST's excepted.
pub(super) async fn read(database: &sql::Database, version: u32, page: f64) -> Result<Vec<Index>> {
    let mut columns: HashMap<i64, Vec<Option<Column>>> = HashMap::new();
    for row in database.query_all(&columns_sql(), params![]).await? {
        columns.entry(row.get("id")?).or_default().push(column(&row)?);
    }
    let mut found = Vec::new();
    for row in database.query_all(&indexes_sql(version), params![]).await? {
        let id: i64 = row.get("id")?;
        let columns: Option<Vec<Column>> = columns.remove(&id).unwrap_or_default().into_iter().collect();
        found.push(index(&row, id, columns.as_deref(), version, page)?);
    }
    add_remains(&mut found);
    Ok(found)
}

fn index(row: &sql::Row, id: i64, columns: Option<&[Column]>, version: u32, page: f64) -> Result<Index> {
    let (schema, name, table): (String, String, String) =
        (row.get("schema")?, row.get("name")?, row.get("table_name")?);
    let method: String = row.get("method")?;
    let options: String = row.get("options")?;
    let option = |name: &str| {
        let mut pairs = options.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find(|(own, _)| *own == name).map(|(_, value)| value.to_lowercase())
    };
    let switched_off = option("deduplicate_items").is_some_and(|word| ["off", "false", "no", "0"].contains(&&*word));
    let rows: f64 = row.get("row_count")?;
    let build = Build {
        rows,
        page,
        fillfactor: option("fillfactor").and_then(|value| value.parse().ok()).unwrap_or(90.0),
        shares: version >= SHARES_ENTRIES
            && !row.get::<bool>("is_unique")?
            && !row.get::<bool>("carries")?
            && !switched_off,
    };
    let bytes = unsigned(row.get("bytes")?);
    // Nothing is known of what was never looked at; of an empty table, there is nothing to win.
    let known = method == "btree" && rows >= 0.0 && bytes > 0;
    let rebuilt = columns.filter(|columns| known && !columns.is_empty());
    let rebuilt = rebuilt.map(|columns| whole(estimate::rebuilt(columns, &build)));
    let blocking = if version < CONCURRENTLY {
        Some("the server rebuilds without blocking writers from PostgreSQL 12 on")
    } else if row.get::<bool>("excludes")? {
        Some("an exclusion constraint's index cannot be rebuilt concurrently")
    } else {
        None
    };
    Ok(Index {
        id,
        table_id: row.get("table_id")?,
        table: format!("{schema}.{table}"),
        candidate: Candidate {
            name: format!("{schema}.{name}"),
            bytes,
            rebuilt,
            blocking,
            permitted: row.get("permitted")?,
            ..Candidate::default()
        },
        schema,
        name,
        method,
        valid: row.get("valid")?,
        under_way: row.get("under_way")?,
        build,
    })
}

/// None where the statistics say nothing of it: of a type of fixed width, that is enough.
fn column(row: &sql::Row) -> Result<Option<Column>> {
    let plain = row.get("plain")?;
    let fixed: i64 = row.get("fixed")?;
    let known = (row.get::<Option<f64>>("width")?, row.get::<Option<f64>>("nulls")?);
    Ok(match known {
        (Some(width), Some(nulls)) => {
            let distinct = row.get::<Option<f64>>("distinct_values")?.unwrap_or(-1.0);
            Some(Column { width, nulls, distinct, plain })
        }
        _ => u8::try_from(fixed).ok().filter(|fixed| *fixed > 0).map(|fixed| Column {
            width: f64::from(fixed),
            nulls: 0.0,
            distinct: -1.0,
            plain,
        }),
    })
}

/// Tells each index what its earlier rebuilds left.
fn add_remains(indexes: &mut [Index]) {
    let invalid: Vec<(i64, String)> = indexes
        .iter()
        .filter(|index| !index.valid && !index.under_way)
        .map(|index| (index.table_id, index.name.clone()))
        .collect();
    for index in indexes.iter_mut().filter(|index| index.valid) {
        let own = invalid.iter().filter(|(table, name)| *table == index.table_id && choice::is_of(name, &index.name));
        index.candidate.remains = own.map(|(_, name)| name.clone()).collect();
    }
}

/// Whether indexes can be measured, instead of estimated.
pub(super) async fn measures(database: &sql::Database) -> Result<bool> {
    database.query_one(MEASURES, params![]).await?.get("found")
}

/// Measures one, which reads all of it.
pub(super) async fn measure(database: &sql::Database, index: &mut Index) -> Result<()> {
    let row = match database.query_optional(MEASURE, params![index.id]).await {
        Ok(row) => row,
        // It was dropped, or the role may not after all: the estimate stands.
        Err(sql::Error::Database(error)) => {
            log::warn(format!("{}: not measured: {}", index.candidate.name, error.message));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(row) = row {
        let (leaves, inner, density) = (row.get("leaves")?, row.get("internal")?, row.get::<Option<f64>>("density")?);
        // An index without a leaf has a density that is no number.
        let density = density.filter(|density| density.is_finite()).unwrap_or(0.0);
        index.candidate.rebuilt = Some(whole(estimate::rebuilt_from(leaves, inner, density, &index.build)));
    }
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes, never below zero; a cast saturates"
)]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}

/// No count is below nothing.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
