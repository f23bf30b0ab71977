//! Go's module proxy protocol: `MODULE/@latest`, `MODULE/@v/list`, and `MODULE/@v/VERSION.mod`, whose comments tell what
//! was retracted and deprecated (Go Modules Reference).

use lockfiles::bounded::{self, Text};
use lockfiles::{Ecosystem, OffsetDateTime, Version, rfc3339};
use serde::Deserialize;

/// `@latest`.
#[derive(Clone, Debug, PartialEq)]
pub struct Latest {
    /// `v1.9.1`.
    pub version: String,
    /// When it was made.
    pub published: Option<OffsetDateTime>,
}

/// What the newest `go.mod` says against versions, and against the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notices {
    /// The module should not be used any more.
    pub deprecated: Option<String>,
    /// From, to, and why.
    retracted: Vec<(String, String, String)>,
}

/// A path in which upper-case letters are written `!a`, as the protocol has it.
pub fn path(module: &str) -> String {
    let mut path = String::with_capacity(module.len());
    for character in module.chars() {
        if character.is_ascii_uppercase() {
            path.push('!');
        }
        path.push(character.to_ascii_lowercase());
    }
    path
}

/// The answer of `@latest`.
///
/// # Errors
/// What it is instead.
pub fn latest(bytes: &[u8]) -> Result<Latest, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Info {
        version: String,
        #[serde(default)]
        time: Text,
    }
    let info: Info = bounded::json(bytes).map_err(|error| error.to_string())?;
    Ok(Latest { published: rfc3339(info.time.as_str()), version: info.version })
}

/// When a pseudo-version was made: `v0.0.0-20190308221718-c2843e01d9a2`.
pub fn pseudo_time(version: &str) -> Option<OffsetDateTime> {
    let version = version.split('+').next()?;
    let (rest, revision) = version.rsplit_once('-')?;
    let stamp = rest.rsplit(['-', '.']).next()?;
    let good = revision.len() == 12 && stamp.len() == 14 && stamp.bytes().all(|byte| byte.is_ascii_digit());
    if !good {
        return None;
    }
    let part = |from: usize, to: usize| stamp.get(from..to).unwrap_or_default();
    rfc3339(&format!("{}-{}-{}T{}:{}:{}Z", part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 14)))
}

