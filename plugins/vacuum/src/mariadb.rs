//! MariaDB and MySQL: tables by the free space in their files, rewritten by OPTIMIZE TABLE, and the old snapshots that
//! keep `InnoDB` from purging.

use taskhost_sdk::prelude::*;

use crate::Options;
use crate::judge::{self, Rewrite, Thresholds, percent};
use crate::upkeep::{self, Tally, Turn, bytes, finding, float, number, unsigned};
use taskhost_sdk::words::{count, counted, size, span};

/// `InnoDB` grows its files by up to four extents at a time and keeps some in reserve: less than this is no waste.
const FREE_SPACE: u64 = 16 << 20;
/// Tables that get a finding and metrics of their own; the others are in the log.
const DETAILED: usize = 20;

/// The lengths are estimates, and MySQL 8 keeps them for up to a day (`information_schema_stats_expiry`).
const TABLES: &str = "
select t.table_name as name, t.engine as engine, cast(coalesce(t.table_rows, 0) as signed) as live,
       cast(coalesce(t.data_length, 0) + coalesce(t.index_length, 0) as signed) as length,
       cast(coalesce(t.data_free, 0) as signed) as free
from information_schema.tables t
where t.table_schema = database() and t.table_type = 'BASE TABLE'
  and t.engine in ('InnoDB', 'MyISAM', 'Aria')
order by t.data_free desc, t.table_name";

/// `trx_started` is in the server's time zone, whatever the session's is.
const TRANSACTIONS: &str = "
select cast(t.trx_mysql_thread_id as signed) as id, coalesce(p.user, '') as user, coalesce(p.host, '') as host,
       coalesce(p.db, '') as db, coalesce(p.command, '') as command,
       cast(timestampdiff(second, t.trx_started, convert_tz(utc_timestamp(), '+00:00', 'SYSTEM')) as signed) as seconds,
       cast(t.trx_rows_modified as signed) as modified
from information_schema.innodb_trx t
left join information_schema.processlist p on p.id = t.trx_mysql_thread_id
where t.trx_mysql_thread_id <> connection_id() and t.trx_mysql_thread_id <> 0
order by t.trx_started";

const HISTORY: &str = "
select cast(m.`count` as signed) as length from information_schema.innodb_metrics m
where m.name = 'trx_rseg_history_len'";

/// Tables in the shared tablespace, each of which is shown with all of its free space.
const SHARED_MARIADB: &str = "
select s.name as name from information_schema.innodb_sys_tables s
where s.space = 0 and s.name like concat(database(), '/%')";
const SHARED_MYSQL: &str = "
select s.name as name from information_schema.innodb_tables s
where s.space = 0 and s.name like concat(database(), '/%')";

/// A table as `information_schema` has it.
struct Table {
    name: String,
    engine: String,
    live: u64,
    used: u64,
    free: u64,
}

impl Table {
    fn size(&self) -> u64 {
        self.used.saturating_add(self.free)
    }

    fn line(&self) -> String {
        format!(
            "{} free of {} ({:.1} %), about {} rows, {}",
            size(self.free),
            size(self.size()),
            percent(self.free, self.size()),
            count(self.live),
            self.engine
        )
    }

    fn is_innodb(&self) -> bool {
        self.engine.eq_ignore_ascii_case("InnoDB")
    }
}

/// A transaction that is open.
struct Open {
    id: i64,
    seconds: u64,
    detail: String,
}

/// Rewrites what is over the thresholds.
pub(crate) async fn run(database: &sql::Database, server: &sql::Server, options: &Options) -> Result<String> {
    purge(database, options).await?;
    let least = options.free_space.map_or(FREE_SPACE, |size| size.0);
    let thresholds = Thresholds { percent: options.dead_percent, least };
    let shared = shared(database, server).await?;
    let tables = tables(database).await?;
    let all = tables.len();
    let total = tables.iter().map(Table::size).sum();
    check_names(options, &server.database, &tables);

    let mut tally = Tally::default();
    let mut chosen = Vec::new();
    for table in tables {
        log::info(format!("{}: {}", table.name, table.line()));
        let named = judge::is_named(&options.tables, &server.database, &table.name);
        if !(named || options.tables.is_empty()) || shared.contains(&table.name) {
            continue;
        }
        let limit = (!named).then_some(options.rewrite_limit.0);
        match judge::rewrite(table.free, table.size(), thresholds, limit) {
            Rewrite::Leave => {}
            Rewrite::TooBig => {
                tally.skipped += 1;
                report_big(&table, options);
            }
            Rewrite::Do if !table.is_innodb() && !named => {
                tally.skipped += 1;
                report_blocking(&table);
            }
            Rewrite::Do => chosen.push(table),
        }
    }
    for (index, table) in chosen.iter().enumerate() {
        progress(index as u64, Some(chosen.len() as u64), &table.name);
        match vacuum(database, table, options.analyze, index < DETAILED).await? {
            Some(after) => tally.vacuumed(table.size(), after),
            None => tally.skipped += 1,
        }
    }
    tally.report(total - tally.freed.min(total));
    Ok(summary(&chosen, all, &tally, thresholds))
}

