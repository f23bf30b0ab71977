//! What a team has looked at and accepted: `bundle.lock` beside `bundle.toml` keeps each plugin's digest and what it
//! asks for. `host check --accept` writes it; while it is there, a plugin that is not as it was does not run.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Ready;
use crate::plugin::Plugin;

const HEADER: &str =
    "# The plugins of this bundle as they were accepted. Written by `host check --accept`; keep it in git.\n\n";

/// The plugins as they were accepted, by the name that the bundle gives them.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    #[serde(default)]
    plugins: BTreeMap<String, Kept>,
}

#[derive(Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: String,
    digest: String,
    /// What it asks for, one line a slot.
    asks: Vec<String>,
}

impl Kept {
    fn of(plugin: &Plugin) -> Self {
        let description = plugin.description();
        let ask = |slot: &crate::plugin::description::Slot| {
            let optional = if slot.optional { ", optional" } else { "" };
            format!("{} {}: {}{optional}", slot.capability, slot.name, slot.access.join(", "))
        };
        Self {
            version: description.version.clone(),
            digest: plugin.digest().into(),
            asks: description.slots.iter().map(ask).collect(),
        }
    }
}

impl Accepted {
    /// The file that belongs to a bundle.
    pub fn path(bundle: &Path) -> PathBuf {
        bundle.with_extension("lock")
    }

    /// What was accepted for the bundle at that path; none when nothing was.
    ///
    /// # Errors
    /// A file that cannot be read or understood.
    pub fn read(bundle: &Path) -> Result<Option<Self>, String> {
        let path = Self::path(bundle);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("failed to read {}: {error}", path.display())),
        };
        let wrong = |error: toml::de::Error| {
            format!("{} is damaged ({}); write it anew with `host check --accept`", path.display(), error.message())
        };
        toml::from_str(&text).map(Some).map_err(wrong)
    }

    /// The plugins as they are now.
    pub fn now(ready: &[Ready<'_>]) -> Self {
        let plugins = ready.iter().map(|ready| (ready.task.plugin.clone(), Kept::of(&ready.plugin))).collect();
        Self { plugins }
    }

    /// Writes it beside the bundle: whole, or not at all.
    ///
    /// # Errors
    /// What kept it from being written.
    pub fn write(&self, bundle: &Path) -> Result<PathBuf, String> {
        let path = Self::path(bundle);
        let failed = |error: &dyn std::fmt::Display| format!("failed to write {}: {error}", path.display());
        let text = toml::to_string(self).map_err(|error| failed(&error))?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .prefix(".bundle-lock-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(directory)
            .map_err(|error| failed(&error))?;
        file.write_all(HEADER.as_bytes()).map_err(|error| failed(&error))?;
        file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
        file.as_file().sync_all().map_err(|error| failed(&error))?;
        file.persist(&path).map_err(|error| failed(&error))?;
        Ok(path)
    }

    /// How the plugin differs from the one that was accepted under that name.
    pub(super) fn change(&self, name: &str, plugin: &Plugin) -> Option<String> {
        let now = Kept::of(plugin);
        let Some(then) = self.plugins.get(name) else {
            return Some(format!("the plugin `{name}` was not there when the bundle was accepted"));
        };
        if then.digest == now.digest {
            return None;
        }
        let new: Vec<&str> = now.asks.iter().filter(|ask| !then.asks.contains(ask)).map(String::as_str).collect();
        let asks = if new.is_empty() {
            "it asks for nothing new".into()
        } else {
            format!("it asks for what it did not ask for then: {}", new.join("; "))
        };
        Some(format!(
            "the plugin `{name}` has changed since it was accepted (version {} then, {} now): {asks}",
            then.version, now.version
        ))
    }
}
