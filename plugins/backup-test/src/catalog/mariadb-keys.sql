-- All foreign keys inside the database, one row a pair of columns.
select k.constraint_name as name, null as child_schema, k.table_name as child,
       null as parent_schema, k.referenced_table_name as parent,
       k.column_name as child_column, k.referenced_column_name as parent_column
from information_schema.key_column_usage k
where k.table_schema = ? and k.referenced_table_schema = k.table_schema and k.referenced_table_name is not null
order by k.table_name, k.constraint_name, k.ordinal_position
