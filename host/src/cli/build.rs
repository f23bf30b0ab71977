//! Builds a plugin's crate with cargo, and finds the component that came out.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;

/// A message of cargo's; of the other kinds nothing is of interest.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// Builds the crate in `directory` as a component. What cargo says is passed on.
pub(super) async fn component(directory: &Path) -> Result<PathBuf, String> {
    let manifest = directory.join("Cargo.toml");
    let manifest =
        manifest.canonicalize().map_err(|error| format!("failed to read {}: {error}", manifest.display()))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = tokio::process::Command::new(&cargo)
        .args(["build", "--release", "--target", "wasm32-wasip2", "--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(&manifest)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("failed to run {}: {error}", cargo.to_string_lossy()))?;
    if !output.status.success() {
        return Err(format!("{} does not build (see above)", directory.display()));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let own = messages.filter(|message| message.reason == "compiler-artifact" && message.manifest_path == manifest);
    let mut components = own.flat_map(|message| message.filenames);
    components.find(|file| file.extension().is_some_and(|extension| extension == "wasm")).ok_or_else(|| {
        format!("{} builds no component; its Cargo.toml says crate-type = [\"cdylib\"]", directory.display())
    })
}
