//! A bundle that is ready to be served: read, checked, with its plugins compiled and its credentials there.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bundle::{self, Accepted, Bundle, Plugins, Problems, Task, Weight};
use crate::capability::Grants;
use crate::plugin::{Host, Plugin};
use crate::schedule::Timing;
use crate::tell::Channel;

/// A bundle and what its tasks run.
pub struct Loaded {
    /// What the file says.
    pub bundle: Bundle,
    /// Who is told.
    pub channels: Vec<Channel>,
    /// By name, with their places in the bundle.
    tasks: BTreeMap<String, (usize, Armed)>,
}

/// What one task runs, with what it may touch.
#[derive(Clone)]
pub struct Armed {
    /// The plugin.
    pub plugin: Plugin,
    /// What its slots are bound to.
    pub grants: Grants,
}

/// Reads a bundle, again and again.
#[derive(Clone)]
pub struct Loader {
    /// Its file.
    pub path: PathBuf,
    /// Compiles plugins.
    pub host: Arc<Host>,
    /// Where plugins are looked up by name, after the bundle's own directories.
    pub directories: Vec<PathBuf>,
}

impl Loader {
    /// Reads the bundle, whole or not at all.
    ///
    /// # Errors
    /// Everything that is wrong with it, as `host check` says it.
    pub async fn load(&self) -> Result<Loaded, String> {
        let text = std::fs::read_to_string(&self.path)
            .map_err(|error| format!("failed to read the bundle {}: {error}", self.path.display()))?;
        let shown = |problems: &[bundle::Problem]| {
            Problems { name: &self.path.display().to_string(), text: &text, problems }.shown(false)
        };
        let accepted = Accepted::read(&self.path)?;
        let bundle = bundle::read(&self.path, &text).map_err(|problems| shown(&problems))?;
        let plugins = Plugins { host: &self.host, directories: self.directories.clone() };
        let checked = bundle.check(&plugins, accepted.as_ref(), |_| true).await;
        let wrong: Vec<_> = checked.problems.into_iter().filter(|problem| problem.weight == Weight::Error).collect();
        if !wrong.is_empty() {
            return Err(shown(&wrong));
        }
        let mut armed: BTreeMap<String, Armed> = BTreeMap::new();
        for ready in checked.ready {
            armed.insert(ready.task.name.clone(), Armed { plugin: ready.plugin, grants: ready.grants });
        }
        let placed = bundle.tasks.iter().enumerate();
        let tasks = placed.filter_map(|(place, task)| Some((task.name.clone(), (place, armed.remove(&task.name)?))));
        let tasks = tasks.collect();
        let mut channels = Vec::new();
        for tell in &bundle.tell {
            channels.push(tell.channel(&bundle.directory).await?);
        }
        Ok(Loaded { bundle, channels, tasks })
    }

    /// Something that is other when the file, or what was accepted, is. It reads neither: it is looked at every second.
    pub(super) fn mark(&self) -> Option<Mark> {
        let mark = |path: &Path| {
            let file = path.metadata().ok()?;
            Some((file.dev(), file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
        };
        Some(Mark { bundle: mark(&self.path)?, accepted: mark(&Accepted::path(&self.path)) })
    }
}

/// Which files a bundle was read from, and as of when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    bundle: (u64, u64, u64, i64, i64),
    accepted: Option<(u64, u64, u64, i64, i64)>,
}

impl Loaded {
    /// A task by its name, with what it runs.
    pub fn task(&self, name: &str) -> Option<(&Task, &Armed)> {
        let (place, armed) = self.tasks.get(name)?;
        Some((self.bundle.tasks.get(*place)?, armed))
    }

    /// When its tasks run.
    pub fn timings(&self) -> Vec<Timing> {
        self.bundle.tasks.iter().map(timing).collect()
    }
}

fn timing(task: &Task) -> Timing {
    let connections: BTreeSet<String> = task.grants.iter().filter_map(|grant| grant.connection.clone()).collect();
    Timing {
        name: task.name.clone(),
        schedule: task.schedule.clone(),
        zone: task.time_zone.clone(),
        jitter: task.jitter,
        opening: task.opening.clone(),
        catch_up: task.catch_up,
        overlap: task.overlap,
        retries: task.retries,
        retry_delay: task.retry_delay,
        after: task.after.clone(),
        priority: task.priority,
        connections,
    }
}