/// Rewrites one table and gives its size afterwards; none where it was skipped, which is reported.
async fn vacuum(database: &sql::Database, table: &Table, analyze: bool, detailed: bool) -> Result<Option<u64>> {
    let target = sql::Table { schema: None, name: table.name.clone() };
    let turn = upkeep::vacuum(database, Some(target), analyze).await?;
    if !matches!(turn, Turn::Done) {
        upkeep::skipped(&table.name, &turn, &remedy(database, &turn).await?);
        return Ok(None);
    }
    if rehearsing() {
        if detailed {
            Finding::ok(&table.name, "would be vacuumed").detail(table.line()).report();
        }
        return Ok(Some(table.size()));
    }
    let Some(after) = tables(database).await?.into_iter().find(|after| after.name == table.name) else {
        Finding::ok(&table.name, "dropped meanwhile").detail("the table is gone").report();
        return Ok(None);
    };
    if detailed {
        bytes("free_bytes_before", table.free).subject(&table.name).report();
        bytes("free_bytes_after", after.free).subject(&table.name).report();
        let detail = format!("before: {}\nafter: {}", table.line(), after.line());
        Finding::ok(&table.name, "vacuumed").detail(detail).report();
    }
    Ok(Some(after.size()))
}

/// What to do about a table that could not be rewritten: where it timed out, the oldest transaction is the likeliest to
/// have a lock on it.
async fn remedy(database: &sql::Database, turn: &Turn) -> Result<String> {
    if !matches!(turn, Turn::TimedOut(_)) {
        return Ok("check that the role has select and insert on the table, which OPTIMIZE TABLE asks for".into());
    }
    let oldest = transactions(database).await?.and_then(|open| open.into_iter().next());
    Ok(match oldest {
        Some(open) => {
            format!(
                "the oldest transaction is of {}; let it end, or end it: kill {}; then run again",
                open.detail, open.id
            )
        }
        None => "run again when no transaction uses the table, or raise the grant's `lock-timeout`".into(),
    })
}

/// Reports what keeps `InnoDB` from removing old versions of rows.
async fn purge(database: &sql::Database, options: &Options) -> Result<()> {
    let Some(open) = transactions(database).await? else {
        let role = current_user(database).await?;
        let (user, host) = role.rsplit_once('@').unwrap_or((&role, "%"));
        Finding::warning(&role, "cannot see others' transactions")
            .detail(
                "the role has no PROCESS privilege: whether an old transaction keeps InnoDB from purging is unknown",
            )
            .remedy(format!("grant process on *.* to '{user}'@'{host}';"))
            .report();
        return Ok(());
    };
    let long = options.long_transaction.as_secs();
    for transaction in &open {
        let Some(level) = judge::transaction_level(Some(transaction.seconds), 0, long) else { continue };
        finding(level, &format!("connection {}", transaction.id), "transaction keeps InnoDB from purging")
            .detail(&*transaction.detail)
            .remedy(format!("commit it where it was begun, or end the connection: kill {};", transaction.id))
            .report();
    }
    let longest = open.iter().map(|transaction| transaction.seconds).max().unwrap_or(0);
    number("longest_transaction", longest).unit(Unit::Seconds).report();

    let rows = database.query_all(HISTORY, params![]).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    let length = unsigned(row.get("length")?);
    let (warning, critical) = judge::HISTORY_BOUNDS;
    number("history_length", length).warn_above(float(warning)).crit_above(float(critical)).report();
    if let Some(level) = judge::history_level(length) {
        finding(level, "InnoDB history list", "purge is behind")
            .detail(format!("{} changes wait to be purged; reads get slower the more there are", count(length)))
            .remedy("end the oldest transactions; where there are none, raise innodb_purge_threads")
            .report();
    }
    Ok(())
}

/// The open transactions, the oldest first; none where the role may not see them.
async fn transactions(database: &sql::Database) -> Result<Option<Vec<Open>>> {
    let Some(rows) = permitted(database, TRANSACTIONS).await? else { return Ok(None) };
    rows.iter().map(open).collect::<Result<_>>().map(Some)
}

