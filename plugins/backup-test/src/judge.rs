//! Holds what was restored against what should be there. Pure.

use std::collections::BTreeMap;

use taskhost_sdk::report::Severity;

use taskhost_sdk::words::{count, counted};

/// Of a live database that changes all the time, so many rows more or less say nothing.
const SLACK: u64 = 10;

/// A table of a restored database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Restored {
    /// `schema.table` for PostgreSQL, else `table`.
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) has_primary_key: bool,
}

/// A table of the live database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) rows: u64,
    /// The number is from the server's statistics.
    pub(crate) estimated: bool,
    pub(crate) has_primary_key: bool,
}

/// Something wrong with what was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) severity: Severity,
    pub(crate) subject: String,
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    pub(crate) remedy: &'static str,
}

impl Judgement {
    pub(crate) fn critical(subject: &str, title: &'static str, detail: String, remedy: &'static str) -> Self {
        Self { severity: Severity::Critical, subject: subject.into(), title, detail, remedy }
    }

    pub(crate) fn warning(subject: &str, title: &'static str, detail: String, remedy: &'static str) -> Self {
        Self { severity: Severity::Warning, ..Self::critical(subject, title, detail, remedy) }
    }

    pub(crate) fn is_critical(&self) -> bool {
        self.severity == Severity::Critical
    }
}

/// Holds the restored tables against the manifest's numbers, which were written with the backup: any difference is
/// something to look at, one beyond `tolerance` per cent is critical.
pub(crate) fn against_manifest(
    restored: &[Restored],
    manifest: &BTreeMap<String, u64>,
    tolerance: f64,
) -> Vec<Judgement> {
    const REMEDY: &str =
        "the dump does not hold what its maker counted: make a new backup, and see the log of this one";
    let mut judgements = Vec::new();
    for (name, expected) in manifest {
        let Some(table) = find(restored, name) else {
            let detail = format!("the manifest has it with {}", counted(*expected, "row"));
            judgements.push(Judgement::critical(name, "table is missing from the backup", detail, REMEDY));
            continue;
        };
        if table.rows == *expected {
            continue;
        }
        let detail = format!("restored {}, the manifest says {}", counted(table.rows, "row"), count(*expected));
        judgements.push(if table.rows == 0 {
            Judgement::critical(name, "table is empty in the backup", detail, REMEDY)
        } else if differs(table.rows, *expected, tolerance, 0) {
            Judgement::critical(name, "row count is not the manifest's", detail, REMEDY)
        } else {
            let remedy = "count the rows in the transaction that the dump is made in (pg_dump --snapshot, mysqldump \
                          --single-transaction), so that the two agree";
            Judgement::warning(name, "row count is not the manifest's", detail, remedy)
        });
    }
    judgements
}

/// Holds the restored tables against the live database, which went on since: more or less by up to `tolerance` per cent
/// says nothing; a table that has rows there and none in the backup is critical.
pub(crate) fn against_live(restored: &[Restored], live: &BTreeMap<String, Live>, tolerance: f64) -> Vec<Judgement> {
    const LOST: &str =
        "see which tables the dump command leaves out, and whether its role may read this one; then make a new backup";
    let mut judgements = Vec::new();
    for (name, live) in live {
        let table = restored.iter().find(|table| table.name == *name);
        let about = if live.estimated { "about " } else { "" };
        match table {
            None if live.rows > 0 => {
                let detail = format!("the live table has {about}{}", counted(live.rows, "row"));
                judgements.push(Judgement::critical(name, "table is missing from the backup", detail, LOST));
            }
            None => {
                let detail = "the live table is there, and empty".into();
                judgements.push(Judgement::warning(name, "table is missing from the backup", detail, LOST));
            }
            Some(table) => {
                let detail =
                    format!("restored {}, the live table has {about}{}", counted(table.rows, "row"), count(live.rows));
                if table.rows == 0 && live.rows > 0 {
                    judgements.push(Judgement::critical(name, "table is empty in the backup", detail, LOST));
                } else if differs(table.rows, live.rows, tolerance, SLACK) {
                    let remedy = "when the table changes that much between backups, raise tolerance-percent; else see \
                                  what became of the rows";
                    judgements.push(Judgement::warning(name, "row count is far from the live table's", detail, remedy));
                }
                if live.has_primary_key && !table.has_primary_key {
                    let detail = "the live table has a primary key, the restored one has none".into();
                    let remedy = "dump the whole schema, not only its data (no --section, no --no-create-info)";
                    judgements.push(Judgement::critical(
                        name,
                        "primary key is missing from the backup",
                        detail,
                        remedy,
                    ));
                }
            }
        }
    }
    judgements
}

