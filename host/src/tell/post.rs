//! Sends what is told over HTTP. It follows no redirect, and says nothing of an address but its host: there may be a
//! credential in it.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Uri};
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
pub(super) struct Poster(Result<HttpClient, String>);

impl Poster {
    pub(super) fn new() -> Self {
        Self(client())
    }

    pub(super) async fn post(&self, url: &Secret, kind: &str, body: &str) -> Result<(), String> {
        let client = self.0.as_ref().map_err(String::clone)?;
        let uri: Uri = url.expose().parse().map_err(|_| "its address is no URL".to_owned())?;
        let host = uri.host().unwrap_or_default().to_owned();
        let request = Request::post(uri)
            .header(hyper::header::CONTENT_TYPE, kind)
            .header(hyper::header::USER_AGENT, concat!("taskhost/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::from(body.to_owned())))
            .map_err(|_| "its address is no URL".to_owned())?;
        let answer = tokio::time::timeout(PATIENCE, client.request(request))
            .await
            .map_err(|_| format!("{host} did not answer within {} s", PATIENCE.as_secs()))?
            .map_err(|error| format!("{host} cannot be reached: {}", reason(&error)))?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("{host} answered {}", answer.status())) }
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
