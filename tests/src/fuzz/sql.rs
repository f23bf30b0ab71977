//! What the classifier of statements lets through says the same of itself, and changes nothing where it reads.
//!
//! SQLite needs no server, and is the judge of its own dialect here; the servers are in [`oracle`](super::oracle).

use taskhost::fuzzing::{Dialect, changing, reading};

use super::{Found, ensure, oracle};

pub(super) fn check_postgres(input: &[u8]) -> Found {
    consistent(Dialect::Postgres, input).map(|_| ())
}

pub(super) fn check_mysql(input: &[u8]) -> Found {
    consistent(Dialect::Mysql, input).map(|_| ())
}

pub(super) fn check_sqlite(input: &[u8]) -> Found {
    match consistent(Dialect::Sqlite, input)? {
        Some(text) => oracle::sqlite(&text),
        None => Ok(()),
    }
}

/// What would run, if it is called reading.
fn consistent(dialect: Dialect, input: &[u8]) -> Result<Option<String>, String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(None) };
    let (read, changed) = (reading(dialect, text), changing(dialect, text));
    ensure(read.is_err() || changed.is_err(), || format!("{text:?} both reads and changes"))?;
    if let Ok(changed) = &changed {
        let again = changing(dialect, &changed.text);
        ensure(again.as_ref() == Ok(changed), || format!("{text:?} is {changed:?}, and that is {again:?}"))?;
        ensure(!changed.targets.is_empty(), || format!("{text:?} changes no table"))?;
    }
    let Ok(read) = read else { return Ok(None) };
    let again = reading(dialect, &read.text);
    ensure(again.as_ref() == Ok(&read), || format!("{text:?} is {read:?}, and that is {again:?}"))?;
    Ok(Some(read.text))
}
