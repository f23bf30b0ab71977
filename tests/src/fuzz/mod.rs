//! What the fuzz targets do. Each is one function from bytes to what they broke: `tests/fuzz` calls it for libFuzzer,
//! and `tests/tests/fuzz_corpus.rs` calls it on stable Rust, with every file of the corpus and with mutations of it.
//!
//! A target must never need more than its bytes: no server, no file that it did not make. What takes a database to judge
//! is in [`oracle`].

#![allow(clippy::indexing_slicing, reason = "a target that is wrong itself stops here")]

mod descriptions;
mod dumps;
mod grants;
mod lockfiles;
mod paths;
mod random;
mod sql;
mod urls;

pub mod oracle;

use std::path::{Path, PathBuf};

pub use random::Random;

/// What a target finds in its input: nothing, or what does not hold.
pub type Found = Result<(), String>;

/// A fuzz target.
#[derive(Clone, Copy)]
pub struct Target {
    /// The name of its file in `tests/fuzz/fuzz_targets`, and of its corpus.
    pub name: &'static str,
    /// What is done with each input.
    pub body: fn(&[u8]) -> Found,
}

/// All targets.
pub const TARGETS: [Target; 9] = [
    Target { name: "descriptions", body: descriptions::check },
    Target { name: "dumps", body: dumps::check },
    Target { name: "grants", body: grants::check },
    Target { name: "lockfiles", body: lockfiles::check },
    Target { name: "paths", body: paths::check },
    Target { name: "sql_mysql", body: sql::check_mysql },
    Target { name: "sql_postgres", body: sql::check_postgres },
    Target { name: "sql_sqlite", body: sql::check_sqlite },
    Target { name: "urls", body: urls::check },
];

/// Runs the target `name`, as libFuzzer does: what does not hold is a panic.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("the target is in the list");
    if let Err(broken) = (target.body)(input) {
        panic!("{broken}");
    }
}

/// Where the targets and the corpora are.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The corpus of a target, by name, in order.
pub fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = directory().join("corpus").join(target);
    let entries = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("the corpus can be listed"))
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                std::fs::read(entry.path()).expect("a corpus is of files"),
            )
        })
        .collect();
    files.sort();
    files
}

/// `holds`, or what does not.
fn ensure(holds: bool, what: impl FnOnce() -> String) -> Found {
    if holds { Ok(()) } else { Err(what()) }
}

/// A character that a terminal obeys, or that reorders or hides the text around it.
fn is_treacherous(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
