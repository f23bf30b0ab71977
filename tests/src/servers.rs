//! Database servers of a test's own, for what the shared ones are not set up for: other settings, other versions. They
//! listen on the loopback on a free port, keep everything in a temporary directory, and end with the test, however it ends.

use std::fs::Permissions;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use url::Url;

use crate::databases::{Database, Server};

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_mins(1);
/// Where `cargo xtask` says that PostgreSQL's and MariaDB's programs are.
const POSTGRES: &str = "TASKHOST_TEST_POSTGRES_PROGRAMS";
const MARIADB: &str = "TASKHOST_TEST_MYSQL_PROGRAMS";

/// A server of the test's own.
#[derive(Debug)]
pub struct DatabaseServer {
    kind: Server,
    process: Child,
    url: Url,
    // Removed after the process ended.
    _directory: tempfile::TempDir,
}

impl DatabaseServer {
    /// PostgreSQL with these lines of its configuration beside the customary ones.
    pub fn postgres(settings: &[&str]) -> Self {
        let account = Account::of("postgres");
        let programs = programs(POSTGRES, "initdb");
        let (directory, port) = (account.directory(), free_port());
        let data = directory.path().join("data");
        let (secret, password) = (directory.path().join("password"), password());
        std::fs::write(&secret, &password).expect("the directory is ours");
        account.own(&secret);
        let mut initdb = account.command(&programs.join("initdb"));
        initdb.args(["--username=taskhost", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        set_up(initdb.arg("--pgdata").arg(&data).arg("--pwfile").arg(&secret));
        let configuration = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nmax_connections = 40\n\
             shared_buffers = 16MB\nfsync = off\nsynchronous_commit = off\n{}\n",
            settings.join("\n")
        );
        std::fs::write(data.join("postgresql.conf"), configuration).expect("the directory is ours");
        account.own(&data.join("postgresql.conf"));
        let mut postgres = account.command(&programs.join("postgres"));
        postgres.arg("-D").arg(&data);
        let state = data.join("postmaster.pid");
        // The eighth line of its state file says when it takes connections.
        let ready = || {
            std::fs::read_to_string(&state).is_ok_and(|state| state.lines().nth(7).is_some_and(|s| s.trim() == "ready"))
        };
        let url = format!("postgres://taskhost:{password}@127.0.0.1:{port}/postgres");
        Self::start(Server::Postgres, postgres, directory, &url, ready)
    }

    /// A standby of this PostgreSQL server, which follows it.
    #[must_use = "it ends when it is dropped"]
    pub fn standby(&self) -> Self {
        let account = Account::of("postgres");
        let programs = programs(POSTGRES, "initdb");
        let (directory, port) = (account.directory(), free_port());
        let data = directory.path().join("data");
        let mut copy = account.command(&programs.join("pg_basebackup"));
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync", "--pgdata"]);
        set_up(copy.arg(&data).arg("--dbname").arg(self.url.as_str()));
        let mut postgres = account.command(&programs.join("postgres"));
        postgres.arg("-D").arg(&data).arg("-c").arg(format!("port={port}"));
        let mut url = self.url.clone();
        url.set_port(Some(port)).expect("the URL names a server");
        // "standby" when it takes connections, too.
        let state = data.join("postmaster.pid");
        let ready = || {
            let lines = std::fs::read_to_string(&state).unwrap_or_default();
            lines.lines().nth(7).is_some_and(|word| ["ready", "standby"].contains(&word.trim()))
                && TcpStream::connect(("127.0.0.1", port)).is_ok()
        };
        Self::start(Server::Postgres, postgres, directory, url.as_str(), ready)
    }

    /// The URL of a database on it, for the administrator.
    pub fn url_of(&self, database: &Database) -> Url {
        let mut url = self.url.clone();
        url.set_path(database.name());
        url
    }

    /// MariaDB with these options, such as `--performance-schema=on`.
    pub fn mariadb(options: &[&str]) -> Self {
        let account = Account::of("mysql");
        let programs = programs(MARIADB, "mariadbd");
        let (directory, port, password) = (account.directory(), free_port(), password());
        let (data, first) = (directory.path().join("data"), directory.path().join("first.sql"));
        let statements = format!(
            "DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys';\nFLUSH PRIVILEGES;\n\
             CREATE USER taskhost@'127.0.0.1' IDENTIFIED BY '{password}';\n\
             GRANT ALL ON *.* TO taskhost@'127.0.0.1' WITH GRANT OPTION;\n"
        );
        std::fs::write(&first, statements).expect("the directory is ours");
        account.own(&first);
        let mut install = account.command(&programs_beside(&programs, "mariadb-install-db"));
        install.args(["--no-defaults", "--skip-test-db", "--skip-name-resolve"]);
        set_up(install.arg("--auth-root-authentication-method=normal").arg(format!("--datadir={}", data.display())));
        let mut mariadbd = account.command(&programs.join("mariadbd"));
        mariadbd.args(["--no-defaults", "--skip-name-resolve", "--skip-log-bin", "--bind-address=127.0.0.1"]);
        mariadbd.args(["--innodb-flush-log-at-trx-commit=0", "--character-set-server=utf8mb4"]);
        mariadbd.arg(format!("--port={port}")).arg(format!("--datadir={}", data.display()));
        mariadbd.arg(format!("--socket={}/socket", directory.path().display()));
        mariadbd.arg(format!("--pid-file={}/pid", directory.path().display()));
        mariadbd.arg(format!("--init-file={}", first.display())).args(options);
        let url = format!("mysql://taskhost:{password}@127.0.0.1:{port}/mysql");
        Self::start(Server::MariaDb, mariadbd, directory, &url, || greets(port))
    }

    /// A fresh, empty database on it.
    pub async fn database(&self) -> Database {
        Database::on(self.kind, self.url.clone()).await.expect("the administrator may make databases")
    }

    fn start(
        kind: Server,
        mut command: Command,
        directory: tempfile::TempDir,
        url: &str,
        ready: impl Fn() -> bool,
    ) -> Self {
        let log = directory.path().join("log");
        let output = std::fs::File::create(&log).expect("the directory is ours");
        command.stdin(Stdio::null()).stdout(output.try_clone().expect("a file")).stderr(output);
        let process = command.spawn().unwrap_or_else(|error| panic!("failed to start {kind:?}: {error}"));
        let url = Url::parse(url).expect("a URL");
        let mut server = Self { kind, process, url, _directory: directory };
        let begun = Instant::now();
        while !ready() {
            let ended = server.process.try_wait().expect("the process is ours");
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "{kind:?} does not start: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        // Without waiting for its clients.
        let stop = if self.kind == Server::Postgres { Signal::INT } else { Signal::TERM };
        if let Some(id) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(id, stop);
        }
        let begun = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) {
            if begun.elapsed() > PATIENCE {
                let _ = self.process.kill();
                let _ = self.process.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whoever a server runs as: servers do not run as root.
struct Account(Option<(u32, u32)>);

impl Account {
    /// The caller's, or as root `wanted`, else `nobody`.
    fn of(wanted: &str) -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self(None);
        }
        let accounts = std::fs::read_to_string("/etc/passwd").expect("the system has accounts");
        let find = |wanted: &str| {
            accounts.lines().find_map(|line| {
                let mut fields = line.split(':');
                fields.next().filter(|name| *name == wanted)?;
                Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
            })
        };
        Self(Some(find(wanted).or_else(|| find("nobody")).expect("the system has an account nobody")))
    }

    /// A directory that it may write in.
    fn directory(&self) -> tempfile::TempDir {
        let directory = tempfile::Builder::new().prefix("taskhost-server-").tempdir().expect("a temporary directory");
        self.own(directory.path());
        directory
    }

    fn own(&self, path: &Path) {
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("the file is ours");
        if let Some((user, group)) = self.0 {
            chown(path, Some(user), Some(group)).expect("root may give files away");
        }
    }

    /// `program` under this account. Where setpriv is there (on Linux it is), it also ends when the test's thread does.
    fn command(&self, program: &Path) -> Command {
        use std::os::unix::process::CommandExt as _;
        let setpriv = Path::new("/usr/bin/setpriv");
        let mut command = if setpriv.exists() {
            let mut command = Command::new(setpriv);
            if let Some((user, group)) = self.0 {
                command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".into()]);
            }
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        } else {
            let mut command = Command::new(program);
            if let Some((user, group)) = self.0 {
                command.uid(user).gid(group);
            }
            command
        };
        command.current_dir("/").env("LC_ALL", "C");
        command
    }
}

/// Runs one of a server's set-up programs to its end.
fn set_up(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [&*String::from_utf8_lossy(&output.stdout), &*String::from_utf8_lossy(&output.stderr)].concat();
    assert!(output.status.success(), "{command:?} ended with {}: {said}", output.status);
}

/// The directory of a server's programs.
fn programs(variable: &str, program: &str) -> PathBuf {
    if let Some(named) = std::env::var_os(variable) {
        return named.into();
    }
    // Debian keeps a directory a version of PostgreSQL.
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    let customary =
        ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/usr/libexec", "/usr/local/pgsql/bin"];
    let directories = versions.into_iter().map(|(_, directory)| directory).chain(customary.map(PathBuf::from));
    directories.into_iter().find(|directory| directory.join(program).is_file()).unwrap_or_else(|| {
        panic!("this test starts a server of its own and finds no {program}: run `cargo xtask test`, which installs it")
    })
}

/// `program` in that directory, or where the system keeps its others.
fn programs_beside(directory: &Path, program: &str) -> PathBuf {
    let beside = directory.join(program);
    if beside.is_file() { beside } else { Path::new("/usr/bin").join(program) }
}

/// A port of the loopback that nobody listens on just now.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Every user of the machine reaches the loopback.
fn password() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// Whether the server sends its greeting, which it does once it takes connections.
fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let limited = stream.set_read_timeout(Some(Duration::from_secs(1)));
    limited.is_ok() && stream.read_exact(&mut [0; 5]).is_ok()
}
