//! PostgreSQL 12 and later.

use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{count, counted};

use crate::judge::{self, Limits};
use crate::table::{Options, Settings, Table, float};

/// Updates to a new page are counted apart.
const COUNTS_MOVED: u32 = 160_000;

const SETTINGS: &str = "
select current_setting('autovacuum') = 'on' as autovacuum, current_setting('track_counts') = 'on' as counted,
       current_setting('autovacuum_vacuum_threshold')::float8 as vacuum_threshold,
       current_setting('autovacuum_vacuum_scale_factor')::float8 as vacuum_scale,
       current_setting('autovacuum_freeze_max_age')::bigint as freeze_max_age,
       current_setting('autovacuum_multixact_freeze_max_age')::bigint as multixact_freeze_max_age,
       pg_is_in_recovery() as standby,
       extract(epoch from now() - greatest(coalesce(d.stats_reset, b.stats_reset), b.stats_reset))::bigint as observed
from pg_stat_database d, pg_stat_bgwriter b
where d.datname = current_database()";

/// Until 13 the parents of parts are not in the statistics: their rows are what the catalogue says.
fn tables_sql(version: u32) -> String {
    let moved = if version >= COUNTS_MOVED { "coalesce(s.n_tup_newpage_upd, 0)" } else { "null::bigint" };
    format!(
        "
select n.nspname::text as schema, c.relname::text as name, c.relkind = 'p' as partitioned,
       pg_table_size(c.oid) as bytes,
       case when c.relkind = 'p'
            then coalesce((select sum(k.n_live_tup) from pg_partition_tree(c.oid) p
                           join pg_stat_user_tables k on k.relid = p.relid where p.isleaf), 0)::bigint
            else coalesce(s.n_live_tup, 0) end as live,
       coalesce(s.n_dead_tup, 0) as dead, coalesce(s.n_mod_since_analyze, 0) as changed,
       coalesce(s.n_tup_ins, 0) as inserted, coalesce(s.n_tup_upd, 0) as updated, coalesce(s.n_tup_del, 0) as deleted,
       coalesce(s.n_tup_hot_upd, 0) as hot, {moved} as moved,
       extract(epoch from now() - greatest(s.last_vacuum, s.last_autovacuum))::bigint as vacuumed,
       extract(epoch from now() - greatest(s.last_analyze, s.last_autoanalyze))::bigint as analyzed,
       exists (select 1 from pg_stats g where g.schemaname = n.nspname and g.tablename = c.relname
               and g.inherited = (c.relkind = 'p')) as has_statistics,
       has_any_column_privilege(c.oid, 'SELECT') as seen,
       coalesce(s.autovacuum_count, 0) + coalesce(s.autoanalyze_count, 0) > 0 as attended,
       case when c.relkind = 'p' then 0 else greatest(age(c.relfrozenxid), coalesce(age(t.relfrozenxid), 0)) end::bigint
           as age,
       case when c.relkind = 'p' then 0 else greatest(mxid_age(c.relminmxid), coalesce(mxid_age(t.relminmxid), 0)) end::bigint
           as multixact_age,
       coalesce(array_to_string(c.reloptions, ','), '') as options
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join pg_stat_user_tables s on s.relid = c.oid
left join pg_class t on t.oid = c.reltoastrelid
where c.relkind in ('r', 'm', 'p') and c.relpersistence <> 't'
  and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')"
    )
}

