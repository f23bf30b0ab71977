//! Who keeps dead rows alive: no vacuum removes a row that some snapshot may still see.

use std::fmt::Write as _;

use taskhost_sdk::prelude::*;
use taskhost_sdk::report::next_action_on;

use super::Settings;
use crate::Options;
use crate::judge::{self, Level};
use crate::upkeep::{finding, number, unsigned};
use taskhost_sdk::words::{count, size, some_of, span};

/// Sessions of this database, and walsenders, whose standby's snapshots count too. Vacuums hold nothing back.
const SESSIONS: &str = "
select a.pid::bigint as pid, coalesce(a.usename::text, '') as role, coalesce(a.application_name, '') as application,
       coalesce(host(a.client_addr), '') as client, coalesce(a.state, '') as state,
       coalesce(a.backend_type, '') as backend,
       extract(epoch from clock_timestamp() - a.xact_start)::bigint as seconds,
       greatest(age(a.backend_xmin), age(a.backend_xid))::bigint as held
from pg_stat_activity a
where a.pid <> pg_backend_pid() and (a.datid is null or a.datid = 0 or a.datname = current_database())
  and (a.backend_xmin is not null or a.backend_xid is not null)
  and coalesce(a.backend_type, '') <> 'autovacuum worker'
  and not exists (select 1 from pg_stat_progress_vacuum v where v.pid = a.pid)";

const PREPARED: &str = "
select p.gid as gid, p.owner::text as role, extract(epoch from clock_timestamp() - p.prepared)::bigint as seconds,
       age(p.transaction)::bigint as held
from pg_prepared_xacts p
where p.database = current_database()";

const SLOTS: &str = "
select s.slot_name::text as name, s.slot_type as kind, s.active as active, age(s.xmin)::bigint as held,
       age(s.catalog_xmin)::bigint as catalogs_held,
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn), 0)::bigint as wal
from pg_replication_slots s
where s.xmin is not null or s.catalog_xmin is not null";

/// One that holds the horizon back.
struct Holder {
    /// `pid 123`, `slot cdc`.
    subject: String,
    /// Who and how long.
    detail: String,
    /// How to end it.
    remedy: String,
    /// Transactions that began since.
    held: i64,
    /// Seconds that it has been open, where that can be seen.
    seconds: Option<u64>,
    /// It is a session whose age this role may not see.
    hidden: bool,
    /// It holds dead rows of tables back, not only of the system's catalogs.
    tables: bool,
    title: &'static str,
    level: Option<Level>,
}

/// Reports whoever has held the horizon back for long, and that some cannot be seen.
pub(super) async fn check(database: &sql::Database, options: &Options, settings: &Settings) -> Result<()> {
    let long = options.long_transaction.as_secs();
    let holders = holders(database, long).await?;
    for holder in &holders {
        if let Some(level) = holder.level {
            finding(level, &holder.subject, holder.title).detail(&*holder.detail).remedy(&*holder.remedy).report();
        }
    }
    let hidden: Vec<_> = holders.iter().filter(|holder| holder.hidden).map(|holder| holder.subject.as_str()).collect();
    if !hidden.is_empty() && !settings.sees_sessions {
        let role = &settings.role;
        Finding::warning(role, "cannot see the age of others' transactions")
            .detail(format!("since when these hold dead rows back is hidden from `{role}`: {}", some_of(&hidden, 10)))
            .remedy(format!("grant pg_read_all_stats to \"{role}\";"))
            .report();
    }
    let oldest = holders.iter().filter(|holder| holder.tables).map(|holder| holder.held).max().unwrap_or(0);
    number("horizon_age", unsigned(oldest)).report();
    let longest = holders.iter().filter_map(|holder| holder.seconds).max().unwrap_or(0);
    number("longest_transaction", longest).unit(Unit::Seconds).report();
    Ok(())
}

/// Reports that many dead rows are still there after a vacuum, which left them as `figures` say, and who holds them.
pub(super) async fn explain(database: &sql::Database, subject: &str, figures: String) -> Result<()> {
    let mut holders = holders(database, u64::MAX).await?;
    holders.retain(|holder| holder.tables);
    holders.sort_by_key(|holder| std::cmp::Reverse(holder.held));
    let report = Finding::warning(subject, "dead rows remain");
    let Some((oldest, others)) = holders.split_first() else {
        let detail = format!("{figures}\nwhat held them is gone by now, or holds from a place that is not seen");
        report.detail(detail).remedy("run again").report();
        return Ok(());
    };
    let mut detail = format!("{figures}\nheld back by {}: {}", oldest.subject, oldest.detail);
    let others: Vec<_> = others.iter().map(|holder| holder.subject.as_str()).collect();
    let mut remedy = oldest.remedy.clone();
    if !others.is_empty() {
        let _ = write!(detail, "\nand, less far, by {}", some_of(&others, 5));
        remedy.push_str(" then the others, which hold rows too");
    }
    report.detail(detail).remedy(remedy).report();
    next_action_on(subject, format!("end {}, then vacuum it again", oldest.subject));
    Ok(())
}

