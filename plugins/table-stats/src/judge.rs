//! What a PostgreSQL table's figures say of how it is looked after. Pure: figures in, findings out.

use taskhost_sdk::prelude::*;
use taskhost_sdk::report::Severity;
use taskhost_sdk::words::{count, size, span};

use crate::table::{Settings, Table, float, percent};

/// Transactions after which PostgreSQL's counter would begin to overtake the oldest row.
const XID_LIMIT: i64 = 1 << 31;
/// From here PostgreSQL 14 and later drop every courtesy to get rows frozen (`vacuum_failsafe_age`'s default).
const XID_CRITICAL: i64 = 1_600_000_000;
/// Sixty per cent of the way, whatever `autovacuum_freeze_max_age` was set to.
const XID_WARNING: i64 = 1_288_000_000;
/// Updates that found no room on their page, from which room would help: per cent.
const MOVED: f64 = 25.0;
/// With less of its pages filled, a table is read at twice the cost.
const LOWEST_FILL: u64 = 50;
/// Tables with a finding of one kind; the others are counted.
const NAMED: usize = 20;
const DAY: u64 = 86_400;

/// From where something is said.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Rows below which nothing of a table is judged.
    pub(crate) min_rows: u64,
    /// Rows changed since the last ANALYZE, in per cent of all.
    pub(crate) stale_percent: f64,
    pub(crate) dead_percent: f64,
    /// Updates that should stay on their page, in per cent.
    pub(crate) hot_percent: f64,
    /// Updates below which that is not judged.
    pub(crate) min_updates: u64,
}

/// What may be wrong with a table.
type Check = fn(&Table, &Settings, &Limits) -> Option<Finding>;

/// Every finding.
pub(crate) fn all(tables: &[Table], settings: &Settings, limits: &Limits) -> Vec<Finding> {
    let mut findings: Vec<Finding> = server(settings).into_iter().collect();
    let checks: [Check; 6] = [never_analyzed, stale, unattended, dead, hot, wraparound];
    for check in checks {
        let mut found: Vec<Finding> = tables.iter().filter_map(|table| check(table, settings, limits)).collect();
        found.sort_by_key(|finding| std::cmp::Reverse(finding.severity() == Severity::Critical));
        let others = found.len().saturating_sub(NAMED);
        let title = found.last().map(|finding| finding.title().to_owned()).unwrap_or_default();
        findings.extend(found.into_iter().take(NAMED));
        if others > 0 {
            findings.push(Finding::warning("more tables", title).detail(format!("{} more", count(others as u64))));
        }
    }
    findings
}

fn server(settings: &Settings) -> Option<Finding> {
    if !settings.counted {
        return Some(
            Finding::critical("track_counts", "changes of rows are not counted")
                .detail("track_counts is off: nothing here can be told, and autovacuum does not know what to do")
                .remedy("alter system set track_counts = on; select pg_reload_conf();"),
        );
    }
    (!settings.autovacuum).then(|| {
        Finding::warning("autovacuum", "autovacuum is off")
            .detail("nothing removes dead rows or refreshes statistics by itself")
            .remedy("alter system set autovacuum = on; select pg_reload_conf();")
    })
}

fn never_analyzed(table: &Table, settings: &Settings, limits: &Limits) -> Option<Finding> {
    // When the counters were set back, the planner's statistics are still there.
    if table.analyzed.is_some() || table.has_statistics || table.live < limits.min_rows || !settings.counted {
        return None;
    }
    let detail = if !table.seen {
        format!("{}; or the counters were set back: this role sees no statistics of what it may not read", rows(table))
    } else if table.partitioned {
        format!(
            "{}; autovacuum analyzes the parts and never the parent, whose statistics the planner uses for joins",
            rows(table)
        )
    } else {
        format!("{}; the planner guesses", rows(table))
    };
    Some(Finding::warning(&table.name, "never analyzed").detail(detail).remedy(format!("analyze {};", table.quoted)))
}

