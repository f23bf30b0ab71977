//! What several answers have in them.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::bundle::Kind;
use crate::history;
use crate::report::Outcome;

/// It was done.
#[derive(Serialize, JsonSchema)]
pub(super) struct Done {
    /// True.
    pub(super) done: bool,
}

/// The facts of a run.
#[derive(Serialize, JsonSchema)]
pub(super) struct Run {
    id: String,
    /// In the order in which they began; `before` takes it.
    number: i64,
    task: String,
    /// None when it is on demand.
    kind: Option<Kind>,
    /// It changes nothing.
    rehearsal: bool,
    /// Who ran it.
    by: String,
    /// None while it runs.
    outcome: Option<Outcome>,
    #[schemars(with = "String")]
    started: Timestamp,
    /// None while it runs, and when it was interrupted.
    #[schemars(with = "Option<String>")]
    finished: Option<Timestamp>,
    duration_us: u64,
    /// What it said of itself, or why it did not end well.
    said: String,
    warnings: u64,
    criticals: u64,
    /// Effects that changed or destroyed something.
    changes: u64,
    rows: u64,
    bytes: u64,
}

impl From<history::Run> for Run {
    fn from(run: history::Run) -> Self {
        Self {
            number: run.number,
            kind: run.kind,
            rehearsal: run.mode == crate::gate::Mode::Rehearse,
            outcome: run.outcome,
            started: run.started,
            finished: run.finished,
            duration_us: run.duration_us,
            said: run.said().into(),
            warnings: run.warnings,
            criticals: run.criticals,
            changes: run.changes,
            rows: run.rows,
            bytes: run.bytes,
            id: run.id,
            task: run.task,
            by: run.operator,
        }
    }
}
