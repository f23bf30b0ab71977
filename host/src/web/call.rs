//! One request on its way: who asks what, of which bundle, and what came with it, read within bounds.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::Query;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::gate::Caller;
use super::{Answer, Served, Site, api, csrf};

/// Bytes of a request's body.
const BODY: usize = 64 << 10;

/// Who is at the other end of a connection.
#[derive(Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

pub(super) fn peer(parts: &Parts) -> IpAddr {
    parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0)
}

/// How the request is to be answered.
pub(super) struct Shape {
    /// As JSON.
    pub(super) api: bool,
    /// It asks for something to look at.
    pub(super) looks: bool,
    /// Path and query.
    pub(super) target: String,
}

impl Shape {
    pub(super) fn of(parts: &Parts) -> Self {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        // A program asks for what it watches, as it asks the API.
        let api = target.starts_with(api::BASE) || parts.uri.path() == "/metrics";
        Self { api, looks: is_looking(&parts.method), target: target.into() }
    }
}

fn is_looking(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The request.
pub(super) struct Call {
    pub(super) site: Arc<Site>,
    pub(super) caller: Caller,
    params: Vec<(String, String)>,
    parts: Parts,
    body: Body,
}

impl Call {
    pub(super) fn new(
        site: Arc<Site>,
        caller: Caller,
        params: Vec<(String, String)>,
        parts: Parts,
        body: Body,
    ) -> Self {
        Self { site, caller, params, parts, body }
    }

    pub(super) fn shape(&self) -> Shape {
        Shape::of(&self.parts)
    }

    /// Whether it asks for a change.
    pub(super) fn changes(&self) -> bool {
        !is_looking(&self.parts.method)
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// A part of the path.
    pub(super) fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(named, _)| named == name).map_or("", |(_, value)| value)
    }

    /// What follows the `?`.
    pub(super) fn query<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let query = Query::try_from_uri(&self.parts.uri);
        query.map(|Query(query)| query).map_err(|error| Failure::invalid(format!("the query is wrong: {error}")))
    }

    /// The bundle that the path names, or the query; the only one where neither does.
    pub(super) fn served(&self) -> Result<Arc<Served>, Failure> {
        let query: Vec<(String, String)> = self.query()?;
        let asked = query.iter().find(|(name, _)| name == "bundle").map_or("", |(_, value)| value);
        let name = Some(self.param("bundle")).filter(|name| !name.is_empty()).unwrap_or(asked);
        match (name, self.site.bundles.as_slice()) {
            ("", [one]) => Ok(one.clone()),
            ("", _) => Err(Failure::invalid("this host serves several bundles; say which with `?bundle=NAME`")),
            (name, all) => {
                let found = all.iter().find(|served| served.name == name).cloned();
                found.ok_or_else(|| Failure::not_found("this host serves no such bundle"))
            }
        }
    }

    /// Who asks, for the record.
    pub(super) fn by(&self) -> &str {
        self.caller.person.as_ref().map_or("", |person| &person.name)
    }

    /// The name of the task in the path, which is there.
    pub(super) fn task(&self, served: &Served) -> Result<String, Failure> {
        let name = self.param("task");
        match served.service.loaded().task(name) {
            Some(_) => Ok(name.into()),
            None => Err(Failure::not_found("the bundle has no such task")),
        }
    }

    /// The fields of a form from one of our own pages.
    pub(super) async fn form(&mut self) -> Result<Vec<(String, String)>, Failure> {
        let bytes = self.bytes("application/x-www-form-urlencoded").await?;
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(&bytes).into_owned().collect();
        let token = fields.iter().find(|(name, _)| name == csrf::FIELD).map(|(_, value)| value.as_str());
        self.site.gate.check_form(&self.caller, token)?;
        Ok(fields)
    }

    /// What a program sends.
    pub(super) async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        self.check_program()?;
        let bytes = self.bytes("application/json").await?;
        serde_json::from_slice(&bytes).map_err(|error| Failure::invalid(format!("the body is wrong: {error}")))
    }

    /// A program that was not given a token has a cookie, which any page may make a browser send.
    pub(super) fn check_program(&self) -> Result<(), Failure> {
        let token = self.headers().get(csrf::HEADER).and_then(|token| token.to_str().ok());
        self.site.gate.check_form(&self.caller, token)
    }

    async fn bytes(&mut self, wanted: &str) -> Result<axum::body::Bytes, Failure> {
        let given = self.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted) {
            return Err(Failure::media_type(wanted));
        }
        // What breaks off is no whole request either.
        to_bytes(std::mem::take(&mut self.body), BODY).await.map_err(|_| Failure::too_large(BODY))
    }
}

/// An answer for programs.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let text = serde_json::to_string(value).map_err(|error| Failure::internal(&error))?;
    Ok(typed(status, "application/json", text))
}

/// An answer of that type.
pub(super) fn typed(status: StatusCode, media_type: &'static str, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    response
}
