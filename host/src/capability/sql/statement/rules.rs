//! The rules that hold for every statement, wherever in its tree something stands.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, ObjectName, ObjectNamePart, Query, Select, SetExpr, Statement, TableFactor, Value,
    ValueWithSpan, Visit, Visitor,
};

use super::Dialect;
use super::functions::{forbidden, is_harmless};
use super::parse::refuse;
use crate::gate::Refusal;

/// Relations whose rows are credentials, refused in every schema.
const CREDENTIALS: &[(Dialect, &[&str])] = &[
    (
        Dialect::Postgres,
        &[
            "_pg_user_mappings",
            "pg_authid",
            "pg_file_settings",
            "pg_hba_file_rules",
            "pg_ident_file_mappings",
            "pg_shadow",
            "pg_subscription",
            "pg_user_mapping",
            "pg_user_mappings",
            "user_mapping_options",
        ],
    ),
    (
        Dialect::Mysql,
        &[
            "mysql.user",
            "mysql.global_priv",
            "mysql.password_history",
            "mysql.password_reuse_check_history",
            "mysql.servers",
            "mysql.slave_master_info",
        ],
    ),
];

/// Reading one of these in MariaDB sets the server's counters back.
const RESETTING: [&str; 3] = ["innodb_cmp_per_index_reset", "innodb_cmp_reset", "innodb_cmpmem_reset"];

/// What a statement may hold beside its own kind.
pub(super) struct Rules<'a> {
    pub(super) dialect: Dialect,
    /// The grant's `function=`.
    pub(super) functions: &'a [String],
    /// Whether statements that change rows may stand inside.
    pub(super) changes: bool,
    /// Statements seen from here on are inside another.
    depth: usize,
    /// How many statements may stand around each other without being inside a query: 2 for EXPLAIN.
    outer: usize,
}

impl<'a> Rules<'a> {
    pub(super) fn new(dialect: Dialect, functions: &'a [String], changes: bool) -> Self {
        Self { dialect, functions, changes, depth: 0, outer: 1 }
    }

    /// For EXPLAIN, which stands around the statement it explains.
    pub(super) fn around(mut self) -> Self {
        self.outer = 2;
        self
    }

    /// Holds `statement` against the rules.
    pub(super) fn check(mut self, statement: &Statement) -> Result<(), Refusal> {
        match statement.visit(&mut self) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(message) => refuse(message),
        }
    }

    fn function(&self, name: &ObjectName) -> ControlFlow<Box<str>> {
        let Some(parts) = folded(self.dialect, name) else { return stop("a function's name is worked out") };
        let full = parts.join(".");
        let Some((last, schema)) = parts.split_last() else { return stop("a function has no name") };
        if forbidden(self.dialect, last) {
            return stop(format!("the function `{full}` acts outside tables, and no grant allows it"));
        }
        let built_in = match (schema, self.dialect) {
            ([], _) => true,
            ([schema], Dialect::Postgres) => schema == "pg_catalog",
            _ => false,
        };
        // A column's default takes the next number of its sequence too.
        let next_number = self.changes && self.dialect == Dialect::Postgres && last == "nextval";
        if (built_in && (next_number || is_harmless(self.dialect, last))) || self.granted(&full) {
            return ControlFlow::Continue(());
        }
        stop(format!(
            "the function `{full}` is not known to be harmless; add `function={full}` to the grant to allow it"
        ))
    }

    fn granted(&self, full: &str) -> bool {
        self.functions.iter().any(|granted| match self.dialect {
            Dialect::Postgres => granted == full,
            Dialect::Mysql | Dialect::Sqlite => granted.eq_ignore_ascii_case(full),
        })
    }
}

type Flow = ControlFlow<Box<str>>;

fn stop(message: impl Into<Box<str>>) -> Flow {
    ControlFlow::Break(message.into())
}

