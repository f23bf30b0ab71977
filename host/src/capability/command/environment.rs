//! What a program gets for an environment: PATH, LANG, HOME, and what its template says. Nothing of the host's own comes
//! through, and a value that may be a secret is shown nowhere.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::capability::Secret;

/// Where a bare name of a program is looked for, unless the template's environment has a PATH.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const LANG: &str = "C.UTF-8";
/// Bytes of a value.
const LENGTH: usize = 64 * 1024;
/// Words in the name of a variable whose value is taken for a secret.
const SECRET_WORDS: [&str; 7] = ["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "DSN", "AUTH"];
/// What makes a program run other code than the template says.
const CODE: [&str; 4] = ["LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "BASH_ENV"];
/// A value of fewer bytes is too short to be told from other text.
const SHORTEST_SECRET: usize = 4;

/// Where a variable's value comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Written(Secret),
    /// `env:NAME`.
    Variable(String),
    /// `file:/PATH`.
    File(PathBuf),
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        // Its own words: those of serde quote the value.
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Source;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Source, E> {
                Ok(Source::of_text(text))
            }
            fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Source, E> {
                Err(E::custom("the value of a variable is a text: write it in quotes"))
            }
            fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Source, E> {
                Err(E::custom("the value of a variable is a text: write it in quotes"))
            }
            fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Source, E> {
                Err(E::custom("the value of a variable is a text: write it in quotes"))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Source {
    fn schema_name() -> Cow<'static, str> {
        "TemplateVariable".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A value; env:NAME or file:/PATH for one that is a secret.",
        })
    }
}

impl Source {
    fn of_text(text: &str) -> Self {
        if let Some(name) = text.strip_prefix("env:") {
            Self::Variable(name.into())
        } else if let Some(path) = text.strip_prefix("file:") {
            Self::File(path.into())
        } else {
            Self::Written(Secret::new(text))
        }
    }

    /// What is not there, in this process and on this machine.
    pub(super) fn lacking(&self) -> Option<String> {
        match self {
            Self::Written(_) => None,
            Self::Variable(name) => {
                std::env::var_os(name).is_none().then(|| format!("the environment variable {name} is not set"))
            }
            Self::File(path) => {
                let error = std::fs::File::open(path).err()?;
                Some(format!("failed to read the credential file {}: {error}", path.display()))
            }
        }
    }

    /// Whether a password stands in the file.
    pub(super) fn is_written_secret(&self, name: &str) -> bool {
        matches!(self, Self::Written(value) if is_secret(name) && !value.expose().is_empty())
    }

    fn value(&self) -> Result<Secret, String> {
        let value = match self {
            Self::Written(value) => value.clone(),
            Self::Variable(name) => Secret::new(
                std::env::var(name).map_err(|_| format!("the environment variable {name} is not set, or no text"))?,
            ),
            Self::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("failed to read the credential file {}: {error}", path.display()))?;
                Secret::new(text.trim_end_matches(['\r', '\n']))
            }
        };
        if value.expose().contains('\0') || value.expose().len() > LENGTH {
            return Err(format!("holds a zero byte, or more than {} KiB", LENGTH >> 10));
        }
        Ok(value)
    }
}

/// Whether a variable can be set so; the error shows no value.
pub(super) fn check(name: &str, source: &Source) -> Result<(), String> {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !first || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!("`{}` is no name of a variable", crate::policy::text::clean_line(name, 64)));
    }
    if CODE.contains(&name) {
        return Err(format!("{name} makes a program run other code than is written here; leave it out"));
    }
    match source {
        Source::Variable(variable) if variable.is_empty() || variable.contains(['=', '\0']) => {
            Err(format!("{name}: `env:` is followed by the name of a variable of the host's"))
        }
        Source::File(path) if !path.is_absolute() => Err(format!("{name}: `file:` is followed by an absolute path")),
        Source::Written(value) if value.expose().contains('\0') || value.expose().len() > LENGTH => {
            Err(format!("{name}: its value holds a zero byte, or more than {} KiB", LENGTH >> 10))
        }
        _ => Ok(()),
    }
}

/// A program's whole environment, and the values in it that are secret.
pub(super) struct Environment {
    pub(super) variables: Vec<(String, Secret)>,
    secrets: Vec<Secret>,
}

impl Environment {
    /// Reads what comes from the host's own environment or from a file.
    ///
    /// # Errors
    /// What is not there, by its name.
    pub(super) fn new(sources: &BTreeMap<String, Source>) -> Result<Self, String> {
        let home = std::env::var("HOME").ok().filter(|home| !home.is_empty()).unwrap_or_else(|| "/".into());
        let base = [("PATH", PATH.to_owned()), ("LANG", LANG.to_owned()), ("HOME", home)];
        let mut variables: BTreeMap<String, Secret> =
            base.into_iter().map(|(name, value)| (name.to_owned(), Secret::new(value))).collect();
        let mut secrets = Vec::new();
        for (name, source) in sources {
            let value = source.value().map_err(|error| format!("{name}: {error}"))?;
            if !matches!(source, Source::Written(_)) || is_secret(name) {
                secrets.push(value.clone());
            }
            variables.insert(name.clone(), value);
        }
        // A secret that holds another is hidden whole.
        secrets.retain(|secret| secret.expose().len() >= SHORTEST_SECRET);
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Ok(Self { variables: variables.into_iter().collect(), secrets })
    }

