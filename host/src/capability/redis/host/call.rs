//! What one call needs of the state, taken out of the store so that others may run meanwhile.

use std::sync::Arc;

use wasmtime::component::{Accessor, Resource};

use super::super::backend::{Lease, Pool, Rehearsed, Scan};
use super::super::bindings::ScanOptions;
use super::super::error::Error;
use super::super::grant::{Access, Grant};
use super::super::tasks::Ticket;
use super::super::{Redis, shown};
use super::Store;
use crate::capability::load::Held;
use crate::capability::{Data, Notices, Room as _};
use crate::gate::{Effect, Gate, Impact, Permit, Refusal, SlotName};

pub(super) struct Call {
    pub(super) slot: Arc<str>,
    pub(super) grant: Arc<Grant>,
    pub(super) pool: Arc<Pool>,
    pub(super) ticket: Ticket,
    pub(super) rehearsed: Arc<Rehearsed>,
    gate: Arc<Gate>,
    notices: Notices,
    /// Its arguments, counted.
    _held: Held,
}

impl Call {
    /// A call whose arguments have so many bytes.
    pub(super) fn new<T: Send>(
        accessor: &Accessor<T, Data<Redis>>,
        store: &Resource<Store>,
        bytes: usize,
    ) -> Result<Self, Error> {
        accessor.with(|mut access| {
            let view = access.get();
            let Store { slot, grant, pool } = view.table.get(store).map_err(wasmtime::Error::from)?;
            let state = view.state;
            Ok(Self {
                slot: Arc::clone(slot),
                grant: Arc::clone(grant),
                pool: Arc::clone(pool),
                ticket: state.tasks.ticket(),
                rehearsed: Arc::clone(&state.rehearsed),
                gate: Arc::clone(&state.gate),
                notices: state.notices.clone(),
                _held: state.load.hold(bytes)?,
            })
        })
    }

    pub(super) fn named(&self) -> SlotName<'_> {
        self.gate.slot(Redis::NAME, &self.slot)
    }

    pub(super) fn enter(
        &self,
        operation: &'static str,
        impact: Impact,
        target: &str,
        verdict: Result<(), Refusal>,
    ) -> Result<Permit, Refusal> {
        self.gate.enter(Effect::new(Redis::NAME, Arc::clone(&self.slot), operation, impact, target), verdict)
    }

    /// A connection. Where the server lets the slot's user do far more than the grant does, the operator is told.
    pub(super) async fn lease(&self) -> Result<Lease, Error> {
        let timeout = self.grant.timeout();
        let mut lease = self.pool.lease(timeout, self.ticket.place(timeout).await?).await?;
        if !self.grant.has(Access::Admin)
            && let Some(user) = lease.almighty_user().await
        {
            let (slot, words) = (&self.slot, self.grant.words().join(" and "));
            self.notices.add(format!(
                "slot `{slot}` grants {words}, but the server lets its user `{}` run every command; make one with fewer \
                 rights by ACL SETUSER, and name it in the slot's URL",
                shown::key(user.as_bytes())
            ));
        }
        Ok(lease)
    }

    /// Something that only looks.
    pub(super) async fn look<R>(
        &self,
        operation: &'static str,
        target: &str,
        ask: impl AsyncFnOnce(&mut Lease, &mut Permit) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let mut permit =
            self.enter(operation, Impact::Observe, target, self.grant.allows(self.named(), Access::Read))?;
        let asked = async { ask(&mut self.lease().await?, &mut permit).await }.await;
        settle(permit, asked)
    }

    /// The same for keys.
    pub(super) async fn look_at<R>(
        &self,
        operation: &'static str,
        keys: Vec<Vec<u8>>,
        ask: impl AsyncFnOnce(&mut Lease, &mut Permit, Vec<Vec<u8>>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let verdict = self.grant.allows_keys(self.named(), Access::Read, &keys);
        let mut permit = self.enter(operation, Impact::Observe, &shown::list("", &keys), verdict)?;
        let asked = async { ask(&mut self.lease().await?, &mut permit, keys).await }.await;
        settle(permit, asked)
    }

    pub(super) fn scan(&self, options: ScanOptions) -> Scan {
        let (pool, grant, ticket) = (Arc::clone(&self.pool), Arc::clone(&self.grant), self.ticket.clone());
        Scan { pool, grant, ticket, options }
    }
}

/// Journals how a call ended, and hands its result on.
pub(super) fn settle<T>(permit: Permit, result: Result<T, Error>) -> Result<T, Error> {
    match result {
        // Journaled as abandoned.
        Err(Error::GivenUp) => {
            drop(permit);
            Err(Error::GivenUp)
        }
        result => permit.finish(result),
    }
}
