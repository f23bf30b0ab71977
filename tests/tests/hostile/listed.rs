//! `docs/security.md` against what is there: each test that it names exists, and each case of this suite is named.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../../../docs/security.md");

/// The tests below `directory`, by the path of their file and their name: `hostile::cache::code_behind_a_link_is_not_run`.
fn tests(directory: &Path) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for file in files(directory) {
        let mut module: Vec<_> =
            file.strip_prefix(directory).unwrap().iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        let stem = module.pop().unwrap();
        let stem = stem.trim_end_matches(".rs");
        if !matches!(stem, "mod" | "main") {
            module.push(stem.into());
        }
        let mut marked = false;
        for line in std::fs::read_to_string(&file).unwrap().lines().map(str::trim) {
            marked |= line == "#[test]" || line.starts_with("#[tokio::test");
            let name =
                line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            if let (true, Some(name)) = (marked, name) {
                tests.insert(format!("{}::{name}", module.join("::")));
                marked = false;
            }
        }
    }
    tests
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = directory.read_dir().unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false if path.extension().is_some_and(|extension| extension == "rs") => vec![path],
            false => vec![],
        })
        .collect()
}

/// The tests that the page's tables name in their last column.
fn named() -> BTreeSet<&'static str> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    let cells = rows.filter_map(|row| row.rsplit('|').next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter(|name| name.contains("::")).collect()
}

#[test]
fn every_test_that_the_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = tests(&root.join("tests"));
    known.extend(tests(&root.join("../host/src")));
    let missing: Vec<_> = named().into_iter().filter(|name| !known.contains(*name)).collect();
    assert!(missing.is_empty(), "docs/security.md names tests that do not exist: {missing:#?}");
    assert!(named().len() > 50);
}

#[test]
fn every_case_of_the_suite_is_on_the_page() {
    let named = named();
    let suite = tests(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    let cases = suite.iter().filter(|name| name.starts_with("hostile::") && !name.starts_with("hostile::listed::"));
    let missing: Vec<_> = cases.filter(|name| !named.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "docs/security.md does not name: {missing:#?}");
}

#[test]
fn every_promise_has_a_case() {
    let (_, promised) = PAGE.split_once("## What is promised").unwrap();
    let (promised, _) = promised.split_once("## What is not promised").unwrap();
    for row in promised.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{row}");
        assert!(cells[2] == "cases" || cells[2].contains("::"), "a promise without a case: {}", cells[0]);
    }
}
