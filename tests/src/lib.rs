//! What the integration tests are written with: the built `host` as a process, guests, fresh databases on real servers,
//! certificates. It must never talk to a server that it was not told of, nor leave anything on one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops here")]

mod browser;
pub mod certificates;
mod databases;
pub mod docker;
pub mod fuzz;
pub mod history;
mod host;
pub mod http;
mod prometheus;
mod redis;
pub mod reflexion;
mod servers;
pub mod serving;

use std::path::{Path, PathBuf};

pub use browser::{Browser, By, Script};
pub use databases::{Database, mariadb, postgres, server_authority};
pub use host::{Host, Output, Process, binary, found, host};
pub use prometheus::PrometheusServer;
pub use redis::{Client as RedisClient, RedisDatabase, RedisServer, Reply as RedisReply, redis};
pub use servers::DatabaseServer;

/// The component of a guest under `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    built(&build_directory().join("fixtures").join(format!("{name}.wasm")))
}

/// The component of a hostile guest under `tests/hostile`.
pub fn hostile(name: &str) -> PathBuf {
    built(&build_directory().join("hostile").join(format!("{name}.wasm")))
}

/// The component of a plugin.
pub fn plugin(name: &str) -> PathBuf {
    built(&plugins().join(format!("{name}.wasm")))
}

/// Where the tests keep compiled plugins: apart from the user's, and shared by all of them, as compiling takes a second.
pub fn cache() -> PathBuf {
    build_directory().join("tmp/cache")
}

/// Where the plugins' components are.
fn plugins() -> PathBuf {
    build_directory().join("plugins")
}

/// `target`, or what cargo was told to use instead: tests lie in its `debug/deps`.
fn build_directory() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    let directory = test.ancestors().find(|directory| directory.file_name().is_some_and(|name| name == "deps"));
    let directory = directory.and_then(|deps| deps.ancestors().nth(2));
    directory.unwrap_or_else(|| panic!("{} is not in a build directory of cargo's", test.display())).to_owned()
}

fn built(path: &Path) -> PathBuf {
    assert!(
        path.is_file(),
        "{} is not built: run `cargo xtask plugins`, or all tests with `cargo xtask test`",
        path.display()
    );
    path.to_owned()
}

/// The variables with which cargo builds crates outside of this repository: with the programs and the downloads of
/// whoever runs the tests, a build directory that tests share, and no network.
pub fn cargo(mut set: impl FnMut(&'static str, String)) {
    for (name, below_home) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(below_home));
        let place = std::env::var_os(name).map(PathBuf::from).or(home);
        if let Some(place) = place.filter(|place| place.is_dir()) {
            set(name, place.display().to_string());
        }
    }
    set("CARGO_TARGET_DIR", build_directory().join("tmp/author").display().to_string());
    set("CARGO_NET_OFFLINE", "true".into());
}
