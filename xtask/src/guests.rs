//! Guest crates: the target they are built for, and their components.

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::process;
use crate::workspace::{self, Guest, Workspace};

/// What guests are built for.
const TARGET: &str = "wasm32-wasip2";

/// Adds the target to the toolchain when it is not there.
pub(crate) async fn ensure_target(workspace: &Workspace) -> anyhow::Result<()> {
    let output =
        workspace.command("rustc").args(["--print", "sysroot"]).output().await.context("failed to run rustc")?;
    let sysroot = String::from_utf8_lossy(&output.stdout);
    if Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).is_dir() {
        return Ok(());
    }
    if workspace::program("rustup", &[]).is_none() {
        bail!(
            "the Rust toolchain lacks the target {TARGET}, and rustup is not here to add it; install the target with \
             the package manager that Rust came from, or get rustup from https://rustup.rs"
        );
    }
    process::succeed(workspace.command("rustup").args(["target", "add", TARGET])).await
}

/// Builds all of them in one call of cargo, and puts each component where it belongs.
pub(crate) async fn build(workspace: &Workspace, guests: impl IntoIterator<Item = &Guest>) -> anyhow::Result<()> {
    let guests: Vec<_> = guests.into_iter().collect();
    let mut cargo = workspace.cargo(&["build", "--release", "--target", TARGET]);
    process::succeed(cargo.args(packages(guests.iter().copied()))).await?;
    for Guest { package, component } in guests {
        let built = workspace.target.join(TARGET).join("release").join(format!("{}.wasm", package.replace('-', "_")));
        place(&built, component)
            .with_context(|| format!("failed to copy {} to {}", built.display(), component.display()))?;
    }
    Ok(())
}

/// The arguments that lint them, after `cargo`.
pub(crate) fn clippy<'a>(guests: impl IntoIterator<Item = &'a Guest>) -> Vec<&'a str> {
    let mut arguments = vec!["clippy", "--release", "--target", TARGET];
    arguments.extend(packages(guests));
    arguments.extend(["--", "--deny", "warnings"]);
    arguments
}

/// `--package NAME` for each.
pub(crate) fn packages<'a>(guests: impl IntoIterator<Item = &'a Guest>) -> impl Iterator<Item = &'a str> {
    guests.into_iter().flat_map(|guest| ["--package", guest.package.as_str()])
}

/// Copies by renaming: a host that reads the file meanwhile sees the old or the new one whole.
pub(crate) fn place(built: &Path, component: &Path) -> std::io::Result<()> {
    if let Some(directory) = component.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let unfinished = component.with_extension("wasm.new");
    std::fs::copy(built, &unfinished)?;
    std::fs::rename(unfinished, component)
}
