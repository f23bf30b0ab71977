//! The `files` room as a plugin meets it: a guest that does what a script says, in the built `host`, on a real
//! directory. What is shown here takes the whole way from the command line to the disk; the cases of each operation by
//! themselves are beside the room.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on stops here")]

mod access;
mod budgets;
mod codecs;
mod escapes;
mod interrupted;
mod rehearsal;
mod rotating;
mod scene;
mod searching;
mod streams;
mod walking;
