//! Named cases, one table a dialect and question; all failures of a table are reported at once.

mod changing;
mod positions;
mod postgres;
mod reading;
mod scratch;

use super::*;
use crate::gate::Refusal;

/// All failures at once, each with its case's name.
fn report(failures: &[String]) {
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn assert_reads(dialect: Dialect, cases: &[(&str, &str)]) {
    let refused = |(name, text): &(&str, &str)| {
        let refusal = reading(dialect, text, &[]).err()?;
        Some(format!("{name}: `{text}` was refused: {refusal}"))
    };
    report(&cases.iter().filter_map(refused).collect::<Vec<_>>());
}

fn assert_refused<T: std::fmt::Debug>(result: Result<T, Refusal>, name: &str, expected: &str) -> Option<String> {
    match result {
        Ok(passed) => Some(format!("{name}: was let through: {passed:?}")),
        Err(refusal) if refusal.to_string().contains(expected) => None,
        Err(refusal) => Some(format!("{name}: expected `{expected}`: {refusal}")),
    }
}

fn assert_not_read(dialect: Dialect, cases: &[(&str, &str, &str)]) {
    let passed =
        |(name, text, expected): &(&str, &str, &str)| assert_refused(reading(dialect, text, &[]), name, expected);
    report(&cases.iter().filter_map(passed).collect::<Vec<_>>());
}
