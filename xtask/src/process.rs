//! Child processes that never outlive their step. Each has its own process group, so that ending it ends what it
//! started in turn, and a Ctrl-C at the terminal reaches xtask alone, which then ends things in order.

use std::process::ExitStatus;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// Ends its process group when dropped before the process ended by itself.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Without an id it has ended and was waited for: the number may be another process's by now.
        if let Some(group) = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::TERM);
        }
    }
}

/// Runs to the end, its output passed on.
pub(crate) async fn status(command: &mut Command) -> anyhow::Result<ExitStatus> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let child = command.process_group(0).spawn().with_context(|| format!("failed to start {name}"))?;
    let mut running = Running(child);
    running.0.wait().await.with_context(|| format!("failed to wait for {name}"))
}

/// Runs to the end, its output passed on; any exit code but zero is an error that shows the command line.
pub(crate) async fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = status(command).await?;
    if !status.success() {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(())
}

/// A command line as one types it.
pub(crate) fn line(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./=:,@%+".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
