//! A private Docker engine and a private registry. The engine runs as root, as it must, with all that it writes below its
//! own directory, and without a bridge of its own; the machine's firewall is left alone. A network that a test makes is an
//! interface of the machine's until the test removes it.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use super::install::DockerPrograms;
use super::{Server, free_port};

/// Starts an engine under `parent` and returns it with its URL.
pub(super) fn start(programs: &DockerPrograms, parent: &Path) -> anyhow::Result<(Server, String)> {
    let directory = parent.join("docker");
    std::fs::create_dir(&directory)?;
    // Not the machine's: it may name a data directory, or a socket.
    let settings = directory.join("daemon.json");
    std::fs::write(&settings, "{}")?;
    let socket = directory.join("socket");
    let mut engine = Command::new(&programs.dockerd);
    engine.arg("--config-file").arg(&settings);
    engine.arg("--data-root").arg(directory.join("data"));
    engine.arg("--exec-root").arg(directory.join("exec"));
    engine.arg("--pidfile").arg(directory.join("pid"));
    engine.arg("--host").arg(format!("unix://{}", socket.display()));
    engine.args(["--bridge=none", "--iptables=false", "--ip-masq=false", "--shutdown-timeout=5"]);
    let ready = || ask(&programs.docker, &socket).is_some();
    let server = Server::start("Docker", engine, Signal::TERM, directory.join("log"), ready)?;
    println!("Docker on {} ({})", socket.display(), programs.dockerd.display());
    Ok((server, format!("unix://{}", socket.display())))
}

/// Starts a registry under `parent` and returns it with its address. An engine takes one on the loopback without TLS.
pub(super) fn registry(program: &Path, parent: &Path) -> anyhow::Result<(Server, String)> {
    let directory = parent.join("registry");
    std::fs::create_dir(&directory)?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let settings = directory.join("registry.yml");
    std::fs::write(
        &settings,
        format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {data}}}, delete: {{enabled: \
             true}}}}\nhttp: {{addr: \"{address}\"}}\n",
            data = directory.join("data").display()
        ),
    )?;
    let mut registry = Command::new(program);
    registry.arg("serve").arg(&settings);
    let ready = || std::net::TcpStream::connect(&address).is_ok();
    let server = Server::start("the registry", registry, Signal::TERM, directory.join("log"), ready)?;
    println!("a registry on {address} ({})", program.display());
    Ok((server, address))
}

/// The engine's version, once it answers.
fn ask(docker: &Path, socket: &Path) -> Option<()> {
    if !socket.exists() {
        return None;
    }
    let mut command = Command::new(docker);
    command.arg("--host").arg(format!("unix://{}", socket.display())).args([
        "version",
        "--format",
        "{{.Server.Version}}",
    ]);
    command.output().ok()?.status.success().then_some(())
}

/// Takes away what an engine that is gone left mounted below `directory`, the deepest first, so that it can be removed.
pub(super) fn unmount_below(directory: &Path) {
    let mounted = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = mounted
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|point| Path::new(point).starts_with(directory));
    let mut points: Vec<&str> = points.collect();
    points.sort_unstable_by_key(|point| std::cmp::Reverse(point.len()));
    for point in points {
        let _ = Command::new("umount").arg("--lazy").arg(point).status();
    }
}
