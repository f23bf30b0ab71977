//! The servers that the tests talk to: those that the environment names, else private ones, on free ports of
//! the loopback, in a temporary directory. Exactly what was started here is stopped again, however xtask ends; a
//! server that someone else runs is never touched.

mod account;
mod docker;
mod install;
mod mariadb;
mod postgres;
mod redis;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::process;
use crate::workspace::Workspace;
use account::Account;
pub(crate) use install::apt_install;

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_mins(1);

/// Names the servers to the tests.
const VARIABLES: [&str; 5] = [
    "TASKHOST_TEST_POSTGRES",
    "TASKHOST_TEST_MYSQL",
    "TASKHOST_TEST_REDIS",
    "TASKHOST_TEST_DOCKER",
    "TASKHOST_TEST_REGISTRY",
];
/// Names the program of Redis to the tests that start a server of their own, to break it.
const REDIS_PROGRAM: &str = "TASKHOST_TEST_REDIS_SERVER";
/// Names the directories of PostgreSQL's and MariaDB's programs to the tests that start one set up in another way.
const SQL_PROGRAMS: [&str; 2] = ["TASKHOST_TEST_POSTGRES_PROGRAMS", "TASKHOST_TEST_MYSQL_PROGRAMS"];
/// Names the program of Prometheus, of which each test starts a server of its own.
const PROMETHEUS_PROGRAM: &str = "TASKHOST_TEST_PROMETHEUS_SERVER";
/// Names the program that drives Chromium, of which each test starts one of its own.
const CHROMEDRIVER: &str = "TASKHOST_TEST_CHROMEDRIVER";
/// Names the certificate that the servers' own are signed with.
const AUTHORITY: &str = "TASKHOST_TEST_SERVER_CA";

/// What the names of the servers' directories begin with.
const PREFIX: &str = "taskhost-servers-";
/// Holds the id of the xtask whose directory it is.
const OWNER: &str = "owner";

