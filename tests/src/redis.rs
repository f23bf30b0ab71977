//! Redis: an empty database of a test's own on the server that the environment names, and servers of a test's own, to be
//! stopped, filled and starved. Exactly what was started here is stopped.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use url::Url;

/// How long a server may take to start, to stop, or to answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// The key by which tests that run at the same time tell each other which databases are taken; in database 0.
const TAKEN: &str = "taskhost:taken:";
/// Databases of the private server.
const DATABASES: u32 = 1_024;

/// A connection that speaks the bare protocol: it shares nothing with the host's client.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<TcpStream>,
}

/// What a server answered, without the type of what is text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the protocol's own")]
pub enum Reply {
    Nil,
    Number(i64),
    Text(Vec<u8>),
    Error(String),
    List(Vec<Reply>),
}

impl Client {
    /// Connects as the URL says.
    pub fn connect(url: &Url) -> Self {
        let address = (url.host_str().expect("a host"), url.port().unwrap_or(6379));
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address:?}: {error}"));
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        stream.set_nodelay(true).expect("an option");
        let mut client = Self { reader: BufReader::new(stream) };
        if let Some(password) = url.password() {
            let user = if url.username().is_empty() { "default" } else { url.username() };
            client.run(&["AUTH", user, password]);
        }
        let database = url.path().trim_start_matches('/');
        if !database.is_empty() && database != "0" {
            client.run(&["SELECT", database]);
        }
        client
    }

    /// Sends a command, and gives the reply.
    pub fn ask<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Reply {
        self.send(arguments);
        self.read()
    }

    /// The same, of which no error is expected.
    pub fn run<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Reply {
        match self.ask(arguments) {
            Reply::Error(error) => {
                let shown: Vec<_> = arguments.iter().map(|word| String::from_utf8_lossy(word.as_ref())).collect();
                panic!("{}: {error}", shown.join(" "))
            }
            reply => reply,
        }
    }

    /// A reply that is text, or a number.
    pub fn text<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> String {
        match self.run(arguments) {
            Reply::Text(text) => String::from_utf8_lossy(&text).into_owned(),
            Reply::Number(number) => number.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// Sends many commands at once, of which no error is expected.
    pub fn run_all(&mut self, commands: impl IntoIterator<Item = Vec<String>>) {
        let mut waiting = 0;
        for command in commands {
            self.send(&command);
            waiting += 1;
            if waiting == 1_000 {
                self.drain(std::mem::take(&mut waiting));
            }
        }
        self.drain(waiting);
    }

    /// Every key of the database with its kind, its value and whether it ends.
    pub fn everything(&mut self) -> Vec<(String, String)> {
        let Reply::List(keys) = self.run(&["KEYS", "*"]) else { panic!("no list") };
        let mut all: Vec<_> = keys
            .into_iter()
            .map(|key| {
                let Reply::Text(key) = key else { panic!("no key") };
                let dump = self.run(&[b"DUMP", key.as_slice()]);
                let ends = self.run(&[b"PEXPIRETIME", key.as_slice()]);
                (String::from_utf8_lossy(&key).into_owned(), format!("{dump:?} {ends:?}"))
            })
            .collect();
        all.sort();
        all
    }

    fn drain(&mut self, replies: usize) {
        for _ in 0..replies {
            if let Reply::Error(error) = self.read() {
                panic!("{error}");
            }
        }
    }

    fn send<A: AsRef<[u8]>>(&mut self, arguments: &[A]) {
        let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            bytes.extend(format!("${}\r\n", argument.as_ref().len()).bytes());
            bytes.extend_from_slice(argument.as_ref());
            bytes.extend_from_slice(b"\r\n");
        }
        self.reader.get_mut().write_all(&bytes).expect("the server takes commands");
    }

    fn read(&mut self) -> Reply {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("the server answers");
        let (kind, rest) = line.trim_end().split_at_checked(1).unwrap_or_else(|| panic!("the server hung up"));
        let number = || rest.parse::<i64>().expect("a number");
        match kind {
            "+" => Reply::Text(rest.as_bytes().to_vec()),
            "-" => Reply::Error(rest.into()),
            ":" => Reply::Number(number()),
            "$" => match usize::try_from(number()) {
                Err(_) => Reply::Nil,
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    self.reader.read_exact(&mut bytes).expect("the server answers");
                    bytes.truncate(length);
                    Reply::Text(bytes)
                }
            },
            "*" => match usize::try_from(number()) {
                Err(_) => Reply::Nil,
                Ok(count) => Reply::List((0..count).map(|_| self.read()).collect()),
            },
            other => panic!("the server answered {other}{rest}"),
        }
    }
}

