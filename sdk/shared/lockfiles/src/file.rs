//! One file, from its bytes to its packages.

use std::borrow::Cow;
use std::fmt;

use crate::{Ecosystem, cargo, golang, npm, pnpm, python, requirements, sbom, yarn};

/// A package at a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Where it comes from.
    pub ecosystem: Ecosystem,
    /// In the form in which the ecosystem compares names.
    pub name: String,
    /// As the file has it.
    pub version: String,
    /// Whether the project itself asks for it, rather than another package; none where the file does not tell.
    pub direct: Option<bool>,
    /// Only for building and testing, as far as the file tells.
    pub development: bool,
    /// From an index of the ecosystem's, rather than a repository or an address.
    pub indexed: bool,
}

impl Package {
    /// From an index, and nothing else known of it.
    pub(crate) fn new(ecosystem: Ecosystem, name: &str, version: &str) -> Self {
        let name = ecosystem.normal_name(name.trim()).into_owned();
        Self { ecosystem, name, version: version.trim().into(), direct: None, development: false, indexed: true }
    }
}

/// What cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// 1 is the first; none for the file as a whole.
    pub line: Option<usize>,
    /// A lower-case fragment.
    pub message: String,
}

impl Problem {
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self { line: None, message: bounded(message.into()) }
    }

    pub(crate) fn at(line: usize, message: impl Into<String>) -> Self {
        Self { line: Some(line), message: bounded(message.into()) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// What it pins.
    pub packages: Vec<Package>,
    /// What it asks for without pinning it, by name.
    pub unpinned: Vec<String>,
    /// Files that it includes, as it names them.
    pub includes: Vec<String>,
    /// Packages of kinds that no rules are known for, as it names them.
    pub unknown: Vec<String>,
    /// What of it cannot be read.
    pub problems: Vec<Problem>,
}

impl Contents {
    pub(crate) fn broken(message: impl Into<String>) -> Self {
        Self { problems: vec![Problem::whole(message)], ..Self::default() }
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// pip's `requirements.txt` and `constraints.txt`.
    Requirements,
    /// Poetry's, uv's, and PDM's lockfile, and `pylock.toml` (PEP 751).
    PythonLock,
    /// Pipenv's.
    PipfileLock,
    /// Cargo's.
    CargoLock,
    /// npm's `package-lock.json` and `npm-shrinkwrap.json`, versions 1 to 3.
    PackageLock,
    /// Yarn's, classic and berry.
    YarnLock,
    /// pnpm's, versions 5 to 9.
    PnpmLock,
    /// Go's `go.mod`.
    GoModule,
    /// Go's `go.sum`.
    GoSum,
    /// CycloneDX or SPDX, in JSON.
    Sbom,
}

impl Format {
    /// By the file's name; none where it says nothing.
    pub fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        let ends = |end: &str| name.ends_with(end);
        Some(match name.as_str() {
            "poetry.lock" | "uv.lock" | "pdm.lock" => Self::PythonLock,
            "pipfile.lock" => Self::PipfileLock,
            "cargo.lock" => Self::CargoLock,
            "package-lock.json" | "npm-shrinkwrap.json" => Self::PackageLock,
            "yarn.lock" => Self::YarnLock,
            "pnpm-lock.yaml" => Self::PnpmLock,
            "go.mod" => Self::GoModule,
            "go.sum" => Self::GoSum,
            _ if name.starts_with("pylock.") && ends(".toml") => Self::PythonLock,
            _ if ends(".json") => Self::Sbom,
            _ if ends(".txt") || ends(".in") => Self::Requirements,
            _ => return None,
        })
    }
}

/// Reads a file; never fails: what is wrong with it is in its problems.
pub fn read(format: Format, bytes: &[u8]) -> Contents {
    let text = text(bytes);
    if text.is_empty() {
        return Contents::broken("the file is empty");
    }
    match format {
        Format::Requirements => requirements::read(&text),
        Format::PythonLock => python::read_lock(&text),
        Format::PipfileLock => python::read_pipfile(&text),
        Format::CargoLock => cargo::read(&text),
        Format::PackageLock => npm::read(&text),
        Format::YarnLock => yarn::read(&text),
        Format::PnpmLock => pnpm::read(&text),
        Format::GoModule => golang::read_module(&text),
        Format::GoSum => golang::read_sum(&text),
        Format::Sbom => sbom::read(&text),
    }
}

/// As UTF-8: a byte-order mark is left out, and UTF-16, which `pip freeze >` makes on Windows, is understood.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    let wide = |order: fn([u8; 2]) -> u16, rest: &[u8]| {
        let units: Vec<u16> = rest.as_chunks::<2>().0.iter().map(|pair| order(*pair)).collect();
        Cow::Owned(String::from_utf16_lossy(&units))
    };
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest),
        [0xff, 0xfe, rest @ ..] => wide(u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => wide(u16::from_be_bytes, rest),
        _ => String::from_utf8_lossy(bytes),
    }
}

