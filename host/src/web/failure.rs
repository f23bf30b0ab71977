//! Why a request is not answered as asked: a status, a word for programs, and a sentence with a way out for people.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, StatusCode};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

/// A failure.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    header: Option<(HeaderName, HeaderValue)>,
}

/// What the API answers then.
#[derive(Serialize, JsonSchema)]
pub(super) struct Failed {
    error: Why,
}

#[derive(Serialize, JsonSchema)]
struct Why {
    /// A word that stays the same.
    code: String,
    /// A sentence for people.
    message: String,
}

impl Failure {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), header: None }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        let failure = Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
        Self { header: Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))), ..failure }
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(super) fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", what)
    }

    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "that address does not take that method")
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    pub(super) fn too_large(most: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            format!("a request's body has {} KiB at most", most >> 10),
        )
    }

    pub(super) fn media_type(wanted: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", format!("send it as `content-type: {wanted}`"))
    }

    pub(super) fn misdirected() -> Self {
        let message = "this host answers to localhost alone, and was asked for by another name; behind a proxy, start it \
                       with --behind-proxy";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", message)
    }

    pub(super) fn too_many(seconds: u64) -> Self {
        let message = format!("too many attempts failed; try again in {seconds} s");
        let failure = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", message);
        Self { header: Some((RETRY_AFTER, seconds.into())), ..failure }
    }

    pub(super) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many watch runs now; try again later")
    }

    /// What only the log says in full.
    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!("a request failed: {error}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the host failed to answer; its log says why")
    }

    /// As the API answers it.
    pub(super) fn json(self) -> Response {
        let failed = Failed { error: Why { code: self.code.into(), message: self.message.clone() } };
        let body = serde_json::to_string(&failed).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.complete(response)
    }

    /// The answer, with the status and what else belongs to it.
    pub(super) fn complete(self, mut response: Response) -> Response {
        *response.status_mut() = self.status;
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<crate::history::Error> for Failure {
    fn from(error: crate::history::Error) -> Self {
        Self::internal(&error)
    }
}
