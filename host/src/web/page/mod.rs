//! The pages: HTML that a browser without JavaScript can use, on a telephone, in the dark. Every text goes through maud,
//! which escapes it.

mod account;
mod actions;
mod calendar;
pub(super) mod checklist;
mod events;
mod frame;
mod grants;
pub(super) mod log;
mod parts;
mod past;
mod run;
mod runs;
mod task;
mod today;

use axum::http::StatusCode;
use axum::http::header::{HeaderValue, LOCATION};
use axum::response::Response;

use super::auth::Right;
use super::call::{Call, typed};
use super::failure::Failure;
use super::{Answer, Method, Route, assets, links, metrics};
pub(super) use frame::{Frame, fail};

macro_rules! routes {
    ($($method:ident $path:literal $right:ident $handle:path;)*) => {
        /// Every page, and every form.
        pub(super) static ROUTES: &[Route] = &[$(Route {
            method: Method::$method,
            path: $path,
            right: Right::$right,
            handle: |call| Box::pin($handle(call)),
        }),*];
    };
}

routes! {
    Get "/" View today::first;
    Get "/assets/{file}" Nothing assets::show;
    Get "/metrics" View metrics::show;
    Get "/sign-in" Nothing account::ask;
    Post "/sign-in" Nothing account::sign_in;
    Post "/sign-out" Nothing account::sign_out;
    Get "/{bundle}" View today::lead;
    Get "/{bundle}/" View today::show;
    Get "/{bundle}/calendar" View calendar::show;
    Post "/{bundle}/tick" Operate actions::tick;
    Post "/{bundle}/untick" Operate actions::untick;
    Get "/{bundle}/tasks/{task}" View task::show;
    Post "/{bundle}/tasks/{task}/run" Operate actions::run;
    Post "/{bundle}/tasks/{task}/pause" Operate actions::pause;
    Post "/{bundle}/tasks/{task}/resume" Operate actions::resume;
    Post "/{bundle}/tasks/{task}/drop" Operate actions::drop_waiting;
    Get "/{bundle}/runs" View runs::show;
    Get "/{bundle}/runs/{id}" View run::show;
    Post "/{bundle}/runs/{id}/cancel" Operate actions::cancel;
    Get "/{bundle}/grants" View grants::show;
    Get "/{bundle}/log" View log::show;
    Get "/{bundle}/events" View events::show;
    Post "/{bundle}/reload" Approve actions::reload;
}

/// Leads on, by GET.
fn see(address: &str) -> Answer {
    let mut response = typed(StatusCode::SEE_OTHER, "text/plain", "");
    let address = HeaderValue::from_str(address).map_err(|error| Failure::internal(&error))?;
    response.headers_mut().insert(LOCATION, address);
    Ok(response)
}

fn page(text: maud::Markup) -> Response {
    typed(StatusCode::OK, "text/html; charset=utf-8", text.into_string())
}
