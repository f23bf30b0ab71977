//! The statements of `pg_dump`.

use super::Verdict;
use super::classify::{Origin, Skipped, Words, refuse, unknown};
use crate::capability::sql::grant::Dialect;
use crate::capability::sql::lexis::{CodeComments, Tokens};

/// Extensions that reach nothing outside their database, most of them trusted by PostgreSQL itself.
const EXTENSIONS: &[&str] = &[
    "address_standardizer",
    "amcheck",
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dict_int",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "hypopg",
    "intarray",
    "isn",
    "lo",
    "ltree",
    "pageinspect",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_trgm",
    "pg_visibility",
    "pgcrypto",
    "pgrowlocks",
    "pgstattuple",
    "postgis",
    "postgis_raster",
    "postgis_topology",
    "seg",
    "tablefunc",
    "tcn",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
    "vector",
    "xml2",
];

/// Settings that `pg_dump` writes and that change nothing outside the session.
const SETTINGS: &[&str] = &[
    "backslash_quote",
    "bytea_output",
    "check_function_bodies",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_table_access_method",
    "default_tablespace",
    "default_toast_compression",
    "default_with_oids",
    "extra_float_digits",
    "intervalstyle",
    "quote_all_identifiers",
    "row_security",
    "search_path",
    "synchronize_seqscans",
    "timezone",
    "xmloption",
];

/// Time-outs are the grant's to say.
const TIMEOUTS: &[&str] =
    &["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"];

const BODY: &str = "the body of a function may run any statement that its caller may";

#[expect(clippy::match_same_arms, reason = "one line a kind of statement")]
pub(super) fn classify(words: &Words<'_>, origin: Origin, statement: &str) -> Verdict {
    match (words.at(0), origin) {
        ("set", Origin::Dump) => set(words),
        ("select", Origin::Dump) => select(words),
        ("begin" | "commit" | "start", Origin::Dump) => Verdict::Run,
        ("select" | "with" | "values" | "table" | "explain" | "show", Origin::Plugin) => Verdict::Run,
        ("insert" | "update" | "delete" | "truncate" | "refresh" | "analyze", _) => Verdict::Run,
        ("copy", _) if copies_from_stdin(statement) => Verdict::Run,
        ("copy", _) => refuse("COPY reaches files or programs of the server; only COPY .. FROM stdin stays inside"),
        ("create", _) => create(words),
        ("alter", _) => alter(words),
        ("drop", _) => drop_object(words),
        ("comment", _) => comment(words),
        ("grant" | "revoke" | "security", _) => Verdict::Skip(Skipped::Privileges),
        ("do", _) => refuse("DO runs a program, and pg_dump writes none"),
        _ => unknown(words),
    }
}

