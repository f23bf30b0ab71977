//! Who may touch what: each task's grants in words, for the command line, the page and the API alike.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Bundle, Hidden, SlotGrant};

/// One task's access to one thing.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Granted {
    /// The task's name.
    pub task: String,
    /// Under which name its plugin has it.
    pub slot: String,
    /// The room.
    pub capability: &'static str,
    /// The connection's name, and what it stands for without secrets.
    pub resource: String,
    /// The words of access.
    pub access: Vec<String>,
    /// What narrows it.
    pub scope: Vec<String>,
    /// The most that may be changed.
    pub budget: Vec<String>,
}

/// All that the tasks of a bundle may touch, in its order.
pub fn granted(bundle: &Bundle) -> Vec<Granted> {
    let of_task = |task: &super::Task| {
        let budget = |slot: &str| {
            task.budgets
                .iter()
                .filter(|(of, _, _)| *of == slot)
                .map(|(_, what, budget)| format!("{} {what}", budget.limit))
                .collect()
        };
        task.grants
            .iter()
            .map(|grant| Granted {
                task: task.name.clone(),
                slot: grant.slot.clone(),
                capability: grant.capability,
                resource: grant
                    .connection
                    .as_ref()
                    .map_or_else(|| grant.target(), |name| format!("{name} ({})", grant.target())),
                access: grant.access().into_iter().map(Into::into).collect(),
                scope: scope(grant),
                budget: budget(&grant.slot),
            })
            .collect::<Vec<_>>()
    };
    bundle.tasks.iter().flat_map(of_task).collect()
}

/// The settings, but for those that are no matter of who may do what.
fn scope(grant: &SlotGrant) -> Vec<String> {
    let room = crate::capability::room(grant.capability);
    let paths = room.map_or(&[][..], |room| room.paths);
    if let Some(shown) = room.and_then(|room| (room.shown)(&grant.settings)) {
        return shown;
    }
    let of = |key: &String| key != "access" && !paths.contains(&key.as_str());
    let plain = grant.settings.iter().filter(|(key, _)| of(key)).map(|(key, value)| format!("{key} {}", shown(value)));
    let hidden = grant
        .secrets
        .iter()
        .map(|(key, hidden)| format!("{key} {}", hidden.iter().map(Hidden::shown).collect::<Vec<_>>().join(", ")));
    plain.chain(hidden).collect()
}

fn shown(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
