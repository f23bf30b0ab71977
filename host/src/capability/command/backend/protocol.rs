//! What the host and a supervisor say to each other: lines of JSON, over a socket. With the order come the ends of the
//! program's three pipes, and with the first answer a handle of its process.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use rustix::process::Pid;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The first argument of a process that is a supervisor.
pub(super) const WORD: &str = "supervise-command";

/// What to start.
#[derive(Serialize, Deserialize)]
pub(super) struct Start {
    pub(super) program: PathBuf,
    pub(super) words: Vec<String>,
    pub(super) directory: PathBuf,
    pub(super) environment: Vec<(String, String)>,
}

/// What a supervisor says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    /// The program is at work, as this process.
    Started(i32),
    /// It is not, and why.
    Failed(String),
    /// It ended, and nothing of it is left.
    Ended(Ended),
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// Processes that were still at work when the program itself had ended.
    pub(crate) left_behind: u32,
    /// Of them those that could not be ended: they run as another user.
    pub(crate) alive: u32,
}

/// Standard input, output and error.
pub(super) type Pipes = [OwnedFd; 3];

/// Bytes of a line.
const LINE_LIMIT: usize = 8 << 20;

/// Sends an order with its pipes.
pub(super) fn send(socket: &UnixStream, start: &Start, pipes: &Pipes) -> io::Result<()> {
    send_with(socket, start, &pipes.each_ref().map(|pipe| pipe.as_fd()))
}

/// Receives an order.
pub(super) fn receive(socket: &UnixStream) -> io::Result<(Start, Pipes)> {
    let (order, descriptors) = receive_with(socket)?;
    let pipes = descriptors.try_into().map_err(|_| io::Error::other("no order came with three descriptors"))?;
    Ok((order, pipes))
}

/// Says that the program is at work, with a handle of its process.
pub(super) fn say_started(socket: &UnixStream, pid: Pid, handle: &OwnedFd) -> io::Result<()> {
    send_with(socket, &Said::Started(pid.as_raw_nonzero().get()), &[handle.as_fd()])
}

/// What is said first, with a handle where it is that the program is at work.
pub(super) fn hear_first(socket: &UnixStream) -> io::Result<(Said, Option<OwnedFd>)> {
    let (said, descriptors) = receive_with(socket)?;
    Ok((said, descriptors.into_iter().next()))
}

/// Says something, as a line.
pub(super) fn say(mut socket: &UnixStream, said: &Said) -> io::Result<()> {
    let mut line = serde_json::to_vec(said).map_err(io::Error::other)?;
    line.push(b'\n');
    socket.write_all(&line)
}

/// One line, and descriptors with its first byte.
fn send_with(mut socket: &UnixStream, what: &impl Serialize, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut line = serde_json::to_vec(what).map_err(io::Error::other)?;
    line.push(b'\n');
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("no space for the descriptors"));
    }
    let sent = rustix::net::sendmsg(socket, &[IoSlice::new(&line)], &mut ancillary, SendFlags::NOSIGNAL)?;
    socket.write_all(line.get(sent..).unwrap_or_default())
}

/// One line, and what came with its first byte. The kernel gives no byte of a further line along with descriptors.
fn receive_with<T: DeserializeOwned>(mut socket: &UnixStream) -> io::Result<(T, Vec<OwnedFd>)> {
    let mut line = vec![0; 64 * 1024];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(&mut line)];
    let received = rustix::net::recvmsg(socket, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let descriptors = ancillary
        .drain()
        .flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
            _ => vec![],
        })
        .collect();
    line.truncate(received.bytes);
    let mut more = vec![0; 64 * 1024];
    while !line.ends_with(b"\n") {
        let count = socket.read(&mut more)?;
        if count == 0 || line.len() > LINE_LIMIT {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.extend_from_slice(more.get(..count).unwrap_or_default());
    }
    Ok((serde_json::from_slice(&line).map_err(io::Error::other)?, descriptors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_of_any_size_arrives_with_its_pipes() {
        for size in [1, 60_000, 400_000] {
            let (host, supervisor) = UnixStream::pair().unwrap();
            let start = Start {
                program: "/bin/true".into(),
                words: vec!["true".into(), "x".repeat(size), "ä\n\"".into()],
                directory: "/".into(),
                environment: vec![("A".into(), "b".into())],
            };
            let (reader, writer) = std::io::pipe().unwrap();
            let (other, _) = std::io::pipe().unwrap();
            let pipes: Pipes = [other.into(), writer.into(), reader.into()];
            let words = start.words.clone();
            let sending = std::thread::spawn(move || send(&host, &start, &pipes).unwrap());
            let (received, [_, writer, reader]) = receive(&supervisor).unwrap();
            sending.join().unwrap();
            assert_eq!(received.words, words);
            std::fs::File::from(writer).write_all(b"through").unwrap();
            let mut text = String::new();
            std::fs::File::from(reader).read_to_string(&mut text).unwrap();
            assert_eq!(text, "through");
        }
    }

    #[test]
    fn what_is_no_order_is_an_error() {
        let (mut host, supervisor) = UnixStream::pair().unwrap();
        host.write_all(b"hello\n").unwrap();
        assert!(receive(&supervisor).is_err());
        let (host, supervisor) = UnixStream::pair().unwrap();
        drop(host);
        assert!(receive(&supervisor).is_err());
    }
}
