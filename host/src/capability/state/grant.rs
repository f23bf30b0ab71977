//! What an operator binds to a `state` slot, and what that allows. Pure.
//!
//! ```toml
//! target = "state.db"        # made when it is first written
//! access = ["write"]         # read always
//! task = "database-size"     # whose state is read; the run's own when absent
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::gate::{Refusal, SlotName};

/// What an operator bound to a slot. The default grants nothing.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Grant {
    target: PathBuf,
    access: BTreeSet<Access>,
    task: Option<String>,
}

/// One word of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Access {
    /// What was remembered.
    Read,
    /// Remembering.
    Write,
}

impl Access {
    /// Every word, the one that binding a slot grants first.
    pub(super) const WORDS: &'static [&'static str] = &["read", "write"];

    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl Grant {
    /// The words of access that it holds.
    pub(super) fn words(&self) -> Vec<&'static str> {
        self.access.iter().map(|access| access.word()).collect()
    }

    /// What of it cannot be told from its form.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.target.as_os_str().is_empty() {
            return Err("the target is a file; write it as state.db".into());
        }
        if self.task.is_some() && self.access.contains(&Access::Write) {
            return Err("what another task remembers can be read only: leave out `write`, or `task=`".into());
        }
        Ok(())
    }

    /// Whether that access is granted.
    pub(super) fn allows(&self, slot: SlotName<'_>, access: Access) -> Result<(), Refusal> {
        if self.access.contains(&access) {
            return Ok(());
        }
        let word = access.word();
        Err(Refusal::NotGranted(format!("slot `{slot}` does not grant {word}; {}", slot.with(&[word]))))
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.target
    }

    /// Whose state it is, to a run of `own`.
    pub(super) fn task<'a>(&'a self, own: &'a str) -> &'a str {
        self.task.as_deref().unwrap_or(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(text: &str) -> Grant {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_default_allows_nothing() {
        for access in [Access::Read, Access::Write] {
            let refusal = Grant::default().allows(SlotName::flag("state", "memory"), access).unwrap_err().to_string();
            assert!(refusal.contains(&format!("add `,{}` to --state memory=...", access.word())), "{refusal}");
        }
        assert!(Grant::default().check().is_err());
    }

    #[test]
    fn another_tasks_state_is_for_reading() {
        assert!(grant("target = 'x.db'\naccess = ['read', 'write']").check().is_ok());
        let other = grant("target = 'x.db'\naccess = ['read']\ntask = 'other'");
        assert!(other.check().is_ok());
        assert_eq!((other.task("own"), grant("target = 'x.db'").task("own")), ("other", "own"));
        assert!(grant("target = 'x.db'\naccess = ['write']\ntask = 'other'").check().is_err());
    }
}
