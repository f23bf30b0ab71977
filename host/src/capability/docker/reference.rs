//! Names of images as people write them: `nginx`, `nginx:1.27`, `ghcr.io/team/app@sha256:...`. Pure.

use std::fmt;
use std::str::FromStr;

/// An image's name, taken apart. The repository is in its familiar form: `nginx` for `docker.io/library/nginx`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reference {
    pub(super) repository: String,
    pub(super) version: Version,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    Tag(String),
    /// `sha256:` and 64 hex digits.
    Digest(String),
}

const LONGEST_REPOSITORY: usize = 255;
const LONGEST_TAG: usize = 128;

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let shown = crate::policy::text::clean_line(text, 128);
            format!("`{shown}` is no name of an image; write it like nginx:1.27 or ghcr.io/team/app@sha256:...")
        };
        let (name, version) = if let Some((name, digest)) = text.split_once('@') {
            let hex = digest.strip_prefix("sha256:").ok_or_else(wrong)?;
            let is_digest = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if !is_digest {
                return Err(wrong());
            }
            // `name:tag@digest` means the digest.
            (split_tag(name).0, Version::Digest(digest.into()))
        } else {
            let (name, tag) = split_tag(text);
            (name, Version::Tag(tag.unwrap_or("latest").into()))
        };
        let repository = familiar(name);
        let tag_is_one = match &version {
            Version::Tag(tag) => {
                tag.len() <= LONGEST_TAG
                    && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
                    && tag.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric() || first == b'_')
            }
            Version::Digest(_) => true,
        };
        if !tag_is_one || !is_repository(repository) {
            return Err(wrong());
        }
        Ok(Self { repository: repository.into(), version })
    }
}

impl Reference {
    /// The host of its registry, as `config.json` of the Docker command line names it.
    pub(super) fn registry(&self) -> &str {
        match self.repository.split_once('/') {
            Some((first, _)) if names_a_host(first) => first,
            _ => "https://index.docker.io/v1/",
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Tag(tag) => write!(f, "{}:{tag}", self.repository),
            Version::Digest(digest) => write!(f, "{}@{digest}", self.repository),
        }
    }
}

/// The repository of a name as the engine lists it, in its familiar form; none for one without a name.
pub(super) fn repository(listed: &str) -> Option<&str> {
    let name = listed.split_once('@').map_or(listed, |(name, _)| name);
    let (repository, _) = split_tag(name);
    (repository != "<none>" && !repository.is_empty()).then(|| familiar(repository))
}

/// A colon after the last slash begins a tag; one before it is a port's.
fn split_tag(name: &str) -> (&str, Option<&str>) {
    let after_slash = name.rfind('/').map_or(0, |slash| slash + 1);
    match name.get(after_slash..).and_then(|last| last.find(':')) {
        Some(colon) => {
            let (repository, tag) = name.split_at(after_slash + colon);
            (repository, tag.strip_prefix(':'))
        }
        None => (name, None),
    }
}

fn familiar(repository: &str) -> &str {
    let short = repository.strip_prefix("docker.io/").or_else(|| repository.strip_prefix("index.docker.io/"));
    let short = short.unwrap_or(repository);
    match short.strip_prefix("library/") {
        Some(official) if !official.contains('/') => official,
        _ => short,
    }
}

fn names_a_host(component: &str) -> bool {
    component.contains(['.', ':']) || component == "localhost"
}

fn is_repository(repository: &str) -> bool {
    let mut components = repository.split('/').peekable();
    if let Some(host) = components.next_if(|first| names_a_host(first)) {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        let framed = edge(host.bytes().next()) && edge(host.bytes().last());
        if !framed || !host.bytes().all(allowed) || host.contains("..") || components.peek().is_none() {
            return false;
        }
    }
    let is_component = |component: &str| {
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
        edge(component.bytes().next())
            && edge(component.bytes().last())
            && component.bytes().all(inner)
            && !component.contains("..")
    };
    repository.len() <= LONGEST_REPOSITORY && components.all(is_component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_as_docker_does() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, repository, shown) in [
            ("nginx", "nginx", "nginx:latest".to_owned()),
            ("docker.io/library/nginx:1.27", "nginx", "nginx:1.27".to_owned()),
            ("team/app:v1", "team/app", "team/app:v1".to_owned()),
            ("localhost:5000/app", "localhost:5000/app", "localhost:5000/app:latest".to_owned()),
            (&format!("ghcr.io/a/b:tag@{digest}"), "ghcr.io/a/b", format!("ghcr.io/a/b@{digest}")),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!((reference.repository.as_str(), reference.to_string()), (repository, shown), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            ":",
            "nginx:",
            "Nginx",
            "a//b",
            "../etc",
            "a/../b",
            "nginx:../..",
            "nginx?x=1",
            "nginx#",
            "a b",
            "a\0",
            "localhost:5000",
            "nginx@sha256:1",
            "nginx@md5:aa",
            "%2e%2e/x",
            "nginx:a/b:c d",
            "-a",
            "a-",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_listed_name_gives_its_repository() {
        for (listed, expected) in [
            ("nginx:1.27", Some("nginx")),
            ("localhost:5000/app:1", Some("localhost:5000/app")),
            ("nginx@sha256:aa", Some("nginx")),
            ("<none>:<none>", None),
            ("<none>@<none>", None),
        ] {
            assert_eq!(repository(listed), expected, "{listed}");
        }
    }

    #[test]
    fn the_registry_is_the_first_component_that_names_a_host() {
        for (text, registry) in [
            ("nginx", "https://index.docker.io/v1/"),
            ("a.example/x", "a.example"),
            ("team/app", "https://index.docker.io/v1/"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().registry(), registry);
        }
    }
}
