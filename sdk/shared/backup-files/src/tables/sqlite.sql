select null as table_schema, t.name as name, null as estimate,
       exists (select 1 from pragma_table_info(t.name) i where i.pk > 0) as keyed
from pragma_table_list t
where t.schema = 'main' and t.type = 'table' and t.name not like 'sqlite\_%' escape '\'
order by t.name