fn open(row: &sql::Row) -> Result<Open> {
    let text = |name| row.get::<String>(name);
    let (user, host, db, command) = (text("user")?, text("host")?, text("db")?, text("command")?);
    let seconds = unsigned(row.get("seconds")?);
    let (at, on) = (if host.is_empty() { "" } else { "@" }, if db.is_empty() { "" } else { " on " });
    let doing = if command == "Sleep" { "idle in it".to_owned() } else { command.to_lowercase() };
    let modified = unsigned(row.get("modified")?);
    Ok(Open {
        id: row.get("id")?,
        seconds,
        detail: format!(
            "{user}{at}{host}{on}{db}, open for {}, {doing}, {} rows changed",
            span(seconds),
            count(modified)
        ),
    })
}

/// The rows of a statement that needs a privilege; none without it.
async fn permitted(database: &sql::Database, statement: &str) -> Result<Option<Vec<sql::Row>>> {
    match database.query_all(statement, params![]).await {
        Ok(rows) => Ok(Some(rows)),
        Err(sql::Error::Database(error)) if error.code == "42000" => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn tables(database: &sql::Database) -> Result<Vec<Table>> {
    let rows = database.query_all(TABLES, params![]).await?;
    rows.iter()
        .map(|row| {
            let engine: String = row.get("engine")?;
            let free = unsigned(row.get("free")?);
            let length = unsigned(row.get("length")?);
            // InnoDB counts free space beside the data, the others as a part of it.
            let used = if engine.eq_ignore_ascii_case("InnoDB") { length } else { length.saturating_sub(free) };
            Ok(Table { name: row.get("name")?, engine, live: unsigned(row.get("live")?), used, free })
        })
        .collect()
}

/// Tables whose free space cannot be told from the shared tablespace's. Without PROCESS every table is taken to have a
/// file of its own, as they have had by default since MySQL 5.6.
async fn shared(database: &sql::Database, server: &sql::Server) -> Result<Vec<String>> {
    let statement = if server.dialect == sql::Dialect::Mariadb { SHARED_MARIADB } else { SHARED_MYSQL };
    let rows = permitted(database, statement).await?.unwrap_or_default();
    let names: Vec<String> = rows.iter().map(|row| row.get("name")).collect::<Result<_, _>>()?;
    if !names.is_empty() {
        Finding::ok("shared tablespace", "not vacuumed")
            .detail(format!(
                "{} in InnoDB's shared tablespace, which never shrinks; its free space is used again",
                counted(names.len(), "table")
            ))
            .report();
    }
    Ok(names.iter().filter_map(|name| name.split_once('/')).map(|(_, table)| table.to_owned()).collect())
}

async fn current_user(database: &sql::Database) -> Result<String> {
    database.query_one("select current_user() as role", params![]).await?.get("role")
}

fn check_names(options: &Options, schema: &str, tables: &[Table]) {
    let present: Vec<_> = tables.iter().map(|table| (schema.to_owned(), table.name.clone())).collect();
    for name in judge::missing(&options.tables, &present) {
        Finding::warning(name, "no such table")
            .detail(format!("`tables` names it, and `{schema}` has no InnoDB, MyISAM or Aria table of that name"))
            .remedy("write it as the database does, upper and lower case included")
            .report();
    }
}

fn report_big(table: &Table, options: &Options) {
    Finding::warning(&table.name, "skipped: too big to rewrite unasked")
        .detail(format!(
            "{}; a rewrite copies {}, and the limit is {}",
            table.line(),
            size(table.used),
            size(options.rewrite_limit.0)
        ))
        .remedy(format!("in a quiet hour, with that much disk free: tables={}", table.name))
        .report();
}

fn report_blocking(table: &Table) {
    Finding::warning(&table.name, "skipped: its engine would lock writers out")
        .detail(format!("{}; {} tables cannot be written to while they are rewritten", table.line(), table.engine))
        .remedy(format!("in a quiet hour: tables={}", table.name))
        .report();
}

fn summary(chosen: &[Table], all: usize, tally: &Tally, thresholds: Thresholds) -> String {
    let of = format!("{} of {}", count(tally.vacuumed as u64), counted(all, "table"));
    let skipped = if tally.skipped > 0 { format!("; {} skipped", count(tally.skipped as u64)) } else { String::new() };
    if tally.vacuumed == 0 && tally.skipped == 0 {
        let least = size(thresholds.least);
        let percent = thresholds.percent;
        return format!(
            "nothing to vacuum: none of {} has {least} free that are {percent} % of it",
            counted(all, "table")
        );
    }
    if tally.vacuumed == 0 {
        return format!("nothing vacuumed: {} of {} skipped", count(tally.skipped as u64), counted(all, "table"));
    }
    if rehearsing() {
        let free: u64 = chosen.iter().map(|table| table.free).sum();
        return format!("would vacuum {of} with {} free{skipped}", size(free));
    }
    format!("vacuumed {of}: {} given back{skipped}", size(tally.freed))
}
