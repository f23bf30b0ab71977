select null as table_schema, t.table_name as name, t.table_rows as estimate,
       exists (select 1 from information_schema.table_constraints k
               where k.table_schema = t.table_schema and k.table_name = t.table_name
                 and k.constraint_type = 'PRIMARY KEY') as keyed
from information_schema.tables t
where t.table_schema = ? and t.table_type in ('BASE TABLE', 'SYSTEM VERSIONED')
order by t.table_name
