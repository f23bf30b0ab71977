//! One request on its way: from the state, through the gate, to the backend, and on by its redirects.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use super::super::backend::{self, Answer, Body, Outgoing, Patience, Shared};
use super::super::bindings::{Header, Method, Request, Response, Timing};
use super::super::error::Error;
use super::super::location::{Location, Wrong};
use super::super::tasks::Ticket;
use super::super::{Http, Slot, State, header};
use crate::capability::Room as _;
use crate::capability::load::Held;
use crate::gate::{Effect, Gate, Impact, Permit, Refusal, SlotName, micros};
use crate::policy::units::Size;

/// The most bytes of a request's body.
const BODY_LIMIT: usize = 16 << 20;
/// The most redirects that are followed.
const REDIRECTS: usize = 10;
/// How the client calls itself where the plugin does not.
const AGENT: &str = concat!("taskhost/", env!("CARGO_PKG_VERSION"));

/// What one call needs of the state, taken out of the store so that others may run meanwhile.
pub(in crate::capability::http) struct Call {
    name: Arc<str>,
    slot: Arc<Slot>,
    gate: Arc<Gate>,
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    ticket: Ticket,
    /// Its arguments, counted.
    _held: Held,
}

/// An answer's head, and what will deliver its body.
pub(in crate::capability::http) struct Answered {
    pub(in crate::capability::http) response: Response,
    pub(in crate::capability::http) delivery: Delivery,
}

/// A body to be delivered to the guest. The permit is journaled with its end.
pub(in crate::capability::http) struct Delivery {
    permit: Permit,
    /// Whether the bytes of the answer are what the effect is about, and not those of the request.
    observes: bool,
    coming: Coming,
    ticket: Ticket,
    _place: OwnedSemaphorePermit,
}

/// A body that comes.
struct Coming {
    body: Body,
    limit: u64,
    /// Bytes so far.
    given: u64,
    /// What is left of the time to wait for the server.
    left: Duration,
}

/// One request of a chain of redirects, before credentials.
struct Hop {
    method: Method,
    location: Location,
    headers: Vec<Header>,
    body: Bytes,
}

/// The word of the contract for a method.
fn word(method: Method) -> &'static str {
    match method {
        Method::Get => "get",
        Method::Head => "head",
        Method::Post => "post",
        Method::Put => "put",
        Method::Patch => "patch",
        Method::Delete => "delete",
    }
}

impl Call {
    pub(in crate::capability::http) fn new(state: &State, slot: String, request: &Request) -> Result<Self, Error> {
        let headers: usize = request.headers.iter().map(|header| header.name.len() + header.value.len() + 48).sum();
        Ok(Self {
            slot: state.slots.get(&slot).cloned().unwrap_or_default(),
            name: slot.into(),
            gate: Arc::clone(&state.gate),
            shared: Arc::clone(&state.shared),
            places: Arc::clone(&state.places),
            ticket: state.tasks.ticket(),
            _held: state.load.hold(request.body.len() + request.url.len() + headers)?,
        })
    }

