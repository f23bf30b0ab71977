//! The rows of each table, for the manifest. Only counts.

use std::collections::BTreeMap;

use backup_files::{MARIADB_TABLES, POSTGRES_TABLES, SQLITE_TABLES, table_label};
use taskhost_sdk::prelude::*;
use taskhost_sdk::sql::{Database, Dialect, identifier_for};
use taskhost_sdk::words::some_of;

/// Counts every table; one that cannot be counted is left out and named in `uncounted`.
pub(crate) async fn count(database: &Database, uncounted: &mut Vec<String>) -> Result<BTreeMap<String, u64>> {
    let server = database.server().await?;
    let name = params![server.database.as_str()];
    let (statement, parameters) = match server.dialect {
        Dialect::Postgres => (POSTGRES_TABLES, &[][..]),
        Dialect::Mariadb | Dialect::Mysql => (MARIADB_TABLES, name),
        Dialect::Sqlite => (SQLITE_TABLES, &[][..]),
    };
    let mut counts = BTreeMap::new();
    for row in database.query_all(statement, parameters).await? {
        let (schema, table): (Option<String>, String) = (row.get("table_schema")?, row.get("name")?);
        let label = table_label(schema.as_deref(), &table);
        let quoted = identifier_for(server.dialect, &table);
        let quoted =
            schema.map_or(quoted.clone(), |schema| format!("{}.{quoted}", identifier_for(server.dialect, &schema)));
        match database.query_one(&format!("select count(*) as number from {quoted}"), &[]).await {
            Ok(row) => {
                counts.insert(label, row.get("number")?);
            }
            Err(error @ sql::Error::OverBudget(_)) => return Err(error.into()),
            Err(error) => {
                log::info(format!("{label} is not counted: {}", sql::message(&error)));
                if !uncounted.contains(&label) {
                    uncounted.push(label);
                }
            }
        }
    }
    Ok(counts)
}

/// The tables whose rows are the same before the dump and after it: of the others it is not known how many the dump has.
pub(crate) fn steady(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let same = before.iter().filter(|(table, rows)| after.get(*table) == Some(rows));
    same.map(|(table, rows)| (table.clone(), *rows)).collect()
}

/// Says which tables the manifest lacks because they could not be counted.
pub(crate) fn report(name: &str, uncounted: &[String]) {
    if uncounted.is_empty() {
        return;
    }
    let names: Vec<&str> = uncounted.iter().map(String::as_str).collect();
    Finding::warning(name, "tables could not be counted")
        .detail(some_of(&names, 5))
        .remedy(
            "let the role of slot `database` read them, and give it a longer statement-timeout where they are large",
        )
        .report();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_changed_meanwhile_is_left_out() {
        let counts = |rows: &[(&str, u64)]| rows.iter().map(|(table, rows)| ((*table).to_owned(), *rows)).collect();
        let before = counts(&[("public.a", 1), ("public.b", 2), ("public.gone", 3)]);
        let after = counts(&[("public.a", 1), ("public.b", 5), ("public.new", 0)]);
        assert_eq!(steady(&before, &after), counts(&[("public.a", 1)]));
    }
}
