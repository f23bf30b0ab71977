//! MariaDB and MySQL: what `InnoDB` keeps of a table for the planner, and how old it is.

use std::collections::HashMap;

use taskhost_sdk::prelude::*;
use taskhost_sdk::sql::{Dialect, identifier_for};
use taskhost_sdk::words::{count, counted, size, span};

use crate::judge::Limits;
use crate::table::{float, percent};

/// SQLSTATE of a right that the role has not, among others.
const DENIED: &str = "42000";
/// Tables with a finding of one kind.
const NAMED: usize = 20;

const VARIABLES: &str = "
show global variables where variable_name in
    ('innodb_stats_persistent', 'innodb_stats_auto_recalc', 'performance_schema')";

/// `table_rows` is what the server counts as it goes; `last_update` and `n_rows` are what the planner goes by.
const TABLES: &str = "
select t.table_name as name, cast(coalesce(t.table_rows, 0) as signed) as live,
       cast(coalesce(t.data_length, 0) + coalesce(t.index_length, 0) as signed) as bytes,
       coalesce(t.create_options, '') as options,
       cast(timestampdiff(second, t.update_time, now()) as signed) as changed
from information_schema.tables t
where t.table_schema = database() and t.table_type = 'BASE TABLE' and t.engine = 'InnoDB'
order by t.table_name";

const KEPT: &str = "
select s.table_name as name, cast(s.n_rows as signed) as row_count,
       cast(timestampdiff(second, s.last_update, now()) as signed) as age
from mysql.innodb_table_stats s
where s.database_name = database()";

const CHANGES: &str = "
select u.object_name as name, cast(u.count_insert as signed) as inserted, cast(u.count_update as signed) as updated,
       cast(u.count_delete as signed) as deleted
from performance_schema.table_io_waits_summary_by_table u
where u.object_schema = database() and u.object_type = 'TABLE'";

/// A table as the server has it.
#[derive(Clone, Debug, Default)]
struct Table {
    name: String,
    live: u64,
    bytes: u64,
    /// `stats_persistent=0 stats_auto_recalc=0`.
    options: String,
    /// Seconds since it was changed, where the server still knows.
    changed: Option<u64>,
    /// Rows that the planner reckons with, and their age in seconds; none where nothing is kept.
    kept: Option<(u64, u64)>,
    /// Rows inserted, updated and removed since the server started.
    changes: Option<(u64, u64, u64)>,
}

/// What of the server holds for all tables.
#[derive(Clone, Copy)]
struct Settings {
    persistent: bool,
    recalculates: bool,
    /// The role may read what is kept.
    seen: bool,
}

/// Reads, judges and reports.
pub(crate) async fn run(
    database: &sql::Database,
    dialect: Dialect,
    limits: &Limits,
    top: usize,
    stale_after: u64,
) -> Result<String> {
    let variables = pairs(database, VARIABLES).await?;
    let is_on = |name: &str| variables.get(name).is_none_or(|value| value.eq_ignore_ascii_case("ON"));
    let mut tables: Vec<Table> = Vec::new();
    for row in database.query_all(TABLES, params![]).await? {
        tables.push(Table {
            name: row.get("name")?,
            live: row.get("live")?,
            bytes: row.get("bytes")?,
            options: row.get::<String>("options")?.to_lowercase(),
            changed: row.get::<Option<i64>>("changed")?.and_then(|seconds| u64::try_from(seconds).ok()),
            ..Table::default()
        });
    }
    let seen = keep(database, &mut tables).await?;
    if is_on("performance_schema") {
        add_changes(database, &mut tables).await?;
    }
    let settings = Settings {
        persistent: is_on("innodb_stats_persistent"),
        recalculates: is_on("innodb_stats_auto_recalc"),
        seen,
    };
    let mut findings: Vec<Finding> = server(settings).into_iter().collect();
    let judged = tables.iter().filter_map(|table| judge(table, settings, limits, stale_after, dialect));
    findings.extend(judged.take(NAMED));
    let bad = findings.len();
    tables.sort_by_key(|table| (std::cmp::Reverse(table.live), table.name.clone()));
    let lines: Vec<String> = tables.iter().take(top).map(line).collect();
    if !lines.is_empty() {
        Finding::ok("tables", "rows and changes").detail(lines.join("\n")).report();
    }
    for finding in findings {
        finding.report();
    }
    for table in tables.iter().take(top) {
        Metric::new("table_rows", float(table.live)).subject(&table.name).report();
        if let Some((_, age)) = table.kept {
            Metric::new("table_statistics_age", float(age)).subject(&table.name).unit(Unit::Seconds).report();
        }
    }
    let rows: u64 = tables.iter().map(|table| table.live).sum();
    let verdict = if bad == 0 { "in order".to_owned() } else { counted(bad, "finding") };
    Ok(format!("{} with about {} rows: {verdict}", counted(tables.len(), "InnoDB table"), count(rows)))
}

