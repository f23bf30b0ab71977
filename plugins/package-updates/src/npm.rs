//! The registry of npm: a package's document, whole or abbreviated (`application/vnd.npm.install-v1+json`).

use std::collections::HashMap;

use lockfiles::bounded::{self, Entries, Text};
use lockfiles::rfc3339;
use serde::Deserialize;

use crate::release::{Listing, Release};

/// What is asked for where the whole document is too long: it has no times.
pub const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    name: Text,
    #[serde(rename = "dist-tags", default)]
    tags: Entries<Text>,
    #[serde(default)]
    versions: Entries<Version>,
    #[serde(default)]
    time: Entries<Text>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Version {
    deprecated: Text,
}

/// The name as one part of a path: a scope's slash is encoded.
pub fn path(name: &str) -> String {
    name.replace('/', "%2F")
}

/// A package's document.
///
/// # Errors
/// What it is instead.
pub fn listing(name: &str, bytes: &[u8]) -> Result<Listing, String> {
    let document: Document = bounded::json(bytes).map_err(|error| error.to_string())?;
    if document.name.as_str() != name {
        return Err(format!("it answers with `{}`", document.name.as_str()));
    }
    let times: HashMap<&str, &str> =
        document.time.0.iter().map(|(version, time)| (version.as_str(), time.as_str())).collect();
    let latest = document.tags.0.iter().find(|(tag, _)| tag == "latest").and_then(|(_, version)| version.0.clone());
    let releases: Vec<Release> = document
        .versions
        .0
        .iter()
        .map(|(version, says)| Release {
            version: version.clone(),
            published: times.get(version.as_str()).and_then(|time| rfc3339(time)),
            deprecated: says.deprecated.0.clone().filter(|why| !why.is_empty()),
            ..Release::default()
        })
        .collect();
    // Where the newest is deprecated, so is the package.
    let newest = releases.iter().find(|release| Some(&release.version) == latest.as_ref());
    let deprecated = newest.and_then(|release| release.deprecated.clone());
    Ok(Listing { releases, latest, deprecated, complete: true, ..Listing::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_whole_or_abbreviated() {
        let whole = br#"{"_id": "request", "_rev": "1", "name": "request", "dist-tags": {"latest": "2.88.2", "next": "3.0.0"},
            "versions": {"2.88.0": {"name": "request", "version": "2.88.0", "dist": {"tarball": "x"}},
                         "2.88.2": {"deprecated": "request has been deprecated"}, "3.0.0": {"deprecated": false}},
            "time": {"created": "2011-01-22T04:53:01.449Z", "modified": "2022-06-26T00:00:00.000Z", "2.88.2": "2020-02-11T16:35:48.221Z"},
            "readme": "long"}"#;
        let listing = listing("request", whole).unwrap();
        assert_eq!(listing.latest.as_deref(), Some("2.88.2"));
        assert_eq!(listing.deprecated.as_deref(), Some("request has been deprecated"));
        let releases: Vec<_> = listing
            .releases
            .iter()
            .map(|one| (one.version.as_str(), one.published.is_some(), one.deprecated.is_some()))
            .collect();
        assert_eq!(releases, [("2.88.0", false, false), ("2.88.2", true, true), ("3.0.0", false, false)]);
        let abbreviated = br#"{"name": "a", "modified": "2022-06-26T00:00:00.000Z", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {"dist": {}}}}"#;
        assert_eq!(super::listing("a", abbreviated).unwrap().releases.len(), 1);
        for bad in [&b""[..], b"{}", b"[]", br#"{"name": "b"}"#, br#"{"error": "not_found"}"#] {
            assert!(super::listing("a", bad).is_err());
        }
    }

    #[test]
    fn a_scope_is_part_of_the_name() {
        assert_eq!(path("@babel/core"), "@babel%2Fcore");
        assert_eq!(path("lodash"), "lodash");
    }
}
