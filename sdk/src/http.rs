//! HTTP servers behind a slot: requests to the addresses that the operator granted. Credentials are the host's; a plugin
//! neither sees nor sets them.
//!
//! ```
//! use taskhost_sdk::prelude::*;
//!
//! const API: http::Slot = http::Slot::new("api", "its health is asked for, and it is reloaded").and_post();
//!
//! async fn reload() -> Result<()> {
//!     let health: String = API.get("health").await?.success()?.text(64 * 1024).await?;
//!     log::info(health);
//!     // None in a rehearsal.
//!     if let Some(answer) = API.post("-/reload").await? {
//!         answer.success()?;
//!     }
//!     Ok(())
//! }
//! ```

use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::exports::taskhost::host::task;
use crate::bindings::taskhost::host::http as wit;
use crate::parameters::is_kebab;
use crate::stream::{ByteStream, ClosedEarly};
use crate::{Failure, FailureKind, Result};

pub use wit::{Error, Header, Method, Timing};

/// A slot for addresses. Make it a constant and name it in `#[task(slots = [...])]`. Binding grants GET and HEAD.
#[derive(Clone, Copy, Debug)]
#[must_use = "name the slot in `#[task(slots = [...])]`"]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of access")]
pub struct Slot {
    name: &'static str,
    why: &'static str,
    post: bool,
    put: bool,
    patch: bool,
    delete: bool,
    optional: bool,
}

impl Slot {
    /// `why` is shown to the operator who decides.
    ///
    /// # Panics
    /// While compiling, if the name is not kebab-case.
    pub const fn new(name: &'static str, why: &'static str) -> Self {
        assert!(is_kebab(name), "a slot's name is kebab-case: a to z, 0 to 9 and `-`, and a letter first");
        Self { name, why, post: false, put: false, patch: false, delete: false, optional: false }
    }

    /// Asks for POST too.
    pub const fn and_post(self) -> Self {
        Self { post: true, ..self }
    }

    /// Asks for PUT too.
    pub const fn and_put(self) -> Self {
        Self { put: true, ..self }
    }

    /// Asks for PATCH too.
    pub const fn and_patch(self) -> Self {
        Self { patch: true, ..self }
    }

    /// Asks for DELETE too.
    pub const fn and_delete(self) -> Self {
        Self { delete: true, ..self }
    }

    /// The run can do without it.
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The addresses that the operator named, as they were written.
    ///
    /// # Errors
    /// An optional slot that is not bound.
    pub fn bases(&self) -> Result<Vec<String>, Error> {
        wit::bases(self.name)
    }

    /// A GET of `url`, absolute or relative to the slot's first address.
    pub fn get(&self, url: impl Into<String>) -> Request<Asks> {
        self.request(Method::Get, url)
    }

    /// A HEAD.
    pub fn head(&self, url: impl Into<String>) -> Request<Asks> {
        self.request(Method::Head, url)
    }

    /// A POST that only asks, below a path that the operator named with `query=`. Where none did, it is refused.
    pub fn ask(&self, url: impl Into<String>) -> Request<Asks> {
        self.request(Method::Post, url)
    }

    /// A POST that changes something.
    pub fn post(&self, url: impl Into<String>) -> Request<Changes> {
        self.request(Method::Post, url)
    }

    /// A PUT.
    pub fn put(&self, url: impl Into<String>) -> Request<Changes> {
        self.request(Method::Put, url)
    }

    /// A PATCH.
    pub fn patch(&self, url: impl Into<String>) -> Request<Changes> {
        self.request(Method::Patch, url)
    }

    /// A DELETE.
    pub fn delete(&self, url: impl Into<String>) -> Request<Changes> {
        self.request(Method::Delete, url)
    }

    fn request<K>(&self, method: Method, url: impl Into<String>) -> Request<K> {
        let parts =
            wit::Request { method, url: url.into(), headers: vec![], body: vec![], follow: false, timeout_ms: None };
        Request { slot: self.name, parts, kind: PhantomData }
    }

