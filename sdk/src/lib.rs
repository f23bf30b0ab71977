#![doc = include_str!("../README.md")]

pub mod command;
pub mod docker;
pub mod files;
pub mod history;
pub mod http;
pub mod parameters;
pub mod redis;
pub mod report;
pub mod sql;
pub mod state;
pub mod system;
pub mod tls;
pub mod words;

mod failure;
mod stream;

pub use failure::{Context, Failure, FailureKind, Result};
pub use stream::{ByteStream, ClosedEarly, End};
pub use taskhost_sdk_macros::{Choice, Parameters, task};

/// What a plugin needs, in one import.
pub mod prelude {
    pub use std::time::Duration;

    pub use crate::parameters::Size;
    pub use crate::report::{Finding, Metric, Unit, log, next_action, progress, rehearsing};
    pub use crate::{
        Choice, Context as _, Failure, Parameters, Result, bail, command, docker, files, history, http, params, redis,
        sql, state, system, task, tls,
    };
}

/// The contract's own bindings, for what the rest of this crate does not wrap.
#[allow(missing_docs, unreachable_pub, unsafe_code, clippy::all, clippy::pedantic, reason = "generated from wit/")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "all",
        pub_export_macro: true,
        default_bindings_module: "taskhost_sdk::bindings",
    });
}
