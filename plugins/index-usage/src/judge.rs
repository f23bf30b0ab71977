//! Which indexes could go, and which are missing. Pure: a catalogue in, findings out.

use taskhost_sdk::prelude::*;
use taskhost_sdk::sql::Dialect;
use taskhost_sdk::words::{count, counted, size, span};

use crate::catalog::{Catalog, Elsewhere, ForeignKey, Table};
use crate::index::{Cover, Index};

/// A scan that reads less of a table than this was ended by a LIMIT: per cent.
const WHOLE: u64 = 10;
/// Lines of the list of uses.
const LISTED: usize = 20;
const DAY: u64 = 86_400;

/// From where something is said.
pub(crate) struct Limits {
    /// Seconds without a use, from which an index is unused.
    pub(crate) unused_for: u64,
    /// Bytes of an index, or of the table of a foreign key, from which it matters.
    pub(crate) min_size: u64,
    /// Bytes of a table from which reading all of it matters.
    pub(crate) table_size: u64,
    /// Times a day.
    pub(crate) scans_per_day: u64,
}

/// What was found, by kind.
#[derive(Default)]
pub(crate) struct Verdict {
    pub(crate) findings: Vec<Finding>,
    pub(crate) unused: u64,
    pub(crate) unused_bytes: u64,
    pub(crate) covered: u64,
    pub(crate) covered_bytes: u64,
    pub(crate) invalid: u64,
    pub(crate) missing: u64,
}

/// All of it.
pub(crate) fn all(catalog: &Catalog, limits: &Limits) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.findings.extend(uses(catalog));
    let judged = !matches!(catalog.elsewhere, Elsewhere::Primary);
    let unused = if judged { unused(catalog, limits) } else { vec![] };
    for index in &catalog.indexes {
        if !index.valid {
            verdict.invalid += 1;
            verdict.findings.push(invalid(index, catalog.dialect));
        } else if let Some((cover, other)) = covered(index, catalog, &unused) {
            verdict.covered += 1;
            verdict.covered_bytes += index.bytes.unwrap_or(0);
            verdict.findings.push(could_go(index, cover, other, catalog.dialect));
        } else if unused.iter().any(|own| std::ptr::eq(*own, index)) {
            verdict.unused += 1;
            verdict.unused_bytes += index.bytes.unwrap_or(0);
            verdict.findings.push(never_used(index, catalog));
        }
    }
    verdict.findings.extend(too_early(catalog, limits));
    for foreign_key in catalog.foreign_keys.iter().filter(|key| lacks_index(key, catalog, limits)) {
        verdict.missing += 1;
        verdict.findings.push(without_index(foreign_key, catalog));
    }
    for table in catalog.tables.iter().filter(|table| is_scanned(table, catalog.observed, limits)) {
        verdict.missing += 1;
        verdict.findings.push(scanned(table, catalog));
    }
    verdict
}

/// Those that nothing uses and nothing needs.
fn unused<'a>(catalog: &'a Catalog, limits: &Limits) -> Vec<&'a Index> {
    let nobody = |index: &&Index| {
        index.scans == Some(0)
            && observed(index, catalog).is_some_and(|seconds| seconds >= limits.unused_for)
            && index.valid
            && !index.unique
            && index.bound.is_none()
            && !index.referenced
            && index.bytes.is_none_or(|bytes| bytes >= limits.min_size)
    };
    let candidates: Vec<&Index> = catalog.indexes.iter().filter(nobody).collect();
    // Of several that serve a foreign key, one that is used, or else all of them.
    let serves = |index: &Index, table: &str, columns: &[String]| {
        index.finds(table, columns)
            && !catalog.indexes.iter().any(|other| {
                other.finds(table, columns) && !candidates.iter().any(|candidate| std::ptr::eq(*candidate, other))
            })
    };
    let needed = |index: &Index| {
        catalog.foreign_keys.iter().any(|key| serves(index, &key.table, &key.columns))
            || catalog.needs.iter().any(|(table, columns)| serves(index, table, columns))
    };
    candidates.iter().copied().filter(|index| !needed(index)).collect()
}

/// Seconds that its uses have been counted for.
fn observed(index: &Index, catalog: &Catalog) -> Option<u64> {
    Some(catalog.observed?.min(index.observed.unwrap_or(u64::MAX)))
}

/// Another index that does all that this one does, and stays.
fn covered<'a>(index: &Index, catalog: &'a Catalog, unused: &[&Index]) -> Option<(Cover, &'a Index)> {
    let is_unused = |index: &Index| unused.iter().any(|own| std::ptr::eq(*own, index));
    let stays = |other: &&Index| !is_unused(other) || is_unused(index);
    let covers = |other: &'a Index| index.is_covered_by(other).map(|cover| (cover, other));
    let found: Vec<_> = catalog.indexes.iter().chain(&catalog.implied).filter(stays).filter_map(covers).collect();
    found.iter().find(|(cover, _)| *cover == Cover::Same).or(found.first()).copied()
}

