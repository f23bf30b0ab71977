-- Foreign keys that the server did not check when they were added (NOT VALID), one row a pair of columns.
select con.conname::text as name,
       n.nspname::text as child_schema, c.relname::text as child,
       pn.nspname::text as parent_schema, p.relname::text as parent,
       a.attname::text as child_column, pa.attname::text as parent_column
from pg_catalog.pg_constraint con
join pg_catalog.pg_class c on c.oid = con.conrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_class p on p.oid = con.confrelid
join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
cross join lateral unnest(con.conkey, con.confkey) with ordinality as k(child, parent, position)
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.child
join pg_catalog.pg_attribute pa on pa.attrelid = p.oid and pa.attnum = k.parent
where con.contype = 'f' and not con.convalidated
order by con.oid, k.position