/// Whether a statement is `COPY table [(columns)] FROM stdin ..`.
pub(super) fn copies_from_stdin(statement: &str) -> bool {
    let mut depth = 0_usize;
    let mut previous_is_from = false;
    let mut from_stdin = false;
    for token in Tokens::new(Dialect::Postgres, statement, CodeComments::Code) {
        let Ok(token) = token else { return false };
        if token.is_symbol('(') {
            depth += 1;
        } else if token.is_symbol(')') {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && (token.is("program") || token.is("to")) {
            return false;
        }
        if depth == 0 && previous_is_from {
            if !token.is("stdin") {
                return false;
            }
            from_stdin = true;
        }
        previous_is_from = depth == 0 && token.is("from");
    }
    from_stdin
}

fn set(words: &Words<'_>) -> Verdict {
    let name = if matches!(words.at(1), "session" | "local") { words.at(2) } else { words.at(1) };
    let value = words.iter().last().unwrap_or_default();
    match name {
        "standard_conforming_strings" if matches!(value, "on" | "''on'") => Verdict::Run,
        "standard_conforming_strings" => {
            refuse("with standard_conforming_strings off its strings cannot be told apart for certain")
        }
        // SET default_tablespace = fast names a tablespace, which the scratch database need not have.
        "default_tablespace" if value != "'''" => Verdict::Skip(Skipped::Settings),
        name if SETTINGS.contains(&name) => Verdict::Run,
        name if TIMEOUTS.contains(&name) => Verdict::Skip(Skipped::Settings),
        "role" | "authorization" | "session_authorization" => Verdict::Skip(Skipped::Ownership),
        name => refuse(format!("the setting `{name}` is none that pg_dump writes")),
    }
}

/// `SELECT pg_catalog.set_config('search_path', '', false)`.
pub(super) fn sets_search_path(words: &Words<'_>) -> bool {
    ["select", "pg_catalog", ".", "set_config", "(", "''search_path'"].into_iter().eq(words.iter().take(6))
}

/// What sets the search path and sequences, and makes large objects.
fn select(words: &Words<'_>) -> Verdict {
    let at = if words.at(1) == "pg_catalog" && words.at(2) == "." { 3 } else { 1 };
    match words.at(at) {
        "setval" | "lo_create" | "lo_open" | "lowrite" | "lo_close" | "lo_from_bytea" | "lo_put" => Verdict::Run,
        _ if sets_search_path(words) => Verdict::Run,
        _ => refuse("pg_dump writes no such SELECT"),
    }
}

fn create(words: &Words<'_>) -> Verdict {
    const MODIFIERS: &[&str] = &[
        "or",
        "replace",
        "temp",
        "temporary",
        "unlogged",
        "global",
        "local",
        "unique",
        "materialized",
        "recursive",
        "trusted",
        "procedural",
        "constraint",
        "default",
    ];
    let kind = words.iter().skip(1).find(|word| !MODIFIERS.contains(word)).unwrap_or_default();
    match kind {
        "table" | "index" | "sequence" | "view" | "type" | "domain" | "schema" | "collation" | "conversion"
        | "operator" | "aggregate" | "policy" | "statistics" | "rule" | "cast" | "text" | "trigger" | "publication" => {
            Verdict::Run
        }
        "function" | "procedure" => routine(words),
        "event" => Verdict::Confined("an event trigger runs a function on later statements"),
        "extension" => extension(words),
        "database" => Verdict::Skip(Skipped::Database),
        _ => unknown(words),
    }
}

fn routine(words: &Words<'_>) -> Verdict {
    let languages: Vec<_> = words
        .iter()
        .zip(words.iter().skip(1))
        .filter(|(word, _)| *word == "language")
        .map(|(_, name)| name.trim_matches(['\'', '"']).to_ascii_lowercase())
        .collect();
    match languages.as_slice() {
        [] => Verdict::Confined(BODY),
        [language] if matches!(language.as_str(), "sql" | "plpgsql" | "plperl" | "pltcl" | "plv8") => {
            Verdict::Confined(BODY)
        }
        [language] => refuse(format!("a function in the language `{language}` reaches the whole server")),
        _ => refuse("the function's language cannot be told"),
    }
}

fn extension(words: &Words<'_>) -> Verdict {
    let at = if words.at(2) == "if" { 5 } else { 2 };
    match words.at(at).trim_matches('"') {
        "plpgsql" => Verdict::Skip(Skipped::Database),
        name if EXTENSIONS.contains(&name) => Verdict::Run,
        name => refuse(format!("the extension `{name}` is not known to stay inside its database")),
    }
}

fn alter(words: &Words<'_>) -> Verdict {
    if words.has_pair(["owner", "to"]) && !matches!(words.at(1), "system" | "role" | "user") {
        return Verdict::Skip(Skipped::Ownership);
    }
    match (words.at(1), words.at(2)) {
        ("default", "privileges") => Verdict::Skip(Skipped::Privileges),
        ("database", _) => Verdict::Skip(Skipped::Database),
        (
            "table" | "index" | "sequence" | "view" | "materialized" | "type" | "domain" | "schema" | "collation"
            | "conversion" | "operator" | "aggregate" | "policy" | "statistics" | "rule" | "text" | "trigger"
            | "publication",
            _,
        ) => Verdict::Run,
        ("function" | "procedure" | "routine", _) => Verdict::Confined(BODY),
        ("event", "trigger") => Verdict::Confined("an event trigger runs a function on later statements"),
        ("extension", _) if words.has_pair(["set", "schema"]) => Verdict::Run,
        _ => unknown(words),
    }
}

fn drop_object(words: &Words<'_>) -> Verdict {
    match words.at(1) {
        "database" => Verdict::Skip(Skipped::Database),
        "table" | "index" | "sequence" | "view" | "materialized" | "type" | "domain" | "schema" | "collation"
        | "conversion" | "operator" | "aggregate" | "policy" | "statistics" | "rule" | "cast" | "text" | "trigger"
        | "publication" | "function" | "procedure" | "routine" | "event" | "extension" => Verdict::Run,
        _ => unknown(words),
    }
}

fn comment(words: &Words<'_>) -> Verdict {
    match words.at(2) {
        "extension" | "database" | "role" | "tablespace" | "language" => Verdict::Skip(Skipped::Database),
        _ => Verdict::Run,
    }
}
