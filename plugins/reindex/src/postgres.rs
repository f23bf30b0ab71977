//! PostgreSQL: indexes by what a rebuild would give back, each rebuilt by itself without blocking writers.

mod catalog;
mod collations;
mod remains;

use std::fmt::Write as _;
use std::time::Instant;

use taskhost_sdk::prelude::*;
use taskhost_sdk::report::next_action_on;
use taskhost_sdk::words::{size, some_of, span};

use crate::choice::{self, Candidate, Fate, Limits};
use crate::memory::Memory;
use crate::turn::{self, Tally, Turn, bytes};
use crate::{MEMORY, Options};
use catalog::{Index, unsigned};

/// Indexes that get a finding and metrics of their own; the others are in the log.
const DETAILED: usize = 20;
/// A rebuild that gives back less than this share of what was estimated says that the estimate was wrong: per cent.
const WON: f64 = 50.0;

const SETTINGS: &str = "
select current_user::text as role, pg_is_in_recovery() as standby, current_setting('block_size')::float8 as page,
       (select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'i' and n.nspname = 'pg_catalog') as catalogs,
       (select coalesce(sum(pg_relation_size(c.oid)), 0)::bigint from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'i' and n.nspname = 'pg_catalog') as catalog_bytes";

/// A concurrent rebuild waits for every transaction of the database that is older than itself.
const WAITS: &str = "
select 'pid ' || a.pid as who, coalesce(a.usename::text, '') as role, coalesce(a.application_name, '') as application,
       extract(epoch from clock_timestamp() - a.xact_start)::bigint as seconds,
       'select pg_terminate_backend(' || a.pid || ');' as remedy
from pg_stat_activity a
where a.datname = current_database() and a.pid <> pg_backend_pid() and a.xact_start is not null
  and (a.backend_xid is not null or a.backend_xmin is not null)
  and coalesce(a.backend_type, '') <> 'autovacuum worker'
  and not exists (select 1 from pg_stat_progress_vacuum v where v.pid = a.pid)
union all
select 'prepared transaction ' || p.gid, p.owner::text, '',
       extract(epoch from clock_timestamp() - p.prepared)::bigint,
       'rollback prepared ' || quote_literal(p.gid) || ';'
from pg_prepared_xacts p
where p.database = current_database()
order by seconds desc";

/// Who has a lock that the rebuild waits for.
const LOCKS: &str = "
select l.pid::bigint as pid, l.mode as mode, coalesce(a.usename::text, '') as role,
       coalesce(a.application_name, '') as application,
       extract(epoch from clock_timestamp() - a.xact_start)::bigint as seconds
from pg_locks l
join pg_stat_activity a on a.pid = l.pid
where l.granted and l.relation::bigint = $1
  and l.database = (select d.oid from pg_database d where d.datname = current_database())
  and l.mode in ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                 'AccessExclusiveLock')
order by a.xact_start nulls last";

const SIZE: &str = "select pg_relation_size(c.oid) as bytes from pg_class c where c.oid = to_regclass($1)";

/// What the indexes are held against.
struct Plan<'a> {
    database: &'a sql::Database,
    options: &'a Options,
    limits: Limits,
    version: u32,
    role: String,
    page: f64,
}

/// Rebuilds what is worth it.
pub(crate) async fn run(database: &sql::Database, server: &sql::Server, options: &Options) -> Result<String> {
    let begun = Instant::now();
    let row = database.query_one(SETTINGS, params![]).await?;
    if row.get::<bool>("standby")? {
        return Err(Failure::new(
            "the server is a standby, where nothing can be rebuilt; bind the slot to its primary",
        ));
    }
    let limits = Limits { percent: f64::from(options.bloat_percent), bytes: options.bloat_size.0 };
    let plan = Plan {
        database,
        options,
        limits,
        version: server.version_number,
        role: row.get("role")?,
        page: row.get("page")?,
    };
    let key = format!("indexes of {}", server.database);
    let mut memory = Memory::recall(&MEMORY, &key).await?;

    let mut indexes = catalog::read(database, plan.version, plan.page).await?;
    for finding in remains::findings(&indexes) {
        finding.report();
    }
    collations::check(database, plan.version, &server.database).await?;
    plan.check_names(&indexes);
    report_catalogs(unsigned(row.get("catalogs")?), unsigned(row.get("catalog_bytes")?));
    let measured = plan.measure(&mut indexes).await?;

    indexes.retain(|index| index.valid);
    let all = indexes.len();
    let total: u64 = indexes.iter().map(|index| index.candidate.bytes).sum();
    for index in &mut indexes {
        index.candidate.remembered = memory.of(&index.candidate.name);
        index.candidate.named = plan.is_named(index);
    }
    let (chosen, tally) = plan.choose(indexes);
    let gain: u64 = chosen.iter().map(|index| index.candidate.gain()).sum();
    bytes("index_bytes", total).report();
    bytes("index_bloat_bytes", gain).report();
    Plan::report_need(&chosen, measured);
    let tally = plan.rebuild(&chosen, tally, begun, &mut memory).await?;
    memory.remember(&MEMORY, &key).await?;
    tally.report();
    Ok(tally.summary(&turn::indexes(all), chosen.len(), gain, &plan.limits))
}

