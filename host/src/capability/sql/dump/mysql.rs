//! The statements of mysqldump and mariadb-dump, made of one database.

use super::Verdict;
use super::classify::{Origin, Skipped, Words, refuse, unknown};

/// Session variables that the tools set and set back.
const VARIABLES: &[&str] = &[
    "character_set_client",
    "character_set_results",
    "character_set_connection",
    "collation_connection",
    "time_zone",
    "unique_checks",
    "foreign_key_checks",
    "sql_mode",
    "sql_notes",
    "note_verbosity",
    "sql_quote_show_create",
    "names",
    "system_versioning_insert_history",
];

/// Engines whose tables stand in other databases, servers or files.
const ENGINES: &[&str] = &["federated", "connect", "spider", "s3", "merge", "mrg_myisam", "mroonga", "oqgraph", "csv"];

const BODY: &str = "its body may name other databases";

#[expect(clippy::match_same_arms, reason = "one line a kind of statement")]
pub(super) fn classify(words: &Words<'_>, origin: Origin) -> Verdict {
    if words.has("outfile") || words.has("dumpfile") || words.has("infile") {
        return refuse("it reads or writes files of the server");
    }
    match (words.at(0), origin) {
        ("set", Origin::Dump) => set(words),
        ("begin" | "commit" | "start", Origin::Dump) => Verdict::Run,
        ("lock" | "unlock", Origin::Dump) => at_home(words, &["tables", "table"]),
        ("select" | "do", Origin::Dump) if words.at(1) == "setval" => Verdict::Run,
        ("select" | "with" | "values" | "table" | "explain" | "show" | "describe" | "desc", Origin::Plugin) => {
            Verdict::Run
        }
        ("insert" | "replace", _) => at_home(words, &["into", "ignore", "insert", "replace"]),
        ("update" | "delete", Origin::Plugin) => Verdict::Run,
        ("update", _) => at_home(words, &["update"]),
        ("delete", _) => at_home(words, &["from"]),
        ("truncate", _) => at_home(words, &["table", "truncate"]),
        ("analyze" | "check" | "optimize" | "repair", _) => at_home(words, &["table", "tables"]),
        ("create", _) => create(words),
        ("alter", _) => alter(words),
        ("drop", _) => drop_object(words),
        ("grant" | "revoke", _) => Verdict::Skip(Skipped::Privileges),
        ("use", _) => refuse("USE leaves the scratch database; make the dump of one database, without --databases"),
        _ => unknown(words),
    }
}

/// Whether the names behind the last of `keywords` at the front have no database before them.
fn at_home(words: &Words<'_>, keywords: &[&str]) -> Verdict {
    let tokens: Vec<_> = words.iter().collect();
    let from = tokens.iter().take(6).rposition(|word| keywords.contains(word)).map_or(1, |at| at + 1);
    let names = tokens.iter().skip(from).take_while(|word| !matches!(**word, "(" | "values" | "select" | "set"));
    if names.into_iter().any(|word| *word == ".") {
        return refuse("it names a table of another database; make the dump of one database, without --databases");
    }
    Verdict::Run
}

/// Every assignment must be to a variable of the session that is known.
fn set(words: &Words<'_>) -> Verdict {
    let mut at = 1;
    let tokens: Vec<_> = words.iter().collect();
    let sets_mode = words.has("sql_mode");
    if sets_mode
        && tokens.iter().any(|word| {
            let word = word.to_ascii_lowercase();
            ["ansi", "no_backslash_escapes", "oracle", "mssql", "db2", "postgresql", "maxdb"]
                .iter()
                .any(|mode| word.starts_with("''") && word.contains(mode))
        })
    {
        return refuse("with that sql_mode its strings cannot be told apart for certain");
    }
    if tokens.iter().any(|word| matches!(*word, "global" | "persist" | "persist_only" | "password" | "role")) {
        return Verdict::Skip(Skipped::Settings);
    }
    while at < tokens.len() {
        // @user = .. | @@session.name = .. | SESSION name = .. | name = ..
        let is_user_variable = words.at(at) == "@" && words.at(at + 1) != "@";
        while matches!(words.at(at), "@" | "session" | "local" | ".") {
            at += 1;
        }
        let name = words.at(at);
        if name == "sql_log_bin" || name == "statement_id" || name == "max_statement_time" {
            return Verdict::Skip(Skipped::Settings);
        }
        if !is_user_variable && !VARIABLES.contains(&name) {
            return refuse(format!("the setting `{name}` is none that mysqldump writes"));
        }
        let mut depth = 0_usize;
        while at < tokens.len() {
            match words.at(at) {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                "," if depth == 0 => break,
                _ => {}
            }
            at += 1;
        }
        at += 1;
    }
    Verdict::Run
}

fn create(words: &Words<'_>) -> Verdict {
    const KINDS: &[&str] = &[
        "table",
        "view",
        "trigger",
        "function",
        "procedure",
        "event",
        "database",
        "schema",
        "user",
        "role",
        "server",
        "tablespace",
        "logfile",
        "index",
        "sequence",
        "package",
        "undo",
    ];
    match words.first_of(KINDS).map(|(_, kind)| kind) {
        Some("table") => table(words),
        Some("index" | "sequence") => in_place(words),
        Some("function" | "procedure") if words.has("soname") => refuse("it loads a library into the server"),
        Some("view" | "trigger" | "function" | "procedure" | "package") => Verdict::Confined(BODY),
        Some("event") => refuse("an event runs on when the scratch database is gone from sight"),
        Some("database" | "schema") => Verdict::Skip(Skipped::Database),
        _ => unknown(words),
    }
}

/// A table whose rows must stand in the scratch database.
fn table(words: &Words<'_>) -> Verdict {
    if words.has_pair(["data", "directory"]) || words.has_pair(["index", "directory"]) {
        return refuse("it places a table's files on the server");
    }
    if words.has("connection") {
        return refuse("the table stands on another server");
    }
    let engine = words.iter().skip_while(|word| *word != "engine").find(|word| !matches!(*word, "engine" | "="));
    let engine = engine.unwrap_or_default().trim_matches(['\'', '"']).to_ascii_lowercase();
    if ENGINES.contains(&engine.as_str()) {
        return refuse(format!("tables of the engine `{engine}` stand outside their database"));
    }
    in_place(words)
}

/// Whether no name in it has a database before it; a column's name has none in these statements.
fn in_place(words: &Words<'_>) -> Verdict {
    if words.has(".") {
        return refuse("it names a table of another database; make the dump of one database, without --databases");
    }
    Verdict::Run
}

fn alter(words: &Words<'_>) -> Verdict {
    match words.at(1) {
        "database" | "schema" => Verdict::Skip(Skipped::Database),
        "table" if words.has("rename") || words.has("exchange") => {
            refuse("it may move a table out of the scratch database")
        }
        "table" => table(words),
        "sequence" => in_place(words),
        _ => unknown(words),
    }
}

fn drop_object(words: &Words<'_>) -> Verdict {
    match words.at(1) {
        "database" | "schema" => Verdict::Skip(Skipped::Database),
        "table" | "view" | "trigger" | "function" | "procedure" | "sequence" | "index" | "temporary" => in_place(words),
        _ => unknown(words),
    }
}
