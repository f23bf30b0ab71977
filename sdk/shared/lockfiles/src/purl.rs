//! Package URLs (ECMA-427), as far as bills of materials use them to name packages.
//!
//! Names keep their case, which the specification has lowered for Go: its modules and their advisories have it.

use percent_encoding::percent_decode_str;

use crate::Ecosystem;
use crate::file::Package;

/// A package URL in its parts.
struct Purl {
    kind: String,
    namespace: String,
    name: String,
    version: String,
    qualifiers: Vec<(String, String)>,
}

/// The package, where its kind is one that advisories speak of, and the version is told.
pub(crate) fn package(text: &str) -> Option<Package> {
    let purl = Purl::parse(text)?;
    if purl.version.is_empty() {
        return None;
    }
    let (ecosystem, name) = purl.place()?;
    let mut version = purl.version.clone();
    if purl.kind == "deb" || purl.kind == "rpm" {
        // An epoch is part of the version there.
        if let Some(epoch) = purl.qualifier("epoch").filter(|epoch| *epoch != "0" && !version.contains(':')) {
            version = format!("{epoch}:{version}");
        }
    }
    Some(Package::new(ecosystem, &name, &version))
}

impl Purl {
    fn parse(text: &str) -> Option<Self> {
        let rest = text.trim().strip_prefix("pkg:")?.trim_start_matches('/');
        let rest = rest.split('#').next()?;
        let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        let (kind, rest) = rest.split_once('/')?;
        // A scope's `@` may stand as it is, at the beginning of a part.
        let (path, version) = match rest.rsplit_once('@') {
            Some((path, version)) if !path.is_empty() && !path.ends_with('/') => (path, version),
            _ => (rest, ""),
        };
        let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned);
        let path = path.trim_matches('/');
        let (namespace, name) = path.rsplit_once('/').unwrap_or(("", path));
        let qualifiers = qualifiers.split('&').filter_map(|pair| pair.split_once('='));
        Some(Self {
            kind: kind.to_ascii_lowercase(),
            namespace: decode(namespace)?,
            name: decode(name).filter(|name| !name.is_empty())?,
            version: decode(version)?,
            qualifiers: qualifiers.filter_map(|(key, value)| Some((key.to_lowercase(), decode(value)?))).collect(),
        })
    }

    fn qualifier(&self, name: &str) -> Option<&str> {
        self.qualifiers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The ecosystem, and the name there.
    fn place(&self) -> Option<(Ecosystem, String)> {
        let joined = |by: &str| match self.namespace.as_str() {
            "" => self.name.clone(),
            namespace => format!("{namespace}{by}{}", self.name),
        };
        Some(match self.kind.as_str() {
            "pypi" => (Ecosystem::PYPI, self.name.clone()),
            "cargo" => (Ecosystem::CRATES_IO, self.name.clone()),
            "npm" => (Ecosystem::NPM, joined("/")),
            "golang" => (Ecosystem::GO, joined("/")),
            "maven" => (Ecosystem::named("Maven"), joined(":")),
            "gem" => (Ecosystem::named("RubyGems"), self.name.clone()),
            "nuget" => (Ecosystem::named("NuGet"), self.name.clone()),
            "composer" => (Ecosystem::named("Packagist"), joined("/")),
            "hex" => (Ecosystem::named("Hex"), self.name.clone()),
            "pub" => (Ecosystem::named("Pub"), self.name.clone()),
            "hackage" => (Ecosystem::named("Hackage"), self.name.clone()),
            "cran" => (Ecosystem::named("CRAN"), self.name.clone()),
            "swift" => (Ecosystem::named("SwiftURL"), joined("/")),
            "bitnami" => (Ecosystem::named("Bitnami"), self.name.clone()),
            "deb" | "apk" | "rpm" => (self.distribution()?, self.source()),
            _ => return None,
        })
    }

    /// `distro=debian-12` in `pkg:deb/debian/...` is `Debian:12`.
    fn distribution(&self) -> Option<Ecosystem> {
        let distro = self.qualifier("distro").unwrap_or_default();
        let release = distro.rsplit_once('-').map_or(distro, |(_, release)| release);
        let parts = |most: usize| release.split('.').take(most).collect::<Vec<_>>().join(".");
        let released = |family: &str, release: String| {
            Ecosystem::named(if release.is_empty() { family.to_owned() } else { format!("{family}:{release}") })
        };
        Some(match self.namespace.to_ascii_lowercase().as_str() {
            "debian" => released("Debian", parts(1)),
            "ubuntu" => {
                let release = parts(2);
                // Of every second year the one in April.
                let year = release.strip_suffix(".04").and_then(|year| year.parse::<u32>().ok());
                let long = year.is_some_and(|year| year.is_multiple_of(2));
                released("Ubuntu", if long { format!("{release}:LTS") } else { release })
            }
            "alpine" => released("Alpine", parts(2)).prefixed(),
            "wolfi" => Ecosystem::named("Wolfi"),
            "chainguard" => Ecosystem::named("Chainguard"),
            "rocky" => released("Rocky Linux", parts(1)),
            "almalinux" => released("AlmaLinux", parts(1)),
            _ => return None,
        })
    }

    /// Advisories of distributions name the source package, which `upstream` tells, sometimes with its version.
    fn source(&self) -> String {
        let source = self.qualifier("upstream").or_else(|| self.qualifier("source")).unwrap_or(&self.name);
        let source = source.split('@').next().unwrap_or_default();
        // Of an RPM it is a file's name.
        let source = match source.strip_suffix(".src.rpm") {
            Some(file) => file.rsplitn(3, '-').nth(2).unwrap_or(file),
            None => source,
        };
        if source.is_empty() { self.name.clone() } else { source.to_owned() }
    }
}

