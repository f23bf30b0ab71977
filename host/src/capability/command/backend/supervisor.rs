//! The supervisor: a process between the host and one program, which sees to it that nothing of the program is left. It
//! must never outlive the program, nor the host by more than it takes to end what is there.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitStatus, getpid, pidfd_open, set_child_subreaper, setsid};

use super::descendants::Family::{AtWork, Gone};
use super::descendants::{self, alive, kill_children};
use super::protocol::{self, Ended, Said, Start};

/// How long processes have to end when they are asked to, before they are killed.
const GRACE: Duration = Duration::from_secs(3);
/// How long ones that were killed are waited for: those of another user cannot be.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often what is left is looked at.
const TICK: Duration = Duration::from_millis(10);
/// How often children that were adopted and have ended are taken note of, at least.
const HOUSEKEEPING: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Does the work of a supervisor, when this process was started as one: call it first in `main`, and return what it
/// gives. Programs of the `command` room run only under a binary that does.
pub fn supervise() -> Option<u8> {
    if std::env::args_os().nth(1)? != protocol::WORD {
        return None;
    }
    close_inherited();
    Some(match work() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("this is for the host itself, which gives an order over a socket: {error}");
            3
        }
    })
}

/// Closes what whoever started the host left open. There is one thread, and nothing of this process is open yet.
fn close_inherited() {
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|descriptor| *descriptor > 2)
        .collect();
    for descriptor in open {
        let _ = nix::unistd::close(descriptor);
    }
}

fn work() -> std::io::Result<()> {
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let (start, [input, output, errors]) = protocol::receive(&socket)?;
    let _ = rustix::thread::set_name(c"host-supervisor");
    // Fails for one that leads a session already, which is as good.
    let _ = setsid();
    set_child_subreaper(Some(getpid()))?;
    let child = match spawn(start, input, output, errors) {
        Ok(child) => child,
        Err(error) => return protocol::say(&socket, &Said::Failed(error.to_string())),
    };
    let mut family = Family { program: Pid::from_child(&child), status: None };
    // Without a handle to see its end by, there is only one that is certain.
    let stopped = pidfd_open(family.program, PidfdFlags::empty()).map_err(std::io::Error::from).and_then(|handle| {
        // Where the host is gone already, its socket says so.
        let _ = protocol::say_started(&socket, family.program, &handle);
        family.wait(&socket, &handle)
    });
    let stopped = stopped.unwrap_or(true);
    let (left_behind, alive) = family.end(stopped);
    let code = family.status.and_then(WaitStatus::exit_status);
    let signal = family.status.and_then(WaitStatus::terminating_signal);
    // A host that is gone hears nothing.
    let _ = protocol::say(&socket, &Said::Ended(Ended { code, signal, left_behind, alive }));
    Ok(())
}

fn spawn(start: Start, input: OwnedFd, output: OwnedFd, errors: OwnedFd) -> std::io::Result<Child> {
    let mut command = Command::new(start.program);
    if let Some((name, rest)) = start.words.split_first() {
        command.arg0(name).args(rest);
    }
    // In a group of its own, and no leader of the session: a terminal that it opens does not become its own.
    command.env_clear().envs(start.environment).current_dir(start.directory).process_group(0);
    command.stdin(Stdio::from(input)).stdout(Stdio::from(output)).stderr(Stdio::from(errors));
    command.spawn()
}

/// A program and all that comes from it.
struct Family {
    program: Pid,
    /// Of the program itself, once it has ended.
    status: Option<WaitStatus>,
}

impl Family {
    fn reap(&mut self) -> descendants::Family {
        let (program, status) = (self.program, &mut self.status);
        descendants::reap(|pid, ended| {
            if pid == program {
                *status = Some(ended);
            }
        })
    }

    /// Waits until the program has ended, or until the host wants its end: true.
    fn wait(&mut self, socket: &UnixStream, handle: &OwnedFd) -> std::io::Result<bool> {
        loop {
            let mut events = [PollFd::new(handle, PollFlags::IN), PollFd::new(socket, PollFlags::IN)];
            match poll(&mut events, Some(&HOUSEKEEPING)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let [_, spoken] = events.map(|event| !event.revents().is_empty());
            self.reap();
            if self.status.is_some() {
                return Ok(false);
            }
            // The host says nothing more: what comes is the end of the socket.
            if spoken {
                return Ok(true);
            }
        }
    }

    /// Ends all that is left: how many there were beside the program itself, and how many of them cannot be ended.
    fn end(&mut self, stopped: bool) -> (u32, u32) {
        let count = |processes: usize| u32::try_from(processes).unwrap_or(u32::MAX);
        if self.reap() == Gone {
            return (0, 0);
        }
        let begun = Instant::now();
        let first = alive();
        // One that never is the same for long may not be in the list.
        let left_behind = if stopped { 0 } else { count(first.len()).max(1) };
        for process in first {
            process.signal(Signal::TERM);
            // One that is stopped would not hear of it.
            process.signal(Signal::CONT);
        }
        while self.reap() == AtWork {
            if begun.elapsed() > GRACE + PATIENCE {
                return (left_behind, count(alive().len()).max(1));
            }
            if begun.elapsed() > GRACE {
                for process in alive() {
                    process.signal(Signal::KILL);
                }
                kill_children(TICK);
            } else {
                std::thread::sleep(TICK);
            }
        }
        (left_behind, 0)
    }
}
