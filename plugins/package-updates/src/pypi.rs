//! Python's indexes: the JSON API of `PyPI` (`/pypi/NAME/json`), and the simple API in JSON (PEP 691, 700 and 792), which
//! mirrors have too.

use std::collections::BTreeMap;

use lockfiles::bounded::{self, Entries, Items, Text};
use lockfiles::rfc3339;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::release::{Listing, Release};

/// What the simple API is asked for.
pub const SIMPLE: &str = "application/vnd.pypi.simple.v1+json";

/// Whether a base address is one of the simple API: they end so.
pub fn is_simple(base: &str) -> bool {
    base.trim_end_matches('/').ends_with("/simple")
}

#[derive(Deserialize)]
struct Project {
    info: Info,
    #[serde(default)]
    releases: Entries<Items<File>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Info {
    classifiers: Items<Text>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    /// Of the simple API.
    filename: Text,
    /// In the JSON API.
    upload_time_iso_8601: Text,
    /// In the simple API.
    #[serde(rename = "upload-time")]
    upload_time: Text,
    yanked: Yanked,
    /// In the JSON API.
    yanked_reason: Text,
    requires_python: Text,
    #[serde(rename = "requires-python")]
    requires: Text,
}

/// True, or the reason.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Yanked {
    Is(bool),
    Why(String),
    #[default]
    #[serde(skip)]
    Absent,
    Other(IgnoredAny),
}

impl File {
    fn yanked(&self) -> Option<String> {
        match &self.yanked {
            Yanked::Is(true) => Some(self.yanked_reason.as_str().to_owned()),
            Yanked::Why(why) => Some(why.clone()),
            Yanked::Is(false) | Yanked::Absent | Yanked::Other(_) => None,
        }
    }
}

/// The answer of `/pypi/NAME/json`.
///
/// # Errors
/// What it is instead.
pub fn project(bytes: &[u8]) -> Result<Listing, String> {
    let project: Project = bounded::json(bytes).map_err(|error| error.to_string())?;
    let inactive = project.info.classifiers.0.iter().any(|one| one.as_str() == "Development Status :: 7 - Inactive");
    let releases = project.releases.0.iter().filter_map(|(version, files)| release(version, &files.0));
    Ok(Listing {
        releases: releases.collect(),
        deprecated: inactive.then(|| "its authors call it inactive".into()),
        complete: true,
        ..Listing::default()
    })
}

#[derive(Deserialize)]
struct Simple {
    #[serde(default)]
    versions: Items<Text>,
    files: Items<File>,
    #[serde(rename = "project-status", default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    status: Text,
    reason: Text,
}

/// The answer of `/simple/NAME/`.
///
/// # Errors
/// What it is instead.
pub fn simple(name: &str, bytes: &[u8]) -> Result<Listing, String> {
    let simple: Simple = bounded::json(bytes).map_err(|error| match bytes.trim_ascii_start().first() {
        Some(b'<') => "it answers in HTML alone; name an index that speaks JSON (PEP 691)".to_owned(),
        _ => error.to_string(),
    })?;
    let versions: Vec<String> = simple.versions.0.into_iter().filter_map(|version| version.0).collect();
    let mut by_version: BTreeMap<String, Vec<File>> = BTreeMap::new();
    for file in simple.files.0 {
        if let Some(version) = version_of(name, file.filename.as_str(), &versions) {
            by_version.entry(version).or_default().push(file);
        }
    }
    let deprecated = match simple.status.status.as_str() {
        "" | "active" => None,
        status => Some(reasoned(&format!("it is {status}"), simple.status.reason.as_str())),
    };
    let releases = by_version.iter().filter_map(|(version, files)| release(version, files));
    Ok(Listing { releases: releases.collect(), deprecated, complete: true, ..Listing::default() })
}

fn reasoned(what: &str, why: &str) -> String {
    if why.is_empty() { what.to_owned() } else { format!("{what}: {why}") }
}

/// A release is as old as its first file, and yanked when all of its files are. Without files it cannot be installed.
fn release(version: &str, files: &[File]) -> Option<Release> {
    let first = files.first()?;
    let time = |file: &File| rfc3339(file.upload_time_iso_8601.as_str()).or_else(|| rfc3339(file.upload_time.as_str()));
    let yanked: Option<Vec<String>> = files.iter().map(File::yanked).collect();
    let requires = [first.requires_python.as_str(), first.requires.as_str()].into_iter().find(|text| !text.is_empty());
    Some(Release {
        version: version.to_owned(),
        published: files.iter().filter_map(time).min(),
        yanked: yanked.map(|reasons| reasons.into_iter().next().unwrap_or_default()),
        deprecated: None,
        requires_python: requires.map(Into::into),
    })
}

