//! Whether what was granted fits what a plugin asks for. Pure.

use super::description::Description;
use super::error::{did_you_mean, nearest_word};
use crate::capability::{self, Grants};
use crate::gate::{Budgets, Written};

/// Something that does not fit.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// What it is and what would mend it.
    pub(crate) message: String,
    /// The slot that it is about.
    pub(crate) slot: String,
    /// For a budget, what it counts.
    pub(crate) budget: Option<String>,
    /// Whether the plugin lacks something that it cannot do without.
    pub(crate) lacks: bool,
}

/// Everything that does not fit.
pub(crate) fn misfits(description: &Description, grants: &Grants, budgets: &Budgets, written: &Written) -> Vec<Misfit> {
    let mut misfits = lacking(description, grants, written);
    misfits.extend(surplus(description, grants, budgets, written));
    misfits
}

/// Slots that the plugin needs and that are not bound, or not with the access it asks for: what would grant each.
fn lacking(description: &Description, grants: &Grants, written: &Written) -> Vec<Misfit> {
    let mut misfits = Vec::new();
    for slot in &description.slots {
        let mut lacks = |message: String| {
            misfits.push(Misfit { message, slot: slot.name.clone(), budget: None, lacks: true });
        };
        let Some(room) = capability::room(&slot.capability) else {
            if !slot.optional {
                lacks(format!(
                    "slot `{}` asks for the capability `{}`, which this host does not have",
                    slot.name, slot.capability
                ));
            }
            continue;
        };
        let why = slot.why.trim_end_matches('.');
        let more: Vec<&str> =
            slot.access.iter().map(String::as_str).filter(|word| room.access.first() != Some(word)).collect();
        match grants.access(room.name, &slot.name) {
            None if slot.optional => {}
            None => {
                let bind = written.slot(room.name, &slot.name).bind(room.target, &more);
                lacks(format!("slot `{}` is not bound ({why}); {bind}", slot.name));
            }
            Some(given) => {
                let missing: Vec<&str> = more.into_iter().filter(|word| !given.contains(word)).collect();
                if !missing.is_empty() {
                    let add = written.slot(room.name, &slot.name).with(&missing);
                    lacks(format!("slot `{}` asks for {} ({why}); {add}", slot.name, missing.join(" and ")));
                }
            }
        }
    }
    misfits
}

/// Bindings and budgets that fit no slot of the plugin.
fn surplus(description: &Description, grants: &Grants, budgets: &Budgets, written: &Written) -> Vec<Misfit> {
    let mut misfits = Vec::new();
    let mut add = |message: String, slot: &str, budget: Option<&str>| {
        misfits.push(Misfit { message, slot: slot.into(), budget: budget.map(Into::into), lacks: false });
    };
    for (capability, name) in grants.slots() {
        let of_room = description.slots.iter().filter(|slot| slot.capability == capability);
        if of_room.clone().any(|slot| slot.name == name) {
            continue;
        }
        let known: Vec<&str> = of_room.map(|slot| slot.name.as_str()).collect();
        let message = match known.as_slice() {
            [] => format!(
                "{} has no {capability} slot at all: leave out {}",
                description.name,
                written.slot(capability, name).place()
            ),
            all => format!(
                "{} has no {capability} slot `{name}`{}; it has {}",
                description.name,
                did_you_mean(nearest_word(name, known.iter().copied())),
                all.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            ),
        };
        add(message, name, None);
    }
    for (slot, what, _) in budgets.iter() {
        let place = written.budget(slot, what);
        let Some(asked) = description.slots.iter().find(|asked| asked.name == slot) else {
            add(format!("{place}: {} has no slot `{slot}`", description.name), slot, Some(what));
            continue;
        };
        let counted = capability::room(&asked.capability).map_or(&[][..], |room| room.budgets);
        if !counted.contains(&what) {
            let all = counted.iter().map(|what| format!("`{what}`")).collect::<Vec<_>>().join(", ");
            add(format!("{place}: {} counts {all}", asked.capability), slot, Some(what));
        }
    }
    misfits
}
