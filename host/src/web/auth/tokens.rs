//! The tokens file: names, roles, and the SHA-256 of random tokens. The tokens themselves are shown once and kept nowhere.

use std::fs::Metadata;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Person, Role};
use crate::policy::text::clean_line;
use crate::web::random;

/// What a token begins with, so that whoever finds one knows what it is.
const PREFIX: &str = "taskhost_";
/// Bytes of a name.
const NAME_LIMIT: usize = 100;

/// Who has tokens.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    #[serde(default, rename = "token")]
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    name: String,
    role: Role,
    sha256: String,
    made: Timestamp,
}

/// A token that was made.
#[derive(Debug)]
pub struct Made {
    /// What to sign in with: shown once.
    pub token: String,
}

/// The digest of what somebody presented.
pub(in crate::web) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Tokens {
    /// Reads a file. One that is not there has none.
    ///
    /// # Errors
    /// A file that others may write, or that is no tokens file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let failed =
            |error: &dyn std::fmt::Display| format!("failed to read the tokens file {}: {error}", path.display());
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(&error)),
        };
        let mode = path.metadata().map_err(|error| failed(&error))?.permissions().mode();
        if mode & 0o022 != 0 {
            return Err(failed(&format!("others may write it; `chmod 600 {}`", path.display())));
        }
        let tokens: Self = toml::from_str(&text).map_err(|error| failed(&error.message()))?;
        if let Some(wrong) = tokens.tokens.iter().find(|token| token.digest().is_none()) {
            return Err(failed(&format!("`sha256` of {} is none", clean_line(&wrong.name, NAME_LIMIT))));
        }
        Ok(tokens)
    }

    /// Writes the file, whole or not at all, for its owner alone.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let write = || -> Result<(), Box<dyn std::error::Error>> {
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let mut file = tempfile::Builder::new().tempfile_in(directory)?;
            file.write_all(toml::to_string(self)?.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        write().map_err(|error| format!("failed to write the tokens file {}: {error}", path.display()))
    }

    /// Makes a token.
    ///
    /// # Errors
    /// A name that has one, or is none.
    pub fn add(&mut self, name: &str, role: Role, now: Timestamp) -> Result<Made, String> {
        if name.trim().is_empty() || clean_line(name, NAME_LIMIT) != name {
            return Err(format!(
                "`{}` is no name; write up to {NAME_LIMIT} printable characters",
                clean_line(name, NAME_LIMIT)
            ));
        }
        if self.tokens.iter().any(|token| token.name == name) {
            return Err(format!("{name} has a token already; `host token remove {name}` takes it away"));
        }
        let token = format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&random()?));
        let sha256 = HEXLOWER.encode(&digest(&token));
        self.tokens.push(Token { name: name.into(), role, sha256, made: now });
        Ok(Made { token })
    }

    /// Takes a name's token away; false when it has none.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.tokens.len();
        self.tokens.retain(|token| token.name != name);
        self.tokens.len() < before
    }

    /// Names, roles, and when their tokens were made.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Role, Timestamp)> {
        self.tokens.iter().map(|token| (token.name.as_str(), token.role, token.made))
    }

    /// Whose token has that digest. It takes as long whoever it is.
    pub(in crate::web) fn whose(&self, presented: &[u8; 32]) -> Option<Person> {
        let mut found = None;
        for token in &self.tokens {
            let Some(digest) = token.digest() else { continue };
            let differ = digest.iter().zip(presented).fold(0u8, |differ, (one, other)| differ | (one ^ other));
            if std::hint::black_box(differ) == 0 {
                found = Some(token);
            }
        }
        found.map(|token| Person { name: token.name.clone(), role: token.role })
    }

    /// Somebody whom a proxy names. Whom the file does not know may look.
    pub(in crate::web) fn named(&self, name: &str) -> Person {
        let known = self.tokens.iter().find(|token| token.name == name);
        Person { name: clean_line(name, NAME_LIMIT), role: known.map_or(Role::Viewer, |token| token.role) }
    }
}

