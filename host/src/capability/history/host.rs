//! The functions of `wit/history.wit`: effect, gate, backend, error.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{Accessor, FutureReader, StreamReader};

use super::backend::{self, Readers, bounded};
use super::bindings::{self, Host, HostWithStore, NextAction, Run, Sample, Series, Span, Tick};
use super::error::Error;
use super::tasks::Ticket;
use super::{Grant, History, RunState};
use crate::capability::load::{Held, bytes_of};
use crate::capability::stream::Batches;
use crate::capability::{Data, Room as _, View};
use crate::gate::{Effect, Gate, Impact, Permit, Refusal};
use crate::history::{Filter, Reader};

type Runs = (StreamReader<Run>, FutureReader<Result<u64, bindings::Error>>);

impl Host for View<'_, RunState> {
    fn convert_error(&mut self, error: Error) -> wasmtime::Result<bindings::Error> {
        error.for_guest()
    }
}

/// What one call needs of the state, taken out of the store so that others may run meanwhile.
struct Call {
    slot: String,
    gate: Arc<Gate>,
    grant: Arc<Grant>,
    readers: Arc<Readers>,
    places: Arc<Semaphore>,
    ticket: Ticket,
    /// Its arguments, counted.
    _held: Held,
}

impl Call {
    /// A call whose arguments have so many bytes beside those of the span.
    fn new<T: Send>(
        accessor: &Accessor<T, Data<History>>,
        slot: String,
        span: &Span,
        bytes: usize,
    ) -> Result<Self, Error> {
        accessor.with(|mut access| {
            let state = access.get().state;
            Ok(Self {
                _held: state.load.hold(bytes + slot.len() + bytes_of(&span.tasks))?,
                gate: Arc::clone(&state.gate),
                grant: state.grants.get(&slot).cloned().unwrap_or_default(),
                readers: Arc::clone(&state.readers),
                places: Arc::clone(&state.places),
                ticket: state.tasks.ticket(),
                slot,
            })
        })
    }

    fn enter(&self, operation: &'static str, target: &str, verdict: Result<(), Refusal>) -> Result<Permit, Error> {
        Ok(self
            .gate
            .enter(Effect::new(History::NAME, self.slot.as_str(), operation, Impact::Observe, target), verdict)?)
    }

    /// The history, and a place to answer from it.
    async fn reader(&self) -> Result<(Arc<Reader>, OwnedSemaphorePermit), Error> {
        // The semaphore is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(wasmtime::Error::from)?;
        Ok((self.readers.reader(&self.grant)?, place))
    }

    /// An answer over a span of time.
    async fn answer<F, A: Into<G>, G>(
        self,
        operation: &'static str,
        span: Span,
        ask: impl AsyncFnOnce(&Reader, &Filter) -> Result<Vec<A>, F>,
        size: impl Fn(&G) -> usize,
    ) -> Result<Vec<G>, Error>
    where
        Error: From<F>,
    {
        let mut permit =
            self.enter(operation, &span.tasks.join(" "), self.grant.allows(self.gate.slot(History::NAME, &self.slot)))?;
        let answer = async {
            let (reader, _place) = self.reader().await?;
            let filter = backend::filter(&reader, &self.grant, &span, true).await?;
            let all = ask(&reader, &filter).await?;
            bounded(all.into_iter().map(Into::into).collect(), operation, size)
        }
        .await;
        permit.rows(answer.as_ref().map_or(0, |answer: &Vec<G>| answer.len() as u64));
        permit.finish(answer)
    }
}

fn length(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}