/// What can be said without anything to hold it against.
pub(crate) fn on_its_own(
    file: &str,
    restored: &[Restored],
    expected_tables: &[String],
    minimum_rows: u64,
) -> Vec<Judgement> {
    const REMEDY: &str =
        "see what the dump command includes, and which database it connects to; then make a new backup";
    let mut judgements = Vec::new();
    for name in expected_tables {
        match find(restored, name) {
            Some(Restored { rows: 1.., .. }) => {}
            Some(_) => judgements.push(Judgement::critical(
                name,
                "table is empty in the backup",
                "expect-tables names it, and it has no row".into(),
                REMEDY,
            )),
            None => judgements.push(Judgement::critical(
                name,
                "table is missing from the backup",
                "expect-tables names it".into(),
                REMEDY,
            )),
        }
    }
    let rows: u64 = restored.iter().map(|table| table.rows).sum();
    if restored.is_empty() {
        let detail = "it restores without an error, and leaves no table".into();
        judgements.push(Judgement::critical(file, "backup holds no tables", detail, REMEDY));
    } else if rows == 0 {
        let detail = format!("{} restored, and no row in any of them", counted(restored.len() as u64, "table"));
        judgements.push(Judgement::critical(file, "backup holds no rows", detail, REMEDY));
    } else if rows < minimum_rows {
        let detail = format!("restored {}, minimum-rows asks for {}", counted(rows, "row"), count(minimum_rows));
        judgements.push(Judgement::critical(file, "backup holds too few rows", detail, REMEDY));
    } else if restored.iter().all(|table| !table.has_primary_key) {
        let detail = format!("none of {} has one", counted(restored.len() as u64, "table"));
        let remedy = "dump the whole schema, not only its data; without keys a restore may hold rows twice";
        judgements.push(Judgement::warning(file, "backup holds no primary keys", detail, remedy));
    }
    judgements
}

/// Kinds of things beside tables, with the number of each: what is live and did not come back.
pub(crate) fn objects(file: &str, restored: &BTreeMap<String, u64>, live: &BTreeMap<String, u64>) -> Vec<Judgement> {
    let lost: Vec<String> = live
        .iter()
        .filter_map(|(kind, live)| {
            let came_back = restored.get(kind).copied().unwrap_or(0);
            (came_back < *live).then(|| format!("{} of {} {kind}", count(came_back), count(*live)))
        })
        .collect();
    if lost.is_empty() {
        return vec![];
    }
    let detail = format!("came back: {}", lost.join(", "));
    let remedy = "where they are not new since the backup, dump them too (mysqldump: --routines --events --triggers)";
    vec![Judgement::warning(file, "backup holds less than the live schema", detail, remedy)]
}

/// A foreign key whose parent rows are missing.
pub(crate) fn orphans(child: &str, parent: &str, number: u64, enforced: bool) -> Judgement {
    let rows = counted(number, "row");
    if enforced {
        let remedy =
            "the tables were not dumped at the same moment: use one transaction (mysqldump --single-transaction)";
        return Judgement::critical(child, "rows without their parent", format!("{rows} point at no {parent}"), remedy);
    }
    let remedy =
        "the database does not enforce this key, so the rows may be so in the live table too; repair them there";
    Judgement::warning(child, "rows without their parent", format!("{rows} point at no {parent}"), remedy)
}

/// What SQLite's own check found first.
pub(crate) fn damage(file: &str, first: &str) -> Judgement {
    let remedy = "run pragma integrity_check on the original: the damage may be there too; then make a new backup";
    Judgement::critical(file, "restored database is damaged", format!("SQLite says: {first}"), remedy)
}

/// The operator asked for a manifest.
pub(crate) fn no_manifest(file: &str) -> Judgement {
    let remedy = "write the manifest with the backup, or compare with the live database (compare=live)";
    let detail = "compare=manifest asks for one with row counts beside the backup".into();
    Judgement::warning(file, "backup has no manifest", detail, remedy)
}

/// The operator asked for the live database, which is another one.
pub(crate) fn strangers(file: &str, number: usize) -> Judgement {
    let remedy = "bind the database that the backup is of, or say compare=nothing";
    let detail = format!("the live database has {}, none of them in the backup", counted(number as u64, "table"));
    Judgement::warning(file, "backup was not compared with the live database", detail, remedy)
}

/// A table by the name that a person wrote: `users` also finds `shop.users` where no other schema has one, and `app.users`
/// finds `users`, as MariaDB's and SQLite's tables have no schema.
fn find<'a>(restored: &'a [Restored], name: &str) -> Option<&'a Restored> {
    if let Some(exact) = restored.iter().find(|table| table.name == name) {
        return Some(exact);
    }
    let bare = name.rsplit_once('.').map_or(name, |(_, table)| table);
    let mut found = restored.iter().filter(|table| match table.name.split_once('.') {
        Some((_, table)) => table == name,
        None => table.name == bare,
    });
    found.next().filter(|_| found.next().is_none())
}

/// Whether two counts are more than `percent` of the expected one, and more than `slack`, apart.
#[expect(clippy::cast_precision_loss, reason = "a threshold in per cent")]
fn differs(rows: u64, expected: u64, percent: f64, slack: u64) -> bool {
    let apart = rows.abs_diff(expected);
    apart > slack && apart as f64 > expected as f64 * percent / 100.0
}

#[cfg(test)]
mod tests;
