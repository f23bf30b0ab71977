-- Tables with rows of their own: partitions yes, the tables that they are of no; not what an extension brings.
select n.nspname::text as table_schema, c.relname::text as name, c.reltuples::bigint as estimate,
       exists (select 1 from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary) as keyed
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence = 'p'
  and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\_%'
  and not exists (select 1 from pg_catalog.pg_depend d
                  where d.classid = c.tableoid and d.objid = c.oid and d.deptype = 'e')
order by 1, 2
