//! `log-rotate` on real logs, with processes that write to them meanwhile, and hosts that are killed in between.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on stops here")]

mod archives;
mod interrupted;
mod rotating;
mod scene;
mod writers;