    /// For refusals.
    fn named(&self) -> SlotName<'_> {
        self.gate.slot(Http::NAME, &self.name)
    }

    /// The answer; none in a rehearsal of what changes something.
    pub(in crate::capability::http) async fn send(self, request: Request) -> Result<Option<Answered>, Error> {
        let grant = &self.slot.grant;
        let located = grant.locate(&request.url);
        let location = located.as_ref().ok();
        let target = location.map_or(request.url.as_str(), Location::as_str);
        let impact = grant.impact(request.method, location);
        let escapes = match &located {
            Err(Wrong::Escapes(reason)) => Err(Refusal::NotGranted(reason.clone())),
            _ => Ok(()),
        };
        let verdict = grant
            .allows_request(self.named(), request.method, location)
            .and(escapes)
            .and_then(|()| header::allow(self.named(), &request.headers, |name| grant.sets(name)));
        let effect = Effect::new(Http::NAME, Arc::clone(&self.name), word(request.method), impact, target);
        let mut permit = self.gate.enter(effect, verdict)?;
        let answered = async { self.carry_out(&mut permit, impact, located?, request).await };
        match answered.await {
            Ok(Some((response, coming, place))) => {
                let observes = impact == Impact::Observe;
                let delivery = Delivery { permit, observes, coming, ticket: self.ticket, _place: place };
                Ok(Some(Answered { response, delivery }))
            }
            Ok(None) => {
                permit.succeed();
                Ok(None)
            }
            Err(error) => permit.finish(Err(error)),
        }
    }

    async fn carry_out(
        &self,
        permit: &mut Permit,
        impact: Impact,
        location: Location,
        request: Request,
    ) -> Result<Option<(Response, Coming, OwnedSemaphorePermit)>, Error> {
        check(&request)?;
        let grant = &self.slot.grant;
        // Not counted in the time-out. The semaphore is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(wasmtime::Error::from)?;
        let started = Instant::now();
        let patience = patience(grant.timeout(), request.timeout_ms, started);
        let mut hop =
            Hop { method: request.method, location, headers: request.headers, body: Bytes::from(request.body) };
        for _ in 0..=REDIRECTS {
            let resolving = Instant::now();
            let addresses = self.addresses(permit, &hop.location, patience).await?;
            let resolve = micros(resolving.elapsed());
            if grant.impact(hop.method, Some(&hop.location)) != Impact::Observe {
                let bytes = hop.body.len() as u64;
                permit.charge("requests", 1)?;
                permit.charge("bytes", bytes)?;
                permit.bytes(bytes);
            }
            if permit.rehearse() {
                return Ok(None);
            }
            let outgoing = self.outgoing(&hop)?;
            let mut answer = self.shared.exchange(&outgoing, &addresses, grant, &self.slot.tls, patience).await?;
            answer.parts.resolve = resolve;
            let redirect = if request.follow { answer.redirect.take() } else { None };
            let Some(to) = redirect.filter(|_| matches!(answer.status, 301 | 302 | 303 | 307 | 308)) else {
                return self
                    .answered(&hop, answer, started, patience)
                    .map(|(head, coming)| Some((head, coming, place)));
            };
            hop = self.redirected(permit, impact, hop, answer.status, &to)?;
        }
        Err(Error::Protocol(format!("more than {REDIRECTS} redirects, the last to {}", hop.location.place())))
    }

    /// The addresses of a place that may be connected to.
    async fn addresses(
        &self,
        permit: &mut Permit,
        location: &Location,
        patience: Patience,
    ) -> Result<Vec<std::net::IpAddr>, Error> {
        let (mut allowed, mut verdict) = (Vec::new(), Ok(()));
        for address in self.shared.resolve(location, patience).await? {
            match self.slot.grant.allows_address(self.named(), location.host(), address) {
                Ok(()) => allowed.push(address),
                refusal => verdict = verdict.and(refusal),
            }
        }
        if allowed.is_empty() {
            permit.admit(verdict)?;
        }
        Ok(allowed)
    }

    /// What is sent: the guest's headers, and the credentials that are for that server.
    fn outgoing(&self, hop: &Hop) -> Result<Outgoing, Error> {
        let mut headers = Vec::new();
        let has = |name: &str| hop.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name));
        for (name, value) in [("user-agent", AGENT), ("accept", "*/*"), ("accept-encoding", "identity")] {
            if !has(name) && !self.slot.grant.sets(name) {
                headers.push(backend::header(name, value, false)?);
            }
        }
        for header in &hop.headers {
            headers.push(backend::header(&header.name, &header.value, false)?);
        }
        for (name, value) in self.slot.grant.credentials(&hop.location) {
            headers.push(backend::header(&name, value.expose(), true)?);
        }
        Ok(Outgoing { method: hop.method, location: hop.location.clone(), headers, body: hop.body.clone() })
    }

    /// The request that a redirect asks for, judged as one of its own (RFC 9110, 15.4).
    fn redirected(&self, permit: &mut Permit, impact: Impact, hop: Hop, status: u16, to: &str) -> Result<Hop, Error> {
        let from = hop.location.place();
        let location = hop.location.redirected(to).map_err(|wrong| match wrong {
            Wrong::Malformed(reason) => Error::Protocol(format!("{from} redirects to what is no address: {reason}")),
            Wrong::Escapes(reason) => Error::Refused(format!("{from} redirects: {reason}")),
        })?;
        let method = match (status, hop.method) {
            (301 | 302, Method::Post) | (303, Method::Post | Method::Put | Method::Patch | Method::Delete) => {
                Method::Get
            }
            (_, method) => method,
        };
        let grant = &self.slot.grant;
        let verdict = grant.allows_request(self.named(), method, Some(&location)).and_then(|()| {
            if grant.impact(method, Some(&location)) > impact {
                let place = location.place();
                return Err(Refusal::NotGranted(format!("a question is not asked at {place}; no `query=` names it")));
            }
            Ok(())
        });
        let named = |refusal: Refusal| match refusal {
            Refusal::NotGranted(reason) => Refusal::NotGranted(format!("{from} redirects: {reason}")),
            over @ Refusal::OverBudget(_) => over,
        };
        permit.admit(verdict.map_err(named))?;
        let mut headers = hop.headers;
        if !hop.location.same_origin(&location) {
            headers.retain(|header| !header.name.eq_ignore_ascii_case("cookie"));
        }
        let body = if method == hop.method {
            hop.body
        } else {
            headers.retain(|header| !header.name.to_ascii_lowercase().starts_with("content-"));
            Bytes::new()
        };
        Ok(Hop { method, location, headers, body })
    }

    fn answered(
        &self,
        hop: &Hop,
        answer: Answer,
        started: Instant,
        patience: Patience,
    ) -> Result<(Response, Coming), Error> {
        let coming = Coming {
            limit: self.slot.grant.max_body(),
            given: 0,
            left: patience.deadline.saturating_duration_since(Instant::now()),
            body: answer.body,
        };
        if let Some(length) = coming.body.length.filter(|length| *length > coming.limit) {
            return Err(coming.too_large(&format!("has {length} bytes, more than")));
        }
        let parts = answer.parts;
        let response = Response {
            status: answer.status,
            headers: answer.headers,
            url: hop.location.to_string(),
            version: answer.version,
            address: answer.address.to_string(),
            timing: Timing {
                resolve: parts.resolve,
                connect: parts.connect,
                tls: parts.tls,
                wait: parts.wait,
                total: micros(started.elapsed()),
            },
            certificate: answer.certificate,
        };
        Ok((response, coming))
    }
}

