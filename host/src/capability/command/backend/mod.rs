//! Programs and their processes. The host starts a supervisor, which is this same binary, and the supervisor starts the
//! program: so there is always someone who sees to it that nothing is left, also when the host is killed.
//!
//! - The supervisor is a session of its own: no terminal, no signals of the host's. It closes whatever it inherits, and
//!   adopts what the program's processes leave behind (it is their "subreaper"), so that it knows every one of them.
//! - The order, with the environment in it, comes over a socket, never in an argument or a variable that others can read.
//! - When that socket closes, for whatever reason, or the program ends, all of its processes are asked to end, and killed
//!   when they have not after a few seconds.

mod descendants;
mod drive;
mod protocol;
mod start;
mod supervisor;
mod tail;

pub(super) use drive::{Course, Limits, Stop, attend};
pub(super) use start::{Order, Program, start};
pub use supervisor::supervise;
