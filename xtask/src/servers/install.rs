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

pub(super) struct DockerPrograms {
    pub(super) dockerd: PathBuf,
    pub(super) docker: PathBuf,
    pub(super) registry: PathBuf,
}

pub(super) struct Programs {
    pub(super) postgres: PostgresPrograms,
    pub(super) mariadb: MariaDbPrograms,
    pub(super) redis: PathBuf,
    pub(super) docker: Option<DockerPrograms>,
    pub(super) prometheus: PathBuf,
    pub(super) chromedriver: PathBuf,
}

struct Found {
    postgres: Option<PostgresPrograms>,
    mariadb: Option<MariaDbPrograms>,
    redis: Option<PathBuf>,
    docker: Option<DockerPrograms>,
    busybox: Option<PathBuf>,
    prometheus: Option<PathBuf>,
    chromium: Option<PathBuf>,
    chromedriver: Option<PathBuf>,
}

/// Finds the programs of the servers that are wanted; none that is wanted is missing from the answer. PostgreSQL, MariaDB
/// and Redis always are: some tests start one of their own.
pub(super) async fn programs(docker: bool) -> anyhow::Result<Programs> {
    let find = || Found {
        postgres: find_postgres(),
        mariadb: find_mariadb(),
        redis: find_redis(),
        docker: docker.then(find_docker).flatten(),
        busybox: program("busybox", &["/bin", "/usr/bin"].map(PathBuf::from)),
        prometheus: program("prometheus", &["/usr/bin", "/usr/local/bin"].map(PathBuf::from)),
        chromium: find_chromium(),
        chromedriver: program("chromedriver", &["/usr/bin", "/usr/local/bin"].map(PathBuf::from)),
    };
    let missing = |found: &Found| {
        let mut packages = Vec::new();
        if found.postgres.is_none() {
            packages.push("postgresql");
        }
        if found.mariadb.is_none() {
            packages.push("mariadb-server");
        }
        if found.redis.is_none() {
            packages.push("redis-server");
        }
        if docker && found.docker.is_none() {
            packages.extend(["docker.io", "docker-registry"]);
        }
        if found.busybox.is_none() {
            packages.push("busybox-static");
        }
        if found.prometheus.is_none() {
            packages.push("prometheus");
        }
        if found.chromium.is_none() {
            packages.push("chromium");
        }
        if found.chromedriver.is_none() {
            packages.push("chromium-driver");
        }
        packages
    };
    let mut found = find();
    let packages = missing(&found);
    if !packages.is_empty() && apt_install(&packages).await? {
        found = find();
    }
    let packages = missing(&found);
    let Found {
        postgres: Some(postgres),
        mariadb: Some(mariadb),
        redis: Some(redis),
        docker,
        busybox: _,
        prometheus: Some(prometheus),
        chromium: _,
        chromedriver: Some(chromedriver),
    } = found
    else {
        bail!("{}", wanting(&packages));
    };
    if !packages.is_empty() {
        bail!("{}", wanting(&packages));
    }
    Ok(Programs { postgres, mariadb, redis, docker, prometheus, chromedriver })
}

/// Installs packages where that can be done: as root, on a system with apt. Whether it was.
pub(crate) async fn apt_install(packages: &[&str]) -> anyhow::Result<bool> {
    if !rustix::process::geteuid().is_root() || program("apt-get", &[]).is_none() {
        return Ok(false);
    }
    println!("installing {}", packages.join(" and "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(std::process::Stdio::null());
        command
    };
    process::succeed(&mut apt(&["--quiet=2", "update"])).await?;
    process::succeed(apt(&["--quiet=2", "--yes", "--no-install-recommends", "install"]).args(packages)).await?;
    Ok(true)
}

fn wanting(packages: &[&str]) -> String {
    format!(
        "the tests need the programs of PostgreSQL (initdb, postgres), MariaDB (mariadb-install-db, mariadbd), Redis \
         (redis-server), Prometheus (prometheus), Chromium (chromium, chromedriver) and Docker (dockerd, docker, \
         docker-registry, and a static busybox); on Debian or Ubuntu: `sudo apt-get install {}`. dockerd is started as \
         root only, and TASKHOST_TEST_DOCKER=unix:///... names an engine for tests instead",
        packages.join(" ")
    )
}

fn find_docker() -> Option<DockerPrograms> {
    let directories = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"].map(PathBuf::from);
    Some(DockerPrograms {
        dockerd: program("dockerd", &directories)?,
        docker: program("docker", &directories)?,
        registry: program("docker-registry", &directories)?,
    })
}

fn find_chromium() -> Option<PathBuf> {
    // Where its driver looks for it.
    ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .find_map(|name| program(name, &["/usr/bin", "/usr/local/bin"].map(PathBuf::from)))
}

fn find_redis() -> Option<PathBuf> {
    ["redis-server", "valkey-server"]
        .iter()
        .find_map(|name| program(name, &["/usr/bin", "/usr/local/bin"].map(PathBuf::from)))
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
