//! The files: the pair that was issued, the pair that servers read, and the old pair while a renewal is under way.
//!
//! The host replaces each file at once and keeps its mode and owner, but two files are not one: the key is copied first,
//! and until the new pair is proven the old one lies beside it as `*.previous`, no wider open. What is in order leaves
//! those empty. This may not remove files, and does not need to.

use taskhost_sdk::files::{Directory, Entry, Error, Kind};
use taskhost_sdk::prelude::*;

use crate::pair::{Flaw, Installed, Pair};
use crate::trouble::Trouble;

/// Nothing larger is a chain.
const CERTIFICATE_LIMIT: u64 = 256 << 10;
/// Nothing larger is a key.
const KEY_LIMIT: u64 = 64 << 10;

/// Two files in a directory.
pub(crate) struct Place {
    pub(crate) directory: Directory,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Place {
    /// What was issued; certbot's links are followed.
    pub(crate) async fn issued(&self) -> Result<Result<Pair, Flaw>> {
        let links = "certbot's live/ holds links into archive/: grant the directory that holds both";
        let certificate = match self.read(&self.certificate, CERTIFICATE_LIMIT).await {
            Err(failure) => return Err(Failure { message: format!("{}; {links}", failure.message), ..failure }),
            Ok(read) => read,
        };
        let key = self.read(&self.key, KEY_LIMIT).await?;
        Ok(certificate.and_then(|certificate| Pair::read(certificate, key?)))
    }

    /// What servers read.
    pub(crate) async fn installed(&self) -> Result<Installed> {
        let certificate = self.read(&self.certificate, CERTIFICATE_LIMIT).await?;
        let key = self.read(&self.key, KEY_LIMIT).await?;
        Ok(match (certificate, key) {
            (Ok(certificate), Ok(key)) => Installed::read(certificate, key),
            (Err(flaw), _) | (_, Err(flaw)) => Installed::Broken(flaw, None),
        })
    }

    /// The pair that an unfinished renewal kept. One that was cut off before both were written kept none, and had
    /// changed nothing.
    pub(crate) async fn kept(&self) -> Result<Option<Pair>> {
        let certificate = self.read(&previous(&self.certificate), CERTIFICATE_LIMIT).await?;
        let key = self.read(&previous(&self.key), KEY_LIMIT).await?;
        Ok(certificate.and_then(|certificate| Pair::read(certificate, key?)).ok())
    }

    /// A file that is not there is empty. What the host refuses ends the run.
    async fn read(&self, path: &str, limit: u64) -> Result<Result<Vec<u8>, Flaw>> {
        match self.directory.read_small(path, limit).await {
            Ok(bytes) => Ok(Ok(bytes)),
            Err(Error::NotFound(_)) => Ok(Ok(vec![])),
            Err(error @ (Error::Refused(_) | Error::OverBudget(_))) => Err(error.into()),
            Err(error) => Ok(Err(Flaw::new("cannot be read", files::message(&error)))),
        }
    }

    /// Whether a pair can be put here: both are plain files, and the key's is there, as its mode is to be somebody's
    /// choice. Says what is wrong.
    pub(crate) async fn fits(&self) -> Result<bool> {
        let mut fits = true;
        for path in [&self.key, &self.certificate] {
            let Some(entry) = self.stat(path).await? else {
                if path == &self.key {
                    fits = false;
                    Finding::critical(path, "no file for the private key")
                        .detail("a new file would be open to whom the host's umask lets")
                        .remedy("make one that is empty, with the mode it is to have: install -m 600 /dev/null FILE")
                        .report();
                }
                continue;
            };
            if !matches!(entry.kind, Kind::File) {
                fits = false;
                Finding::critical(path, "not a plain file")
                    .detail("what it leads to would stay as it is")
                    .remedy("put a file in its place; servers that read certbot's own files need no copies")
                    .report();
            } else if path == &self.key && entry.mode & 0o007 != 0 {
                Finding::warning(path, "private key is open to everyone")
                    .detail(format!("its mode is {:o}, which is kept", entry.mode & 0o777))
                    .remedy("chmod 600, or 640 for a group that needs it")
                    .report();
            }
        }
        Ok(fits)
    }

    async fn stat(&self, path: &str) -> Result<Option<Entry>> {
        match self.directory.stat(path.into()).await {
            Ok(entry) => Ok(Some(entry)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps a pair as `*.previous`. The key is last: without it none is kept.
    pub(crate) async fn keep(&self, old: &Pair) -> Result<(), Trouble> {
        for (path, bytes) in [(&self.certificate, &old.certificate), (&self.key, &old.key)] {
            let kept = previous(path);
            let mode = self.directory.stat(path.clone()).await?.mode;
            match self.directory.stat(kept.clone()).await {
                Err(Error::NotFound(_)) => self.directory.create_like(kept.clone(), path.clone()).await?,
                Err(error) => return Err(error.into()),
                Ok(there) if wider(there.mode, mode) => {
                    let message = format!("`{kept}` is open to more than `{path}`: remove it, and it is made anew");
                    return Err(Trouble::Broken(message));
                }
                Ok(_) => {}
            }
            self.directory.replace(&kept, bytes.clone()).await?;
        }
        Ok(())
    }

    /// Copies a pair: the key first.
    pub(crate) async fn put(&self, pair: &Pair) -> Result<(), Trouble> {
        self.directory.replace(&self.key, pair.key.clone()).await?;
        self.directory.replace(&self.certificate, pair.certificate.clone()).await?;
        Ok(())
    }

    /// Empties `*.previous`: nothing is under way. The key is first, so that what is left is never a pair.
    pub(crate) async fn forget(&self) -> Result<(), Trouble> {
        for path in [&self.key, &self.certificate] {
            match self.directory.stat(previous(path)).await {
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
                Ok(entry) if entry.size == 0 && !rehearsing() => {}
                Ok(_) => drop(self.directory.replace(&previous(path), vec![]).await?),
            }
        }
        Ok(())
    }
}

/// Where the old one is kept.
pub(crate) fn previous(path: &str) -> String {
    format!("{path}.previous")
}

/// Whether a mode lets someone do what the other does not.
fn wider(mode: u32, than: u32) -> bool {
    mode & !than & 0o777 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_wider_when_it_lets_anyone_do_more() {
        for (mode, than, expected) in [
            (0o100_600, 0o100_600, false),
            (0o100_600, 0o100_640, false),
            (0o100_640, 0o100_600, true),
            (0o100_604, 0o100_660, true),
            (0o100_700, 0o100_600, true),
        ] {
            assert_eq!(wider(mode, than), expected, "{mode:o} {than:o}");
        }
    }
}
