//! The sparse index of crates.io and of registries like it: a line of JSON a version (Cargo's book, "Registry Index").

use lockfiles::bounded::{self, Text};
use lockfiles::rfc3339;
use serde::Deserialize;

use crate::release::{Listing, Release};

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    name: Text,
    vers: String,
    #[serde(default)]
    yanked: bool,
    /// Since 2025.
    #[serde(default)]
    pubtime: Text,
}

/// Where the index keeps a crate: `se/rd/serde`.
pub fn path(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    if !name.is_ascii() {
        return None;
    }
    Some(match name.len() {
        0 => return None,
        1 => format!("1/{name}"),
        2 => format!("2/{name}"),
        3 => format!("3/{}/{name}", name.get(..1)?),
        _ => format!("{}/{}/{name}", name.get(..2)?, name.get(2..4)?),
    })
}

/// The file of one crate.
///
/// # Errors
/// What it is instead.
pub fn listing(name: &str, bytes: &[u8]) -> Result<Listing, String> {
    let mut releases = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        let line: Line = bounded::json(line).map_err(|error| error.to_string())?;
        if !line.name.as_str().eq_ignore_ascii_case(name) {
            return Err(format!("it answers with `{}`", line.name.as_str()));
        }
        if releases.len() >= bounded::MOST {
            return Err("there are too many versions".into());
        }
        releases.push(Release {
            version: line.vers,
            published: rfc3339(line.pubtime.as_str()),
            yanked: line.yanked.then(String::new),
            ..Release::default()
        });
    }
    if releases.is_empty() {
        Err("the answer is empty".into())
    } else {
        Ok(Listing { releases, complete: true, ..Listing::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_lie_where_cargo_looks() {
        for (name, expected) in [
            ("a", Some("1/a")),
            ("ab", Some("2/ab")),
            ("abc", Some("3/a/abc")),
            ("Serde", Some("se/rd/serde")),
            ("", None),
            ("\u{e9}t\u{e9}", None),
        ] {
            assert_eq!(path(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn lines_are_read() {
        let bytes = br#"{"name":"pep440_rs","vers":"0.1.0","deps":[{"name":"serde","req":"^1"}],"cksum":"31","features":{},"yanked":true}
{"name":"pep440_rs","vers":"0.7.3","deps":[],"cksum":"31","features":{},"yanked":false,"pubtime":"2024-12-04T15:32:24Z","v":2}
"#;
        let listing = listing("pep440_rs", bytes).unwrap();
        let releases: Vec<_> = listing
            .releases
            .iter()
            .map(|one| (one.version.as_str(), one.yanked.is_some(), one.published.is_some()))
            .collect();
        assert_eq!(releases, [("0.1.0", true, false), ("0.7.3", false, true)]);
        for bad in [&b""[..], b"\n", b"{\"vers\": 1}", b"<html>", br#"{"name":"other","vers":"1.0.0"}"#] {
            assert!(super::listing("pep440_rs", bad).is_err());
        }
    }
}
