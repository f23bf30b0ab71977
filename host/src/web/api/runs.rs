//! Runs: piece by piece, one with its report, and stopping one.

use axum::http::StatusCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shapes::{Done, Run};
use crate::history;
use crate::report::{Outcome, Report};
use crate::web::call::{Call, json};
use crate::web::failure::Failure;
use crate::web::{self, Answer, Found};

/// Runs of one answer.
const MOST: u32 = 500;

/// Which runs.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Wanted {
    /// Of that task alone.
    task: Option<String>,
    /// Those that ended so.
    outcome: Option<Outcome>,
    /// Those that began before the one with that number.
    before: Option<i64>,
    /// At most so many, and never more than 500; 50 when absent.
    limit: Option<u32>,
}

/// A piece of the runs.
#[derive(Serialize, JsonSchema)]
pub(super) struct Page {
    runs: Vec<Run>,
    /// What `before` is for the next piece; none when this is the last.
    next: Option<i64>,
}

/// A run that was asked for, or is due, and has not begun.
#[derive(Serialize, JsonSchema)]
pub(super) struct Coming {
    /// The id that it has.
    run: String,
    task: String,
    /// Since when it waits.
    #[schemars(with = "String")]
    since: Timestamp,
    /// Who asked for it; none when its schedule did.
    by: Option<String>,
    /// There is no room for it yet.
    waits: bool,
}

#[derive(Serialize)]
struct Recorded {
    run: Run,
    report: Option<Report>,
}

pub(super) async fn list(call: Call) -> Answer {
    let served = call.served()?;
    let wanted: Wanted = call.query()?;
    let limit = wanted.limit.unwrap_or(50).clamp(1, MOST);
    // One more says whether there are more.
    let page = history::Page {
        bundle: &served.name,
        task: wanted.task.as_deref(),
        outcome: wanted.outcome,
        before: wanted.before,
        limit: limit + 1,
        ..history::Page::default()
    };
    let mut runs = served.reader.page(&page).await?;
    let more = runs.len() > limit as usize;
    runs.truncate(limit as usize);
    let next = runs.last().map(|run| run.number).filter(|_| more);
    json(StatusCode::OK, &Page { runs: runs.into_iter().map(Run::from).collect(), next })
}

pub(super) async fn show(call: Call) -> Answer {
    let served = call.served()?;
    let id = call.param("id").to_owned();
    drop(call);
    let run = match served.find(&id).await? {
        Some(Found::Recorded(run)) => run,
        Some(Found::Coming(web::Coming { task, since, by, waits })) => {
            return json(StatusCode::ACCEPTED, &Coming { run: id, task, since, by, waits });
        }
        None => return Err(Failure::not_found("no such run is recorded, or asked for")),
    };
    let report = match run.outcome {
        Some(_) => Some(served.reader.report(&run).await?),
        None => None,
    };
    json(StatusCode::OK, &Recorded { run: (*run).into(), report })
}

pub(super) async fn cancel(call: Call) -> Answer {
    let served = call.served()?;
    call.check_program()?;
    served.service.cancel(call.param("id"), call.by()).await.map_err(Failure::conflict)?;
    json(StatusCode::OK, &Done { done: true })
}
