//! MariaDB and MySQL: an index is rebuilt with its table, which `InnoDB` does while writers go on. What a rebuild gives back
//! is the free space in the table's file; how full the pages are is not told.

use std::time::Instant;

use taskhost_sdk::prelude::*;
use taskhost_sdk::report::next_action_on;
use taskhost_sdk::sql::Dialect;
use taskhost_sdk::words::{counted, size, some_of, span};

use crate::choice::{self, Candidate, Fate, Limits};
use crate::memory::Memory;
use crate::turn::{self, Tally, Turn, bytes};
use crate::{MEMORY, Options};

/// Tables that get a finding and metrics of their own.
const DETAILED: usize = 20;

/// Tables in the shared tablespace have no file of their own to shrink, and each is shown with all of its free space.
const TABLES: &str = "
select t.table_name as name, coalesce(t.engine, '') as engine,
       cast(coalesce(t.data_length, 0) + coalesce(t.index_length, 0) as signed) as used,
       cast(coalesce(t.index_length, 0) as signed) as indexes, cast(coalesce(t.data_free, 0) as signed) as free
from information_schema.tables t
where t.table_schema = database() and t.table_type = 'BASE TABLE' and t.engine in ('InnoDB', 'MyISAM', 'Aria')
order by t.table_name";

const SHARED_MARIADB: &str = "
select s.name as name from information_schema.innodb_sys_tables s
where s.space = 0 and s.name like concat(database(), '/%')";
const SHARED_MYSQL: &str = "
select s.name as name from information_schema.innodb_tables s
where s.space = 0 and s.name like concat(database(), '/%')";

/// SQLSTATE of a right that the role has not, among others.
const DENIED: &str = "42000";

/// Rebuilds what is worth it.
pub(crate) async fn run(database: &sql::Database, server: &sql::Server, options: &Options) -> Result<String> {
    let begun = Instant::now();
    let limits = Limits { percent: f64::from(options.bloat_percent), bytes: options.bloat_size.0 };
    let key = format!("indexes of {}", server.database);
    let mut memory = Memory::recall(&MEMORY, &key).await?;
    let mut tables = tables(database).await?;
    let shared = shared(database, server.dialect).await?;
    tables.retain(|table| !shared.contains(&table.name));
    for name in &options.indexes {
        if !tables.iter().any(|table| table.name == *name) {
            Finding::warning(name, "no such table")
                .detail("`indexes` names it; here an index is rebuilt with its table, and there is none of that name")
                .remedy("write the table's name, as the database does")
                .report();
        }
    }
    let all = counted(tables.len(), "table");
    let mut tally = Tally::default();
    let mut chosen = Vec::new();
    for mut table in tables {
        table.remembered = memory.of(&table.name);
        table.named = options.indexes.contains(&table.name);
        log::info(format!("{}: {}", table.name, line(&table)));
        #[expect(clippy::match_same_arms, reason = "each for a reason of its own")]
        match choice::fate(&table, &limits) {
            Fate::Rebuild => chosen.push(table),
            Fate::Blocking(why) if !table.named => {
                tally.left += 1;
                Finding::warning(&table.name, "left: it would block writers")
                    .detail(format!("{}; {why}", line(&table)))
                    .remedy(format!("in a quiet hour: indexes={}", table.name))
                    .report();
            }
            // Whoever names it knows.
            Fate::Blocking(_) => chosen.push(table),
            Fate::Fine | Fate::Remains | Fate::Denied | Fate::Known => {}
        }
    }
    chosen.sort_by(choice::order);
    let gain: u64 = chosen.iter().map(Candidate::gain).sum();
    bytes("index_bloat_bytes", gain).report();
    if let Some(largest) = chosen.iter().map(|table| table.rebuilt.unwrap_or(table.bytes)).max() {
        bytes("space_needed_bytes", largest).report();
        let detail = format!("up to {} at a time: the table is copied, and the old one goes afterwards", size(largest));
        Finding::ok("disk", "room for the new tables").detail(detail).report();
    }
    let mut late = Vec::new();
    for (done, table) in chosen.iter().enumerate() {
        if begun.elapsed() >= options.stop_after {
            late.push(table.name.as_str());
            continue;
        }
        progress(done as u64, Some(chosen.len() as u64), &table.name);
        match rebuild(database, table, done < DETAILED).await? {
            Some(after) => {
                if !rehearsing() {
                    memory.keep(&table.name, after);
                }
                tally.rebuilt(table.bytes, after);
            }
            None => tally.left += 1,
        }
    }
    tally.left += late.len();
    if !late.is_empty() {
        Finding::ok("stop-after", "left: the time is up")
            .detail(format!("no rebuild is begun after {}: {}", span(options.stop_after.as_secs()), some_of(&late, 20)))
            .report();
        next_action_on("stop-after", "run again, or give it more time");
    }
    memory.remember(&MEMORY, &key).await?;
    tally.report();
    Ok(tally.summary(&all, chosen.len(), gain, &limits))
}

