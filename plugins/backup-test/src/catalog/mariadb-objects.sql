-- What a dump brings back beside tables, by kind. mysqldump leaves routines and events out unless told otherwise.
select o.kind as kind, count(*) as number
from (
    select 'views' as kind, v.table_schema as home from information_schema.views v
    union all
    select 'routines', r.routine_schema from information_schema.routines r
    union all
    select 'triggers', g.trigger_schema from information_schema.triggers g
    union all
    select 'events', e.event_schema from information_schema.events e
    union all
    select 'indexes', s.index_schema from information_schema.statistics s where s.seq_in_index = 1
    union all
    select 'foreign keys', f.constraint_schema from information_schema.referential_constraints f
) o
where o.home = ?
group by o.kind
