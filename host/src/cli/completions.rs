//! `host completions SHELL`.

use clap::{Args, CommandFactory as _};

/// What `completions` takes.
#[derive(Args)]
pub(super) struct Arguments {
    /// The shell to write for.
    shell: clap_complete::Shell,
}

pub(super) fn execute(arguments: &Arguments) -> u8 {
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "host", &mut std::io::stdout());
    0
}
