//! What an operator binds to a `history` slot, and what that allows. Pure.
//!
//! ```toml
//! target = "history.db"      # or postgres://...
//! task = ["backup-*"]        # globs over the names of tasks; all when absent
//! bundle = "shop"            # whose tasks these are; of any bundle and of none when absent
//! ```

use std::path::Path;

use crate::capability::Secret;
use crate::capability::binding::OneOrMany;
use crate::gate::{Refusal, SlotName};
use crate::history::Target;
use crate::policy::glob::Globs;

/// The one word of access.
pub(super) const READ: &[&str] = &["read"];

/// What an operator bound to a slot. The default grants nothing.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Grant {
    target: Secret,
    access: Vec<Access>,
    task: OneOrMany,
    bundle: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Access {
    Read,
}

impl Grant {
    /// The words of access that it holds.
    pub(super) fn words(&self) -> Vec<&'static str> {
        if self.access.contains(&Access::Read) { READ.to_vec() } else { vec![] }
    }

    /// What of it cannot be told from its form.
    pub(super) fn check(&self) -> Result<(), String> {
        self.target()?;
        Globs::new(self.task.0.clone()).map(drop).map_err(|error| format!("task: {error}"))
    }

    /// Where the history is.
    pub(super) fn target(&self) -> Result<Target, String> {
        Target::parse(self.target.expose(), Path::new(""))
    }

    /// Whether it may be read.
    pub(super) fn allows(&self, slot: SlotName<'_>) -> Result<(), Refusal> {
        if self.access.contains(&Access::Read) {
            return Ok(());
        }
        Err(Refusal::NotGranted(format!("slot `{slot}` is not bound; {}", slot.bind("history.db", &[]))))
    }

    /// Whether that task's runs may be seen.
    pub(super) fn allows_task(&self, slot: SlotName<'_>, task: &str) -> Result<(), Refusal> {
        self.allows(slot)?;
        if self.sees(task) {
            return Ok(());
        }
        let task = crate::policy::text::clean_line(task, 128);
        Err(Refusal::NotGranted(format!(
            "slot `{slot}` does not grant the runs of task `{task}`; {}",
            slot.with(&[&format!("task={task}")])
        )))
    }

    fn sees(&self, task: &str) -> bool {
        self.sees_all() || self.tasks().matches(task.as_bytes(), task.len())
    }

    /// The tasks whose runs are seen, where not all are. A glob that is none was refused when it was bound, and matches
    /// nothing.
    pub(super) fn tasks(&self) -> Globs {
        Globs::new(self.task.0.clone()).unwrap_or_default()
    }

    /// Whether all tasks' runs are.
    pub(super) fn sees_all(&self) -> bool {
        self.task.0.is_empty()
    }

    /// Whose.
    pub(super) fn bundle(&self) -> Option<&str> {
        self.bundle.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(text: &str) -> Grant {
        toml::from_str(text).unwrap()
    }

    fn past() -> SlotName<'static> {
        SlotName::flag("history", "past")
    }

    #[test]
    fn the_default_allows_nothing() {
        let none = Grant::default();
        for refusal in [none.allows(past()), none.allows_task(past(), "vacuum")] {
            let refusal = refusal.unwrap_err().to_string();
            assert!(refusal.contains("add --history past=history.db"), "{refusal}");
        }
        assert!(none.check().is_err() && none.words().is_empty());
    }

    #[test]
    fn tasks_are_seen_by_their_globs() {
        let all = grant("target = 'history.db'\naccess = ['read']");
        let some = grant("target = 'history.db'\naccess = ['read']\ntask = ['backup-*', 'vacuum']");
        for (task, seen) in [
            ("vacuum", true),
            ("backup-test", true),
            ("backup", false),
            ("vacuum-2", false),
            ("", false),
            ("x/vacuum", false),
            ("../vacuum", false),
        ] {
            assert!(all.allows_task(past(), task).is_ok(), "{task}");
            assert_eq!(some.allows_task(past(), task).is_ok(), seen, "{task}");
        }
        let refusal = some.allows_task(past(), "secret").unwrap_err().to_string();
        assert_eq!(
            refusal,
            "slot `past` does not grant the runs of task `secret`; add `,task=secret` to --history past=..."
        );
    }

    #[test]
    fn what_makes_no_sense_is_said_without_a_password() {
        for (text, message) in [
            ("target = ''", "a history is a file"),
            ("target = 'mysql://u:hunter2@h/d'", "no other URL"),
            ("target = 'history.db'\ntask = '['", "task: `[` is not a glob"),
        ] {
            let error = grant(text).check().unwrap_err();
            assert!(error.contains(message) && !error.contains("hunter2"), "{error}");
        }
        assert!(!format!("{:?}", grant("target = 'postgres://u:hunter2@h/d'")).contains("hunter2"));
        assert!(toml::from_str::<Grant>("target = 'x'\nwrite = true").is_err());
    }
}
