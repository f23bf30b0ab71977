//! Where a slot's database is, and how to get there.

use std::path::PathBuf;

use super::{Dialect, Error};
use crate::capability::Secret;
use crate::capability::sql::grant::{Grant, Tls};

/// One database. Two that are equal share a pool.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(super) dialect: Dialect,
    /// The whole URL; empty for a file.
    pub(super) url: Secret,
    /// The database in place of the URL's.
    pub(super) database: Option<String>,
    /// A SQLite file.
    pub(super) path: PathBuf,
    pub(super) tls: Tls,
    pub(super) ca: Option<PathBuf>,
    /// For people; without the password.
    pub(super) shown: String,
}

impl Target {
    /// What a grant names.
    pub(super) fn new(grant: &Grant) -> Result<Self, Error> {
        grant.check().map_err(Error::Invalid)?;
        let dialect = grant.dialect().ok_or_else(|| Error::Invalid("the target is no database".into()))?;
        Ok(Self {
            dialect,
            url: without_tls(&grant.target),
            database: None,
            path: grant.sqlite_path().map(Into::into).unwrap_or_default(),
            tls: grant.tls().map_err(Error::Invalid)?,
            ca: grant.ca().map(Into::into),
            shown: grant.shown_target(),
        })
    }

    /// Another database of the same server.
    pub(super) fn with_database(&self, database: &str) -> Self {
        Self { database: Some(database.into()), shown: format!("{} (scratch {database})", self.shown), ..self.clone() }
    }

    /// Another file.
    pub(super) fn with_path(&self, path: PathBuf) -> Self {
        Self { shown: format!("sqlite:{}", path.display()), path, ..self.clone() }
    }

    /// Whether it is a file and no server.
    pub(super) fn is_file(&self) -> bool {
        self.dialect == Dialect::Sqlite
    }

    pub(super) fn unreachable(&self, reason: impl std::fmt::Display) -> Error {
        Error::Unavailable(format!("cannot connect to {}: {reason}", self.shown))
    }

    pub(super) fn lost(&self, reason: impl std::fmt::Display) -> Error {
        Error::Unavailable(format!("the connection to {} was lost: {reason}", self.shown))
    }
}

/// The library knows not all of the words that a grant may have; they are read by [`Grant::tls`].
fn without_tls(written: &Secret) -> Secret {
    let Ok(mut url) = url::Url::parse(written.expose()) else { return written.clone() };
    let is_tls = |key: &str| key == "sslmode" || key == "ssl-mode";
    let others: Vec<_> = url.query_pairs().into_owned().filter(|(key, _)| !is_tls(key)).collect();
    if others.len() == url.query_pairs().count() {
        return written.clone();
    }
    url.set_query(None);
    if !others.is_empty() {
        url.query_pairs_mut().extend_pairs(others);
    }
    Secret::new(url)
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_for_tls_are_left_out() {
        for (written, left) in [
            ("mysql://u:p%40@h/d?ssl-mode=verify-full", "mysql://u:p%40@h/d"),
            ("postgres://h/d?options=-c%20a%3Db&sslmode=required", "postgres://h/d?options=-c+a%3Db"),
            ("postgres://h/d?host=%2Frun%2Fpg", "postgres://h/d?host=%2Frun%2Fpg"),
        ] {
            assert_eq!(without_tls(&Secret::new(written)).expose(), left);
        }
    }
}
