//! `cargo xtask`: what is done with this repository, in one command each. It sets up all that a machine with git, a C
//! compiler and rustup still lacks, and stops every process that it started, however it ends.

mod bench;
mod demo;
mod guests;
mod process;
mod python;
mod servers;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::workspace::Workspace;

/// What is done with this repository, in one command each.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Build the host and the plugins, make a small world under target/demo, and run four plugins on it.
    Demo,
    /// Run everything that must pass: formatting, lints, unit and integration tests, documentation.
    Test(test::Options),
    /// Measure Taskhost beside the tools it replaces, and write docs/benchmarks.md.
    Bench(bench::Options),
    /// Build every plugin to target/plugins/NAME.wasm, and the guests of the tests to target/fixtures/NAME.wasm.
    Plugins,
    /// Start the servers of the tests, print the variables that name them, and stop them on Ctrl-C: for
    /// running single tests with `cargo test`.
    Servers,
}

fn main() -> ExitCode {
    let command = Command::parse();
    // One thread, so that whatever dies with the thread that started it (see `servers`) dies with xtask.
    let ended =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Into::into).and_then(|runtime| {
            runtime.block_on(async {
                // Dropping `execute` half-way ends its processes: each is owned by a guard.
                tokio::select! {
                    ended = execute(command) => ended.map(|()| ExitCode::SUCCESS),
                    code = interrupted() => code,
                }
            })
        });
    ended.unwrap_or_else(|error| {
        eprintln!("\nerror: {error:#}");
        ExitCode::FAILURE
    })
}

async fn execute(command: Command) -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    match command {
        Command::Demo => demo::run(&workspace).await,
        Command::Test(options) => test::run(&workspace, &options).await,
        Command::Bench(options) => bench::run(&workspace, &options).await,
        Command::Servers => {
            process::succeed(&mut workspace.cargo(&["build", "--bin", "world"])).await?;
            let servers = servers::Servers::start(&workspace).await?;
            for (name, value) in servers.environment() {
                println!("export {name}='{value}'");
            }
            std::future::pending().await
        }
        Command::Plugins => {
            guests::ensure_target(&workspace).await?;
            guests::build(&workspace, workspace.plugins()?.iter().chain(&workspace.fixtures()?)).await?;
            python::build(&workspace).await
        }
    }
}

/// Waits until someone asks the process to end, and returns the exit code that shells have for it.
async fn interrupted() -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let number = tokio::select! {
        _ = hangup.recv() => 1,
        _ = interrupt.recv() => 2,
        _ = terminate.recv() => 15,
    };
    eprintln!("\nstopped by signal {number}");
    Ok(ExitCode::from(128 + number))
}