/// A message that quotes a file is as long as people read, and no longer.
fn bounded(mut message: String) -> String {
    const LONGEST: usize = 240;
    if message.len() > LONGEST {
        let end = message.floor_char_boundary(LONGEST);
        message.truncate(end);
        message.push('\u{2026}');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_name() {
        for (path, format) in [
            ("requirements.txt", Some(Format::Requirements)),
            ("api/requirements-dev.txt", Some(Format::Requirements)),
            ("Pipfile.lock", Some(Format::PipfileLock)),
            ("a/b/poetry.lock", Some(Format::PythonLock)),
            ("pylock.toml", Some(Format::PythonLock)),
            ("pylock.dev.toml", Some(Format::PythonLock)),
            ("Cargo.lock", Some(Format::CargoLock)),
            ("web/package-lock.json", Some(Format::PackageLock)),
            ("image.cdx.json", Some(Format::Sbom)),
            ("go.sum", Some(Format::GoSum)),
            ("Cargo.toml", None),
            ("README.md", None),
            ("", None),
        ] {
            assert_eq!(Format::of(path), format, "{path}");
        }
    }

    #[test]
    fn text_is_text_however_it_is_encoded() {
        let wide: Vec<u8> = "\u{feff}requests==2.31.0\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "\u{feff}requests==2.31.0\r\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [&wide[..], &big, b"\xef\xbb\xbfrequests==2.31.0", b"requests==2.31.0\r\n"] {
            let contents = read(Format::Requirements, bytes);
            assert_eq!(contents.packages.len(), 1, "{contents:?}");
            assert_eq!((contents.packages[0].name.as_str(), contents.problems.len()), ("requests", 0));
        }
    }

    #[test]
    fn nonsense_is_a_problem_in_every_format() {
        let deep = "[".repeat(100_000);
        let nested = "{\"components\":[".repeat(50_000);
        let nonsense: [&[u8]; 9] = [
            b"",
            b"\0\0\0\0",
            b"\xff\xfe\0",
            b"\xff\xff\xff",
            b"{",
            b"[[package]]\nname = ",
            b"<html><body>404</body></html>",
            deep.as_bytes(),
            nested.as_bytes(),
        ];
        for format in [
            Format::Requirements,
            Format::PythonLock,
            Format::PipfileLock,
            Format::CargoLock,
            Format::PackageLock,
            Format::YarnLock,
            Format::PnpmLock,
            Format::GoModule,
            Format::GoSum,
            Format::Sbom,
        ] {
            for bytes in nonsense {
                let contents = read(format, bytes);
                assert!(!contents.problems.is_empty(), "{format:?} {:?}", bytes.get(..20));
                assert!(contents.packages.is_empty(), "{format:?} {:?}", bytes.get(..20));
                assert!(contents.problems.iter().all(|problem| problem.message.len() < 300));
            }
        }
    }
}
