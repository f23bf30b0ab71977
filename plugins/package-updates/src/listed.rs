//! What package managers list as outdated: `pip list --outdated --format=json`, `npm outdated --json`,
//! `apt list --upgradable`.

use lockfiles::bounded::{self, Entries, Items, Text};
use lockfiles::{Ecosystem, Jump, Version};
use serde::Deserialize;

/// One line of such a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What it is called there.
    pub name: String,
    /// What is installed.
    pub current: String,
    /// What there is.
    pub latest: String,
    /// How far that is, where the versions can be compared.
    pub jump: Option<Jump>,
    /// It repairs a vulnerability, as far as the list tells.
    pub security: bool,
}

#[derive(Deserialize)]
struct Pip {
    name: String,
    version: String,
    latest_version: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Npm {
    current: Text,
    latest: Text,
    /// `npm outdated` answers so when it fails.
    code: Text,
}

/// Reads a list of any of the three kinds.
///
/// # Errors
/// That it is none of them.
pub fn read(output: &[u8]) -> Result<Vec<Listed>, String> {
    let text = output.trim_ascii();
    match text.first() {
        // npm says nothing when nothing is outdated.
        None => Ok(Vec::new()),
        Some(b'[') => pip(text),
        Some(b'{') => npm(text),
        Some(_) => apt(&String::from_utf8_lossy(text)),
    }
}

fn listed(ecosystem: &Ecosystem, name: &str, current: &str, latest: &str) -> Listed {
    let versions = Version::parse(ecosystem, current).zip(Version::parse(ecosystem, latest));
    let jump = versions.map(|(current, latest)| current.jump_to(&latest));
    Listed { name: name.into(), current: current.into(), latest: latest.into(), jump, security: false }
}

fn pip(text: &[u8]) -> Result<Vec<Listed>, String> {
    let list: Items<Pip> = bounded::json(text)
        .map_err(|error| format!("it is not what `pip list --outdated --format=json` prints: {error}"))?;
    Ok(list.0.iter().map(|one| listed(&Ecosystem::PYPI, &one.name, &one.version, &one.latest_version)).collect())
}

fn npm(text: &[u8]) -> Result<Vec<Listed>, String> {
    /// One for each place, or one.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Places {
        Many(Vec<Npm>),
        One(Npm),
    }
    let strange = |error| format!("it is not what `npm outdated --json` prints: {error}");
    let list: Entries<Places> = bounded::json(text).map_err(strange)?;
    let mut found = Vec::new();
    for (name, places) in &list.0 {
        let places = match places {
            Places::One(one) => std::slice::from_ref(one),
            Places::Many(many) => many,
        };
        for place in places {
            if name == "error" && !place.code.as_str().is_empty() {
                return Err(format!("npm failed with {}", place.code.as_str()));
            }
            // What is not installed has no version; what is linked has none that counts.
            if let (Some(current), Some(latest)) = (&place.current.0, &place.latest.0) {
                let one = listed(&Ecosystem::NPM, name, current, latest);
                if current != latest && !found.contains(&one) {
                    found.push(one);
                }
            }
        }
    }
    Ok(found)
}

/// `libssl3/stable-security 3.0.13-1~deb12u1 amd64 [upgradable from: 3.0.11-1~deb12u2]`, in any language.
fn apt(text: &str) -> Result<Vec<Listed>, String> {
    let debian = Ecosystem::named("Debian");
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty()
            || (line.contains("...") && !line.contains('/'))
            || line.starts_with("WARNING:")
            || line.starts_with("N:")
        {
            continue;
        }
        let strange = || {
            let shown: String = line.chars().take(80).collect();
            format!("`{shown}` is no line of `apt list --upgradable`, nor JSON of pip or npm")
        };
        let (package, rest) = line.split_once(' ').ok_or_else(strange)?;
        let (name, suites) = package.split_once('/').ok_or_else(strange)?;
        let latest = rest.split(' ').next().unwrap_or_default();
        let note = rest.rsplit_once('[').and_then(|(_, note)| note.strip_suffix(']')).ok_or_else(strange)?;
        let (_, current) = note.rsplit_once(' ').ok_or_else(strange)?;
        if found.len() >= bounded::MOST {
            return Err("it has too many lines".into());
        }
        let security = suites.split(',').any(|suite| suite.ends_with("-security"));
        found.push(Listed { security, ..listed(&debian, name, current, latest) });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(output: &str) -> Vec<(String, Option<Jump>, bool)> {
        let listed = read(output.as_bytes()).unwrap();
        listed
            .into_iter()
            .map(|one| (format!("{} {} {}", one.name, one.current, one.latest), one.jump, one.security))
            .collect()
    }

    #[test]
    fn each_manager_s_list_is_read() {
        assert_eq!(
            lines(
                r#"[{"name": "certifi", "version": "2023.7.22", "latest_version": "2024.2.2", "latest_filetype": "wheel"},
                     {"name": "pip", "version": "23.0.1", "latest_version": "23.0.2", "latest_filetype": "wheel"}]"#
            ),
            [
                ("certifi 2023.7.22 2024.2.2".into(), Some(Jump::Major), false),
                ("pip 23.0.1 23.0.2".into(), Some(Jump::Patch), false)
            ]
        );
        assert_eq!(
            lines(
                r#"{"lodash": {"current": "4.17.20", "wanted": "4.17.21", "latest": "4.17.21", "dependent": "shop", "location": "x"},
                    "react": [{"current": "17.0.2", "wanted": "17.0.2", "latest": "18.2.0"}, {"current": "17.0.2", "latest": "18.2.0"}],
                    "missing": {"wanted": "1.0.0", "latest": "1.0.0"}}"#
            ),
            [
                ("lodash 4.17.20 4.17.21".into(), Some(Jump::Patch), false),
                ("react 17.0.2 18.2.0".into(), Some(Jump::Major), false)
            ]
        );
        let apt = "Listing... Done\nlibssl3/stable-security 3.0.13-1~deb12u1 amd64 [upgradable from: 3.0.11-1~deb12u2]\n\
                   tzdata/stable-updates,stable 2024a-0+deb12u1 all [aktualisierbar von: 2023c-5]\n\
                   N: There are 3 additional versions.\n";
        assert_eq!(
            lines(apt),
            [
                ("libssl3 3.0.11-1~deb12u2 3.0.13-1~deb12u1".into(), Some(Jump::Patch), true),
                ("tzdata 2023c-5 2024a-0+deb12u1".into(), Some(Jump::Patch), false)
            ]
        );
    }

    #[test]
    fn nothing_is_nothing_and_nonsense_is_an_error() {
        for output in ["", "\n", "[]", "{}", "Listing...\n"] {
            assert_eq!(read(output.as_bytes()), Ok(vec![]), "{output}");
        }
        for output in [
            "bash: pip: command not found",
            "[1]",
            "[{\"name\": \"x\"}]",
            "{\"error\": {\"code\": \"ENOLOCK\", \"summary\": \"no lockfile\"}}",
            "{\"a\": 3}",
            "\u{0}\u{1}",
            "x/y",
            "x/y 1.0 amd64",
        ] {
            assert!(read(output.as_bytes()).is_err(), "{output}");
        }
    }
}
