//! PostgreSQL, 12 and later.

use std::collections::HashMap;

use taskhost_sdk::prelude::*;
use taskhost_sdk::sql::Dialect;

use crate::catalog::{Catalog, Elsewhere, ForeignKey, Table};
use crate::index::{Index, Key};

/// Since when uses are counted: the statistics of the database, or all of them after a crash, were set back.
const OBSERVED: &str = "
select pg_is_in_recovery() as standby,
       extract(epoch from now() - greatest(coalesce(d.stats_reset, b.stats_reset), b.stats_reset))::bigint as observed
from pg_stat_database d, pg_stat_bgwriter b
where d.datname = current_database()";

/// Standbys that stream, and those that may come back. Receivers of logical changes use no index of this server's.
const STANDBYS: &str = "
select (select count(*) from pg_stat_replication r
        where coalesce(r.state, '') <> 'backup'
          and not exists (select 1 from pg_replication_slots s where s.active_pid = r.pid and s.slot_type = 'logical'))
     + (select count(*) from pg_replication_slots s where s.slot_type = 'physical' and not s.active) as standbys";

const INDEXES: &str = "
select c.oid::bigint as id, coalesce(p.inhparent::bigint, 0) as parent, n.nspname::text as schema,
       t.relname::text as table_name, c.relname::text as name, c.relkind = 'I' as partitioned,
       m.amname::text as method, pg_relation_size(c.oid) as bytes, coalesce(s.idx_scan, 0) as scans,
       i.indnkeyatts::bigint as keys, i.indisunique as is_unique, i.indisprimary as is_primary,
       i.indisexclusion as excludes, i.indisreplident as identifies,
       i.indisvalid and i.indisready and i.indislive as valid,
       position('NULLS NOT DISTINCT' in pg_get_indexdef(c.oid)) > 0 as nulls_equal,
       pg_get_expr(i.indpred, i.indrelid) as predicate,
       exists (select 1 from pg_constraint k where k.conindid = c.oid and k.contype in ('p', 'u', 'x')) as constrained,
       exists (select 1 from pg_constraint k where k.conindid = c.oid and k.contype = 'f') as referenced
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_class t on t.oid = i.indrelid
join pg_namespace n on n.oid = t.relnamespace
join pg_am m on m.oid = c.relam
left join pg_inherits p on p.inhrelid = c.oid
left join pg_stat_user_indexes s on s.indexrelid = c.oid
where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and c.relpersistence <> 't'
order by c.oid";

const KEYS: &str = "
select i.indexrelid::bigint as id, g.place::bigint as place, pg_get_indexdef(i.indexrelid, g.place, true) as what,
       coalesce(i.indclass[g.place - 1]::bigint, 0) as class, coalesce(i.indcollation[g.place - 1]::bigint, 0) as coll,
       coalesce(i.indoption[g.place - 1]::bigint, 0) as ordering
from pg_index i
join pg_class t on t.oid = i.indrelid
join pg_namespace n on n.oid = t.relnamespace
cross join lateral generate_series(1, i.indnatts::int) as g(place)
where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and t.relpersistence <> 't'
order by 1, 2";

/// Being built just now; such an index is not valid yet.
const UNDER_WAY: &str = "
select p.index_relid::bigint as id from pg_stat_progress_create_index p where p.datname = current_database()";

const TABLES: &str = "
select n.nspname::text as schema, c.relname::text as name, coalesce(s.n_live_tup, 0) as row_count,
       case when c.relkind = 'p'
            then coalesce((select sum(pg_table_size(p.relid)) from pg_partition_tree(c.oid) p where p.isleaf), 0)::bigint
            else pg_table_size(c.oid) end as bytes,
       coalesce(s.seq_scan, 0) as scans, coalesce(s.seq_tup_read, 0) as scanned
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join pg_stat_user_tables s on s.relid = c.oid
where c.relkind in ('r', 'm', 'p') and c.relpersistence <> 't'
  and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')";

const FOREIGN_KEYS: &str = "
select k.oid::bigint as id, k.conname::text as name, n.nspname::text as schema, t.relname::text as table_name,
       t.relkind = 'p' as partitioned, pn.nspname::text as parent_schema, pt.relname::text as parent,
       s.n_tup_upd + s.n_tup_del as changes
