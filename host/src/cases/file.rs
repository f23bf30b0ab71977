//! What a file of cases may hold, as it is written. The doc comments are what an editor shows: `host schema cases` makes
//! the JSON Schema from these types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::short::{short, text_of};
use super::stand_in;
use crate::policy::units::{Seconds, Size};

/// Cases of a Taskhost plugin: what it should find and do, each in a world that is made for it and thrown away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "Cases of a Taskhost plugin")]
pub(super) struct File {
    /// What holds for every case of this file; a case adds to it, and what it names anew takes the place of this.
    #[serde(default)]
    #[schemars(with = "Option<Common>")]
    pub(super) common: Common,
    /// The cases.
    #[serde(default)]
    #[schemars(with = "Vec<Case>")]
    pub(super) case: Vec<Spanned<Case>>,
}

/// What a case, and what is common to all, is given; with fields of its own.
macro_rules! given {
    ($(#[$about:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub(super) struct $name {
            $($own)*
            /// `run`, or `plan` for a rehearsal; `run` when absent.
            pub(super) mode: Option<Way>,
            /// The plugin's parameters. `{NAME}` stands for a part of the world: see the page on plugins.
            #[serde(default)]
            #[schemars(with = "BTreeMap<String, stand_in::Any>")]
            pub(super) parameters: BTreeMap<String, Spanned<toml::Value>>,
            /// What is bound to each slot: a part of the world by its capability, and access and settings as in a bundle.
            #[serde(default)]
            #[schemars(with = "BTreeMap<String, stand_in::Table>")]
            pub(super) grants: BTreeMap<String, Spanned<toml::Table>>,
            /// The most that a slot may change, as `"database.rows" = 500`.
            #[serde(default)]
            #[schemars(with = "BTreeMap<String, stand_in::Amount>")]
            pub(super) budget: BTreeMap<String, Spanned<Size>>,
            /// How long a run may take, such as `30s`; a minute when absent.
            #[schemars(with = "Option<stand_in::Span>")]
            pub(super) timeout: Option<Seconds>,
            /// How much memory the plugin may use, such as `64MiB`.
            #[schemars(with = "Option<stand_in::Amount>")]
            pub(super) memory: Option<Size>,
            /// Files of the case's own directory, by their paths. A slot is bound to a directory of it: `files = "logs"`,
            /// or `command = "app"` for where programs run.
            #[serde(default)]
            #[schemars(with = "BTreeMap<String, FileSpec>")]
            pub(super) files: BTreeMap<String, Spanned<FileSpec>>,
            /// Databases of the case's own, by a name. A slot is bound to one: `sql = "shop"`.
            #[serde(default)]
            #[schemars(with = "BTreeMap<String, Sql>")]
            pub(super) sql: BTreeMap<String, Spanned<Sql>>,
            /// Empty databases of Redis, by a name, on the server that `TASKHOST_TEST_REDIS` names.
            #[serde(default)]
            #[schemars(with = "BTreeMap<String, Redis>")]
            pub(super) redis: BTreeMap<String, Spanned<Redis>>,
            /// Things on the engine that `TASKHOST_TEST_DOCKER` names, by a name; a slot that is bound to them sees no other.
            #[serde(default)]
            #[schemars(with = "BTreeMap<String, Docker>")]
            pub(super) docker: BTreeMap<String, Spanned<Docker>>,
            /// Endpoints that speak TLS, by a name.
            #[serde(default)]
            #[schemars(with = "BTreeMap<String, Tls>")]
            pub(super) tls: BTreeMap<String, Spanned<Tls>>,
            /// HTTP servers, by a name: what each answers, as `"GET /x" = { status = 200, body = "..." }`.
            #[serde(default)]
            #[schemars(with = "BTreeMap<String, BTreeMap<String, Answer>>")]
            pub(super) http: BTreeMap<String, Spanned<BTreeMap<String, Answer>>>,
            /// Histories, by a name: the runs that each holds.
            #[serde(default)]
            #[schemars(with = "BTreeMap<String, History>")]
            pub(super) history: BTreeMap<String, Spanned<History>>,
        }
    };
}

