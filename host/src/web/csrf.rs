//! That a change was asked for by our own page: a token in each form that only whoever signed in can know, and what the
//! browser says of where the request comes from. Pure.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// The name of the field.
pub(super) const FIELD: &str = "csrf";
/// The header that stands for it where there is no form.
pub(super) const HEADER: &str = "x-csrf-token";

/// Makes tokens, with a key of this process.
#[derive(Debug)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The token of a session, or of somebody whom a proxy names.
    pub(super) fn token(&self, whose: &str) -> String {
        let inner = Sha256::new().chain_update(self.0).chain_update(whose).finalize();
        // Twice, so that nobody can lengthen it.
        HEXLOWER.encode(&Sha256::new().chain_update(self.0).chain_update(inner).finalize())
    }

    /// Whether that is its token. It takes as long however much of it is right.
    pub(super) fn holds(&self, whose: &str, given: &str) -> bool {
        let token = self.token(whose);
        let differ = token.bytes().zip(given.bytes()).fold(0u8, |differ, (one, other)| differ | (one ^ other));
        token.len() == given.len() && std::hint::black_box(differ) == 0
    }
}

/// Whether a browser says that another site's page asks. What is no browser says nothing.
pub(super) fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    if let Some(site) = headers.get("sec-fetch-site") {
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(ORIGIN).map(text) else { return false };
    let host = headers.get(HOST).map(text).unwrap_or_default();
    origin.split_once("://").is_none_or(|(_, origin)| !origin.eq_ignore_ascii_case(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_session_and_one_process() {
        let (key, other) = (Key::new([1; 32]), Key::new([2; 32]));
        let token = key.token("session");
        assert!(key.holds("session", &token));
        for (key, whose, given) in [
            (&key, "another", token.as_str()),
            (&other, "session", &token),
            (&key, "session", &token[1..]),
            (&key, "session", ""),
        ] {
            assert!(!key.holds(whose, given));
        }
    }

    #[test]
    fn another_sites_page_is_foreign() {
        for (headers, foreign) in [
            (&[("host", "h:1")][..], false),
            (&[("host", "h:1"), ("origin", "http://h:1")], false),
            (&[("host", "h:1"), ("origin", "https://evil.example")], true),
            (&[("host", "h:1"), ("origin", "null")], true),
            (&[("host", "h:1"), ("origin", "http://h:2")], true),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "cross-site"), ("host", "h"), ("origin", "http://h")], true),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            assert_eq!(is_foreign(&map), foreign, "{headers:?}");
        }
    }
}