fn server(settings: Settings) -> Option<Finding> {
    let (subject, detail, remedy) = if !settings.persistent {
        (
            "innodb_stats_persistent",
            "the planner's statistics are lost with each restart, and made anew from a few pages as tables are opened",
            "set global innodb_stats_persistent = ON; and in the configuration",
        )
    } else if !settings.recalculates {
        (
            "innodb_stats_auto_recalc",
            "statistics are refreshed by ANALYZE TABLE alone",
            "set global innodb_stats_auto_recalc = ON; and in the configuration, or analyze every night",
        )
    } else {
        return None;
    };
    Some(Finding::warning(subject, "statistics do not keep up by themselves").detail(detail).remedy(remedy))
}

/// The first that is wrong with it.
fn judge(table: &Table, settings: Settings, limits: &Limits, stale_after: u64, dialect: Dialect) -> Option<Finding> {
    let analyze = format!("analyze table {};", identifier_for(dialect, &table.name));
    let off = table.options.contains("stats_auto_recalc=0");
    let lost = table.options.contains("stats_persistent=0") || !settings.persistent;
    if table.live < limits.min_rows || !settings.seen || lost {
        return None;
    }
    let Some((rows, age)) = table.kept else {
        let detail = format!("about {} rows, {}; the planner guesses", count(table.live), size(table.bytes));
        return Some(Finding::warning(&table.name, "never analyzed").detail(detail).remedy(analyze));
    };
    let difference = percent(rows.abs_diff(table.live), rows.max(1));
    let why = if off { "; its option stats_auto_recalc=0 keeps them from being refreshed" } else { "" };
    if rows.abs_diff(table.live) >= limits.min_rows && difference >= limits.stale_percent {
        let detail = format!(
            "the planner reckons with {} rows, and there are about {} ({difference:.0} % off); they are {} old{why}",
            count(rows),
            count(table.live),
            span(age)
        );
        return Some(Finding::warning(&table.name, "its statistics are stale").detail(detail).remedy(analyze));
    }
    // Of what was changed since.
    let changed = table.changed.is_some_and(|changed| changed < age);
    (age >= stale_after && (changed || off)).then(|| {
        let detail = format!("{} old, and rows were changed since{why}", span(age));
        Finding::warning(&table.name, "its statistics are old").detail(detail).remedy(analyze)
    })
}

fn line(table: &Table) -> String {
    let kept = match table.kept {
        Some((rows, age)) => format!("statistics of {} rows, {} old", count(rows), span(age)),
        None => "no statistics".to_owned(),
    };
    let changes = table.changes.map_or(String::new(), |(inserted, updated, deleted)| {
        format!(", {} inserted, {} updated, {} deleted", count(inserted), count(updated), count(deleted))
    });
    format!("{}: about {} rows{changes}; {kept}", table.name, count(table.live))
}

/// Adds what the planner goes by. Whether the role may read it.
async fn keep(database: &sql::Database, tables: &mut [Table]) -> Result<bool> {
    let rows = match database.query_all(KEPT, params![]).await {
        Ok(rows) => rows,
        Err(sql::Error::Database(error)) if error.code == DENIED => {
            let role: String = database.query_one("select current_user() as role", params![]).await?.get("role")?;
            let (user, host) = role.rsplit_once('@').unwrap_or((&role, "%"));
            Finding::warning("mysql.innodb_table_stats", "may not be read")
                .detail("how old the planner's statistics are cannot be told")
                .remedy(format!("grant select on mysql.innodb_table_stats to '{user}'@'{host}';"))
                .report();
            return Ok(false);
        }
        Err(error) => return Err(error.into()),
    };
    for row in rows {
        let name: String = row.get("name")?;
        // A partition has a row of its own: `t#P#p0`.
        if let Some(table) = tables.iter_mut().find(|table| is_part_of(&name, &table.name)) {
            let (rows, age): (u64, i64) = (row.get("row_count")?, row.get("age")?);
            let age = u64::try_from(age).unwrap_or(0);
            let (all, oldest) = table.kept.unwrap_or((0, 0));
            table.kept = Some((all.saturating_add(rows), oldest.max(age)));
        }
    }
    Ok(true)
}

