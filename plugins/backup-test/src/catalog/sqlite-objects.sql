select case s.type when 'index' then 'indexes' else s.type || 's' end as kind, count(*) as number
from sqlite_schema s
where s.type <> 'table' and s.sql is not null
group by s.type
