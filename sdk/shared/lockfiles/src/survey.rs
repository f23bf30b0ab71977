//! All lockfiles below a directory, as one list of packages.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use taskhost_sdk::files::{self, Directory, Filter};
use taskhost_sdk::report::{Finding, progress};
use taskhost_sdk::words::{counted, size, some_of};
use taskhost_sdk::{Failure, Result};

use crate::file::{Contents, Format, Package, Problem, read};
use crate::{Ecosystem, bounded::MOST};

/// The names of what is read unless an operator says otherwise.
pub const PATTERN: &str = "requirements*.txt,*-requirements.txt,constraints*.txt,**/requirements/*.txt,poetry.lock,uv.lock,\
    pdm.lock,pylock.toml,pylock.*.toml,Pipfile.lock,Cargo.lock,package-lock.json,npm-shrinkwrap.json,yarn.lock,\
    pnpm-lock.yaml,go.mod,go.sum,bom.json,sbom.json,*.cdx.json,*.spdx.json,*.sbom.json";

/// Directories that are not entered: what is installed, not what is asked for.
pub const EXCLUDE: &str = "node_modules,site-packages,.venv,venv,.git,target";

/// Nothing larger is a lockfile.
const FILE_LIMIT: u64 = 16 << 20;
/// Bytes that are asked for in one call of the host.
const BATCH: u64 = 8 << 20;
/// Files in a run.
const FILES: usize = 5_000;
/// Names and problems of a file that are told.
const TOLD: usize = 5;

/// A package, and the files that pin it.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// What is pinned.
    pub package: Package,
    /// Paths, sorted.
    pub files: Vec<String>,
}

/// What the files of a directory say.
#[derive(Debug, Default)]
pub struct Survey {
    pinned: Vec<Pinned>,
    known: HashMap<(Ecosystem, String, String), usize>,
    files: BTreeSet<String>,
    /// By file.
    problems: BTreeMap<String, Vec<Problem>>,
    unpinned: BTreeMap<String, Vec<String>>,
    unknown: BTreeMap<String, Vec<String>>,
    full: bool,
}

impl Survey {
    /// Reads what is there, and what that includes.
    ///
    /// # Errors
    /// A directory that cannot be walked, a budget that is spent. What is wrong with a file is a finding.
    pub async fn of(directory: &Directory, pattern: &[String], exclude: &[String]) -> Result<Self> {
        let filter = Filter { include: pattern.to_vec(), exclude: exclude.to_vec(), ..Filter::default() };
        let (entries, walked) = directory.entries(filter).await?.collect().await?;
        let mut survey = Self::default();
        for problem in &walked.problems {
            survey.problem(&problem.path, Problem::whole(&problem.message));
        }
        let sizes: BTreeMap<String, u64> = entries.into_iter().map(|entry| (entry.path, entry.size)).collect();
        let mut ahead = survey.choose(&sizes);
        while !ahead.is_empty() {
            let mut included = Vec::new();
            for batch in batches(&ahead) {
                progress(
                    survey.files.len() as u64,
                    Some((survey.files.len() + ahead.len()) as u64),
                    "reading lockfiles",
                );
                let paths = batch.iter().map(|(path, _, _)| path.clone()).collect();
                let read = directory.read_all(paths, FILE_LIMIT).await;
                for ((path, format, _), bytes) in batch.iter().zip(read) {
                    match bytes {
                        Ok(bytes) => included.extend(survey.take(path, *format, &bytes)),
                        Err(error @ (files::Error::OverBudget(_) | files::Error::Refused(_))) => {
                            return Err(Failure::from(error));
                        }
                        Err(error) => survey.problem(path, Problem::whole(files::message(&error))),
                    }
                }
            }
            ahead = included;
        }
        Ok(survey)
    }

    /// What of the files that were found is to be read.
    fn choose(&mut self, sizes: &BTreeMap<String, u64>) -> Vec<(String, Format, u64)> {
        let mut chosen = Vec::new();
        for (path, &bytes) in sizes {
            let Some(format) = Format::of(path) else {
                self.problem(path, Problem::whole("its name tells no format that is known"));
                continue;
            };
            // It names all that is built, and nothing else.
            let module = path.strip_suffix("go.sum").map(|directory| format!("{directory}go.mod"));
            if module.is_some_and(|module| sizes.contains_key(&module)) {
                continue;
            }
            if bytes > FILE_LIMIT {
                let larger = format!("{} are more than the {} that are read", size(bytes), size(FILE_LIMIT));
                self.problem(path, Problem::whole(larger));
            } else if chosen.len() >= FILES {
                self.problem(path, Problem::whole(format!("it is one of more than {FILES} files")));
            } else {
                chosen.push((path.clone(), format, bytes));
            }
        }
        chosen
    }