fn stale(table: &Table, _: &Settings, limits: &Limits) -> Option<Finding> {
    let analyzed = table.analyzed?;
    let share = percent(table.changed, table.live.max(1));
    if table.changed < limits.min_rows || share < limits.stale_percent {
        return None;
    }
    let detail = format!(
        "{} rows of {} changed ({share:.0} %) since it was analyzed {} ago",
        count(table.changed),
        count(table.live),
        span(analyzed)
    );
    Some(
        Finding::warning(&table.name, "its statistics are stale")
            .detail(detail)
            .remedy(format!("analyze {};", table.quoted)),
    )
}

fn unattended(table: &Table, settings: &Settings, limits: &Limits) -> Option<Finding> {
    if table.options.unattended() {
        let remedy = format!("alter table {} reset (autovacuum_enabled);", table.quoted);
        let finding = Finding::warning(&table.name, "autovacuum is off for this table");
        return Some(
            finding.detail(format!("its storage option autovacuum_enabled says so; {}", rows(table))).remedy(remedy),
        );
    }
    let due = table.options.vacuum_from(table.live, settings);
    let overdue =
        settings.autovacuum && !table.attended && table.dead >= limits.min_rows && float(table.dead) > due * 2.0;
    overdue.then(|| {
        Finding::warning(&table.name, "autovacuum has never been there")
            .detail(format!("it should come from {due:.0} dead rows on; {}", rows(table)))
            .remedy(
                "see whether its workers are busy elsewhere or cancelled (the server's log), or something holds a lock: \
                 select * from pg_stat_progress_vacuum; the task vacuum names what stands in the way",
            )
    })
}

fn dead(table: &Table, _: &Settings, limits: &Limits) -> Option<Finding> {
    if table.dead < limits.min_rows || table.dead_percent() < limits.dead_percent {
        return None;
    }
    let detail = format!("{}, {}", rows(table), size(table.bytes));
    Some(
        Finding::warning(&table.name, "many rows are dead")
            .detail(detail)
            .remedy(format!("vacuum (analyze) {};", table.quoted)),
    )
}

fn hot(table: &Table, _: &Settings, limits: &Limits) -> Option<Finding> {
    if table.updated < limits.min_updates || table.hot_percent() >= limits.hot_percent {
        return None;
    }
    let fillfactor = table.options.fillfactor();
    let lower = (fillfactor.min(100) - fillfactor.min(100) / 10).max(LOWEST_FILL);
    let room = if fillfactor <= LOWEST_FILL {
        format!(
            "its pages are filled by half already: have dead rows removed sooner: alter table {} set \
             (autovacuum_vacuum_scale_factor = 0.01);",
            table.quoted
        )
    } else {
        format!(
            "alter table {} set (fillfactor = {lower}); for the rows that are there, it takes a rewrite (vacuum full, \
             pg_repack)",
            table.quoted
        )
    };
    let column =
        "leave the indexed column alone in such updates, or drop the index (index-usage says how much it is used)";
    let (why, remedy) = match table.moved.map(|moved| percent(moved, table.updated)) {
        Some(moved) if moved >= MOVED => (format!("{moved:.0} % found no room on their page"), room),
        Some(moved) => (
            format!("only {moved:.0} % found no room on their page: the others change a column that an index has"),
            column.to_owned(),
        ),
        None => (
            "either there was no room on their page, or they change a column that an index has".to_owned(),
            format!("if they change no indexed column: {room}; else {column}"),
        ),
    };
    let detail = format!(
        "{:.0} % of {} updates needed no new entry in the indexes; {why}; fillfactor is {fillfactor}",
        table.hot_percent(),
        count(table.updated)
    );
    Some(Finding::warning(&table.name, "few updates are HOT").detail(detail).remedy(remedy))
}

