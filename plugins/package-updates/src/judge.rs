//! Where a pin stands among the releases of its package. Pure.

use std::str::FromStr as _;

use lockfiles::{Ecosystem, Jump, OffsetDateTime, Package, Version};
use pep440_rs::{Version as PythonVersion, VersionSpecifiers};

use crate::release::{Listing, Release};

/// Which releases count.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Pre-releases too. They always do for whoever is pinned to one.
    pub pre_releases: bool,
    /// Only those for this version of Python.
    pub python: Option<PythonVersion>,
    /// Only those that have been out for so many seconds.
    pub min_age: u64,
    /// To tell ages.
    pub now: OffsetDateTime,
}

/// A newer release, and how far away it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// Its version.
    pub version: String,
    /// The name it goes by, where that is another.
    pub name: Option<String>,
    /// When it came out.
    pub published: Option<OffsetDateTime>,
    /// How far.
    pub jump: Jump,
    /// Seconds since the first release came out that is newer than the pin.
    pub behind: Option<u64>,
    /// How many releases that is.
    pub releases: usize,
}

/// What is to be said of a pin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// There is a newer one.
    pub update: Option<Update>,
    /// It was taken back; the reason may be empty.
    pub yanked: Option<String>,
    /// It, or the package, should not be used any more; the reason may be empty.
    pub deprecated: Option<String>,
    /// The index has no such version.
    pub missing: bool,
    /// When the pinned release came out.
    pub published: Option<OffsetDateTime>,
    /// Its version is none, and cannot be compared.
    pub odd: bool,
}

/// Judges one pin.
pub fn judge(package: &Package, listing: &Listing, rules: &Rules) -> Standing {
    let parse = |text: &str| Version::parse(&package.ecosystem, text);
    let Some(pinned) = parse(&package.version) else {
        return Standing { odd: true, deprecated: listing.deprecated.clone(), ..Standing::default() };
    };
    let same =
        |text: &str| parse(text).is_some_and(|version| version.compare(&pinned) == Some(std::cmp::Ordering::Equal));
    // `1.0+cpu` is built from `1.0`, which is what the index has.
    let public = package.version.split('+').next().unwrap_or_default();
    let own = listing.release(&package.version, same).or_else(|| listing.release(public, |_| false));
    let mut standing = Standing {
        yanked: own.and_then(|release| release.yanked.clone()),
        deprecated: own.and_then(|release| release.deprecated.clone()).or_else(|| listing.deprecated.clone()),
        missing: own.is_none() && listing.complete,
        published: own.and_then(|release| release.published),
        ..Standing::default()
    };
    let pre_releases = rules.pre_releases || (pinned.is_pre_release() && package.ecosystem != Ecosystem::GO);
    // What an index calls the latest is what its tool would install: newer ones are on other tags.
    let ceiling = listing.latest.as_deref().filter(|_| !pre_releases).and_then(parse);
    let mut newer: Vec<(&Release, Version)> = listing
        .releases
        .iter()
        .filter(|release| release.yanked.is_none() && counts(release, rules))
        .filter_map(|release| Some((release, parse(&release.version)?)))
        .filter(|(_, version)| version.is_after(&pinned))
        .filter(|(_, version)| pre_releases || !version.is_pre_release())
        .filter(|(_, version)| ceiling.as_ref().is_none_or(|ceiling| !version.is_after(ceiling)))
        .collect();
    newer.sort_by(|(_, one), (_, other)| one.compare(other).unwrap_or(std::cmp::Ordering::Equal));
    if let Some((release, version)) = newer.last() {
        let first = newer.iter().filter_map(|(release, _)| release.published).min();
        standing.update = Some(Update {
            version: release.version.clone(),
            name: None,
            published: release.published,
            jump: pinned.jump_to(version),
            behind: first.and_then(|first| u64::try_from((rules.now - first).whole_seconds()).ok()),
            releases: newer.len(),
        });
    }
    // Under another name, but the same module: as far away as can be.
    if let Some((path, version)) = &listing.successor {
        standing.update = Some(Update {
            version: version.clone(),
            name: Some(path.clone()),
            published: None,
            jump: Jump::Major,
            behind: standing.update.as_ref().and_then(|update| update.behind),
            releases: newer.len() + 1,
        });
    }
    standing
}