/// A database of a test's own on the server that the environment names. It is emptied when this is dropped.
#[derive(Debug)]
pub struct RedisDatabase {
    url: Url,
    /// Holds the mark in database 0.
    keeper: Client,
    number: u32,
}

/// A fresh, empty database.
pub fn redis() -> RedisDatabase {
    let written = super::databases::required("TASKHOST_TEST_REDIS");
    let mut url = Url::parse(&written).unwrap_or_else(|error| panic!("TASKHOST_TEST_REDIS is no URL: {error}"));
    url.set_path("/0");
    let mut keeper = Client::connect(&url);
    // A test that was killed leaves its mark for an hour.
    let taken = |number: &u32| keeper.run(&["SET", &format!("{TAKEN}{number}"), "1", "NX", "EX", "3600"]) != Reply::Nil;
    let number = (1..DATABASES).find(taken).expect("a database that nobody has taken");
    url.set_path(&format!("/{number}"));
    Client::connect(&url).run(&["FLUSHDB"]);
    RedisDatabase { url, keeper, number }
}

impl RedisDatabase {
    /// Its URL for the administrator, password and all.
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// A connection of the administrator's to it.
    pub fn client(&self) -> Client {
        Client::connect(&self.url)
    }
}

impl Drop for RedisDatabase {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.client().run(&["FLUSHDB"]);
            self.keeper.run(&["DEL", &format!("{TAKEN}{}", self.number)]);
        }
    }
}

/// A server of a test's own. It is stopped when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    process: Option<Child>,
    directory: tempfile::TempDir,
    port: u16,
    settings: Vec<String>,
    password: Option<String>,
}

impl RedisServer {
    /// Starts one with these lines of its configuration, such as `maxmemory 2mb`. In `{directory}` it keeps its files.
    pub fn start(settings: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let place = directory.path().display().to_string();
        let settings: Vec<String> = settings.iter().map(|line| line.replace("{directory}", &place)).collect();
        let password = settings.iter().find_map(|line| line.strip_prefix("requirepass ")).map(Into::into);
        let mut server = Self { process: None, directory, port, settings, password };
        server.launch();
        server
    }

    /// Its URL, password and all.
    pub fn url(&self) -> Url {
        let password = self.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        Url::parse(&format!("redis://{password}127.0.0.1:{}/0", self.port)).expect("a URL")
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it keeps its files, with its socket, `socket`.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A connection to it.
    pub fn client(&self) -> Client {
        Client::connect(&self.url())
    }

    /// Adds a line to its configuration, for when it is started anew.
    pub fn set(&mut self, line: &str) {
        self.settings.push(line.into());
    }

    /// Ends it at once, and starts it anew on the same port.
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("the process is ours");
            process.wait().expect("the process is ours");
        }
    }

    fn launch(&mut self) {
        let place = self.directory.path();
        let mut configuration = format!(
            "bind 127.0.0.1\nport {}\ndir {}\nunixsocket {}/socket\nsave \"\"\n",
            self.port,
            place.display(),
            place.display()
        );
        configuration.extend(self.settings.iter().map(|line| format!("{line}\n")));
        std::fs::write(place.join("redis.conf"), configuration).expect("the directory is ours");
        let log = std::fs::File::create(place.join("log")).expect("the directory is ours");
        let mut command = Command::new(program());
        command.arg(place.join("redis.conf")).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file")).stderr(log);
        self.process = Some(command.spawn().unwrap_or_else(|error| panic!("failed to start redis-server: {error}")));
        let begun = Instant::now();
        while !self.answers() {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            let said = std::fs::read_to_string(place.join("log")).unwrap_or_default();
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "redis-server does not start: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it answers, be it only that it loads or wants a password.
    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let limited = stream.set_read_timeout(Some(Duration::from_secs(1)));
        limited.is_ok() && stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut [0; 5]).is_ok()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program that `cargo xtask test` found, else the one on PATH.
fn program() -> PathBuf {
    std::env::var_os("TASKHOST_TEST_REDIS_SERVER").map_or_else(|| "redis-server".into(), Into::into)
}
