//! The statements of sqlite3's .dump.

use super::Verdict;
use super::classify::{Origin, Words, refuse, unknown};

/// Pragmas that a dump sets and that stay inside its file.
const PRAGMAS: &[&str] =
    &["application_id", "auto_vacuum", "defer_foreign_keys", "encoding", "foreign_keys", "page_size", "user_version"];
/// Modules whose virtual tables keep their rows in the same file.
const MODULES: &[&str] = &["fts3", "fts4", "fts5", "rtree", "rtree_i32", "geopoly"];

#[expect(clippy::match_same_arms, reason = "one line a kind of statement")]
pub(super) fn classify(words: &Words<'_>, origin: Origin) -> Verdict {
    let schema_table = |word: &str| matches!(word.trim_matches('"'), "sqlite_master" | "sqlite_schema");
    match (words.at(0), origin) {
        ("pragma", Origin::Dump) if PRAGMAS.contains(&words.at(1)) => Verdict::Run,
        ("pragma", _) => refuse(format!("PRAGMA {} may break the scratch database or leave it", words.at(1))),
        ("begin" | "commit" | "rollback", Origin::Dump) => Verdict::Run,
        ("select" | "values" | "explain", Origin::Plugin) => Verdict::Run,
        ("insert" | "update" | "delete" | "replace" | "with", _) if words.iter().take(16).any(schema_table) => {
            refuse("it writes the schema by hand; make the dump without virtual tables")
        }
        ("insert" | "update" | "delete" | "replace" | "with" | "drop" | "alter" | "analyze" | "reindex", _) => {
            Verdict::Run
        }
        ("create", _) if words.at(1) == "virtual" => {
            let module = words.after("using");
            if MODULES.contains(&module) {
                return Verdict::Run;
            }
            refuse(format!("the module `{module}` may keep its rows outside the file"))
        }
        ("create", _) => Verdict::Run,
        ("attach" | "detach", _) => refuse("ATTACH opens other files"),
        _ => unknown(words),
    }
}