fn wraparound(table: &Table, settings: &Settings, _: &Limits) -> Option<Finding> {
    let (transactions, multixacts) = table.options.freeze_max_ages(settings);
    let of = |what: &str, age: i64, freeze_max_age: i64| {
        // A quarter above the age at which autovacuum should have dealt with it.
        let warning = (freeze_max_age.saturating_add(freeze_max_age / 4)).min(XID_WARNING);
        let severity = if age >= XID_CRITICAL {
            Severity::Critical
        } else if age >= warning {
            Severity::Warning
        } else {
            return None;
        };
        let used = percent(age.unsigned_abs(), XID_LIMIT.unsigned_abs());
        let detail = format!(
            "its oldest {what} is {} back, {used:.0} % of the way to where the server stops; autovacuum should have frozen it \
             at {}",
            count(age.unsigned_abs()),
            count(freeze_max_age.unsigned_abs())
        );
        Some(
            Finding::new(severity, &table.name, "its rows are not frozen in time").detail(detail).remedy(format!(
                "end old transactions (session-review, vacuum), then: vacuum (freeze) {};",
                table.quoted
            )),
        )
    };
    of("transaction", table.age, transactions).or_else(|| of("multixact", table.multixact_age, multixacts))
}

/// The runbook's list, the largest first.
pub(crate) fn list(tables: &[Table], settings: &Settings, top: usize) -> Option<Finding> {
    let mut sorted: Vec<&Table> = tables.iter().collect();
    sorted.sort_by_key(|table| (std::cmp::Reverse(table.live), table.name.clone()));
    let lines: Vec<String> = sorted.iter().take(top).map(|table| line(table, settings)).collect();
    (!lines.is_empty()).then(|| Finding::ok("tables", "rows and changes").detail(lines.join("\n")))
}

fn line(table: &Table, settings: &Settings) -> String {
    let ago = |what: &str, seconds: Option<u64>| match seconds {
        Some(seconds) => format!("{what} {} ago", span(seconds)),
        None => format!("never {what}"),
    };
    let days = float(settings.observed.max(DAY)) / float(DAY);
    let a_day = |rows: u64| format!("{:.0}", float(rows) / days);
    let hot = if table.updated > 0 { format!(" ({:.0} % HOT)", table.hot_percent()) } else { String::new() };
    let rate = if settings.observed > DAY {
        format!(" ({}, {}, {} a day)", a_day(table.inserted), a_day(table.updated), a_day(table.deleted))
    } else {
        String::new()
    };
    format!(
        "{}: {}, {} inserted, {} updated{hot}, {} deleted{rate}; {}, {}",
        table.name,
        rows(table),
        count(table.inserted),
        count(table.updated),
        count(table.deleted),
        ago("vacuumed", table.vacuumed),
        ago("analyzed", table.analyzed)
    )
}

