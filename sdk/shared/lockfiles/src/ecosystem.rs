//! Where packages come from, by the names of the OSV schema (1.7): `PyPI`, `crates.io`, `Debian:12`.

use std::borrow::Cow;
use std::fmt;

/// A family of packages whose names and versions follow one set of rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ecosystem(Cow<'static, str>);

impl Ecosystem {
    /// Python.
    pub const PYPI: Self = Self(Cow::Borrowed("PyPI"));
    /// Rust.
    pub const CRATES_IO: Self = Self(Cow::Borrowed("crates.io"));
    /// JavaScript.
    pub const NPM: Self = Self(Cow::Borrowed("npm"));
    /// Go.
    pub const GO: Self = Self(Cow::Borrowed("Go"));

    /// Any, by its name in the OSV schema, with the release behind a colon where it has one.
    pub fn named(name: impl Into<Cow<'static, str>>) -> Self {
        Self(name.into())
    }

    /// With its release: `Debian:12`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without its release: `Debian`.
    pub fn family(&self) -> &str {
        self.0.split_once(':').map_or(&*self.0, |(family, _)| family)
    }

    /// Whether what is said of `other` is said of this: `Debian` is every release of it.
    pub fn is_within(&self, other: &str) -> bool {
        self.as_str() == other || self.family() == other
    }

    /// A package's name in the form in which names are compared.
    pub fn normal_name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match self.family() {
            "PyPI" => python_name(name),
            _ => Cow::Borrowed(name),
        }
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As PEP 503 has it: lower case, and one `-` for each run of `-`, `_` and `.`.
fn python_name(name: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if name.bytes().all(plain) {
        return Cow::Borrowed(name);
    }
    let mut normal = String::with_capacity(name.len());
    for character in name.chars() {
        if matches!(character, '-' | '_' | '.') {
            if !normal.ends_with('-') {
                normal.push('-');
            }
        } else {
            normal.extend(character.to_lowercase());
        }
    }
    Cow::Owned(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_names_have_one_form() {
        for (name, normal) in [
            ("requests", "requests"),
            ("Flask", "flask"),
            ("zope.interface", "zope-interface"),
            ("a_-.b", "a-b"),
            ("A__B", "a-b"),
            ("", ""),
        ] {
            assert_eq!(Ecosystem::PYPI.normal_name(name), normal);
        }
        assert_eq!(Ecosystem::GO.normal_name("github.com/BurntSushi/toml"), "github.com/BurntSushi/toml");
    }

    #[test]
    fn a_release_belongs_to_its_family() {
        let bookworm = Ecosystem::named("Debian:12");
        for (other, within) in [("Debian:12", true), ("Debian", true), ("Debian:11", false), ("PyPI", false)] {
            assert_eq!(bookworm.is_within(other), within, "{other}");
        }
        assert!(!Ecosystem::named("Debian").is_within("Debian:12"));
    }
}
