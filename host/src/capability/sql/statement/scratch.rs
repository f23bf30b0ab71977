//! Which statements stay inside a scratch database.

use std::ops::ControlFlow;

use bytes::Bytes;
use sqlparser::ast::{ObjectName, Statement, Visit, Visitor};

use super::parse::{Canonical, refuse};
use super::rules::folded;
use super::{Dialect, Scratch};
use crate::capability::sql::dump::{Dump, Event, Origin, Verdict, classify};
use crate::gate::Refusal;

/// One statement that stays inside the scratch database `home` (which only MySQL's names can leave).
///
/// # Errors
/// Why it may leave it.
pub(crate) fn any(dialect: Dialect, text: &str, home: &str) -> Result<Scratch, Refusal> {
    let canonical = Canonical::whole(dialect, text)?;
    single(dialect, &canonical.text)?;
    let confined = match classify(dialect, Origin::Plugin, &canonical.text) {
        Verdict::Run => None,
        Verdict::Confined(why) => Some(why),
        Verdict::Skip(kind) => {
            return refuse(format!("a scratch database has no {} to set; leave the statement out", kind.name()));
        }
        Verdict::Refuse(why) => return refuse(format!("the statement may leave the scratch database: {why}")),
    };
    let text = if dialect == Dialect::Mysql {
        canonical.judge(dialect, |statement| stays(statement, home))?.1
    } else {
        canonical.text.clone()
    };
    Ok(Scratch { text, parameters: canonical.parameters, confined })
}

/// A semicolon may stand in a body, and nowhere else.
fn single(dialect: Dialect, text: &str) -> Result<(), Refusal> {
    let mut events = Vec::new();
    let mut dump = Dump::new(dialect);
    let mut emit = |event| events.push(event);
    let ended = dump.push(Bytes::from(format!("{text}\n;\n")), &mut emit).and_then(|()| dump.finish(&mut emit));
    match (events.as_slice(), ended) {
        ([Event::Statement(_)], Ok(_)) => Ok(()),
        ([Event::CopyBegin(_)], _) => refuse("COPY .. FROM stdin has no rows here; use copy-in"),
        (_, Ok(_)) => refuse("the text holds several statements; send them one at a time"),
        (_, Err(error)) => refuse(format!("the statement has no end: {error}")),
    }
}

/// Every table that a MySQL statement names must stand in `home`.
fn stays(statement: &Statement, home: &str) -> Result<(), Refusal> {
    let mut names = Names { home, away: None };
    let _ = statement.visit(&mut names);
    match statement {
        Statement::Drop { names: dropped, table, .. } => dropped.iter().chain(table).for_each(|name| names.name(name)),
        Statement::Truncate(truncate) => truncate.table_names.iter().for_each(|table| names.name(&table.name)),
        Statement::Query(_)
        | Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::CreateTable(_)
        | Statement::CreateIndex(_)
        | Statement::CreateView(_)
        | Statement::AlterTable(_)
        | Statement::Explain { .. }
        | Statement::ExplainTable { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowTables { .. }
        | Statement::ShowCreate { .. } => {}
        _ => return refuse("that statement is not known to stay inside a scratch database"),
    }
    match names.away {
        Some(name) => refuse(format!("`{name}` is outside the scratch database; leave the database's name out")),
        None => Ok(()),
    }
}

struct Names<'a> {
    home: &'a str,
    away: Option<String>,
}

impl Names<'_> {
    fn name(&mut self, name: &ObjectName) {
        let at_home = match folded(Dialect::Mysql, name).as_deref() {
            Some([_]) => true,
            Some([database, _]) => database == self.home,
            _ => false,
        };
        if !at_home {
            self.away.get_or_insert(name.to_string());
        }
    }
}

impl Visitor for Names<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        self.name(relation);
        ControlFlow::Continue(())
    }
}
