//! A server of a test's own, in the words of these tests: what the plugins look at is the server's, not a database's.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use taskhost_tests::{RedisReply as Reply, RedisServer};

/// How long a server may take for anything that is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// It is ended when this is dropped, and its files are removed.
pub(crate) struct Server(RedisServer);

impl Server {
    /// With these lines in its configuration.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self(RedisServer::start(settings))
    }

    /// How a slot is bound to it.
    pub(crate) fn url(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port()
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.0.directory().to_owned()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.directory().join("socket")
    }

    /// One command, which succeeds with text or a number.
    pub(crate) fn call(&self, words: &[&str]) -> String {
        self.0.client().text(words)
    }

    /// One command, and what it says, whatever that is.
    pub(crate) fn ask(&self, words: &[&str]) -> Reply {
        self.0.client().ask(words)
    }

    /// Sets keys of any bytes.
    pub(crate) fn set(&self, names: &[&[u8]]) {
        for name in names {
            self.0.client().run(&[b"SET", *name, b"x"]);
        }
    }

    /// A command a line, its words apart by one space.
    pub(crate) fn lines(&self, lines: impl IntoIterator<Item = String>) {
        self.0.client().run_all(lines.into_iter().map(|line| line.split(' ').map(Into::into).collect()));
    }

    /// Sets `PREFIX:1` and so on to values of that many bytes.
    pub(crate) fn fill(&self, prefix: &str, keys: u32, bytes: u32) {
        let script = "local value = string.rep('x', ARGV[3]) \
                      for i = 1, ARGV[2] do redis.call('SET', ARGV[1] .. ':' .. i, value) end return 1";
        self.call(&["EVAL", script, "0", prefix, &keys.to_string(), &bytes.to_string()]);
    }

    /// What INFO says of it.
    pub(crate) fn info(&self, name: &str) -> String {
        let info = self.call(&["INFO"]);
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
}

pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not within {} s: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}