given! {
    /// What holds for every case of this file.
    Common {}
}

given! {
    /// One case: a world, a run in it, and what is expected.
    Case {
        /// What it shows, in one line; no two of a file have the same.
        pub(super) name: String,
        /// What is expected of the run.
        #[schemars(with = "Option<Expect>")]
        pub(super) expect: Option<Spanned<Expect>>,
        /// Further runs in the same world, one after the other.
        #[serde(default)]
        #[schemars(with = "Vec<Step>")]
        pub(super) then: Vec<Spanned<Step>>,
    }
}

/// A further run in the same world: what is not said is as in the run before.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Step {
    /// `run`, or `plan` for a rehearsal.
    pub(super) mode: Option<Way>,
    /// Parameters that differ.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, stand_in::Any>")]
    pub(super) parameters: BTreeMap<String, Spanned<toml::Value>>,
    /// The most that a slot may change in this run.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, stand_in::Amount>")]
    pub(super) budget: BTreeMap<String, Spanned<Size>>,
    /// Files that are made before it; `false` removes one.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, FileSpec>")]
    pub(super) files: BTreeMap<String, Spanned<FileSpec>>,
    /// Statements that are run before it, by database.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(super) sql: BTreeMap<String, Spanned<String>>,
    /// Commands of Redis that are run before it, by database.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<Words>>")]
    pub(super) redis: BTreeMap<String, Spanned<Vec<Words>>>,
    /// What is expected of it.
    #[schemars(with = "Option<Expect>")]
    pub(super) expect: Option<Spanned<Expect>>,
}

/// Whether a plugin is run or rehearsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Way {
    /// As `host run` does.
    Run,
    /// As `host plan` does.
    Plan,
}

/// A file of the world: its text, or a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct FileTable {
    /// Its text.
    pub(super) content: Option<String>,
    /// In place of a text, so many bytes.
    #[schemars(with = "Option<stand_in::Amount>")]
    pub(super) size: Option<Size>,
    /// In place of a text, a copy of this file, which lies below the directory around the one of the cases.
    pub(super) copy: Option<String>,
    /// Not a file but a symbolic link to this.
    pub(super) link: Option<String>,
    /// Not a file but an empty directory.
    pub(super) directory: bool,
    /// How long ago it was last changed, such as `40d`.
    #[schemars(with = "Option<stand_in::Span>")]
    pub(super) age: Option<Seconds>,
    /// Permission bits in octal digits, such as `600`.
    pub(super) mode: Option<String>,
    /// Whether it is there at all: false removes it, between two runs.
    #[serde(skip)]
    pub(super) gone: bool,
}

short! {
    /// See [`FileTable`].
    FileSpec(FileTable), "a text, or a table with content, size, copy, link or directory, age and mode",
    text: |text| FileTable { content: Some(text), ..FileTable::default() },
    no: FileTable { gone: true, ..FileTable::default() },
}

/// A database of the case's own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Sql {
    /// `sqlite`, `postgres` or `mariadb`; a list makes a case of each.
    #[schemars(with = "stand_in::OneOrMany")]
    pub(super) server: crate::capability::binding::OneOrMany,
    /// What fills it.
    #[serde(default)]
    pub(super) statements: String,
    /// A file of statements beside the cases, which are run first.
    pub(super) file: Option<String>,
}

/// A database of Redis.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Redis {
    /// What fills it: each a text of words, or a list where a word holds a space.
    #[serde(default)]
    #[schemars(with = "Vec<stand_in::OneOrMany>")]
    pub(super) commands: Vec<Words>,
}

/// Words of a command.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "crate::capability::binding::OneOrMany")]
pub(super) struct Words(pub(super) Vec<String>);

