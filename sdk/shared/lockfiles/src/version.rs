//! Versions, compared by the rules of the ecosystem that they are of.

use std::cmp::Ordering;
use std::str::FromStr as _;

use crate::Ecosystem;
use crate::debian::Debian;

/// A version that can be compared with others of its ecosystem.
#[derive(Clone, Debug)]
pub struct Version(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// PEP 440.
    Python(Box<pep440_rs::Version>),
    /// Semantic Versioning 2.0.0; `caret` where a jump of the first part that is not zero breaks.
    Semantic { version: semver::Version, caret: bool },
    /// deb-version(7).
    Debian(Debian),
}

/// How far one version is from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Jump {
    /// Repairs.
    Patch,
    /// More of the same.
    Minor,
    /// It may break what uses it.
    Major,
}

impl Jump {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

impl Version {
    /// None for what is no version there, and for ecosystems whose order of versions is not known here.
    pub fn parse(ecosystem: &Ecosystem, text: &str) -> Option<Self> {
        // Longer than any that is meant.
        if text.len() > 256 {
            return None;
        }
        let kind = match ecosystem.family() {
            "PyPI" => Kind::Python(Box::new(pep440_rs::Version::from_str(text.trim()).ok()?)),
            "Debian" | "Ubuntu" => Kind::Debian(Debian::parse(text.trim())?),
            "npm" | "crates.io" => Kind::Semantic { version: semantic(text)?, caret: true },
            "Go" | "Hex" | "SwiftURL" | "GitHub Actions" => Kind::Semantic { version: semantic(text)?, caret: false },
            _ => return None,
        };
        Some(Self(kind))
    }

    /// As OSV writes it in ranges of type `SEMVER`, whatever the ecosystem.
    pub fn semantic(text: &str) -> Option<Self> {
        Some(Self(Kind::Semantic { version: semantic(text)?, caret: false }))
    }

    /// Which comes first; none for versions that follow different rules.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        Some(match (&self.0, &other.0) {
            (Kind::Python(one), Kind::Python(other)) => one.cmp(other),
            // Build metadata orders nothing.
            (Kind::Semantic { version: one, .. }, Kind::Semantic { version: other, .. }) => one.cmp_precedence(other),
            (Kind::Debian(one), Kind::Debian(other)) => one.compare(other),
            _ => return None,
        })
    }

    /// Whether it comes after `other`.
    pub fn is_after(&self, other: &Self) -> bool {
        self.compare(other).is_some_and(Ordering::is_gt)
    }

    /// Alpha, beta, release candidate, snapshot.
    pub fn is_pre_release(&self) -> bool {
        match &self.0 {
            Kind::Python(version) => version.any_prerelease(),
            Kind::Semantic { version, .. } => !version.pre.is_empty(),
            Kind::Debian(version) => version.upstream.contains('~'),
        }
    }

    /// The first part of its number.
    pub fn major(&self) -> u64 {
        self.parts().get(1).copied().unwrap_or_default()
    }

    /// How far it is from here to `other`.
    pub fn jump_to(&self, other: &Self) -> Jump {
        let (from, to) = (self.parts(), other.parts());
        let part = |parts: &[u64], index: usize| parts.get(index).copied().unwrap_or_default();
        // An epoch, then major, minor and what else there is.
        let first = (0..from.len().max(to.len())).find(|&index| part(&from, index) != part(&to, index));
        // 0.1 to 0.2 breaks what 1.1 to 1.2 does not, and so does 0.0.1 to 0.0.2.
        let zeros = match &self.0 {
            Kind::Semantic { caret: true, .. } => from.iter().skip(1).take(2).take_while(|part| **part == 0).count(),
            _ => 0,
        };
        match first {
            Some(first) if first <= 1 + zeros => Jump::Major,
            Some(first) if first == 2 + zeros => Jump::Minor,
            _ => Jump::Patch,
        }
    }

    /// Its epoch, and the numbers behind it.
    fn parts(&self) -> Vec<u64> {
        match &self.0 {
            Kind::Python(version) => {
                std::iter::once(version.epoch()).chain(version.release().iter().copied()).collect()
            }
            Kind::Semantic { version, .. } => vec![0, version.major, version.minor, version.patch],
            Kind::Debian(version) => {
                let numbers = version.upstream.split(['.', '+', '~', '-']).map_while(|part| part.parse().ok());
                std::iter::once(u64::from(version.epoch)).chain(numbers).collect()
            }
        }
    }
}

