//! A template: a program as the operator wrote it down, and what it comes to with a plugin's values. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::arguments::{self, Argument};
use super::environment::{self, Source};
use super::placeholder::{self, Placeholder};
use crate::gate::Impact;
use crate::policy::text::clean_line;
use crate::policy::units::{Seconds, Size};

/// A program that may be run, with its whole argument vector.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Template")]
pub(super) struct Written {
    /// The program and its arguments: a path, one relative to the working directory (`./build.sh`), or a name on PATH.
    /// `{name}` in an argument is a placeholder; there is no shell.
    argv: Vec<String>,
    /// What it is for.
    #[serde(default)]
    summary: String,
    /// What it does to the world; a rehearsal runs what observes and nothing else.
    #[serde(default)]
    impact: WrittenImpact,
    /// How long it may take, such as `10m`, which it is when absent.
    #[schemars(with = "Option<String>")]
    timeout: Option<Seconds>,
    /// How much it may write to standard output, such as `64MiB`, which it is when absent.
    #[schemars(with = "Option<String>")]
    max_output: Option<Size>,
    /// Its environment, beside PATH, LANG and HOME: values, `env:NAME` or `file:/PATH` for one that is a secret.
    #[serde(default)]
    environment: BTreeMap<String, Source>,
    /// The exit codes that are a success; 0 when absent.
    success: Option<Vec<u8>>,
    /// What may stand for each placeholder, by name.
    #[serde(default)]
    placeholder: BTreeMap<String, placeholder::Written>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "TemplateImpact")]
enum WrittenImpact {
    /// Reads; the world is the same afterwards.
    Observe,
    /// Adds or alters; what was there can be had again.
    #[default]
    Change,
    /// Removes; what was there is gone.
    Destroy,
}

/// A template that makes sense.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct Template {
    pub(super) summary: String,
    pub(super) impact: Impact,
    pub(super) timeout: Duration,
    pub(super) max_output: u64,
    pub(super) environment: BTreeMap<String, Source>,
    pub(super) success: BTreeSet<i32>,
    pub(super) placeholders: BTreeMap<String, Placeholder>,
    argv: Vec<Argument>,
}

/// A mistake, and the keys below the template's that lead to it.
pub(super) type Wrong = (Vec<String>, String);

const TIMEOUT: Seconds = Seconds(600);
const LONGEST_TIMEOUT: Seconds = Seconds(7 * 86_400);
const MAX_OUTPUT: u64 = 64 << 20;
/// Words of an argument vector.
const WORDS: usize = 1_024;
/// Bytes of them, filled; the system's own bound is not below it.
const BYTES: usize = 512 * 1024;
/// Bytes of one, filled; the system's own bound.
const WORD_BYTES: usize = 128 * 1024 - 1;
/// Bytes of a summary.
const SUMMARY: usize = 256;

impl Written {
    /// What of it makes no sense, all at once, and what is left when that is nothing.
    pub(super) fn judged(self) -> Result<Template, Vec<Wrong>> {
        let mut wrong: Vec<Wrong> = Vec::new();
        let argv: Vec<Argument> = self.argv.iter().map(|word| Argument::parse(word)).collect();
        wrong.extend(argv_problems(&self.argv, &argv).into_iter().map(|problem| (vec!["argv".into()], problem)));
        let mut placeholders = BTreeMap::new();
        for (name, written) in self.placeholder {
            let place = || vec!["placeholder".into(), name.clone()];
            if let Err(error) = arguments::check_name(&name) {
                wrong.push((place(), error));
            } else if !argv.iter().any(|word| word.placeholders().any(|used| used == name)) {
                wrong.push((place(), format!("placeholder `{name}` stands in no argument; write {{{name}}} in argv")));
            }
            match Placeholder::try_from(written) {
                Ok(placeholder) => {
                    placeholders.insert(name, placeholder);
                }
                // Named among what is wrong, it is not missed as well.
                Err(error) => wrong.push((place(), format!("placeholder `{name}`: {error}"))),
            }
        }
        let known: BTreeSet<&str> = placeholders.keys().map(String::as_str).collect();
        let judged: BTreeSet<&str> =
            wrong.iter().filter_map(|(keys, _)| keys.get(1).map(String::as_str)).chain(known).collect();
        let undeclared: BTreeSet<&str> =
            argv.iter().flat_map(Argument::placeholders).filter(|name| !judged.contains(name)).collect();
        let undeclared: Vec<Wrong> = undeclared
            .into_iter()
            .map(|name| {
                let mend = format!(
                    "argv names the placeholder {{{name}}}, which is not declared; say what may stand for it: \
                     placeholder.{name} = {{ type = \"name\" }}, or write `{{ {name} }}` where braces are meant"
                );
                (vec!["argv".into()], mend)
            })
            .collect();
        wrong.extend(undeclared);
        let timeout = self.timeout.unwrap_or(TIMEOUT);
        if timeout.0 == 0 || timeout > LONGEST_TIMEOUT {
            wrong.push((vec!["timeout".into()], format!("timeout is from 1s to {LONGEST_TIMEOUT}")));
        }
        for (name, source) in &self.environment {
            if let Err(error) = environment::check(name, source) {
                wrong.push((vec!["environment".into()], error));
            }
        }
        let success: BTreeSet<i32> =
            self.success.map_or_else(|| [0].into(), |codes| codes.into_iter().map(i32::from).collect());
        if success.is_empty() {
            wrong.push((vec!["success".into()], "no exit code is a success; leave it out for 0".into()));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Template {
            summary: clean_line(&self.summary, SUMMARY),
            impact: match self.impact {
                WrittenImpact::Observe => Impact::Observe,
                WrittenImpact::Change => Impact::Change,
                WrittenImpact::Destroy => Impact::Destroy,
            },
            timeout: timeout.into(),
            max_output: self.max_output.map_or(MAX_OUTPUT, |size| size.0),
            environment: self.environment,
            success,
            placeholders,
            argv,
        })
    }
}