fn could_go(index: &Index, cover: Cover, other: &Index, dialect: Dialect) -> Finding {
    let bytes = index.bytes.map(|bytes| format!("{} ", size(bytes))).unwrap_or_default();
    let (title, why) = match cover {
        Cover::Same => ("another index is the same", "has the same key"),
        Cover::Longer => ("a longer index does the same", "begins with the same key"),
    };
    Finding::warning(&index.name, title)
        .detail(format!(
            "{bytes}on {} {}; {} {} {why}",
            index.table,
            index.shown_keys(),
            other.name,
            other.shown_keys()
        ))
        .remedy(index.drop_statement(dialect))
}

fn never_used(index: &Index, catalog: &Catalog) -> Finding {
    let since = observed(index, catalog).map(span).unwrap_or_default();
    let bytes = index.bytes.map(|bytes| format!("{} ", size(bytes))).unwrap_or_default();
    let expression = index.keys.iter().any(|key| key.what.contains('('));
    let hint = if expression { "; the planner's statistics of its expression go with it" } else { "" };
    let detail = format!(
        "{bytes}on {} {}, not used in {since}; every change of a row keeps it up{hint}",
        index.table,
        index.shown_keys()
    );
    match catalog.elsewhere {
        Elsewhere::Standbys(standbys) => Finding::ok(&index.name, "unused on the primary")
            .detail(format!("{detail}; {} may use it, and count for themselves", counted(standbys, "standby")))
            .remedy("bind the standby to the slot `replica`, or look at pg_stat_user_indexes there"),
        _ => Finding::warning(&index.name, "nothing uses it")
            .detail(detail)
            .remedy(index.drop_statement(catalog.dialect)),
    }
}

/// Named, and why it may be there; it is never said to be droppable while it is being built.
fn invalid(index: &Index, dialect: Dialect) -> Finding {
    if index.under_way {
        return Finding::ok(&index.name, "it is being built").detail(format!("on {}", index.table));
    }
    let short = index.name.rsplit('.').next().unwrap_or_default();
    let left_by = |mark: &str| {
        short.rfind(mark).is_some_and(|at| {
            short.get(at + mark.len()..).is_some_and(|rest| rest.chars().all(|digit| digit.is_ascii_digit()))
        })
    };
    let (why, remedy) = if left_by("_ccnew") {
        ("left by a concurrent rebuild that did not end; the old index is in use", index.drop_statement(dialect))
    } else if left_by("_ccold") {
        ("left by a concurrent rebuild that did; the new index is in use", index.drop_statement(dialect))
    } else if index.partitioned {
        (
            "not every part of the table has its own yet",
            format!(
                "create index concurrently on the parts that lack it, then: alter index {} attach partition ...",
                index.quoted
            ),
        )
    } else {
        (
            "left by CREATE INDEX CONCURRENTLY that did not end, such as a unique one over rows that are equal",
            format!("reindex index concurrently {}; or {}", index.quoted, index.drop_statement(dialect)),
        )
    };
    let bytes = index.bytes.map(|bytes| format!(", {}", size(bytes))).unwrap_or_default();
    Finding::warning(&index.name, "it is not valid")
        .detail(format!(
            "on {} {}{bytes}: no statement reads it, and every change keeps it up; {why}",
            index.table,
            index.shown_keys()
        ))
        .remedy(remedy)
}

/// Why nothing is called unused.
fn too_early(catalog: &Catalog, limits: &Limits) -> Option<Finding> {
    let young = |index: &&Index| observed(index, catalog).is_some_and(|seconds| seconds < limits.unused_for);
    let never = |index: &&Index| index.scans == Some(0) && !index.unique && index.bound.is_none();
    let unproven: Vec<&Index> = catalog.indexes.iter().filter(never).filter(young).collect();
    if catalog.elsewhere == Elsewhere::Primary {
        return Some(
            Finding::ok("statistics", "not judged by use: this is a standby")
                .detail("it counts its own uses only")
                .remedy("bind the primary to `database`, and this server to `replica`"),
        );
    }
    let longest = unproven.iter().filter_map(|index| observed(index, catalog)).max()?;
    Some(Finding::ok("statistics", "too young to call an index unused").detail(format!(
        "{} not used so far, which is counted for {} at most; unused-for is {}",
        counted(unproven.len(), "index").replace("indexs", "indexes"),
        span(longest),
        span(limits.unused_for)
    )))
}

fn lacks_index(key: &ForeignKey, catalog: &Catalog, limits: &Limits) -> bool {
    let bytes = catalog.tables.iter().find(|table| table.name == key.table).map_or(u64::MAX, |table| table.bytes);
    bytes >= limits.min_size
        && !catalog.indexes.iter().chain(&catalog.implied).any(|index| index.finds(&key.table, &key.columns))
}

