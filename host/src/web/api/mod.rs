//! The API: one table says every route, what it takes and what it answers, and both the router and the OpenAPI document
//! are made from it.

mod checklist;
mod document;
mod journal;
mod runs;
mod shapes;
mod tasks;
mod watch;

use axum::http::StatusCode;
use schemars::{Schema, SchemaGenerator};

use super::auth::Right;
use super::call::{Call, json};
use super::{Answer, Handle, Method};

/// Before every path of the table.
pub(super) const BASE: &str = "/api/v1";

/// One thing that can be asked.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) right: Right,
    pub(super) handle: Handle,
    /// In one line.
    summary: &'static str,
    /// What may follow the `?`.
    query: Option<Shape>,
    /// What is to be sent.
    body: Option<Shape>,
    answer: Said,
    /// What comes back, as 202, while there is no more to say.
    pending: Option<Shape>,
}

type Shape = fn(&mut SchemaGenerator) -> Schema;

/// What comes back when all is well.
enum Said {
    Json(StatusCode, Shape),
    /// JSON by a schema that is written by hand: its name, and the file.
    Written(&'static str, &'static str),
    Events(Shape),
}

fn of<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn ok<T: schemars::JsonSchema>() -> Said {
    Said::Json(StatusCode::OK, of::<T>)
}

macro_rules! routes {
    ($($method:ident $path:literal $right:ident $handle:path: $summary:literal
        $(, query $query:ty)? $(, body $body:ty)? $(, pending $pending:ty)? => $answer:expr;)*) => {
        /// Every route of the API.
        pub(super) static ROUTES: std::sync::LazyLock<Vec<Route>> = std::sync::LazyLock::new(|| vec![$(Route {
            method: Method::$method,
            path: $path,
            right: Right::$right,
            handle: |call| Box::pin($handle(call)),
            summary: $summary,
            query: routes!(@shape $($query)?),
            body: routes!(@shape $($body)?),
            answer: $answer,
            pending: routes!(@shape $($pending)?),
        }),*]);
    };
    (@shape) => { None };
    (@shape $shape:ty) => { Some(of::<$shape>) };
}

routes! {
    Get "/bundles" View tasks::bundles: "The bundles that are served" => ok::<Vec<tasks::Bundle>>();
    Get "/tasks" View tasks::list: "The tasks as they stand" => ok::<Vec<tasks::Task>>();
    Get "/tasks/{task}" View tasks::show: "A task with its parameters and grants" => ok::<tasks::Whole>();
    Post "/tasks/{task}/runs" Operate tasks::run: "Ask for a run, or a rehearsal, now",
        body tasks::Wanted => Said::Json(StatusCode::ACCEPTED, of::<tasks::Asked>);
    Post "/tasks/{task}/pause" Operate tasks::pause: "Have a task not run by its schedule for now" => ok::<tasks::Changed>();
    Post "/tasks/{task}/resume" Operate tasks::resume: "Have it run again" => ok::<tasks::Changed>();
    Post "/tasks/{task}/drop" Operate tasks::drop_waiting: "Drop what waits for a task" => ok::<tasks::Dropped>();
    Get "/runs" View runs::list: "Runs, the newest first", query runs::Wanted => ok::<runs::Page>();
    Get "/runs/{id}" View runs::show: "A run and its report", pending runs::Coming => Said::Written("Recorded", RECORDED);
    Get "/runs/{id}/events" View watch::events: "What a run says while it runs, as server-sent events" => Said::Events(of::<watch::Told>);
    Post "/runs/{id}/cancel" Operate runs::cancel: "Stop a run, or take back one that has not begun" => ok::<shapes::Done>();
    Get "/issues" View journal::issues: "What is wrong now, the worst first", query journal::Which => ok::<Vec<journal::Issue>>();
    Get "/checklist" View checklist::list: "What people do, and who ticked it" => ok::<Vec<checklist::Entry>>();
    Post "/checklist/tick" Operate checklist::tick: "Tick an entry for its current period",
        body checklist::Ticking => ok::<checklist::Entry>();
    Post "/checklist/untick" Operate checklist::untick: "Take a tick back", body checklist::Unticking => ok::<checklist::Entry>();
    Get "/events" View journal::events: "Who did what, the newest first", query journal::Wanted => ok::<journal::Events>();
    Get "/grants" View journal::grants: "Who may touch what" => ok::<Vec<crate::bundle::Granted>>();
    Get "/log" View journal::log: "The maintenance log", query journal::Span => Said::Written("Log", LOG);
    Post "/reload" Approve tasks::reload: "Read the bundle anew" => ok::<shapes::Done>();
    Get "/openapi.json" Nothing document: "This document" => Said::Json(StatusCode::OK, |_| schemars::json_schema!({"type": "object"}));
}

const LOG: &str = include_str!("../../../../docs/log.schema.json");
const RECORDED: &str = include_str!("../../../../docs/report.schema.json");

async fn document(_: Call) -> Answer {
    json(StatusCode::OK, &document::openapi())
}