    #[doc(hidden)]
    pub fn describe(&self) -> task::Slot {
        let words =
            [(true, "get"), (self.post, "post"), (self.put, "put"), (self.patch, "patch"), (self.delete, "delete")];
        task::Slot {
            name: self.name.into(),
            capability: "http".into(),
            access: words.iter().filter(|(asked, _)| *asked).map(|(_, word)| (*word).into()).collect(),
            optional: self.optional,
            why: self.why.into(),
        }
    }
}

/// A request that changes nothing: it is answered in a rehearsal too.
#[derive(Clone, Copy, Debug)]
pub enum Asks {}

/// A request that changes something: a rehearsal answers none.
#[derive(Clone, Copy, Debug)]
pub enum Changes {}

/// A request to be sent, by awaiting it.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct Request<K> {
    slot: &'static str,
    parts: wit::Request,
    kind: PhantomData<K>,
}

impl<K> Request<K> {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.parts.headers.push(Header { name: name.into(), value: value.into() });
        self
    }

    /// Sets the body, and says what it is.
    pub fn body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        self.parts.body = body.into();
        self.header("content-type", kind)
    }

    /// Sets the body to `value` as JSON.
    ///
    /// # Errors
    /// What has no form in JSON.
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        let body =
            serde_json::to_vec(value).map_err(|error| Error::Invalid(format!("no JSON can be made: {error}")))?;
        Ok(self.body("application/json", body))
    }

    /// Sets the body to the fields of a form.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        self.body("application/x-www-form-urlencoded", query(fields))
    }

    /// Follows redirects, each of which must be granted.
    pub fn follow(mut self) -> Self {
        self.parts.follow = true;
        self
    }

    /// Waits no longer than this, or than the grant allows.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.parts.timeout_ms = Some(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
        self
    }

    async fn send(self) -> Result<Option<Response>, Error> {
        let answer = wit::send(self.slot.into(), self.parts).await?;
        Ok(answer.map(|(head, body, end)| Response { head, body: ByteStream::new(body, end) }))
    }
}

type Sending<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;

impl IntoFuture for Request<Asks> {
    type Output = Result<Response, Error>;
    type IntoFuture = Sending<Response>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let url = self.parts.url.clone();
            let unasked =
                || Error::Refused(format!("a POST to {url} is no question here: no `query` of the grant names it"));
            self.send().await?.ok_or_else(unasked)
        })
    }
}

impl IntoFuture for Request<Changes> {
    type Output = Result<Option<Response>, Error>;
    type IntoFuture = Sending<Option<Response>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// An answer: its head, and a body to be read.
#[derive(Debug)]
pub struct Response {
    head: wit::Response,
    body: ByteStream<Error>,
}

impl Response {
    /// The status.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The status for people: `404 Not Found`.
    pub fn status_line(&self) -> String {
        status_line(self.head.status)
    }

    /// Whether the status is of the 200s.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.head.status)
    }

    /// This, if the status is of the 200s.
    ///
    /// # Errors
    /// Any other status, named.
    pub fn success(self) -> Result<Self, Error> {
        if self.is_success() {
            return Ok(self);
        }
        let place = self.head.url.split('?').next().unwrap_or_default();
        Err(Error::Unavailable(format!("{place} answered {}", self.status_line())))
    }

    /// The headers; their names are lower-case.
    pub fn headers(&self) -> &[Header] {
        &self.head.headers
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.head.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        named.next().map(|header| header.value.as_str())
    }

    /// Where the answer came from, after redirects.
    pub fn url(&self) -> &str {
        &self.head.url
    }

    /// `HTTP/1.1`.
    pub fn version(&self) -> &str {
        &self.head.version
    }

    /// The address that answered.
    pub fn address(&self) -> &str {
        &self.head.address
    }

    /// How long each part took, in microseconds.
    pub fn timing(&self) -> Timing {
        self.head.timing
    }

