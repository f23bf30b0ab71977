//! Whether the process that runs something is still there. For a file, each process holds a lock on a file of its own
//! beside it, which the kernel takes away when the process ends, however it does; for a server, a lock in its session.
//! So a run is called interrupted when its process is gone, and never because it takes long.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Target;
use super::error::Fault;
use super::sql::{Connection, values};

/// This process's sign of life. Dropping it takes it away.
#[derive(Debug)]
pub(super) enum Sign {
    File {
        path: PathBuf,
        // The lock lives as long as the file is open.
        _locked: File,
    },
    Session,
}

/// Where processes that record in the file leave their signs.
fn directory(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push("-running");
    file.with_file_name(name)
}

/// The sign of a process, if its name is one: what a database says becomes a file's name here.
fn sign_of(file: &Path, process: &str) -> Option<PathBuf> {
    uuid::Uuid::try_parse(process).ok().map(|id| directory(file).join(id.to_string()))
}

/// A number for a process, of the kind that PostgreSQL locks.
fn number(process: &str) -> i64 {
    let digest = Sha256::digest(format!("taskhost {process}"));
    digest.iter().take(8).fold(0, |number, byte| (number << 8) | i64::from(*byte))
}

impl Sign {
    /// Gives a sign of life for `process`, which is a UUID.
    pub(super) async fn give(target: &Target, connection: &mut Connection, process: &str) -> Result<Self, Fault> {
        match target {
            Target::Server(_) => {
                let key = number(process);
                // Where this session holds it already, it holds it twice, which does no harm.
                connection.session().row("SELECT pg_advisory_lock($1)::text", &values![key]).await?;
                Ok(Self::Session)
            }
            Target::File(file) => {
                let path = sign_of(file, process).ok_or_else(|| format!("`{process}` names no process"))?;
                let failed = |error: std::io::Error| {
                    format!("failed to leave a sign of this process in {}: {error}", directory(file).display())
                };
                // Another may take the empty directory away at the same time.
                let mut tries = 0;
                let locked = loop {
                    std::fs::create_dir_all(directory(file)).map_err(failed)?;
                    match File::create(&path) {
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound && tries < 10 => tries += 1,
                        made => break made.map_err(failed)?,
                    }
                };
                locked.lock().map_err(failed)?;
                Ok(Self::File { path, _locked: locked })
            }
        }
    }
}

impl Drop for Sign {
    fn drop(&mut self) {
        if let Self::File { path, .. } = self {
            let _ = std::fs::remove_file(&*path);
            if let Some(directory) = path.parent() {
                // It stays while others run.
                let _ = std::fs::remove_dir(directory);
            }
        }
    }
}

/// Whether a process gives a sign of life. Where that cannot be told, it does.
pub(super) async fn is_alive(target: &Target, connection: &mut Connection, process: &str) -> Result<bool, Fault> {
    match target {
        Target::File(file) => {
            let Some(path) = sign_of(file, process) else { return Ok(false) };
            let sign = match File::open(&path) {
                Ok(sign) => sign,
                Err(error) => return Ok(error.kind() != std::io::ErrorKind::NotFound),
            };
            Ok(matches!(sign.try_lock_shared(), Err(TryLockError::WouldBlock)))
        }
        Target::Server(_) => {
            let key = number(process);
            let held = connection
                .session()
                .row(
                    "SELECT 1::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND \
                     database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND \
                     classid::bigint = (($1 >> 32) & 4294967295) AND objid::bigint = ($1 & 4294967295)",
                    &values![key],
                )
                .await?;
            Ok(held.is_some())
        }
    }
}

/// Takes away the sign that a process left when it was killed.
pub(super) fn forget(target: &Target, process: &str) {
    if let Target::File(file) = target
        && let Some(path) = sign_of(file, process)
    {
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_database_says_names_no_file_elsewhere() {
        let file = Path::new("/var/lib/history.db");
        for process in ["", "..", "../../etc/passwd", "/etc/passwd", "x"] {
            assert_eq!(sign_of(file, process), None, "{process}");
        }
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(sign_of(file, id), Some(format!("/var/lib/history.db-running/{id}").into()));
        assert_ne!(number(id), number("01890a5d-ac96-774b-bcce-b302099a8058"));
    }
}
