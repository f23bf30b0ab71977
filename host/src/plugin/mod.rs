//! Plugins: from a file to a described component ([`load`](Host::load)), and from a request to a report
//! ([`run`](Host::run)).

pub mod arguments;
mod cache;
mod describe;
pub mod description;
mod error;
pub(crate) mod fit;
mod limits;
mod load;
mod run;
mod sockets;
mod store;

pub use describe::DescribeLimits;
pub use description::Description;
pub use error::{LoadError, RequestError};
pub(crate) use error::{did_you_mean, nearest_word};
pub(crate) use load::is_path;
pub use load::{Host, HostConfig, Plugin, find};
pub use run::{DEFAULT_TIMEOUT, Request};

/// The contract's world, seen from the host.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated from wit/")]
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "plugin",
        exports: { default: async },
    });
}