from pg_constraint k
join pg_class t on t.oid = k.conrelid
join pg_namespace n on n.oid = t.relnamespace
join pg_class pt on pt.oid = k.confrelid
join pg_namespace pn on pn.oid = pt.relnamespace
left join pg_stat_user_tables s on s.relid = k.confrelid
where k.contype = 'f' and k.conparentid = 0
order by n.nspname, t.relname, k.conname";

const FOREIGN_COLUMNS: &str = "
select k.oid::bigint as id, quote_ident(a.attname::text) as name
from pg_constraint k
cross join lateral generate_subscripts(k.conkey, 1) as g(place)
join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[g.place]
where k.contype = 'f' and k.conparentid = 0
order by 1, g.place";

const USES: &str = "select s.indexrelid::bigint as id, s.idx_scan as scans from pg_stat_user_indexes s";

/// Reads the catalogue, with the uses that a standby counts where one is bound.
pub(crate) async fn read(database: &sql::Database, replica: Option<&sql::Database>) -> Result<Catalog> {
    let mut catalog = Catalog::new(Dialect::Postgres);
    let row = database.query_one(OBSERVED, params![]).await?;
    let (standby, observed): (bool, i64) = (row.get("standby")?, row.get("observed")?);
    catalog.observed = Some(unsigned(observed));
    let mut uses = HashMap::new();
    if standby {
        catalog.elsewhere = Elsewhere::Primary;
    } else {
        let standbys: i64 = database.query_one(STANDBYS, params![]).await?.get("standbys")?;
        let mut unknown = unsigned(standbys);
        if let Some(replica) = replica {
            let row = replica.query_one(OBSERVED, params![]).await.context("reading slot `replica`")?;
            if !row.get::<bool>("standby")? {
                bail!("the server of slot `replica` is no standby; bind a standby of the one in `database`");
            }
            uses = uses_of(replica).await.context("reading slot `replica`")?;
            catalog.observed = Some(unsigned(observed.min(row.get("observed")?)));
            unknown = unknown.saturating_sub(1);
        }
        if unknown > 0 {
            catalog.elsewhere = Elsewhere::Standbys(unknown);
        }
    }
    catalog.indexes = indexes(database, &uses).await?;
    for row in database.query_all(TABLES, params![]).await? {
        catalog.tables.push(Table {
            name: shown(&row, "schema", "name")?,
            rows: unsigned(row.get("row_count")?),
            bytes: unsigned(row.get("bytes")?),
            scans: unsigned(row.get("scans")?),
            scanned: unsigned(row.get("scanned")?),
        });
    }
    catalog.foreign_keys = foreign_keys(database).await?;
    Ok(catalog)
}

async fn uses_of(database: &sql::Database) -> Result<HashMap<i64, i64>> {
    let rows = database.query_all(USES, params![]).await?;
    rows.iter().map(|row| Ok((row.get("id")?, row.get("scans")?))).collect()
}

async fn indexes(database: &sql::Database, uses: &HashMap<i64, i64>) -> Result<Vec<Index>> {
    let mut keys: HashMap<i64, Vec<Key>> = HashMap::new();
    for row in database.query_all(KEYS, params![]).await? {
        let (class, collation): (i64, i64) = (row.get("class")?, row.get("coll")?);
        let key = Key { what: row.get("what")?, kind: format!("{class}/{collation}"), order: row.get("ordering")? };
        keys.entry(row.get("id")?).or_default().push(key);
    }
    let rows = database.query_all(UNDER_WAY, params![]).await?;
    let building: Vec<i64> = rows.iter().map(|row| row.get("id")).collect::<Result<_>>()?;
    let mut found: Vec<(i64, i64, Index)> = Vec::new();
    for row in database.query_all(INDEXES, params![]).await? {
        let id: i64 = row.get("id")?;
        let mut index = index(&row, keys.remove(&id).unwrap_or_default())?;
        index.scans = Some(unsigned(row.get("scans")?) + uses.get(&id).copied().map_or(0, unsigned));
        index.under_way = building.contains(&id);
        found.push((id, row.get("parent")?, index));
    }
    add_up(&mut found);
    Ok(found.into_iter().map(|(_, _, index)| index).collect())
}

