//! npm's `package-lock.json` and `npm-shrinkwrap.json`, lockfile versions 1, 2 and 3.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::Ecosystem;
use crate::bounded::{self, Entries, Text};
use crate::file::{Contents, Package};

#[derive(Deserialize)]
struct Lock {
    /// Versions 2 and 3: by the place where it is installed.
    packages: Option<Entries<Installed>>,
    /// Version 1, and version 2 for those who know no better.
    dependencies: Option<Entries<Nested>>,
    #[serde(rename = "lockfileVersion", default)]
    version: u32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Installed {
    /// Where it differs from the place: an alias.
    name: Text,
    version: Text,
    resolved: Text,
    dev: bool,
    dev_optional: bool,
    link: bool,
    dependencies: Entries<IgnoredAny>,
    dev_dependencies: Entries<IgnoredAny>,
    optional_dependencies: Entries<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Nested {
    version: Text,
    resolved: Text,
    dev: bool,
    dependencies: Entries<Nested>,
}

const PLACE: &str = "node_modules/";

pub(crate) fn read(text: &str) -> Contents {
    let lock: Lock = match bounded::json(text.as_bytes()) {
        Ok(lock) => lock,
        Err(error) => return Contents::broken(error.to_string()),
    };
    let mut contents = Contents::default();
    match (lock.packages, lock.dependencies) {
        (Some(packages), _) => read_places(&packages, &mut contents),
        (None, Some(dependencies)) => read_nested(dependencies, &mut contents),
        // A project that needs nothing.
        (None, None) if lock.version > 0 => {}
        (None, None) => return Contents::broken("there is neither `packages` nor `dependencies` in it"),
    }
    contents
}

fn read_places(packages: &Entries<Installed>, contents: &mut Contents) {
    // The project and the parts of its workspace are not in `node_modules`.
    let own = packages.0.iter().filter(|(place, _)| !place.contains(PLACE));
    let direct: HashSet<&str> = own
        .flat_map(|(_, own)| [&own.dependencies, &own.dev_dependencies, &own.optional_dependencies])
        .flat_map(|asked| asked.0.iter().map(|(name, _)| name.as_str()))
        .collect();
    for (place, installed) in &packages.0 {
        let Some((before, alias)) = place.rsplit_once(PLACE) else { continue };
        if installed.link {
            continue;
        }
        let name = installed.name.0.as_deref().unwrap_or(alias);
        let version = installed.version.as_str();
        if version.is_empty() {
            contents.unpinned.push(name.into());
            continue;
        }
        contents.packages.push(Package {
            direct: Some(!before.contains(PLACE) && direct.contains(alias)),
            development: installed.dev || installed.dev_optional,
            indexed: is_indexed(installed.resolved.as_str()),
            ..Package::new(Ecosystem::NPM, name, version)
        });
    }
}

fn read_nested(dependencies: Entries<Nested>, contents: &mut Contents) {
    for (name, nested) in dependencies.0 {
        let version = nested.version.as_str();
        // An alias: `npm:NAME@VERSION`.
        let (name, version) = match version.strip_prefix("npm:").and_then(|alias| alias.rsplit_once('@')) {
            Some((real, version)) => (real, version),
            None => (name.as_str(), version),
        };
        if version.is_empty() || version.contains(':') {
            contents.unpinned.push(name.into());
        } else {
            contents.packages.push(Package {
                development: nested.dev,
                indexed: is_indexed(nested.resolved.as_str()),
                ..Package::new(Ecosystem::NPM, name, version)
            });
        }
        read_nested(nested.dependencies, contents);
    }
}

/// Registries serve over HTTP; what names nothing was left out by choice.
fn is_indexed(resolved: &str) -> bool {
    resolved.is_empty() || resolved.starts_with("https://") || resolved.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(text: &str) -> Vec<(String, Option<bool>, bool, bool)> {
        let contents = read(text);
        assert_eq!(contents.problems, []);
        let packages = contents.packages.into_iter();
        packages
            .map(|one| (format!("{}@{}", one.name, one.version), one.direct, one.development, one.indexed))
            .collect()
    }

    #[test]
    fn versions_2_and_3_are_read_by_place() {
        let text = r#"{
          "name": "shop", "version": "1.0.0", "lockfileVersion": 3, "requires": true,
          "packages": {
            "": {"name": "shop", "version": "1.0.0", "workspaces": ["web"],
                 "dependencies": {"express": "^4.18.0", "aliased": "npm:lodash@4"}, "devDependencies": {"jest": "29"}},
            "web": {"version": "0.0.0", "dependencies": {"@scope/ui": "1"}},
            "node_modules/web": {"resolved": "web", "link": true},
            "node_modules/express": {"version": "4.18.2", "resolved": "https://registry.npmjs.org/express/-/express-4.18.2.tgz", "integrity": "sha512-x", "engines": {"node": ">= 0.10.0"}},
            "node_modules/express/node_modules/debug": {"version": "2.6.9"},
            "node_modules/@scope/ui": {"version": "1.2.3"},
            "node_modules/aliased": {"name": "lodash", "version": "4.17.20"},
            "node_modules/jest": {"version": "29.0.0", "dev": true},
            "node_modules/ours": {"version": "1.0.0", "resolved": "git+ssh://git@example.org/ours.git#abc"}
          },
          "dependencies": {"express": {"version": "4.0.0"}}
        }"#;
        assert_eq!(
            packages(text),
            [
                ("express@4.18.2".into(), Some(true), false, true),
                ("debug@2.6.9".into(), Some(false), false, true),
                ("@scope/ui@1.2.3".into(), Some(true), false, true),
                ("lodash@4.17.20".into(), Some(true), false, true),
                ("jest@29.0.0".into(), Some(true), true, true),
                ("ours@1.0.0".into(), Some(false), false, false),
            ]
        );
    }

    #[test]
    fn version_1_is_read_with_all_that_is_nested() {
        let text = r#"{"lockfileVersion": 1, "dependencies": {
            "a": {"version": "1.0.0", "requires": {"b": "2"}, "dependencies": {"b": {"version": "2.0.0", "dev": true}}},
            "c": {"version": "git+https://example.org/c.git#abc"},
            "d": {"version": "npm:@real/d@3.0.0"}}}"#;
        assert_eq!(
            packages(text),
            [
                ("a@1.0.0".into(), None, false, true),
                ("b@2.0.0".into(), None, true, true),
                ("@real/d@3.0.0".into(), None, false, true)
            ]
        );
        assert_eq!(read(text).unpinned, ["c"]);
    }

    #[test]
    fn what_is_none_is_a_problem_and_what_is_empty_is_not() {
        for (text, problems) in
            [("{}", 1), ("[]", 1), ("{\"lockfileVersion\": 3, \"packages\": {}}", 0), ("{\"lockfileVersion\": 1}", 0)]
        {
            assert_eq!(read(text).problems.len(), problems, "{text}");
        }
        let deep = format!("{{\"dependencies\": {{\"a\": {}", "{\"dependencies\": {\"a\": ".repeat(5_000));
        assert_eq!(read(&deep).problems.len(), 1);
    }
}
