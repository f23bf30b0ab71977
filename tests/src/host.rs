//! The built `host` as a process of its own, cut off from the environment and the home of whoever runs the tests.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long one process may take before its test fails.
const PATIENCE: Duration = Duration::from_mins(2);
/// How much memory it may take before that: nothing else on the machine is to suffer.
const MOST_MEMORY: u64 = 3 << 30;

/// A `host` to be started.
#[derive(Debug)]
#[must_use = "a command that is not run shows nothing"]
pub struct Host {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    directory: Option<PathBuf>,
    largest_file: Option<u64>,
    home: tempfile::TempDir,
}

/// What a `host` left when it ended.
#[derive(Debug)]
pub struct Output {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
    /// The most bytes of memory that it had, as far as was seen.
    pub peak_memory: u64,
}

/// A `host` at work. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    // Removed after the process ended.
    _home: tempfile::TempDir,
}

/// A `host` without arguments.
pub fn host() -> Host {
    let home = tempfile::tempdir().expect("a temporary directory");
    Host { arguments: vec![], environment: vec![], directory: None, largest_file: None, home }
}

impl Host {
    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds one argument, such as a path.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_str().expect("tests use names in UTF-8").to_owned());
        self
    }

    /// Sets a variable; it has no others of the caller's.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Names it the servers of the tests, on which `host test` makes worlds.
    pub fn servers(mut self) -> Self {
        for name in ["TASKHOST_TEST_POSTGRES", "TASKHOST_TEST_MYSQL", "TASKHOST_TEST_REDIS", "TASKHOST_TEST_DOCKER"] {
            self = self.env(name, super::databases::required(name));
        }
        self
    }

    /// Starts it in that directory, not in its own empty home.
    pub fn directory(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// Lets it write files of that many bytes and no more, as a disk that is nearly full does. It takes no privilege
    /// and no file system of its own; the system's error is "File too large".
    pub fn largest_file(mut self, bytes: u64) -> Self {
        self.largest_file = Some(bytes);
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Output {
        self.spawn().wait()
    }

    /// Starts it.
    pub fn spawn(self) -> Process {
        let binary = binary();
        let mut command = match self.largest_file {
            None => Command::new(binary),
            Some(bytes) => {
                let mut shell = Command::new("bash");
                shell.arg("-c").arg(format!("ulimit -f {}; exec \"$0\" \"$@\"", bytes.div_ceil(1024)));
                shell.arg(binary);
                shell
            }
        };
        command.args(&self.arguments);
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home.path());
        command.env("TASKHOST_CACHE", super::cache());
        command.env("TASKHOST_PLUGINS", super::plugins());
        command.envs(self.environment);
        command.current_dir(self.directory.as_deref().unwrap_or(self.home.path()));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap_or_else(|error| panic!("failed to start host: {error}"));
        Process { child, _home: self.home }
    }
}

impl Process {
    /// Ends it at once: it has no chance to clean up.
    pub fn kill_hard(mut self) {
        self.child.kill().expect("the process is ours");
        self.child.wait().expect("the process is ours");
    }

    /// Asks it to end, as Ctrl-C does.
    pub fn interrupt(&self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        kill_process(id, Signal::INT).expect("the process is ours");
    }

    /// Whether it is still at work.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the process is ours").is_none()
    }

    /// The next line that it prints; empty when it ended without one.
    pub fn line(&mut self) -> String {
        let stdout = self.child.stdout.as_mut().expect("nobody waits for its end");
        // Byte by byte, so that all that follows is left.
        let bytes = std::io::Read::bytes(stdout).map(|byte| byte.expect("reading a pipe does not fail"));
        String::from_utf8_lossy(&bytes.take_while(|byte| *byte != b'\n').collect::<Vec<_>>()).into_owned()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Output {
        let (stdout, stderr) = (reader(self.child.stdout.take()), reader(self.child.stderr.take()));
        let begun = Instant::now();
        let mut peak_memory = 0;
        let status = loop {
            peak_memory = peak_memory.max(peak(self.child.id()));
            assert!(peak_memory < MOST_MEMORY, "host took {} MiB of memory", peak_memory >> 20);
            match self.child.try_wait().expect("the process is ours") {
                Some(status) => break status,
                None if begun.elapsed() > PATIENCE => panic!("host did not end within {} s", PATIENCE.as_secs()),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let text = |reader: std::thread::JoinHandle<String>| reader.join().expect("reading a pipe does not fail");
        Output { code: status.code(), stdout: text(stdout), stderr: text(stderr), peak_memory }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Output {
    /// What it printed, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not JSON ({error}): {self}"))
    }

    /// The same, which keeps to the schema of reports.
    pub fn report(&self) -> Value {
        let schema = serde_json::from_str(include_str!("../../docs/report.schema.json")).expect("the schema is JSON");
        let schema = jsonschema::validator_for(&schema).expect("the schema is one");
        let report = self.json();
        let problems: Vec<_> = schema.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "against docs/report.schema.json: {problems:?}\n{self}");
        report
    }

    /// This, if it ended with that exit code.
    #[expect(clippy::return_self_not_must_use, reason = "the code may be all that is looked at")]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code {
            Some(code) => write!(f, "exit code {code}")?,
            None => f.write_str("ended by a signal")?,
        }
        write!(f, "\n-- stdout\n{}-- stderr\n{}", self.stdout, self.stderr)
    }
}

/// What a report found, as `severity subject: title`, in its order.
pub fn found(report: &Value) -> Vec<String> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let line = |finding: &Value| {
        format!("{} {}: {}", text(finding, "severity"), text(finding, "subject"), text(finding, "title"))
    };
    report["findings"].as_array().expect("a report has findings").iter().map(line).collect()
}

/// The most bytes that a process has had resident so far, by the kernel's own count.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

fn reader(pipe: Option<impl std::io::Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    let mut pipe = pipe.expect("the pipe is taken once");
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("reading a pipe does not fail");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The binary that `cargo xtask test` names, else the one beside the tests, unless a source changed since.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("TASKHOST_TEST_HOST") {
        return path.into();
    }
    let path = super::build_directory().join("debug/host");
    let built = path.metadata().and_then(|file| file.modified());
    let built = built.unwrap_or_else(|_| panic!("{} is not built: run `cargo build`", path.display()));
    // Cargo lists the sources beside the binary, in the form of a makefile.
    let sources = std::fs::read_to_string(path.with_extension("d")).unwrap_or_default();
    for source in sources.split_once(": ").map(|(_, sources)| sources.split_whitespace()).into_iter().flatten() {
        let changed = Path::new(source).metadata().and_then(|file| file.modified());
        assert!(changed.is_ok_and(|changed| changed <= built), "{source} is newer than host: run `cargo build`");
    }
    path
}
