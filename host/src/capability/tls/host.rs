//! The functions of `wit/tls.wit`: effect, gate, backend, error.

use std::sync::Arc;

use tokio::time::Instant;
use wasmtime::component::Accessor;

use super::backend::{self, Request};
use super::bindings::{self, Handshake, Host, HostWithStore};
use super::error::Error;
use super::grant::Endpoint;
use super::{Grant, State, Tls};
use crate::capability::{Data, Room as _, View};
use crate::gate::{Effect, Gate, Impact, Permit, SlotName};
use crate::policy::endpoint::HostName;

impl Host for View<'_, State> {
    fn convert_error(&mut self, error: Error) -> wasmtime::Result<bindings::Error> {
        error.for_guest()
    }

    fn endpoints(&mut self, slot: String) -> Result<Vec<bindings::Endpoint>, Error> {
        let grant = self.state.grants.get(&slot).cloned().unwrap_or_default();
        let verdict = grant.allows(self.state.gate.slot(Tls::NAME, &slot));
        let mut permit =
            self.state.gate.enter(Effect::new(Tls::NAME, slot, "endpoints", Impact::Observe, ""), verdict)?;
        let endpoints = grant.endpoints();
        permit.rows(endpoints.len() as u64);
        permit.succeed();
        Ok(endpoints.into_iter().map(Into::into).collect())
    }
}

impl<T: Send> HostWithStore<T> for Data<Tls> {
    async fn connect(
        accessor: &Accessor<T, Self>,
        slot: String,
        endpoint: bindings::Endpoint,
        server_name: Option<String>,
    ) -> Result<Handshake, Error> {
        let call = accessor.with(|mut access| Call::new(access.get().state, slot));
        call.connect(endpoint, server_name).await
    }
}

/// What one call needs of the state, taken out of the store so that others may run meanwhile.
pub(super) struct Call {
    slot: String,
    gate: Arc<Gate>,
    grant: Arc<Grant>,
    shared: Arc<backend::Shared>,
    places: Arc<tokio::sync::Semaphore>,
}

impl Call {
    pub(super) fn new(state: &State, slot: String) -> Self {
        Self {
            gate: Arc::clone(&state.gate),
            grant: state.grants.get(&slot).cloned().unwrap_or_default(),
            shared: Arc::clone(&state.shared),
            places: Arc::clone(&state.places),
            slot,
        }
    }

    fn named(&self) -> SlotName<'_> {
        self.gate.slot(Tls::NAME, &self.slot)
    }

    pub(super) async fn connect(
        &self,
        asked: bindings::Endpoint,
        server_name: Option<String>,
    ) -> Result<Handshake, Error> {
        let raw = format!("{}:{}", asked.host, asked.port);
        let endpoint = Endpoint::try_from(asked);
        let mut target = endpoint.as_ref().map_or(raw, ToString::to_string);
        if let Some(name) = &server_name {
            target = format!("{target} as {name}");
        }
        let verdict = match &endpoint {
            Ok(endpoint) => self.grant.allows_endpoint(self.named(), endpoint),
            Err(_) => self.grant.allows(self.named()),
        };
        let effect = Effect::new(Tls::NAME, self.slot.as_str(), "connect", Impact::Observe, &target);
        let mut permit = self.gate.enter(effect, verdict)?;
        let handshake = self.shake_hands(&mut permit, endpoint, server_name).await;
        permit.finish(handshake)
    }

    async fn shake_hands(
        &self,
        permit: &mut Permit,
        endpoint: Result<Endpoint, String>,
        server_name: Option<String>,
    ) -> Result<Handshake, Error> {
        let endpoint = endpoint.map_err(Error::Invalid)?;
        let server_name = match server_name {
            Some(name) => name.parse::<HostName>().map_err(Error::Invalid)?,
            None => endpoint.host.clone(),
        };
        permit.charge("connections", 1)?;
        // Not counted in the time-out. The semaphore is never closed.
        let _place = self.places.acquire().await.map_err(wasmtime::Error::from)?;
        let timeout = self.grant.timeout();
        let request =
            Request { endpoint, server_name, ca: self.grant.ca(), timeout, deadline: Instant::now() + timeout };
        let found = self.shared.resolve(&request).await?;
        let mut allowed = Vec::new();
        let mut verdict = Ok(());
        for address in found {
            match self.grant.allows_address(self.named(), &request.endpoint.host, address) {
                Ok(()) => allowed.push(address),
                refusal => verdict = verdict.and(refusal),
            }
        }
        if allowed.is_empty() {
            permit.admit(verdict)?;
        }
        self.shared.handshake(&request, &allowed).await
    }
}

impl TryFrom<bindings::Endpoint> for Endpoint {
    type Error = String;

    fn try_from(endpoint: bindings::Endpoint) -> Result<Self, String> {
        Ok(Self { host: endpoint.host.parse()?, port: endpoint.port, starttls: endpoint.starttls })
    }
}

impl From<Endpoint> for bindings::Endpoint {
    fn from(endpoint: Endpoint) -> Self {
        let host = match endpoint.host {
            HostName::Name(name) => name,
            HostName::Address(address) => address.to_string(),
        };
        Self { host, port: endpoint.port, starttls: endpoint.starttls }
    }
}
