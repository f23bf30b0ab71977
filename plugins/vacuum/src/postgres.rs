//! PostgreSQL 10 and later: tables by their dead rows and their age, each vacuumed by itself, and what stands in the way.

mod horizon;
mod wraparound;

use std::fmt::Write as _;
use std::time::Duration as Pause;

use taskhost_sdk::prelude::*;
use taskhost_sdk::report::next_action_on;

use crate::Options;
use crate::judge::{self, Reason, Rows, Thresholds};
use crate::upkeep::{self, Tally, Turn, number, unsigned};
use taskhost_sdk::words::{count, counted, size, some_of, span};

/// Tables that get a finding and metrics of their own; the others are in the log.
const DETAILED: usize = 20;
/// MAINTAIN became a privilege of its own.
const MAINTAIN_PRIVILEGE: u32 = 170_000;
/// Statistics used to reach readers half a second late, by way of a collector process.
const PROMPT_STATISTICS: u32 = 150_000;

const SETTINGS: &str = "
select current_user::text as role,
       pg_is_in_recovery() as standby,
       current_setting('autovacuum') = 'on' as autovacuum,
       current_setting('track_counts') = 'on' as counted,
       current_setting('autovacuum_freeze_max_age')::bigint as freeze_max_age,
       current_setting('autovacuum_multixact_freeze_max_age')::bigint as multixact_freeze_max_age,
       pg_has_role('pg_read_all_stats', 'USAGE') as sees_sessions,
       pg_database_size(current_database()) as bytes";

/// Whoever vacuums without the right gets a notice, not an error: the right is asked for first.
fn tables_sql(version: u32) -> String {
    let maintain = if version >= MAINTAIN_PRIVILEGE { "or has_table_privilege(c.oid, 'MAINTAIN')" } else { "" };
    format!(
        "
select s.relid::bigint as id, s.schemaname::text as schema, s.relname::text as name,
       coalesce(s.n_live_tup, 0) as live, coalesce(s.n_dead_tup, 0) as dead,
       extract(epoch from now() - greatest(s.last_vacuum, s.last_autovacuum))::bigint as vacuumed,
       extract(epoch from now() - greatest(s.last_analyze, s.last_autoanalyze))::bigint as analyzed,
       coalesce(s.vacuum_count, 0) as vacuums,
       coalesce(pg_total_relation_size(s.relid), 0) as bytes,
       greatest(age(c.relfrozenxid), coalesce(age(t.relfrozenxid), 0))::bigint as age,
       coalesce(array_to_string(c.reloptions, ',') ~ 'autovacuum_enabled=(false|off|no|0)', false) as unattended,
       (pg_has_role(c.relowner, 'USAGE') or pg_has_role(d.datdba, 'USAGE') {maintain}) as permitted
from pg_stat_user_tables s
join pg_class c on c.oid = s.relid
left join pg_class t on t.oid = c.reltoastrelid
join pg_database d on d.datname = current_database()
where c.relkind in ('r', 'm') and c.relpersistence <> 't'"
    )
}

/// Who has a lock that a vacuum of the table waits for.
const LOCKS: &str = "
select l.pid::bigint as pid, l.mode as mode, coalesce(a.usename::text, '') as role,
       coalesce(a.application_name, '') as application,
       extract(epoch from clock_timestamp() - a.xact_start)::bigint as seconds
from pg_locks l
join pg_stat_activity a on a.pid = l.pid
where l.granted and l.relation::bigint = $1
  and l.database = (select oid from pg_database where datname = current_database())
  and l.mode in ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                 'AccessExclusiveLock')
order by a.xact_start nulls last";

/// What of the server bears on a vacuum.
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of the server's own")]
struct Settings {
    role: String,
    standby: bool,
    autovacuum: bool,
    counted: bool,
    freeze_max_age: i64,
    multixact_freeze_max_age: i64,
    sees_sessions: bool,
    bytes: u64,
}

/// A table as the server's statistics have it.
struct Table {
    id: i64,
    schema: String,
    name: String,
    rows: Rows,
    /// Seconds since it was last vacuumed, by whomever.
    vacuumed: Option<i64>,
    /// Seconds since it was last analyzed.
    analyzed: Option<i64>,
    /// Vacuums by hand since the statistics began.
    vacuums: i64,
    /// Autovacuum is switched off for it.
    unattended: bool,
    /// The role may vacuum it.
    permitted: bool,
}