    /// DER of the certificate that the server presented.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.head.certificate.as_deref()
    }

    /// The body, bit by bit.
    pub fn stream(self) -> ByteStream<Error> {
        self.body
    }

    /// The whole body, when it has at most `limit` bytes.
    ///
    /// # Errors
    /// What cut it short, or more bytes.
    pub async fn bytes(self, limit: usize) -> Result<Vec<u8>, Error> {
        self.body.collect(limit).await
    }

    /// The body as text; what is no UTF-8 in it is marked.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub async fn text(self, limit: usize) -> Result<String, Error> {
        let bytes = self.bytes(limit).await?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and what is not that JSON.
    pub async fn json<T: DeserializeOwned>(self, limit: usize) -> Result<T, Error> {
        let place = self.head.url.split('?').next().unwrap_or_default().to_owned();
        let bytes = self.bytes(limit).await?;
        let wrong = |error| Error::Protocol(format!("{place} did not answer with the JSON expected: {error}"));
        serde_json::from_slice(&bytes).map_err(wrong)
    }
}

/// A status with its phrase.
pub fn status_line(status: u16) -> String {
    let phrase = match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => return status.to_string(),
    };
    format!("{status} {phrase}")
}

/// The text for a URL's query, or one name of its path: what is not plain is percent-encoded.
///
/// ```
/// assert_eq!(taskhost_sdk::http::encoded("a b/ä?"), "a%20b%2F%C3%A4%3F");
/// ```
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// `NAME=VALUE&...`, encoded.
pub fn query(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&")
}

impl From<ClosedEarly> for Error {
    fn from(error: ClosedEarly) -> Self {
        Self::TooLarge(error.0)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Refused(_) => FailureKind::Refused,
            Error::OverBudget(_) => FailureKind::OverBudget,
            Error::Unavailable(_) => FailureKind::Unavailable,
            Error::TimedOut(_) => FailureKind::TimedOut,
            Error::Tls(_) | Error::TooLarge(_) | Error::Protocol(_) | Error::Invalid(_) => FailureKind::Failed,
        };
        Self { kind, message: message(&error) }
    }
}

/// An error for people.
pub fn message(error: &Error) -> String {
    match error {
        Error::Refused(message)
        | Error::OverBudget(message)
        | Error::Unavailable(message)
        | Error::TimedOut(message)
        | Error::Tls(message)
        | Error::TooLarge(message)
        | Error::Protocol(message)
        | Error::Invalid(message) => message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: Slot = Slot::new("api", "it is asked").and_post().and_put().and_patch().and_delete().optional();

    #[test]
    fn a_slot_asks_for_all_that_it_was_told_to() {
        let described = SLOT.describe();
        assert_eq!((described.capability.as_str(), described.optional), ("http", true));
        assert_eq!(described.access, ["get", "post", "put", "patch", "delete"]);
        assert_eq!(Slot::new("api", "it is read").describe().access, ["get"]);
    }

    #[test]
    fn a_request_is_built_as_it_is_told() {
        let request = SLOT.post("x").json(&["a"]).unwrap().header("x-a", "b").follow().timeout(Duration::from_secs(2));
        let wit::Request { method, url, headers, body, follow, timeout_ms } = request.parts;
        assert_eq!((method, url.as_str(), follow, timeout_ms), (Method::Post, "x", true, Some(2_000)));
        assert_eq!(body, b"[\"a\"]");
        let headers: Vec<_> = headers.iter().map(|header| (header.name.as_str(), header.value.as_str())).collect();
        assert_eq!(headers, [("content-type", "application/json"), ("x-a", "b")]);
        let form = SLOT.ask("q").form(&[("query", "up == 0"), ("time", "1")]);
        assert_eq!(form.parts.body, b"query=up%20%3D%3D%200&time=1");
    }

    #[test]
    fn every_error_ends_the_run_in_its_outcome() {
        for (error, kind) in [
            (Error::Refused("no".into()), FailureKind::Refused),
            (Error::OverBudget("no".into()), FailureKind::OverBudget),
            (Error::Unavailable("no".into()), FailureKind::Unavailable),
            (Error::TimedOut("no".into()), FailureKind::TimedOut),
            (Error::Tls("no".into()), FailureKind::Failed),
            (Error::TooLarge("no".into()), FailureKind::Failed),
            (Error::Protocol("no".into()), FailureKind::Failed),
            (Error::Invalid("no".into()), FailureKind::Failed),
        ] {
            assert_eq!(Failure::from(error), Failure { kind, message: "no".into() });
        }
    }

    #[test]
    fn a_status_is_named() {
        assert_eq!((status_line(404).as_str(), status_line(299).as_str()), ("404 Not Found", "299"));
    }
}
