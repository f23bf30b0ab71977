//! Makes what `cargo xtask` needs and a fresh machine has no program for: the world of the demo, and a certificate for
//! the private database servers. It belongs to xtask, and lies here to be built with the libraries of the tests.

mod backups;
mod certs;
mod database;
mod logs;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use taskhost_tests::certificates::Authority;
use taskhost_tests::reflexion::World;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [what, directory] if what == "demo" => demo(&PathBuf::from(directory)).await,
        [what, directory] if what == "server-certificate" => server_certificate(&PathBuf::from(directory)),
        [what, directory, command @ ..] if what == "reflexion" => reflexion(&PathBuf::from(directory), command).await,
        _ => bail!("usage: world demo|server-certificate DIRECTORY, or world reflexion DIRECTORY [COMMAND...]"),
    }
}

/// Makes the world anew.
async fn demo(directory: &Path) -> anyhow::Result<()> {
    if directory.exists() {
        std::fs::remove_dir_all(directory).with_context(|| format!("failed to remove {}", directory.display()))?;
    }
    std::fs::create_dir_all(directory).with_context(|| format!("failed to create {}", directory.display()))?;
    let database = directory.join("app.db");
    let dump = database::make(&database).await.context("failed to make the database")?;
    backups::make(&directory.join("backups"), &dump).context("failed to make the backups")?;
    certs::make(&directory.join("certs")).context("failed to make the certificates")?;
    logs::make(directory).context("failed to make the logs")?;
    std::fs::write(directory.join("bundle.toml"), BUNDLE).context("failed to write the bundle")
}

/// Makes the system of the reference bundle, runs the command in its directory and with its variables, and ends it again;
/// without a command, says how to use it until the input ends.
async fn reflexion(directory: &Path, command: &[OsString]) -> anyhow::Result<()> {
    if directory.exists() {
        std::fs::remove_dir_all(directory).with_context(|| format!("failed to remove {}", directory.display()))?;
    }
    let world = World::make(directory).await;
    let Some((program, arguments)) = command.split_first() else {
        println!("cd {}", world.directory().display());
        for (name, value) in world.environment() {
            println!("export {name}='{value}'");
        }
        println!("# in another terminal, for as long as this one is left alone; return ends it");
        std::io::stdin().read_line(&mut String::new())?;
        return Ok(());
    };
    // As a service has it whose backups nobody else may read.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(world.directory());
    command.envs(world.environment().iter().map(|(name, value)| (name, value)));
    let status = command.status().with_context(|| format!("failed to start {}", program.display()))?;
    drop(world);
    std::process::exit(status.code().unwrap_or(3));
}

/// The tasks of the demo in one file.
const BUNDLE: &str = r#"name = "demo"
description = "Everything in this directory, kept alive."

[connections.app]
sql = "sqlite:app.db"

[tasks.old-logs]
plugin = "file-cleanup"
schedule = "daily at 02:00"
parameters = { older-than = "30d" }
grants.directory = { files = "logs", access = ["delete"] }
budget = { "directory.files" = 100 }

[tasks.certificates]
plugin = "cert-check"
schedule = "daily at 06:00"
grants.certs = { files = "certs" }

[tasks.backup]
plugin = "backup-test"
schedule = "daily at 04:00"
grants.backups = { files = "backups" }
grants.database = { connection = "app", access = ["scratch"] }

[tasks.vacuum]
plugin = "vacuum"
schedule = "weekly on sunday at 03:00"
grants.database = { connection = "app", access = ["maintain"] }

[[checklist]]
title = "Look at what was critical yesterday"
kind = "daily"
"#;

/// `ca.pem`, `server.pem` and `server.key`, for the loopback.
fn server_certificate(directory: &Path) -> anyhow::Result<()> {
    let authority = Authority::root("Taskhost tests")?;
    let leaf = authority.leaf(&["localhost", "127.0.0.1"], -1, 30)?;
    std::fs::create_dir_all(directory)?;
    std::fs::write(directory.join("ca.pem"), authority.pem())?;
    std::fs::write(directory.join("server.pem"), leaf.certificate)?;
    std::fs::write(directory.join("server.key"), leaf.key)?;
    Ok(())
}
