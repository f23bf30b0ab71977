//! Which statements read.

use sqlparser::ast::{Expr, Ident, Statement, UtilityOption};

use super::parse::{Canonical, refuse};
use super::rules::{Rules, folded};
use super::{Dialect, Reading, ReadingKind};
use crate::gate::Refusal;

/// Pragmas that read, with an argument or without one. Those of the first list take a table's or an index's name.
const PRAGMAS_OF: &[&str] = &[
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];
const PRAGMAS: &[&str] = &[
    "application_id",
    "auto_vacuum",
    "busy_timeout",
    "cache_size",
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "encoding",
    "foreign_keys",
    "freelist_count",
    "function_list",
    "journal_mode",
    "journal_size_limit",
    "locking_mode",
    "max_page_count",
    "mmap_size",
    "module_list",
    "page_count",
    "page_size",
    "pragma_list",
    "query_only",
    "recursive_triggers",
    "schema_version",
    "secure_delete",
    "synchronous",
    "temp_store",
    "user_version",
    "wal_autocheckpoint",
];

/// What `text` is when it only reads; `functions` are those that the grant allows beside the harmless ones.
///
/// # Errors
/// Why it is not known to only read, and what to write instead.
pub(crate) fn reading(dialect: Dialect, text: &str, functions: &[String]) -> Result<Reading, Refusal> {
    let canonical = Canonical::new(dialect, text)?;
    let (kind, text) = canonical.judge(dialect, |statement| {
        let kind = kind(dialect, statement)?;
        let rules = Rules::new(dialect, functions, false);
        if kind == ReadingKind::Explain { rules.around() } else { rules }.check(statement)?;
        Ok(kind)
    })?;
    Ok(Reading { text, parameters: canonical.parameters, kind })
}

fn kind(dialect: Dialect, statement: &Statement) -> Result<ReadingKind, Refusal> {
    match statement {
        Statement::Query(_) => Ok(ReadingKind::Query),
        Statement::Explain { analyze, statement, options, .. } => {
            let runs = *analyze || options.as_deref().unwrap_or_default().iter().any(is_analyze);
            match &**statement {
                Statement::Query(_) => Ok(ReadingKind::Explain),
                Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) if !runs => Ok(ReadingKind::Explain),
                Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
                    refuse("EXPLAIN ANALYZE runs the change that it explains; leave ANALYZE out")
                }
                _ => refuse("EXPLAIN is for SELECT, INSERT, UPDATE and DELETE"),
            }
        }
        Statement::ExplainTable { .. } => Ok(ReadingKind::Explain),
        Statement::ShowVariable { variable } if dialect == Dialect::Mysql && shows_secrets(variable) => refuse(
            "that SHOW shows hashes of passwords or the statements of others, and no grant shows those; \
             rights are in information_schema.user_privileges",
        ),
        Statement::ShowVariable { .. }
        | Statement::ShowStatus { .. }
        | Statement::ShowVariables { .. }
        | Statement::ShowCreate { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ShowProcessList { .. }
        | Statement::ShowSchemas { .. }
        | Statement::ShowCharset(_)
        | Statement::ShowTables { .. }
        | Statement::ShowViews { .. }
        | Statement::ShowCollation { .. }
            if dialect != Dialect::Sqlite =>
        {
            Ok(ReadingKind::Show)
        }
        Statement::Pragma { name, value, is_eq } if dialect == Dialect::Sqlite => {
            let name = folded(dialect, name).and_then(|parts| parts.last().map(|name| name.to_ascii_lowercase()));
            let name = name.as_deref().unwrap_or_default();
            if !is_eq && (PRAGMAS_OF.contains(&name) || (value.is_none() && PRAGMAS.contains(&name))) {
                return Ok(ReadingKind::Pragma);
            }
            refuse(format!("PRAGMA {name} may change the database or the session, and is not granted"))
        }
        _ => refuse(
            "that statement is no read; query takes SELECT, VALUES, TABLE, EXPLAIN, SHOW and reading PRAGMAs, \
             execute takes INSERT, UPDATE and DELETE",
        ),
    }
}

/// SHOW GRANTS and SHOW CREATE USER with the role's hash, SHOW BINLOG EVENTS with whatever was run.
fn shows_secrets(words: &[Ident]) -> bool {
    const WORDS: &[&str] = &["grants", "user", "binlog", "relaylog"];
    words.iter().any(|word| WORDS.iter().any(|secret| word.value.eq_ignore_ascii_case(secret)))
}

/// An option ANALYZE that is not plainly switched off.
fn is_analyze(option: &UtilityOption) -> bool {
    let off = |arg: &Expr| matches!(arg.to_string().to_ascii_lowercase().trim_matches('\''), "false" | "off" | "0");
    let names = ["analyze", "analyse"];
    names.iter().any(|name| option.name.value.eq_ignore_ascii_case(name)) && !option.arg.as_ref().is_some_and(off)
}