async fn holders(database: &sql::Database, long: u64) -> Result<Vec<Holder>> {
    let mut holders = Vec::new();
    for row in database.query_all(SESSIONS, params![]).await? {
        holders.push(session(&row, long)?);
    }
    for row in database.query_all(PREPARED, params![]).await? {
        let (gid, role): (String, String) = (row.get("gid")?, row.get("role")?);
        let (seconds, held) = (unsigned(row.get("seconds")?), row.get("held")?);
        holders.push(Holder {
            subject: format!("prepared transaction `{gid}`"),
            detail: format!("of {role}, prepared {} ago; {}", span(seconds), since(held)),
            remedy: format!("commit or undo it: rollback prepared '{}';", gid.replace('\'', "''")),
            held,
            seconds: Some(seconds),
            hidden: false,
            tables: true,
            title: "prepared transaction holds dead rows back",
            level: judge::transaction_level(Some(seconds), held, long),
        });
    }
    for row in database.query_all(SLOTS, params![]).await? {
        holders.push(slot(&row)?);
    }
    Ok(holders)
}

fn session(row: &sql::Row, long: u64) -> Result<Holder> {
    let pid: i64 = row.get("pid")?;
    let (role, application): (String, String) = (row.get("role")?, row.get("application")?);
    let (client, state, backend): (String, String, String) =
        (row.get("client")?, row.get("state")?, row.get("backend")?);
    let (seconds, held): (Option<i64>, i64) = (row.get("seconds")?, row.get("held")?);
    let seconds = seconds.map(unsigned);
    let walsender = backend == "walsender";
    let mut detail = who(&role, &application);
    if !client.is_empty() {
        let _ = write!(detail, " from {client}");
    }
    if !state.is_empty() && !walsender {
        let _ = write!(detail, ", {state}");
    }
    if let Some(seconds) = seconds {
        let _ = write!(detail, ", transaction open for {}", span(seconds));
    }
    let _ = write!(detail, "; {}", since(held));
    Ok(Holder {
        subject: format!("pid {pid}"),
        detail,
        remedy: if walsender {
            "end the long query on that standby, or switch its hot_standby_feedback off".into()
        } else {
            format!("commit it where it was begun, or end the session: select pg_terminate_backend({pid});")
        },
        held,
        seconds,
        hidden: seconds.is_none(),
        tables: true,
        title: if walsender { "standby holds dead rows back" } else { "transaction holds dead rows back" },
        level: judge::transaction_level(seconds, held, long),
    })
}

fn slot(row: &sql::Row) -> Result<Holder> {
    let (name, kind, active): (String, String, bool) = (row.get("name")?, row.get("kind")?, row.get("active")?);
    let (tables, catalogs): (Option<i64>, Option<i64>) = (row.get("held")?, row.get("catalogs_held")?);
    let held = tables.or(catalogs).unwrap_or(0);
    let what = if tables.is_some() { "dead rows of every database" } else { "dead rows of the system's catalogs" };
    let wal = unsigned(row.get("wal")?);
    Ok(Holder {
        subject: format!("slot {name}"),
        detail: format!(
            "{kind} slot, {}; keeps {what} and {} of write-ahead log; {}",
            if active { "in use" } else { "nobody reads it" },
            size(wal),
            since(held)
        ),
        remedy: if active {
            "find out why its reader is behind (pg_stat_replication)".into()
        } else {
            format!("start its reader again, or drop it: select pg_drop_replication_slot('{name}');")
        },
        held,
        seconds: None,
        hidden: false,
        tables: tables.is_some(),
        title: "replication slot holds dead rows back",
        level: judge::slot_level(active, held),
    })
}

/// The role, and the application where it has a name.
pub(super) fn who(role: &str, application: &str) -> String {
    let role = if role.is_empty() { "no role" } else { role };
    if application.is_empty() { role.to_owned() } else { format!("{role}, application `{application}`") }
}

fn since(held: i64) -> String {
    format!("{} transaction{} began since", count(unsigned(held)), if held == 1 { "" } else { "s" })
}