/// Servers that are there while this is. Dropping it stops what was started, then removes its directory.
pub(crate) struct Servers {
    environment: Vec<(&'static str, String)>,
    running: Vec<Server>,
    directory: Option<tempfile::TempDir>,
}

impl Servers {
    /// Starts those that the environment does not name.
    pub(crate) async fn start(workspace: &Workspace) -> anyhow::Result<Self> {
        let [postgres_named, mariadb_named, redis_named, docker_named, registry_named] =
            VARIABLES.map(|name| std::env::var_os(name).is_some());
        let programs = install::programs(!docker_named || !registry_named).await?;
        // Behind a link there are others beside it.
        let beside = |program: &Path| {
            let program = program.canonicalize().unwrap_or_else(|_| program.to_owned());
            program.parent().unwrap_or(&program).display().to_string()
        };
        let environment = vec![
            (REDIS_PROGRAM, programs.redis.display().to_string()),
            (SQL_PROGRAMS[0], beside(&programs.postgres.postgres)),
            (SQL_PROGRAMS[1], beside(&programs.mariadb.mariadbd)),
            (PROMETHEUS_PROGRAM, programs.prometheus.display().to_string()),
            (CHROMEDRIVER, programs.chromedriver.display().to_string()),
        ];
        if postgres_named && mariadb_named && redis_named && docker_named && registry_named {
            println!("those that {} name", VARIABLES.join(" and "));
            return Ok(Self { environment, running: vec![], directory: None });
        }

        // Servers refuse to run as root and must reach their directory as another user, so it is not under target/.
        let mut builder = tempfile::Builder::new();
        let passable = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        remove_leftovers();
        let directory = builder.prefix(PREFIX).permissions(passable).tempdir()?;
        let path = directory.path().to_owned();
        std::fs::write(path.join(OWNER), std::process::id().to_string())?;
        let mut servers = Self { environment, running: vec![], directory: Some(directory) };
        let certificates = path.join("tls");
        process::succeed(workspace.command(workspace.binary("world")).arg("server-certificate").arg(&certificates))
            .await?;
        std::fs::set_permissions(&certificates, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        servers.environment.push((AUTHORITY, certificates.join("ca.pem").display().to_string()));
        if !postgres_named {
            let (server, url) = postgres::start(&programs.postgres, &path, &certificates)?;
            servers.running.push(server);
            servers.environment.push((VARIABLES[0], url));
        }
        if !mariadb_named {
            let (server, url) = mariadb::start(&programs.mariadb, &path, &certificates)?;
            servers.running.push(server);
            servers.environment.push((VARIABLES[1], url));
        }
        if !redis_named {
            let (server, url) = redis::start(&programs.redis, &path, &certificates)?;
            servers.running.push(server);
            servers.environment.push((VARIABLES[2], url));
        }
        if let Some(programs) = &programs.docker {
            if !docker_named {
                let (server, url) = docker::start(programs, &path)?;
                servers.running.push(server);
                servers.environment.push((VARIABLES[3], url));
            }
            if !registry_named {
                let (server, address) = docker::registry(&programs.registry, &path)?;
                servers.running.push(server);
                servers.environment.push((VARIABLES[4], address));
            }
        }
        Ok(servers)
    }

    /// What tells the tests where the servers are.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.environment.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // All are asked before any is waited for.
        for server in &self.running {
            server.ask_to_stop();
        }
        self.running.clear();
        if let Some(directory) = &self.directory {
            docker::unmount_below(directory.path());
        }
    }
}

/// One server that was started here.
struct Server {
    name: &'static str,
    process: Child,
    /// What the server calls an orderly stop without waiting for its clients.
    stop: Signal,
    log: PathBuf,
}

impl Server {
    /// Starts `command` with its output in `log`, and waits until `ready`.
    fn start(
        name: &'static str,
        mut command: Command,
        stop: Signal,
        log: PathBuf,
        mut ready: impl FnMut() -> bool,
    ) -> anyhow::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        let output = std::fs::File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
        let process = command.spawn().with_context(|| format!("failed to start {name}"))?;
        let mut server = Self { name, process, stop, log };
        let begun = Instant::now();
        while !ready() {
            if let Some(status) = server.process.try_wait()? {
                bail!("{name} ended with {status} while it started; it said:\n{}", server.said());
            }
            if begun.elapsed() > PATIENCE {
                bail!("{name} did not start within {} s; it said:\n{}", PATIENCE.as_secs(), server.said());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn ask_to_stop(&self) {
        if let Some(id) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(id, self.stop);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ask_to_stop();
        let begun = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) {
            if begun.elapsed() > PATIENCE {
                eprintln!("{} did not stop within {} s and is killed", self.name, PATIENCE.as_secs());
                let _ = self.process.kill();
                let _ = self.process.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Removes the directories of those that were killed before they could: their servers died with them.
fn remove_leftovers() {
    for entry in std::env::temp_dir().read_dir().into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let owner = std::fs::read_to_string(entry.path().join(OWNER)).unwrap_or_default();
        let owner = owner.parse().ok().and_then(Pid::from_raw);
        if owner.is_some_and(|owner| test_kill_process(owner) == Err(rustix::io::Errno::SRCH)) {
            docker::unmount_below(&entry.path());
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Runs one of a server's set-up programs to its end.
fn set_up(mut command: Command) -> anyhow::Result<()> {
    let name = command.get_args().chain([command.get_program()]).find(|word| word.to_string_lossy().starts_with('/'));
    let name = name.map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("failed to start {name}"))?;
    if !output.status.success() {
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("{name} ended with {}; it said:\n{said}{complained}", output.status);
    }
    Ok(())
}

/// A port of the loopback that nobody listens on just now.
fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A password of 32 hexadecimal digits. The servers listen on the loopback, which every user of the machine reaches.
fn password() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A directory of a server's own, and its account's own copy of the certificate: a server takes no key that others
/// may read.
fn own_directory(parent: &Path, name: &str, account: &Account, certificates: &Path) -> anyhow::Result<PathBuf> {
    let directory = parent.join(name);
    std::fs::create_dir(&directory)?;
    account.own(&directory, 0o700)?;
    for file in ["server.pem", "server.key"] {
        let copy = directory.join(file);
        std::fs::copy(certificates.join(file), &copy)?;
        account.own(&copy, 0o600)?;
    }
    Ok(directory)
}
