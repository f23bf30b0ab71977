//! Indexes as every database has them, and which can stand in for which. Pure.

use taskhost_sdk::sql::Dialect;

/// One part of an index's key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Key {
    /// A column's name, quoted as the database quotes it, or an expression.
    pub(crate) what: String,
    /// Operator class, collation, length of a prefix: what makes keys of one column differ.
    pub(crate) kind: String,
    /// `PostgreSQL`'s indoption: 1 descending, 2 nulls first.
    pub(crate) order: i64,
}

/// An index, or the root of a partitioned one.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of the catalogue's own")]
pub(crate) struct Index {
    /// As people write it: `schema.table`, or `table`.
    pub(crate) table: String,
    pub(crate) name: String,
    /// The same for a statement.
    pub(crate) quoted_table: String,
    pub(crate) quoted: String,
    /// `btree`, `gin` ...
    pub(crate) method: String,
    pub(crate) keys: Vec<Key>,
    /// Columns that are carried along.
    pub(crate) included: Vec<String>,
    /// Of a partial one; for one that is compared as a whole, its definition.
    pub(crate) predicate: Option<String>,
    pub(crate) bytes: Option<u64>,
    /// How often it was used; none where the database does not tell.
    pub(crate) scans: Option<u64>,
    /// Seconds that its uses have been counted for, where that is less than for others.
    pub(crate) observed: Option<u64>,
    pub(crate) unique: bool,
    /// Nulls are equal in it.
    pub(crate) nulls_equal: bool,
    /// Why it stays whatever its use: `primary key`, `constraint` ...
    pub(crate) bound: Option<&'static str>,
    /// A foreign key points at it.
    pub(crate) referenced: bool,
    pub(crate) valid: bool,
    /// It has parts, and is dropped with them.
    pub(crate) partitioned: bool,
    /// It is being built.
    pub(crate) under_way: bool,
}

impl Index {
    /// Whether everything that this one does, `other` does too, so that nothing is lost without it.
    pub(crate) fn is_covered_by(&self, other: &Self) -> Option<Cover> {
        let alike = self.table == other.table
            && self.name != other.name
            && self.method == other.method
            && self.predicate == other.predicate
            && other.valid
            && self.valid
            && self.partitioned == other.partitioned;
        if !alike || self.bound.is_some() || self.referenced || !self.keys_begin(other) {
            return None;
        }
        let carried =
            |column: &String| other.included.contains(column) || other.keys.iter().any(|key| key.what == *column);
        if !self.included.iter().all(carried) {
            return None;
        }
        if self.keys.len() == other.keys.len() {
            let as_strict = !self.unique || (other.unique && self.nulls_equal == other.nulls_equal);
            let twins = self.included.len() == other.included.len();
            // Of two that are the same, one stays.
            return (as_strict && (!twins || other.rank() > self.rank())).then_some(Cover::Same);
        }
        // One that is unique says more than a longer one.
        (!self.unique && self.is_ordered()).then_some(Cover::Longer)
    }

    /// Whether the key begins `other`'s, in the same order or in the opposite one throughout.
    fn keys_begin(&self, other: &Self) -> bool {
        let pairs = || self.keys.iter().zip(&other.keys);
        self.keys.len() <= other.keys.len()
            && !self.keys.is_empty()
            && pairs().all(|(own, other)| own.what == other.what && own.kind == other.kind)
            && (pairs().all(|(own, other)| own.order == other.order)
                || (self.is_ordered() && pairs().all(|(own, other)| own.order ^ 3 == other.order)))
    }

    fn is_ordered(&self) -> bool {
        self.method.eq_ignore_ascii_case("btree")
    }

    /// The higher, the rather it is kept.
    fn rank(&self) -> (bool, bool, u64, std::cmp::Reverse<&str>) {
        let stays = self.bound.is_some() || self.referenced;
        (stays, self.unique, self.scans.unwrap_or(0), std::cmp::Reverse(&self.name))
    }

    /// Whether rows with given values in these columns are found by it.
    pub(crate) fn finds(&self, table: &str, columns: &[String]) -> bool {
        let leading = self.keys.get(..columns.len()).unwrap_or_default();
        let whole = self.predicate.is_none()
            || matches!((columns, self.predicate.as_deref()), ([column], Some(predicate))
                if predicate.trim_matches(['(', ')']).eq_ignore_ascii_case(&format!("{column} is not null")));
        self.valid
            && self.table == table
            && whole
            && !columns.is_empty()
            && columns.iter().all(|column| leading.iter().any(|key| key.what == *column))
            && (self.is_ordered() || (self.method.eq_ignore_ascii_case("hash") && self.keys.len() == 1))
    }

    /// The statement that removes it.
    pub(crate) fn drop_statement(&self, dialect: Dialect) -> String {
        match dialect {
            Dialect::Postgres if self.partitioned => {
                format!("drop index {}; (with its parts, which takes a lock on the table for a moment)", self.quoted)
            }
            Dialect::Postgres => format!("drop index concurrently {};", self.quoted),
            Dialect::Mariadb => format!(
                "first let nobody use it: alter table {} alter index {} ignored; then, when nothing got slower: alter \
                 table {0} drop index {1};",
                self.quoted_table, self.quoted
            ),
            Dialect::Mysql => format!(
                "first let nobody use it: alter table {} alter index {} invisible; then, when nothing got slower: alter \
                 table {0} drop index {1};",
                self.quoted_table, self.quoted
            ),
            Dialect::Sqlite => format!("drop index {};", self.quoted),
        }
    }