fn without_index(key: &ForeignKey, catalog: &Catalog) -> Finding {
    let table = catalog.tables.iter().find(|table| table.name == key.table);
    let rows = table.map(|table| format!(", {} of about {} rows", size(table.bytes), count(table.rows)));
    let changes = match key.parent_changes {
        Some(changes) => format!("; {} of it were changed or removed", counted(changes, "row")),
        None => String::new(),
    };
    let columns = key.columns.join(", ");
    let remedy = match catalog.dialect {
        Dialect::Postgres if key.partitioned => format!("create index on {} ({columns});", key.quoted_table),
        Dialect::Postgres => format!("create index concurrently on {} ({columns});", key.quoted_table),
        Dialect::Sqlite | Dialect::Mariadb | Dialect::Mysql => {
            format!("create index NAME on {} ({columns});", key.quoted_table)
        }
    };
    Finding::warning(&key.table, "a foreign key has no index")
        .detail(format!(
            "{} ({columns}) refers to {}: whoever removes a row there reads all of {}{}{changes}",
            key.name,
            key.parent,
            key.table,
            rows.unwrap_or_default()
        ))
        .remedy(remedy)
}

fn is_scanned(table: &Table, observed: Option<u64>, limits: &Limits) -> bool {
    let days = observed.map_or(30, |seconds| (seconds / DAY).max(1));
    table.bytes >= limits.table_size
        && table.scans >= limits.scans_per_day.saturating_mul(days)
        && table.scanned / table.scans.max(1) >= (table.rows.saturating_mul(WHOLE) / 100).max(1)
}

fn scanned(table: &Table, catalog: &Catalog) -> Finding {
    let since = catalog.observed.map(|seconds| format!(" in {}", span(seconds))).unwrap_or_default();
    let short = table.name.rsplit('.').next().unwrap_or_default().replace('\'', "''");
    let remedy = match catalog.dialect {
        Dialect::Postgres => format!(
            "find the statements (slow-queries), and explain them: select query, calls, mean_exec_time from \
             pg_stat_statements where query ilike '%{short}%' order by shared_blks_hit + shared_blks_read desc limit 5;"
        ),
        _ => format!(
            "find the statements (slow-queries), and explain them: select digest_text, count_star from \
             performance_schema.events_statements_summary_by_digest where digest_text like '%{short}%' and \
             sum_no_index_used > 0 order by sum_rows_examined desc limit 5;"
        ),
    };
    Finding::warning(&table.name, "it is read from end to end")
        .detail(format!(
            "{} of about {} rows, scanned {} times{since}, {} rows each time",
            size(table.bytes),
            count(table.rows),
            count(table.scans),
            count(table.scanned / table.scans.max(1))
        ))
        .remedy(remedy)
}

/// The runbook's own list, the least used first.
fn uses(catalog: &Catalog) -> Option<Finding> {
    let mut known: Vec<(&Index, u64)> =
        catalog.indexes.iter().filter_map(|index| Some((index, index.scans?))).collect();
    known.sort_by_key(|(index, scans)| (*scans, std::cmp::Reverse(index.bytes), index.name.clone()));
    let line = |(index, scans): &(&Index, u64)| {
        let bytes = index.bytes.map(|bytes| format!(", {}", size(bytes))).unwrap_or_default();
        let bound = match index.bound {
            Some(bound) => format!(", {bound}"),
            None if index.unique => ", unique".to_owned(),
            None => String::new(),
        };
        format!("{} on {}: {} uses{bytes}{bound}", index.name, index.table, count(*scans))
    };
    let lines: Vec<String> = known.iter().take(LISTED).map(line).collect();
    (!lines.is_empty()).then(|| Finding::ok("indexes", "least used").detail(lines.join("\n")))
}

/// The whole in one line.
pub(crate) fn summary(catalog: &Catalog, verdict: &Verdict) -> String {
    let plural = |number: u64, thing: &str| counted(number, thing).replace("indexs", "indexes");
    // The root of a partitioned one has the sizes of its parts.
    let total: u64 = catalog.indexes.iter().filter(|index| !index.partitioned).filter_map(|index| index.bytes).sum();
    let of = if total > 0 { format!(" of {}", size(total)) } else { String::new() };
    let mut parts = Vec::new();
    let bytes = |bytes: u64| if bytes > 0 { format!(" ({})", size(bytes)) } else { String::new() };
    if verdict.unused > 0 {
        parts.push(format!("{} unused{}", count(verdict.unused), bytes(verdict.unused_bytes)));
    }
    if verdict.covered > 0 {
        parts.push(format!("{} superfluous{}", count(verdict.covered), bytes(verdict.covered_bytes)));
    }
    if verdict.invalid > 0 {
        parts.push(format!("{} not valid", count(verdict.invalid)));
    }
    if verdict.missing > 0 {
        parts.push(format!("{} missing", count(verdict.missing)));
    }
    let verdict = if parts.is_empty() { "in order".to_owned() } else { parts.join(", ") };
    format!("{}{of}: {verdict}", plural(catalog.indexes.len() as u64, "index"))
}

#[cfg(test)]
mod tests;