impl Plan<'_> {
    fn is_named(&self, index: &Index) -> bool {
        let named = |name: &String| *name == index.name || *name == index.candidate.name;
        self.options.indexes.iter().any(named)
    }

    fn check_names(&self, indexes: &[Index]) {
        for name in &self.options.indexes {
            if !indexes.iter().any(|index| *name == index.name || *name == index.candidate.name) {
                Finding::warning(name, "no such index")
                    .detail("`indexes` names it, and the database has no index of that name that could be rebuilt")
                    .remedy("write it as `index` or `schema.index`, in the database's own case")
                    .report();
            }
        }
    }

    /// Measures those that the estimate finds worth it, or half worth it; whether they could be.
    async fn measure(&self, indexes: &mut [Index]) -> Result<bool> {
        if !self.options.measure || !catalog::measures(self.database).await? {
            return Ok(false);
        }
        let half = Limits { percent: self.limits.percent / 2.0, bytes: self.limits.bytes / 2 };
        for index in indexes.iter_mut().filter(|index| index.valid && index.method == "btree") {
            let unknown = index.candidate.rebuilt.is_none() && index.candidate.bytes >= self.limits.bytes.max(1);
            if unknown || half.reached(index.candidate.gain(), index.candidate.bytes) {
                catalog::measure(self.database, index).await?;
            }
        }
        Ok(true)
    }

    /// Those to be rebuilt, the largest gain first; what is left is reported.
    fn choose(&self, indexes: Vec<Index>) -> (Vec<Index>, Tally) {
        let mut tally = Tally::default();
        let mut chosen = Vec::new();
        let (mut denied, mut known, mut unknown) = (vec![], vec![], vec![]);
        for index in indexes {
            let candidate = &index.candidate;
            log::info(format!("{}: {}", candidate.name, line(candidate)));
            if candidate.rebuilt.is_none() && candidate.bytes >= self.limits.bytes.max(1) && !candidate.named {
                unknown.push(format!("{} ({}, {})", candidate.name, index.method, size(candidate.bytes)));
            }
            match choice::fate(candidate, &self.limits) {
                Fate::Fine => continue,
                Fate::Rebuild => {
                    chosen.push(index);
                    continue;
                }
                Fate::Blocking(why) => left_blocking(&index, why),
                Fate::Remains => left_with_remains(&index),
                Fate::Denied => denied.push(candidate.name.clone()),
                Fate::Known => known.push(candidate.name.clone()),
            }
            tally.left += 1;
        }
        self.report_denied(&denied);
        report_names(
            "left: the last rebuild left them as large",
            &known,
            "the estimate is wrong for them; name one in `indexes` to rebuild it all the same",
        );
        report_names(
            "not estimated",
            &unknown,
            "not of btree, never analyzed, or the role may not read the columns: pgstattuple measures btrees; `indexes` rebuilds what it names",
        );
        chosen.sort_by(|one, other| choice::order(&one.candidate, &other.candidate));
        (chosen, tally)
    }

    fn report_denied(&self, denied: &[String]) {
        if denied.is_empty() {
            return;
        }
        let names: Vec<_> = denied.iter().map(String::as_str).collect();
        Finding::warning(&self.role, "no right to rebuild")
            .detail(format!("{} worth it, of tables that `{}` does not own: {}", turn::indexes(denied.len()), self.role, some_of(&names, 10)))
            .remedy(format!(
                "bind the slot to the tables' owner, or make the role its member: grant OWNER to {}; from PostgreSQL 17 on, \
                 grant maintain on the tables",
                sql::identifier(&self.role)
            ))
            .report();
    }

    /// What has to be free on the disk, which no statement tells.
    fn report_need(chosen: &[Index], measured: bool) {
        let largest = chosen.iter().map(|index| index.candidate.rebuilt.unwrap_or(index.candidate.bytes)).max();
        let Some(largest) = largest else { return };
        let need = largest.saturating_mul(2);
        bytes("space_needed_bytes", need).report();
        let source = if measured { "measured by pgstatindex" } else { "estimated from the planner's statistics" };
        Finding::ok("disk", "room for the new indexes")
            .detail(format!(
                "up to {} at a time: the new index stands beside the old one, and sorting takes as much again; what is free \
                 cannot be asked for in SQL; sizes are {source}",
                size(need)
            ))
            .report();
    }

    async fn rebuild(&self, chosen: &[Index], mut tally: Tally, begun: Instant, memory: &mut Memory) -> Result<Tally> {
        let mut waiting: Option<(String, String, Vec<&str>)> = None;
        let mut late = Vec::new();
        for (done, index) in chosen.iter().enumerate() {
            let name = &index.candidate.name;
            if begun.elapsed() >= self.options.stop_after {
                late.push(name.as_str());
                continue;
            }
            if let Some((who, remedy)) = self.old_transaction().await? {
                waiting.get_or_insert_with(|| (who, remedy, vec![])).2.push(name);
                continue;
            }
            progress(done as u64, Some(chosen.len() as u64), name);
            match self.rebuild_one(index, done < DETAILED).await? {
                Some(after) => {
                    if !rehearsing() {
                        memory.keep(name, after);
                    }
                    tally.rebuilt(index.candidate.bytes, after);
                }
                None => tally.left += 1,
            }
        }
        tally.left += late.len();
        if !late.is_empty() {
            Finding::ok("stop-after", "left: the time is up")
                .detail(format!(
                    "no rebuild is begun after {}: {}",
                    span(self.options.stop_after.as_secs()),
                    some_of(&late, 20)
                ))
                .report();
            next_action_on("stop-after", "run again, or give it more time");
        }
        if let Some((who, remedy, names)) = waiting {
            tally.left += names.len();
            Finding::warning("transactions", "left: an old transaction would hold the rebuild up")
                .detail(format!(
                    "{who}; a rebuild waits for it, and leaves an invalid index when it waits in vain: {}",
                    some_of(&names, 20)
                ))
                .remedy(format!("let it end, or end it: {remedy}"))
                .report();
            next_action_on("transactions", "run again when it has ended");
        }
        Ok(tally)
    }

    /// A transaction that a rebuild would wait for longer than is worth it.
    async fn old_transaction(&self) -> Result<Option<(String, String)>> {
        let Some(row) = self.database.query_optional(WAITS, params![]).await? else { return Ok(None) };
        let seconds = unsigned(row.get("seconds")?);
        if seconds < self.options.long_transaction.as_secs() {
            return Ok(None);
        }
        let (who, role, application): (String, String, String) =
            (row.get("who")?, row.get("role")?, row.get("application")?);
        let application = if application.is_empty() { String::new() } else { format!(", application `{application}`") };
        Ok(Some((format!("{who} ({role}{application}) is open for {}", span(seconds)), row.get("remedy")?)))
    }

    /// Rebuilds one and gives its size afterwards; none where it was left, which is reported.
    async fn rebuild_one(&self, index: &Index, detailed: bool) -> Result<Option<u64>> {
        let candidate = &index.candidate;
        if detailed {
            bytes("index_bytes_before", candidate.bytes).subject(&candidate.name).report();
        }
        let turn = turn::reindex(self.database, index.target(), true).await?;
        if !matches!(turn, Turn::Done) {
            self.report_left(index, turn).await?;
            return Ok(None);
        }
        if rehearsing() {
            if detailed {
                Finding::ok(&candidate.name, "would be rebuilt").detail(line(candidate)).report();
            }
            return Ok(Some(candidate.rebuilt.unwrap_or(candidate.bytes)));
        }
        let Some(row) = self.database.query_optional(SIZE, params![index.quoted()]).await? else {
            Finding::ok(&candidate.name, "dropped meanwhile").detail("the index is gone").report();
            return Ok(None);
        };
        let after = unsigned(row.get("bytes")?);
        let won = candidate.bytes.saturating_sub(after);
        let less = candidate.gain() > 0 && choice::percent(won, candidate.gain()) < WON;
        if detailed {
            bytes("index_bytes_after", after).subject(&candidate.name).report();
            let wrong = if less {
                "\nless than estimated: the planner's statistics of its columns are off; bind the slot `memory`, so that it is \
                 not rebuilt again for nothing"
            } else {
                ""
            };
            let detail =
                format!("before: {}\nafter: {}, {} given back{wrong}", line(candidate), size(after), size(won));
            Finding::ok(&candidate.name, "rebuilt").detail(detail).report();
        }
        Ok(Some(after))
    }

    /// Says why it was left, and what the attempt itself left behind.
    async fn report_left(&self, index: &Index, turn: Turn) -> Result<()> {
        let name = &index.candidate.name;
        match turn {
            Turn::TimedOut(message) => {
                let mut detail = message;
                let mut remedy = "run again when the table is free, or raise the grant's `lock-timeout`".to_owned();
                for row in self.database.query_all(LOCKS, params![index.table_id]).await? {
                    let (pid, mode): (i64, String) = (row.get("pid")?, row.get("mode")?);
                    let (role, application): (String, String) = (row.get("role")?, row.get("application")?);
                    let application =
                        if application.is_empty() { String::new() } else { format!(", application `{application}`") };
                    let seconds: Option<i64> = row.get("seconds")?;
                    let since =
                        seconds.map(|seconds| format!(", in a transaction open for {}", span(unsigned(seconds))));
                    let _ =
                        write!(detail, "\n{mode} held by pid {pid} ({role}{application}){}", since.unwrap_or_default());
                    remedy = format!("let it end, or end it: select pg_terminate_backend({pid});");
                }
                Finding::warning(name, "left: timed out").detail(detail).remedy(remedy).report();
                next_action_on(name, "rebuild it again when its table is free");
            }
            turn => turn::left(name, &turn, "see the server's log for the reason"),
        }
        // What it built so far is there, and nobody else removes it.
        let after = catalog::read(self.database, self.version, self.page).await?;
        let own: Vec<Index> = after
            .into_iter()
            .filter(|other| {
                other.table_id == index.table_id
                    && choice::is_of(&other.name, &index.name)
                    && !index.candidate.remains.contains(&other.name)
            })
            .collect();
        for finding in remains::findings(&own) {
            finding.report();
        }
        Ok(())
    }
}

