//! A Redis server of a test's own: what the plugins look at is the server's, not a database's.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take for anything that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// It is ended when this is dropped, and its files are removed.
pub(crate) struct Server {
    process: Child,
    directory: tempfile::TempDir,
}

impl Server {
    /// With these settings, in a directory of its own, on a socket there and on no port.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_on(0, settings)
    }

    /// On a port too, as a master needs one.
    pub(crate) fn start_on(port: u16, settings: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]);
        command.arg("--unixsocket").arg(socket(directory.path()));
        command.arg("--dir").arg(directory.path());
        command.args(settings).current_dir(directory.path());
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.unwrap_or_else(|error| {
            panic!("this test needs redis-server, which `cargo xtask test` installs where it is missing: {error}")
        });
        let server = Self { process, directory };
        wait_until("the server answers", || server.try_call(&["PING"]) == "PONG");
        server
    }

    /// The URL of its socket.
    pub(crate) fn url(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket(self.directory.path())
    }

    /// One command, which succeeds.
    pub(crate) fn call(&self, words: &[&str]) -> String {
        let answer = self.try_call(words);
        assert!(!answer.starts_with("ERR") && !answer.contains("(error)"), "{words:?}: {answer}");
        answer
    }

    /// One command, and what it says.
    pub(crate) fn try_call(&self, words: &[&str]) -> String {
        let output = self.cli().args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// A command a line, on one connection.
    pub(crate) fn lines(&self, lines: impl IntoIterator<Item = String>) {
        let mut cli = self.cli().stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut input = cli.stdin.take().unwrap();
        for line in lines {
            writeln!(input, "{line}").unwrap();
        }
        drop(input);
        assert!(cli.wait().unwrap().success());
    }

    /// What INFO says of it.
    pub(crate) fn info(&self, name: &str) -> String {
        let info = self.call(&["INFO", "everything"]);
        let value = info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no `{name}` in {info}")).to_owned()
    }

    pub(crate) fn keys(&self) -> u64 {
        self.call(&["DBSIZE"]).parse().unwrap()
    }

    /// Whether a command was ever called, by its name in lower case.
    pub(crate) fn has_called(&self, command: &str) -> bool {
        let stats = self.call(&["INFO", "commandstats"]);
        stats.lines().any(|line| line.starts_with(&format!("cmdstat_{command}:")))
    }

    fn cli(&self) -> Command {
        let mut command = Command::new("redis-cli");
        command.arg("-s").arg(self.socket());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("socket")
}

/// A port that is free now.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not within {} s: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}