fn rows(table: &Table) -> String {
    format!("{} rows, {} dead ({:.1} %)", count(table.live), count(table.dead), table.dead_percent())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Options;

    fn limits() -> Limits {
        Limits { min_rows: 1_000, stale_percent: 20.0, dead_percent: 20.0, hot_percent: 50.0, min_updates: 10_000 }
    }

    fn settings() -> Settings {
        Settings {
            autovacuum: true,
            counted: true,
            observed: 10 * DAY,
            vacuum_threshold: 50.0,
            vacuum_scale: 0.2,
            freeze_max_age: 200_000_000,
            multixact_freeze_max_age: 400_000_000,
        }
    }

    fn table() -> Table {
        Table {
            name: "s.t".into(),
            quoted: "\"s\".\"t\"".into(),
            live: 100_000,
            vacuumed: Some(60),
            analyzed: Some(60),
            attended: true,
            ..Table::default()
        }
    }

    fn titles(table: Table) -> Vec<String> {
        all(&[table], &settings(), &limits()).iter().map(|finding| finding.title().to_owned()).collect()
    }

    #[test]
    fn a_table_that_is_not_looked_after_is_named() {
        for (case, table, expected) in [
            ("in order", table(), None),
            ("never analyzed", Table { analyzed: None, ..table() }, Some("never analyzed")),
            ("the counters were set back", Table { analyzed: None, has_statistics: true, ..table() }, None),
            ("small", Table { analyzed: None, live: 999, ..table() }, None),
            ("a fifth changed", Table { changed: 20_000, ..table() }, Some("its statistics are stale")),
            ("less changed", Table { changed: 19_999, ..table() }, None),
            ("all of a small one changed", Table { changed: 999, live: 10, ..table() }, None),
            ("emptied", Table { changed: 5_000, live: 0, ..table() }, Some("its statistics are stale")),
            (
                "left alone on purpose",
                Table { options: Options::read("autovacuum_enabled=off"), ..table() },
                Some("autovacuum is off for this table"),
            ),
            (
                "left alone",
                Table { attended: false, live: 10_000, dead: 4_101, changed: 0, ..table() },
                Some("autovacuum has never been there, many rows are dead"),
            ),
            ("not due yet", Table { attended: false, dead: 20_000, ..table() }, None),
            ("a fifth is dead", Table { dead: 25_000, ..table() }, Some("many rows are dead")),
            ("old", Table { age: 250_000_000, ..table() }, Some("its rows are not frozen in time")),
            ("not so old", Table { age: 249_999_999, ..table() }, None),
            (
                "old multixacts",
                Table { multixact_age: 500_000_000, ..table() },
                Some("its rows are not frozen in time"),
            ),
        ] {
            assert_eq!(titles(table).join(", "), expected.unwrap_or_default(), "{case}");
        }
        let severe = all(&[Table { age: 1_700_000_000, ..table() }], &settings(), &limits());
        assert_eq!(severe.first().map(Finding::severity), Some(Severity::Critical));
    }

    #[test]
    fn updates_that_are_not_hot_are_told_apart_by_what_would_help() {
        let updated = |hot, moved, options: &str| Table {
            updated: 10_000,
            hot,
            moved,
            options: Options::read(options),
            ..table()
        };
        for (case, table, expected) in [
            ("half of them are", updated(5_000, Some(5_000), ""), None),
            ("no room", updated(4_999, Some(2_500), ""), Some("set (fillfactor = 90)")),
            (
                "no room, with some left already",
                updated(0, Some(9_000), "fillfactor=80"),
                Some("set (fillfactor = 72)"),
            ),
            ("filled by half", updated(0, Some(9_000), "fillfactor=50"), Some("autovacuum_vacuum_scale_factor")),
            ("an index in the way", updated(0, Some(100), ""), Some("drop the index")),
            (
                "nobody knows",
                updated(0, None, ""),
                Some("if they change no indexed column: alter table \"s\".\"t\" set (fil"),
            ),
            ("too few to say", Table { updated: 9_999, ..table() }, None),
        ] {
            let found = all(&[table], &settings(), &limits());
            let text = found.first().map(Finding::text);
            assert_eq!(text.is_some(), expected.is_some(), "{case}");
            assert!(text.as_ref().is_none_or(|text| text.contains(expected.unwrap())), "{case}: {text:?}");
        }
    }

    #[test]
    fn settings_of_the_server_come_first_and_many_tables_are_counted() {
        let off = Settings { autovacuum: false, ..settings() };
        assert_eq!(all(&[], &off, &limits()).first().map(Finding::title), Some("autovacuum is off"));
        let blind = Settings { counted: false, ..settings() };
        let found = all(&[Table { analyzed: None, ..table() }], &blind, &limits());
        assert_eq!(found.iter().map(Finding::title).collect::<Vec<_>>(), ["changes of rows are not counted"]);
        let many = vec![Table { analyzed: None, ..table() }; 25];
        let found = all(&many, &settings(), &limits());
        assert_eq!(found.len(), NAMED + 1);
        assert!(found.last().is_some_and(|finding| finding.text().contains("5 more")));
    }

    #[test]
    fn the_list_is_the_runbook_s_with_rates() {
        let busy = Table { inserted: 1_000, updated: 500, hot: 250, deleted: 10, dead: 100, ..table() };
        let found = list(&[Table { live: 1, name: "s.small".into(), ..table() }, busy], &settings(), 1).unwrap();
        assert_eq!(
            found.text(),
            "s.t: 100,000 rows, 100 dead (0.1 %), 1,000 inserted, 500 updated (50 % HOT), 10 deleted (100, 50, 1 a day); \
             vacuumed 1 min ago, analyzed 1 min ago"
        );
        assert!(list(&[], &settings(), 1).is_none());
    }
}