impl Table {
    fn subject(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// For a statement that a person is to copy.
    fn quoted(&self) -> String {
        format!("{}.{}", sql::identifier(&self.schema), sql::identifier(&self.name))
    }

    fn target(&self) -> sql::Table {
        sql::Table { schema: Some(self.schema.clone()), name: self.name.clone() }
    }

    /// The line of the dead-tuple table.
    fn line(&self) -> String {
        let since = |what: &str, seconds: Option<i64>| match seconds {
            Some(seconds) => format!("{what} {} ago", span(unsigned(seconds))),
            None => format!("never {what}"),
        };
        format!(
            "{} dead of {} rows ({:.1} %), {}, {}, {}",
            count(self.rows.dead),
            count(self.rows.dead + self.rows.live),
            self.rows.percent(),
            size(self.rows.bytes),
            since("vacuumed", self.vacuumed),
            since("analyzed", self.analyzed),
        )
    }
}

/// What the tables are held against.
struct Plan<'a> {
    database: &'a sql::Database,
    options: &'a Options,
    thresholds: Thresholds,
    settings: Settings,
    version: u32,
    tables_sql: String,
}

/// Vacuums what is over the thresholds.
pub(crate) async fn run(database: &sql::Database, server: &sql::Server, options: &Options) -> Result<String> {
    let settings = settings(database).await?;
    if settings.standby {
        return Err(Failure::new(
            "the server is a standby, where nothing can be vacuumed; bind the slot to its primary",
        ));
    }
    let thresholds = Thresholds { percent: options.dead_percent, least: options.dead_rows };
    let version = server.version_number;
    let plan = Plan { database, options, thresholds, settings, version, tables_sql: tables_sql(version) };

    let mut tables = plan.tables().await?;
    plan.check_names(&tables);
    plan.check_settings(&tables);
    wraparound::check(database, &plan.settings, &server.database).await?;
    horizon::check(database, options, &plan.settings).await?;

    let total: u64 = tables.iter().map(|table| table.rows.dead).sum();
    let all = tables.len();
    if !options.tables.is_empty() {
        tables.retain(|table| judge::is_named(&options.tables, &table.schema, &table.name));
    }
    let (chosen, denied) = plan.choose(tables);
    plan.report_denied(&denied);

    number("dead_rows", total).report();
    let mut tally = Tally { skipped: denied.len(), ..Tally::default() };
    let (mut dead_before, mut dead_after) = (0, 0);
    for (index, (table, reason)) in chosen.iter().enumerate() {
        progress(index as u64, Some(chosen.len() as u64), table.subject());
        let before = table.rows.dead;
        if let Some(after) = plan.vacuum(table, *reason, index < DETAILED).await? {
            tally.vacuumed(table.rows.bytes, after.bytes);
            dead_before += before;
            dead_after += after.dead;
        } else {
            tally.skipped += 1;
        }
    }
    tally.report(if rehearsing() { plan.settings.bytes } else { self::settings(database).await?.bytes });
    Ok(plan.summary(all, &tally, dead_before, dead_after))
}

