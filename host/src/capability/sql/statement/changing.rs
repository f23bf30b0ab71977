//! Which statements change rows, and of which tables.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Delete, FromTable, Insert, ObjectName, Query, SetExpr, SqliteOnConflict, Statement, TableFactor, TableObject,
    TableWithJoins, Update, Visit, Visitor,
};

use super::parse::{Canonical, refuse};
use super::rules::{Rules, folded};
use super::{Changing, Dialect, TableName};
use crate::gate::{Impact, Refusal};

/// What `text` changes; `functions` are those that the grant allows beside the harmless ones.
///
/// # Errors
/// Why it is no INSERT, UPDATE or DELETE whose tables are known, and what to write instead.
pub(crate) fn changing(dialect: Dialect, text: &str, functions: &[String]) -> Result<Changing, Refusal> {
    let canonical = Canonical::new(dialect, text)?;
    let ((targets, impact), text) = canonical.judge(dialect, |statement| {
        is_change(statement)?;
        Rules::new(dialect, functions, true).check(statement)?;
        let mut targets = Targets { dialect, tables: BTreeSet::new(), impact: Impact::Change };
        match statement.visit(&mut targets) {
            ControlFlow::Continue(()) => Ok((targets.tables.into_iter().collect::<Vec<_>>(), targets.impact)),
            ControlFlow::Break(message) => refuse(message),
        }
    })?;
    if targets.is_empty() {
        return refuse("the statement names no table that it changes");
    }
    Ok(Changing { text, parameters: canonical.parameters, targets, impact })
}

/// The outermost statement must be the change: its count of rows is what the caller is told.
fn is_change(statement: &Statement) -> Result<(), Refusal> {
    match statement {
        Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => Ok(()),
        Statement::Query(query) if is_change_with_names(query) => Ok(()),
        Statement::Truncate(_) => refuse("TRUNCATE cannot be counted or narrowed; write DELETE FROM"),
        Statement::Query(_) => refuse("execute takes INSERT, UPDATE and DELETE; use query for what reads"),
        _ => refuse("execute takes INSERT, UPDATE and DELETE, and no other statement"),
    }
}

/// WITH .. INSERT and its like stand in the tree as queries.
fn is_change_with_names(query: &Query) -> bool {
    matches!(&*query.body, SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_))
}

struct Targets {
    dialect: Dialect,
    tables: BTreeSet<TableName>,
    impact: Impact,
}

impl Visitor for Targets {
    type Break = &'static str;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Self::Break> {
        match statement {
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Query(_) => ControlFlow::Continue(()),
            _ => ControlFlow::Break("a statement inside it is no INSERT, UPDATE or DELETE"),
        }
    }
}

type Flow = ControlFlow<&'static str>;

const NO_RETURNING: &str = "execute gives a count of rows only; leave RETURNING out";
const UNKNOWN: &str = "the statement has a clause that this database does not know";

impl Targets {
    fn insert(&mut self, insert: &Insert) -> Flow {
        let TableObject::TableName(name) = &insert.table else {
            return ControlFlow::Break("the table to insert into is worked out; name it");
        };
        if insert.returning.is_some() {
            return ControlFlow::Break(NO_RETURNING);
        }
        if insert.overwrite
            || insert.partitioned.is_some()
            || insert.output.is_some()
            || insert.settings.is_some()
            || insert.format_clause.is_some()
            || insert.multi_table_insert_type.is_some()
            || !insert.multi_table_into_clauses.is_empty()
        {
            return ControlFlow::Break(UNKNOWN);
        }
        if insert.replace_into || replaces(insert.or.as_ref()) {
            self.impact = Impact::Destroy;
        }
        self.table(name)
    }

    fn update(&mut self, update: &Update) -> Flow {
        if update.returning.is_some() {
            return ControlFlow::Break(NO_RETURNING);
        }
        if update.output.is_some() {
            return ControlFlow::Break(UNKNOWN);
        }
        if replaces(update.or.as_ref()) {
            self.impact = Impact::Destroy;
        }
        self.changed(&update.table)
    }

    fn delete(&mut self, delete: &Delete) -> Flow {
        if delete.returning.is_some() {
            return ControlFlow::Break(NO_RETURNING);
        }
        if delete.output.is_some() {
            return ControlFlow::Break(UNKNOWN);
        }
        self.impact = Impact::Destroy;
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        from.iter().try_for_each(|table| self.changed(table))?;
        if self.dialect == Dialect::Mysql {
            // `DELETE a FROM t AS a JOIN ..` and `DELETE FROM t USING t JOIN ..` name aliases or tables; every table
            // of the join counts as changed, so that no alias has to be followed.
            delete.using.iter().flatten().try_for_each(|table| self.changed(table))?;
        } else if !delete.tables.is_empty() {
            return ControlFlow::Break(UNKNOWN);
        }
        ControlFlow::Continue(())
    }

    /// The table before SET or after FROM. In MySQL a join there may change each of its tables.
    fn changed(&mut self, table: &TableWithJoins) -> Flow {
        if !table.joins.is_empty() && self.dialect != Dialect::Mysql {
            return ControlFlow::Break("the table that is changed is a join; name one table");
        }
        self.factor(&table.relation, table.joins.is_empty())?;
        table.joins.iter().try_for_each(|join| self.factor(&join.relation, false))
    }

    fn factor(&mut self, factor: &TableFactor, alone: bool) -> Flow {
        match factor {
            TableFactor::Table { name, args: None, .. } => self.table(name),
            TableFactor::NestedJoin { table_with_joins, .. } if self.dialect == Dialect::Mysql => {
                self.changed(table_with_joins)
            }
            // No database changes rows through these; joined, they only say which.
            TableFactor::Derived { .. } | TableFactor::JsonTable { .. } if !alone => ControlFlow::Continue(()),
            _ => ControlFlow::Break("what is changed is no table; name one"),
        }
    }

    fn table(&mut self, name: &ObjectName) -> Flow {
        match folded(self.dialect, name).as_deref() {
            Some([name]) => self.tables.insert(TableName { schema: None, name: name.clone() }),
            Some([schema, name]) => self.tables.insert(TableName { schema: Some(schema.clone()), name: name.clone() }),
            _ => return ControlFlow::Break("a table is named by its schema and its name; leave the rest out"),
        };
        ControlFlow::Continue(())
    }
}

/// Whether rows that stand in the way are removed.
fn replaces(on_conflict: Option<&SqliteOnConflict>) -> bool {
    matches!(on_conflict, Some(SqliteOnConflict::Replace))
}
