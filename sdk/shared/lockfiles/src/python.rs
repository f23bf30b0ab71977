//! Lockfiles of Python's tools: Poetry (1 and 2), uv (1), PDM (4), `pylock.toml` (PEP 751), and `Pipfile.lock` (6).

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::bounded::{self, Entries, Text};
use crate::file::{Contents, Package};
use crate::{Ecosystem, tables};

/// A package in any of the lockfiles in TOML.
#[derive(Deserialize)]
struct Table {
    name: String,
    version: Option<String>,
    /// Poetry 1: `main` or `dev`.
    category: Option<String>,
    /// Poetry 2 and PDM.
    #[serde(default)]
    groups: Vec<String>,
    /// uv: where it comes from, as in `{ registry = "..." }`.
    source: Option<toml::Table>,
    /// uv: `[{ name = "..." }]`.
    dependencies: Option<toml::Value>,
    /// PDM.
    git: Option<toml::Value>,
    path: Option<toml::Value>,
    url: Option<toml::Value>,
    /// `pylock.toml`.
    vcs: Option<toml::Value>,
    directory: Option<toml::Value>,
    archive: Option<toml::Value>,
    /// Poetry's and uv's subtables.
    #[serde(default)]
    package: Parts,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Parts {
    source: Option<toml::Table>,
    optional_dependencies: toml::Table,
    dev_dependencies: toml::Table,
}

impl Table {
    /// uv: the project itself, or a part of its workspace.
    fn is_own(&self) -> bool {
        let own = |source: &toml::Table| ["editable", "virtual"].iter().any(|kind| source.contains_key(*kind));
        self.source.as_ref().is_some_and(own)
    }

    /// From an index.
    fn is_indexed(&self) -> bool {
        let indexed = |source: &toml::Table| match source.get("type").and_then(toml::Value::as_str) {
            // Poetry writes `legacy` for an index that is not PyPI.
            Some(kind) => kind == "legacy",
            None => source.contains_key("registry"),
        };
        let elsewhere = [&self.git, &self.path, &self.url, &self.vcs, &self.directory, &self.archive];
        self.source.as_ref().or(self.package.source.as_ref()).is_none_or(indexed)
            && elsewhere.into_iter().all(Option::is_none)
    }

    fn is_for_development(&self) -> bool {
        let used = |group: &String| matches!(group.as_str(), "main" | "default");
        self.category.as_deref() == Some("dev") || (!self.groups.is_empty() && !self.groups.iter().any(used))
    }