/// Whether a row of the statistics is of the table, or of one of its partitions.
fn is_part_of(name: &str, table: &str) -> bool {
    name.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.to_lowercase().starts_with("#p#"))
}

async fn add_changes(database: &sql::Database, tables: &mut [Table]) -> Result<()> {
    let rows = match database.query_all(CHANGES, params![]).await {
        Ok(rows) => rows,
        // They are for reading alone.
        Err(sql::Error::Database(error)) if error.code == DENIED => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for row in rows {
        let name: String = row.get("name")?;
        if let Some(table) = tables.iter_mut().find(|table| table.name == name) {
            table.changes = Some((row.get("inserted")?, row.get("updated")?, row.get("deleted")?));
        }
    }
    Ok(())
}

async fn pairs(database: &sql::Database, statement: &str) -> Result<HashMap<String, String>> {
    let rows = database.query_all(statement, params![]).await?;
    let pair = |row: &sql::Row| Ok((row.get::<String>(0)?.to_lowercase(), row.get::<String>(1)?));
    rows.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    #[test]
    fn what_the_planner_goes_by_is_held_against_what_there_is() {
        let limits =
            Limits { min_rows: 1_000, stale_percent: 20.0, dead_percent: 20.0, hot_percent: 50.0, min_updates: 1 };
        let good = Settings { persistent: true, recalculates: true, seen: true };
        let table = |live, kept| Table { name: "t".into(), live, kept, ..Table::default() };
        let changed = |table, changed| Table { changed: Some(changed), ..table };
        let with = |table, options: &str| Table { options: options.into(), ..table };
        for (case, table, settings, expected) in [
            ("in order", table(10_000, Some((10_000, DAY))), good, None),
            ("nothing kept", table(10_000, None), good, Some("never analyzed")),
            ("small", table(999, None), good, None),
            ("not seen", table(10_000, None), Settings { seen: false, ..good }, None),
            ("a quarter more", table(12_500, Some((10_000, DAY))), good, Some("its statistics are stale")),
            ("a tenth more", table(11_000, Some((10_000, DAY))), good, None),
            ("of an empty table", table(5_000, Some((0, DAY))), good, Some("its statistics are stale")),
            ("old", changed(table(10_000, Some((10_000, 31 * DAY))), 60), good, Some("its statistics are old")),
            ("old, of what never changes", changed(table(10_000, Some((10_000, 31 * DAY))), 32 * DAY), good, None),
            ("old, and nobody knows", table(10_000, Some((10_000, 31 * DAY))), good, None),
            (
                "old, and never refreshed",
                with(table(10_000, Some((10_000, 31 * DAY))), "stats_auto_recalc=0"),
                good,
                Some("its statistics are old"),
            ),
            ("kept in memory alone", with(table(10_000, None), "stats_persistent=0"), good, None),
        ] {
            let found = judge(&table, settings, &limits, 30 * DAY, Dialect::Mariadb);
            assert_eq!(found.as_ref().map(Finding::title), expected, "{case}");
        }
        for (settings, expected) in [
            (good, None),
            (Settings { recalculates: false, ..good }, Some("innodb_stats_auto_recalc")),
            (Settings { persistent: false, ..good }, Some("innodb_stats_persistent")),
        ] {
            assert_eq!(server(settings).as_ref().map(Finding::subject), expected);
        }
    }

    #[test]
    fn partitions_are_their_table_s() {
        for (name, expected) in [("t", true), ("t#P#p0", true), ("t#p#p0#sp#s0", true), ("t2", false), ("s", false)] {
            assert_eq!(is_part_of(name, "t"), expected, "{name}");
        }
    }
}