    /// Adds a file; returns those that it includes and that were not met yet.
    fn take(&mut self, path: &str, format: Format, bytes: &[u8]) -> Vec<(String, Format, u64)> {
        if !self.files.insert(path.to_owned()) {
            return Vec::new();
        }
        let Contents { packages, unpinned, includes, unknown, problems } = read(format, bytes);
        for package in packages {
            self.add(path, package);
        }
        // A path or an address is no package that anyone else knows of.
        let named = unpinned.into_iter().filter(|name| !name.contains(['/', ':', '\\']) && !name.starts_with('.'));
        let named: Vec<_> = named.collect();
        if format == Format::Requirements && !named.is_empty() {
            self.unpinned.insert(path.to_owned(), named);
        }
        if !unknown.is_empty() {
            self.unknown.insert(path.to_owned(), unknown);
        }
        for problem in problems {
            self.problem(path, problem);
        }
        let mut ahead = Vec::new();
        for include in includes {
            match beside(path, &include) {
                Some(included) if self.files.contains(&included) => {}
                Some(_) if self.files.len() + ahead.len() >= FILES => {
                    self.problem(path, Problem::whole(format!("it includes more than {FILES} files")));
                    break;
                }
                Some(included) => ahead.push((included, Format::Requirements, 0)),
                None => self.problem(path, Problem::whole(format!("it includes `{include}`, which lies elsewhere"))),
            }
        }
        ahead
    }

    fn add(&mut self, path: &str, package: Package) {
        let key = (package.ecosystem.clone(), package.name.clone(), package.version.clone());
        if let Some(&index) = self.known.get(&key) {
            if let Some(known) = self.pinned.get_mut(index) {
                known.package.direct = match (known.package.direct, package.direct) {
                    (Some(one), Some(other)) => Some(one || other),
                    (one, other) => one.or(other),
                };
                known.package.development &= package.development;
                if !known.files.iter().any(|file| file == path) {
                    known.files.push(path.to_owned());
                }
            }
        } else if self.pinned.len() >= MOST {
            self.full = true;
        } else {
            self.known.insert(key, self.pinned.len());
            self.pinned.push(Pinned { package, files: vec![path.to_owned()] });
        }
    }

    fn problem(&mut self, path: &str, problem: Problem) {
        self.problems.entry(path.to_owned()).or_default().push(problem);
    }

    /// All of it, in the order of ecosystem, name and version.
    pub fn pinned(&self) -> Vec<&Pinned> {
        let mut pinned: Vec<_> = self.pinned.iter().collect();
        pinned.sort_by(|one, other| {
            let key = |pinned: &Pinned| {
                (pinned.package.ecosystem.clone(), pinned.package.name.clone(), pinned.package.version.clone())
            };
            key(one).cmp(&key(other))
        });
        pinned
    }

    /// How many files were read.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// What is wrong with the files, and what of them nobody can check.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (path, problems) in &self.problems {
            let told: Vec<_> = problems.iter().take(TOLD).map(ToString::to_string).collect();
            let more = problems.len().saturating_sub(TOLD);
            let more = if more > 0 { format!("; and {}", counted(more, "more problem")) } else { String::new() };
            findings.push(
                Finding::warning(path, "not read in full")
                    .detail(format!("{}{more}", told.join("; ")))
                    .remedy("mend it, or leave it out with `exclude`: what is in it is not checked"),
            );
        }
        let pinned: BTreeSet<&str> = self
            .pinned
            .iter()
            .filter(|pinned| pinned.package.ecosystem == Ecosystem::PYPI)
            .map(|pinned| pinned.package.name.as_str())
            .collect();
        for (path, names) in &self.unpinned {
            let loose: Vec<&str> = names
                .iter()
                .map(String::as_str)
                .filter(|name| !pinned.contains(&*Ecosystem::PYPI.normal_name(name)))
                .collect();
            if !loose.is_empty() {
                findings.push(
                    Finding::warning(path, "not pinned")
                        .detail(format!(
                            "{} without a version: {}",
                            counted(loose.len(), "package"),
                            some_of(&loose, 20)
                        ))
                        .remedy(
                            "pin them, as `pip freeze` or `pip-compile` do: which version is installed is not known",
                        ),
                );
            }
        }
        for (path, names) in &self.unknown {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            findings.push(Finding::ok(path, "not covered").detail(format!(
                "{} of no kind that advisories or indexes speak of: {}",
                counted(names.len(), "package"),
                some_of(&names, 10)
            )));
        }
        if self.full {
            findings.push(
                Finding::warning("lockfiles", "not read in full")
                    .detail(format!("there are more than {MOST} packages; the rest is not checked"))
                    .remedy("check the directory in parts"),
            );
        }
        findings
    }
}