/// The path of the next generation of a module: `example.org/x/v2` after `example.org/x`.
pub fn next_generation(module: &str, version: &str) -> Option<String> {
    // Those of gopkg.in have their generation in the name, and the standard library has none.
    if module.starts_with("gopkg.in/") || module == "stdlib" || version.ends_with("+incompatible") {
        return None;
    }
    let (stem, generation) = match module.rsplit_once("/v") {
        Some((stem, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) && !number.is_empty() => {
            (stem, number.parse::<u32>().ok()?)
        }
        _ => (module, 1),
    };
    Some(format!("{stem}/v{}", generation.checked_add(1)?))
}

/// What a `go.mod` says against its module and its versions.
pub fn notices(text: &str) -> Notices {
    let mut notices = Notices::default();
    let mut comment = String::new();
    let mut within = false;
    for line in text.lines().take(20_000) {
        let (code, said) = line.split_once("//").map_or((line, ""), |(code, said)| (code, said.trim()));
        let code = code.trim();
        if code.is_empty() {
            // Comments above a directive speak of it.
            if said.is_empty() {
                comment.clear();
            } else {
                comment.push(' ');
                comment.push_str(said);
            }
            continue;
        }
        let why = if said.is_empty() { comment.trim() } else { said }.to_owned();
        comment.clear();
        if code.starts_with("module") {
            let deprecated = why.split_once("Deprecated:").map(|(_, why)| short(why));
            notices.deprecated = notices.deprecated.or(deprecated);
        } else if code == ")" {
            within = false;
        } else if let Some(rest) = code.strip_prefix("retract") {
            let rest = rest.trim();
            if rest == "(" {
                within = true;
            } else {
                notices.retract(rest, &why);
            }
        } else if within {
            notices.retract(code, &why);
        }
    }
    notices
}

fn short(text: &str) -> String {
    text.trim().chars().take(200).collect()
}

impl Notices {
    /// `v1.0.0`, or `[v1.0.0, v1.9.9]`.
    fn retract(&mut self, text: &str, why: &str) {
        let ends = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).and_then(|rest| rest.split_once(','));
        let (from, to) = ends.unwrap_or((text, text));
        self.retracted.push((from.trim().into(), to.trim().into(), short(why)));
    }

    /// Why a version was taken back, if it was.
    pub fn retracted(&self, version: &str) -> Option<&str> {
        let parse = |text: &str| Version::parse(&Ecosystem::GO, text);
        let version = parse(version)?;
        let within = |from: &str, to: &str| {
            let (from, to) = parse(from).zip(parse(to))?;
            Some(!from.is_after(&version) && !version.is_after(&to))
        };
        let found = self.retracted.iter().find(|(from, to, _)| within(from, to) == Some(true));
        found.map(|(_, _, why)| why.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_as_the_protocol_has_it() {
        assert_eq!(path("github.com/BurntSushi/toml"), "github.com/!burnt!sushi/toml");
    }

    #[test]
    fn the_latest_is_read() {
        let found = latest(br#"{"Version":"v1.9.1","Time":"2023-05-10T12:00:00Z","Origin":{"VCS":"git"}}"#).unwrap();
        assert_eq!((found.version.as_str(), found.published.is_some()), ("v1.9.1", true));
        for bad in [&b""[..], b"not found: module", b"{}"] {
            assert!(latest(bad).is_err());
        }
    }

    #[test]
    fn a_pseudo_version_tells_its_time() {
        for (version, expected) in [
            ("v0.0.0-20190308221718-c2843e01d9a2", Some("2019-03-08")),
            ("v1.2.4-0.20191109021931-daa7c04131f5", Some("2019-11-09")),
            ("v1.2.3-pre.0.20191109021931-daa7c04131f5", Some("2019-11-09")),
            ("v2.0.0-20191109021931-daa7c04131f5+incompatible", Some("2019-11-09")),
            ("v0.0.0-20199908221718-c2843e01d9a2", None),
            ("v1.2.3", None),
            ("v1.2.3-rc.1", None),
            ("", None),
        ] {
            assert_eq!(pseudo_time(version).map(|time| time.date().to_string()).as_deref(), expected, "{version}");
        }
    }

    #[test]
    fn a_module_may_have_a_next_generation_under_another_path() {
        for (module, version, expected) in [
            ("github.com/a/b", "v1.0.0", Some("github.com/a/b/v2")),
            ("github.com/a/b", "v0.3.0", Some("github.com/a/b/v2")),
            ("github.com/a/b/v2", "v2.1.0", Some("github.com/a/b/v3")),
            ("github.com/a/vault", "v1.0.0", Some("github.com/a/vault/v2")),
            ("gopkg.in/yaml.v3", "v3.0.1", None),
            ("stdlib", "1.22.3", None),
            ("github.com/docker/docker", "v24.0.7+incompatible", None),
        ] {
            assert_eq!(next_generation(module, version).as_deref(), expected, "{module}");
        }
    }

    #[test]
    fn what_is_retracted_or_deprecated_is_told_by_the_newest_file() {
        let notices = notices(
            "// Deprecated: use example.org/new instead.\nmodule example.org/old\n\ngo 1.20\n\n// Published by accident.\nretract v1.0.1\n\nretract (\n\
             \tv1.5.0 // Leaks.\n\t[v2.0.0, v2.9.9] // Broken.\n)\n\nrequire x v1.0.0\n",
        );
        assert_eq!(notices.deprecated.as_deref(), Some("use example.org/new instead."));
        for (version, expected) in [
            ("v1.0.1", Some("Published by accident.")),
            ("v1.5.0", Some("Leaks.")),
            ("v2.3.0", Some("Broken.")),
            ("v1.0.0", None),
            ("v3.0.0", None),
            ("nonsense", None),
        ] {
            assert_eq!(notices.retracted(version), expected, "{version}");
        }
        assert_eq!(super::notices("module example.org/new // Deprecated: gone\n").deprecated.as_deref(), Some("gone"));
        assert_eq!(super::notices("// A module.\nmodule example.org/new\n"), Notices::default());
    }
}