fn argv_problems(written: &[String], argv: &[Argument]) -> Vec<String> {
    let mut wrong = Vec::new();
    match (written.first(), argv.first()) {
        (Some(program), Some(word)) => {
            if program.is_empty() {
                wrong.push("argv begins with an empty program".into());
            }
            if word.placeholders().next().is_some() {
                wrong.push("the program itself is no matter of a placeholder; write a template for each".into());
            }
        }
        _ => {
            let example = "argv = [\"./build.sh\", \"--lint\"]";
            wrong.push(format!("argv is empty; write the program and its arguments: {example}"));
        }
    }
    if written.iter().any(|word| word.contains('\0')) {
        wrong.push("an argument holds a zero byte, which no program can be given".into());
    }
    if written.len() > WORDS || written.iter().map(String::len).sum::<usize>() > BYTES / 2 {
        wrong.push(format!("argv has more than {WORDS} words or {} KiB", BYTES / 2048));
    }
    if let Some((index, program)) = arguments::interpreted(argv) {
        wrong.push(format!(
            "argument {index} is a program of its own to {program}, in which a placeholder would be code; pass the value \
             behind it: [\"sh\", \"-c\", \"cat -- \\\"$1\\\"\", \"sh\", \"{{file}}\"]"
        ));
    }
    wrong
}

impl TryFrom<Written> for Template {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        written.judged().map_err(|wrong| wrong.into_iter().map(|(_, message)| message).collect::<Vec<_>>().join("; "))
    }
}

impl Template {
    /// The argument vector with a plugin's values in it.
    ///
    /// # Errors
    /// A value that is missing, that is of no placeholder, or that does not fit.
    pub(super) fn filled(&self, given: &BTreeMap<String, String>) -> Result<Vec<String>, String> {
        for (name, value) in given {
            let placeholder = self.placeholders.get(name).ok_or_else(|| {
                let known = self.placeholders.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() { "it has none".into() } else { format!("it has {known}") };
                format!("it has no placeholder `{}`; {known}", clean_line(name, 64))
            })?;
            placeholder.check(value).map_err(|error| format!("`{name}` {error}"))?;
        }
        if let Some((name, placeholder)) =
            self.placeholders.iter().find(|(name, one)| one.required() && !given.contains_key(*name))
        {
            return Err(format!("`{name}` is not given; it takes: {placeholder}"));
        }
        let mut words = Vec::new();
        for argument in &self.argv {
            words.extend(argument.filled(&self.placeholders, given)?);
        }
        let total: usize = words.iter().map(String::len).sum();
        if total > BYTES || words.iter().any(|word| word.len() > WORD_BYTES) {
            return Err(format!("its arguments come to {total} bytes, which are too many for one program"));
        }
        Ok(words)
    }

