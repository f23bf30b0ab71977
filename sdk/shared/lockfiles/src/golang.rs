//! Go's `go.mod` and `go.sum`, as the Go Modules Reference has them.
//!
//! Since Go 1.17 `go.mod` names all that is built, so that it alone is read where there are both; `go.sum` also keeps
//! checksums of what was only looked at.

use std::collections::BTreeMap;

use crate::bounded::MOST;
use crate::file::{Contents, Package, Problem};
use crate::{Ecosystem, Version};

/// `replace PATH [VERSION] => TO`.
struct Replacement {
    path: String,
    version: Option<String>,
    /// None for a directory.
    to: Option<(String, String)>,
}

pub(crate) fn read_module(text: &str) -> Contents {
    let mut contents = Contents::default();
    let mut required: BTreeMap<String, (String, bool)> = BTreeMap::new();
    let mut replaced: Vec<Replacement> = Vec::new();
    let mut named = false;
    let mut block: Option<String> = None;
    for (number, line) in text.lines().enumerate() {
        if required.len() >= MOST || contents.problems.len() >= 100 {
            contents.problems.push(Problem::at(number + 1, "too much of it: the rest is not read"));
            break;
        }
        let (code, comment) = line.split_once("//").unwrap_or((line, ""));
        let mut words: Vec<&str> = code.split_whitespace().map(|word| word.trim_matches(['"', '`'])).collect();
        let verb = match (&block, words.as_slice()) {
            (_, []) => continue,
            (Some(_), [")"]) => {
                block = None;
                continue;
            }
            (Some(verb), _) => verb.clone(),
            (None, [verb, "("]) => {
                block = Some((*verb).to_owned());
                continue;
            }
            (None, [_, ..]) => words.remove(0).to_owned(),
        };
        match (verb.as_str(), words.as_slice()) {
            ("module", [_]) => named = true,
            ("require", [path, version]) if version.starts_with('v') => {
                let indirect = comment.split(';').any(|word| word.trim() == "indirect");
                required.insert((*path).into(), ((*version).into(), !indirect));
            }
            ("replace", [path, rest @ ..]) => match rest {
                ["=>", target, to @ ..] | [_, "=>", target, to @ ..] if to.len() < 2 => {
                    let of = rest.first().filter(|word| **word != "=>").map(|version| (*version).to_owned());
                    let to = to.first().map(|version| ((*target).to_owned(), (*version).to_owned()));
                    replaced.push(Replacement { path: (*path).into(), version: of, to });
                }
                _ => contents.problems.push(Problem::at(number + 1, "this is no replacement")),
            },
            // `go 1.21.5` is the toolchain's version at least; `go 1.21` only the language's.
            ("go", [version]) if version.split('.').count() == 3 => standard(&mut contents, version),
            ("toolchain", [version]) => {
                if let Some(version) = version.strip_prefix("go") {
                    standard(&mut contents, version.split('-').next().unwrap_or(version));
                }
            }
            ("go" | "exclude" | "retract" | "godebug" | "tool" | "ignore", _) => {}
            _ => contents.problems.push(Problem::at(number + 1, format!("`{}` is no directive", line.trim()))),
        }
    }
    if block.is_some() {
        contents.problems.push(Problem::whole("a block in it has no end"));
    }
    if !named {
        contents.problems.push(Problem::whole("there is no `module` in it"));
    }
    for (path, (version, direct)) in required {
        let replacement =
            replaced.iter().rfind(|one| one.path == path && one.version.as_ref().is_none_or(|at| *at == version));
        let (path, version) = match replacement {
            None => (path, version),
            Some(Replacement { to: Some(to), .. }) => to.clone(),
            // A directory beside it.
            Some(Replacement { to: None, .. }) => continue,
        };
        contents.packages.push(Package { direct: Some(direct), ..Package::new(Ecosystem::GO, &path, &version) });
    }
    contents
}

/// The standard library is part of what is built. The toolchain's line comes last, and counts.
fn standard(contents: &mut Contents, version: &str) {
    contents.packages.retain(|package| package.name != "stdlib");
    let package = Package::new(Ecosystem::GO, "stdlib", version);
    contents.packages.push(Package { direct: Some(true), indexed: false, ..package });
}