fn index(row: &sql::Row, mut keys: Vec<Key>) -> Result<Index> {
    let count = usize::try_from(row.get::<i64>("keys")?).unwrap_or(0);
    let included = keys.split_off(count.min(keys.len())).into_iter().map(|key| key.what).collect();
    let is = |name: &str| row.get::<bool>(name);
    let bound = if is("is_primary")? {
        Some("primary key")
    } else if is("excludes")? {
        Some("exclusion constraint")
    } else if is("constrained")? {
        Some("constraint")
    } else if is("identifies")? {
        Some("replica identity")
    } else if row.get::<i64>("parent")? != 0 {
        Some("part of a partitioned index")
    } else {
        None
    };
    Ok(Index {
        table: shown(row, "schema", "table_name")?,
        name: shown(row, "schema", "name")?,
        quoted_table: quoted(row, "schema", "table_name")?,
        quoted: quoted(row, "schema", "name")?,
        method: row.get("method")?,
        keys,
        included,
        predicate: row.get("predicate")?,
        bytes: Some(unsigned(row.get("bytes")?)),
        scans: None,
        observed: None,
        unique: is("is_unique")?,
        nulls_equal: is("nulls_equal")?,
        bound,
        referenced: is("referenced")?,
        valid: is("valid")?,
        partitioned: is("partitioned")?,
        under_way: false,
    })
}

/// Gives the root of a partitioned index the sizes and uses of its parts.
fn add_up(found: &mut [(i64, i64, Index)]) {
    let parents: HashMap<i64, i64> = found.iter().map(|(id, parent, _)| (*id, *parent)).collect();
    let mut sums: HashMap<i64, (u64, u64)> = HashMap::new();
    for (_, parent, index) in found.iter() {
        let mut above = *parent;
        while above != 0 {
            let sum = sums.entry(above).or_default();
            sum.0 += index.bytes.unwrap_or(0);
            sum.1 += index.scans.unwrap_or(0);
            above = parents.get(&above).copied().unwrap_or(0);
        }
    }
    for (id, _, index) in found {
        if let Some((bytes, scans)) = sums.get(id) {
            index.bytes = index.bytes.map(|own| own + bytes);
            index.scans = index.scans.map(|own| own + scans);
        }
    }
}

async fn foreign_keys(database: &sql::Database) -> Result<Vec<ForeignKey>> {
    let mut columns: HashMap<i64, Vec<String>> = HashMap::new();
    for row in database.query_all(FOREIGN_COLUMNS, params![]).await? {
        columns.entry(row.get("id")?).or_default().push(row.get("name")?);
    }
    let rows = database.query_all(FOREIGN_KEYS, params![]).await?;
    let key = |row: &sql::Row| {
        Ok(ForeignKey {
            name: row.get("name")?,
            table: shown(row, "schema", "table_name")?,
            quoted_table: quoted(row, "schema", "table_name")?,
            columns: columns.remove(&row.get("id")?).unwrap_or_default(),
            parent: shown(row, "parent_schema", "parent")?,
            parent_changes: row.get::<Option<i64>>("changes")?.map(unsigned),
            partitioned: row.get("partitioned")?,
        })
    };
    rows.iter().map(key).collect()
}

fn shown(row: &sql::Row, schema: &str, name: &str) -> Result<String> {
    Ok(format!("{}.{}", row.get::<String>(schema)?, row.get::<String>(name)?))
}

fn quoted(row: &sql::Row, schema: &str, name: &str) -> Result<String> {
    let (schema, name): (String, String) = (row.get(schema)?, row.get(name)?);
    Ok(format!("{}.{}", sql::identifier(&schema), sql::identifier(&name)))
}

/// No count is below nothing.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partitioned_index_has_the_uses_of_its_parts() {
        let index = |scans| Index { bytes: Some(scans * 10), scans: Some(scans), ..Index::default() };
        // 1 is the root of 2, which is the root of 3 and 4; 5 is by itself.
        let mut found = vec![(1, 0, index(0)), (2, 1, index(0)), (3, 2, index(3)), (4, 2, index(4)), (5, 0, index(1))];
        add_up(&mut found);
        let uses: Vec<_> = found.iter().map(|(_, _, index)| (index.scans.unwrap(), index.bytes.unwrap())).collect();
        assert_eq!(uses, [(7, 70), (7, 70), (3, 30), (4, 40), (1, 10)]);
    }
}