/// Things on a Docker engine. Each carries the case's label, and its name begins with a mark of the case's own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Docker {
    /// Containers that are made and not started.
    pub(super) containers: Vec<String>,
    /// Images with nothing in them, as `NAME:TAG`.
    pub(super) images: Vec<String>,
    /// Networks.
    pub(super) networks: Vec<String>,
    /// Volumes.
    pub(super) volumes: Vec<String>,
}

/// An endpoint on this machine with a certificate of its own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Tls {
    /// Days until the certificate expires; below 0 it has.
    pub(super) days: i32,
    /// The names that it is for.
    pub(super) names: Vec<String>,
    /// Whether a slot that is bound to it trusts its authority.
    pub(super) trusted: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self { days: 90, names: vec!["localhost".into()], trusted: false }
    }
}

/// What an HTTP server answers: a body, or a table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct AnswerTable {
    /// The status; 200 when absent.
    pub(super) status: u16,
    /// The body.
    pub(super) body: String,
    /// The headers.
    pub(super) headers: BTreeMap<String, String>,
}

impl Default for AnswerTable {
    fn default() -> Self {
        Self { status: 200, body: String::new(), headers: BTreeMap::new() }
    }
}

short! {
    /// See [`AnswerTable`].
    Answer(AnswerTable), "a body, or a table with status, body and headers",
    text: |body| AnswerTable { body, ..AnswerTable::default() },
}

/// A history of the case's own, in a file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct History {
    /// What it holds, the oldest first.
    pub(super) runs: Vec<PastRun>,
}

/// A run that has ended.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PastRun {
    /// The name of its task.
    pub(super) task: String,
    /// How long ago it began, such as `2d`.
    #[schemars(with = "stand_in::Span")]
    pub(super) age: Seconds,
    /// How it ended; `ok` when absent.
    pub(super) outcome: Option<crate::report::Outcome>,
    /// What it said, or why it did not end well.
    #[serde(default)]
    pub(super) summary: String,
    /// What it found; a warning where it is not said.
    #[serde(default)]
    pub(super) findings: Vec<Finding>,
    /// Its metrics by name, or by `name(subject)`.
    #[serde(default)]
    pub(super) metrics: BTreeMap<String, f64>,
}

/// What is expected of a run. In texts `{NAME}` stands for a part of the world.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Expect {
    /// How it ends: `ok`, `warning`, `critical`, `failed`, `trapped`, `refused`, `over-budget`, `timed-out`,
    /// `unavailable`, `invalid`.
    pub(super) outcome: crate::report::Outcome,
    /// A part of the summary.
    pub(super) summary: Option<String>,
    /// A part of why it did not end well.
    pub(super) error: Option<String>,
    /// The findings: each of these is there, and no other warning or critical one.
    pub(super) findings: Option<Vec<Finding>>,
    /// Findings that are not there.
    #[serde(default)]
    pub(super) no_findings: Vec<Finding>,
    /// Metrics by name, or by `name(subject)`: a number, bounds, or `false` for one that is not there.
    #[serde(default)]
    pub(super) metrics: BTreeMap<String, Number>,
    /// Next actions: each of these is there.
    #[serde(default)]
    pub(super) next_actions: Vec<NextAction>,
    /// Effects: each of these is there, and no other that changes or destroys.
    pub(super) effects: Option<Vec<Effect>>,
    /// Effects that are not there.
    #[serde(default)]
    pub(super) no_effects: Vec<Effect>,
    /// Files afterwards, by their paths: `true` for there, `false` for gone, a text for its content, or a table.
    #[serde(default)]
    pub(super) files: BTreeMap<String, FileCheck>,
    /// Rows afterwards, by database and by query: one value, or a list of rows; a row of several values is a list.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, stand_in::Any>>")]
    pub(super) rows: BTreeMap<String, BTreeMap<String, toml::Value>>,
    /// What Redis answers afterwards, by database and by command.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, stand_in::Any>>")]
    pub(super) replies: BTreeMap<String, BTreeMap<String, toml::Value>>,
    /// What of the things on the Docker engine is there afterwards, all of them and no other.
    #[serde(default)]
    pub(super) things: BTreeMap<String, Docker>,
}

