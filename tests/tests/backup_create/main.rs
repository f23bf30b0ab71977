//! `backup-create` with real dumps and real files: what it makes is whole, what cannot be whole is not there, and the plugins
//! that verify and restore backups agree.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on stops here")]

mod archives;
mod circle;
mod dumps;
mod interrupted;
mod refusals;
mod scene;