impl Ecosystem {
    /// `Alpine:3.19` is written `Alpine:v3.19`.
    fn prefixed(self) -> Self {
        match self.as_str().split_once(':') {
            Some((family, release)) if !release.starts_with('v') => Self::named(format!("{family}:v{release}")),
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_urls_name_packages() {
        for (purl, ecosystem, name, version) in [
            ("pkg:pypi/Django_Rest@3.2.0", "PyPI", "django-rest", "3.2.0"),
            ("pkg:cargo/serde@1.0.0", "crates.io", "serde", "1.0.0"),
            ("pkg:npm/%40babel/core@7.0.0", "npm", "@babel/core", "7.0.0"),
            ("pkg:npm/@babel/core@7.0.0", "npm", "@babel/core", "7.0.0"),
            ("pkg:golang/github.com/BurntSushi/toml@v1.3.2", "Go", "github.com/BurntSushi/toml", "v1.3.2"),
            (
                "pkg:golang/github.com/docker/docker@v24.0.7%2Bincompatible",
                "Go",
                "github.com/docker/docker",
                "v24.0.7+incompatible",
            ),
            ("pkg:maven/org.apache/log4j@1.2?type=jar", "Maven", "org.apache:log4j", "1.2"),
            ("pkg:composer/symfony/http-kernel@v5.0.0", "Packagist", "symfony/http-kernel", "v5.0.0"),
            (
                "pkg:deb/debian/libssl3@3.0.11-1~deb12u2?arch=amd64&upstream=openssl&distro=debian-12",
                "Debian:12",
                "openssl",
                "3.0.11-1~deb12u2",
            ),
            (
                "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?distro=debian-12.4&upstream=glibc%402.36",
                "Debian:12",
                "glibc",
                "2.36-9+deb12u4",
            ),
            ("pkg:deb/ubuntu/curl@7.81.0-1?distro=ubuntu-22.04", "Ubuntu:22.04:LTS", "curl", "7.81.0-1"),
            ("pkg:deb/ubuntu/curl@8.5.0?distro=ubuntu-23.10", "Ubuntu:23.10", "curl", "8.5.0"),
            ("pkg:deb/debian/bind9@9.18.1-1?epoch=1&distro=debian-12", "Debian:12", "bind9", "1:9.18.1-1"),
            (
                "pkg:apk/alpine/libcrypto3@3.1.4-r5?distro=alpine-3.19.1&upstream=openssl",
                "Alpine:v3.19",
                "openssl",
                "3.1.4-r5",
            ),
            (
                "pkg:rpm/rocky/openssl-libs@3.0.7-24.el9?arch=x86_64&epoch=1&upstream=openssl-3.0.7-24.el9.src.rpm&distro=rocky-9.3",
                "Rocky Linux:9",
                "openssl",
                "1:3.0.7-24.el9",
            ),
        ] {
            let package = package(purl).unwrap_or_else(|| panic!("{purl}"));
            assert_eq!(
                (package.ecosystem.as_str(), package.name.as_str(), package.version.as_str()),
                (ecosystem, name, version)
            );
        }
    }

    #[test]
    fn what_names_no_package_at_a_version_is_none() {
        for purl in [
            "",
            "pkg:",
            "pkg:pypi",
            "pkg:pypi/",
            "pkg:pypi/@1.0",
            "pkg:pypi/requests",
            "pkg:generic/openssl@1.0",
            "pkg:pypi/%ff@1",
            "pkg:rpm/suse/x@1?distro=sles-15",
            "https://example.org/requests@1.0",
        ] {
            assert!(package(purl).is_none(), "{purl}");
        }
    }
}