/// A finding, by what of it is written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Finding {
    /// `ok`, `warning` or `critical`.
    pub(super) severity: Option<crate::report::Severity>,
    /// The whole subject.
    pub(super) subject: Option<String>,
    /// The whole title.
    pub(super) title: Option<String>,
    /// A part of the detail.
    pub(super) detail: Option<String>,
    /// A part of the remedy.
    pub(super) remedy: Option<String>,
}

/// A metric's value: bounds, inclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Bounds {
    /// The least.
    pub(super) min: Option<f64>,
    /// The most.
    pub(super) max: Option<f64>,
    /// It is not there at all.
    #[serde(skip)]
    pub(super) absent: bool,
}

short! {
    /// See [`Bounds`].
    Number(Bounds), "a number, bounds like { min = 1, max = 9 }, or false for a metric that is not there",
    number: |number| Bounds { min: Some(number), max: Some(number), absent: false },
    no: Bounds { absent: true, ..Bounds::default() },
}

/// A next action: a part of it, or a table.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct NextActionTable {
    /// A part of it.
    pub(super) action: Option<String>,
    /// The whole subject.
    pub(super) subject: Option<String>,
}

short! {
    /// See [`NextActionTable`].
    NextAction(NextActionTable), "a part of the action, or a table with action and subject",
    text: |action| NextActionTable { action: Some(action), subject: None },
}

/// An effect, by what of it is written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Effect {
    /// The capability.
    pub(super) capability: Option<String>,
    /// The slot.
    pub(super) slot: Option<String>,
    /// The operation's name.
    pub(super) operation: Option<String>,
    /// `observe`, `change` or `destroy`.
    pub(super) impact: Option<crate::gate::Impact>,
    /// A part of what it is done to.
    pub(super) target: Option<String>,
    /// `perform`, `rehearse` or `refuse`.
    pub(super) decision: Option<crate::gate::Decision>,
    /// `done`, `failed`, `refused` or `abandoned`.
    pub(super) outcome: Option<String>,
    /// Rows, entries or keys.
    pub(super) rows: Option<u64>,
    /// Bytes.
    pub(super) bytes: Option<u64>,
    /// How many there are like this; 1 when absent.
    pub(super) count: Option<usize>,
}

/// What is expected of a file afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct FileCheckTable {
    /// Its whole text.
    pub(super) content: Option<String>,
    /// A part of its text.
    pub(super) contains: Option<String>,
    /// Its bytes.
    #[schemars(with = "Option<stand_in::Amount>")]
    pub(super) size: Option<Size>,
    /// Its permission bits in octal digits.
    pub(super) mode: Option<String>,
    /// It is as it was before the run, its time too.
    pub(super) unchanged: bool,
    /// It is not there.
    #[serde(skip)]
    pub(super) gone: bool,
}

short! {
    /// See [`FileCheckTable`].
    FileCheck(FileCheckTable), "true, false, a text, or a table with content, contains, size, mode or unchanged",
    text: |content| FileCheckTable { content: Some(content), ..FileCheckTable::default() },
    yes: FileCheckTable::default(),
    no: FileCheckTable { gone: true, ..FileCheckTable::default() },
}

impl From<crate::capability::binding::OneOrMany> for Words {
    /// One text is parted at its spaces.
    fn from(written: crate::capability::binding::OneOrMany) -> Self {
        match written.0.as_slice() {
            [one] => Self(one.split_whitespace().map(Into::into).collect()),
            _ => Self(written.0),
        }
    }
}

impl JsonSchema for Words {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Words".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        stand_in::OneOrMany::json_schema(generator)
    }
}

/// The JSON Schema of files of cases.
pub(crate) fn schema() -> serde_json::Value {
    schemars::schema_for!(File).to_value()
}

/// A value of the file as a text: as it is written on a command line, or as a database writes it.
pub(super) fn text(value: &toml::Value) -> String {
    text_of(value)
}
