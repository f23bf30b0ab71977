//! Cases of a plugin: what it should find and do, each in a world that is made for it and thrown away. Whoever writes a
//! plugin keeps them beside it, and `host test` runs them.
//!
//! [`read`] takes a file in, [`run`] makes each world, runs or rehearses the plugin in it as `host run` and `host plan` do,
//! and compares. A slot of a case is bound to nothing but a part of its world: directories and SQLite files in a temporary
//! directory, and throw-away databases and things on servers that the environment names. A file with a mistake runs nothing.

mod accept;
mod compare;
mod expand;
mod file;
mod junit;
mod matching;
mod read;
mod run;
mod short;
mod stand_in;
mod text;
mod verdict;
mod world;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use accept::accept;
pub(crate) use file::schema;
pub(crate) use junit::junit;
pub(crate) use read::read;
pub(crate) use run::{Order, run};
pub(crate) use text::text;
pub(crate) use verdict::{State, Verdict};

use self::file::{Answer, Docker, Expect, FileTable, History, Tls, Words};
use crate::capability::RoomWords;
use crate::gate::{Budgets, Mode};

/// The file that cases come from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// As it is shown.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What it says.
    pub(crate) text: String,
}

impl Origin {
    /// The directory that the file lies in.
    fn directory(&self) -> &Path {
        self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }
}

/// One case, on one set of servers.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// What it shows, with its servers where the file names several.
    pub(crate) name: String,
    /// Its position among the `[[case]]` of its file.
    index: usize,
    /// Where its heading is.
    place: Range<usize>,
    plan: Plan,
    grants: Vec<Grant>,
    timeout: Duration,
    memory: Option<u64>,
    /// The runs, one after the other; one at least.
    steps: Vec<Step>,
}

/// The world that is to be made.
#[derive(Clone, Debug, Default)]
struct Plan {
    files: BTreeMap<String, FileTable>,
    sql: BTreeMap<String, Database>,
    redis: BTreeMap<String, Vec<Words>>,
    docker: BTreeMap<String, Docker>,
    tls: BTreeMap<String, Tls>,
    http: BTreeMap<String, BTreeMap<String, Answer>>,
    history: BTreeMap<String, History>,
}

/// A database of the world.
#[derive(Clone, Debug)]
struct Database {
    server: Server,
    file: Option<String>,
    statements: String,
}

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Sqlite,
    Postgres,
    MariaDb,
}

/// What one slot is bound to.
#[derive(Clone, Debug)]
struct Grant {
    slot: String,
    room: &'static RoomWords,
    /// Names of parts of the world; of files and of programs, a directory in it.
    targets: Vec<String>,
    settings: toml::Table,
}

/// One run.
#[derive(Clone, Debug)]
struct Step {
    mode: Mode,
    arguments: Vec<(String, String)>,
    budgets: Budgets,
    /// What is done to the world before it.
    files: BTreeMap<String, FileTable>,
    sql: BTreeMap<String, String>,
    redis: BTreeMap<String, Vec<Words>>,
    expect: Option<Expect>,
}
