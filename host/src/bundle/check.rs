//! What of a bundle can only be told with its plugins: whether each is there, is the one that was accepted, takes these
//! parameters, and gets what it asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

use super::accepted::Accepted;
use super::{Bundle, History, Problem, SlotGrant, Source, Task, unwise};
use crate::capability::{Binding, Doubt, Grants, RoomWords, Secret, room};
use crate::gate::Written;
use crate::plugin::fit;
use crate::plugin::{Host, Plugin, arguments, find, is_path};

/// A bundle's plugins, and what is wrong.
pub struct Checked<'a> {
    /// The tasks whose plugin could be loaded.
    pub ready: Vec<Ready<'a>>,
    /// The first in the file first.
    pub problems: Vec<Problem>,
}

impl Checked<'_> {
    /// More that is wrong or unwise.
    pub(super) fn add(&mut self, problems: Vec<Problem>) {
        self.problems.extend(problems);
        self.problems.sort_by_key(|problem| (problem.place.as_ref().map(|place| place.start), problem.weight));
    }
}

/// A task that could run.
#[derive(Clone)]
pub struct Ready<'a> {
    /// What the file says.
    pub task: &'a Task,
    /// Its plugin.
    pub plugin: Plugin,
    /// What its slots are bound to. Without a credential that was not asked for, it stands for no target that is.
    pub grants: Grants,
    /// The slots of which that is so.
    pub(super) stand_ins: BTreeSet<String>,
}

/// Where plugins come from.
pub struct Plugins<'a> {
    /// Compiles them.
    pub host: &'a Host,
    /// Where they are looked up by name, after the bundle's own directories.
    pub directories: Vec<PathBuf>,
}

