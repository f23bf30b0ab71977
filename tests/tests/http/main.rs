//! The `http` room as a plugin meets it: a guest that sends what a script says, in the built `host`, to servers of the
//! test's own.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on stops here")]

mod bodies;
mod breaking;
mod credentials;
mod granted;
mod redirects;
mod rehearsal;
mod script;
mod secured;