    /// `(a, b) include (c) where ...`.
    pub(crate) fn shown_keys(&self) -> String {
        let keys: Vec<&str> = self.keys.iter().map(|key| key.what.as_str()).collect();
        format!("({})", keys.join(", "))
    }
}

/// How an index covers another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cover {
    /// It has the same key.
    Same,
    /// Its key goes on.
    Longer,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(name: &str, keys: &[&str]) -> Index {
        let keys = keys.iter().map(|what| Key { what: (*what).into(), ..Key::default() }).collect();
        Index { table: "t".into(), name: name.into(), method: "btree".into(), keys, valid: true, ..Index::default() }
    }

    fn descending(mut index: Index, orders: &[i64]) -> Index {
        for (key, order) in index.keys.iter_mut().zip(orders) {
            key.order = *order;
        }
        index
    }

    #[test]
    fn one_index_stands_in_for_another() {
        use Cover::{Longer, Same};
        let unique = |index: Index| Index { unique: true, ..index };
        let with = |index: Index, included: &[&str]| Index {
            included: included.iter().map(ToString::to_string).collect(),
            ..index
        };
        let only = |index: Index| Index { predicate: Some("(a > 1)".into()), ..index };
        let (a, ab) = (index("a", &["a"]), index("ab", &["a", "b"]));
        for (case, own, other, expected) in [
            ("a prefix", a.clone(), ab.clone(), Some(Longer)),
            ("the longer one", ab.clone(), a.clone(), None),
            ("the end of the other", index("b", &["b"]), ab.clone(), None),
            ("the same twice: the later name goes", index("z", &["a"]), a.clone(), Some(Same)),
            ("the same twice: the earlier stays", a.clone(), index("z", &["a"]), None),
            ("the same of another table", index("z", &["a"]), Index { table: "u".into(), ..a.clone() }, None),
            ("the one that is used more stays", a.clone(), Index { scans: Some(3), ..index("z", &["a"]) }, Some(Same)),
            ("a unique one says more than a longer one", unique(a.clone()), ab.clone(), None),
            ("a unique one covers one that is not", a.clone(), unique(index("z", &["a"])), Some(Same)),
            ("one that is not does not cover a unique one", unique(index("z", &["a"])), a.clone(), None),
            ("of two unique ones one goes", unique(index("z", &["a"])), unique(a.clone()), Some(Same)),
            (
                "nulls are equal in one of them",
                unique(index("z", &["a"])),
                Index { nulls_equal: true, ..unique(a.clone()) },
                None,
            ),
            ("a constraint's", Index { bound: Some("constraint"), ..index("z", &["a"]) }, a.clone(), None),
            ("one that a foreign key points at", Index { referenced: true, ..index("z", &["a"]) }, a.clone(), None),
            ("a partial one is small on purpose", only(a.clone()), ab.clone(), None),
            ("both partial alike", only(a.clone()), only(ab.clone()), Some(Longer)),
            ("what it carries is a key of the other", with(a.clone(), &["b"]), ab.clone(), Some(Longer)),
            ("what it carries the other has not", with(a.clone(), &["c"]), ab.clone(), None),
            ("the other carries more", a.clone(), with(index("z", &["a"]), &["b"]), Some(Same)),
            ("the one that carries more", with(index("z", &["a"]), &["b"]), a.clone(), None),
            (
                "another operator class",
                a.clone(),
                {
                    let mut other = ab.clone();
                    other.keys[0].kind = "text_pattern_ops".into();
                    other
                },
                None,
            ),
            ("read backwards it is the same", descending(a.clone(), &[3]), ab.clone(), Some(Longer)),
            ("one of two columns the other way round", descending(index("x", &["a", "b"]), &[0, 3]), ab.clone(), None),
            ("both the other way round", descending(index("x", &["a", "b"]), &[3, 3]), ab.clone(), Some(Same)),
            ("not valid", a.clone(), Index { valid: false, ..ab.clone() }, None),
            ("of another kind", a.clone(), Index { method: "gist".into(), ..ab.clone() }, None),
            (
                "of another kind than a tree: no prefix",
                Index { method: "gin".into(), ..a.clone() },
                Index { method: "gin".into(), ..ab.clone() },
                None,
            ),
        ] {
            assert_eq!(own.is_covered_by(&other), expected, "{case}");
        }
    }

    #[test]
    fn a_foreign_key_s_rows_are_found_by_leading_columns_in_any_order() {
        let columns = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let partial = |predicate: &str| Index { predicate: Some(predicate.into()), ..index("a", &["a"]) };
        for (case, index, wanted, expected) in [
            ("the same", index("a", &["a"]), vec!["a"], true),
            ("and more", index("ab", &["a", "b"]), vec!["a"], true),
            ("not leading", index("ba", &["b", "a"]), vec!["a"], false),
            ("two in the other order", index("ba", &["b", "a", "c"]), vec!["a", "b"], true),
            ("one of two", index("a", &["a"]), vec!["a", "b"], false),
            ("nulls left out", partial("(a IS NOT NULL)"), vec!["a"], true),
            ("some left out", partial("(b > 1)"), vec!["a"], false),
            ("hashed", Index { method: "hash".into(), ..index("a", &["a"]) }, vec!["a"], true),
            ("summarized", Index { method: "brin".into(), ..index("a", &["a"]) }, vec!["a"], false),
            ("not valid", Index { valid: false, ..index("a", &["a"]) }, vec!["a"], false),
        ] {
            assert_eq!(index.finds("t", &columns(&wanted)), expected, "{case}");
        }
    }
}
