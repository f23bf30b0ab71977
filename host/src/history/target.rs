//! Where a history is kept: a SQLite file, or a PostgreSQL server.

use std::path::{Path, PathBuf};

use crate::capability::Secret;

/// Where a history is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A SQLite file, made when it is first written.
    File(PathBuf),
    /// The URL of a PostgreSQL database, in which it has a schema of its own.
    Server(Secret),
}

impl Target {
    /// Reads `history.db`, `sqlite:history.db` or `postgres://...`; a relative path is counted from `base`.
    ///
    /// # Errors
    /// What else was written, without its password.
    pub fn parse(written: &str, base: &Path) -> Result<Self, String> {
        let scheme = written.split_once("://").map(|(scheme, _)| scheme);
        match scheme {
            Some("postgres" | "postgresql") => {
                url::Url::parse(written).map_err(|error| format!("the history's URL is none: {error}"))?;
                return Ok(Self::Server(Secret::new(written)));
            }
            Some("sqlite") | None => {}
            // What was written may be a credential in the wrong place.
            Some(_) => return Err("a history is a file or `postgres://...`, and no other URL".into()),
        }
        let path = written.strip_prefix("sqlite:").unwrap_or(written);
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err("a history is a file such as `history.db`, or `postgres://...`".into());
        }
        Ok(Self::File(base.join(path)))
    }

    /// Reads what a person wrote on the command line, where `env:NAME` and `file:PATH` stand for what they hold.
    ///
    /// # Errors
    /// A variable or file that is not there, and what [`parse`](Self::parse) says.
    pub fn from_flag(written: &str) -> Result<Self, String> {
        let held;
        let written = if let Some(name) = written.strip_prefix("env:") {
            held = std::env::var(name).map_err(|_| format!("the environment variable {name} is not set"))?;
            &held
        } else if let Some(path) = written.strip_prefix("file:") {
            held = std::fs::read_to_string(path)
                .map_err(|error| format!("failed to read the credential file {path}: {error}"))?;
            held.trim_end_matches(['\r', '\n'])
        } else {
            written
        };
        Self::parse(written, Path::new(""))
    }

    /// Without its password.
    pub fn shown(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Server(url) => {
                let Ok(mut url) = url::Url::parse(url.expose()) else { return "postgres://...".into() };
                if url.password().is_some() {
                    let _ = url.set_password(Some("***"));
                }
                url.set_query(None);
                url.to_string()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_or_a_postgres_url() {
        let parse = |written: &str| Target::parse(written, Path::new("/etc/shop"));
        for written in ["history.db", "sqlite:history.db", "/etc/shop/history.db", "sqlite:///etc/shop/history.db"] {
            assert_eq!(parse(written), Ok(Target::File("/etc/shop/history.db".into())), "{written}");
        }
        let server = parse("postgres://u:hunter2@h/d?sslkey=x").unwrap();
        assert_eq!(server.shown(), "postgres://u:***@h/d");
        assert!(!format!("{server:?}").contains("hunter2"));
        for (written, message) in [
            ("mysql://u:hunter2@h/d", "no other URL"),
            ("", "a history is a file"),
            ("sqlite:", "a history is a file"),
            ("postgres://u:hunter2@:x/", "the history's URL is none"),
        ] {
            let error = parse(written).unwrap_err();
            assert!(error.contains(message) && !error.contains("hunter2"), "{written}: {error}");
        }
    }
}