impl Bundle {
    /// Looks at every task. The credentials of the tasks that `wanted` picks must be there; of others, they are only
    /// looked for, and no program is run for them.
    pub async fn check(
        &self,
        plugins: &Plugins<'_>,
        accepted: Option<&Accepted>,
        wanted: impl Fn(&Task) -> bool,
    ) -> Checked<'_> {
        let mut problems = Vec::new();
        let mut ready = Vec::new();
        let mut loaded = BTreeMap::new();
        problems.extend(self.history.as_ref().and_then(History::problem));
        for task in &self.tasks {
            let (grants, stand_ins) = self.grants(task, wanted(task), &mut problems).await;
            let Some(plugin) = self.plugin(task, plugins, &mut loaded, &mut problems).await else { continue };
            if let Some(accepted) = accepted
                && let Some(change) = accepted.change(&task.plugin, &plugin)
            {
                problems.push(
                    Problem::error(format!("task `{}`: {change}", task.name), task.places.plugin.clone())
                        .help("look at it with `host inspect`, and accept it with `host check --accept`"),
                );
            }
            fits(task, &plugin, &grants, &mut problems);
            ready.push(Ready { task, plugin, grants, stand_ins });
        }
        problems.extend(unwise::problems(self, &ready));
        let mut checked = Checked { ready, problems: Vec::new() };
        checked.add(problems);
        checked
    }

    /// The plugin of a task; one that several have is loaded once.
    async fn plugin(
        &self,
        task: &Task,
        plugins: &Plugins<'_>,
        loaded: &mut BTreeMap<PathBuf, Plugin>,
        problems: &mut Vec<Problem>,
    ) -> Option<Plugin> {
        let wrong = |error: &dyn std::fmt::Display| {
            Problem::error(format!("task `{}`: {error}", task.name), task.places.plugin.clone())
        };
        let is_path = is_path(&task.plugin);
        let name = if is_path {
            self.directory.join(&task.plugin).to_string_lossy().into_owned()
        } else {
            task.plugin.clone()
        };
        let directories: Vec<PathBuf> = self.plugins.iter().chain(&plugins.directories).cloned().collect();
        let path = find(&name, &directories).map_err(|error| problems.push(wrong(&error))).ok()?;
        if let Some(plugin) = loaded.get(&path) {
            return Some(plugin.clone());
        }
        let plugin = plugins.host.load(&path).await.map_err(|error| problems.push(wrong(&error))).ok()?;
        loaded.insert(path, plugin.clone());
        Some(plugin)
    }

    /// The grants, and the slots with a target that stands in for one that is not there.
    async fn grants(&self, task: &Task, wanted: bool, problems: &mut Vec<Problem>) -> (Grants, BTreeSet<String>) {
        let mut grants = Grants::default();
        let mut stand_ins = BTreeSet::new();
        for grant in &task.grants {
            let wrong =
                |message: String| Problem::error(format!("task `{}`: {message}", task.name), grant.place.clone());
            let mut bindings = Vec::new();
            let Some(room) = room(grant.capability) else { continue };
            for source in &grant.sources {
                let target = self.look_up(source, task, grant, wanted, problems).await;
                if target.is_none() {
                    stand_ins.insert(grant.slot.clone());
                }
                bindings.push(self.binding(grant, room, target, bindings.is_empty()));
            }
            if let Some(first) = bindings.first_mut() {
                for (key, hidden) in &grant.secrets {
                    let mut secrets = Vec::new();
                    for hidden in hidden {
                        let found = self.look_up(hidden.source(), task, grant, wanted, problems).await;
                        if found.is_none() {
                            stand_ins.insert(grant.slot.clone());
                        }
                        secrets.push(hidden.value(found.as_ref()));
                    }
                    first.secrets.insert((*key).into(), secrets);
                }
            }
            if let Err(error) = grants.bind(grant.capability, &grant.slot, bindings) {
                problems.push(wrong(error.to_string()));
            }
            for doubt in grants.doubts(grant.capability, &grant.slot) {
                let problem = doubted(task, grant, &doubt, wanted);
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
        (grants, stand_ins)
    }

    /// What `source` holds. What is not there is a problem, and then there is none; no program is run unless it is wanted.
    async fn look_up(
        &self,
        source: &Source,
        task: &Task,
        grant: &SlotGrant,
        wanted: bool,
        problems: &mut Vec<Problem>,
    ) -> Option<Secret> {
        if matches!(source, Source::Command(_)) && !wanted {
            return None;
        }
        let missed = |error: String| {
            let problem = unset(task, grant, &error, wanted);
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        };
        source.target(&self.directory).await.map_err(missed).ok()
    }

    /// What binds one target; the settings come with the first.
    fn binding(&self, grant: &SlotGrant, room: &RoomWords, target: Option<Secret>, first: bool) -> Binding {
        let target = target.map_or_else(
            // It stands in, so that the settings can be checked.
            || room.example.into(),
            |target| (room.anchored)(target.expose(), &self.directory),
        );
        let settings = if first { grant.settings.clone() } else { toml::Table::new() };
        Binding { target: Secret::new(target), settings, secrets: BTreeMap::new() }
    }
}

/// A credential that is not there: a mistake where it is needed now, and said once for a connection otherwise, where it
/// may be set in the place that the tasks run in.
fn unset(task: &Task, grant: &SlotGrant, error: &str, wanted: bool) -> Problem {
    if wanted {
        let message = format!("task `{}`: slot `{}`: {error}", task.name, grant.slot);
        return Problem::error(message, grant.place.clone());
    }
    let what = match &grant.connection {
        Some(name) => format!("connection `{name}`"),
        None => format!("task `{}`, slot `{}`", task.name, grant.slot),
    };
    Problem::warning(format!("{what}: {error} here"), grant.target_place.clone())
}

/// What a grant needs and is not here: a mistake where the run needs it now, as with a credential.
fn doubted(task: &Task, grant: &SlotGrant, doubt: &Doubt, wanted: bool) -> Problem {
    if wanted && doubt.lacking {
        let message = format!("task `{}`: slot `{}`: {}", task.name, grant.slot, doubt.message);
        return Problem::error(message, grant.place.clone());
    }
    let what = match &grant.connection {
        Some(name) => format!("connection `{name}`"),
        None => format!("task `{}`, slot `{}`", task.name, grant.slot),
    };
    Problem::warning(format!("{what}: {}", doubt.message), grant.target_place.clone())
}

/// What of a task does not fit its plugin.
fn fits(task: &Task, plugin: &Plugin, grants: &Grants, problems: &mut Vec<Problem>) {
    let name = &task.name;
    let written = Written::Task(name.as_str().into());
    let place_of = |slot: &str| task.grants.iter().find(|grant| grant.slot == slot).map(|grant| grant.place.clone());
    for misfit in fit::misfits(plugin.description(), grants, &task.budgets, &written) {
        let budget = misfit.budget.as_ref().map(|what| format!("{}.{what}", misfit.slot));
        let place = match budget {
            Some(key) => task.places.budgets.get(&key).cloned(),
            None => place_of(&misfit.slot),
        };
        // A slot of which the grant was wrong is not unbound as well.
        let written = task.grants.iter().any(|grant| grant.slot == misfit.slot);
        let bound = grants.slots().any(|(_, slot)| slot == misfit.slot);
        if misfit.lacks && written && !bound {
            continue;
        }
        let place = place.unwrap_or_else(|| task.places.plugin.clone());
        problems.push(Problem::error(format!("task `{name}`: {}", misfit.message), place));
    }
    if let Err(errors) = arguments::parse(plugin.description(), &task.arguments) {
        for error in errors.0 {
            // The first that it names is the one that it is about.
            let at = |(name, _): &(&String, &Range<usize>)| error.find(&format!("`{name}`"));
            let named = task.places.parameters.iter().filter(|named| at(named).is_some()).min_by_key(at);
            let place = named.map_or_else(|| task.places.plugin.clone(), |(_, place)| place.clone());
            problems.push(Problem::error(format!("task `{name}`: {error}"), place));
        }
    }
}
