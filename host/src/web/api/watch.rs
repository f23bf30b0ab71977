//! What a run says while it runs, as server-sent events. Who comes back with `Last-Event-ID` gets what came since, as far
//! as it is kept.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse as _;
use axum::response::sse::{Event, KeepAlive, Sse};
use schemars::JsonSchema;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::report::Outcome;
use crate::serve::{Numbered, Said};
use crate::web::call::Call;
use crate::web::failure::Failure;
use crate::web::{Answer, Served};

/// How often a run is looked for that has not begun.
const NAP: Duration = Duration::from_millis(300);
/// Events on their way to a watcher.
const WAITING: usize = 64;

/// The events by their names, with what is their data.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
#[expect(dead_code, reason = "the schema of what is streamed")]
pub(super) enum Told {
    /// Nothing: it runs.
    Begun,
    /// `severity`, `subject`, `title`, `detail` and `remedy`.
    Finding,
    /// `level` and `message`.
    Log,
    /// As in a report's `effects`: one that changed something, failed or was refused.
    Effect,
    /// `done`, `total` and `message`.
    Progress,
    /// `outcome`: it is in the history, and no more follows.
    Ended,
    /// The watcher was too slow, and missed some.
    Missed,
}

pub(in crate::web) async fn events(call: Call) -> Answer {
    let served = call.served()?;
    let id = call.param("id").to_owned();
    if !is_known(&served, &id).await? {
        return Err(Failure::not_found("there is no such run"));
    }
    let permit = call.site.watchers.clone().try_acquire_owned().map_err(|_| Failure::busy())?;
    let last = call.headers().get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let stop = call.site.stop.clone();
    tokio::spawn(async move {
        watch(&served, &id, last, &sender, &stop).await;
        drop(permit);
    });
    let events = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

type Sender = mpsc::Sender<Result<Event, Infallible>>;

/// It goes on, is recorded, or waits to begin.
async fn is_known(served: &Served, id: &str) -> Result<bool, Failure> {
    Ok(served.service.live().watch(id).is_some() || served.find(id).await?.is_some())
}

/// Sends what is said until the run has ended, the watcher goes, or the host does.
async fn watch(served: &Arc<Served>, id: &str, mut last: u64, sender: &Sender, stop: &CancellationToken) {
    loop {
        if let Some(live) = served.service.live().watch(id) {
            let mut from_now = live.from_now;
            let _ = sender.send(Ok(Event::default().event("begun").data("{}"))).await;
            for numbered in live.before {
                if !send(sender, &mut last, &numbered).await {
                    return;
                }
            }
            loop {
                let heard = tokio::select! {
                    heard = from_now.recv() => heard,
                    () = stop.cancelled() => return,
                    () = sender.closed() => return,
                };
                match heard {
                    Ok(numbered) => {
                        if !send(sender, &mut last, &numbered).await {
                            return;
                        }
                    }
                    Err(RecvError::Lagged(count)) => {
                        let _ = sender.send(Ok(Event::default().event("missed").data(count.to_string()))).await;
                    }
                    Err(RecvError::Closed) => break,
                }
            }
        }
        // Not begun, or at its end.
        let ended = match served.run(id).await {
            Ok(Some(run)) => run.outcome,
            // It was taken back before it began.
            Ok(None) => (!is_known(served, id).await.unwrap_or(true)).then_some(Outcome::Cancelled),
            Err(_) => return,
        };
        if let Some(outcome) = ended {
            send(sender, &mut last, &(u64::MAX, Said::Ended { outcome })).await;
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(NAP) => {}
            () = stop.cancelled() => return,
            () = sender.closed() => return,
        }
    }
}

/// False when there is no more to send.
async fn send(sender: &Sender, last: &mut u64, (number, said): &Numbered) -> bool {
    if *number <= *last {
        return true;
    }
    let name = match said {
        Said::Finding(_) => "finding",
        Said::Log(_) => "log",
        Said::Effect(_) => "effect",
        Said::Progress { .. } => "progress",
        Said::Ended { .. } => "ended",
    };
    let data = serde_json::to_string(said).unwrap_or_default();
    let mut event = Event::default().event(name).data(data);
    if *number != u64::MAX {
        *last = *number;
        event = event.id(number.to_string());
    }
    sender.send(Ok(event)).await.is_ok() && !matches!(said, Said::Ended { .. })
}