    /// The values given for paths, which the file system can judge further.
    pub(super) fn paths<'a>(
        &'a self,
        given: &'a BTreeMap<String, String>,
    ) -> impl Iterator<Item = (&'a str, &'a Path)> {
        self.placeholders.iter().filter(|(_, placeholder)| placeholder.is_path()).filter_map(|(name, placeholder)| {
            let value = given.get(name).or(placeholder.default.as_ref())?;
            Some((name.as_str(), Path::new(value)))
        })
    }

    /// The program as it is written.
    pub(super) fn program(&self) -> String {
        self.argv.first().map(Argument::written).unwrap_or_default()
    }

    /// The whole argument vector as it is written, for people.
    pub(super) fn shown(&self) -> String {
        let words: Vec<String> = self.argv.iter().map(Argument::written).collect();
        arguments::shown(words.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        toml::from_str(text).unwrap()
    }

    fn given(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        of.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn what_is_not_written_is_careful() {
        let template = template("argv = ['true']");
        assert_eq!(
            (template.impact, template.timeout, template.max_output),
            (Impact::Change, Duration::from_mins(10), 64 << 20)
        );
        assert_eq!(template.success, [0].into());
    }

    #[test]
    fn a_template_is_filled_with_values_that_fit() {
        let template = template(
            "argv = ['./dump', '--table={table}', '--jobs={jobs}', '{file}']\n\
             [placeholder]\ntable = { type = 'name' }\njobs = { type = 'integer', optional = true, min = 1, max = 8 }\n\
             file = { type = 'path', default = 'out.sql' }",
        );
        assert_eq!(template.filled(&given(&[("table", "users")])).unwrap(), ["./dump", "--table=users", "out.sql"]);
        assert_eq!(
            template.filled(&given(&[("table", "a"), ("jobs", "4"), ("file", "b/c")])).unwrap(),
            ["./dump", "--table=a", "--jobs=4", "b/c"]
        );
        for (values, message) in [
            (&[][..], "`table` is not given; it takes: name"),
            (&[("table", "a b")], "`table` is `a b`; it takes: name"),
            (&[("table", "a"), ("jobs", "9")], "`jobs` is `9`; it takes: integer 1..8"),
            (&[("table", "a"), ("file", "../x")], "`file` is `../x`; it takes: relative path"),
            (&[("table", "a"), ("file", "-x")], "`file` is `-x`, which would be taken for an option"),
            (&[("tabel", "a")], "it has no placeholder `tabel`; it has `file`, `jobs`, `table`"),
        ] {
            let error = template.filled(&given(values)).unwrap_err();
            assert!(error.contains(message), "{values:?}: {error}");
        }
    }

    #[test]
    fn arguments_that_no_system_would_take_are_refused() {
        let template = template("argv = ['echo', '{a}{a}{a}']\nplaceholder.a = { type = 'text', max-length = 65536 }");
        let error = template.filled(&given(&[("a", &"x".repeat(65_536))])).unwrap_err();
        assert!(error.contains("too many for one program"), "{error}");
    }

    #[test]
    fn a_template_that_makes_no_sense_says_so_with_its_keys() {
        for (text, keys, message) in [
            ("argv = []", "argv", "argv is empty"),
            ("argv = ['']", "argv", "an empty program"),
            ("argv = ['{a}']\nplaceholder.a = { type = 'name' }", "argv", "the program itself is no matter"),
            ("argv = ['echo', '{a}']", "argv", "the placeholder {a}, which is not declared"),
            ("argv = ['echo', \"a\\u0000\"]", "argv", "zero byte"),
            ("argv = ['echo']\nplaceholder.a = { type = 'name' }", "placeholder.a", "stands in no argument"),
            (
                "argv = ['echo', '{a}']\nplaceholder.a = { type = 'name', min = 1 }",
                "placeholder.a",
                "`min` is for integer",
            ),
            ("argv = ['echo']\nplaceholder.A = { type = 'name' }", "placeholder.A", "`A` is no name"),
            ("argv = ['sh', '-c', 'x {a}']\nplaceholder.a = { type = 'name' }", "argv", "a placeholder would be code"),
            ("argv = ['echo']\ntimeout = 0", "timeout", "timeout is from 1s"),
            ("argv = ['echo']\nsuccess = []", "success", "no exit code is a success"),
            ("argv = ['echo']\nenvironment = { 'A=B' = 'x' }", "environment", "is no name of a variable"),
            ("argv = ['echo']\nenvironment = { LD_PRELOAD = 'x' }", "environment", "LD_PRELOAD"),
        ] {
            let wrong = toml::from_str::<Written>(text).unwrap().judged().unwrap_err();
            let found: Vec<_> = wrong.iter().map(|(keys, message)| format!("{}: {message}", keys.join("."))).collect();
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].starts_with(&format!("{keys}: ")) && found[0].contains(message), "{text}: {found:?}");
        }
        let error = toml::from_str::<Template>("argv = []\ntimeout = 0").unwrap_err();
        assert!(error.message().contains("argv is empty") && error.message().contains("; timeout is"), "{error}");
    }
}
