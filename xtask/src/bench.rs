//! `cargo xtask bench`: release builds, a private PostgreSQL, and the measuring program in `tests/benches`.

use clap::Args;

use crate::servers::Servers;
use crate::workspace::Workspace;
use crate::{guests, process};

/// What `bench` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Only these: inprocess, crowd, gate, start, certificates, walk, search, rows, restore, keys, prune, stats,
    /// served-sqlite, served-postgres, scheduled, pages-sqlite, pages-postgres, growth. The page keeps what was measured
    /// earlier of the others.
    names: Vec<String>,
}

pub(crate) async fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    guests::ensure_target(workspace).await?;
    guests::build(workspace, &workspace.plugins()?).await?;
    guests::build(workspace, &workspace.fixtures()?).await?;
    process::succeed(&mut workspace.cargo(&["build", "--release", "--bin", "host"])).await?;
    process::succeed(&mut workspace.cargo(&["bench", "--bench", "bench", "--no-run"])).await?;
    let servers = Servers::start(workspace).await?;
    let mut bench = workspace.cargo(&["bench", "--bench", "bench", "--"]);
    bench.args(&options.names).envs(servers.environment());
    process::succeed(&mut bench).await
}
