-- What a dump brings back beside tables, by kind; not what an extension brings.
select o.kind, count(*) as number
from (
    select case c.relkind when 'v' then 'views' when 'm' then 'materialized views' when 'S' then 'sequences'
                          else 'indexes' end as kind,
           c.relnamespace as home, c.tableoid as class, c.oid as object
    from pg_catalog.pg_class c where c.relkind in ('v', 'm', 'S', 'i', 'I') and c.relpersistence = 'p'
    union all
    select 'routines', p.pronamespace, p.tableoid, p.oid from pg_catalog.pg_proc p
    union all
    select 'triggers', c.relnamespace, t.tableoid, t.oid
    from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid where not t.tgisinternal
    union all
    select 'foreign keys', f.connamespace, f.tableoid, f.oid from pg_catalog.pg_constraint f where f.contype = 'f'
) o
join pg_catalog.pg_namespace n on n.oid = o.home
where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\_%'
  and not exists (select 1 from pg_catalog.pg_depend d
                  where d.classid = o.class and d.objid = o.object and d.deptype = 'e')
group by o.kind
