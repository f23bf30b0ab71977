//! The `package-updates` plugin: which of the packages that a project pins are behind, how far and for how long, and which
//! were taken back or given up.
//!
//! It reads lockfiles and runs nothing of the project; a list of a package manager's own is asked for only where the
//! operator wrote down how. It must never call current what nobody answered for.

pub mod crates;
pub mod goproxy;
pub mod index;
pub mod judge;
pub mod listed;
pub mod npm;
pub mod pypi;
pub mod release;
pub mod say;
mod task;