pub(crate) fn read_sum(text: &str) -> Contents {
    let mut contents = Contents::default();
    // Of each module the highest is built: so minimal version selection has it.
    let mut highest: BTreeMap<&str, &str> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        if highest.len() >= MOST || contents.problems.len() >= 100 {
            contents.problems.push(Problem::at(number + 1, "too much of it: the rest is not read"));
            break;
        }
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            [] => {}
            // The checksum of a `go.mod` alone: nothing of it was downloaded.
            [_, version, sum] if version.ends_with("/go.mod") && sum.starts_with("h1:") => {}
            [path, version, sum] if version.starts_with('v') && sum.starts_with("h1:") => {
                let known = highest.entry(path).or_insert(version);
                if is_after(version, known) {
                    *known = version;
                }
            }
            _ => contents.problems.push(Problem::at(number + 1, "this is no checksum of a module")),
        }
    }
    contents.packages = highest.iter().map(|(path, version)| Package::new(Ecosystem::GO, path, version)).collect();
    contents
}

fn is_after(one: &str, other: &str) -> bool {
    let parse = |text| Version::parse(&Ecosystem::GO, text);
    parse(one).zip(parse(other)).is_some_and(|(one, other)| one.is_after(&other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(contents: &Contents) -> Vec<(String, Option<bool>)> {
        contents.packages.iter().map(|one| (format!("{}@{}", one.name, one.version), one.direct)).collect()
    }

    #[test]
    fn a_module_file_is_read_as_it_builds() {
        let text = r#"// Deprecated: use v2.
module example.org/shop // ours

go 1.22

toolchain go1.22.3

require github.com/BurntSushi/toml v1.3.2

require (
	golang.org/x/net v0.17.0 // indirect
	golang.org/x/text v0.13.0 // a note; indirect
	"github.com/pkg/errors" v0.9.1
	example.org/forked v1.0.0
	example.org/local v1.0.0
	example.org/one v1.0.0
	github.com/docker/docker v24.0.7+incompatible
)

replace example.org/forked => github.com/other/forked v1.0.1

replace (
	example.org/local => ../local
	example.org/one v2.0.0 => example.org/two v2.0.1
)

exclude golang.org/x/net v0.16.0

retract [v1.0.0, v1.1.0] // broken
"#;
        let contents = read_module(text);
        assert_eq!(contents.problems, []);
        let expected = [
            ("stdlib@1.22.3", true),
            ("github.com/other/forked@v1.0.1", true),
            ("example.org/one@v1.0.0", true),
            ("github.com/BurntSushi/toml@v1.3.2", true),
            ("github.com/docker/docker@v24.0.7+incompatible", true),
            ("github.com/pkg/errors@v0.9.1", true),
            ("golang.org/x/net@v0.17.0", false),
            ("golang.org/x/text@v0.13.0", false),
        ];
        assert_eq!(packages(&contents), expected.map(|(name, direct)| (name.to_owned(), Some(direct))));
    }

    #[test]
    fn a_sum_file_gives_the_highest_of_what_was_downloaded() {
        let text = "github.com/a/b v1.2.0 h1:x=\ngithub.com/a/b v1.10.0 h1:x=\ngithub.com/a/b v1.10.0/go.mod h1:x=\n\
                    github.com/a/b v1.11.0/go.mod h1:x=\n\ngithub.com/c/d v0.0.0-20200101000000-abcdefabcdef h1:x=\n";
        let contents = read_sum(text);
        assert_eq!(contents.problems, []);
        let names: Vec<_> = packages(&contents).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["github.com/a/b@v1.10.0", "github.com/c/d@v0.0.0-20200101000000-abcdefabcdef"]);
    }

    #[test]
    fn what_is_no_directive_is_a_problem() {
        let contents = read_module("module a\n<<<<<<< HEAD\nrequire b v1.0.0\nrequire (\nreplace x\n");
        assert_eq!((contents.packages.len(), contents.problems.len()), (1, 3), "{contents:?}");
        assert_eq!(read_sum("a b\n").problems.len(), 1);
    }
}
