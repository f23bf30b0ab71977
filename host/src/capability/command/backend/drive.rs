//! A program's course: its output to the guest, as fast as the guest takes it, the guest's input to it, its complaints to
//! a bounded tail; and its end, whichever of many comes first.

use std::io::{self, BufRead as _};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rustix::process::{Signal, kill_process_group, pidfd_send_signal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::protocol::{Ended, Said};
use super::start::Program;
use super::tail::Tail;
use crate::capability::stream::ByteReceiver;

/// Bytes of output that are passed on at once.
const PIECE: usize = 64 * 1024;
/// How long a pipe is read on after all processes of the program have ended: someone else may hold its other end.
const REST: Duration = Duration::from_secs(2);
/// How long a supervisor may take to end what is there.
const ENDING: Duration = Duration::from_secs(20);

/// What a program may use.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) time: Duration,
    pub(crate) output: u64,
    pub(crate) over: CancellationToken,
}

/// Why a program was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The run was over.
    Over,
    /// Its time was.
    TimedOut,
    /// It wrote more than it may.
    TooLarge,
    /// The guest let go of its output.
    LetGo,
    /// Its supervisor was killed, or its output could not be read.
    Lost,
}

/// What became of a program.
#[derive(Debug)]
pub(crate) struct Course {
    /// None when its supervisor was killed.
    pub(crate) ended: Option<Ended>,
    /// Why it was ended, where it did not end by itself.
    pub(crate) stop: Option<Stop>,
    /// Bytes of standard output.
    pub(crate) output: u64,
    /// The last of standard error.
    pub(crate) errors: String,
    pub(crate) duration: Duration,
}

/// Ends what it stands for when nobody waits for it any more.
struct Aborted<T>(JoinHandle<T>);

impl<T> Drop for Aborted<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Stays with a program to its end.
///
/// # Errors
/// A pipe that the system does not take: the program is ended.
pub(crate) async fn attend(
    program: Program,
    input: Option<ByteReceiver>,
    sender: mpsc::Sender<Bytes>,
    limits: Limits,
) -> io::Result<Course> {
    let begun = Instant::now();
    let Program { socket, supervisor, pid, handle, input: pipe, output, errors } = program;
    let output = pipe::Receiver::from_owned_fd(output)?;
    let tail = Arc::new(Mutex::new(Tail::default()));
    let mut complaints = Aborted(tokio::spawn(keep(errors, Arc::clone(&tail))?));
    let _feeding = match (pipe, input) {
        (Some(pipe), Some(input)) => Some(Aborted(tokio::spawn(feed(pipe::Sender::from_owned_fd(pipe)?, input)))),
        _ => None,
    };
    // The end of this half is what tells the supervisor to end the program.
    let control = socket.get_ref().try_clone()?;
    socket.get_ref().set_read_timeout(None)?;
    let mut said = pin!(tokio::task::spawn_blocking(move || hear(socket, supervisor)));

    let mut pump = Pump { output, sender: Some(sender), total: 0, limit: limits.output };
    let mut ended = None;
    let stop = {
        let mut deadline = pin!(tokio::time::sleep(limits.time));
        loop {
            tokio::select! {
                biased;
                () = limits.over.cancelled() => break Some(Stop::Over),
                () = &mut deadline => break Some(Stop::TimedOut),
                heard = &mut said => {
                    ended = heard.ok().flatten();
                    break ended.is_none().then_some(Stop::Lost);
                }
                stop = pump.piece(), if pump.sender.is_some() => if stop.is_some() { break stop },
            }
        }
    };
    let stop = match stop {
        // All of its processes have ended: what is in the pipe is all that there will be.
        None => pump.rest(&limits.over).await,
        Some(Stop::Lost) => {
            if pidfd_send_signal(&handle, Signal::KILL).is_ok() {
                let _ = kill_process_group(pid, Signal::KILL);
            }
            Some(Stop::Lost)
        }
        Some(stop) => {
            let _ = control.shutdown(std::net::Shutdown::Write);
            drop(pump.sender.take());
            ended = tokio::time::timeout(ENDING, &mut said).await.ok().and_then(Result::ok).flatten();
            Some(stop)
        }
    };
    let total = pump.total;
    drop(pump);
    let _ = tokio::time::timeout(REST, &mut complaints.0).await;
    let errors = std::mem::take(&mut *tail.lock().unwrap_or_else(PoisonError::into_inner)).text();
    Ok(Course { ended, stop, output: total, errors, duration: begun.elapsed() })
}

/// What the supervisor says last, and its end. Blocks.
fn hear(
    mut socket: io::BufReader<std::os::unix::net::UnixStream>,
    mut supervisor: std::process::Child,
) -> Option<Ended> {
    let mut line = String::new();
    let heard = socket.read_line(&mut line);
    let _ = supervisor.wait();
    heard.ok()?;
    match serde_json::from_str(&line) {
        Ok(Said::Ended(ended)) => Some(ended),
        _ => None,
    }
}

/// Output on its way to the guest.
struct Pump {
    output: pipe::Receiver,
    /// None once all was passed on.
    sender: Option<mpsc::Sender<Bytes>>,
    total: u64,
    limit: u64,
}

impl Pump {
    /// Passes one piece on, once the guest has room for it. May be dropped on the way: nothing is lost.
    async fn piece(&mut self) -> Option<Stop> {
        let sender = self.sender.clone()?;
        let mut piece = BytesMut::with_capacity(PIECE);
        let (room, read) = tokio::select! {
            biased;
            () = sender.closed() => return Some(Stop::LetGo),
            both = async { (sender.reserve().await, self.output.read_buf(&mut piece).await) } => both,
        };
        let Ok(room) = room else { return Some(Stop::LetGo) };
        match read {
            Ok(0) => {
                self.sender = None;
                None
            }
            Ok(count) => {
                self.total += count as u64;
                if self.total > self.limit {
                    return Some(Stop::TooLarge);
                }
                room.send(piece.freeze());
                None
            }
            Err(_) => Some(Stop::Lost),
        }
    }

    /// Passes on what is left in the pipe.
    async fn rest(&mut self, over: &CancellationToken) -> Option<Stop> {
        while let Some(sender) = self.sender.clone() {
            // The guest may take its time.
            tokio::select! {
                biased;
                () = over.cancelled() => return Some(Stop::Over),
                () = sender.closed() => return Some(Stop::LetGo),
                room = sender.reserve() => drop(room),
            }
            match tokio::time::timeout(REST, self.piece()).await {
                Ok(None) => {}
                Ok(stop) => return stop,
                Err(_) => self.sender = None,
            }
        }
        None
    }
}

/// Takes in standard error to its end.
fn keep(errors: OwnedFd, tail: Arc<Mutex<Tail>>) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut errors = pipe::Receiver::from_owned_fd(errors)?;
    Ok(async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        while errors.read_buf(&mut piece).await.is_ok_and(|count| count > 0) {
            tail.lock().unwrap_or_else(PoisonError::into_inner).push(&piece);
            piece.clear();
        }
    })
}

/// Gives a program its input. One that closes it has had enough.
async fn feed(mut pipe: pipe::Sender, mut input: ByteReceiver) {
    while let Some(piece) = input.next().await {
        if pipe.write_all(&piece).await.is_err() {
            return;
        }
    }
}
