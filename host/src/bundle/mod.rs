//! A bundle: one TOML file that names a system's tasks, what each may touch, and when it runs; what a team reviews and
//! keeps in git.
//!
//! [`read`] takes in what the file itself tells, [`check`](Bundle::check) what can only be told with its plugins and
//! its credentials, and [`run`](run::run) carries tasks out. A bundle with any mistake starts nothing.

mod accepted;
mod check;
mod credential;
mod file;
mod granted;
mod history;
pub(crate) mod peel;
mod problem;
pub(crate) mod read;
mod roles;
mod run;
mod schedule;
mod tell;
mod unwise;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

pub use accepted::Accepted;
pub use check::{Checked, Plugins, Ready};
pub use credential::{Hidden, Source};
pub use file::{Kind, Overlap, schema};
pub use granted::{Granted, granted};
pub use history::History;
pub use problem::{Placed, Problem, Problems, Weight};
pub use read::read;
pub use run::{Order, Selection, run};
pub use schedule::Schedule;
pub use tell::Tell;

use crate::gate::Budgets;
use crate::schedule::{CatchUp, Limits, Opening};

/// What a bundle file says, in the order in which it says it.
#[derive(Debug)]
pub struct Bundle {
    /// What it is called in reports.
    pub name: String,
    /// The directory of its file, from which its paths are counted.
    pub directory: PathBuf,
    /// Who answers for the system.
    pub maintainer: Option<String>,
    /// The zone of its schedules.
    pub time_zone: TimeZone,
    /// Where runs are recorded.
    pub history: Option<History>,
    /// Where plugins are looked up before the host's own directories.
    pub plugins: Vec<PathBuf>,
    /// The tasks.
    pub tasks: Vec<Task>,
    /// How much runs at a time.
    pub limits: Limits,
    /// Who is told.
    pub tell: Vec<Tell>,
    /// What people do.
    pub checklist: Vec<ChecklistEntry>,
}

/// One task.
#[derive(Debug)]
#[expect(missing_docs, reason = "file.rs says it, where they are written")]
pub struct Task {
    pub name: String,
    pub description: Option<String>,
    pub plugin: String,
    /// As on the command line.
    pub arguments: Vec<(String, String)>,
    pub grants: Vec<SlotGrant>,
    pub budgets: Budgets,
    pub kind: Option<Kind>,
    pub schedule: Option<Schedule>,
    pub time_zone: TimeZone,
    pub timeout: Duration,
    pub memory: Option<u64>,
    pub retries: u8,
    pub retry_delay: Duration,
    pub overlap: Overlap,
    pub catch_up: CatchUp,
    /// By how much its times are put off.
    pub jitter: Duration,
    pub opening: Opening,
    pub priority: i32,
    /// Names of tasks.
    pub after: Vec<String>,
    places: Places,
}

/// Where in the file the parts of a task are.
#[derive(Debug)]
struct Places {
    task: Range<usize>,
    plugin: Range<usize>,
    parameters: BTreeMap<String, Range<usize>>,
    budgets: BTreeMap<String, Range<usize>>,
}

/// What one slot is bound to.
#[derive(Clone, Debug)]
pub struct SlotGrant {
    /// The slot.
    pub slot: String,
    /// The room's name.
    pub capability: &'static str,
    /// The connection that it names, if it does.
    pub connection: Option<String>,
    /// Where its targets come from; one, but for rooms whose slots may stand for several.
    pub sources: Vec<Source>,
    /// Access and settings; paths are absolute.
    pub settings: toml::Table,
    /// The settings that hold a credential.
    pub secrets: BTreeMap<&'static str, Vec<Hidden>>,
    place: Range<usize>,
    /// Where its target is written: there, or at the connection.
    target_place: Range<usize>,
}

impl SlotGrant {
    /// What it stands for, without secrets.
    pub fn target(&self) -> String {
        self.sources.iter().map(Source::shown).collect::<Vec<_>>().join(", ")
    }

    /// The words of access, the one that comes with binding included.
    pub fn access(&self) -> Vec<&str> {
        let first = crate::capability::room(self.capability).and_then(|room| room.access.first().copied());
        first.into_iter().chain(self.texts("access").into_iter().filter(|word| Some(*word) != first)).collect()
    }

    /// The texts of a setting.
    pub fn texts(&self, setting: &str) -> Vec<&str> {
        match self.settings.get(setting) {
            Some(toml::Value::String(text)) => vec![text],
            Some(toml::Value::Array(values)) => values.iter().filter_map(toml::Value::as_str).collect(),
            _ => vec![],
        }
    }
}

/// Something that a person does.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ChecklistEntry {
    /// In one line.
    pub title: String,
    /// Which part of the calendar it belongs to.
    pub kind: Kind,
    /// How to do it.
    pub detail: Option<String>,
}