fn counts(release: &Release, rules: &Rules) -> bool {
    let fits = |requires: &str| match (&rules.python, VersionSpecifiers::from_str(requires)) {
        (Some(python), Ok(specifiers)) => specifiers.contains(python),
        // What cannot be read keeps nobody from it, as with pip.
        _ => true,
    };
    let settled = release.published.is_none_or(|published| {
        u64::try_from((rules.now - published).whole_seconds()).unwrap_or_default() >= rules.min_age
    });
    settled && release.requires_python.as_deref().is_none_or(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockfiles::rfc3339;

    fn package(ecosystem: Ecosystem, version: &str) -> Package {
        Package {
            ecosystem,
            name: "x".into(),
            version: version.into(),
            direct: None,
            development: false,
            indexed: true,
        }
    }

    fn rules() -> Rules {
        Rules { pre_releases: false, python: None, min_age: 0, now: rfc3339("2024-06-01T00:00:00Z").unwrap() }
    }

    /// `VERSION DAY`, with `yanked` or `python >=3.9` behind it.
    fn listing(releases: &[&str]) -> Listing {
        let releases = releases.iter().map(|text| {
            let mut words = text.split(' ');
            let version = words.next().unwrap().to_owned();
            let published = words.next().and_then(|day| rfc3339(&format!("{day}T00:00:00Z")));
            let mut release = Release { version, published, ..Release::default() };
            match words.next() {
                Some("yanked") => release.yanked = Some("bad".into()),
                Some("deprecated") => release.deprecated = Some("old".into()),
                Some("python") => release.requires_python = words.next().map(Into::into),
                _ => {}
            }
            release
        });
        Listing { releases: releases.collect(), complete: true, ..Listing::default() }
    }

    /// The newer version, its jump, days behind, and how many releases.
    fn update(package: &Package, listing: &Listing, rules: &Rules) -> Option<(String, Jump, Option<u64>, usize)> {
        let update = judge(package, listing, rules).update?;
        Some((update.version, update.jump, update.behind.map(|seconds| seconds / 86_400), update.releases))
    }

    #[test]
    fn the_newest_release_that_counts_is_the_update() {
        let flask = listing(&[
            "3.0.0 2023-09-30",
            "2.3.0 2023-04-25",
            "2.3.1 2023-04-25 yanked",
            "2.3.2 2023-05-01",
            "3.1.0 2024-05-31 python >=3.9",
            "4.0.0rc1 2024-05-31",
            "nonsense 2024-05-31",
        ]);
        let python = |version: &str| Some(PythonVersion::from_str(version).unwrap());
        for (version, rules, expected) in [
            ("2.3.0", rules(), Some(("3.1.0", Jump::Major, Some(397), 3))),
            ("2.3.0", Rules { python: python("3.8"), ..rules() }, Some(("3.0.0", Jump::Major, Some(397), 2))),
            ("2.3.0", Rules { python: python("3.9.1"), ..rules() }, Some(("3.1.0", Jump::Major, Some(397), 3))),
            ("2.3.0", Rules { min_age: 7 * 86_400, ..rules() }, Some(("3.0.0", Jump::Major, Some(397), 2))),
            ("3.0.0", rules(), Some(("3.1.0", Jump::Minor, Some(1), 1))),
            ("3.1.0", rules(), None),
            ("3.1.0", Rules { pre_releases: true, ..rules() }, Some(("4.0.0rc1", Jump::Major, Some(1), 1))),
            ("3.1.0rc1", rules(), Some(("4.0.0rc1", Jump::Major, Some(1), 2))),
            ("5.0", rules(), None),
        ] {
            let found = update(&package(Ecosystem::PYPI, version), &flask, &rules);
            let expected = expected.map(|(version, jump, days, releases)| (version.to_owned(), jump, days, releases));
            assert_eq!(found, expected, "{version} {rules:?}");
        }
    }

    #[test]
    fn what_the_index_calls_the_latest_is_the_end() {
        let mut releases = listing(&["1.0.0 2020-01-01", "1.1.0 2021-01-01", "2.0.0 2022-01-01"]);
        releases.latest = Some("1.1.0".into());
        for (version, expected) in [("1.0.0", Some("1.1.0")), ("1.1.0", None), ("2.0.0", None)] {
            let found = update(&package(Ecosystem::NPM, version), &releases, &rules()).map(|(version, ..)| version);
            assert_eq!(found.as_deref(), expected, "{version}");
        }
    }

    #[test]
    fn what_is_said_against_a_pin_is_told() {
        let releases = listing(&["1.0 2020-01-01 yanked", "1.1 2020-02-01", "1.2 2020-03-01 deprecated"]);
        for (version, yanked, deprecated, missing, odd) in [
            ("1.0", true, false, false, false),
            ("1.0.0", true, false, false, false),
            ("1.1", false, false, false, false),
            ("1.1+cpu", false, false, false, false),
            ("1.2", false, true, false, false),
            ("1.3", false, false, true, false),
            ("latest", false, false, false, true),
        ] {
            let standing = judge(&package(Ecosystem::PYPI, version), &releases, &rules());
            let found = (standing.yanked.is_some(), standing.deprecated.is_some(), standing.missing, standing.odd);
            assert_eq!(found, (yanked, deprecated, missing, odd), "{version}");
        }
        let gone = Listing { deprecated: Some("use y".into()), ..releases };
        assert_eq!(judge(&package(Ecosystem::PYPI, "1.1"), &gone, &rules()).deprecated.as_deref(), Some("use y"));
    }

    #[test]
    fn a_module_that_goes_on_under_another_path_is_a_major_jump() {
        let mut releases = listing(&["v1.9.0 2024-01-01"]);
        releases.complete = false;
        releases.successor = Some(("example.org/x/v2".into(), "v2.0.1".into()));
        let standing = judge(&package(Ecosystem::GO, "v1.8.0"), &releases, &rules());
        let update = standing.update.unwrap();
        assert_eq!((update.name.as_deref(), update.jump, update.releases), (Some("example.org/x/v2"), Jump::Major, 2));
        assert!(!standing.missing);
        // A pseudo-version is no wish for pre-releases.
        let releases = Listing { successor: None, ..listing(&["v1.10.0-rc.1 2024-01-01", "v1.9.0 2024-01-01"]) };
        let found = update_of(&package(Ecosystem::GO, "v0.0.0-20190308221718-c2843e01d9a2"), &releases);
        assert_eq!(found.as_deref(), Some("v1.9.0"));
    }

    fn update_of(package: &Package, listing: &Listing) -> Option<String> {
        update(package, listing, &rules()).map(|(version, ..)| version)
    }
}