/// The version in a file's name: one of those listed, or what stands in its place.
fn version_of(name: &str, file: &str, versions: &[String]) -> Option<String> {
    let normal = |text: &str| text.replace(['-', '_', '.'], "-").to_ascii_lowercase();
    let found = match file.strip_suffix(".whl") {
        Some(wheel) => wheel.split('-').nth(1)?,
        None => {
            let stem = [".tar.gz", ".zip", ".tar.bz2", ".tgz", ".egg"].iter().find_map(|end| file.strip_suffix(end))?;
            let stem = stem.split("-py").next().unwrap_or(stem);
            let start = stem.get(..name.len()).filter(|start| normal(start) == normal(name))?;
            stem.get(start.len()..)?.strip_prefix(['-', '_'])?
        }
    };
    // Wheels write `1!2.0` and `1.0+local` in their own way.
    let listed = versions.iter().find(|version| **version == found || version.replace('-', "_") == found);
    Some(listed.cloned().unwrap_or_else(|| found.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECT: &[u8] = br#"{"info": {"name": "Flask", "version": "3.0.0", "yanked": false, "classifiers": ["Framework :: Flask"]},
        "last_serial": 1, "releases": {
          "0.1": [],
          "2.3.0": [{"filename": "Flask-2.3.0.tar.gz", "packagetype": "sdist", "requires_python": ">=3.8", "size": 1,
                     "upload_time": "2023-04-25T21:40:37", "upload_time_iso_8601": "2023-04-25T21:40:37.123456Z", "yanked": false, "yanked_reason": null},
                    {"filename": "Flask-2.3.0-py3-none-any.whl", "upload_time_iso_8601": "2023-04-25T21:40:35Z", "yanked": false}],
          "2.3.1": [{"filename": "x", "upload_time_iso_8601": "2023-04-25T22:00:00Z", "yanked": true, "yanked_reason": "broken"}]},
        "urls": [], "vulnerabilities": []}"#;

    #[test]
    fn the_json_api_is_read() {
        let listing = project(PROJECT).unwrap();
        let releases: Vec<_> = listing
            .releases
            .iter()
            .map(|one| (one.version.as_str(), one.published.unwrap().to_string(), one.yanked.as_deref()))
            .collect();
        assert_eq!(
            releases,
            [
                ("2.3.0", "2023-04-25 21:40:35.0 +00:00:00".into(), None),
                ("2.3.1", "2023-04-25 22:00:00.0 +00:00:00".into(), Some("broken"))
            ]
        );
        assert_eq!(listing.releases[0].requires_python.as_deref(), Some(">=3.8"));
        assert_eq!(listing.deprecated, None);
        let inactive = br#"{"info": {"classifiers": ["Development Status :: 7 - Inactive"]}, "releases": {}}"#;
        assert!(project(inactive).unwrap().deprecated.is_some());
        for bad in [&b""[..], b"[]", b"{}", b"<html>", b"{\"message\": \"Not Found\"}"] {
            assert!(project(bad).is_err());
        }
    }

    #[test]
    fn the_simple_api_is_read() {
        let bytes = br#"{"meta": {"api-version": "1.4"}, "name": "zope.interface", "versions": ["5.0", "6.0", "6.0+local"],
          "project-status": {"status": "archived", "reason": "moved"}, "files": [
          {"filename": "zope.interface-5.0.tar.gz", "url": "x", "hashes": {}, "requires-python": ">=3.7", "yanked": "bad", "upload-time": "2020-04-01T00:00:00.000000Z"},
          {"filename": "zope_interface-6.0.tar.gz", "url": "x", "hashes": {}, "yanked": false, "upload-time": "2023-03-17T00:00:00Z"},
          {"filename": "zope.interface-6.0-cp311-cp311-macosx_11_0_arm64.whl", "yanked": true},
          {"filename": "zope.interface-6.1-py3.7.egg"},
          {"filename": "other-9.0.tar.gz"},
          {"filename": "README"}]}"#;
        let listing = simple("zope-interface", bytes).unwrap();
        let releases: Vec<_> = listing
            .releases
            .iter()
            .map(|one| (one.version.as_str(), one.yanked.as_deref(), one.published.is_some()))
            .collect();
        assert_eq!(releases, [("5.0", Some("bad"), true), ("6.0", None, true), ("6.1", None, false)]);
        assert_eq!(listing.deprecated.as_deref(), Some("it is archived: moved"));
        assert!(simple("x", b"<!DOCTYPE html><a href=x>").unwrap_err().contains("PEP 691"));
    }

    #[test]
    fn the_base_tells_which_of_them_it_is() {
        for (base, expected) in [
            ("https://pypi.org", false),
            ("https://pypi.org/simple", true),
            ("https://mirror.example.org/api/pypi/main/simple/", true),
            ("https://mirror.example.org/simpler", false),
        ] {
            assert_eq!(is_simple(base), expected, "{base}");
        }
    }
}
