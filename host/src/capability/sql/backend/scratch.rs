//! Throw-away databases: made on the slot's server (for SQLite as a file in a temporary directory), and dropped with the
//! last handle, whatever happened to the run. What a host that was killed left is found by its name, is nobody's as soon
//! as the maker's connection (or lock on the directory) is gone, and is dropped by the next that asks for one.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;

use super::{Connection, Dialect, Error, Lease, Purpose, Slot, Target};

/// What the names of scratch databases and directories begin with; 32 hexadecimal digits follow.
pub(super) const PREFIX: &str = "taskhost_scratch_";
/// A directory without a lock file is given this long to get one.
const YOUNG: Duration = Duration::from_mins(1);

/// One scratch database.
pub(crate) struct ScratchDatabase {
    pub(crate) name: String,
    slot: Arc<Slot>,
    target: Target,
    home: Mutex<Option<Home>>,
    runtime: Handle,
}

/// What says that a scratch database is in use.
enum Home {
    /// The connection that made it.
    Server(Lease),
    /// The directory, locked.
    Directory { path: PathBuf, _lock: File },
}

impl ScratchDatabase {
    /// Sweeps, and makes one.
    pub(crate) async fn create(slot: &Arc<Slot>) -> Result<Self, Error> {
        let name = format!("{PREFIX}{}", uuid::Uuid::now_v7().simple());
        let target = Target::new(&slot.grant)?;
        let runtime = Handle::current();
        if slot.dialect() == Dialect::Sqlite {
            slot.swept.get_or_init(|| async { sweep_directories(&std::env::temp_dir()) }).await;
            let (path, lock) = make_directory(&std::env::temp_dir(), &name)?;
            let target = target.with_path(path.join("scratch.db"));
            let home = Mutex::new(Some(Home::Directory { path, _lock: lock }));
            return Ok(Self { name, slot: Arc::clone(slot), target, home, runtime });
        }
        let mut lease = slot.lease(None, Purpose::Maintain).await?;
        slot.swept.get_or_try_init(|| sweep(&mut lease)).await?;
        lease.connection()?.create_scratch(&name).await?;
        let target = target.with_database(&name);
        let home = Mutex::new(Some(Home::Server(lease)));
        Ok(Self { name, slot: Arc::clone(slot), target, home, runtime })
    }

    /// Where it is, while it is.
    pub(super) fn target(&self) -> Result<&Target, Error> {
        if self.lock().is_some() {
            return Ok(&self.target);
        }
        Err(Error::Invalid("the scratch database was discarded".into()))
    }

    /// Drops it now.
    pub(crate) async fn discard(&self) -> Result<(), Error> {
        let home = self.lock().take();
        match home {
            Some(home) => drop_home(&self.slot, &self.target, &self.name, home).await,
            None => Err(Error::Invalid("the scratch database was discarded".into())),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Home>> {
        self.home.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ScratchDatabase {
    fn drop(&mut self) {
        let Some(home) = self.lock().take() else { return };
        let (slot, target, name) = (Arc::clone(&self.slot), self.target.clone(), std::mem::take(&mut self.name));
        let work = async move {
            if let Err(error) = drop_home(&slot, &target, &name, home).await {
                tracing::warn!("failed to drop the scratch database {name}; the next run drops it: {error}");
            }
        };
        self.slot.jobs.clean_up(&self.runtime, work);
    }
}

async fn drop_home(slot: &Slot, target: &Target, name: &str, home: Home) -> Result<(), Error> {
    slot.pools.forget(target).await;
    match home {
        Home::Server(mut lease) => {
            let dropped = lease.connection()?.drop_scratch(name).await;
            // Its session bears marks, and is not to be used again.
            lease.close().await;
            dropped
        }
        Home::Directory { path, .. } => {
            let removed = tokio::task::spawn_blocking(move || fs::remove_dir_all(&path)).await;
            match removed {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(Error::Unavailable(format!("failed to remove the scratch file: {error}"))),
                Err(_) => Err(Error::Abandoned),
            }
        }
    }
}

async fn sweep(lease: &mut Lease) -> Result<(), Error> {
    let connection = lease.connection()?;
    for name in connection.leftovers().await? {
        match connection.drop_scratch(&name).await {
            Ok(()) => tracing::info!("dropped {name}, which an earlier run left"),
            Err(error) => tracing::warn!("failed to drop {name}, which an earlier run left: {error}"),
        }
    }
    Ok(())
}

impl Connection {
    async fn create_scratch(&mut self, name: &str) -> Result<(), Error> {
        match self {
            Self::Postgres(connection) => connection.create_scratch(name).await,
            Self::Mysql(connection) => connection.create_scratch(name).await,
            Self::Sqlite(_) => Err(files_only()),
        }
    }

    async fn drop_scratch(&mut self, name: &str) -> Result<(), Error> {
        match self {
            Self::Postgres(connection) => connection.drop_scratch(name).await,
            Self::Mysql(connection) => connection.drop_scratch(name).await,
            Self::Sqlite(_) => Err(files_only()),
        }
    }

    async fn leftovers(&mut self) -> Result<Vec<String>, Error> {
        match self {
            Self::Postgres(connection) => connection.leftovers().await,
            Self::Mysql(connection) => connection.leftovers().await,
            Self::Sqlite(_) => Err(files_only()),
        }
    }
}

fn files_only() -> Error {
    Error::Bug(wasmtime::Error::msg("a SQLite scratch database is a directory"))
}

fn make_directory(parent: &Path, name: &str) -> Result<(PathBuf, File), Error> {
    let failed = |error: std::io::Error| Error::Unavailable(format!("failed to make a scratch file: {error}"));
    let path = parent.join(name);
    std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o700).create(&path).map_err(failed)?;
    let lock = File::create_new(path.join("lock")).map_err(failed)?;
    lock.try_lock().map_err(|error| failed(error.into()))?;
    Ok((path, lock))
}

/// Removes the directories of this user's hosts that are gone.
fn sweep_directories(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if !digits.is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())) {
            continue;
        }
        let path = entry.path();
        if is_left(&path) {
            match fs::remove_dir_all(&path) {
                Ok(()) => tracing::info!("removed {}, which an earlier run left", path.display()),
                Err(error) => tracing::warn!("failed to remove {}: {error}", path.display()),
            }
        }
    }
}

/// Whether a directory is this user's, and no living host's.
fn is_left(path: &Path) -> bool {
    let Ok(directory) = fs::symlink_metadata(path) else { return false };
    if !directory.is_dir() || directory.uid() != rustix::process::geteuid().as_raw() {
        return false;
    }
    match File::open(path.join("lock")) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(_) => {
            directory.modified().is_ok_and(|made| SystemTime::now().duration_since(made).is_ok_and(|age| age > YOUNG))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_of_hosts_that_are_gone_are_swept() {
        let parent = tempfile::tempdir().unwrap();
        let name = |digit: char| format!("{PREFIX}{}", String::from(digit).repeat(32));
        let (living, _lock) = make_directory(parent.path(), &name('a')).unwrap();
        let (gone, lock) = make_directory(parent.path(), &name('b')).unwrap();
        drop(lock);
        let (other, _) = make_directory(parent.path(), "taskhost_scratch_notes").unwrap();
        let young = parent.path().join(name('c'));
        fs::create_dir(&young).unwrap();
        std::os::unix::fs::symlink(&other, parent.path().join(name('d'))).unwrap();
        sweep_directories(parent.path());
        assert!(living.exists() && other.exists() && young.exists() && !gone.exists());
    }
}
