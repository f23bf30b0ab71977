//! What a bundle file may hold, as it is written. The doc comments are what an editor shows: `host schema bundle` makes
//! the JSON Schema from these types.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use toml::Spanned;

use crate::policy::units::{Seconds, Size};
use crate::schedule::CatchUp;
use crate::tell::Level;

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
    /// Where runs are recorded: a file such as `history.db`, relative to this one, or `postgres://...`. Nothing is
    /// recorded when absent.
    #[schemars(with = "Option<History>")]
    pub(super) history: Option<Spanned<toml::Value>>,
    /// What holds for every task that does not say otherwise.
    #[serde(default)]
    pub(super) defaults: Defaults,
    /// How much `host serve` runs at a time.
    #[serde(default)]
    pub(super) limits: Limits,
    /// What tasks may be granted, by a name of your own: one line of target, and settings that hold for every grant.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Connection>")]
    pub(super) connections: BTreeMap<String, Spanned<toml::Table>>,
    /// Who is told by `host serve` when a task breaks and when it mends, by a name of your own.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Tell>")]
    pub(super) tell: BTreeMap<String, Spanned<Tell>>,
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
    /// What to do about times at which the host was away.
    pub(super) catch_up: Option<CatchUp>,
    /// By how much at most a task is put off, such as `5m`, so that not all begin at once.
    #[schemars(with = "Option<Span>")]
    pub(super) jitter: Option<Seconds>,
    /// Hours in which tasks may begin, such as `22:00-06:00` or `mon-fri 09:00-17:00`; always when absent.
    #[schemars(with = "Vec<String>")]
    pub(super) windows: Vec<Spanned<String>>,
    /// Hours or days in which no task begins, such as `fri 16:00-24:00` or `2026-12-20..2027-01-06`.
    #[schemars(with = "Vec<String>")]
    pub(super) blackouts: Vec<Spanned<String>>,
}

/// How much runs at a time.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Limits {
    /// In all; 4 when absent.
    pub(super) runs: Option<std::num::NonZeroU16>,
    /// By connection, such as `{ database = 1 }`; without limit when absent.
    #[schemars(with = "BTreeMap<String, std::num::NonZeroU16>")]
    pub(super) connections: BTreeMap<String, Spanned<std::num::NonZeroU16>>,
}

/// One way to tell somebody. An address may be `env:NAME`, `file:PATH` or `{ command = [...] }`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Tell {
    /// A URL that takes JSON: event, bundle, task, run, level, summary, findings.
    #[schemars(with = "Option<Target>")]
    pub(super) webhook: Option<toml::Value>,
    /// A URL that takes messages as Slack and Mattermost do.
    #[schemars(with = "Option<Target>")]
    pub(super) slack: Option<toml::Value>,
    /// The base URL of an Alertmanager.
    #[schemars(with = "Option<Target>")]
    pub(super) alertmanager: Option<toml::Value>,
    /// A URL as healthchecks.io has them, told of every start, end and failure; `{task}` in it is the task's name.
    #[schemars(with = "Option<Target>")]
    pub(super) ping: Option<toml::Value>,
    /// A mail server, as `smtps://USER:PASSWORD@HOST`; with `from` and `to`.
    #[schemars(with = "Option<Target>")]
    pub(super) mail: Option<toml::Value>,
    /// The sender of mail.
    pub(super) from: Option<String>,
    /// The receivers of mail.
    pub(super) to: Vec<String>,
    /// Only of these tasks: names, or patterns such as `backup-*`.
    pub(super) tasks: Vec<String>,
    /// From when on: `warning`, `critical` or `broken`; `warning` when absent, and `critical` for a ping.
    pub(super) level: Option<Level>,
    /// A webhook or a ping that is told so often that the host lives, such as `1m`, and of nothing else.
    #[schemars(with = "Option<Span>")]
    pub(super) alive: Option<Seconds>,
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
    /// What to do about times at which the host was away.
    pub(super) catch_up: Option<CatchUp>,
    /// By how much at most it is put off, such as `5m`; always by as much, for the same task.
    #[schemars(with = "Option<Span>")]
    pub(super) jitter: Option<Seconds>,
    /// Hours in which it may begin, such as `22:00-06:00`, in place of the defaults'.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) windows: Option<Vec<Spanned<String>>>,
    /// Hours or days in which it does not begin, beside the defaults'.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) blackouts: Vec<Spanned<String>>,
    /// Of tasks that wait, the one with the higher number begins first; 0 when absent.
    #[serde(default)]
    pub(super) priority: i32,
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

/// Where runs are recorded, and for how long.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "the schema of what is read as TOML")]
enum History {
    /// A file or a URL; `env:NAME` or `file:PATH` for one that holds a credential.
    Text(String),
    Settings(HistorySettings),
}

/// Where runs are recorded, and for how long.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(dead_code, reason = "the schema of what is read as TOML")]
struct HistorySettings {
    /// A file or a URL.
    target: Target,
    /// What is older is removed, such as `365d`; two years when absent.
    keep: Option<Span>,
    /// Of more runs, the oldest are removed; 100,000 when absent.
    keep_runs: Option<u64>,
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
struct Connection;

impl JsonSchema for Connection {
    fn schema_name() -> Cow<'static, str> {
        "Connection".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let settings = generator.subschema_for::<ParameterValue>();
        let described = |generator: &mut SchemaGenerator, name: &str, description: String| {
            let mut target = generator.subschema_for::<Target>();
            target.insert("description".into(), description.into());
            (name.to_owned(), target.to_value())
        };
        let mut properties = serde_json::Map::new();
        for room in crate::capability::ROOMS {
            properties.extend([described(generator, room.name, room.target.into())]);
            let secret = |name: &&str| described(generator, name, format!("A credential of {}.", room.name));
            properties.extend(room.secrets.iter().map(secret));
            properties
                .extend((room.schema)(generator).into_iter().map(|(key, schema)| (key.to_owned(), schema.to_value())));
        }
        json_schema!({
            "type": "object",
            "description": "A target by the name of its capability, and settings as after the comma of its flag.",
            "properties": properties,
            "additionalProperties": settings,
        })
    }
}

/// What a slot gets: a connection of this file, or a target of its own, and the access.
struct SlotGrant;

impl JsonSchema for SlotGrant {
    fn schema_name() -> Cow<'static, str> {
        "SlotGrant".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Connection::json_schema(generator);
        let own = [
            ("connection", json_schema!({"type": "string", "description": "The name of a connection of this file."})),
            (
                "access",
                json_schema!({
                    "description": "Words of access beside the first, which binding grants.",
                    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
                }),
            ),
        ];
        let properties = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut);
        if let Some(properties) = properties {
            properties.extend(own.map(|(name, schema)| (name.to_owned(), schema.to_value())));
        }
        schema.insert(
            "description".into(),
            "What a slot gets: a connection of this file, or a target of its own, and the access.".into(),
        );
        schema
    }
}

/// The JSON Schema of bundle files.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(File).to_value()
}
