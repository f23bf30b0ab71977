//! Indexes that are not valid: named, with the statement that removes them, and never dropped by this task. Someone may
//! be building one, or have a reason to look at it first.

use taskhost_sdk::prelude::*;
use taskhost_sdk::words::size;

use super::catalog::Index;
use crate::choice;

/// A finding for each that nobody is building.
pub(super) fn findings(indexes: &[Index]) -> Vec<Finding> {
    indexes.iter().filter(|index| !index.valid && !index.under_way).map(finding).collect()
}

fn finding(index: &Index) -> Finding {
    let drop = format!("drop index concurrently {};", index.quoted());
    let (why, remedy) = match choice::rebuilt_from(&index.name) {
        Some((base, "_ccold")) => {
            (format!("a rebuild of {base} ended but for dropping the old index, which this is"), drop)
        }
        Some((base, _)) => {
            (format!("a rebuild of {base} did not end, and left this; {base} itself is in use as before"), drop)
        }
        None => (
            "a CREATE INDEX CONCURRENTLY did not end, such as a unique one over rows that are equal".to_owned(),
            format!("{drop} or make it anew: reindex index concurrently {};", index.quoted()),
        ),
    };
    Finding::warning(&index.candidate.name, "it is not valid")
        .detail(format!(
            "{} on {}: no statement reads it, and every change keeps it up; {why}",
            size(index.candidate.bytes),
            index.table
        ))
        .remedy(remedy)
}