impl Plan<'_> {
    async fn tables(&self) -> Result<Vec<Table>> {
        let rows = self.database.query_all(&self.tables_sql, params![]).await?;
        rows.iter().map(table).collect()
    }

    /// Those to be vacuumed, the worst first, and those that the role may not vacuum.
    fn choose(&self, tables: Vec<Table>) -> (Vec<(Table, Reason)>, Vec<Table>) {
        let mut chosen = Vec::new();
        let mut denied = Vec::new();
        let reason = |table: &Table| table.rows.reason(self.thresholds, self.settings.freeze_max_age);
        for table in tables {
            log::info(format!("{}: {}", table.subject(), table.line()));
            match reason(&table) {
                Some(_) if !table.permitted => denied.push(table),
                Some(reason) => chosen.push((table, reason)),
                None => {}
            }
        }
        chosen.sort_by_key(|(table, reason)| (table.rows.order(*reason), table.subject()));
        (chosen, denied)
    }

    /// Vacuums one table and gives its figures afterwards; none where it was skipped, which is reported.
    async fn vacuum(&self, table: &Table, reason: Reason, detailed: bool) -> Result<Option<Rows>> {
        let subject = table.subject();
        if detailed {
            number("dead_rows_before", table.rows.dead).subject(&subject).report();
        }
        match upkeep::vacuum(self.database, Some(table.target()), self.options.analyze).await? {
            Turn::Done => {}
            Turn::TimedOut(message) => {
                self.report_locked(table, message).await?;
                return Ok(None);
            }
            turn => {
                let (schema, role) = (sql::identifier(&table.schema), &self.settings.role);
                let remedy = format!(
                    "where it may not use the schema: grant usage on schema {schema} to \"{role}\"; else see the server's \
                     log for the reason"
                );
                upkeep::skipped(&subject, &turn, &remedy);
                return Ok(None);
            }
        }
        let why = match reason {
            Reason::Dead => String::new(),
            Reason::Age => format!("; its oldest row is {} transactions old", count(unsigned(table.rows.age))),
        };
        if rehearsing() {
            if detailed {
                Finding::ok(&subject, "would be vacuumed").detail(format!("{}{why}", table.line())).report();
            }
            return Ok(Some(table.rows));
        }
        let Some(after) = self.read_again(table).await? else { return Ok(None) };
        if detailed {
            number("dead_rows_after", after.rows.dead).subject(&subject).report();
        }
        let rows = after.rows;
        let figures = format!(
            "before: {}{why}\nafter: {} dead rows ({:.1} %), {}",
            table.line(),
            count(rows.dead),
            rows.percent(),
            size(rows.bytes)
        );
        if self.thresholds.reached(rows.dead, rows.dead.saturating_add(rows.live)) {
            horizon::explain(self.database, &subject, figures).await?;
        } else if detailed {
            Finding::ok(&subject, "vacuumed").detail(figures).report();
        }
        Ok(Some(rows))
    }

    /// The table's figures once they tell of the vacuum; none where the server did nothing, or the table is gone, which
    /// is reported.
    async fn read_again(&self, table: &Table) -> Result<Option<Table>> {
        let statement = format!("{} and s.relid::bigint = $1", self.tables_sql);
        let tries = if self.version >= PROMPT_STATISTICS { 2 } else { 5 };
        for attempt in 0..tries {
            if attempt > 0 {
                std::thread::sleep(Pause::from_millis(600));
            }
            let rows = self.database.query_all(&statement, params![table.id]).await?;
            let Some(row) = rows.first() else {
                Finding::ok(table.subject(), "dropped meanwhile").detail("the table is gone").report();
                return Ok(None);
            };
            let after = self::table(row)?;
            if after.vacuums > table.vacuums || !self.settings.counted {
                return Ok(Some(after));
            }
        }
        Finding::warning(table.subject(), "not vacuumed")
            .detail("the server reported no error, but its statistics count no vacuum of the table")
            .remedy("look in the server's log for a line like `skipping vacuum of`")
            .report();
        Ok(None)
    }

    async fn report_locked(&self, table: &Table, message: String) -> Result<()> {
        let mut detail = message;
        let mut remedy = "run again when the table is free, or raise the grant's `lock-timeout`".to_owned();
        for row in self.database.query_all(LOCKS, params![table.id]).await? {
            let pid: i64 = row.get("pid")?;
            let (role, application): (String, String) = (row.get("role")?, row.get("application")?);
            let seconds: Option<i64> = row.get("seconds")?;
            let since =
                seconds.map(|s| format!(", in a transaction open for {}", span(unsigned(s)))).unwrap_or_default();
            let mode: String = row.get("mode")?;
            let _ = write!(detail, "\n{mode} held by pid {pid} ({}){since}", horizon::who(&role, &application));
            remedy = format!("let it end, or end it: select pg_terminate_backend({pid});");
        }
        Finding::warning(table.subject(), "skipped: locked").detail(detail).remedy(remedy).report();
        next_action_on(table.subject(), "vacuum it again when it is free");
        Ok(())
    }

    fn check_names(&self, tables: &[Table]) {
        let present: Vec<_> = tables.iter().map(|table| (table.schema.clone(), table.name.clone())).collect();
        for name in judge::missing(&self.options.tables, &present) {
            Finding::warning(name, "no such table")
                .detail("`tables` names it, and the database has no table of that name that this role can see")
                .remedy(
                    "write it as `table` or `schema.table`, in the database's own case; a partitioned table is \
                         vacuumed by its partitions' names",
                )
                .report();
        }
    }

    fn check_settings(&self, tables: &[Table]) {
        let settings = &self.settings;
        if !settings.counted {
            Finding::critical("track_counts", "dead rows are not counted")
                .detail("track_counts is off: neither autovacuum nor this task can tell which tables need a vacuum")
                .remedy("alter system set track_counts = on; select pg_reload_conf();")
                .report();
        } else if !settings.autovacuum {
            Finding::warning("autovacuum", "autovacuum is off")
                .detail("between the runs of this task nothing removes dead rows")
                .remedy("alter system set autovacuum = on; select pg_reload_conf();")
                .report();
        }
        let over = |table: &&Table| table.rows.reason(self.thresholds, settings.freeze_max_age).is_some();
        for table in tables.iter().filter(|table| table.unattended).filter(over).take(DETAILED) {
            Finding::warning(table.subject(), "autovacuum is off for this table")
                .detail("its storage option autovacuum_enabled is false, and it is over the thresholds")
                .remedy(format!("alter table {} reset (autovacuum_enabled);", table.quoted()))
                .report();
        }
    }

    fn report_denied(&self, denied: &[Table]) {
        if denied.is_empty() {
            return;
        }
        let names: Vec<_> = denied.iter().map(Table::subject).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let role = &self.settings.role;
        let remedy = if self.version >= MAINTAIN_PRIVILEGE {
            format!("grant maintain on the tables to \"{role}\", or grant pg_maintain to \"{role}\";")
        } else {
            format!("bind the slot to the tables' owner, or make the role its member: grant OWNER to \"{role}\";")
        };
        Finding::warning(role, "no right to vacuum")
            .detail(format!(
                "{} over the thresholds not vacuumed, for PostgreSQL would skip what `{role}` does not own: {}",
                counted(denied.len(), "table"),
                some_of(&names, 10)
            ))
            .remedy(remedy)
            .report();
    }

    fn summary(&self, all: usize, tally: &Tally, before: u64, after: u64) -> String {
        let skipped =
            if tally.skipped > 0 { format!("; {} skipped", count(tally.skipped as u64)) } else { String::new() };
        let of = format!("{} of {}", count(tally.vacuumed as u64), counted(all, "table"));
        if tally.vacuumed == 0 && tally.skipped == 0 {
            return format!(
                "nothing to vacuum: none of {} has {} dead rows that are {} % of it",
                counted(all, "table"),
                count(self.thresholds.least),
                self.thresholds.percent
            );
        }
        if tally.vacuumed == 0 {
            return format!("nothing vacuumed: {} of {} skipped", count(tally.skipped as u64), counted(all, "table"));
        }
        if rehearsing() {
            return format!("would vacuum {of} with {} dead rows{skipped}", count(before));
        }
        let freed = if tally.freed > 0 { format!(", {} given back", size(tally.freed)) } else { String::new() };
        format!("vacuumed {of}: {} dead rows before, {} after{freed}{skipped}", count(before), count(after))
    }
}

async fn settings(database: &sql::Database) -> Result<Settings> {
    let row = database.query_one(SETTINGS, params![]).await?;
    Ok(Settings {
        role: row.get("role")?,
        standby: row.get("standby")?,
        autovacuum: row.get("autovacuum")?,
        counted: row.get("counted")?,
        freeze_max_age: row.get("freeze_max_age")?,
        multixact_freeze_max_age: row.get("multixact_freeze_max_age")?,
        sees_sessions: row.get("sees_sessions")?,
        bytes: unsigned(row.get("bytes")?),
    })
}

fn table(row: &sql::Row) -> Result<Table> {
    Ok(Table {
        id: row.get("id")?,
        schema: row.get("schema")?,
        name: row.get("name")?,
        rows: Rows {
            live: unsigned(row.get("live")?),
            dead: unsigned(row.get("dead")?),
            bytes: unsigned(row.get("bytes")?),
            age: row.get("age")?,
        },
        vacuumed: row.get("vacuumed")?,
        analyzed: row.get("analyzed")?,
        vacuums: row.get("vacuums")?,
        unattended: row.get("unattended")?,
        permitted: row.get("permitted")?,
    })
}
