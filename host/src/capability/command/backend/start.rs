//! Starts a program by way of its supervisor.

use std::io::{self, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Pid;

use super::protocol::{self, Said, Start};
use crate::capability::Secret;

/// How long a supervisor may take to start a program.
const PATIENCE: Duration = Duration::from_mins(1);
/// This binary, also when its file was replaced meanwhile.
const OWN: &str = "/proc/self/exe";

/// What to start.
pub(crate) struct Order {
    pub(crate) program: PathBuf,
    /// The argument vector; the first word is the program's name for itself.
    pub(crate) words: Vec<String>,
    pub(crate) directory: PathBuf,
    pub(crate) environment: Vec<(String, Secret)>,
    /// Whether anything comes on standard input.
    pub(crate) input: bool,
}

/// A program at work. Dropping it ends the program, with all that it started.
pub(crate) struct Program {
    pub(super) socket: BufReader<UnixStream>,
    pub(super) supervisor: Child,
    pub(super) pid: Pid,
    /// Names the program for as long as it is there, when the supervisor is not.
    pub(super) handle: OwnedFd,
    pub(super) input: Option<OwnedFd>,
    pub(super) output: OwnedFd,
    pub(super) errors: OwnedFd,
}

/// Starts a program. Blocks.
///
/// # Errors
/// Why it does not run.
pub(crate) fn start(order: Order) -> Result<Program, String> {
    let failed = |error: io::Error| format!("failed to start a program: {error}");
    let (input, to_input) = if order.input {
        let (reader, writer) = io::pipe().map_err(failed)?;
        (reader.into(), Some(writer.into()))
    } else {
        (std::fs::File::open("/dev/null").map_err(failed)?.into(), None)
    };
    let (output, to_output) = io::pipe().map_err(failed)?;
    let (errors, to_errors) = io::pipe().map_err(failed)?;
    let (socket, theirs) = UnixStream::pair().map_err(failed)?;
    let mut supervisor = Command::new(OWN)
        .arg0("host")
        .arg(protocol::WORD)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("failed to start a supervisor: {error}"))?;
    let start = Start {
        program: order.program,
        words: order.words,
        directory: order.directory,
        environment: order.environment.into_iter().map(|(name, value)| (name, value.expose().to_owned())).collect(),
    };
    let shown = start.program.display().to_string();
    let begun = begin(socket, &start, &[input, to_output.into(), to_errors.into()]);
    match begun {
        Ok((socket, pid, handle)) => {
            let output = output.into();
            Ok(Program { socket, supervisor, pid, handle, input: to_input, output, errors: errors.into() })
        }
        Err(error) => {
            // Its socket is closed: it ends by itself.
            let _ = supervisor.wait();
            Err(format!("failed to run {shown} in {}: {error}", start.directory.display()))
        }
    }
}

fn begin(
    socket: UnixStream,
    start: &Start,
    pipes: &protocol::Pipes,
) -> Result<(BufReader<UnixStream>, Pid, OwnedFd), String> {
    let text = |error: io::Error| {
        format!("its supervisor does not answer ({error}); a binary that runs programs calls `supervise` first")
    };
    socket.set_read_timeout(Some(PATIENCE)).map_err(text)?;
    protocol::send(&socket, start, pipes).map_err(text)?;
    match protocol::hear_first(&socket).map_err(text)? {
        (Said::Started(pid), Some(handle)) => {
            let pid = Pid::from_raw(pid).ok_or("its supervisor names no process")?;
            Ok((BufReader::new(socket), pid, handle))
        }
        (Said::Failed(reason), _) => Err(reason),
        (Said::Started(_) | Said::Ended(_), _) => Err("its supervisor speaks another language".into()),
    }
}