impl Token {
    fn digest(&self) -> Option<[u8; 32]> {
        HEXLOWER.decode(self.sha256.as_bytes()).ok()?.try_into().ok()
    }
}

/// A tokens file that is read anew when it changes, so that who loses a token loses access at once.
#[derive(Debug)]
pub struct TokensFile {
    path: PathBuf,
    read: Mutex<(Option<Mark>, Arc<Tokens>)>,
}

/// What is other when a file is: it is replaced, never written in place.
type Mark = (u64, i64, i64, u64);

fn mark(file: &Metadata) -> Mark {
    (file.ino(), file.mtime(), file.mtime_nsec(), file.len())
}

impl TokensFile {
    /// Reads it.
    ///
    /// # Errors
    /// What [`Tokens::read`] says.
    pub fn open(path: PathBuf) -> Result<Self, String> {
        let before = path.metadata().ok().as_ref().map(mark);
        let tokens = Tokens::read(&path)?;
        Ok(Self { path, read: Mutex::new((before, Arc::new(tokens))) })
    }

    /// As it is now. Of one that became unreadable, nobody has a token.
    pub(in crate::web) fn now(&self) -> Arc<Tokens> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let found = self.path.metadata().ok().as_ref().map(mark);
        if found != read.0 {
            let tokens = Tokens::read(&self.path).unwrap_or_else(|error| {
                tracing::error!("nobody can sign in: {error}");
                Tokens::default()
            });
            *read = (found, Arc::new(tokens));
        }
        read.1.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_names_until_it_is_taken_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        let mut tokens = Tokens::read(&path).unwrap();
        let alice = tokens.add("alice", Role::Operator, Timestamp::UNIX_EPOCH).unwrap().token;
        let bob = tokens.add("bob", Role::Viewer, Timestamp::UNIX_EPOCH).unwrap().token;
        assert!(alice.starts_with(PREFIX) && alice.len() == PREFIX.len() + 43 && alice != bob);
        tokens.write(&path).unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(!written.contains(&alice) && path.metadata().unwrap().permissions().mode() & 0o777 == 0o600);
        let file = TokensFile::open(path.clone()).unwrap();
        let whose = |token: &str| file.now().whose(&digest(token));
        assert_eq!(whose(&alice), Some(Person { name: "alice".into(), role: Role::Operator }));
        assert_eq!(whose(&bob).unwrap().role, Role::Viewer);
        assert_eq!(whose("taskhost_"), None);
        assert!(tokens.remove("alice") && !tokens.remove("alice"));
        tokens.write(&path).unwrap();
        assert_eq!((whose(&alice), whose(&bob).map(|bob| bob.name)), (None, Some("bob".into())));
        std::fs::write(&path, "token = 3").unwrap();
        assert_eq!(whose(&bob), None);
    }

    #[test]
    fn a_file_that_is_none_or_that_others_may_write_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        for (text, mode, message) in [
            ("", 0o622, "others may write it"),
            (
                "[[token]]\nname = \"a\"\nrole = \"king\"\nsha256 = \"\"\nmade = \"2026-01-01T00:00:00Z\"",
                0o600,
                "unknown variant",
            ),
            (
                "[[token]]\nname = \"a\"\nrole = \"viewer\"\nsha256 = \"0\"\nmade = \"2026-01-01T00:00:00Z\"",
                0o600,
                "`sha256` of a is none",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = Tokens::read(&path).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_name_is_one_line_and_has_one_token() {
        let mut tokens = Tokens::default();
        tokens.add("a", Role::Viewer, Timestamp::UNIX_EPOCH).unwrap();
        for name in ["a", "", " ", "two\nlines", &"x".repeat(NAME_LIMIT + 1)] {
            assert!(tokens.add(name, Role::Viewer, Timestamp::UNIX_EPOCH).is_err(), "{name:?}");
        }
    }
}
