//! The `redis` room as a plugin meets it: a guest that does what a script says, in the built `host`, on real servers.
//! What can break a server, or takes one that is set up otherwise, is done to one of the test's own.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on stops here")]

mod breaking;
mod patterns;
mod reaching;
mod reading;
mod refusals;
mod scanning;
mod script;
mod writing;
