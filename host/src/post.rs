//! Sends by HTTP what leaves the host of its own accord: what people are told, and traces. It follows no redirect, and
//! says nothing of an address but its host: there may be a credential in it.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::capability::Secret;

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client that trusts what the system trusts.
pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Posts.
#[derive(Clone)]
pub(crate) struct Poster(Result<HttpClient, String>);

/// Why something was not taken.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(crate) struct NotTaken {
    /// It may be taken later, by what HTTP says of the answer, or nobody answered.
    pub(crate) passing: bool,
    why: String,
}

impl Poster {
    pub(crate) fn new() -> Self {
        Self(client())
    }

    /// Posts `body` with its content type and these headers.
    ///
    /// # Errors
    /// Nobody answered, or the answer is no success.
    pub(crate) async fn post(
        &self,
        url: &Secret,
        kind: &'static str,
        headers: &HeaderMap,
        body: String,
    ) -> Result<Response<Incoming>, NotTaken> {
        let client = self.0.as_ref().map_err(|error| NotTaken::for_good(error.clone()))?;
        let no_url = || NotTaken::for_good("its address is no URL".into());
        let uri: Uri = url.expose().parse().map_err(|_| no_url())?;
        let host = uri.host().unwrap_or_default().to_owned();
        let mut request = Request::post(uri).body(Full::new(Bytes::from(body))).map_err(|_| no_url())?;
        request.headers_mut().clone_from(headers);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        let agent = HeaderValue::from_static(concat!("taskhost/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        let answer = tokio::time::timeout(PATIENCE, client.request(request))
            .await
            .map_err(|_| NotTaken::yet(format!("{host} did not answer within {} s", PATIENCE.as_secs())))?
            .map_err(|error| NotTaken::yet(format!("{host} cannot be reached: {}", reason(&error))))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let passing = matches!(status.as_u16(), 429 | 502 | 503 | 504);
        Err(NotTaken { passing, why: format!("{host} answered {status}") })
    }
}

impl NotTaken {
    fn yet(why: String) -> Self {
        Self { passing: true, why }
    }

    fn for_good(why: String) -> Self {
        Self { passing: false, why }
    }
}

/// Makes one.
pub(crate) fn client() -> Result<HttpClient, String> {
    let roots = hyper_rustls::HttpsConnectorBuilder::new().with_native_roots();
    let roots = roots.map_err(|error| format!("the system's certificates cannot be read: {error}"))?;
    let connector = roots.https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).pool_idle_timeout(PATIENCE).build(connector))
}

/// The innermost of what went wrong: what is around it says only that something did.
pub(crate) fn reason(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    crate::policy::text::clean_line(&innermost.to_string(), 200)
}
