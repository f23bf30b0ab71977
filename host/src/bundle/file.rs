//! What a bundle file may hold, as it is written. The doc comments are what an editor shows: `host schema bundle` makes
//! the JSON Schema from these types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::policy::units::{Seconds, Size};

/// A Taskhost bundle: the maintenance tasks of one system, what each may touch, and when it runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "Taskhost bundle")]
pub(super) struct File {
    /// What this bundle is called in reports; the file's name when absent.
    pub(super) name: Option<String>,
    /// What the system is, for whoever reads the file.
    #[expect(dead_code, reason = "for people")]
    pub(super) description: Option<String>,
    /// The IANA time zone of all schedules, such as `Europe/Berlin`; UTC when absent.
    #[schemars(with = "Option<String>")]
    pub(super) time_zone: Option<Spanned<String>>,
    /// Who answers for the system, for the maintenance log.
    pub(super) maintainer: Option<String>,
    /// Directories in which plugins are looked up by name, before those of the host. Relative to this file.
    #[serde(default)]
    pub(super) plugins: Vec<String>,
    /// What holds for every task that does not say otherwise.
    #[serde(default)]
    pub(super) defaults: Defaults,
    /// What tasks may be granted, by a name of your own: one line of target, and settings that hold for every grant.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Connection>")]
    pub(super) connections: BTreeMap<String, Spanned<toml::Table>>,
    /// The tasks, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Task>")]
    pub(super) tasks: BTreeMap<String, Spanned<Task>>,
    /// What people do, in the same calendar.
    #[serde(default)]
    #[schemars(with = "Vec<ChecklistEntry>")]
    pub(super) checklist: Vec<Spanned<ChecklistEntry>>,
}

/// What holds for every task that does not say otherwise.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Defaults {
    /// How long a run may take, such as `30m`; 30 minutes when absent.
    #[schemars(with = "Option<Span>")]
    pub(super) timeout: Option<Seconds>,
    /// How much memory a plugin may use, such as `64MiB`.
    #[schemars(with = "Option<Amount>")]
    pub(super) memory: Option<Size>,
    /// How often a run is repeated that found a server unavailable or timed out; a refusal never is.
    pub(super) retries: Option<u8>,
    /// How long to wait before the first repetition, such as `30s`; each further wait is twice the one before.
    #[schemars(with = "Option<Span>")]
    pub(super) retry_delay: Option<Seconds>,
    /// What to do when it is time for a task that still runs.
    pub(super) overlap: Option<Overlap>,
}

/// One task: a plugin, what it is told, what it may touch, and when it runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Task {
    /// The plugin's name on the plugin path, or a path relative to this file.
    #[schemars(with = "String")]
    pub(super) plugin: Spanned<String>,
    /// What it is for, in reports.
    pub(super) description: Option<String>,
    /// Its parameters; `host inspect PLUGIN` lists them.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ParameterValue>")]
    pub(super) parameters: BTreeMap<String, Spanned<toml::Value>>,
    /// What is bound to each of its slots.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, SlotGrant>")]
    pub(super) grants: BTreeMap<String, Spanned<toml::Table>>,
    /// The most that a slot may change, as `"database.rows" = 500` or `"logs.bytes" = "2GiB"`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Amount>")]
    pub(super) budget: BTreeMap<String, Spanned<Size>>,
    /// Which part of the calendar it belongs to; told from the schedule when absent.
    pub(super) kind: Option<Kind>,
    /// When it runs: five cron fields such as `0 3 * * 0`, or `daily at 03:00`, `weekly on sunday at 03:00`,
    /// `monthly on day 1 at 03:00`, `quarterly at 03:00`. Absent for a task that is run by hand alone.
    #[schemars(with = "Option<String>")]
    pub(super) schedule: Option<Spanned<String>>,
    /// The time zone of its schedule, where it is not the bundle's.
    #[schemars(with = "Option<String>")]
    pub(super) time_zone: Option<Spanned<String>>,
    /// How long a run may take, such as `30m`.
    #[schemars(with = "Option<Span>")]
    pub(super) timeout: Option<Seconds>,
    /// How much memory the plugin may use, such as `64MiB`.
    #[schemars(with = "Option<Amount>")]
    pub(super) memory: Option<Size>,
    /// How often a run is repeated that found a server unavailable or timed out.
    pub(super) retries: Option<u8>,
    /// How long to wait before the first repetition, such as `30s`.
    #[schemars(with = "Option<Span>")]
    pub(super) retry_delay: Option<Seconds>,
    /// What to do when it is time for it and it still runs.
    pub(super) overlap: Option<Overlap>,
    /// Tasks of the same kind that must have ended well before it begins.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) after: Vec<Spanned<String>>,
}

