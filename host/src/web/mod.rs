//! The page and the API of `host serve`: what ran, what is next, what is wrong, and who may do something about it.
//!
//! It asks and tells a [`Service`] and reads the history; it never reaches into the engine, never changes anything without
//! somebody's name, never trusts what a browser or a proxy says beyond what was configured, and never shows another's text
//! as anything but text. Every address is in one of two tables, `page::ROUTES` and `api::ROUTES`, and every request
//! passes the [`Gate`].

mod api;
mod assets;
mod auth;
mod call;
mod csrf;
mod failure;
mod gate;
mod headers;
mod limit;
mod links;
mod listen;
mod metrics;
mod page;
mod plot;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawPathParams, Request};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use auth::{Made, Role, Tokens, TokensFile};
pub use gate::Gate;
pub use listen::{Door, serve};

use crate::history::{Reader, Run};
use crate::meters::Meters;
use crate::serve::Service;
use auth::{Right, digest as auth_digest};
use call::Call;
use failure::Failure;

/// Runs that may be watched at a time.
const WATCHERS: usize = 200;
/// Maintenance logs of a bundle that are read at a time.
const LOGS: usize = 2;

/// What is served, and to whom.
pub struct Site {
    bundles: Vec<Arc<Served>>,
    meters: Meters,
    gate: Gate,
    stop: CancellationToken,
    watchers: Arc<Semaphore>,
}

/// One bundle.
struct Served {
    name: String,
    service: Service,
    /// Opened once: requests take turns.
    reader: Reader,
    /// Maintenance logs are long; so many are read at a time.
    logs: Semaphore,
}

/// What becomes of a request.
type Answer = Result<Response, Failure>;
/// What answers one.
type Handle = fn(Call) -> BoxFuture<'static, Answer>;

/// An address.
#[derive(Clone, Copy)]
struct Route {
    method: Method,
    path: &'static str,
    right: Right,
    handle: Handle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Get,
    Post,
}

impl Served {
    /// The run with that id, recorded or still to begin.
    async fn find(&self, id: &str) -> Result<Option<Found>, Failure> {
        if let Some(run) = self.run(id).await? {
            return Ok(Some(Found::Recorded(Box::new(run))));
        }
        if let Some(coming) = self.coming(id).await {
            return Ok(Some(Found::Coming(coming)));
        }
        // A short one may have begun and ended between the two looks.
        Ok(self.run(id).await?.map(|run| Found::Recorded(Box::new(run))))
    }

    /// The run with that id, if it is still to begin.
    async fn coming(&self, id: &str) -> Option<Coming> {
        self.service.standing().await.into_iter().find_map(|task| {
            let waits = task.waiting.into_iter().find(|waits| waits.run.as_deref() == Some(id));
            let waits = waits.map(|waits| (waits.due, waits.by, true));
            let begins = task.running.filter(|run| run.run == id).map(|run| (run.started, run.by, false));
            let (since, by, waits) = waits.or(begins)?;
            Some(Coming { task: task.task, since, by, waits })
        })
    }

    /// The run with that id, if it is recorded; of no other bundle.
    async fn run(&self, id: &str) -> Result<Option<Run>, Failure> {
        let run = self.reader.run(id).await?;
        Ok(run.filter(|run| run.bundle.as_deref() == Some(self.name.as_str())))
    }
}

/// A run, as far as it has come.
enum Found {
    Recorded(Box<Run>),
    Coming(Coming),
}

/// A run that was asked for, or has just been started, and is not yet recorded.
struct Coming {
    task: String,
    since: jiff::Timestamp,
    by: Option<String>,
    /// There is no room for it yet.
    waits: bool,
}

impl Site {
    /// Of these bundles. What is under way ends when `stop` says so.
    pub fn new(services: Vec<Service>, meters: Meters, gate: Gate, stop: CancellationToken) -> Arc<Self> {
        let served = services.into_iter().map(|service| {
            let name = service.loaded().bundle.name.clone();
            Arc::new(Served { name, reader: service.reader(), service, logs: Semaphore::new(LOGS) })
        });
        Arc::new(Self { bundles: served.collect(), meters, gate, stop, watchers: Arc::new(Semaphore::new(WATCHERS)) })
    }

    async fn answer(
        self: Arc<Self>,
        right: Right,
        handle: Handle,
        params: Vec<(String, String)>,
        request: Request,
    ) -> Response {
        let tls = self.gate.tls;
        let (parts, body) = request.into_parts();
        let caller = self.gate.caller(&parts.headers, call::peer(&parts));
        let answer = match caller {
            Ok(caller) => {
                let call = Call::new(self.clone(), caller, params, parts, body);
                let (shape, frame) = (call.shape(), page::Frame::of(&call));
                let foreign = call.changes() && csrf::is_foreign(call.headers());
                let answer = if foreign {
                    Err(Failure::forbidden("the request comes from the page of another site"))
                } else {
                    match self.gate.check(&call.caller, right) {
                        Ok(()) => handle(call).await,
                        Err(failure) => Err(failure),
                    }
                };
                answer.unwrap_or_else(|failure| page::fail(&shape, &frame, failure))
            }
            Err(failure) => {
                let shape = call::Shape::of(&parts);
                page::fail(&shape, &page::Frame::unknown(&self), failure)
            }
        };
        headers::secure(answer, tls)
    }
}

/// Everything that is served.
pub fn router(site: &Arc<Site>) -> Router {
    let mut router = Router::new();
    let api = api::ROUTES
        .iter()
        .map(|route| (format!("{}{}", api::BASE, route.path), route.method, route.right, route.handle));
    let pages = page::ROUTES.iter().map(|route| (route.path.to_owned(), route.method, route.right, route.handle));
    for (path, method, right, handle) in api.chain(pages) {
        let filter = match method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
        };
        let site = site.clone();
        let answer = move |params: RawPathParams, request: Request| {
            let params = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            site.clone().answer(right, handle, params, request)
        };
        router = router.route(&path, on(filter, answer));
    }
    let failing = |handle: Handle| {
        let site = site.clone();
        move |request: Request| site.clone().answer(Right::Nothing, handle, vec![], request)
    };
    router
        .fallback(failing(|_| Box::pin(async { Err(Failure::not_found("there is nothing at that address")) })))
        .method_not_allowed_fallback(failing(|_| Box::pin(async { Err(Failure::method()) })))
}

/// Numbers that nobody can guess.
fn random() -> Result<[u8; 32], String> {
    let mut bytes = [0; 32];
    let filled = rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| "the system has no random numbers".to_owned())?;
    Ok(bytes)
}