fn check(request: &Request) -> Result<(), Error> {
    header::check(&request.headers).map_err(Error::Invalid)?;
    if request.body.len() > BODY_LIMIT {
        let (bytes, limit) = (request.body.len(), BODY_LIMIT >> 20);
        return Err(Error::Invalid(format!("a body of {bytes} bytes is more than {limit} MiB")));
    }
    if matches!(request.method, Method::Get | Method::Head) && !request.body.is_empty() {
        return Err(Error::Invalid("a GET has no body; what is asked stands in the URL".into()));
    }
    Ok(())
}

/// The time that the grant allows, or the guest's own where that is shorter.
fn patience(granted: Duration, asked: Option<u32>, now: Instant) -> Patience {
    let asked = asked.map(|milliseconds| Duration::from_millis(milliseconds.into()));
    let of_guest = asked.is_some_and(|asked| asked < granted);
    let total = asked.map_or(granted, |asked| asked.min(granted));
    Patience { total, deadline: now + total, of_guest }
}

impl Delivery {
    /// Gives the body to the guest, and tells how many bytes of it were read. One that lets go, or is stopped, was
    /// answered all the same.
    pub(in crate::capability::http) async fn deliver(self, sender: mpsc::Sender<Bytes>) -> Result<u64, Error> {
        let Self { mut permit, observes, mut coming, ticket, _place } = self;
        let delivered = ticket.until_over(coming.deliver(sender)).await.unwrap_or(Ok(()));
        let delivered = delivered.map(|()| coming.given);
        if observes {
            permit.bytes(coming.given);
        }
        permit.finish(delivered)
    }
}

impl Coming {
    async fn deliver(&mut self, sender: mpsc::Sender<Bytes>) -> Result<(), Error> {
        loop {
            let waiting = Instant::now();
            let next = tokio::select! {
                biased;
                () = sender.closed() => return Ok(()),
                next = tokio::time::timeout(self.left, self.body.next()) => next,
            };
            // Only the server's time is counted: a guest may be slow.
            self.left = self.left.saturating_sub(waiting.elapsed());
            let Some(bytes) = next.map_err(|_| self.body.late())?? else { return Ok(()) };
            self.given += bytes.len() as u64;
            if self.given > self.limit {
                return Err(self.too_large("has more than"));
            }
            if sender.send(bytes).await.is_err() {
                return Ok(());
            }
        }
    }

    fn too_large(&self, what: &str) -> Error {
        let limit = Size(self.limit);
        Error::TooLarge(format!("{}: the answer {what} {limit}; `max-body` allows more", self.body.place()))
    }
}
