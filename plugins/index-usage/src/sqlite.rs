//! SQLite: indexes and foreign keys as its pragmas tell them. It counts no uses and no scans.

use taskhost_sdk::prelude::*;
use taskhost_sdk::sql::Dialect;

use crate::catalog::{Catalog, ForeignKey};
use crate::index::{Index, Key};

const INDEXES: &str = "
select m.name as table_name, l.name as name, l.\"unique\" as is_unique, l.origin as origin, l.partial as partial,
       x.cid as place, x.name as column_name, x.\"desc\" as descending, x.coll as coll, s.sql as definition
from sqlite_schema m
join pragma_index_list(m.name) l
join pragma_index_xinfo(l.name) x
left join sqlite_schema s on s.type = 'index' and s.name = l.name
where m.type = 'table' and m.name not like 'sqlite\\_%' escape '\\' and x.key = 1
order by m.name, l.name, x.seqno";

/// A table whose one key column is INTEGER is found by it without any index.
const ROWIDS: &str = "
select m.name as table_name, min(i.name) as column_name, min(i.type) as type_name
from sqlite_schema m
join pragma_table_info(m.name) i
join pragma_table_list(m.name) t
where m.type = 'table' and i.pk > 0 and t.wr = 0 and t.schema = 'main'
group by m.name
having count(*) = 1";

const FOREIGN_KEYS: &str = "
select m.name as table_name, f.id as id, f.\"table\" as parent, f.\"from\" as column_name
from sqlite_schema m
join pragma_foreign_key_list(m.name) f
where m.type = 'table'
order by m.name, f.id, f.seq";

/// Reads the catalogue.
pub(crate) async fn read(database: &sql::Database) -> Result<Catalog> {
    let mut catalog = Catalog::new(Dialect::Sqlite);
    for row in database.query_all(INDEXES, params![]).await? {
        let (table, name): (String, String) = (row.get("table_name")?, row.get("name")?);
        let definition: Option<String> = row.get("definition")?;
        // An expression has no column of its own: such an index is compared as a whole.
        let whole = row.get::<bool>("partial")? || row.get::<i64>("place")? == -2;
        let what = match row.get::<Option<String>>("column_name")? {
            Some(column) => sql::identifier(&column),
            None => definition.as_deref().map(after_on).unwrap_or_default(),
        };
        let order = if row.get::<bool>("descending")? { 3 } else { 0 };
        let key = Key { what, kind: row.get::<Option<String>>("coll")?.unwrap_or_default(), order };
        let own = catalog.indexes.last_mut().filter(|index| index.name == name && index.table == table);
        let index = match own {
            Some(index) => {
                index.keys.push(key);
                index
            }
            None => {
                let origin: String = row.get("origin")?;
                catalog.indexes.push(Index {
                    quoted_table: sql::identifier(&table),
                    quoted: sql::identifier(&name),
                    table,
                    name,
                    method: "btree".into(),
                    keys: vec![key],
                    unique: row.get("is_unique")?,
                    bound: match origin.as_str() {
                        "pk" => Some("primary key"),
                        "u" => Some("constraint"),
                        _ => None,
                    },
                    valid: true,
                    ..Index::default()
                });
                let Some(index) = catalog.indexes.last_mut() else { continue };
                index
            }
        };
        if whole {
            index.predicate = definition.as_deref().map(after_on);
        }
    }
    for row in database.query_all(ROWIDS, params![]).await? {
        let type_name: String = row.get("type_name")?;
        if type_name.eq_ignore_ascii_case("INTEGER") {
            catalog.implied.push(own_key(&row.get::<String>("table_name")?, &row.get::<String>("column_name")?));
        }
    }
    for row in database.query_all(FOREIGN_KEYS, params![]).await? {
        let (table, id): (String, i64) = (row.get("table_name")?, row.get("id")?);
        let (column, name) = (sql::identifier(&row.get::<String>("column_name")?), format!("foreign key {}", id + 1));
        match catalog.foreign_keys.last_mut().filter(|key| key.table == table && key.name == name) {
            Some(key) => key.columns.push(column),
            None => catalog.foreign_keys.push(ForeignKey {
                name,
                quoted_table: sql::identifier(&table),
                table,
                columns: vec![column],
                parent: row.get("parent")?,
                ..ForeignKey::default()
            }),
        }
    }
    Ok(catalog)
}

/// The table itself is a tree by its rowid.
fn own_key(table: &str, column: &str) -> Index {
    Index {
        quoted_table: sql::identifier(table),
        table: table.into(),
        name: "the table's own key".into(),
        method: "btree".into(),
        keys: vec![Key { what: sql::identifier(column), kind: "BINARY".into(), order: 0 }],
        unique: true,
        bound: Some("primary key"),
        valid: true,
        ..Index::default()
    }
}

/// What an index is on, in one form: `t(a) where b > 1`.
fn after_on(definition: &str) -> String {
    let words: Vec<&str> = definition.split_whitespace().collect();
    let on = words.iter().position(|word| word.eq_ignore_ascii_case("on")).map_or(0, |at| at + 1);
    words.get(on..).unwrap_or_default().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_compared_from_the_table_on() {
        let one = after_on("CREATE INDEX i ON t (lower(a))\n  WHERE a > 1");
        assert_eq!(one, after_on("create unique index \"another\" on t (lower(a)) WHERE  a > 1"));
        assert_ne!(one, after_on("CREATE INDEX i ON t (lower(a)) WHERE a > 2"));
    }

    #[test]
    fn an_index_on_the_rowid_is_covered_by_the_table() {
        let index = Index { name: "by_id".into(), bound: None, unique: false, ..own_key("t", "id") };
        assert!(index.is_covered_by(&own_key("t", "id")).is_some());
    }
}
