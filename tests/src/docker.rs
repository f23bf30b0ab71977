//! Docker: things of a test's own on the engine that the environment names. Each carries the test's label, by which a slot
//! is scoped to it, and by which it is removed afterwards. Made with the `docker` command, which shares nothing with the host.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The label's name.
const LABEL: &str = "org.taskhost.test";

/// The engine, as one test uses it.
#[derive(Debug)]
pub struct Engine {
    url: String,
    registry: String,
    mark: String,
}

/// The engine with a label of its own.
pub fn engine() -> Engine {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mark = format!("t{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    Engine {
        url: super::databases::required("TASKHOST_TEST_DOCKER"),
        registry: super::databases::required("TASKHOST_TEST_REGISTRY"),
        mark,
    }
}

impl Engine {
    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A name of this test's own.
    pub fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.mark)
    }

    /// The name of an image of this test's own in the test's registry.
    pub fn in_registry(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.registry, self.mark)
    }

    /// `NAME=VALUE`: what all of this test's things carry.
    pub fn label(&self) -> String {
        format!("{LABEL}={}", self.mark)
    }

    /// The binding of a slot that sees this test's things; `words` begin with a comma.
    pub fn slot(&self, slot: &str, words: &str) -> String {
        format!("{slot}={},label={}{words}", self.url, self.label())
    }

    /// Runs `docker`, and gives what it printed.
    #[track_caller]
    pub fn docker<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> String {
        let mut command = self.command();
        let output = command.args(arguments).output().expect("the docker command starts");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().into()
    }

    fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", &self.url).env_remove("DOCKER_CONTEXT");
        command
    }

    /// Makes an image with busybox in it, of a content of its own, and gives its id. `changes` are lines as in a Dockerfile.
    #[track_caller]
    pub fn image(&self, reference: &str, content: &str, changes: &[&str]) -> String {
        let mut archive = tar::Builder::new(Vec::new());
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find_map(|path| std::fs::read(path).ok());
        let busybox = busybox.expect("a static busybox");
        let mut add = |path: &str, mode, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_mode(mode);
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, path, bytes).expect("an archive in memory");
        };
        add("bin/busybox", 0o755, &busybox);
        add("content", 0o644, content.as_bytes());
        let archive = archive.into_inner().expect("an archive in memory");
        let mut command = self.command();
        command.arg("import").arg("--change").arg(format!("LABEL {}", self.label()));
        for change in changes {
            command.arg("--change").arg(change);
        }
        let mut import = command
            .args(["-", reference])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the docker command starts");
        import.stdin.take().expect("a pipe").write_all(&archive).expect("the engine reads it");
        let output = import.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().into()
    }

    /// Makes and starts a container of this test's own without a network, and gives its name.
    #[track_caller]
    pub fn start(&self, name: &str, options: &[&str], image: &str, command: &[&str]) -> String {
        let name = self.name(name);
        let label = self.label();
        let fixed = ["run", "--detach", "--network=none", "--name", &name, "--label", &label];
        self.docker(fixed.into_iter().chain(options.iter().copied()).chain([image]).chain(command.iter().copied()));
        name
    }

    /// What a listing with this test's label gives: `["ps", "--all"]`, `["images"]` ..., in the format.
    pub fn list(&self, listing: &[&str], format: &str) -> Vec<String> {
        let filter = format!("label={}", self.label());
        let listed = self.docker(listing.iter().copied().chain(["--filter", &filter, "--format", format]));
        let mut lines: Vec<String> = listed.lines().map(Into::into).collect();
        lines.sort_unstable();
        lines
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let filter = format!("label={}", self.label());
        for (list, remove) in [
            (&["ps", "--all", "--quiet"][..], &["rm", "--force", "--volumes"][..]),
            (&["images", "--quiet"], &["rmi", "--force"]),
            (&["network", "ls", "--quiet"], &["network", "rm"]),
            (&["volume", "ls", "--quiet"], &["volume", "rm"]),
        ] {
            let listed = self.command().args(list).args(["--filter", &filter]).output();
            let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
            for id in listed.lines() {
                let _ = self.command().args(remove).arg(id).output();
            }
        }
    }
}