    /// `text` without the secrets.
    pub(super) fn without_secrets(&self, text: String) -> String {
        self.secrets.iter().fold(text, |text, secret| {
            if text.contains(secret.expose()) { text.replace(secret.expose(), "***") } else { text }
        })
    }

    fn path(&self) -> &str {
        self.variables.iter().find(|(name, _)| name == "PATH").map_or(PATH, |(_, path)| path.expose())
    }

    /// The file of a program.
    pub(super) fn program(&self, written: &str, directory: &Path) -> Result<PathBuf, String> {
        find(written, directory, self.path(), &is_executable)
    }
}

/// The file of a program with the PATH that its template gives it, as far as that is written down.
pub(super) fn program_here(
    written: &str,
    directory: &Path,
    sources: &BTreeMap<String, Source>,
) -> Result<PathBuf, String> {
    let path = match sources.get("PATH") {
        Some(Source::Written(path)) => path.expose(),
        _ => PATH,
    };
    find(written, directory, path, &is_executable)
}

fn find(written: &str, directory: &Path, path: &str, is_executable: &dyn Fn(&Path) -> bool) -> Result<PathBuf, String> {
    if written.contains('/') {
        let file = directory.join(written.strip_prefix("./").unwrap_or(written));
        return if is_executable(&file) {
            Ok(file)
        } else {
            Err(format!("there is no program {}, or it may not be executed", file.display()))
        };
    }
    let places = path.split(':').filter(|place| place.starts_with('/'));
    let mut files = places.map(|place| Path::new(place).join(written));
    files.find(|file| is_executable(file)).ok_or_else(|| format!("there is no program `{written}` in {path}"))
}

fn is_executable(file: &Path) -> bool {
    file.is_file() && rustix::fs::access(file, Access::EXEC_OK).is_ok()
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(of: &[(&str, &str)]) -> BTreeMap<String, Source> {
        of.iter().map(|(name, value)| ((*name).into(), Source::of_text(value))).collect()
    }

    #[test]
    fn a_program_gets_three_variables_and_its_own() {
        let environment = Environment::new(&sources(&[("PGPASSWORD", "hunter2"), ("PATH", "/opt/bin")])).unwrap();
        let names: Vec<&str> = environment.variables.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["HOME", "LANG", "PATH", "PGPASSWORD"]);
        assert_eq!(environment.path(), "/opt/bin");
        assert!(!format!("{:?}", sources(&[("A", "hunter2")])).contains("hunter2"));
    }

    #[test]
    fn secrets_are_stars_in_what_is_shown() {
        let environment =
            Environment::new(&sources(&[("TOKEN", "abcd"), ("MY_PASS", "abcdef"), ("MODE", "fast"), ("KEY", "x")]))
                .unwrap();
        assert_eq!(environment.without_secrets("abcdef abcd fast x".into()), "*** *** fast x");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = Environment::new(&sources(&[("A", "env:TASKHOST_NO_SUCH_VARIABLE")])).err().unwrap();
        assert_eq!(error, "A: the environment variable TASKHOST_NO_SUCH_VARIABLE is not set, or no text");
        let error = Environment::new(&sources(&[("A", "file:/no/such")])).err().unwrap();
        assert!(error.starts_with("A: failed to read the credential file /no/such"), "{error}");
        for (name, value, wrong) in [
            ("A", "env:", "the name of a variable"),
            ("A", "file:relative", "an absolute path"),
            ("A B", "x", "`A B` is no name of a variable"),
            ("", "x", "is no name of a variable"),
            ("1", "x", "is no name of a variable"),
            ("A", "x\0", "zero byte"),
        ] {
            assert!(check(name, &Source::of_text(value)).unwrap_err().contains(wrong), "{name}={value:?}");
        }
    }

    #[test]
    fn a_program_is_found_as_it_is_written() {
        let there = |file: &Path| {
            ["/app/x.sh", "/usr/bin/git", "/opt/y", "/app/git"].iter().any(|known| file == Path::new(known))
        };
        let find = |written: &str, path: &str| find(written, Path::new("/app"), path, &there);
        for (written, path, found) in [
            ("./x.sh", PATH, Some("/app/x.sh")),
            ("/opt/y", PATH, Some("/opt/y")),
            ("git", PATH, Some("/usr/bin/git")),
            // The working directory is no place for a bare name, whatever PATH says.
            ("git", ".:/opt::relative", None),
            ("y", PATH, None),
            ("y", "/opt", Some("/opt/y")),
            ("./z", PATH, None),
        ] {
            assert_eq!(find(written, path).ok().as_deref(), found.map(Path::new), "{written} in {path}");
        }
    }
}
