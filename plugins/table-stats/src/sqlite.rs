//! SQLite: whether `sqlite_stat1`, by which it chooses indexes, is there, complete and anywhere near what there is.

use std::collections::HashMap;

use taskhost_sdk::prelude::*;
use taskhost_sdk::words::{count, counted};

use crate::judge::Limits;
use crate::table::{float, percent};

/// Rows that are counted of a table at most: counting reads them.
const COUNTED: u64 = 1_000_000;
/// Tables with a finding.
const NAMED: usize = 20;

const TABLES: &str = "
select m.name as name from sqlite_schema m
where m.type = 'table' and m.name not like 'sqlite\\_%' escape '\\' and m.sql not like 'create virtual%'
order by m.name";

const INDEXES: &str = "
select m.name as name, m.tbl_name as table_name from sqlite_schema m where m.type = 'index' order by m.name";

const ANALYZED: &str = "select count(*) as found from sqlite_schema where name = 'sqlite_stat1'";

const STATISTICS: &str = "select s.tbl as table_name, s.idx as index_name, s.stat as stat from sqlite_stat1 s";

/// A table as it is and as the planner takes it to be.
#[derive(Clone, Debug, Default)]
struct Table {
    name: String,
    rows: u64,
    /// Its indexes, each with the rows that `sqlite_stat1` has for it.
    indexes: Vec<(String, Option<u64>)>,
}

/// Reads, judges and reports.
pub(crate) async fn run(database: &sql::Database, limits: &Limits, top: usize) -> Result<String> {
    let analyzed: i64 = database.query_one(ANALYZED, params![]).await?.get("found")?;
    let mut kept: HashMap<String, u64> = HashMap::new();
    if analyzed > 0 {
        for row in database.query_all(STATISTICS, params![]).await? {
            let stat: Option<String> = row.get("stat")?;
            if let (Some(index), Some(rows)) =
                (row.get::<Option<String>>("index_name")?, stat.as_deref().and_then(rows))
            {
                kept.insert(index, rows);
            }
        }
    }
    let indexes = database.query_all(INDEXES, params![]).await?;
    let mut tables = Vec::new();
    for row in database.query_all(TABLES, params![]).await? {
        let mut table = Table { name: row.get("name")?, ..Table::default() };
        let name = sql::identifier(&table.name);
        let statement = format!("select count(*) as counted from (select 1 from {name} limit {COUNTED})");
        table.rows = database.query_one(&statement, params![]).await?.get("counted")?;
        for row in &indexes {
            if row.get::<String>("table_name")? == table.name {
                let index: String = row.get("name")?;
                let rows = kept.get(&index).copied();
                table.indexes.push((index, rows));
            }
        }
        tables.push(table);
    }
    let mut findings: Vec<Finding> = tables.iter().filter_map(|table| judge(table, limits)).collect();
    if analyzed == 0 && findings.len() > 1 {
        let names: Vec<&str> = findings.iter().map(Finding::subject).collect();
        let detail = format!("no statistics of any index; the largest of its tables: {}", names.join(", "));
        findings = vec![Finding::warning("sqlite_stat1", "never analyzed").detail(detail).remedy("analyze;")];
    }
    let bad = findings.len();
    tables.sort_by_key(|table| (std::cmp::Reverse(table.rows), table.name.clone()));
    let line = |table: &Table| {
        let many = if table.rows >= COUNTED { "at least " } else { "" };
        let indexes = counted(table.indexes.len(), "index").replace("indexs", "indexes");
        format!("{}: {many}{} rows, {indexes}", table.name, count(table.rows))
    };
    let lines: Vec<String> = tables.iter().take(top).map(line).collect();
    if !lines.is_empty() {
        Finding::ok("tables", "rows").detail(lines.join("\n")).report();
    }
    for finding in findings.into_iter().take(NAMED) {
        finding.report();
    }
    for table in tables.iter().take(top) {
        Metric::new("table_rows", float(table.rows)).subject(&table.name).report();
    }
    let verdict = if bad == 0 { "in order".to_owned() } else { counted(bad, "finding") };
    Ok(format!("{}: {verdict}", counted(tables.len(), "table")))
}

/// The rows of the table when it was analyzed: the first number.
fn rows(stat: &str) -> Option<u64> {
    stat.split(' ').next()?.parse().ok()
}

/// Without an index there is nothing to choose.
fn judge(table: &Table, limits: &Limits) -> Option<Finding> {
    if table.rows < limits.min_rows || table.indexes.is_empty() {
        return None;
    }
    let analyze = format!("analyze {};", sql::identifier(&table.name));
    let without: Vec<&str> =
        table.indexes.iter().filter(|(_, rows)| rows.is_none()).map(|(name, _)| name.as_str()).collect();
    if !without.is_empty() {
        let detail = format!("{} rows; there are no statistics of {}", count(table.rows), without.join(", "));
        return Some(Finding::warning(&table.name, "never analyzed").detail(detail).remedy(analyze));
    }
    // A partial index has fewer rows than its table: the one with most stands for it.
    let kept = table.indexes.iter().filter_map(|(_, rows)| *rows).max()?;
    let off = table.rows.abs_diff(kept);
    // Beyond what is counted, more is no difference.
    let unknown = table.rows >= COUNTED && kept >= COUNTED;
    let share = percent(off, kept.max(1));
    if unknown || off < limits.min_rows || share < limits.stale_percent {
        return None;
    }
    let many = if table.rows >= COUNTED { "at least " } else { "" };
    let detail = format!(
        "it was analyzed with {} rows, and there are {many}{} now ({share:.0} % off)",
        count(kept),
        count(table.rows)
    );
    Some(Finding::warning(&table.name, "its statistics are stale").detail(detail).remedy(analyze))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_held_against_what_there_is() {
        let limits =
            Limits { min_rows: 1_000, stale_percent: 20.0, dead_percent: 20.0, hot_percent: 50.0, min_updates: 1 };
        let table = |rows, indexes: &[(&str, Option<u64>)]| Table {
            name: "t".into(),
            rows,
            indexes: indexes.iter().map(|(name, rows)| ((*name).into(), *rows)).collect(),
        };
        for (case, table, expected) in [
            ("in order", table(10_000, &[("a", Some(10_000))]), None),
            ("no index", table(10_000, &[]), None),
            ("small", table(999, &[("a", None)]), None),
            ("one of two is new", table(10_000, &[("a", Some(10_000)), ("b", None)]), Some("never analyzed")),
            ("grown", table(13_000, &[("a", Some(10_000))]), Some("its statistics are stale")),
            ("shrunk", table(7_000, &[("a", Some(10_000))]), Some("its statistics are stale")),
            ("a tenth more", table(11_000, &[("a", Some(10_000))]), None),
            ("a partial index has fewer", table(10_000, &[("a", Some(10_000)), ("b", Some(10))]), None),
            ("more than is counted", table(COUNTED, &[("a", Some(COUNTED * 9))]), None),
            ("far more than there were", table(COUNTED, &[("a", Some(10))]), Some("its statistics are stale")),
        ] {
            assert_eq!(judge(&table, &limits).as_ref().map(Finding::title), expected, "{case}");
        }
        for (stat, expected) in [("100 5 1", Some(100)), ("7", Some(7)), ("", None), ("unordered 5", None)] {
            assert_eq!(rows(stat), expected, "{stat}");
        }
    }
}
