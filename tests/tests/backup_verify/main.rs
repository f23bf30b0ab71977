//! `backup-verify` on real files: what is whole is called so, and of what is not it is said what is wrong.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on stops here")]

mod damage;
mod memory;
mod scene;
mod series;
mod strange;
