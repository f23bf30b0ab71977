//! Taskhost runs maintenance tasks as sandboxed WebAssembly components. This library is the `host` binary's inside; see
//! `docs/` for how its parts fit together.

pub mod bundle;
pub mod capability;
pub(crate) mod cases;
pub mod cli;
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
pub mod history;
pub mod meters;
pub mod plugin;
pub mod policy;
mod post;
pub mod report;
pub mod schedule;
pub mod serve;
pub mod tell;
pub mod trace;
pub mod web;