fn left_blocking(index: &Index, why: &str) {
    Finding::warning(&index.candidate.name, "left: it would block writers")
        .detail(format!("{}; {why}", line(&index.candidate)))
        .remedy(format!("in a quiet hour, with writers of {} kept out: reindex index {};", index.table, index.quoted()))
        .report();
}

fn left_with_remains(index: &Index) {
    Finding::warning(&index.candidate.name, "left: an earlier rebuild's remains are there")
        .detail(format!(
            "{}; another attempt would leave one more that every change keeps up: {}",
            line(&index.candidate),
            index.candidate.remains.join(", ")
        ))
        .remedy("drop the index that is not valid, then run again")
        .report();
}

/// The catalogue's own indexes: how large they are is said, when it matters.
fn report_catalogs(number: u64, total: u64) {
    bytes("catalog_index_bytes", total).report();
    if total >= 256 << 20 {
        Finding::ok("pg_catalog", "left: system catalogs cannot be rebuilt concurrently")
            .detail(format!("{} of them take {}", turn::indexes(number), size(total)))
            .remedy("in a quiet hour, with everybody kept out: reindex system DATABASE;")
            .report();
    }
}

fn report_names(title: &str, names: &[String], why: &str) {
    if !names.is_empty() {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Finding::ok("indexes", title).detail(format!("{}; {why}", some_of(&names, 20))).report();
    }
}

fn line(candidate: &Candidate) -> String {
    match candidate.rebuilt {
        Some(rebuilt) => format!(
            "{}, {} when built anew: {} to win ({:.0} %)",
            size(candidate.bytes),
            size(rebuilt),
            size(candidate.gain()),
            candidate.percent()
        ),
        None => format!("{}, what a rebuild makes of it is not known", size(candidate.bytes)),
    }
}