/// Something that a person does and ticks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ChecklistEntry {
    /// What to do, in one line.
    pub(super) title: String,
    /// Which part of the calendar it belongs to.
    pub(super) kind: Kind,
    /// How to do it.
    pub(super) detail: Option<String>,
}

/// A part of the maintenance calendar.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Kind {
    Daily,
    Weekly,
    Monthly,
    Quarterly,
}

/// What to do when it is time for a task that still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// The new run is left out.
    #[default]
    Skip,
    /// It begins when the other has ended.
    Queue,
    /// The other is stopped.
    Replace,
}

/// A length of time such as `90s`, `30m`, `12h` or `30d`, or a whole number of seconds.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "the schema of what is read as text")]
enum Span {
    Seconds(u64),
    Text(#[schemars(regex(pattern = r"^(\d+[smhdw]?)+$"))] String),
}

/// A number or a size such as `500`, `64KiB` or `2GiB`.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "the schema of what is read as text")]
enum Amount {
    Number(u64),
    Text(#[schemars(regex(pattern = r"^\d+ *[A-Za-z]*$"))] String),
}

/// A parameter's value: a duration or a size is a text such as `30d` or `2GiB`.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "the schema of what is read as TOML")]
enum ParameterValue {
    Text(String),
    Integer(i64),
    Number(f64),
    Boolean(bool),
    Texts(Vec<String>),
}

/// Where a target comes from.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "the schema of what is read as TOML")]
enum Target {
    /// The target itself; `env:NAME` or `file:PATH` for one that holds a credential.
    Text(String),
    /// Several endpoints for one slot.
    Texts(Vec<String>),
    /// What a program prints, such as `{ command = ["pass", "show", "app/database"] }`. It is run without a shell.
    Command {
        /// The program and its arguments.
        command: Vec<String>,
    },
}

/// A target by the name of its capability (`sql = "env:DATABASE_URL"`), and settings such as `ca`.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the schema of what is read as TOML")]
struct Connection {
    /// `postgres://`, `mysql://`, `mariadb://` or `sqlite:PATH`.
    sql: Option<Target>,
    /// A directory.
    files: Option<Target>,
    /// HOST:PORT, or several.
    tls: Option<Target>,
    /// `unix:///var/run/docker.sock` or `tcp://HOST:PORT`.
    docker: Option<Target>,
    /// `redis://`, `rediss://` or `unix:PATH`.
    redis: Option<Target>,
    /// The room's settings, as after the comma of the command line's flag.
    #[schemars(flatten)]
    settings: BTreeMap<String, ParameterValue>,
}

/// What a slot gets: a connection of this file, or a target of its own, and the access.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the schema of what is read as TOML")]
struct SlotGrant {
    /// The name of a connection of this file.
    connection: Option<String>,
    /// Words of access beside the first, which binding grants, such as `["maintain"]`.
    access: Option<Vec<String>>,
    /// A target of its own, and settings such as `table = ["sessions"]`.
    #[schemars(flatten)]
    rest: Connection,
}

/// The JSON Schema of bundle files.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(File).to_value()
}
