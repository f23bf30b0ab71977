//! Finds the servers' programs, and as root on a system with apt installs them where they are missing.

use std::path::PathBuf;

use anyhow::bail;
use tokio::process::Command;

use crate::process;
use crate::workspace::program;

pub(super) struct PostgresPrograms {
    pub(super) initdb: PathBuf,
    pub(super) postgres: PathBuf,
}

pub(super) struct MariaDbPrograms {
    pub(super) install_db: PathBuf,
    pub(super) mariadbd: PathBuf,
}

pub(super) struct Programs {
    pub(super) postgres: Option<PostgresPrograms>,
    pub(super) mariadb: Option<MariaDbPrograms>,
}

/// Finds the programs of the servers that are wanted; none that is wanted is missing from the answer.
pub(super) async fn programs(postgres: bool, mariadb: bool) -> anyhow::Result<Programs> {
    let find =
        || Programs { postgres: postgres.then(find_postgres).flatten(), mariadb: mariadb.then(find_mariadb).flatten() };
    let missing = |found: &Programs| {
        let mut packages = Vec::new();
        if postgres && found.postgres.is_none() {
            packages.push("postgresql");
        }
        if mariadb && found.mariadb.is_none() {
            packages.push("mariadb-server");
        }
        packages
    };
    let mut found = find();
    let packages = missing(&found);
    if !packages.is_empty() && rustix::process::geteuid().is_root() && program("apt-get", &[]).is_some() {
        println!("installing {}", packages.join(" and "));
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(std::process::Stdio::null());
            command
        };
        process::succeed(&mut apt(&["--quiet=2", "update"])).await?;
        process::succeed(apt(&["--quiet=2", "--yes", "--no-install-recommends", "install"]).args(&packages)).await?;
        found = find();
    }
    let packages = missing(&found);
    if !packages.is_empty() {
        bail!(
            "the tests need the programs of PostgreSQL (initdb, postgres) and MariaDB (mariadb-install-db, mariadbd); \
             on Debian or Ubuntu: `sudo apt-get install {}`. Or name servers that are running, each by the URL of an \
             administrator: TASKHOST_TEST_POSTGRES=postgres://..., TASKHOST_TEST_MYSQL=mysql://...",
            packages.join(" ")
        );
    }
    Ok(found)
}

fn find_postgres() -> Option<PostgresPrograms> {
    // Debian keeps a directory a version, and none of them on PATH.
    let mut directories: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    directories.sort_unstable_by(|one, other| other.cmp(one));
    let mut directories: Vec<PathBuf> = directories.into_iter().map(|(_, directory)| directory).collect();
    directories.push("/usr/local/pgsql/bin".into());
    Some(PostgresPrograms { initdb: program("initdb", &directories)?, postgres: program("postgres", &directories)? })
}

fn find_mariadb() -> Option<MariaDbPrograms> {
    let directories = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/usr/libexec"].map(PathBuf::from);
    Some(MariaDbPrograms {
        install_db: program("mariadb-install-db", &directories)?,
        mariadbd: program("mariadbd", &directories)?,
    })
}
