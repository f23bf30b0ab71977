//! How far the database is from the point where PostgreSQL stops taking writes, to save rows from being overtaken by its
//! transaction counter.

use std::fmt::Write as _;

use taskhost_sdk::prelude::*;

use super::Settings;
use crate::judge::{self, XID_LIMIT};
use crate::upkeep::{finding, float, number, unsigned};
use taskhost_sdk::words::count;

/// The whole server stops where one of its databases gets too old.
const AGES: &str = "
select d.datname::text as name, age(d.datfrozenxid)::bigint as transactions, mxid_age(d.datminmxid)::bigint as multixacts,
       d.datallowconn as open
from pg_database d
order by transactions desc";

const OLDEST: &str = "
select n.nspname::text as schema, c.relname::text as name, age(c.relfrozenxid)::bigint as age
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm', 't') and c.relpersistence <> 't'
order by age desc
limit 3";

/// Reports every database that is out of order, and the metrics of this one.
pub(super) async fn check(database: &sql::Database, settings: &Settings, own: &str) -> Result<()> {
    for row in database.query_all(AGES, params![]).await? {
        let name: String = row.get("name")?;
        let ages = [
            ("transaction", "oldest_xid_age", row.get::<i64>("transactions")?, settings.freeze_max_age),
            ("multixact", "oldest_multixact_age", row.get::<i64>("multixacts")?, settings.multixact_freeze_max_age),
        ];
        for (counter, metric, age, freeze_max_age) in ages {
            if name == own {
                let (warning, critical) = judge::age_bounds(freeze_max_age);
                number(metric, unsigned(age))
                    .warn_above(float(unsigned(warning)))
                    .crit_above(float(unsigned(critical)))
                    .report();
            }
            let Some(level) = judge::age_level(age, freeze_max_age) else { continue };
            let used = judge::percent(unsigned(age), unsigned(XID_LIMIT));
            let mut detail = format!(
                "the oldest {counter} id is {} back, {used:.0} % of the way to the end; autovacuum should have frozen it \
                 at {}",
                count(unsigned(age)),
                count(unsigned(freeze_max_age))
            );
            if name == own && counter == "transaction" {
                detail.push_str(&oldest_tables(database).await?);
            }
            let remedy = if row.get("open")? {
                format!(
                    "end what holds old transactions (the findings beside this one), then, connected to `{name}`: vacuum \
                     (freeze); watch pg_stat_progress_vacuum"
                )
            } else {
                "nobody can connect to it, so only autovacuum reaches it: see that it is on, and what slows it".into()
            };
            finding(level, &name, &format!("{counter} ids run out")).detail(detail).remedy(remedy).report();
        }
    }
    Ok(())
}

async fn oldest_tables(database: &sql::Database) -> Result<String> {
    let mut line = String::new();
    for row in database.query_all(OLDEST, params![]).await? {
        let (schema, name, age): (String, String, i64) = (row.get("schema")?, row.get("name")?, row.get("age")?);
        let start = if line.is_empty() { "\noldest tables:" } else { "," };
        let _ = write!(line, "{start} {schema}.{name} {}", count(unsigned(age)));
    }
    Ok(line)
}