/// Files that are read together: so many bytes at most, and one at least.
fn batches(files: &[(String, Format, u64)]) -> Vec<&[(String, Format, u64)]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, (_, _, size)) in files.iter().enumerate() {
        if index > start && (bytes + size > BATCH || index - start >= 256) {
            batches.extend(files.get(start..index));
            (start, bytes) = (index, 0);
        }
        bytes += size;
    }
    batches.extend(files.get(start..).filter(|rest| !rest.is_empty()));
    batches
}

/// The path of what the file at `path` includes; none where that is elsewhere.
fn beside(path: &str, include: &str) -> Option<String> {
    if include.is_empty() || include.starts_with('/') || include.contains("://") || include.contains('\\') {
        return None;
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in include.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(survey: &Survey) -> Vec<String> {
        survey.findings().iter().map(|finding| format!("{}: {}", finding.subject(), finding.title())).collect()
    }

    #[test]
    fn includes_are_followed_below_the_directory_and_once() {
        for (path, include, expected) in [
            ("requirements.txt", "base.txt", Some("base.txt")),
            ("requirements/dev.txt", "base.txt", Some("requirements/base.txt")),
            ("requirements/dev.txt", "../base.txt", Some("base.txt")),
            ("requirements/dev.txt", "./more/../base.txt", Some("requirements/base.txt")),
            ("requirements.txt", "../base.txt", None),
            ("requirements.txt", "/etc/passwd", None),
            ("requirements.txt", "https://example.org/base.txt", None),
            ("requirements.txt", "..", None),
            ("requirements.txt", ".", None),
            ("requirements.txt", "", None),
        ] {
            assert_eq!(beside(path, include).as_deref(), expected, "{path} {include}");
        }
        let mut survey = Survey::default();
        let ahead = survey.take("a.txt", Format::Requirements, b"-r b.txt\n-r a.txt\nx==1\n");
        assert_eq!(ahead, [("b.txt".into(), Format::Requirements, 0)]);
        assert_eq!(survey.take("b.txt", Format::Requirements, b"-r a.txt\nx==1\ny\nX==2\n"), []);
        assert_eq!(survey.take("b.txt", Format::Requirements, b"z==1\n"), []);
        let pinned: Vec<_> =
            survey.pinned().iter().map(|one| (one.package.version.clone(), one.files.clone())).collect();
        assert_eq!(pinned, [("1".into(), vec!["a.txt".into(), "b.txt".into()]), ("2".into(), vec!["b.txt".into()])]);
        assert_eq!(titles(&survey), ["b.txt: not pinned"]);
    }

    #[test]
    fn what_is_pinned_elsewhere_is_pinned() {
        let mut survey = Survey::default();
        survey.take("requirements.in", Format::Requirements, b"Flask>=2\n-e .\n./x\n");
        survey.take("requirements.txt", Format::Requirements, b"flask==3.0.0\n");
        assert_eq!(titles(&survey), Vec::<String>::new());
    }

    #[test]
    fn what_is_chosen_is_of_a_size_and_a_kind() {
        let mut survey = Survey::default();
        let sizes = [("go.mod", 1), ("go.sum", 1), ("sub/go.sum", 1), ("bom.json", FILE_LIMIT + 1), ("notes.md", 1)];
        let chosen = survey.choose(&sizes.map(|(path, size)| (path.to_owned(), size)).into());
        assert_eq!(chosen.iter().map(|(path, _, _)| path.as_str()).collect::<Vec<_>>(), ["go.mod", "sub/go.sum"]);
        assert_eq!(titles(&survey), ["bom.json: not read in full", "notes.md: not read in full"]);
    }

    #[test]
    fn batches_are_bounded_and_leave_nothing_out() {
        let files: Vec<_> =
            [1, BATCH, 1, 1, BATCH + 5, 2].iter().map(|&size| (String::new(), Format::Sbom, size)).collect();
        let lengths: Vec<_> = batches(&files).iter().map(|batch| batch.len()).collect();
        assert_eq!(lengths, [1, 1, 2, 1, 1]);
        assert!(batches(&[]).is_empty());
    }
}
