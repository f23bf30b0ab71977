//! The key `history`: where a bundle's runs are recorded, and for how long.

use std::ops::Range;
use std::path::Path;

use toml::{Spanned, Value};

use super::{Problem, Source};
use crate::history::{Keep, Target};
use crate::policy::units::Seconds;

/// Where a bundle's runs are recorded, and for how long.
#[derive(Clone, Debug)]
pub struct History {
    source: Source,
    /// For how long.
    pub keep: Keep,
    place: Range<usize>,
}

const FORM: &str = "a file such as \"history.db\", \"env:NAME\" for a URL with a password, or a table with `target`, `keep` \
                    and `keep-runs`";

impl History {
    /// Reads what is written; a path is counted from `directory`.
    pub(super) fn read(written: Spanned<Value>, directory: &Path) -> Result<Self, String> {
        let place = written.span();
        let mut keep = Keep::default();
        let source = match written.into_inner() {
            Value::String(text) => Source::of_text(&text),
            Value::Table(mut table) => {
                let source = match table.remove("target") {
                    Some(Value::String(text)) => Source::of_text(&text),
                    Some(Value::Table(target)) if target.len() == 1 => match target.get("command") {
                        Some(Value::Array(words)) if words.iter().all(Value::is_str) => {
                            Source::Command(words.iter().filter_map(Value::as_str).map(String::from).collect())
                        }
                        _ => return Err(format!("the history's target is {FORM}")),
                    },
                    _ => return Err(format!("the history names no target; it is {FORM}")),
                };
                if let Some(age) = table.remove("keep") {
                    keep.age = span(&age)?.into();
                }
                if let Some(runs) = table.remove("keep-runs") {
                    let number = runs.as_integer().and_then(|number| u64::try_from(number).ok());
                    keep.runs = number.filter(|number| *number > 0).ok_or("`keep-runs` is a number of runs above 0")?;
                }
                if let Some(unknown) = table.keys().next() {
                    return Err(format!("the history has no `{unknown}`; it is {FORM}"));
                }
                source
            }
            _ => return Err(format!("the history is {FORM}")),
        };
        if let Source::Written(target) = &source {
            Target::parse(target.expose(), directory)?;
        }
        Ok(Self { source, keep, place })
    }

    /// Where that is.
    ///
    /// # Errors
    /// A credential that is not there, or that names no history.
    pub async fn target(&self, directory: &Path) -> Result<Target, String> {
        let target = self.source.target(directory).await.map_err(|error| format!("the history: {error}"))?;
        Target::parse(target.expose(), directory)
    }

    /// What is unwise about it, or missing here.
    pub(super) fn problem(&self) -> Option<Problem> {
        let problem = |message: &str| Problem::warning(message, self.place.clone());
        match &self.source {
            Source::Written(target) if url::Url::parse(target.expose()).is_ok_and(|url| url.password().is_some()) => {
                let help = "write `env:NAME`, `file:PATH` or `{ target = { command = [...] } }`";
                Some(problem("the history: a password stands in the file").help(help))
            }
            Source::Variable(name) if std::env::var_os(name).is_none() => {
                Some(problem(&format!("the history: the environment variable {name} is not set here")))
            }
            _ => None,
        }
    }
}

fn span(written: &Value) -> Result<Seconds, String> {
    match written {
        Value::String(text) => text.parse(),
        Value::Integer(number) => {
            u64::try_from(*number).map(Seconds).map_err(|_| format!("`keep` is a length of time, not {number}"))
        }
        _ => Err("`keep` is a length of time such as \"365d\"".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn read(text: &str) -> Result<History, String> {
        let mut table: std::collections::BTreeMap<String, Spanned<Value>> = toml::from_str(text).unwrap();
        History::read(table.remove("history").unwrap(), Path::new("/etc/shop"))
    }

    #[test]
    fn a_text_or_a_table() {
        assert_eq!(read("history = 'history.db'").unwrap().keep, Keep::default());
        let table = read("history = { target = 'history.db', keep = '30d', keep-runs = 10 }").unwrap();
        assert_eq!(table.keep, Keep { age: Duration::from_hours(720), runs: 10 });
        for (text, message) in [
            ("history = 1", "the history is a file"),
            ("history = ''", "a history is a file"),
            ("history = 'mysql://h/d'", "no other URL"),
            ("history = { keep = '1d' }", "names no target"),
            ("history = { target = 'x', keep = 'long' }", "`long` is not a duration"),
            ("history = { target = 'x', keep = -1 }", "not -1"),
            ("history = { target = 'x', keep-runs = 0 }", "above 0"),
            ("history = { target = 'x', keeps = 1 }", "has no `keeps`"),
            ("history = { target = { command = 'x' } }", "target is a file"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_in_the_file_is_unwise() {
        let problem = |text: &str| read(text).unwrap().problem().map(|problem| problem.message);
        assert_eq!(
            problem("history = 'postgres://u:p@h/d'").as_deref(),
            Some("the history: a password stands in the file")
        );
        assert_eq!(problem("history = 'postgres://u@h/d'"), None);
        assert!(problem("history = 'env:NO_SUCH_VARIABLE_HERE'").unwrap().contains("is not set here"));
    }

    #[tokio::test]
    async fn a_path_is_counted_from_the_bundle() {
        let target = read("history = 'history.db'").unwrap().target(Path::new("/etc/shop")).await;
        assert_eq!(target, Ok(Target::File("/etc/shop/history.db".into())));
    }
}
