//! The functions of `wit/http.wit`: effect, gate, backend, error.

mod call;

use tokio::sync::{mpsc, oneshot};
use wasmtime::component::{Accessor, FutureReader, StreamReader};

use self::call::Answered;
pub(super) use self::call::Call;
use super::bindings::{self as wit, Host, HostWithStore};
use super::error::Error;
use super::{Http, State};
use crate::capability::stream::ByteChunks;
use crate::capability::{Data, Room as _, View};
use crate::gate::{Effect, Impact};

type Streamed = (wit::Response, StreamReader<u8>, FutureReader<Result<u64, wit::Error>>);

/// Pieces of a body that may wait for the guest.
const AHEAD: usize = 4;

impl Host for View<'_, State> {
    fn convert_error(&mut self, error: Error) -> wasmtime::Result<wit::Error> {
        error.for_guest()
    }

    fn bases(&mut self, slot: String) -> Result<Vec<String>, Error> {
        let granted = self.state.slots.get(&slot).cloned().unwrap_or_default();
        let verdict = granted.grant.allows(self.state.gate.slot(Http::NAME, &slot));
        let mut permit = self.state.gate.enter(Effect::new(Http::NAME, slot, "bases", Impact::Observe, ""), verdict)?;
        let bases = granted.grant.bases();
        permit.rows(bases.len() as u64);
        permit.succeed();
        Ok(bases)
    }
}

impl<T: Send + 'static> HostWithStore<T> for Data<Http> {
    async fn send(
        accessor: &Accessor<T, Self>,
        slot: String,
        request: wit::Request,
    ) -> Result<Option<Streamed>, Error> {
        let call = accessor.with(|mut access| Call::new(access.get().state, slot, &request))?;
        let Some(answered) = call.send(request).await? else { return Ok(None) };
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (ended, end) = oneshot::channel();
        let Answered { response, delivery } = answered;
        tokio::spawn(async move {
            let delivered = delivery.deliver(sender).await;
            // A guest that asks no more is not told.
            let _ = ended.send(delivered);
        });
        accessor.with(|mut store| {
            let stream = StreamReader::new(&mut store, ByteChunks::new(receiver))?;
            let end = async move {
                match end.await.unwrap_or(Err(Error::Abandoned)) {
                    Ok(bytes) => Ok(Ok(bytes)),
                    Err(error) => error.for_guest().map(Err),
                }
            };
            Ok(Some((response, stream, FutureReader::new(&mut store, end)?)))
        })
    }
}
