//! Connects, sends and reads: the only part of the room that imports the client. Decides nothing about what is allowed,
//! and connects to the addresses it is given, never to a name.

mod failure;
mod secure;

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderName, HeaderValue, LOCATION};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::failure::Place;
pub(super) use self::secure::Tls;
use self::secure::{Connector, Identified};
use super::Grant;
use super::bindings::{Header, Method};
use super::error::Error;
use super::location::Location;
use crate::capability::network::{self, Resolver};
use crate::capability::trust::Roots;
use crate::gate::micros;

/// What all runs share: the system's trust roots, read once, and the way to resolve names.
#[derive(Default)]
pub struct Shared {
    roots: Roots,
    resolver: Resolver,
}

/// One request, judged.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) location: Location,
    /// All but `Host` and what frames the body.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
}

/// How long it may take, and who says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) total: Duration,
    pub(super) deadline: Instant,
    pub(super) of_guest: bool,
}

/// How long each part took, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts {
    pub(super) resolve: u64,
    pub(super) connect: u64,
    pub(super) tls: u64,
    pub(super) wait: u64,
}

/// An answer's head, and its body to be read.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<Header>,
    /// Where a redirect leads.
    pub(super) redirect: Option<String>,
    pub(super) version: String,
    pub(super) address: IpAddr,
    pub(super) parts: Parts,
    pub(super) certificate: Option<Vec<u8>>,
    pub(super) body: Body,
}

/// A body on its way. Its connection closes when this is dropped.
pub(super) struct Body {
    incoming: Incoming,
    place: Place,
    /// What its sender says of its length.
    pub(super) length: Option<u64>,
    _connection: Connection,
}

/// The work of a connection, which ends when this is dropped.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The most bytes of an answer's head, and of a body that are held for one connection.
const BUFFER: usize = 64 * 1024;
/// The most headers of an answer.
const MOST_HEADERS: usize = 128;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Shared {
    /// With names that resolve as the test says.
    #[cfg(test)]
    pub(super) fn resolving(names: std::collections::BTreeMap<String, Vec<IpAddr>>) -> Self {
        Self { roots: Roots::default(), resolver: Resolver::of(names) }
    }

    /// The addresses of a place's host.
    pub(super) async fn resolve(&self, location: &Location, patience: Patience) -> Result<Vec<IpAddr>, Error> {
        let place = Place::new(location, patience);
        let found = place.within("resolving the name", self.resolver.resolve(location.host())).await?;
        found.map_err(Error::Unavailable)
    }

    /// Sends a request to the first of `addresses` that answers, and waits for the head of its answer.
    pub(super) async fn exchange(
        &self,
        outgoing: &Outgoing,
        addresses: &[IpAddr],
        grant: &Grant,
        tls: &Tls,
        patience: Patience,
    ) -> Result<Answer, Error> {
        let location = &outgoing.location;
        let place = Place::new(location, patience);
        let request = request(outgoing)?;
        let mut parts = Parts::default();

        let started = Instant::now();
        let tcp = network::connect(addresses, location.port(), patience.deadline).await;
        let tcp = tcp.map_err(|unreached| place.unreached(&unreached))?;
        // Small requests are not to wait for what comes after them; where it cannot be had, they do.
        let _ = tcp.set_nodelay(true);
        let address = tcp.peer_addr().map_err(|error| place.lost(&error))?.ip();
        parts.connect = micros(started.elapsed());

        let (mut certificate, mut connector) = (None, None);
        let stream: Box<dyn Stream> = if location.is_encrypted() {
            let started = Instant::now();
            let connector = connector.insert(tls.connector(grant, &self.roots).await?);
            let secured = place.within("the TLS handshake", connector.shake_hands(location, tcp)).await?;
            let secured = secured.map_err(|error| place.unsecured(&error))?;
            let presented = secured.get_ref().1.peer_certificates();
            certificate = presented.and_then(<[_]>::first).map(|certificate| certificate.to_vec());
            parts.tls = micros(started.elapsed());
            Box::new(secured)
        } else {
            Box::new(tcp)
        };

        let started = Instant::now();
        let answering = async {
            let mut builder = http1::Builder::new();
            builder.max_buf_size(BUFFER).max_headers(MOST_HEADERS);
            let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
            let connection = Connection(tokio::spawn(async move {
                // What becomes of it is told where its answer is read.
                let _ = connection.await;
            }));
            Ok((sender.send_request(request).await?, connection))
        };
        let answered = place.within("waiting for the answer", answering).await?;
        let (response, connection) = answered.map_err(|error| {
            let identified = connector.as_ref().map_or(Identified::NotAsked, Connector::identified);
            place.unanswered(&error, identified)
        })?;
        parts.wait = micros(started.elapsed());

        let (head, incoming) = response.into_parts();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let header = |(name, value): (&HeaderName, &HeaderValue)| Header { name: name.to_string(), value: text(value) };
        Ok(Answer {
            status: head.status.as_u16(),
            redirect: head.headers.get(LOCATION).map(text),
            headers: head.headers.iter().map(header).collect(),
            version: format!("{:?}", head.version),
            address,
            parts,
            certificate,
            body: Body { length: incoming.size_hint().exact(), incoming, place, _connection: connection },
        })
    }
}

impl Body {
    /// The next bytes, or none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            match self.incoming.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(self.place.broken(&error)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if bytes.is_empty() => {}
                    Ok(bytes) => return Ok(Some(bytes)),
                    // Trailers, which nothing is made of.
                    Err(_) => {}
                },
            }
        }
    }

    /// Where it comes from.
    pub(super) fn place(&self) -> &str {
        self.place.name()
    }

    /// What is said when it does not end in time.
    pub(super) fn late(&self) -> Error {
        self.place.late("the answer")
    }
}

fn request(outgoing: &Outgoing) -> Result<hyper::Request<Full<Bytes>>, Error> {
    let method = match outgoing.method {
        Method::Get => hyper::Method::GET,
        Method::Head => hyper::Method::HEAD,
        Method::Post => hyper::Method::POST,
        Method::Put => hyper::Method::PUT,
        Method::Patch => hyper::Method::PATCH,
        Method::Delete => hyper::Method::DELETE,
    };
    let target = outgoing.location.target();
    let mut request = hyper::Request::new(Full::new(outgoing.body.clone()));
    *request.method_mut() = method;
    *request.uri_mut() =
        target.parse().map_err(|_| Error::Invalid(format!("{} cannot be sent", outgoing.location.place())))?;
    let host = HeaderValue::try_from(outgoing.location.authority());
    request.headers_mut().insert(HOST, host.map_err(wasmtime::Error::new)?);
    request.headers_mut().extend(outgoing.headers.iter().cloned());
    Ok(request)
}

/// A header as it is sent.
pub(super) fn header(name: &str, value: &str, secret: bool) -> Result<(HeaderName, HeaderValue), Error> {
    let wrong = || Error::Invalid(format!("the header `{name}` cannot be sent"));
    let mut value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| wrong())?;
    value.set_sensitive(secret);
    Ok((HeaderName::try_from(name).map_err(|_| wrong())?, value))
}
