//! The attack suite: hostile plugins and hostile input, one case a test, named for what is tried. Each ends in the
//! outcome that it must have, and what comes after it is unharmed. `docs/security.md` lists every case beside the
//! promise that it proves, and [`listed`] holds the page to that.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops here")]

mod binary;
mod cache;
mod conduct;
mod isolation;
mod listed;
mod output;
mod reach;
mod scene;
mod secrets;
mod wat;
