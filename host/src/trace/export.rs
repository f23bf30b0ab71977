//! The way out: a bounded queue, and a task that posts what is in it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::settings::Settings;
use super::spans::{self, Span};
use crate::policy::text::clean_line;
use crate::post::Poster;
use crate::report::Report;

/// Spans in one message, as the specification's default has it.
const BATCH: usize = 512;
/// Messages that wait. What comes when they are so many is dropped.
const WAITING: usize = 64;
/// How often and after what waits a message is tried again.
const WAITS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// How long a collector may take for one.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long is waited for what is left at the end.
const LAST: Duration = Duration::from_secs(5);
/// How long the rest of an answer is waited for, and how many bytes of it are read: it may say what was rejected.
const REST: Duration = Duration::from_secs(2);
const ANSWER: usize = 64 * 1024;

/// Exports runs that have ended. Cheap to clone; the default exports nothing.
#[derive(Clone, Default)]
pub struct Exporter {
    queue: Option<mpsc::Sender<Vec<Span>>>,
    /// Why there is none, where one was wanted.
    wrong: Option<String>,
    tally: Arc<Tally>,
}

/// What becomes of spans.
#[derive(Default)]
struct Tally {
    /// Spans that are under way.
    waiting: watch::Sender<usize>,
    lost: Mutex<Lost>,
}

/// Spans that were dropped, and what stood against the last that was tried.
#[derive(Default)]
struct Lost {
    count: usize,
    why: String,
}

impl Exporter {
    /// To where this process's environment says. What is wrong there is said when it is closed; nothing is exported then.
    pub fn of_environment() -> Self {
        match Settings::read(|name| std::env::var(name).ok()) {
            Ok(None) => Self::default(),
            Ok(Some(settings)) => {
                let (sender, receiver) = mpsc::channel(WAITING);
                let tally = Arc::new(Tally::default());
                tokio::spawn(deliver(receiver, settings, tally.clone()));
                Self { queue: Some(sender), wrong: None, tally }
            }
            Err(error) => {
                tracing::warn!("no traces are sent: {error}");
                Self { wrong: Some(error), ..Self::default() }
            }
        }
    }

    /// A run has ended, which `operator` had run. Waits for nothing.
    pub fn ended(&self, bundle: Option<&str>, operator: &str, report: &Report) {
        let Some(queue) = &self.queue else { return };
        let mut rest = VecDeque::from(spans::of(bundle, operator, report));
        while !rest.is_empty() {
            let batch: Vec<Span> = rest.drain(..BATCH.min(rest.len())).collect();
            let count = batch.len();
            self.tally.waiting.send_modify(|waiting| *waiting += count);
            if queue.try_send(batch).is_err() {
                self.tally.lose(count, "more came than the collector took");
            }
        }
    }

    /// Waits a while for what is left, and returns what was lost, a line each.
    pub async fn close(self) -> Vec<String> {
        let mut waiting = self.tally.waiting.subscribe();
        // The other end is here: it cannot be closed.
        let _ = tokio::time::timeout(LAST, waiting.wait_for(|waiting| *waiting == 0)).await;
        let left = *waiting.borrow();
        let lost = self.tally.lost();
        match (lost.count + left, &*lost.why) {
            (0, _) => self.wrong.iter().map(|wrong| format!("no traces are sent: {wrong}")).collect(),
            (count, "") => {
                vec![format!("{count} spans are not exported: they were not taken within {} s", LAST.as_secs())]
            }
            (count, why) => vec![format!("{count} spans are not exported: {why}")],
        }
    }
}

impl Tally {
    fn done(&self, count: usize) {
        self.waiting.send_modify(|waiting| *waiting -= count);
    }

    fn lose(&self, count: usize, why: &str) {
        tracing::warn!("{count} spans are not exported: {why}");
        let mut lost = self.lost();
        lost.count += count;
        why.clone_into(&mut lost.why);
        drop(lost);
        self.done(count);
    }

    fn lost(&self) -> MutexGuard<'_, Lost> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Posts what comes, in its order.
async fn deliver(mut queue: mpsc::Receiver<Vec<Span>>, settings: Settings, tally: Arc<Tally>) {
    let poster = Poster::new();
    while let Some(spans) = queue.recv().await {
        let message = message(&settings, &spans).to_string();
        let mut waits = WAITS.into_iter();
        loop {
            let (passing, why) = match send(&poster, &settings, message.clone()).await {
                Ok((0, _)) => {
                    tally.done(spans.len());
                    break;
                }
                Ok((rejected, why)) => {
                    let rejected = rejected.min(spans.len());
                    tally.lose(rejected, &why);
                    tally.done(spans.len() - rejected);
                    break;
                }
                Err(error) => error,
            };
            let Some(wait) = waits.next().filter(|_| passing) else {
                tally.lose(spans.len(), &why);
                break;
            };
            // It is said if the host ends before the next attempt.
            tally.lost().why.clone_from(&why);
            tokio::time::sleep(wait).await;
        }
    }
}

fn message(settings: &Settings, spans: &[Span]) -> Value {
    let scope = json!({ "name": "taskhost", "version": env!("CARGO_PKG_VERSION") });
    let resource = json!({ "attributes": settings.resource });
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "scope": scope, "spans": spans }] }] })
}

/// Posts one message. Returns how many spans of it were rejected, and why; or whether another attempt may help, and what
/// stood against this one.
async fn send(poster: &Poster, settings: &Settings, message: String) -> Result<(usize, String), (bool, String)> {
    let exchange = async {
        let answer = poster.post(&settings.url, "application/json", &settings.headers, message).await;
        let answer = answer.map_err(|error| (error.passing, error.to_string()))?;
        // It was taken, whatever becomes of the rest of the answer.
        let body = Limited::new(answer.into_body(), ANSWER).collect();
        let body = tokio::time::timeout(REST, body).await.ok().and_then(Result::ok);
        Ok(body.map(|body| rejected(&body.to_bytes())).unwrap_or_default())
    };
    let late = || Err((true, format!("the collector did not answer within {} s", PATIENCE.as_secs())));
    tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| late())
}

/// What an answer says of spans that it did not take.
fn rejected(answer: &[u8]) -> (usize, String) {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let partial = |key: &str| answer.pointer(&format!("/partialSuccess/{key}"));
    // Whole numbers of 64 bits are texts in OTLP's JSON, and some write them as numbers.
    let count = partial("rejectedSpans");
    let count = count.and_then(|count| count.as_str().map_or_else(|| count.as_u64(), |count| count.parse().ok()));
    let count = count.unwrap_or(0);
    let why = partial("errorMessage")
        .and_then(Value::as_str)
        .filter(|why| !why.is_empty())
        .unwrap_or("the collector rejected them");
    (usize::try_from(count).unwrap_or(usize::MAX), clean_line(why, 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_collector_rejects_is_counted() {
        for (answer, count, why) in [
            ("", 0, "the collector rejected them"),
            ("{}", 0, "the collector rejected them"),
            (r#"{"partialSuccess":{}}"#, 0, "the collector rejected them"),
            (r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too\nold"}}"#, 3, "too old"),
            (r#"{"partialSuccess":{"rejectedSpans":2}}"#, 2, "the collector rejected them"),
        ] {
            assert_eq!(rejected(answer.as_bytes()), (count, why.to_owned()), "{answer}");
        }
    }
}