/// Reads, judges and reports.
pub(crate) async fn run(database: &sql::Database, version: u32, limits: &Limits, top: usize) -> Result<String> {
    let row = database.query_one(SETTINGS, params![]).await?;
    if row.get::<bool>("standby")? {
        return Err(Failure::new(
            "the server is a standby, which counts no changes of rows; bind the slot to its primary",
        ));
    }
    let settings = Settings {
        autovacuum: row.get("autovacuum")?,
        counted: row.get("counted")?,
        observed: unsigned(row.get("observed")?),
        vacuum_threshold: row.get("vacuum_threshold")?,
        vacuum_scale: row.get("vacuum_scale")?,
        freeze_max_age: row.get("freeze_max_age")?,
        multixact_freeze_max_age: row.get("multixact_freeze_max_age")?,
    };
    let rows = database.query_all(&tables_sql(version), params![]).await?;
    let tables: Vec<Table> = rows.iter().map(table).collect::<Result<_>>()?;
    measure(&tables, top);
    let findings = judge::all(&tables, &settings, limits);
    let bad = findings.len();
    for finding in judge::list(&tables, &settings, top).into_iter().chain(findings) {
        finding.report();
    }
    let plain = || tables.iter().filter(|table| !table.partitioned);
    let (live, dead): (u64, u64) = plain().fold((0, 0), |(live, dead), one| (live + one.live, dead + one.dead));
    let verdict = if bad == 0 { "in order".to_owned() } else { counted(bad, "finding") };
    Ok(format!("{} with {} rows, {} dead: {verdict}", counted(plain().count(), "table"), count(live), count(dead)))
}

fn measure(tables: &[Table], top: usize) {
    let sum = |figure: fn(&Table) -> u64| float(tables.iter().filter(|table| !table.partitioned).map(figure).sum());
    for (name, figure) in [
        ("rows_inserted", (|table| table.inserted) as fn(&Table) -> u64),
        ("rows_updated", |table| table.updated),
        ("rows_updated_hot", |table| table.hot),
        ("rows_deleted", |table| table.deleted),
    ] {
        Metric::new(name, sum(figure)).unit(Unit::Total).report();
    }
    Metric::new("rows_live", sum(|table| table.live)).report();
    Metric::new("rows_dead", sum(|table| table.dead)).report();
    let oldest = tables.iter().map(|table| table.age).max().unwrap_or(0);
    Metric::new("oldest_table_age", float(unsigned(oldest))).report();
    let never = tables.iter().filter(|table| table.analyzed.is_none() && table.live > 0).count();
    Metric::new("tables_never_analyzed", float(never as u64)).report();
    let mut sorted: Vec<&Table> = tables.iter().collect();
    sorted.sort_by_key(|table| std::cmp::Reverse(table.live));
    for table in sorted.into_iter().take(top) {
        Metric::new("table_rows", float(table.live)).subject(&table.name).report();
        Metric::new("table_dead_percent", table.dead_percent()).subject(&table.name).unit(Unit::Percent).report();
        Metric::new("table_changed_since_analyze", float(table.changed)).subject(&table.name).report();
        if table.updated > 0 {
            Metric::new("table_hot_percent", table.hot_percent()).subject(&table.name).unit(Unit::Percent).report();
        }
    }
}

fn table(row: &sql::Row) -> Result<Table> {
    let number = |name: &str| row.get::<i64>(name).map(unsigned);
    let seconds = |name: &str| row.get::<Option<i64>>(name).map(|seconds| seconds.map(unsigned));
    let (schema, name): (String, String) = (row.get("schema")?, row.get("name")?);
    Ok(Table {
        quoted: format!("{}.{}", sql::identifier(&schema), sql::identifier(&name)),
        name: format!("{schema}.{name}"),
        partitioned: row.get("partitioned")?,
        bytes: number("bytes")?,
        live: number("live")?,
        dead: number("dead")?,
        changed: number("changed")?,
        inserted: number("inserted")?,
        updated: number("updated")?,
        deleted: number("deleted")?,
        hot: number("hot")?,
        moved: seconds("moved")?,
        vacuumed: seconds("vacuumed")?,
        analyzed: seconds("analyzed")?,
        has_statistics: row.get("has_statistics")?,
        seen: row.get("seen")?,
        attended: row.get("attended")?,
        age: row.get("age")?,
        multixact_age: row.get("multixact_age")?,
        options: Options::read(&row.get::<String>("options")?),
    })
}

/// No count is below nothing.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
