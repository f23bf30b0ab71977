//! Where a target comes from, and how it is had: written in the file, from the environment, a file, or a program that
//! hands out secrets.

use std::path::Path;
use std::time::Duration;

use crate::capability::Secret;
use crate::capability::binding::parted;

/// How long a program may take to hand out a secret.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);
/// How much it may print.
const LENGTH_LIMIT: usize = 64 * 1024;

/// Where a target comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is written in the file.
    Written(Secret),
    /// `env:NAME`.
    Variable(String),
    /// `file:PATH`.
    File(String),
    /// What a program prints; it is run without a shell.
    Command(Vec<String>),
}

impl Source {
    /// Reads a text as on the command line.
    pub(super) fn of_text(text: &str) -> Self {
        if let Some(name) = text.strip_prefix("env:") {
            Self::Variable(name.into())
        } else if let Some(path) = text.strip_prefix("file:") {
            Self::File(path.into())
        } else {
            Self::Written(Secret::new(text))
        }
    }

    /// Reads `{ command = ["PROGRAM", "ARGUMENT"] }`.
    pub(super) fn of_table(table: &toml::Table) -> Option<Self> {
        match table.get("command") {
            Some(toml::Value::Array(words)) if table.len() == 1 => {
                words.iter().map(|word| word.as_str().map(String::from)).collect::<Option<_>>().map(Self::Command)
            }
            _ => None,
        }
    }

    /// What it says of itself without the secret: for lists of grants.
    pub fn shown(&self) -> String {
        match self {
            Self::Written(target) => without_password(target.expose()),
            Self::Variable(name) => format!("env:{name}"),
            Self::File(path) => format!("file:{path}"),
            Self::Command(words) => format!("command:{}", words.first().map_or("", String::as_str)),
        }
    }

    /// The target. A program is run; paths are relative to `directory`.
    ///
    /// # Errors
    /// What is not there, without what was.
    pub async fn target(&self, directory: &Path) -> Result<Secret, String> {
        match self {
            Self::Written(target) => Ok(target.clone()),
            Self::Variable(name) => {
                std::env::var(name).map(Secret::new).map_err(|_| format!("the environment variable {name} is not set"))
            }
            Self::File(path) => tokio::fs::read_to_string(directory.join(path))
                .await
                .map(|text| Secret::new(text.trim_end_matches(['\r', '\n'])))
                .map_err(|error| format!("failed to read the credential file {path}: {error}")),
            Self::Command(words) => printed(words, directory).await.map(Secret::new),
        }
    }
}

/// A setting that holds a credential: what stands in the file plainly, and where the rest comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    plain: String,
    source: Source,
}

impl Hidden {
    /// The values of such a setting: a text, several, or what a program prints.
    pub(super) fn of_setting(value: &toml::Value) -> Option<Vec<Self>> {
        let of_text = |text: &str| {
            let (plain, rest) = parted(text);
            Self { plain: plain.into(), source: Source::of_text(rest) }
        };
        match value {
            toml::Value::String(text) => Some(vec![of_text(text)]),
            toml::Value::Array(values) => values.iter().map(|value| value.as_str().map(of_text)).collect(),
            toml::Value::Table(table) => Some(vec![Self { plain: String::new(), source: Source::of_table(table)? }]),
            _ => None,
        }
    }

    /// What it says of itself without the secret: for lists of grants.
    pub fn shown(&self) -> String {
        match &self.source {
            Source::Written(_) => "***".into(),
            source => format!("{}{}", self.plain, source.shown()),
        }
    }

    /// Where it comes from.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// The whole value, with what was looked up. Without it, one of the right form.
    pub(super) fn value(&self, found: Option<&Secret>) -> Secret {
        match found {
            Some(found) => Secret::new(format!("{}{}", self.plain, found.expose())),
            None if self.plain.is_empty() => Secret::new("x:x"),
            None => Secret::new(format!("{}x", self.plain)),
        }
    }
}

async fn printed(words: &[String], directory: &Path) -> Result<String, String> {
    let Some((program, arguments)) = words.split_first() else { return Err("the command is empty".into()) };
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).current_dir(directory).kill_on_drop(true).stdin(std::process::Stdio::null());
    let output = tokio::time::timeout(COMMAND_LIMIT, command.output())
        .await
        .map_err(|_| format!("`{program}` did not print its secret within {} s", COMMAND_LIMIT.as_secs()))?
        .map_err(|error| format!("failed to run `{program}`: {error}"))?;
    if !output.status.success() {
        // What it complains of may quote the secret's name, and never is the secret.
        let said = String::from_utf8_lossy(&output.stderr);
        let said = crate::policy::text::clean_line(said.lines().next().unwrap_or_default(), 200);
        return Err(format!("`{program}` ended with {}: {said}", output.status));
    }
    let text = String::from_utf8(output.stdout).map_err(|_| format!("what `{program}` printed is no text"))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.len() > LENGTH_LIMIT || text.contains('\n') {
        return Err(format!("`{program}` printed no single line"));
    }
    Ok(text.into())
}

/// A target as it may be shown.
fn without_password(target: &str) -> String {
    let Ok(mut url) = url::Url::parse(target) else { return target.into() };
    if url.password().is_some() {
        let _ = url.set_password(Some("***"));
    }
    if url.query().is_some() {
        url.set_query(None);
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let shown = |text: &str| Source::of_text(text).shown();
        assert_eq!(shown("postgres://u:hunter2@h/d?sslkey=x"), "postgres://u:***@h/d");
        assert_eq!(shown("env:URL"), "env:URL");
        assert_eq!(shown("sqlite:app.db"), "sqlite:app.db");
        assert_eq!(shown("/var/log/app"), "/var/log/app");
    }

    #[test]
    fn a_setting_shows_where_its_credential_comes_from_and_no_more() {
        for (written, shown) in [
            ("'env:TOKEN'", "env:TOKEN"),
            ("'hunter2'", "***"),
            ("'user:hunter2'", "***"),
            ("['X-Key:env:KEY', 'X-Other:hunter2', 'user:file:/run/p']", "X-Key:env:KEY ***  user:file:/run/p"),
            ("{ command = ['pass', 'show', 'x'] }", "command:pass"),
            ("{ command = ['pass'], more = 1 }", "wrong"),
            ("12345", "wrong"),
            ("[1]", "wrong"),
        ] {
            let table: toml::Table = toml::from_str(&format!("setting = {written}")).unwrap();
            let found = Hidden::of_setting(&table["setting"]);
            let found = found.map_or(vec!["wrong".into()], |all| all.iter().map(Hidden::shown).collect::<Vec<_>>());
            assert_eq!(found, shown.split_whitespace().collect::<Vec<_>>(), "{written}");
        }
    }

    #[tokio::test]
    async fn a_program_hands_out_a_secret() {
        let here = Path::new("/");
        let of = |words: &[&str]| Source::Command(words.iter().map(|word| (*word).into()).collect());
        assert_eq!(of(&["printf", "redis://h\n"]).target(here).await.unwrap().expose(), "redis://h");
        for (words, expected) in [
            (&["false"][..], "`false` ended with exit status: 1"),
            (&["true"], "`true` printed no single line"),
            (&["no-such-program"], "failed to run `no-such-program`"),
            (&[], "the command is empty"),
        ] {
            let error = of(words).target(here).await.unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