impl<T: Send + 'static> HostWithStore<T> for Data<History> {
    async fn list_series(accessor: &Accessor<T, Self>, slot: String, span: Span) -> Result<Vec<Series>, Error> {
        let call = Call::new(accessor, slot, &span, 0)?;
        let size = |series: &Series| series.task.len() + series.metric.len() + length(series.subject.as_ref());
        call.answer("list-series", span, async |reader, filter| reader.series(filter).await, size).await
    }

    async fn samples(
        accessor: &Accessor<T, Self>,
        slot: String,
        task: String,
        metric: String,
        subject: Option<String>,
        span: Span,
        limit: u32,
    ) -> Result<Vec<Sample>, Error> {
        let call = Call::new(accessor, slot, &span, task.len() + metric.len() + length(subject.as_ref()))?;
        let target = format!("{task} {metric}");
        let mut permit =
            call.enter("samples", &target, call.grant.allows_task(call.gate.slot(History::NAME, &call.slot), &task))?;
        let samples = async {
            let filter = backend::of_task(&call.grant, &span, task)?;
            let (reader, _place) = call.reader().await?;
            let samples = reader.samples(&filter, &metric, subject.as_deref(), limit).await?;
            let sample = |(at, value)| Sample { at: backend::seconds(at), value };
            Ok::<Vec<Sample>, Error>(samples.into_iter().map(sample).collect())
        }
        .await;
        permit.rows(samples.as_ref().map_or(0, |samples| samples.len() as u64));
        permit.finish(samples)
    }

    async fn runs(accessor: &Accessor<T, Self>, slot: String, span: Span) -> Result<Runs, Error> {
        let call = Call::new(accessor, slot, &span, 0)?;
        let permit =
            call.enter("runs", &span.tasks.join(" "), call.grant.allows(call.gate.slot(History::NAME, &call.slot)))?;
        let asked = async {
            let (reader, place) = call.reader().await?;
            let filter = backend::filter(&reader, &call.grant, &span, false).await?;
            Ok::<_, Error>((reader, place, filter))
        };
        let (reader, place, filter) = match asked.await {
            Ok(asked) => asked,
            Err(error) => return permit.finish(Err(error)),
        };
        let (batches, end) = call.ticket.clone().start(permit, |sender| async move {
            let _place = place;
            backend::send_runs(reader, filter, sender).await
        });
        accessor.with(|mut store| {
            let stream = StreamReader::new(&mut store, Batches::new(batches))?;
            let end = async move {
                match end.await.unwrap_or(Err(Error::Abandoned)) {
                    Ok(end) => Ok(Ok(end)),
                    Err(error) => error.for_guest().map(Err),
                }
            };
            Ok((stream, FutureReader::new(&mut store, end)?))
        })
    }

    async fn findings(accessor: &Accessor<T, Self>, slot: String, span: Span) -> Result<Vec<bindings::Finding>, Error> {
        let call = Call::new(accessor, slot, &span, 0)?;
        let size = |finding: &bindings::Finding| {
            let named = finding.task.len() + finding.subject.len() + finding.title.len();
            named + finding.detail.len() + length(finding.remedy.as_ref())
        };
        call.answer("findings", span, async |reader, filter| reader.issues(filter).await, size).await
    }

    async fn next_actions(accessor: &Accessor<T, Self>, slot: String, span: Span) -> Result<Vec<NextAction>, Error> {
        let call = Call::new(accessor, slot, &span, 0)?;
        let size = |next: &NextAction| next.task.len() + next.action.len() + length(next.subject.as_ref());
        call.answer("next-actions", span, async |reader, filter| reader.next_actions(filter).await, size).await
    }

    async fn changes(accessor: &Accessor<T, Self>, slot: String, span: Span) -> Result<Vec<bindings::Change>, Error> {
        let call = Call::new(accessor, slot, &span, 0)?;
        let size = |change: &bindings::Change| change.task.len() + change.slot.len();
        call.answer("changes", span, async |reader, filter| reader.changes(filter).await, size).await
    }

    async fn ticks(accessor: &Accessor<T, Self>, slot: String, span: Span) -> Result<Vec<Tick>, Error> {
        let call = Call::new(accessor, slot, &span, 0)?;
        let all = call.grant.sees_all() && backend::is_of_all(&span);
        let size = |tick: &Tick| tick.title.len() + length(tick.note.as_ref());
        let ask = async |reader: &Reader, filter: &Filter| if all { reader.ticks(filter).await } else { Ok(vec![]) };
        call.answer("ticks", span, ask, size).await
    }
}