/// A semantic version as it is met: with a `v` or `=` before it, and with fewer than three numbers.
fn semantic(text: &str) -> Option<semver::Version> {
    let text = text.trim().trim_start_matches('=').trim_start();
    let text = text.strip_prefix('v').unwrap_or(text);
    if let Ok(version) = semver::Version::parse(text) {
        return Some(version);
    }
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at_checked(end)?;
    let mut parts = [0_u64; 3];
    let mut given = numbers.split('.');
    for (index, part) in parts.iter_mut().enumerate() {
        match given.next() {
            Some(number) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
                *part = number.parse().ok()?;
            }
            None if index > 0 => break,
            _ => return None,
        }
    }
    let [major, minor, patch] = parts;
    given.next().is_none().then(|| semver::Version::parse(&format!("{major}.{minor}.{patch}{rest}")).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(ecosystem: &Ecosystem, text: &str) -> Version {
        Version::parse(ecosystem, text).unwrap_or_else(|| panic!("{ecosystem} {text}"))
    }

    #[test]
    fn each_ecosystem_has_its_order() {
        let debian = Ecosystem::named("Debian:12");
        for (ecosystem, order) in [
            (
                &Ecosystem::PYPI,
                &["1.0.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0+cpu", "1.0.post1", "1.1", "1.10", "2!0.1"][..],
            ),
            (&Ecosystem::NPM, &["0.1.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0"]),
            (&Ecosystem::CRATES_IO, &["0.9.9", "1.0.0-rc.1", "1.0.0", "1.0.1"]),
            (
                &Ecosystem::GO,
                &[
                    "v0.0.0-20190308221718-c2843e01d9a2",
                    "v0.0.0-20200101000000-aaaaaaaaaaaa",
                    "v0.1.0",
                    "v1.2.3-0.20200101000000-abcdefabcdef",
                    "v1.2.3",
                    "v2.0.0+incompatible",
                ],
            ),
            (&debian, &["1.1.1n-0+deb11u4", "1.1.1n-0+deb11u5", "3.0.11-1~deb12u2", "3.0.11-1"]),
        ] {
            let parsed: Vec<_> = order.iter().map(|text| version(ecosystem, text)).collect();
            for (first, one) in parsed.iter().enumerate() {
                for (second, other) in parsed.iter().enumerate() {
                    let expected = Some(first.cmp(&second));
                    assert_eq!(one.compare(other), expected, "{ecosystem}: {} {}", order[first], order[second]);
                }
            }
        }
    }

    #[test]
    fn versions_are_equal_that_are_written_differently() {
        for (ecosystem, one, other) in [
            (&Ecosystem::PYPI, "1.0", "1.0.0"),
            (&Ecosystem::PYPI, "1.0-alpha.1", "1.0a1"),
            (&Ecosystem::PYPI, "v1.0", "1.0"),
            (&Ecosystem::NPM, "1.2", "1.2.0"),
            (&Ecosystem::NPM, "=v1.2.0", "1.2.0"),
            (&Ecosystem::CRATES_IO, "1.0.0+spec-1.1", "1.0.0"),
            (&Ecosystem::GO, "v2.0.0+incompatible", "2.0.0"),
            (&Ecosystem::GO, "0", "v0.0.0"),
        ] {
            let order = version(ecosystem, one).compare(&version(ecosystem, other));
            assert_eq!(order, Some(Ordering::Equal), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_version_is_none() {
        let long = "1".repeat(300);
        for (ecosystem, text) in [
            (&Ecosystem::PYPI, "latest"),
            (&Ecosystem::PYPI, "1.0.*"),
            (&Ecosystem::PYPI, ""),
            (&Ecosystem::PYPI, &long),
            (&Ecosystem::PYPI, "99999999999999999999999999"),
            (&Ecosystem::NPM, ""),
            (&Ecosystem::NPM, "1.2.3.4"),
            (&Ecosystem::NPM, "1..2"),
            (&Ecosystem::NPM, "git+ssh://x"),
            (&Ecosystem::NPM, "\u{e9}"),
            (&Ecosystem::NPM, "-1"),
            (&Ecosystem::GO, "v"),
            (&Ecosystem::named("Maven"), "1.0"),
        ] {
            assert!(Version::parse(ecosystem, text).is_none(), "{ecosystem} {text}");
        }
    }

    #[test]
    fn a_jump_is_as_large_as_the_first_part_that_differs() {
        let debian = Ecosystem::named("Debian:12");
        for (ecosystem, from, to, expected) in [
            (&Ecosystem::PYPI, "1.2.3", "2.0", Jump::Major),
            (&Ecosystem::PYPI, "1.2.3", "1.3", Jump::Minor),
            (&Ecosystem::PYPI, "1.2", "1.2.1", Jump::Patch),
            (&Ecosystem::PYPI, "1.2.3.4", "1.2.3.5", Jump::Patch),
            (&Ecosystem::PYPI, "1.2", "1.2.post1", Jump::Patch),
            (&Ecosystem::PYPI, "0.1", "0.2", Jump::Minor),
            (&Ecosystem::PYPI, "2024.1", "1!1.0", Jump::Major),
            (&Ecosystem::NPM, "1.2.3", "1.2.4", Jump::Patch),
            (&Ecosystem::NPM, "1.2.3", "1.3.0", Jump::Minor),
            (&Ecosystem::NPM, "1.2.3", "2.0.0", Jump::Major),
            (&Ecosystem::NPM, "0.1.2", "0.2.0", Jump::Major),
            (&Ecosystem::NPM, "0.1.2", "0.1.3", Jump::Minor),
            (&Ecosystem::NPM, "0.0.1", "0.0.2", Jump::Major),
            (&Ecosystem::NPM, "0.0.1", "1.0.0", Jump::Major),
            (&Ecosystem::NPM, "1.0.0-rc.1", "1.0.0", Jump::Patch),
            (&Ecosystem::CRATES_IO, "0.3.1", "0.4.0", Jump::Major),
            (&Ecosystem::GO, "v0.1.0", "v0.2.0", Jump::Minor),
            (&debian, "3.0.11-1~deb12u2", "3.0.13-1~deb12u1", Jump::Patch),
            (&debian, "2.36-9+deb12u4", "2.36-9+deb12u7", Jump::Patch),
            (&debian, "2.36-9", "2.40-1", Jump::Minor),
            (&debian, "1:9.18.1-1", "1:9.20.0-1", Jump::Minor),
            (&debian, "8.9", "1:8.9", Jump::Major),
        ] {
            assert_eq!(version(ecosystem, from).jump_to(&version(ecosystem, to)), expected, "{from} {to}");
        }
    }

    #[test]
    fn a_pre_release_is_told_from_a_release() {
        for (ecosystem, text, expected) in [
            (&Ecosystem::PYPI, "1.0rc1", true),
            (&Ecosystem::PYPI, "1.0.dev3", true),
            (&Ecosystem::PYPI, "1.0.post1", false),
            (&Ecosystem::NPM, "1.0.0-canary.3", true),
            (&Ecosystem::NPM, "1.0.0+build", false),
        ] {
            assert_eq!(version(ecosystem, text).is_pre_release(), expected, "{text}");
        }
    }
}
