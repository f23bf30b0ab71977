//! A short pass of every fuzz target on stable Rust: each file of its corpus, and mutations of it from a fixed seed. The
//! statements that are called reads are judged by real databases.
//!
//! `TASKHOST_FUZZ_ROUNDS=100` makes a hundred times as many mutations.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on stops here")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use taskhost::fuzzing::{Dialect, reading};
use taskhost_tests::fuzz::oracle::{Server, Statements};
use taskhost_tests::fuzz::{Random, TARGETS, Target, corpus, directory};

fn rounds() -> usize {
    std::env::var("TASKHOST_FUZZ_ROUNDS").map_or(1, |rounds| rounds.parse().expect("TASKHOST_FUZZ_ROUNDS is a number"))
}

/// What does not hold for `input`, a panic of the host's included.
fn broken(target: Target, input: &[u8]) -> Option<String> {
    let found = catch_unwind(AssertUnwindSafe(|| (target.body)(input)));
    let what = match found {
        Ok(found) => found.err()?,
        Err(_) => "a panic; its message stands above".into(),
    };
    Some(format!("{what}\n  input: \"{}\"", input.escape_ascii()))
}

fn pass(name: &str, mutations: usize) {
    let target = *TARGETS.iter().find(|target| target.name == name).unwrap();
    let files = corpus(name);
    assert!(files.len() >= 5, "the corpus of {name} has {} files", files.len());
    let mut failures = Vec::new();
    for (index, (file, input)) in files.iter().enumerate() {
        failures.extend(broken(target, input).map(|broken| format!("{name}/{file}: {broken}")));
        let mut random = Random::new(index as u64 + 1);
        for round in 0..mutations * rounds() {
            let other = &random.pick(&files).1;
            let input = random.mutate(input, other);
            if let Some(broken) = broken(target, &input) {
                failures.push(format!("{name}/{file}, mutation {round}: {broken}"));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn descriptions_are_refused_or_shown_plainly() {
    pass("descriptions", 300);
}

#[test]
fn dumps_mean_the_same_however_they_are_cut() {
    pass("dumps", 100);
}

#[test]
fn grants_say_no_more_than_was_written() {
    pass("grants", 500);
}

#[test]
fn lockfiles_end_in_packages_and_problems() {
    pass("lockfiles", 150);
}

#[test]
fn paths_stay_below_the_root() {
    pass("paths", 50);
}

#[test]
fn urls_stay_below_their_address() {
    pass("urls", 500);
}

#[test]
fn statements_are_called_the_same_again() {
    pass("sql_postgres", 200);
    pass("sql_mysql", 200);
    pass("sql_sqlite", 40);
}

#[test]
fn each_target_is_a_file_of_its_own() {
    let mut files: Vec<_> = std::fs::read_dir(directory().join("fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, TARGETS.map(|target| target.name));
}

/// The corpus, every harmless function, and mutations, as far as they are called reads.
async fn judge(dialect: Dialect, name: &str, mutations: usize) {
    let seeds = corpus(name);
    let mut statements = Statements::new(dialect, &seeds, 1);
    let mut server = Server::new(dialect).await;
    let mut failures = Vec::new();
    let written = seeds.iter().map(|(_, text)| String::from_utf8(text.clone()).unwrap()).chain(statements.calls());
    let mut judged = 0;
    for text in written {
        if let Ok(passed) = reading(dialect, &text) {
            judged += 1;
            failures.extend(server.judge(&passed.text).await.err());
        }
    }
    for _ in 0..mutations * rounds() {
        judged += 1;
        failures.extend(server.judge(&statements.next_reading()).await.err());
    }
    println!("{name}: {judged} statements judged");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_called_a_read_changes_nothing_in_postgres() {
    judge(Dialect::Postgres, "sql_postgres", 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_called_a_read_changes_nothing_in_mariadb() {
    judge(Dialect::Mysql, "sql_mysql", 300).await;
}