/// A name's parts as the dialect folds them; none where a part is no plain name.
pub(super) fn folded(dialect: Dialect, name: &ObjectName) -> Option<Vec<String>> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => {
                // The tree keeps quotes doubled, as they were written.
                Some(match ident.quote_style {
                    Some(quote) => ident.value.replace(&format!("{quote}{quote}"), &quote.to_string()),
                    None if dialect == Dialect::Postgres => ident.value.to_ascii_lowercase(),
                    None => ident.value.clone(),
                })
            }
            ObjectNamePart::Function(_) => None,
        })
        .collect()
}

impl Visitor for Rules<'_> {
    type Break = Box<str>;

    fn pre_visit_statement(&mut self, _: &Statement) -> Flow {
        self.depth += 1;
        if self.depth > self.outer && !self.changes {
            return stop("a query that changes rows inside it is no read; use execute");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> Flow {
        if !query.locks.is_empty() || query.for_clause.is_some() {
            return stop("FOR UPDATE and its like lock rows; leave the clause out");
        }
        if query.settings.is_some() || query.format_clause.is_some() || !query.pipe_operators.is_empty() {
            return stop("the query has a clause that this database does not know");
        }
        self.table_command(&query.body)
    }

    fn pre_visit_select(&mut self, select: &Select) -> Flow {
        if select.into.is_some() {
            return stop("SELECT INTO makes a table or sets variables; use a plain SELECT");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> Flow {
        match folded(self.dialect, relation) {
            Some(parts) => self.relation(&parts),
            None => stop("a table's name is worked out"),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Flow {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => self.function(name),
            TableFactor::Table { .. }
            | TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::JsonTable { .. }
            | TableFactor::XmlTable { .. }
            | TableFactor::TableFunction { .. } => ControlFlow::Continue(()),
            _ => stop("the query has a table expression that this database does not know"),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Flow {
        match expr {
            Expr::Function(function) => self.function(&function.name),
            Expr::BinaryOp { op: BinaryOperator::Assignment, .. } => {
                stop("`:=` sets a variable of the session; leave it out")
            }
            Expr::BinaryOp { op: BinaryOperator::PGCustomBinaryOperator(name), .. }
                if name.first().is_none_or(|schema| schema != "pg_catalog") =>
            {
                stop("an operator of another schema than pg_catalog may do anything; leave OPERATOR(..) out")
            }
            Expr::BinaryOp { op: BinaryOperator::Custom(_), .. } | Expr::Lambda(_) | Expr::Prior(_) => {
                stop("the statement has an expression that this database does not know")
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> Flow {
        match value.value {
            Value::EscapedStringLiteral(_) | Value::UnicodeStringLiteral(_) | Value::DollarQuotedString(_) => {
                stop("a string is written in a form that was not spelled out")
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Rules<'_> {
    fn relation(&self, parts: &[String]) -> Flow {
        let full = parts.join(".").to_ascii_lowercase();
        let last = parts.last().map(|name| name.to_ascii_lowercase()).unwrap_or_default();
        let of_dialect = CREDENTIALS.iter().filter(|(dialect, _)| *dialect == self.dialect);
        if of_dialect.flat_map(|(_, names)| *names).any(|name| *name == full || *name == last) {
            return stop(format!("`{full}` holds credentials, and no grant shows it"));
        }
        if self.dialect == Dialect::Mysql && RESETTING.contains(&last.as_str()) {
            return stop(format!(
                "reading `{full}` sets the server's counters back; the table without `_reset` does not"
            ));
        }
        // SQLite's pragmas can be read as tables without a call.
        if self.dialect == Dialect::Sqlite && last.starts_with("pragma_") && !is_harmless(self.dialect, &last) {
            return stop(format!("`{last}` is no reading pragma"));
        }
        ControlFlow::Continue(())
    }

    /// `TABLE name` stands in the tree as two texts, which the visitor does not show.
    fn table_command(&self, body: &SetExpr) -> Flow {
        match body {
            SetExpr::Table(table) => {
                let parts: Vec<_> = [&table.schema_name, &table.table_name].into_iter().flatten().cloned().collect();
                self.relation(&parts)
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.table_command(left)?;
                self.table_command(right)
            }
            _ => ControlFlow::Continue(()),
        }
    }
}
