//! `host serve` for tests: its bundle's plugins by name, who may use its page, and where that is.

use std::path::{Path, PathBuf};

use crate::{Host, Process, fixture, host, hostile};

/// A bundle in which ERRAND and CONDUCT stand for the plugins of these names.
pub fn with_plugins(bundle: &str) -> String {
    let named = |path: PathBuf| format!("\"{}\"", path.display());
    bundle.replace("ERRAND", &named(fixture("errand"))).replace("CONDUCT", &named(hostile("conduct")))
}

/// A token that is new in that file.
pub fn token(tokens: &Path, name: &str, role: &str) -> String {
    let made = host().args(["token", "add", name, "--role", role, "--tokens"]).arg(tokens).run();
    made.expect_code(0).stdout.trim().to_owned()
}

/// Serves on a free port of the loopback, and says at which URL.
pub fn serve(bundle: &Path, change: impl FnOnce(Host) -> Host) -> (Process, String) {
    let serve = host().arg("serve").arg(bundle).args(["--listen", "127.0.0.1:0", "--grace", "1s"]);
    let mut process = change(serve).spawn();
    let line = process.line();
    let Some(url) = line.strip_prefix("listening on ") else { panic!("{line:?}: {}", process.wait()) };
    (process, url.to_owned())
}
