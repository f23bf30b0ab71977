//! The files of the page, which are in the binary. Their addresses carry their digests, so a browser keeps them for good.

use axum::http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::Answer;
use super::call::{Call, typed};
use super::failure::Failure;

pub(super) struct Asset {
    name: &'static str,
    media_type: &'static str,
    text: &'static str,
}

pub(super) const STYLE: Asset =
    Asset { name: "style.css", media_type: "text/css; charset=utf-8", text: include_str!("assets/style.css") };
pub(super) const SCRIPT: Asset =
    Asset { name: "live.js", media_type: "text/javascript; charset=utf-8", text: include_str!("assets/live.js") };
pub(super) const ICON: Asset =
    Asset { name: "icon.svg", media_type: "image/svg+xml", text: include_str!("assets/icon.svg") };

impl Asset {
    fn digest(&self) -> String {
        let digest = Sha256::digest(self.text);
        HEXLOWER.encode(digest.get(..8).unwrap_or_default())
    }

    pub(super) fn address(&self) -> String {
        format!("/assets/{}?{}", self.name, self.digest())
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let tag = format!("\"{}\"", self.digest());
        let same = headers.get(IF_NONE_MATCH).is_some_and(|given| given.as_bytes() == tag.as_bytes());
        let (status, text) = if same { (StatusCode::NOT_MODIFIED, "") } else { (StatusCode::OK, self.text) };
        let mut response = typed(status, self.media_type, text);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        if let Ok(tag) = tag.parse() {
            headers.insert(ETAG, tag);
        }
        response
    }
}

/// The file that the path names.
pub(super) async fn show(call: Call) -> Answer {
    let found = [STYLE, SCRIPT, ICON].into_iter().find(|asset| asset.name == call.param("file"));
    found.map(|asset| asset.answer(call.headers())).ok_or_else(|| Failure::not_found("there is no such file"))
}
