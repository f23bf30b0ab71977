//! What `run`, `plan` and `inspect` have in common: finding and loading the plugin, and one flag a room.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

use super::Global;
use crate::capability::{Binding, Grants, ROOMS, room};
use crate::gate::Budgets;
use crate::plugin::{Host, Plugin, find};
use crate::policy::units::Size;

/// The host, and the plugin that `name` means.
pub(super) async fn load(global: &Global, name: &str) -> Result<(Host, Plugin), String> {
    let path = find(name, &global.plugin_path()).map_err(|error| error.to_string())?;
    let host = global.host()?;
    let plugin = host.load(&path).await.map_err(|error| error.to_string())?;
    Ok((host, plugin))
}

/// The bindings as written: `--sql SLOT=TARGET...` and so on, one flag a room.
#[derive(Clone, Debug, Default)]
pub(super) struct Bindings(Vec<(&'static str, Vec<String>)>);

impl clap::Args for Bindings {
    fn augment_args(command: Command) -> Command {
        ROOMS.iter().fold(command, |command, room| {
            let words = room.access.join(", ");
            command.arg(
                Arg::new(room.name)
                    .long(room.name)
                    .value_name("SLOT=TARGET[,ACCESS|KEY=VALUE]...")
                    .action(ArgAction::Append)
                    .help_heading("Grants")
                    .help(format!(
                        "Bind a {} slot to {}; access: {words} (the first comes with binding)",
                        room.name, room.target
                    )),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Bindings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let written = |room: &str| matches.get_many::<String>(room).into_iter().flatten().cloned().collect();
        Ok(Self(ROOMS.iter().map(|room| (room.name, written(room.name))).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Bindings {
    /// The first flag that was written.
    pub(super) fn first(&self) -> Option<String> {
        self.0.iter().find(|(_, flags)| !flags.is_empty()).map(|(room, _)| format!("--{room}"))
    }

    /// The grants that the flags make, or everything that is wrong with them.
    pub(super) fn grants(&self) -> Result<Grants, Vec<String>> {
        let mut wrong = Vec::new();
        let mut grants = Grants::default();
        for (name, flags) in &self.0 {
            let Some(room) = room(name) else { continue };
            let mut slots: BTreeMap<String, Vec<Binding>> = BTreeMap::new();
            for flag in flags {
                match Binding::parse(room, flag, |name| std::env::var(name).ok(), |path| std::fs::read_to_string(path))
                {
                    Ok((slot, binding)) => slots.entry(slot).or_default().push(binding),
                    Err(error) => wrong.push(error.to_string()),
                }
            }
            for (slot, bindings) in slots {
                if let Err(error) = grants.bind(name, &slot, bindings) {
                    wrong.push(error.to_string());
                }
                for doubt in grants.doubts(name, &slot) {
                    if doubt.lacking {
                        wrong.push(format!("slot `{slot}`: {}", doubt.message));
                    } else {
                        tracing::warn!("slot `{slot}`: {}", doubt.message);
                    }
                }
            }
        }
        if wrong.is_empty() { Ok(grants) } else { Err(wrong) }
    }
}

/// Reads `SLOT.WHAT=N`, N a number or a size.
pub(super) fn budgets(written: &[String]) -> Result<Budgets, Vec<String>> {
    let mut budgets = Budgets::default();
    let mut wrong = Vec::new();
    for text in written {
        let parts =
            text.split_once('=').and_then(|(name, limit)| Some((name.split_once('.')?, limit.parse::<Size>().ok()?)));
        match parts {
            Some(((slot, what), limit)) => budgets.set(slot, what, limit.0),
            None => wrong.push(format!(
                "--budget {text}: write it as SLOT.WHAT=N, such as database.rows=500 or logs.bytes=2GiB"
            )),
        }
    }
    if wrong.is_empty() { Ok(budgets) } else { Err(wrong) }
}

/// Reads `NAME=VALUE`.
pub(super) fn arguments(written: &[String]) -> Result<Vec<(String, String)>, Vec<String>> {
    let mut wrong = Vec::new();
    let mut arguments = Vec::new();
    for text in written {
        match text.split_once('=') {
            Some((name, value)) => arguments.push((name.to_owned(), value.to_owned())),
            None => wrong.push(format!("`{text}` is no parameter: write it as NAME=VALUE")),
        }
    }
    if wrong.is_empty() { Ok(arguments) } else { Err(wrong) }
}
