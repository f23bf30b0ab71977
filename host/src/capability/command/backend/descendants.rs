//! The processes that come from this one, as /proc lists them, and signals to them. A process is only sent a signal
//! through a handle on which it was seen to be the one that was listed: numbers are used again.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, getpid, kill_process, pidfd_open, pidfd_send_signal, wait,
};

/// A process as it was listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: Pid,
    parent: i32,
    /// When it began, in ticks since the machine did: with the number, it names one process and no other.
    began: u64,
    /// It has ended, and waits for its parent to take note.
    zombie: bool,
}

/// All processes that come from this one and have not ended.
pub(super) fn alive() -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
        if let Some(process) = name.parse().ok().and_then(Pid::from_raw).and_then(look_at) {
            children.entry(process.parent).or_default().push(process);
        }
    }
    let mut found = Vec::new();
    let mut parents = vec![getpid().as_raw_nonzero().get()];
    while let Some(parent) = parents.pop() {
        for process in children.remove(&parent).unwrap_or_default() {
            parents.push(process.pid.as_raw_nonzero().get());
            if !process.zombie {
                found.push(process);
            }
        }
    }
    found
}

/// What became of the children that have ended since.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Some are there.
    AtWork,
    /// There is none, and so no process that comes from this one: of such there is always one whose parent this is.
    Gone,
}

/// Takes note of every child that has ended, each told to `ended`.
pub(super) fn reap(mut ended: impl FnMut(Pid, WaitStatus)) -> Family {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => ended(pid, status),
            Ok(None) => return Family::AtWork,
            Err(Errno::INTR) => {}
            // The kernel's own word, which no race can make false.
            Err(_) => return Family::Gone,
        }
    }
}

/// Kills the children at once, again and again for that long: one that forks and goes away before it is hit leaves a
/// child that becomes this process's own, and is hit the next time. Their numbers are their own until they are taken
/// note of, which is not done meanwhile.
pub(super) fn kill_children(how_long: Duration) {
    let own = getpid().as_raw_nonzero();
    let list = format!("/proc/{own}/task/{own}/children");
    let begun = Instant::now();
    while begun.elapsed() < how_long {
        // A kernel that offers no such list is left to the slower one.
        let Ok(children) = fs::read_to_string(&list) else { return };
        for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()).filter_map(Pid::from_raw) {
            let _ = kill_process(child, Signal::KILL);
        }
    }
}

impl Process {
    /// Sends a signal. False when it may not be sent.
    pub(super) fn signal(self, signal: Signal) -> bool {
        let Ok(handle) = pidfd_open(self.pid, PidfdFlags::empty()) else { return true };
        match look_at(self.pid) {
            Some(now) if now.began == self.began => !matches!(pidfd_send_signal(&handle, signal), Err(Errno::PERM)),
            _ => true,
        }
    }
}

fn look_at(pid: Pid) -> Option<Process> {
    parse(pid, &fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?)
}

/// Reads `/proc/PID/stat`: the name, in brackets, may hold anything.
fn parse(pid: Pid, stat: &[u8]) -> Option<Process> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let zombie = matches!(*fields.first()?, "Z" | "X" | "x");
    Some(Process { pid, parent: fields.get(1)?.parse().ok()?, began: fields.get(19)?.parse().ok()?, zombie })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let pid = Pid::from_raw(7).unwrap();
        for (name, state, zombie) in [("cat", "S", false), ("a) Z 9 9 (b", "R", false), ("\u{1b})", "Z", true)] {
            let stat = format!("7 ({name}) {state} 3 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0");
            let process = parse(pid, stat.as_bytes()).unwrap();
            assert_eq!(process, Process { pid, parent: 3, began: 4711, zombie }, "{name}");
        }
        assert_eq!(parse(pid, b"7 (x) S"), None);
        assert_eq!(parse(pid, b""), None);
    }

    #[test]
    fn a_child_is_found_and_a_signal_reaches_it_and_no_one_with_its_number() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        let found = alive().into_iter().find(|process| process.pid == pid).unwrap();
        assert!(Process { began: found.began + 1, ..found }.signal(Signal::KILL));
        assert!(child.try_wait().unwrap().is_none());
        assert!(found.signal(Signal::KILL));
        assert!(!child.wait().unwrap().success());
    }
}