/// Rebuilds one table and gives its size afterwards; none where it was left, which is reported.
async fn rebuild(database: &sql::Database, table: &Candidate, detailed: bool) -> Result<Option<u64>> {
    if detailed {
        bytes("index_bytes_before", table.bytes).subject(&table.name).report();
    }
    let target = sql::IndexTarget::Table(sql::Table { schema: None, name: table.name.clone() });
    let turn = turn::reindex(database, target, true).await?;
    if !matches!(turn, Turn::Done) {
        let remedy = "run again when no transaction uses the table, or raise the grant's `lock-timeout`; the role needs \
                      select and insert on it";
        turn::left(&table.name, &turn, remedy);
        if matches!(turn, Turn::TimedOut(_)) {
            next_action_on(&table.name, "rebuild it again when it is free");
        }
        return Ok(None);
    }
    if rehearsing() {
        if detailed {
            Finding::ok(&table.name, "would be rebuilt").detail(line(table)).report();
        }
        return Ok(Some(table.rebuilt.unwrap_or(table.bytes)));
    }
    let after = tables(database).await?.into_iter().find(|after| after.name == table.name);
    let Some(after) = after else {
        Finding::ok(&table.name, "dropped meanwhile").detail("the table is gone").report();
        return Ok(None);
    };
    if detailed {
        bytes("index_bytes_after", after.bytes).subject(&table.name).report();
        let detail = format!("before: {}\nafter: {}", line(table), line(&after));
        Finding::ok(&table.name, "rebuilt").detail(detail).report();
    }
    Ok(Some(after.bytes))
}

async fn tables(database: &sql::Database) -> Result<Vec<Candidate>> {
    let rows = database.query_all(TABLES, params![]).await?;
    let table = |row: &sql::Row| {
        let innodb = row.get::<String>("engine")?.eq_ignore_ascii_case("InnoDB");
        let (used, free): (u64, u64) = (row.get("used")?, row.get("free")?);
        // InnoDB counts free space beside the data, the others as a part of it.
        let used = if innodb { used } else { used.saturating_sub(free) };
        Ok(Candidate {
            name: row.get("name")?,
            bytes: used.saturating_add(free),
            rebuilt: Some(used),
            blocking: (!innodb).then_some("its engine keeps writers out while a table is rebuilt"),
            permitted: true,
            ..Candidate::default()
        })
    };
    rows.iter().map(table).collect()
}

/// Without PROCESS every table is taken to have a file of its own, as they have by default.
async fn shared(database: &sql::Database, dialect: Dialect) -> Result<Vec<String>> {
    let statement = if dialect == Dialect::Mariadb { SHARED_MARIADB } else { SHARED_MYSQL };
    let rows = match database.query_all(statement, params![]).await {
        Ok(rows) => rows,
        Err(sql::Error::Database(error)) if error.code == DENIED => return Ok(vec![]),
        Err(error) => return Err(error.into()),
    };
    let names: Vec<String> = rows.iter().map(|row| row.get("name")).collect::<Result<_>>()?;
    Ok(names.iter().filter_map(|name| name.split_once('/')).map(|(_, table)| table.to_owned()).collect())
}

fn line(table: &Candidate) -> String {
    format!("{}, {} of it free ({:.0} %)", size(table.bytes), size(table.gain()), table.percent())
}
