//! `host token`: who may use the page and the API of `host serve`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{fail, print};
use crate::web::{Role, Tokens};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a token and print it, once: the file keeps only its digest.
    Add(Add),
    /// List the names, without their tokens.
    List(List),
    /// Take a token away. A host that runs knows it at once.
    Remove(Remove),
}

#[derive(Args)]
struct Add {
    /// Whose it is; it stands in the history with all that is done.
    name: String,
    /// What they may do.
    #[arg(long, value_enum)]
    role: Role,
    /// The file, which is made when it is not there.
    #[arg(long, value_name = "FILE")]
    tokens: PathBuf,
}

#[derive(Args)]
struct List {
    /// The file.
    #[arg(long, value_name = "FILE")]
    tokens: PathBuf,
}

#[derive(Args)]
struct Remove {
    /// Whose.
    name: String,
    /// The file.
    #[arg(long, value_name = "FILE")]
    tokens: PathBuf,
}

pub(super) fn execute(arguments: &Arguments) -> u8 {
    let done = match &arguments.command {
        Command::Add(arguments) => add(arguments),
        Command::List(arguments) => list(arguments),
        Command::Remove(arguments) => remove(arguments),
    };
    done.map_or_else(|error| fail(&error), |()| 0)
}

fn add(arguments: &Add) -> Result<(), String> {
    let mut tokens = Tokens::read(&arguments.tokens)?;
    let made = tokens.add(&arguments.name, arguments.role, Timestamp::now())?;
    tokens.write(&arguments.tokens)?;
    print(&format!("{}\n", made.token));
    Ok(())
}

fn list(arguments: &List) -> Result<(), String> {
    let tokens = Tokens::read(&arguments.tokens)?;
    let lines = tokens.iter().map(|(name, role, made)| format!("{name}  {}  {}\n", role.name(), made.strftime("%F")));
    print(&lines.collect::<String>());
    Ok(())
}

fn remove(arguments: &Remove) -> Result<(), String> {
    let mut tokens = Tokens::read(&arguments.tokens)?;
    if !tokens.remove(&arguments.name) {
        return Err(format!("{} has no token in {}", arguments.name, arguments.tokens.display()));
    }
    tokens.write(&arguments.tokens)
}