    /// What it asks for by name.
    fn asks_for(&self) -> impl Iterator<Item = &str> {
        let groups = self.package.optional_dependencies.values().chain(self.package.dev_dependencies.values());
        let lists = self.dependencies.iter().chain(groups).filter_map(toml::Value::as_array);
        lists.flatten().filter_map(|one| one.get("name")?.as_str())
    }
}

pub(crate) fn read_lock(text: &str) -> Contents {
    let name = if text.contains("[[packages]]") { "packages" } else { "package" };
    let (tables, problems) = tables::read::<Table>(text, name);
    let mut contents = Contents { problems, ..Contents::default() };
    let own = tables.iter().map(|(table, _)| table).filter(|table| table.is_own());
    let direct: BTreeSet<_> =
        own.flat_map(Table::asks_for).map(|name| Ecosystem::PYPI.normal_name(name).into_owned()).collect();
    let told = tables.iter().any(|(table, _)| table.is_own());
    for (table, _) in tables.iter().filter(|(table, _)| !table.is_own()) {
        let Some(version) = &table.version else {
            contents.unpinned.push(table.name.clone());
            continue;
        };
        let package = Package::new(Ecosystem::PYPI, &table.name, version);
        contents.packages.push(Package {
            direct: told.then(|| direct.contains(&package.name)),
            development: table.is_for_development(),
            indexed: table.is_indexed(),
            ..package
        });
    }
    contents
}

#[derive(Deserialize)]
struct Pipfile {
    default: Option<Entries<Pinned>>,
    develop: Option<Entries<Pinned>>,
}

#[derive(Deserialize)]
struct Pinned {
    /// `==2.31.0`; none for what comes from a repository or a path.
    #[serde(default)]
    version: Text,
}

pub(crate) fn read_pipfile(text: &str) -> Contents {
    let file: Pipfile = match bounded::json(text.as_bytes()) {
        Ok(file) => file,
        Err(error) => return Contents::broken(error.to_string()),
    };
    if file.default.is_none() && file.develop.is_none() {
        return Contents::broken("there is neither `default` nor `develop` in it");
    }
    let mut contents = Contents::default();
    for (entries, development) in [(file.default, false), (file.develop, true)] {
        for (name, pinned) in entries.unwrap_or_default().0 {
            match pinned.version.as_str().strip_prefix("==") {
                Some(version) => {
                    let version = version.trim_start_matches('=');
                    contents.packages.push(Package { development, ..Package::new(Ecosystem::PYPI, &name, version) });
                }
                None => contents.unpinned.push(name),
            }
        }
    }
    contents
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name@version`, with `!` for direct, `?` for not, `d` for development, `x` for not of an index.
    fn packages(contents: &Contents) -> Vec<String> {
        let packages = contents.packages.iter().map(|one| {
            let direct = match one.direct {
                Some(true) => "!",
                Some(false) => "?",
                None => "",
            };
            let development = if one.development { "d" } else { "" };
            let indexed = if one.indexed { "" } else { "x" };
            format!("{}@{} {direct}{development}{indexed}", one.name, one.version).trim_end().to_owned()
        });
        packages.collect()
    }

    #[test]
    fn poetry_locks_of_both_generations_are_read() {
        let first = r#"
[[package]]
name = "Jinja2"
version = "3.1.3"
description = "A very fast and expressive template engine."
category = "main"
optional = false
python-versions = ">=3.7"
files = [
    {file = "Jinja2-3.1.3-py3-none-any.whl", hash = "sha256:7d6d50dd97d52cbc355597bd845fabfbac3f551e1f99619e39a35ce8c370b5fa"},
]

[package.dependencies]
MarkupSafe = ">=2.0"

[[package]]
name = "pytest"
version = "8.0.0"
category = "dev"

[[package]]
name = "ours"
version = "0.1"
category = "main"

[package.source]
type = "git"
url = "https://example.org/ours.git"
reference = "main"

[[package]]
name = "mirrored"
version = "1.0"
groups = ["dev", "main"]

[package.source]
type = "legacy"
url = "https://pypi.example.org/simple"

[[package]]
name = "ruff"
version = "0.5.0"
groups = ["dev"]

[metadata]
lock-version = "2.0"
"#;
        let contents = read_lock(first);
        assert_eq!(contents.problems, []);
        assert_eq!(
            packages(&contents),
            ["jinja2@3.1.3", "pytest@8.0.0 d", "ours@0.1 x", "mirrored@1.0", "ruff@0.5.0 d"]
        );
    }

    #[test]
    fn a_uv_lock_tells_what_the_project_asks_for() {
        let text = r#"
version = 1
requires-python = ">=3.11"

[[package]]
name = "shop"
version = "0.1.0"
source = { editable = "." }
dependencies = [
    { name = "flask" },
    { name = "pywin32", marker = "sys_platform == 'win32'" },
]

[package.dev-dependencies]
dev = [
    { name = "pytest" },
]

[package.metadata]
requires-dist = [{ name = "flask", specifier = ">=3" }]

[[package]]
name = "flask"
version = "3.0.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [
    { name = "werkzeug" },
]
sdist = { url = "https://files.example.org/flask-3.0.0.tar.gz", hash = "sha256:cfadcdb638b609361d29ec22360d6070a77d7463dcb3ab08d2c2f2f168845f58", size = 674171 }

[[package]]
name = "pytest"
version = "8.0.0"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "werkzeug"
version = "3.0.1"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "fork"
version = "1.0"
source = { git = "https://example.org/fork?rev=1#abc" }
"#;
        let contents = read_lock(text);
        assert_eq!(contents.problems, []);
        assert_eq!(packages(&contents), ["flask@3.0.0 !", "pytest@8.0.0 !", "werkzeug@3.0.1 ?", "fork@1.0 ?x"]);
    }

    #[test]
    fn pdm_and_pylock_are_read() {
        let pdm = "[metadata]\ngroups = [\"default\"]\n[[package]]\nname = \"a\"\nversion = \"1\"\ngroups = [\"default\"]\n\
                   dependencies = [\"b>=1\"]\n[[package]]\nname = \"b\"\nversion = \"2\"\ngroups = [\"test\"]\n\
                   [[package]]\nname = \"c\"\nversion = \"3\"\npath = \"./c\"\n";
        assert_eq!(packages(&read_lock(pdm)), ["a@1", "b@2 d", "c@3 x"]);
        let pylock = "lock-version = \"1.0\"\ncreated-by = \"pip\"\n[[packages]]\nname = \"attrs\"\nversion = \"25.1.0\"\n\
                      index = \"https://pypi.org/simple\"\n[[packages.wheels]]\nname = \"attrs-25.1.0-py3-none-any.whl\"\n\
                      [[packages]]\nname = \"ours\"\n[packages.directory]\npath = \".\"\n";
        let contents = read_lock(pylock);
        assert_eq!((packages(&contents), &contents.unpinned[..]), (vec!["attrs@25.1.0".into()], &["ours".into()][..]));
    }

    #[test]
    fn a_pipfile_lock_is_read() {
        let text = r#"{"_meta": {"pipfile-spec": 6, "sources": [{"name": "pypi"}]},
            "default": {"Requests": {"hashes": ["sha256:1"], "index": "pypi", "version": "==2.31.0"},
                        "ours": {"git": "https://example.org/ours.git", "ref": "abc"}},
            "develop": {"pytest": {"version": "==8.0.0"}}}"#;
        let contents = read_pipfile(text);
        assert_eq!(packages(&contents), ["requests@2.31.0", "pytest@8.0.0 d"]);
        assert_eq!(contents.unpinned, ["ours"]);
    }
}
