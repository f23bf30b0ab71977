//! What is wrong, who did what, who may touch what, and the maintenance log.

use axum::http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundle;
use crate::history::{self, Deed};
use crate::report::Severity;
use crate::web::Answer;
use crate::web::call::{Call, json};
use crate::web::page::log;

/// Of one answer.
const MOST: u32 = 500;

/// Which.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Which {
    /// Of that task alone.
    task: Option<String>,
    /// At most so many, and never more than 500; 100 when absent.
    limit: Option<u32>,
}

/// Something that is wrong.
#[derive(Serialize, JsonSchema)]
pub(super) struct Issue {
    task: String,
    severity: Severity,
    subject: String,
    title: String,
    detail: String,
    remedy: Option<String>,
    #[schemars(with = "String")]
    first_seen: Timestamp,
    #[schemars(with = "String")]
    last_seen: Timestamp,
    /// In how many runs it was found.
    runs: u64,
    /// The newest of them.
    last_run: String,
}

/// Which events.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Wanted {
    /// About that task alone.
    task: Option<String>,
    /// Those before that time, such as the `next` of the answer before.
    #[schemars(with = "Option<String>")]
    before: Option<Timestamp>,
    /// At most so many, and never more than 500; 100 when absent.
    limit: Option<u32>,
}

/// A piece of what was done.
#[derive(Serialize, JsonSchema)]
pub(super) struct Events {
    events: Vec<Event>,
    /// What `before` is for the next piece; none when this is the last.
    #[schemars(with = "Option<String>")]
    next: Option<Timestamp>,
}

/// Something that was done.
#[derive(Serialize, JsonSchema)]
struct Event {
    #[schemars(with = "String")]
    at: Timestamp,
    /// A person's name, or `host`.
    by: String,
    what: Deed,
    task: Option<String>,
    run: Option<String>,
    detail: String,
}

/// Which days.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Span {
    /// The first day; 30 days before the last when absent.
    #[schemars(with = "Option<String>")]
    since: Option<Date>,
    /// The last day; today when absent.
    #[schemars(with = "Option<String>")]
    until: Option<Date>,
}

pub(super) async fn issues(call: Call) -> Answer {
    let served = call.served()?;
    let Which { task, limit } = call.query()?;
    let issues = served.reader.open_issues(&served.name, task.as_deref(), limit.unwrap_or(100).clamp(1, MOST)).await?;
    let issues = issues.into_iter().map(|issue: history::Issue| Issue {
        task: issue.task,
        severity: issue.severity,
        subject: issue.subject,
        title: issue.title,
        detail: issue.detail,
        remedy: issue.remedy,
        first_seen: issue.first_seen,
        last_seen: issue.last_seen,
        runs: issue.runs,
        last_run: issue.last_run,
    });
    json(StatusCode::OK, &issues.collect::<Vec<_>>())
}

pub(super) async fn events(call: Call) -> Answer {
    let served = call.served()?;
    let Wanted { task, before, limit } = call.query()?;
    let limit = limit.unwrap_or(100).clamp(1, MOST);
    let mut events = served.reader.events_before(&served.name, task.as_deref(), before, limit + 1).await?;
    let more = events.len() > limit as usize;
    events.truncate(limit as usize);
    let next = events.last().map(|event| event.at).filter(|_| more);
    let events = events.into_iter().map(|history::Event { at, by, what, task, run, detail }| Event {
        at,
        by,
        what,
        task,
        run,
        detail,
    });
    json(StatusCode::OK, &Events { events: events.collect(), next })
}

pub(super) async fn grants(call: Call) -> Answer {
    json(StatusCode::OK, &bundle::granted(&call.served()?.service.loaded().bundle))
}

pub(super) async fn log(call: Call) -> Answer {
    let Span { since, until } = call.query()?;
    json(StatusCode::OK, &log::read(&*call.served()?, since, until, None).await?)
}
